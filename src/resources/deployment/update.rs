//! Changing an `akash_deployment` in place. Looks at the chain again and does what was planned, or less. An argument has
//! its new value only if all that it stands for happened.

use std::time::Instant;

use akash_proto::Dec;
use akash_proto::akash::deployment::v1beta4::QueryDeploymentResponse;
use akash_proto::id::DeploymentId;
use akash_sdl::Sdl;
use tfplugin::{Saved, Update, Value};

use super::messages::{send_deposit, send_hash};
use super::model::{Deployment, Private};
use super::{DeploymentResource, plan, read};
use crate::lifecycle::{earlier, ids, manifest::ManifestAttribute};
use crate::op::{Failure, Op};
use crate::receipts;

/// Sends what the plan said: a new hash, a deposit, both, or nothing.
pub(super) async fn update(op: &Op, update: Update<DeploymentResource>) -> Saved<DeploymentResource> {
    let Update { prior, planned, mut private, .. } = update;
    // What is sent below is only done when the chain said so; until then state keeps what was.
    let mut state = planned.clone();
    state.receipts = Value::Known(prior.receipts.clone().unwrap_or_default());
    state.deposited = prior.deposited.clone();
    state.sdl = prior.sdl.clone();
    state.manifest = prior.manifest.clone();
    state.hash = prior.hash.clone();
    state.deposit = prior.deposit.clone();
    if let Err(failure) = steps(op, &prior, &planned, &mut state, &mut private).await {
        op.fail(failure);
    }
    Saved { state, private }
}

/// Does one step after the other, each recorded in `state` as soon as it is done.
async fn steps(
    op: &Op,
    prior: &Deployment,
    planned: &Deployment,
    state: &mut Deployment,
    private: &mut Private,
) -> Result<(), Failure> {
    let sdl = plan::compiled(planned.sdl.as_deref().unwrap_or_default())?;
    let hash: Value<String> = sdl.hash_hex().into();
    let sends_hash = prior.hash != hash;
    let sends_deposit = plan::top_up(planned, prior).is_some();
    if sends_hash || sends_deposit {
        let (id, found, deposited) = look_again(op, prior, &sdl).await?;
        let receipt = send_hash(op, &id, &found, &sdl).await.map_err(op.unsent("Updating the deployment"))?;
        receipts::add(&mut state.receipts, receipt);
        (state.sdl, state.hash) = (planned.sdl.clone(), hash);
        state.manifest = ManifestAttribute::new(sdl.manifest).text().into();
        if sends_deposit {
            let (receipt, deposited) =
                send_deposit(op, &id, deposited, planned).await.map_err(op.unsent("The deposit"))?;
            receipts::add(&mut state.receipts, receipt);
            state.deposited = deposited.to_string().into();
        }
        private.pending = None;
    } else {
        (state.sdl, state.hash) = (planned.sdl.clone(), hash);
        state.manifest = ManifestAttribute::new(sdl.manifest).text().into();
    }
    state.deposit = planned.deposit.clone();
    Ok(())
}

/// The deployment as it is now, and what was put into its escrow. Trouble that the plan did not know of is a failure: plan again.
async fn look_again(
    op: &Op,
    prior: &Deployment,
    sdl: &Sdl,
) -> Result<(DeploymentId, QueryDeploymentResponse, Dec), Failure> {
    op.same_owner(prior.owner.as_deref())?;
    let id = ids::deployment(prior.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| Failure::new("The state has no usable id", error))?;
    earlier::settle(op, &id).await?;
    let dseq = id.dseq();
    let unreadable = |error: String| Failure::new(format!("Deployment {dseq} can't be read"), error);
    let found = op.clients.chain.deployment_since(&id, Instant::now()).await;
    let Some(found) = found.map_err(|error| unreadable(format!("{error}. Nothing was sent.")))? else {
        return Err(Failure::new(
            format!("Deployment {dseq} is gone"),
            "The chain does not have it any more. Plan again.",
        ));
    };
    if let Some(reason) = read::closed(&found) {
        return Err(Failure::new(format!("Deployment {dseq} is closed"), format!("{reason} Plan again.")));
    }
    // The chain takes any hash; the provider would then refuse a manifest that does not fit the groups.
    let change = akash_sdl::diff(&read::chain_groups(&found).map_err(unreadable)?, sdl);
    let deposited = read::deposited(&found).map_err(unreadable)?;
    match change.replace.first() {
        None => Ok((id, found, deposited)),
        Some(reason) => Err(Failure::at(
            "sdl",
            "The SDL does not fit the deployment that exists",
            format!("{}: {}. Nothing was sent. Plan again.", reason.path, reason.detail),
        )),
    }
}
