//! Creating, changing and ending an `akash_act`: when the wallet is filled or emptied, and what is recorded of it.

use tfplugin::{Create, Delete, Saved, Update, Value};
use tokio::sync::MutexGuard;

use super::burn::Burning;
use super::mint::Filling;
use super::{Act, ActResource};
use crate::op::{Failure, Op};
use crate::receipts;

/// Creates: fills the wallet.
pub(super) async fn create(op: &Op, create: Create<ActResource>) -> Result<Saved<ActResource>, Failure> {
    let Create { planned: mut state, mut private, .. } = create;
    let owner = op.account("Minting ACT")?.to_owned();
    let filling = Filling { op, owner: &owner, goal: goal(&state)?, creating: true };
    let mut receipts = Vec::new();
    let filled = filling.run(&mut private, &mut receipts).await;
    private.unfinished = filled.is_err();
    if let Err(failure) = filled {
        // There is a state only if what was sent would else be forgotten. What is in the queue is not: it is in the
        // chain's ledger, where the next apply finds it.
        if private.pending.is_none() {
            return Err(failure);
        }
        op.fail(failure);
    }
    private.height = Some(op.clients.chain.remembered_height());
    state.id = owner.as_str().into();
    state.owner = owner.into();
    state.chain_id = op.clients.chain_id.as_str().into();
    state.balance = private.seen.as_ref().map(|seen| seen.balance.to_string()).into();
    state.receipts = Value::Known(receipts);
    Ok(Saved { state, private })
}

/// Changes: fills the wallet if that was planned, and records arguments.
pub(super) async fn update(op: &Op, update: Update<ActResource>) -> Saved<ActResource> {
    let Update { prior, planned: mut state, mut private, .. } = update;
    if !state.balance.is_unknown() {
        return Saved { state, private };
    }
    state.balance = prior.balance.clone();
    let mut receipts = Vec::new();
    let filled = async {
        let owner = prior.owner.as_deref().unwrap_or_default();
        op.same_owner(Some(owner))?;
        let filling = Filling { op, owner, goal: goal(&state)?, creating: false };
        let filled = filling.run(&mut private, &mut receipts).await;
        if let Some(seen) = &private.seen {
            state.balance = seen.balance.to_string().into();
        }
        filled
    };
    if let Err(failure) = filled.await {
        op.fail(failure);
        // They stand for a balance that is not there.
        (state.minimum, state.target) = (prior.minimum, prior.target);
    } else {
        private.unfinished = false;
    }
    state.receipts = Value::Known(receipts::append(prior.receipts.unwrap_or_default(), receipts));
    Saved { state, private }
}

fn goal(planned: &Act) -> Result<super::model::Goal, Failure> {
    planned.goal().ok_or_else(|| {
        Failure::at("minimum", "`minimum` can't be read", "It is a coin in uact, for example `20000000uact`.")
    })
}

/// Does nothing, or converts all ACT back to AKT.
pub(super) async fn delete(op: &Op, delete: Delete<ActResource>) -> Result<(), Failure> {
    let Delete { prior, private } = delete;
    // What replaces it must find what became of the mint, or it mints again.
    op.settle(private.pending.as_ref(), "The mint").await?;
    if prior.burn_on_destroy != Value::Known(true) {
        return Ok(());
    }
    if private.unfinished {
        op.warn(
            "Nothing was burnt",
            "The create of this resource had ended with an error, so Terraform may be replacing it: the ACT is left for \
             that. To burn it, destroy again once the resource is in state without that error.",
        );
        return Ok(());
    }
    op.account("Burning ACT")?;
    let _turn = turn(op).await?;
    let owner = prior.owner.as_deref().unwrap_or_default();
    Burning { op, owner }.run(&prior).await
}

/// The turn of this resource: two of one wallet would both find too little, and both mint.
pub(super) async fn turn(op: &Op) -> Result<MutexGuard<'_, ()>, Failure> {
    tokio::select! {
        turn = op.clients.minting.lock() => Ok(turn),
        () = op.limit.token().cancelled() => {
            Err(op.ended("It waited for another `akash_act` of this wallet. Nothing was sent."))
        }
    }
}
