//! Reading an `akash_lease` from chain and provider. A provider that is down or says less changes nothing: destroy
//! must always work.

use akash_chain::QueryError;
use akash_gateway::{GatewayError, LeaseRef};
use akash_proto::Dec;
use akash_proto::akash::market::v1::{self as market_v1, lease};
use akash_proto::id::{GroupId, LeaseId};
use secrecy::{ExposeSecret, SecretString};
use tfplugin::{Read, Saved, Value};

use super::LeaseResource;
use super::model::{Lease, Private};
use super::plan;
use super::wanted::digest;
use crate::clients::Clients;
use crate::lifecycle::lease_end::{self, Reclaim};
use crate::lifecycle::{cost::Cost, ids, manifest::ManifestAttribute, market, providers};
use crate::op::{Failure, Found, Op};
use crate::resources::deployment::is_closed;

/// Reads; `None`: there is no such lease, and a warning says why.
pub(super) async fn read(
    op: &Op,
    read: Read<LeaseResource>,
) -> Result<Option<Saved<LeaseResource>>, Failure> {
    let Read { mut state, mut private } = read;
    let id = ids::group(state.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| Failure::new("The state has no usable id", format!("{error}.")))?;
    let what = format!("Lease {id}");
    if let Some(pending) = &private.pending {
        match op.find(pending, &what, "was not taken").await? {
            Found::Created => {}
            Found::Nothing => return Ok(None),
            Found::Unknown => return Ok(Some(Saved { state, private })),
        }
    }
    let seen = look(&op.clients, &id, &state).await;
    match seen.map_err(|error| Failure::new(format!("{what} can't be read"), error.to_string()))? {
        Seen::Running(lease, height) => {
            private.pending = None;
            private.height = Some(height);
            private.lost = None;
            private.moving = false;
            private.reclaim = Reclaim::of(&lease);
            if let Some(reclaim) = &private.reclaim {
                op.say(|diagnostics| plan::reclaimed(reclaim, diagnostics));
            }
            record(&op.clients, &id, &mut state, &lease).await;
            ask_provider(op, &id, &mut state, &mut private).await;
        }
        Seen::Ended(lease) => ended(&mut state, &mut private, &lease),
        Seen::Nothing(why) => {
            op.warn(format!("{what} is gone"), format!("{why} It is removed from state."));
            return Ok(None);
        }
    }
    Ok(Some(Saved { state, private }))
}

/// What the chain has of the lease.
enum Seen {
    Running(Box<market_v1::Lease>, u64),
    Ended(Box<market_v1::Lease>),
    Nothing(String),
}

/// Looks the lease up: in the listing that all reads of this owner share, and only what has ended by itself.
async fn look(clients: &Clients, id: &GroupId, state: &Lease) -> Result<Seen, QueryError> {
    let listing = clients.chain.listing(id.owner()).await?;
    let ours = |lease: &&market_v1::Lease| {
        lease.id.as_ref().and_then(|one| LeaseId::try_from(one).ok()).is_some_and(|one| one.group() == id)
    };
    if let Some(lease) = listing.leases.iter().filter_map(|row| row.lease.as_ref()).find(ours) {
        return Ok(Seen::Running(Box::new(lease.clone()), listing.height));
    }
    if !listing.deployments.contains_key(id.deployment()) {
        let found = clients.chain.deployment(id.deployment()).await?;
        let why = match &found {
            None => Some("Its deployment is not on the chain.".to_owned()),
            Some(found) => is_closed(found).map(|reason| format!("Its deployment is closed. {reason}")),
        };
        if let Some(why) = why {
            return Ok(Seen::Nothing(why));
        }
    }
    let leases = clients.chain.leases(id.deployment(), Some(id.gseq())).await?;
    let mut leases: Vec<market_v1::Lease> = leases.into_iter().filter_map(|row| row.lease).collect();
    // One that was taken between the two questions.
    if let Some(running) = leases.iter().position(|lease| market::runs(lease.state)) {
        return Ok(Seen::Running(Box::new(leases.swap_remove(running)), listing.height));
    }
    let oseq = state.terms.oseq.known().copied();
    let recorded =
        leases.into_iter().find(|lease| oseq.is_some() && lease.id.as_ref().map(|id| id.oseq) == oseq);
    Ok(match recorded {
        Some(lease) => Seen::Ended(Box::new(lease)),
        None => Seen::Nothing("The group has no lease.".into()),
    })
}

