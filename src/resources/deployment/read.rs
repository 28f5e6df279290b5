//! Reading an `akash_deployment` from the chain: looks, and leaves in private state what a plan needs. Changes an
//! attribute only where something outside this configuration changed it.

use std::sync::Arc;

use akash_chain::Listing;
use akash_proto::Dec;
use akash_proto::akash::deployment::v1beta4::{QueryDeploymentResponse, group};
use akash_proto::akash::{
    deployment::v1::{self as deployment_v1, deployment},
    escrow::types::v1 as escrow,
};
use akash_proto::id::DeploymentId;
use akash_sdl::Group;
use tfplugin::{Read, Saved, Value};

use super::DeploymentResource;
use super::model::{Deployment, Private};
use crate::clients::Clients;
use crate::lifecycle::{ids, lease_end::Reclaim};
use crate::op::{Failure, Found, Op};

/// Reads; `None`: the deployment is gone, and a warning says why.
pub(super) async fn read(
    op: &Op,
    read: Read<DeploymentResource>,
) -> Result<Option<Saved<DeploymentResource>>, Failure> {
    let Read { mut state, mut private } = read;
    let id = ids::deployment(state.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| Failure::new("The state has no usable id", format!("{error}.")))?;
    let what = format!("Deployment {}", id.dseq());
    if let Some(pending) = &private.pending {
        match op.find(pending, &what, "was not created").await? {
            Found::Created => {}
            Found::Nothing => return Ok(None),
            Found::Unknown => return Ok(Some(Saved { state, private })),
        }
    }
    let unreadable = |error: String| Failure::new(format!("{what} can't be read"), error);
    let found = lookup(&op.clients, &id).await.map_err(|error| unreadable(error.to_string()))?;
    let Some((found, listing)) = found else {
        op.warn(
            format!("{what} is not on the chain"),
            format!(
                "{} has no deployment of {} with this dseq. It is removed from state; the plan creates it.",
                op.clients.chain_id,
                id.owner()
            ),
        );
        return Ok(None);
    };
    if let Some(reason) = closed(&found) {
        op.warn(
            format!("{what} is closed"),
            format!(
                "{reason} It can't be opened again. It is removed from state; the plan creates a new one."
            ),
        );
        return Ok(None);
    }
    record(&mut state, &mut private, &found).map_err(unreadable)?;
    private.pending = None;
    private.height = Some(listing.height);
    let leases = listing.leases.iter().filter_map(|row| row.lease.as_ref());
    let of_this = leases.filter(|lease| lease.id.as_ref().is_some_and(|lease| lease.dseq == id.dseq()));
    private.reclaimed = of_this.filter_map(Reclaim::of).collect();
    Ok(Some(Saved { state, private }))
}

/// The deployment with the listing it was read with: from the listing that all reads of this owner share, or by itself
/// where the listing, which has active ones only, does not know it.
async fn lookup(
    clients: &Clients,
    id: &DeploymentId,
) -> Result<Option<(QueryDeploymentResponse, Arc<Listing>)>, akash_chain::QueryError> {
    let listing = clients.chain.listing(id.owner()).await?;
    if let Some(found) = listing.deployments.get(id) {
        return Ok(Some((found.clone(), listing)));
    }
    Ok(clients.chain.deployment(id).await?.map(|found| (found, listing)))
}

/// Why the deployment is over; `None` while it is not.
pub(crate) fn closed(found: &QueryDeploymentResponse) -> Option<String> {
    let state = found.deployment.as_ref().map_or(0, |deployment| deployment.state);
    if state == i32::from(deployment::State::Active) {
        return None;
    }
    let account = found.escrow_account.as_ref().and_then(|account| account.state.as_ref());
    let height = account.map_or(0, |account| account.settled_at);
    let overdrawn = account.is_some_and(|account| account.state == i32::from(escrow::State::Overdrawn))
        || found.groups.iter().any(|group| group.state == i32::from(group::State::InsufficientFunds));
    Some(if overdrawn {
        format!("Its escrow ran out; that was noticed at height {height}.")
    } else {
        format!("It was closed by its owner at height {height}.")
    })
}

