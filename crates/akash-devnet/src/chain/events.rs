//! The events of transactions and blocks: what happened, typed, and the form in which a node reports it.
//!
//! A typed event's type is its full proto name, each field is one attribute of JSON text, attributes in alphabetical
//! order, as the SDK writes them.

use akash_proto::{
    Dec,
    akash::{
        bme::v1::{EventLedgerRecordCanceled, EventLedgerRecordExecuted, LedgerRecordId},
        deployment::v1::{DeploymentId, GroupId},
        market::v1::{BidId, LeaseClosedReason, LeaseId, OrderId},
    },
    cosmos::base::v1beta1::DecCoin,
    tendermint::abci,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// An event as a node reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `transfer`, `akash.market.v1.EventLeaseCreated`, ...
    pub kind: String,
    /// Key and value, in order.
    pub attributes: Vec<(String, String)>,
}

impl Event {
    /// An event of `kind` with these attributes.
    pub fn new(kind: &str, attributes: &[(&str, &str)]) -> Self {
        let attributes =
            attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { kind: kind.to_owned(), attributes }
    }
}

impl From<&Event> for abci::Event {
    fn from(event: &Event) -> Self {
        let attributes = event
            .attributes
            .iter()
            .map(|(key, value)| abci::EventAttribute { key: key.clone(), value: value.clone(), index: true })
            .collect();
        Self { r#type: event.kind.clone(), attributes }
    }
}

/// What happened, for those who live inside the devnet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChainEvent {
    /// A deployment was made; its groups' orders follow as events of their own.
    DeploymentCreated(DeploymentId, Vec<u8>),
    /// A deployment has a new hash.
    DeploymentUpdated(DeploymentId, Vec<u8>),
    /// A deployment is closed.
    DeploymentClosed(DeploymentId),
    /// A group is open again.
    GroupStarted(GroupId),
    /// A group is paused.
    GroupPaused(GroupId),
    /// A group is closed.
    GroupClosed(GroupId),
    /// An order waits for bids.
    OrderCreated(OrderId),
    /// An order is closed.
    OrderClosed(OrderId),
    /// A provider bids.
    BidCreated(BidId, DecCoin),
    /// A bid is closed (there is no event for a lost one).
    BidClosed(BidId),
    /// A bid was accepted.
    LeaseCreated(LeaseId, DecCoin),
    /// A lease is over.
    LeaseClosed(LeaseId, LeaseClosedReason),
    /// The provider takes a lease back at `deadline` (unix seconds).
    LeaseReclaimStarted(LeaseId, LeaseClosedReason, i64),
    /// A queued burn or mint was executed (an event of the block, not of a transaction).
    LedgerRecordExecuted(Box<EventLedgerRecordExecuted>),
    /// A queued burn or mint was refused and refunded (an event of the block).
    LedgerRecordCanceled(Box<EventLedgerRecordCanceled>),
}

