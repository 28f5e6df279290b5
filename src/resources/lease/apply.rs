//! Creating, changing and ending an `akash_lease`. Looks at the chain again and does what was planned, or less.

use akash_chain::{OpenReason, Outcome, SubmitError};
use akash_gateway::{LeaseRef, ManifestError, ProviderTarget};
use akash_proto::Dec;
use akash_proto::akash::market::v1 as market_v1;
use akash_proto::id::{GroupId, IdError, LeaseId};
use akash_sdl::ManifestGroup;
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tfplugin::{Context, Create, Delete, Diagnostics, Path, Saved, Update, Value};

use super::LeaseResource;
use super::model::{Lease, Ports, Private};
use super::plan::{self, Step};
use super::ready::{self, Readiness};
use crate::clients::Clients;
use crate::lifecycle::belongs::{same_chain, same_owner};
use crate::lifecycle::{
    cost::Cost,
    duration::{self, Timeouts},
    earlier, ids,
    lease_end::Reclaim,
    limit::Limit,
    manifest::ManifestAttribute,
    market::{self, NoLease, Patience, Taken},
    providers,
    selection::Policy,
    send,
};
use crate::receipts::{self, Answer, Receipt, Target, hex};
use crate::resources::deployment::is_closed;

/// How long to wait for an acceptable bid, by default.
const BID_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long tidying up after a failed create may take.
const TIDY: Duration = Duration::from_secs(2 * 60);

/// What is to run, read and checked.
struct Wanted {
    id: GroupId,
    manifest: ManifestAttribute,
}

impl Wanted {
    /// This group's part of the manifest.
    fn group(&self) -> Option<&ManifestGroup> {
        self.manifest.groups.0.get(usize::try_from(self.id.gseq()).ok()?.checked_sub(1)?)
    }

    fn lease(&self, oseq: u32) -> LeaseRef {
        LeaseRef { dseq: self.id.dseq(), gseq: self.id.gseq(), oseq }
    }
}

/// SHA-256 of a group's part in the form in which it can be compared with what a provider reads back.
pub(super) fn digest(group: &ManifestGroup) -> String {
    hex(&Sha256::digest(akash_sdl::common_form(group).to_string()))
}

fn receipt(
    clients: &Clients,
    lease: &LeaseId,
    action: &'static str,
    request: serde_json::Value,
    reason: &Value<String>,
) -> Receipt {
    Receipt {
        network: clients.network.map(str::to_owned),
        chain_id: clients.chain_id.clone(),
        action,
        target: Target {
            owner: lease.owner().to_owned(),
            dseq: lease.dseq(),
            gseq: Some(lease.gseq()),
            oseq: Some(lease.oseq()),
            provider: Some(lease.provider().to_owned()),
        },
        request,
        reason: reason.known().cloned().or_else(|| clients.reason.clone()),
    }
}

fn add_receipt(state: &mut Lease, receipt: String) {
    let before = state.receipts.known().cloned().unwrap_or_default();
    state.receipts = Value::Known(receipts::append(before, [receipt]));
}