/// Takes over what the chain says.
pub(super) fn record(
    state: &mut Deployment,
    private: &mut Private,
    found: &QueryDeploymentResponse,
) -> Result<(), String> {
    let deployment = found.deployment.as_ref().ok_or("the node's answer has no deployment in it")?;
    let groups = chain_groups(found)?;
    state.state = "active".into();
    state.hash = hex::encode(&deployment.hash).into();
    state.created_height = deployment.created_at.to_string().into();
    state.deposited = deposited(found)?.to_string().into();
    // Groups never change on chain; written again only where state has none (import, pending) so that a newer
    // version of the provider that shows more of them changes nothing behind the user's back.
    if !state.groups.is_known() {
        state.set_groups(&groups);
    }
    if state.receipts.is_null() {
        state.receipts = Value::Known(Vec::new());
    }
    private.groups = groups;
    private.reclamation = reclamation(deployment);
    Ok(())
}

/// `reclamation.min_window` in seconds, where the deployment has one.
fn reclamation(deployment: &deployment_v1::Deployment) -> Option<u64> {
    let window = deployment.reclamation.as_ref()?.min_window.as_ref()?;
    u64::try_from(window.seconds).ok().filter(|seconds| *seconds > 0)
}

/// The groups as the chain has them.
pub(super) fn chain_groups(found: &QueryDeploymentResponse) -> Result<Vec<Group>, String> {
    let mut groups: Vec<_> = found.groups.iter().collect();
    groups.sort_by_key(|group| group.id.as_ref().map_or(0, |id| id.gseq));
    groups
        .into_iter()
        .filter_map(|group| group.group_spec.as_ref())
        .map(|spec| {
            Group::from_proto(spec).map_err(|error| format!("group `{}` can't be read: {error}", spec.name))
        })
        .collect()
}

/// What was put into escrow in uact, spent or not. Lazy settlement moves it between two fields, their sum stays. What
/// can't be read is an error: taken for nothing, it would be paid in once more.
pub(super) fn deposited(found: &QueryDeploymentResponse) -> Result<Dec, String> {
    let account = found.escrow_account.as_ref().and_then(|account| account.state.as_ref());
    let account = account.ok_or("the node's answer has no escrow account in it")?;
    let transferred = account.transferred.iter().map(|coin| (&coin.denom, &coin.amount));
    let funds = account.funds.iter().map(|balance| (&balance.denom, &balance.amount));
    let uact = transferred.chain(funds).filter(|(denom, _)| *denom == "uact");
    let amounts = uact.map(|(_, amount)| Dec::from_wire(amount));
    amounts.sum::<Result<_, _>>().map_err(|error| format!("its escrow account can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use akash_proto::Duration;

    use super::*;

    /// A deployment's answer with this of uact in escrow; `None`: without an account.
    fn escrow(amount: Option<&str>) -> QueryDeploymentResponse {
        let funds = |amount: &str| vec![escrow::Balance { denom: "uact".into(), amount: amount.into() }];
        QueryDeploymentResponse {
            escrow_account: amount.map(|amount| escrow::Account {
                state: Some(escrow::AccountState { funds: funds(amount), ..escrow::AccountState::default() }),
                ..escrow::Account::default()
            }),
            ..QueryDeploymentResponse::default()
        }
    }

    /// Taken for 0, `deposit` would pay all of it in again.
    #[test]
    fn an_escrow_that_is_not_understood_is_not_empty() {
        assert_eq!(deposited(&escrow(Some("500000000000000000000000"))), Ok("500000".parse().unwrap()));
        for unread in [None, Some("5e23"), Some("500000.0")] {
            assert!(deposited(&escrow(unread)).is_err(), "{unread:?}");
        }
    }

    /// Without it an imported deployment would be planned to be replaced.
    #[test]
    fn a_reclamation_window_is_read() {
        let with = |min_window| deployment_v1::Deployment {
            reclamation: Some(deployment_v1::DeploymentReclamation { min_window }),
            ..deployment_v1::Deployment::default()
        };
        let found = QueryDeploymentResponse {
            deployment: Some(with(Some(Duration { seconds: 86_400, nanos: 0 }))),
            ..escrow(Some("1"))
        };
        let mut private = Private::default();
        record(&mut Deployment::default(), &mut private, &found).unwrap();
        assert_eq!(private.reclamation, Some(86_400));
        assert_eq!(reclamation(&with(None)), None);
        assert_eq!(reclamation(&deployment_v1::Deployment::default()), None);
    }
}