impl From<&ChainEvent> for Event {
    fn from(event: &ChainEvent) -> Self {
        let typed = |kind: &str, fields: &[(&str, String)]| {
            let attributes = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            Self { kind: kind.to_owned(), attributes }
        };
        let hash = |hash: &[u8]| quoted(&STANDARD.encode(hash));
        let reason = |reason: &LeaseClosedReason| quoted(reason.as_str_name());
        match event {
            ChainEvent::DeploymentCreated(id, version) => typed(
                "akash.deployment.v1.EventDeploymentCreated",
                &[("hash", hash(version)), ("id", deployment_id(id))],
            ),
            ChainEvent::DeploymentUpdated(id, version) => typed(
                "akash.deployment.v1.EventDeploymentUpdated",
                &[("hash", hash(version)), ("id", deployment_id(id))],
            ),
            ChainEvent::DeploymentClosed(id) => {
                typed("akash.deployment.v1.EventDeploymentClosed", &[("id", deployment_id(id))])
            }
            ChainEvent::GroupStarted(id) => {
                typed("akash.deployment.v1.EventGroupStarted", &[("id", group_id(id))])
            }
            ChainEvent::GroupPaused(id) => {
                typed("akash.deployment.v1.EventGroupPaused", &[("id", group_id(id))])
            }
            ChainEvent::GroupClosed(id) => {
                typed("akash.deployment.v1.EventGroupClosed", &[("id", group_id(id))])
            }
            ChainEvent::OrderCreated(id) => {
                typed("akash.market.v1.EventOrderCreated", &[("id", order_id(id))])
            }
            ChainEvent::OrderClosed(id) => typed("akash.market.v1.EventOrderClosed", &[("id", order_id(id))]),
            ChainEvent::BidCreated(id, price) => {
                typed("akash.market.v1.EventBidCreated", &[("id", bid_id(id)), ("price", dec_coin(price))])
            }
            ChainEvent::BidClosed(id) => typed("akash.market.v1.EventBidClosed", &[("id", bid_id(id))]),
            ChainEvent::LeaseCreated(id, price) => typed(
                "akash.market.v1.EventLeaseCreated",
                &[("id", lease_id(id)), ("price", dec_coin(price))],
            ),
            ChainEvent::LeaseClosed(id, why) => {
                typed("akash.market.v1.EventLeaseClosed", &[("id", lease_id(id)), ("reason", reason(why))])
            }
            ChainEvent::LeaseReclaimStarted(id, why, deadline) => typed(
                "akash.market.v1.EventLeaseReclaimStarted",
                &[("deadline", quoted(&deadline.to_string())), ("id", lease_id(id)), ("reason", reason(why))],
            ),
            ChainEvent::LedgerRecordExecuted(record) => {
                typed("akash.bme.v1.EventLedgerRecordExecuted", &[("id", ledger_id(record.id.as_ref()))])
            }
            ChainEvent::LedgerRecordCanceled(record) => typed(
                "akash.bme.v1.EventLedgerRecordCanceled",
                &[
                    ("cancel_reason", quoted(record.cancel_reason().as_str_name())),
                    ("id", ledger_id(record.id.as_ref())),
                ],
            ),
        }
    }
}

// Objects are written by hand because their fields stand in proto order, which a sorted JSON map loses. No value in
// them needs escaping: addresses, numbers and denominations.

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn deployment_id(id: &DeploymentId) -> String {
    format!(r#"{{"owner":"{}","dseq":"{}"}}"#, id.owner, id.dseq)
}

fn group_id(id: &GroupId) -> String {
    format!(r#"{{"owner":"{}","dseq":"{}","gseq":{}}}"#, id.owner, id.dseq, id.gseq)
}

fn order_id(id: &OrderId) -> String {
    format!(r#"{{"owner":"{}","dseq":"{}","gseq":{},"oseq":{}}}"#, id.owner, id.dseq, id.gseq, id.oseq)
}

fn bid_id(id: &BidId) -> String {
    format!(
        r#"{{"owner":"{}","dseq":"{}","gseq":{},"oseq":{},"provider":"{}","bseq":{}}}"#,
        id.owner, id.dseq, id.gseq, id.oseq, id.provider, id.bseq
    )
}

fn lease_id(id: &LeaseId) -> String {
    bid_id(&super::state::bid_of(id))
}

fn ledger_id(id: Option<&LedgerRecordId>) -> String {
    id.map_or_else(
        || "null".to_owned(),
        |id| {
            format!(
                r#"{{"denom":"{}","to_denom":"{}","source":"{}","height":"{}","sequence":"{}"}}"#,
                id.denom, id.to_denom, id.source, id.height, id.sequence
            )
        },
    )
}

fn dec_coin(coin: &DecCoin) -> String {
    let amount = Dec::from_wire(&coin.amount).unwrap_or_default().to_json();
    format!(r#"{{"denom":"{}","amount":"{amount}"}}"#, coin.denom)
}