/// Reads the arguments and looks whether they fit the deployment as it is now: active, and with this manifest's hash.
async fn wanted(
    clients: &Clients,
    planned: &Lease,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<Wanted> {
    let manifest = ManifestAttribute::read(planned.manifest.as_deref().unwrap_or_default())
        .map_err(|error| diagnostics.error_at(&Path::root("manifest"), "Not a manifest", format!("{error}.")))
        .ok()?;
    let (gseq, _) = plan::group(&manifest, planned.group.as_deref())
        .map_err(|error| diagnostics.error_at(&Path::root("group"), "No such group", error))
        .ok()?;
    let at = Path::root("deployment");
    let deployment =
        ids::deployment(planned.deployment.as_deref().unwrap_or_default(), clients.owner.as_deref())
            .map_err(|error| diagnostics.error_at(&at, "Not the id of a deployment", format!("{error}.")))
            .ok()?;
    if !same_owner(clients, Some(deployment.owner()), diagnostics) {
        return None;
    }
    let dseq = deployment.dseq();
    if !earlier::settle(clients, &deployment, limit, diagnostics).await {
        return None;
    }
    match clients.chain.deployment_since(&deployment, Instant::now()).await {
        Ok(Some(found)) if is_closed(&found).is_none() => {
            let hash = found.deployment.map(|deployment| deployment.hash).unwrap_or_default();
            if hash != manifest.groups.hash() {
                diagnostics.error_at(
                    &Path::root("manifest"),
                    "The manifest is not the deployment's",
                    format!(
                        "The chain has hash {} for deployment {dseq}, this manifest has {}; a provider would refuse it. \
                         Nothing was sent. Set `manifest` to the same deployment's, and plan again.",
                        hex(&hash),
                        hex(&manifest.groups.hash())
                    ),
                );
                return None;
            }
            let id = deployment
                .group(gseq)
                .map_err(|error| diagnostics.error_at(&at, "No such group", format!("{error}.")))
                .ok()?;
            Some(Wanted { id, manifest })
        }
        Ok(found) => {
            let reason =
                found.as_ref().and_then(is_closed).unwrap_or_else(|| "The chain does not have it.".into());
            diagnostics.error_at(
                &at,
                format!("Deployment {dseq} is not active"),
                format!("{reason} Plan again."),
            );
            None
        }
        Err(error) => {
            diagnostics.error_at(
                &at,
                format!("Deployment {dseq} can't be read"),
                format!("{error}. Nothing was sent."),
            );
            None
        }
    }
}

fn patience(planned: &Lease) -> Patience {
    let select = planned.select.known();
    Patience {
        settle: select.and_then(|select| duration::parse_from_zero(select.settle.as_deref()?).ok()),
        timeout: select.map_or(BID_TIMEOUT, |select| duration::or(&select.timeout, BID_TIMEOUT)),
    }
}

/// Creates the lease.
pub(super) async fn create(
    clients: &Clients,
    cx: &Context,
    create: Create<LeaseResource>,
    diagnostics: &mut Diagnostics,
) -> Option<Saved<LeaseResource>> {
    let Create { planned, private, .. } = create;
    let limit = Limit::start(cx.cancel(), Timeouts::create(&planned.timeouts));
    send::wallet(clients, "Creating the lease", &limit, diagnostics)?;
    let wanted = wanted(clients, &planned, &limit, diagnostics).await?;
    let mut state = planned.clone();
    state.id = wanted.id.to_string().into();
    state.chain_id = clients.chain_id.as_str().into();
    state.receipts = Value::Known(Vec::new());
    let taken = cut_off(clients, &planned, &wanted, &limit, &mut state, diagnostics).await.ok()?;
    let mut saved = Saved { state, private };
    if acquire(clients, cx, &limit, &planned, &wanted, taken, &mut saved, diagnostics).await {
        return Some(saved);
    }
    // There is no state that could keep them.
    for receipt in saved.state.receipts.known().into_iter().flatten() {
        tracing::info!(receipt, "no lease was created");
    }
    None
}

/// The lease that an earlier run took and was cut off before it was in state: this create goes on with it. Where it is
/// not with the wanted provider, it is ended. `Err`: an error has been told.
async fn cut_off(
    clients: &Clients,
    planned: &Lease,
    wanted: &Wanted,
    limit: &Limit,
    state: &mut Lease,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Taken>, ()> {
    let Some(found) = earlier::lease(clients, &wanted.id, limit, diagnostics).await? else { return Ok(None) };
    if planned.provider_address.known().is_some_and(|address| *address != found.taken.id.provider()) {
        let closed = market::pause(clients, &wanted.id, limit).await.map_err(|error| {
            send::tell(
                "Ending the lease of an earlier run, at another provider,",
                &error,
                limit,
                diagnostics,
            );
        })?;
        clients.journal.gone(&found.earlier).await;
        add_receipt(state, taken_receipt(clients, planned, &found.taken));
        add_closed(clients, state, &found.taken.id, &planned.reason, closed.as_ref());
        return Ok(None);
    }
    let claimed = clients.journal.claim(&found.earlier).await.map_err(|error| {
        diagnostics.error(
            format!("Lease {} can't be taken over", wanted.id),
            format!(
                "An earlier run took it and was cut off, and the journal can't be written: {error}. Nothing was sent."
            ),
        );
    })?;
    if !claimed {
        return Ok(None);
    }
    diagnostics.warning(
        format!("Lease {} was taken over", wanted.id),
        format!(
            "An earlier run on this machine took it from provider {} and was cut off before it was in state. This one \
             goes on from there.",
            found.taken.id.provider()
        ),
    );
    Ok(Some(found.taken))
}

/// Takes a bid, unless a lease is `taken` already, uploads the manifest and waits, going on to the next provider when one
/// refuses. Used by create and move. Whether there is a lease, or may be; the receipts of those that were ended on the way
/// are in `saved` in any case.
#[allow(clippy::too_many_arguments, reason = "the heart of create and move, with all that they have at hand")]
async fn acquire(
    clients: &Clients,
    cx: &Context,
    limit: &Limit,
    planned: &Lease,
    wanted: &Wanted,
    mut taken: Option<Taken>,
    saved: &mut Saved<LeaseResource>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let _leasing = clients.leasing.begin();
    let mut policy = Policy::new(planned.select.known(), planned.provider_address.as_deref());
    let mut refusals: Vec<String> = Vec::new();
    loop {
        let next = match taken.take() {
            Some(taken) => Ok(taken),
            None => market::take(clients, &wanted.id, &mut policy, patience(planned), limit).await,
        };
        let taken = match next {
            Ok(taken) => taken,
            Err(NoLease::Submit(error, lease)) => {
                let Some((lease, price)) = lease.filter(|_| send::pending(&error).is_some()) else {
                    send::tell("Taking a lease", &error, limit, diagnostics);
                    if !limit.stopped() {
                        tidy(clients, cx, wanted, diagnostics).await;
                    }
                    return false;
                };
                pending(saved, wanted, &lease, price, &error, limit, diagnostics);
                return true;
            }
            Err(no_lease) => {
                let ended = matches!(no_lease, NoLease::Ended(_) | NoLease::NoBids(..));
                no_lease_error(no_lease, &wanted.id, &refusals, limit, diagnostics);
                if ended && !limit.stopped() {
                    tidy(clients, cx, wanted, diagnostics).await;
                }
                return false;
            }
        };
        set_taken(&mut saved.state, wanted, &taken.id, taken.price);
        let seal = taken_receipt(clients, planned, &taken);
        add_receipt(&mut saved.state, seal);
        saved.private = Private { height: Some(taken.outcome.height), ..Private::default() };
        match deliver(clients, limit, planned, wanted, saved, &taken.id, diagnostics).await {
            Delivered::Done => return true,
            Delivered::Refused(why) => {
                tracing::warn!(
                    provider = taken.id.provider(),
                    why,
                    "the provider does not take the manifest"
                );
                policy.refuse(taken.id.provider(), "it refused the manifest in this apply");
                refusals.push(format!("- {}: {why}", taken.id.provider()));
                let tidying = Limit::start(cx.cancel(), TIDY);
                match market::pause(clients, &wanted.id, &tidying).await {
                    Ok(closed) => {
                        add_closed(clients, &mut saved.state, &taken.id, &planned.reason, closed.as_ref());
                    }
                    // The lease could not be ended, so it is recorded: nothing is lost.
                    Err(error) => {
                        send::tell(
                            "Ending the lease of a provider that refused the manifest",
                            &error,
                            &tidying,
                            diagnostics,
                        );
                        return true;
                    }
                }
            }
        }
    }
}

/// Leaves no order open for providers to bid on.
async fn tidy(clients: &Clients, cx: &Context, wanted: &Wanted, diagnostics: &mut Diagnostics) {
    let limit = Limit::start(cx.cancel(), TIDY);
    if let Err(error) = market::pause(clients, &wanted.id, &limit).await {
        diagnostics.warning(
            "The group could not be paused",
            format!("{error}. Its order stays open; that costs nothing, and the next apply goes on with it."),
        );
    }
}

/// A lease that was asked for, and of which it is not known whether the chain took it.
fn pending(
    saved: &mut Saved<LeaseResource>,
    wanted: &Wanted,
    lease: &LeaseId,
    price: Dec,
    error: &SubmitError,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) {
    set_taken(&mut saved.state, wanted, lease, price);
    saved.state.state = "pending".into();
    if let Some((pending, why)) = send::pending(error) {
        saved.private.pending = Some(pending.clone());
        match why {
            OpenReason::Stopped => diagnostics.warning(
                format!("The lease of {} is pending", wanted.id),
                format!("{error}. It is recorded in state, so nothing is lost either way."),
            ),
            OpenReason::EndpointsLost | OpenReason::Broken => {
                send::tell("Taking a lease", error, limit, diagnostics)
            }
        }
    }
}

/// Fills in what a lease just taken decides. Nothing is delivered yet.
fn set_taken(state: &mut Lease, wanted: &Wanted, lease: &LeaseId, price: Dec) {
    state.oseq = lease.oseq().into();
    state.provider_address = lease.provider().into();
    state.price = price.to_string().into();
    state.cost = Value::Known(Cost::of(price));
    state.state = "active".into();
    state.closed_reason = Value::Null;
    state.reclaim_deadline = Value::Null;
    state.provider_host = Value::Null;
    state.provider_attributes = Value::Null;
    state.ready = false.into();
    state.manifest_hash = Value::Null;
    if let Some(group) = wanted.group() {
        state.group = group.name.as_str().into();
        state.set_promised(group);
    }
}

fn taken_receipt(clients: &Clients, planned: &Lease, taken: &Taken) -> String {
    let select = planned.select.known();
    let max_price = select.and_then(|select| select.max_price.known()).map(ToString::to_string);
    let request = match max_price {
        Some(amount) => json!({ "max_price": { "amount": amount, "denom": "uact" } }),
        None => json!({}),
    };
    let answer = Answer::transaction(&taken.outcome, "active")
        .with("lease_price", json!({ "amount": taken.price.to_string(), "denom": "uact" }));
    receipt(clients, &taken.id, "lease.create", request, &planned.reason).seal(answer)
}

/// Tells why there is no lease.
fn no_lease_error(
    no_lease: NoLease,
    id: &GroupId,
    refusals: &[String],
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) {
    let refused = if refusals.is_empty() {
        String::new()
    } else {
        format!(
            "\n\nThese providers were leased and did not take the manifest; their leases are closed:\n{}",
            refusals.join("\n")
        )
    };
    match no_lease {
        NoLease::Leased(lease) => diagnostics.error(
            format!("Group {} of deployment {} has a lease already", id.gseq(), id.dseq()),
            format!(
                "It is order {} with provider {}. To manage it here, import it: `terraform import ADDRESS {id}`; or close \
                 it first.",
                lease.oseq(),
                lease.provider()
            ),
        ),
        NoLease::Group(why) => diagnostics.error(
            format!("Group {} of deployment {} can't be leased", id.gseq(), id.dseq()),
            format!("No lease was taken: {why}.{refused}"),
        ),
        NoLease::NoBids(bids, waited) => diagnostics.error_at(
            &Path::root("select"),
            "No acceptable bid",
            format!(
                "No acceptable bid came within {} s. {}{refused}\n\nThe group is paused, so that nobody bids in vain; the \
                 deployment stays and keeps its escrow. Loosen `select` or the SDL's prices and requirements and apply again, \
                 or destroy the deployment to get the escrow back.",
                waited.as_secs(),
                market::list(&bids)
            ),
        ),
        NoLease::Ended(bids) => diagnostics.error(
            if limit.stopped() { "Stopped while waiting for bids" } else { "Out of time while waiting for bids" },
            format!("No lease was taken. {}{refused}", market::list(&bids)),
        ),
        NoLease::Query(error) => diagnostics.error("The chain can't be asked for bids", format!("{error}. No lease was taken.{refused}")),
        NoLease::Submit(error, _) => send::tell("Taking a lease", &error, limit, diagnostics),
    }
}

/// How a delivery ended.
enum Delivered {
    /// As far as it goes; diagnostics say what is missing.
    Done,
    /// The provider does not take the manifest.
    Refused(String),
}

/// Hands the manifest to the lease's provider and waits until it is ready.
async fn deliver(
    clients: &Clients,
    limit: &Limit,
    planned: &Lease,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    lease: &LeaseId,
    diagnostics: &mut Diagnostics,
) -> Delivered {
    let provider = match clients.chain.recent_provider(lease.provider()).await {
        Ok(Some(provider)) => provider,
        Ok(None) => return Delivered::Refused("the chain does not have this provider any more".into()),
        Err(error) => {
            diagnostics.error(
                "The provider can't be looked up",
                format!("{error}. The lease is taken and recorded; the next apply uploads the manifest."),
            );
            return Delivered::Done;
        }
    };
    saved.state.provider_host = providers::host(&provider).into();
    saved.state.provider_attributes = Value::Known(providers::attributes(&provider));
    let target = providers::target(&provider);
    match upload(clients, limit, planned, wanted, saved, &target, lease).await {
        Ok(()) => {}
        Err(ManifestError::Cancelled { .. }) => {
            outstanding("The manifest is not uploaded yet", limit, diagnostics);
            return Delivered::Done;
        }
        // Without a signer or a usable client no other provider would do better.
        Err(error @ ManifestError::Call(_)) if !error.is_permanent() => {
            diagnostics.error("The manifest could not be uploaded", format!("{error}."));
            return Delivered::Done;
        }
        Err(_) if limit.ended() => {
            outstanding("The manifest is not uploaded yet", limit, diagnostics);
            return Delivered::Done;
        }
        Err(error) => return Delivered::Refused(error.to_string()),
    }
    if planned.wait_for_ready.known() != Some(&false) {
        wait(clients, limit, wanted, saved, &target, lease.oseq(), diagnostics).await;
    }
    Delivered::Done
}

/// Uploads the manifest and records it.
async fn upload(
    clients: &Clients,
    limit: &Limit,
    planned: &Lease,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    target: &ProviderTarget,
    lease: &LeaseId,
) -> Result<(), ManifestError> {
    let body = SecretString::from(wanted.manifest.groups.canonical_json());
    let deadline = limit.deadline();
    clients.gateway.put_manifest(target, lease.dseq(), &body, Some(deadline), limit.token()).await?;
    let Some(group) = wanted.group() else { return Ok(()) };
    let hash = hex(&group.hash());
    let request = json!({
        "sdl_hash": format!("sha256:{}", hex(&wanted.manifest.groups.hash())),
        "manifest_hash": format!("sha256:{hash}"),
    });
    let sealed =
        receipt(clients, lease, "lease.manifest", request, &planned.reason).seal(Answer::upload("accepted"));
    add_receipt(&mut saved.state, sealed);
    saved.state.manifest_hash = hash.into();
    saved.private.digest = Some(digest(group));
    Ok(())
}

/// Waits until the services are ready. What is outstanding when the user stops is a warning; when time runs out, an error.
async fn wait(
    clients: &Clients,
    limit: &Limit,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    target: &ProviderTarget,
    oseq: u32,
    diagnostics: &mut Diagnostics,
) {
    let Some(group) = wanted.group() else { return };
    match ready::wait(clients, target, wanted.lease(oseq), group, &mut saved.state, limit).await {
        Readiness::Ready(missing) => {
            saved.state.ready = true.into();
            if !missing.is_empty() {
                diagnostics.warning(
                    "The provider does not report every address",
                    format!(
                        "The services are ready, but these are not known; they are taken over when the provider reports them:\n- {}",
                        missing.join("\n- ")
                    ),
                );
            }
        }
        Readiness::Ended(_) if limit.stopped() => {
            outstanding("The services are not ready yet", limit, diagnostics);
        }
        Readiness::Ended(last) => {
            let more = ready::why_not(clients, target, wanted.lease(oseq)).await;
            diagnostics.error(
                "The services are not ready in time",
                format!(
                    "The lease is taken, the manifest is uploaded, and both are recorded. The provider says:\n{last}{more}\n\n\
                     After a failed create the next apply takes a new lease with the same deployment; `terraform untaint ADDRESS` \
                     keeps this one, and the next apply waits for it again. `timeouts` sets how long."
                ),
            );
        }
    }
}

/// Tells that an operation ended with something left to do: a warning when the user stopped it.
fn outstanding(what: &str, limit: &Limit, diagnostics: &mut Diagnostics) {
    let detail =
        "The lease is taken and recorded. The next plan is an update in place that goes on from there.";
    if limit.stopped() {
        diagnostics.warning(format!("{what}: stopped"), detail);
    } else {
        diagnostics.error(
            format!("{what}: out of time"),
            "The lease is taken and recorded. After a failed create the next apply takes a new lease with the same \
             deployment; `terraform untaint ADDRESS` keeps this one, and the next apply goes on from there, as after a \
             failed update. `timeouts` sets how long an operation may take.",
        );
    }
}

/// The lease's id as state has it. The error says what is missing.
fn lease_id(id: &GroupId, state: &Lease) -> Result<LeaseId, IdError> {
    let order = id.order(state.oseq.known().copied().unwrap_or_default())?;
    order.lease(state.provider_address.as_deref().unwrap_or_default())
}

/// Changes the lease: nothing, an upload, or a move. An argument has its new value only if all that it stands for happened.
pub(super) async fn update(
    clients: &Clients,
    cx: &Context,
    update: Update<LeaseResource>,
    diagnostics: &mut Diagnostics,
) -> Saved<LeaseResource> {
    let Update { prior, planned, private, .. } = update;
    let limit = Limit::start(cx.cancel(), Timeouts::update(&planned.timeouts));
    let step = plan::step(&planned, &prior, &private);
    if step == Step::Record {
        return Saved { state: planned, private };
    }
    // What is planned unknown falls back to what was, until it is done.
    let mut undone = planned.clone();
    keep_prior(&mut undone, &prior);
    let unchanged = |undone: Lease, private: Private| {
        let mut state = undone;
        state.manifest = prior.manifest.clone();
        state.provider_address = prior.provider_address.clone();
        Saved { state, private }
    };
    if !same_chain(clients, &prior.chain_id, diagnostics) {
        return unchanged(undone, private);
    }
    let Some(wanted) = wanted(clients, &planned, &limit, diagnostics).await else {
        return unchanged(undone, private);
    };
    if step == Step::Move {
        return relocate(clients, cx, &limit, &planned, &wanted, &prior, undone, private, diagnostics).await;
    }
    let lease = match lease_id(&wanted.id, &prior) {
        Ok(lease) => lease,
        Err(error) => {
            diagnostics.error("The state has no usable lease", format!("{error}. Nothing was sent."));
            return unchanged(undone, private);
        }
    };
    if plan::uploads(&planned, &prior) && !takes_manifest(clients, &lease, diagnostics).await {
        return unchanged(undone, private);
    }
    let provider = match clients.chain.recent_provider(lease.provider()).await {
        Ok(Some(provider)) => provider,
        Ok(None) => {
            diagnostics.error(
                "The provider is gone",
                "The chain does not have the lease's provider any more. Plan again.",
            );
            return unchanged(undone, private);
        }
        Err(error) => {
            diagnostics.error("The provider can't be looked up", format!("{error}. Nothing was sent."));
            return unchanged(undone, private);
        }
    };
    let target = providers::target(&provider);
    let mut saved: Saved<LeaseResource> = Saved { state: undone.clone(), private: private.clone() };
    if let Some(group) = wanted.group() {
        saved.state.set_promised(group);
        restore_reported(&mut saved.state, &prior);
    }
    if plan::uploads(&planned, &prior) && !recorded_by(clients, &target, &wanted, &lease, &mut saved).await {
        if let Err(error) = upload(clients, &limit, &planned, &wanted, &mut saved, &target, &lease).await {
            diagnostics.error(
                "The manifest was not uploaded",
                format!("{error}. What ran before still runs; the next plan shows the upload again."),
            );
            return unchanged(undone, private);
        }
        saved.state.ready = false.into();
    }
    if planned.wait_for_ready.known() != Some(&false) {
        wait(clients, &limit, &wanted, &mut saved, &target, lease.oseq(), diagnostics).await;
    } else if saved.state.ready.is_null() {
        saved.state.ready = false.into();
    }
    only_planned(&mut saved.state, &planned);
    saved
}

/// Whether the lease still runs and its provider takes a manifest for it. That changed after the plan is an error.
async fn takes_manifest(clients: &Clients, lease: &LeaseId, diagnostics: &mut Diagnostics) -> bool {
    let id = lease.group();
    let running = match market::running_lease(clients, id, Instant::now()).await {
        Ok(running) => running.and_then(|row| row.lease),
        Err(error) => {
            diagnostics.error(format!("Lease {id} can't be read"), format!("{error}. Nothing was sent."));
            return false;
        }
    };
    let same = |found: &market_v1::LeaseId| LeaseId::try_from(found).is_ok_and(|found| found == *lease);
    match running {
        Some(found) if found.id.as_ref().is_some_and(same) => match Reclaim::of(&found) {
            Some(reclaim) => plan::refuse_upload(&reclaim, diagnostics),
            None => return true,
        },
        _ => diagnostics.error(
            format!("Lease {id} is not the one of the plan any more"),
            "It ended, or the group was leased anew. Nothing was sent. Plan again.",
        ),
    }
    false
}

/// Whether the provider holds this very manifest already, as after an import: then it is only recorded.
async fn recorded_by(
    clients: &Clients,
    target: &ProviderTarget,
    wanted: &Wanted,
    lease: &LeaseId,
    saved: &mut Saved<LeaseResource>,
) -> bool {
    let Some(group) = wanted.group() else { return false };
    let held = match clients.gateway.manifest(target, wanted.lease(lease.oseq())).await {
        Ok(held) => super::read::held_digest(&held, &group.name),
        Err(_) => None,
    };
    if held.as_deref() != Some(digest(group).as_str()) {
        return false;
    }
    saved.state.manifest_hash = hex(&group.hash()).into();
    saved.private.digest = held;
    true
}

/// Puts prior values where a plan has unknown ones.
fn keep_prior(state: &mut Lease, prior: &Lease) {
    fn keep<T: Clone>(value: &mut Value<T>, prior: &Value<T>) {
        if value.is_unknown() {
            *value = prior.clone();
        }
    }
    keep(&mut state.provider_address, &prior.provider_address);
    keep(&mut state.oseq, &prior.oseq);
    keep(&mut state.provider_host, &prior.provider_host);
    keep(&mut state.provider_attributes, &prior.provider_attributes);
    keep(&mut state.price, &prior.price);
    keep(&mut state.cost, &prior.cost);
    keep(&mut state.state, &prior.state);
    keep(&mut state.closed_reason, &prior.closed_reason);
    keep(&mut state.reclaim_deadline, &prior.reclaim_deadline);
    keep(&mut state.ready, &prior.ready);
    keep(&mut state.url, &prior.url);
    keep(&mut state.manifest_hash, &prior.manifest_hash);
    keep(&mut state.receipts, &prior.receipts);
    // These may be unknown in part.
    state.services = prior.services.clone();
    state.ports = prior.ports.clone();
    state.ips = prior.ips.clone();
}

/// Addresses that were reported before stay where their service still has them.
fn restore_reported(state: &mut Lease, prior: &Lease) {
    if let (Some(services), Some(before)) = (state.services.known_mut(), prior.services.known()) {
        for (name, service) in services.iter_mut() {
            if let (Some(service), Some(Value::Known(old))) = (service.known_mut(), before.get(name)) {
                service.uris = old.uris.clone();
            }
        }
    }
    if let (Some(ports), Some(before)) = (state.ports.known_mut(), prior.ports.known()) {
        for (name, ports) in ports.iter_mut() {
            if let (Some(ports), Some(Value::Known(old))) = (ports.known_mut(), before.get(name)) {
                for (key, port) in ports.iter_mut() {
                    if let Some(old) = old.get(key) {
                        *port = old.clone();
                    }
                }
            }
        }
    }
    if let (Some(ips), Some(before)) = (state.ips.known_mut(), prior.ips.known()) {
        for (name, list) in ips.iter_mut() {
            if let Some(old) = before.get(name) {
                *list = old.clone();
            }
        }
    }
    state.url = prior.url.clone();
}

/// What the plan knew stays as planned: an address that the provider reports on the side is taken over by the next read.
fn only_planned(state: &mut Lease, planned: &Lease) {
    if !planned.url.is_unknown() {
        state.url = planned.url.clone();
    }
    if let (Some(services), Some(plan)) = (state.services.known_mut(), planned.services.known()) {
        services.retain(|name, _| plan.contains_key(name));
        for (name, service) in plan {
            let Some(service) = service.known() else { continue };
            let entry = services.entry(name.clone()).or_insert_with(|| Value::Known(service.clone()));
            if let Some(entry) = entry.known_mut() {
                if !service.uris.is_unknown() {
                    entry.uris = service.uris.clone();
                }
                if !service.custom_hosts.is_unknown() {
                    entry.custom_hosts = service.custom_hosts.clone();
                }
            }
        }
    }
    if let (Some(ports), Some(plan)) = (state.ports.known_mut(), planned.ports.known()) {
        ports.retain(|name, _| plan.contains_key(name));
        for (name, planned) in plan {
            let Some(planned) = planned.known() else { continue };
            let entry = ports.entry(name.clone()).or_insert_with(|| Value::Known(Ports::new()));
            if let Some(entry) = entry.known_mut() {
                keep_planned(entry, planned);
            }
        }
    }
    if let (Some(ips), Some(plan)) = (state.ips.known_mut(), planned.ips.known()) {
        keep_planned(ips, plan);
    }
}

/// Keys are the plan's, and so are the values that it knew.
fn keep_planned<T: Clone>(state: &mut BTreeMap<String, Value<T>>, plan: &BTreeMap<String, Value<T>>) {
    state.retain(|key, _| plan.contains_key(key));
    for (key, planned) in plan {
        if planned.is_unknown() {
            state.entry(key.clone()).or_insert(Value::Null);
        } else {
            state.insert(key.clone(), planned.clone());
        }
    }
}

/// Moves the lease to `provider_address`: pauses the group, which ends the lease, and takes that provider's bid.
#[allow(clippy::too_many_arguments, reason = "one step of update, with all that update has at hand")]
async fn relocate(
    clients: &Clients,
    cx: &Context,
    limit: &Limit,
    planned: &Lease,
    wanted: &Wanted,
    prior: &Lease,
    undone: Lease,
    private: Private,
    diagnostics: &mut Diagnostics,
) -> Saved<LeaseResource> {
    let mut undone = undone;
    match market::pause(clients, &wanted.id, limit).await {
        // An earlier apply has ended it already, where it was cut off in a move.
        Ok(closed) => {
            let closed = closed.as_ref().filter(|_| !private.moving);
            if let Ok(lease) = lease_id(&wanted.id, prior) {
                add_closed(clients, &mut undone, &lease, &planned.reason, closed);
            }
        }
        Err(error) => {
            send::tell("Ending the lease at the present provider", &error, limit, diagnostics);
            let state = Lease {
                manifest: prior.manifest.clone(),
                provider_address: prior.provider_address.clone(),
                ..undone
            };
            return Saved { state, private };
        }
    }
    let state = Lease { manifest: planned.manifest.clone(), ..undone.clone() };
    let mut saved = Saved { state, private: Private::default() };
    if acquire(clients, cx, limit, planned, wanted, None, &mut saved, diagnostics).await {
        return saved;
    }
    // The old lease is gone and there is no new one: state says so, and the next read tells.
    let mut state = undone;
    state.manifest = prior.manifest.clone();
    state.provider_address = prior.provider_address.clone();
    state.state = "closed".into();
    state.closed_reason = "owner".into();
    state.reclaim_deadline = Value::Null;
    state.receipts = saved.state.receipts;
    let lost = Some("It was closed to move it, and no other lease could be taken.".to_owned());
    Saved { state, private: Private { lost, moving: true, reclaim: None, ..private } }
}

/// Ends the lease by pausing its group, so that no open order is left. Only if the lease that runs is this resource's.
pub(super) async fn delete(
    clients: &Clients,
    cx: &Context,
    delete: Delete<LeaseResource>,
    diagnostics: &mut Diagnostics,
) {
    let Delete { prior, private } = delete;
    let limit = Limit::start(cx.cancel(), Timeouts::delete(&prior.timeouts));
    let id = match ids::group(prior.id.as_deref().unwrap_or_default(), None) {
        Ok(id) => id,
        Err(error) => return diagnostics.error("The state has no usable id", error),
    };
    if !same_chain(clients, &prior.chain_id, diagnostics)
        || !same_owner(clients, Some(id.owner()), diagnostics)
        || !send::settle(clients, private.pending.as_ref(), &format!("Lease {id}"), diagnostics).await
        || !earlier::settle(clients, id.deployment(), &limit, diagnostics).await
    {
        return;
    }
    let running = match market::running_lease(clients, &id, Instant::now()).await {
        Ok(running) => running.and_then(|row| LeaseId::try_from(&row.lease?.id?).ok()),
        Err(error) => return diagnostics.error(format!("Lease {id} can't be read"), error.to_string()),
    };
    let Some(lease) = running.filter(|lease| prior.oseq.known().is_none_or(|oseq| *oseq == lease.oseq()))
    else {
        return;
    };
    match market::pause(clients, &id, &limit).await {
        Ok(Some(outcome)) => {
            let receipt = closed_receipt(clients, &lease, &prior.reason, &outcome);
            tracing::info!(receipt, "lease closed");
        }
        Ok(None) => {}
        Err(error) => send::tell("Ending the lease", &error, &limit, diagnostics),
    }
}

fn closed_receipt(clients: &Clients, lease: &LeaseId, reason: &Value<String>, outcome: &Outcome) -> String {
    receipt(clients, lease, "lease.close", json!({}), reason).seal(Answer::transaction(outcome, "closed"))
}

/// Adds the receipt of the pause that ended a lease; none where it was paused already.
fn add_closed(
    clients: &Clients,
    state: &mut Lease,
    lease: &LeaseId,
    reason: &Value<String>,
    outcome: Option<&Outcome>,
) {
    if let Some(outcome) = outcome {
        add_receipt(state, closed_receipt(clients, lease, reason, outcome));
    }
}
