//! Ending an `akash_lease`: its group is paused, so that no open order is left.

use std::time::Instant;

use akash_proto::id::LeaseId;
use tfplugin::Delete;

use super::{LeaseResource, receipt};
use crate::lifecycle::{earlier, ids, market};
use crate::op::{Failure, Op};

/// Pauses the group, if the lease that runs is this resource's.
pub(super) async fn delete(op: &Op, delete: Delete<LeaseResource>) -> Result<(), Failure> {
    let Delete { prior, private } = delete;
    let id = ids::group(prior.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| Failure::new("The state has no usable id", error))?;
    if !op.settle(private.pending.as_ref(), &format!("Lease {id}")).await? {
        return Ok(());
    }
    earlier::settle(op, id.deployment()).await?;
    let running = market::running_lease(op, &id, Instant::now()).await;
    let running =
        running.map_err(|error| Failure::new(format!("Lease {id} can't be read"), error.to_string()))?;
    let lease = running.and_then(|row| LeaseId::try_from(&row.lease?.id?).ok());
    let Some(lease) = lease.filter(|lease| prior.terms.oseq.known().is_none_or(|oseq| *oseq == lease.oseq()))
    else {
        return Ok(());
    };
    let paused = market::pause(op, &id).await.map_err(op.unsent("Ending the lease"))?;
    if let Some(outcome) = paused {
        tracing::info!(receipt = receipt::closed(op, &lease, &outcome), "lease closed");
    }
    Ok(())
}
