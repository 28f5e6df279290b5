//! The receipts of a lease.

use akash_chain::Outcome;
use akash_proto::id::LeaseId;
use serde_json::json;

use super::model::Lease;
use super::wanted::Wanted;
use crate::lifecycle::market::Taken;
use crate::op::Op;
use crate::receipts::{Action, Answer, Receipt, Target};

fn receipt(op: &Op, lease: &LeaseId, action: Action, request: serde_json::Value) -> Receipt {
    let target = Target {
        owner: lease.owner().to_owned(),
        dseq: lease.dseq(),
        gseq: Some(lease.gseq()),
        oseq: Some(lease.oseq()),
        provider: Some(lease.provider().to_owned()),
    };
    op.receipt(action, target, request)
}

/// Of a bid that was taken.
pub(super) fn taken(op: &Op, planned: &Lease, taken: &Taken) -> String {
    let select = planned.select.known();
    let max_price = select.and_then(|select| select.max_price.known()).map(ToString::to_string);
    let request = match max_price {
        Some(amount) => json!({ "max_price": { "amount": amount, "denom": "uact" } }),
        None => json!({}),
    };
    let answer = Answer::transaction(&taken.outcome, "active")
        .with("lease_price", json!({ "amount": taken.price.to_string(), "denom": "uact" }));
    receipt(op, &taken.id, Action::LeaseCreate, request).seal(answer)
}

/// Of a manifest that was uploaded; `hash` is that of the group's part.
pub(super) fn uploaded(op: &Op, lease: &LeaseId, wanted: &Wanted, hash: &str) -> String {
    let request = json!({
        "sdl_hash": format!("sha256:{}", hex::encode(wanted.manifest.groups.hash())),
        "manifest_hash": format!("sha256:{hash}"),
    });
    receipt(op, lease, Action::LeaseManifest, request).seal(Answer::upload("accepted"))
}

/// Of the pause that ended a lease.
pub(super) fn closed(op: &Op, lease: &LeaseId, outcome: &Outcome) -> String {
    receipt(op, lease, Action::LeaseClose, json!({})).seal(Answer::transaction(outcome, "closed"))
}
