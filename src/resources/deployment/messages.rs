//! What a deployment sends besides its create, and the receipts of all of it.

use akash_chain::{Kind, SubmitError};
use akash_proto::akash::base::deposit::v1::{Deposit, Source};
use akash_proto::akash::deployment::v1beta4::{MsgUpdateDeployment, QueryDeploymentResponse};
use akash_proto::akash::escrow::{id::v1 as escrow_id, v1::MsgAccountDeposit};
use akash_proto::id::DeploymentId;
use akash_proto::{Coin, Dec};
use akash_sdl::Sdl;
use serde_json::json;

use super::model::Deployment;
use super::plan;
use crate::op::{self, Op};
use crate::receipts::{Action, Answer, Receipt, Target};

/// A receipt of this deployment.
pub(super) fn receipt(op: &Op, id: &DeploymentId, action: Action, request: serde_json::Value) -> Receipt {
    let target = Target { owner: id.owner().to_owned(), dseq: id.dseq(), ..Target::default() };
    op.receipt(action, target, request)
}

/// What a receipt says of the SDL: the resources of all groups together.
pub(super) fn resources(sdl: &Sdl) -> serde_json::Value {
    let mut total = [0_u128; 4];
    for unit in sdl.groups.iter().flat_map(|group| &group.resources) {
        let one = &unit.resource;
        let storage = one.storage.iter().map(|volume| u128::from(volume.size.val)).sum::<u128>();
        let each = [one.cpu.units.val.into(), one.memory.size.val.into(), storage, one.gpu.units.val.into()];
        for (sum, value) in total.iter_mut().zip::<[u128; 4]>(each) {
            *sum += value * u128::from(unit.count);
        }
    }
    let [cpu, memory, storage, gpu] = total;
    let cpu =
        Dec::from_scaled(i128::try_from(cpu).unwrap_or(i128::MAX).saturating_mul(1_000_000_000_000_000));
    json!({ "cpu": cpu.to_string(), "memory": binary(memory), "storage": binary(storage), "gpu": u64::try_from(gpu).unwrap_or(u64::MAX) })
}

/// Bytes in the largest binary unit that is exact: `512Mi`.
fn binary(bytes: u128) -> String {
    let units = [("Gi", 1_u128 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    units
        .iter()
        .find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size))
        .map_or_else(|| bytes.to_string(), |(unit, size)| format!("{}{unit}", bytes / size))
}

/// A deposit of so many uact from the configured sources, in their order.
pub(super) fn deposit(op: &Op, amount: u128) -> Deposit {
    let sources = op.clients.deposit_sources.iter().map(|source| match source.as_str() {
        "grant" => Source::Grant.into(),
        _ => Source::Balance.into(),
    });
    Deposit { amount: Some(Coin::new(amount, "uact").into()), sources: sources.collect() }
}

/// Sends the new hash, unless the chain has it already. The receipt, if something was sent.
pub(super) async fn send_hash(
    op: &Op,
    id: &DeploymentId,
    found: &QueryDeploymentResponse,
    sdl: &Sdl,
) -> Result<Option<String>, SubmitError> {
    let hash = sdl.hash().to_vec();
    if found.deployment.as_ref().is_some_and(|deployment| deployment.hash == hash) {
        return Ok(None);
    }
    match op.send(MsgUpdateDeployment { id: Some(id.into()), hash }).await {
        Ok(outcome) => {
            let request =
                json!({ "sdl_hash": format!("sha256:{}", sdl.hash_hex()), "resources": resources(sdl) });
            let receipt = receipt(op, id, Action::DeploymentUpdate, request);
            Ok(Some(receipt.seal(Answer::transaction(&outcome, "active"))))
        }
        // Somebody sent the same hash a moment ago.
        Err(error) if op::refusal(&error) == Some(Kind::InvalidHash) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tops the escrow up from `before` to `deposit`, unless it is there already. The receipt, if something was sent, and the sum that is
/// in escrow then, spent or not, in uact.
pub(super) async fn send_deposit(
    op: &Op,
    id: &DeploymentId,
    before: Dec,
    planned: &Deployment,
) -> Result<(Option<String>, Dec), SubmitError> {
    let now = Deployment { deposited: before.to_string().into(), ..Deployment::default() };
    let Some(missing) = plan::top_up(planned, &now) else { return Ok((None, before)) };
    let message = MsgAccountDeposit {
        signer: id.owner().to_owned(),
        id: Some(escrow_id::Account { scope: escrow_id::Scope::Deployment.into(), xid: id.to_string() }),
        deposit: Some(deposit(op, missing)),
    };
    let outcome = op.send(message).await?;
    let request = json!({ "deposit": { "amount": missing.to_string(), "denom": "uact" } });
    let receipt = receipt(op, id, Action::DeploymentDeposit, request);
    let sum = before + Dec::from(u64::try_from(missing).unwrap_or(u64::MAX));
    Ok((Some(receipt.seal(Answer::transaction(&outcome, "active"))), sum))
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_exact_units() {
        for (bytes, text) in
            [(0, "0"), (1 << 30, "1Gi"), (512 << 20, "512Mi"), (1536 << 20, "1536Mi"), (1000, "1000")]
        {
            assert_eq!(binary(bytes), text);
        }
    }
}