fn ended(state: &mut Lease, private: &mut Private, lease: &market_v1::Lease) {
    let reason = lease_end::reason(lease.reason);
    let word = if lease.state == i32::from(lease::State::InsufficientFunds) {
        "insufficient_funds"
    } else {
        "closed"
    };
    private.pending = None;
    private.reclaim = None;
    // A move that ended without a lease has said why already.
    private.lost.get_or_insert_with(|| match reason.as_str() {
        "owner" => {
            format!("It was closed by its owner in block {}, outside this configuration.", lease.closed_on)
        }
        "insufficient_funds" => {
            format!("The deployment's escrow ran out; that was noticed in block {}.", lease.closed_on)
        }
        other => format!("The provider closed it in block {} (reason: {other}).", lease.closed_on),
    });
    state.terms.state = word.into();
    state.terms.closed_reason = reason.into();
}

/// Takes over what the chain says of a lease that runs.
async fn record(clients: &Clients, id: &GroupId, state: &mut Lease, lease: &market_v1::Lease) {
    let lease_id = lease.id.clone().unwrap_or_default();
    // Another order than recorded: the group was leased again outside this configuration.
    let another = state.terms.oseq.known() != Some(&lease_id.oseq)
        || state.provider_address.as_deref() != Some(lease_id.provider.as_str());
    if another {
        state.terms.provider_host = Value::Null;
        state.terms.provider_attributes = Value::Null;
        state.reported.manifest_hash = Value::Null;
        state.reported.ready = false.into();
    }
    state.terms.oseq = lease_id.oseq.into();
    state.provider_address = lease_id.provider.as_str().into();
    let price = lease.price.as_ref().and_then(|price| Dec::from_wire(&price.amount).ok());
    // One that can't be read is not "nothing".
    state.terms.price = price.map(|price| price.to_string()).into();
    state.terms.cost = price.map(Cost::of).into();
    let reclaim = Reclaim::of(lease);
    state.terms.state = if reclaim.is_some() { "reclaiming" } else { "active" }.into();
    state.terms.closed_reason = Value::Null;
    state.terms.reclaim_deadline = reclaim.and_then(|reclaim| reclaim.deadline).into();
    state.deployment = match &state.deployment {
        Value::Known(deployment) => deployment.as_str().into(),
        _ => id.deployment().to_string().into(),
    };
    if state.receipts.is_null() {
        state.receipts = Value::Known(Vec::new());
    }
    if state.group.is_null() {
        state.group = group_name(clients, id).await.into();
    }
    if !state.terms.provider_host.is_known() || !state.terms.provider_attributes.is_known() {
        match clients.chain.recent_provider(&lease_id.provider).await {
            Ok(Some(provider)) => {
                state.terms.provider_host = providers::host(&provider).into();
                state.terms.provider_attributes = Value::Known(providers::attributes(&provider));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the provider can't be looked up"),
        }
    }
}

/// The name of the group, for a lease that was imported.
async fn group_name(clients: &Clients, id: &GroupId) -> Option<String> {
    let found = clients.chain.group(id).await.ok()??;
    found.group_spec.map(|spec| spec.name)
}

/// Asks the provider for addresses and for the manifest it holds. What it does not say is no news.
async fn ask_provider(op: &Op, id: &GroupId, state: &mut Lease, private: &mut Private) {
    let clients = &op.clients;
    // Only the owner may ask.
    if clients.chain.address() != Some(id.owner()) {
        return;
    }
    let oseq = state.terms.oseq.known().copied().unwrap_or_default();
    let reference = LeaseRef { dseq: id.dseq(), gseq: id.gseq(), oseq };
    let address = state.provider_address.as_deref().unwrap_or_default();
    let Ok(Some(provider)) = clients.chain.recent_provider(address).await else {
        op.warn(format!("The provider of lease {id} can't be looked up"), "What state has of it is kept.");
        return;
    };
    let target = providers::target(&provider);
    let (status, held) = tokio::join!(
        clients.gateway.lease_status(&target, reference),
        clients.gateway.manifest(&target, reference)
    );
    match status {
        Ok(status) => take_over(state, &status, &providers::host(&provider)),
        Err(GatewayError::NotFound { .. }) => {}
        Err(error) => op.warn(
            format!("The provider of lease {id} does not answer"),
            format!("{error}. What state has of the lease is kept; plan and destroy work without it."),
        ),
    }
    // While it takes the lease back it takes no manifest, so there is nothing that a plan could do.
    let Some(ours) = private.digest.as_ref().filter(|_| private.reclaim.is_none()) else { return };
    let group = state.group.as_deref().unwrap_or_default();
    match held {
        Ok(held) if held_digest(&held, group).as_ref() == Some(ours) => {}
        Ok(_) => {
            op.warn(
                format!("The provider of lease {id} holds another manifest"),
                "It is not the one that was uploaded. The plan uploads it again.",
            );
            state.reported.manifest_hash = Value::Null;
        }
        Err(GatewayError::NotFound { .. }) => {
            op.warn(
                format!("The provider of lease {id} has no manifest"),
                "It does not have what was uploaded. The plan uploads it again.",
            );
            state.reported.manifest_hash = Value::Null;
        }
        Err(error) => tracing::warn!(%error, "the manifest can't be read back"),
    }
}

/// The addresses that the provider reports now, and readiness, which only goes from false to true.
fn take_over(state: &mut Lease, status: &akash_gateway::LeaseStatus, host: &str) {
    let manifest = state.manifest.as_deref().and_then(|text| ManifestAttribute::read(text).ok());
    let group = manifest.as_ref().and_then(|manifest| plan::group(manifest, state.group.as_deref()).ok());
    let names: Vec<String> = match group {
        Some((_, group)) => {
            if !state.reported.services.is_known() {
                state.set_promised(group);
            }
            group.services.iter().map(|service| service.name.clone()).collect()
        }
        None => {
            promise_reported(state, status);
            status.services.keys().cloned().collect()
        }
    };
    state.set_reported(status, host);
    if status.ready(&names) {
        state.reported.ready = true.into();
    } else if state.reported.ready.is_null() {
        state.reported.ready = false.into();
    }
}

/// Of an imported lease the manifest is not known: the services are the provider's.
fn promise_reported(state: &mut Lease, status: &akash_gateway::LeaseStatus) {
    if state.reported.services.is_known() {
        return;
    }
    let service = || {
        Value::Known(super::model::Service {
            uris: Value::Known(Vec::new()),
            custom_hosts: Value::Known(Vec::new()),
        })
    };
    state.reported.services =
        Value::Known(status.services.keys().map(|name| (name.clone(), service())).collect());
    state.reported.ports = Value::Known(
        status.services.keys().map(|name| (name.clone(), Value::Known(super::model::Ports::new()))).collect(),
    );
    state.reported.ips = Value::Known(std::collections::BTreeMap::new());
}

/// The digest of the group's part in what a provider read back.
pub(super) fn held_digest(held: &SecretString, group: &str) -> Option<String> {
    let manifest: akash_sdl::Manifest = serde_json::from_str(held.expose_secret()).ok()?;
    manifest.group(group).map(digest)
}
