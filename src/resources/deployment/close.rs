//! Closing an `akash_deployment`: what is left in escrow comes back.

use std::time::Instant;

use akash_chain::{Kind, Outcome};
use akash_proto::Coin;
use akash_proto::akash::deployment::v1beta4::MsgCloseDeployment;
use serde_json::json;
use tfplugin::Delete;

use super::messages::receipt;
use super::{DeploymentResource, read};
use crate::lifecycle::{earlier, ids};
use crate::op::{self, Failure, Op};
use crate::receipts::{Action, Answer};

/// Closes the deployment. Already closed or gone is success.
pub(super) async fn delete(op: &Op, delete: Delete<DeploymentResource>) -> Result<(), Failure> {
    let Delete { prior, private } = delete;
    let id = ids::deployment(prior.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| Failure::new("The state has no usable id", error))?;
    let dseq = id.dseq();
    if !op.settle(private.pending.as_ref(), &format!("Deployment {dseq}")).await? {
        return Ok(());
    }
    earlier::settle(op, &id).await?;
    let found = op.clients.chain.deployment_since(&id, Instant::now()).await;
    let found =
        found.map_err(|error| Failure::new(format!("Deployment {dseq} can't be read"), error.to_string()))?;
    if found.is_none_or(|found| read::closed(&found).is_some()) {
        return Ok(());
    }
    let outcome = match op.send(MsgCloseDeployment { id: Some((&id).into()) }).await {
        Ok(outcome) => outcome,
        Err(error)
            if matches!(op::refusal(&error), Some(Kind::DeploymentClosed | Kind::DeploymentNotFound)) =>
        {
            return Ok(());
        }
        Err(error) => return Err(op.unsent("Closing the deployment")(error)),
    };
    let receipt = receipt(op, &id, Action::DeploymentClose, json!({}));
    tracing::info!(receipt = receipt.seal(Answer::transaction(&outcome, "closed")), "deployment closed");
    if let Some(refund) = refund(&outcome, id.owner()) {
        op.warn(
            format!("Deployment {dseq} is closed, {refund} uact came back"),
            format!("Transaction {} in block {}.", outcome.tx_hash, outcome.height),
        );
    }
    Ok(())
}
/// What the owner got back in uact, by the events of the closing message; `None` where the events are not known.
fn refund(outcome: &Outcome, owner: &str) -> Option<u128> {
    let received =
        outcome.events.iter().filter(|event| event.r#type == "coin_received").filter_map(|event| {
            let value =
                |key: &str| event.attributes.iter().find(|one| one.key == key).map(|one| one.value.as_str());
            if value("receiver")? != owner {
                return None;
            }
            let coins = value("amount")?.split(',').filter_map(|coin| coin.parse::<Coin>().ok());
            coins
                .filter(|coin| coin.denom == "uact")
                .map(|coin| coin.amount)
                .reduce(|sum, amount| sum + amount)
        });
    received.reduce(|sum, amount| sum + amount)
}
