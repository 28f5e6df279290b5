//! Receipts: what was done, for whom, at what price, and the transaction that proves it. Each one is sealed by the
//! SHA-256 of its own canonical JSON, so that a changed receipt shows.
//!
//! This module knows the receipt's form; it does not decide when one is due.

use akash_chain::Outcome;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tfplugin::{Attribute, Type};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How many receipts a resource keeps in state, the newest last.
const KEPT: usize = 5;

/// The schema of a resource's `receipts`. Sensitive for length alone: clients print a JSON text over pages.
pub(crate) fn attribute() -> Attribute {
    Attribute::list(Type::String).computed().sensitive().description(
        "The last five receipts as JSON, oldest first: what was done, at what price, and the transaction that proves it. \
         Nothing in them is secret; they are declared sensitive so that plans stay short. To read them: `[for receipt in \
         nonsensitive(RESOURCE.receipts) : jsondecode(receipt)]`.",
    )
}

/// What a receipt is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// The account that owns the deployment.
    pub(crate) owner: String,
    /// The deployment's sequence number; 0, which none has, for what concerns no deployment.
    pub(crate) dseq: u64,
    /// The group, for what concerns one group.
    pub(crate) gseq: Option<u32>,
    /// The order, for what concerns a lease.
    pub(crate) oseq: Option<u32>,
    /// The provider's address, for what concerns a lease.
    pub(crate) provider: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    DeploymentCreate,
    DeploymentUpdate,
    DeploymentDeposit,
    DeploymentClose,
    LeaseCreate,
    LeaseManifest,
    LeaseClose,
    ActMint,
    ActBurn,
}

impl Action {
    /// As receipts write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DeploymentCreate => "deployment.create",
            Self::DeploymentUpdate => "deployment.update",
            Self::DeploymentDeposit => "deployment.deposit",
            Self::DeploymentClose => "deployment.close",
            Self::LeaseCreate => "lease.create",
            Self::LeaseManifest => "lease.manifest",
            Self::LeaseClose => "lease.close",
            Self::ActMint => "act.mint",
            Self::ActBurn => "act.burn",
        }
    }
}

/// A receipt being written. [`Receipt::seal`] makes it the JSON text that goes into state.
#[derive(Debug)]
pub(crate) struct Receipt {
    /// The network's preset name, where one was chosen.
    pub(crate) network: Option<String>,
    /// The chain's id.
    pub(crate) chain_id: String,
    /// What was done.
    pub(crate) action: Action,
    /// What it was done to.
    pub(crate) target: Target,
    /// What was asked for: hashes, resources, price ceiling. Fields that do not apply are left out.
    pub(crate) request: Value,
    /// The user's reason: the resource's `reason`, else `AKASH_REASON`.
    pub(crate) reason: Option<String>,
}

/// What came of it, as the receipt's `response`, and when.
pub(crate) struct Answer {
    response: Map<String, Value>,
    at: OffsetDateTime,
}

impl Answer {
    /// A transaction's answer: the block's time is the receipt's.
    pub(crate) fn transaction(outcome: &Outcome, status: &str) -> Self {
        let response = object(json!({
            "tx_hash": outcome.tx_hash,
            "height": outcome.height,
            "gas_used": outcome.gas_used,
            "fee": { "amount": outcome.fee.amount.to_string(), "denom": outcome.fee.denom },
            "messages": outcome.messages,
            "message_index": outcome.message_index,
            "status": status,
        }));
        Self { response, at: outcome.time }
    }

    /// A provider's answer to an upload: it has no block, so the time is this machine's.
    pub(crate) fn upload(status: &str) -> Self {
        Self { response: object(json!({ "status": status })), at: OffsetDateTime::now_utc() }
    }

