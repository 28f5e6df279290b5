//! Creating an `akash_lease`, or going on with one whose create was cut off.

use tfplugin::{Create, Saved, Value};

use super::LeaseResource;
use super::acquire::Acquisition;
use super::model::Lease;
use super::receipt;
use super::wanted::Wanted;
use crate::lifecycle::{
    earlier,
    market::{self, Taken},
};
use crate::op::{Failure, Op};
use crate::receipts;

/// Creates the lease.
pub(super) async fn create(op: &Op, create: Create<LeaseResource>) -> Result<Saved<LeaseResource>, Failure> {
    let Create { planned, private, .. } = create;
    op.account("Creating the lease")?;
    let wanted = Wanted::look(op, &planned).await?;
    let mut state = planned.clone();
    state.id = wanted.id.to_string().into();
    state.chain_id = op.clients.chain_id.as_str().into();
    state.receipts = Value::Known(Vec::new());
    let taken = cut_off(op, &planned, &wanted, &mut state).await?;
    let mut saved = Saved { state, private };
    let acquired = Acquisition { op, planned: &planned, wanted: &wanted }.run(taken, &mut saved).await;
    if acquired.is_err() {
        // There is no state that could keep them.
        for receipt in saved.state.receipts.known().into_iter().flatten() {
            tracing::info!(receipt, "no lease was created");
        }
    }
    acquired.map(|()| saved)
}

/// The lease that an earlier run took and was cut off before it was in state: this create goes on with it. Where it is
/// not with the wanted provider, it is ended.
async fn cut_off(
    op: &Op,
    planned: &Lease,
    wanted: &Wanted,
    state: &mut Lease,
) -> Result<Option<Taken>, Failure> {
    let journal = &op.clients.journal;
    let Some(found) = earlier::lease(op, &wanted.id).await? else { return Ok(None) };
    let provider = found.taken.id.provider();
    if planned.provider_address.known().is_some_and(|address| *address != provider) {
        let closed = market::pause(op, &wanted.id)
            .await
            .map_err(op.unsent("Ending the lease of an earlier run, at another provider,"))?;
        journal.gone(&found.earlier).await;
        receipts::add(&mut state.receipts, receipt::taken(op, planned, &found.taken));
        let closed = closed.map(|outcome| receipt::closed(op, &found.taken.id, &outcome));
        receipts::add(&mut state.receipts, closed);
        return Ok(None);
    }
    let claimed = journal.claim(&found.earlier).await.map_err(|error| {
        Failure::new(
            format!("Lease {} can't be taken over", wanted.id),
            format!(
                "An earlier run took it and was cut off, and the journal can't be written: {error}. Nothing was sent."
            ),
        )
    })?;
    if !claimed {
        return Ok(None);
    }
    op.warn(
        format!("Lease {} was taken over", wanted.id),
        format!(
            "An earlier run on this machine took it from provider {provider} and was cut off before it was in state. \
             This one goes on from there."
        ),
    );
    Ok(Some(found.taken))
}