    /// Adds a field to `response`.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.response.insert(key.into(), value);
        self
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl Receipt {
    /// The receipt as JSON text, sealed with `sha256:` over its canonical form without the seal.
    ///
    /// `previous` is null: there is no ledger of this machine yet.
    pub(crate) fn seal(self, answer: Answer) -> String {
        let Target { owner, dseq, gseq, oseq, provider } = self.target;
        let mut target = object(json!({ "owner": owner }));
        let optional = [
            ("dseq", Some(dseq).filter(|dseq| *dseq > 0).map(|dseq| dseq.to_string().into())),
            ("gseq", gseq.map(Value::from)),
            ("oseq", oseq.map(Value::from)),
            ("provider", provider.map(Value::from)),
        ];
        target.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let Answer { response, at } = answer;
        let timestamp = at.format(&Rfc3339).unwrap_or_default();
        let mut receipt = object(json!({
            "version": 1,
            "timestamp": timestamp,
            "platform": "akash",
            "network": self.network,
            "chain_id": self.chain_id,
            "action": self.action.as_str(),
            "target": target,
            "request": self.request,
            "response": Value::Object(response),
            "reason": self.reason,
            "previous": null,
        }));
        let seal = seal_of(&receipt);
        receipt.insert("sha256".into(), seal.into());
        canonical(&receipt)
    }
}

/// `sha256:` and the hex digest of the canonical JSON of `receipt`, which must not hold its seal.
fn seal_of(receipt: &Map<String, Value>) -> String {
    let digest = Sha256::digest(canonical(receipt));
    format!("sha256:{}", hex::encode(digest))
}

/// The receipt by RFC 8785.
fn canonical(receipt: &Map<String, Value>) -> String {
    let text = serde_json_canonicalizer::to_string(receipt);
    debug_assert!(text.is_ok(), "{text:?}");
    // Only a number that no double holds is refused, and a receipt's are heights, gas and indices.
    text.unwrap_or_default()
}

/// The receipts of a resource with `new` behind them, cut to the last five.
pub(crate) fn append(mut receipts: Vec<String>, new: impl IntoIterator<Item = String>) -> Vec<String> {
    receipts.extend(new);
    receipts.split_off(receipts.len().saturating_sub(KEPT))
}

/// Puts a receipt, if there is one, behind those that a state has.
pub(crate) fn add(receipts: &mut tfplugin::Value<Vec<String>>, new: impl Into<Option<String>>) {
    let before = std::mem::take(receipts).unwrap_or_default();
    *receipts = tfplugin::Value::Known(append(before, new.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_is_over_the_rest() {
        let receipt = Receipt {
            network: Some("devnet".into()),
            chain_id: "devnet-1".into(),
            action: Action::LeaseManifest,
            target: Target {
                owner: "akash1x".into(),
                dseq: 42,
                gseq: Some(1),
                oseq: Some(1),
                provider: None,
            },
            request: json!({ "manifest_hash": "sha256:00" }),
            reason: Some("why \u{7f} not".into()),
        };
        let text = receipt.seal(Answer::upload("accepted"));
        let mut read: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(canonical(&read), text);
        let seal = read.remove("sha256").unwrap();
        assert_eq!(seal, Value::from(seal_of(&read)));
        read.insert("action".into(), "other".into());
        assert_ne!(seal, Value::from(seal_of(&read)));
    }

    /// Receipts are kept and compared: one that was sealed yesterday is the same, byte for byte, today.
    #[test]
    fn a_receipt_is_written_as_ever() {
        let receipt = Receipt {
            network: Some("devnet".into()),
            chain_id: "devnet-1".into(),
            action: Action::LeaseCreate,
            target: Target {
                owner: "akash1x".into(),
                dseq: 42,
                gseq: Some(1),
                oseq: Some(1),
                provider: Some("akash1p".into()),
            },
            request: json!({ "manifest_hash": "sha256:00", "price": { "amount": "1.50", "denom": "uact" }, "gpu": null }),
            reason: Some("why \u{7f} not: \"<é & \u{2028}\\>\"\n".into()),
        };
        let response = object(json!({
            "tx_hash": "AB",
            "height": 9_007_199_254_740_991_u64,
            "gas_used": 123_456,
            "fee": { "amount": "2500", "denom": "uakt" },
            "messages": 2,
            "message_index": 1,
            "status": "active",
        }));
        let at = OffsetDateTime::parse("2026-11-25T09:50:42Z", &Rfc3339).unwrap();
        let sealed = receipt.seal(Answer { response, at });
        assert_eq!(sealed, include_str!("sealed.json").trim_end());
    }

    #[test]
    fn five_are_kept() {
        let kept = append((0..4).map(|n| n.to_string()).collect(), ["4".into(), "5".into()]);
        assert_eq!(kept, ["1", "2", "3", "4", "5"]);
    }
}
