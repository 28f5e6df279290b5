//! What became of a message: the types that [`crate::Chain::submit`] and [`crate::Chain::fate`] answer with.
//!
//! This file must not know how they come about.

use std::fmt;

use akash_proto::{Coin, tendermint::abci::Event};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{ChainError, Msg, QueryError};

/// A message that is in a block.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// SHA-256 of the transaction, upper-case hex.
    pub tx_hash: String,
    /// The block.
    pub height: u64,
    /// The block's time (UTC), to the second: nodes tell it so.
    pub time: OffsetDateTime,
    /// Of the whole transaction. 0 when only the effect was seen ([`Outcome::by_effect`]).
    pub gas_used: u64,
    /// Of the whole transaction.
    pub fee: Coin,
    /// How many messages the transaction has.
    pub messages: u32,
    /// Which of them this one is, from 0.
    pub message_index: u32,
    /// The events of this message.
    pub events: Vec<Event>,
    /// No node could show the transaction, but its effect is on chain. Then `height` is where the chain says it
    /// happened or, where it does not say, the height at which it was seen.
    pub by_effect: bool,
}

/// A transaction whose fate is not known yet, and the one of its messages that the caller asked for. Small enough to
/// be kept in private state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// SHA-256 of the transaction, upper-case hex; `None` as long as a service that sends it has not told it.
    #[serde(default)]
    pub tx_hash: Option<String>,
    /// When no block can take it any more: Unix time in nanoseconds, in block time.
    pub timeout: i64,
    /// The latest height before it was sent.
    pub since_height: u64,
    /// What it pays, for the receipt.
    pub fee: PendingFee,
    /// How many messages the transaction has.
    pub messages: u32,
    /// Which of them this one is, from 0.
    pub message_index: u32,
    /// The message, to look its effect up.
    pub message: Msg,
}

impl Pending {
    /// The transaction, to be named in a sentence.
    pub fn transaction(&self) -> String {
        match &self.tx_hash {
            Some(hash) => format!("transaction {hash}"),
            None => "a transaction whose hash is not known yet".to_owned(),
        }
    }
}

/// A fee in serialised form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFee {
    /// Smallest units, decimal digits.
    pub amount: String,
    /// The denomination.
    pub denom: String,
}

/// What a look-up of a pending message found.
#[derive(Debug, Clone)]
pub enum Fate {
    /// In a block, and done.
    Included(Outcome),
    /// In a block, and refused there; nothing of it was done but the fee was taken.
    Refused(Refusal),
    /// It is not in a block and never can be; its effect is not on chain either.
    DidNotHappen,
    /// Not known yet: it may still come into a block, or no node that answered can tell.
    Open,
}

/// Where the chain refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In simulation: nothing was sent.
    Simulate,
    /// By the node that was to take it: nothing was done, no fee was taken.
    Check,
    /// In a block: nothing was done, but the fee was taken.
    Deliver,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulate => "in simulation, nothing was sent",
            Self::Check => "before it came into a block, no fee was taken",
            Self::Deliver => "in a block, the fee was taken",
        })
    }
}

/// The chain's refusal of a message.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Where.
    pub stage: Stage,
    /// What the chain says.
    pub error: ChainError,
    /// The transaction, if it came into a block.
    pub tx: Option<Box<Outcome>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the chain refused it ({}): {}", self.stage, self.error)?;
        let advice = self.error.advice();
        if advice.is_empty() { Ok(()) } else { write!(f, ". {advice}") }
    }
}

/// Why a pending message's fate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenReason {
    /// The caller cancelled while it was on its way.
    Stopped,
    /// No node could tell in time: all are gone, behind, or do not index transactions.
    EndpointsLost,
    /// What waited for its block ended by an error of its own.
    Broken,
}

/// What an account holds too little of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Who would pay.
    pub address: String,
    /// What is missing.
    pub denom: String,
    /// The balance, smallest units.
    pub have: u128,
    /// What all messages of the transaction take together, smallest units.
    pub need: u128,
    /// What it is for.
    pub what_for: String,
    /// Where this chain gives AKT away, if it does.
    pub faucet: Option<&'static str>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, denom, have, need, what_for, faucet } = self;
        let missing = need.saturating_sub(*have);
        let advice = how_to_get(denom, *faucet);
        write!(
            f,
            "Not enough {denom} for {what_for}: {address} holds {have}{denom} and {need}{denom} are needed, {missing}{denom} more. \
             {advice}."
        )
    }
}

/// Why a message has no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// There is no wallet to sign with.
    #[error(
        "this needs a wallet, and none is configured: set `mnemonic` or `mnemonic_file` in the provider block, or AKASH_MNEMONIC or AKASH_MNEMONIC_FILE"
    )]
    NoWallet,
    /// The chain refused this message; the error is definite.
    #[error("{0}")]
    Refused(Refusal),
    /// The wallet, or the account that pays the fee, holds too little of each of these; nothing was sent.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]
    Funds(Vec<Shortfall>),
    /// The fee would be above the configured `max_fee`; nothing was sent.
    #[error(
        "the fee would be {fee} and `max_fee` is {max_fee}; nothing was sent. Raise `max_fee`, or lower `gas_price` if it is above what the node asks"
    )]
    MaxFee {
        /// What it would cost.
        fee: Coin,
        /// The configured limit.
        max_fee: Coin,
    },
    /// The transaction needs more gas than one block takes.
    #[error(
        "the message needs {gas} gas and a block takes {max_gas}; nothing was sent. Make the deployment smaller"
    )]
    TooLarge {
        /// What it needs.
        gas: u64,
        /// What a block takes.
        max_gas: u64,
    },
    /// It did not happen and never can: no block took it before its timeout, and its effect is not on chain.
    #[error("{} did not come into a block before its time ran out. Nothing was done and no fee was taken; apply again", .0.transaction())]
    NotIncluded(Box<Pending>),
    /// It was sent, and it is not known whether it happened.
    #[error("{} was sent, but {}. It may still happen: do not send it again by other means; the next plan finds out", .pending.transaction(), match .why { OpenReason::Stopped => "the operation was stopped before it came into a block", OpenReason::EndpointsLost => "no endpoint can tell what became of it", OpenReason::Broken => "an error inside the provider ended the wait for its block (the log has more)" })]
    Open {
        /// What to look up later with [`crate::Chain::fate`].
        pending: Box<Pending>,
        /// Why it is not known.
        why: OpenReason,
    },
    /// The journal could not be written; nothing was sent.
    #[error(
        "{0}. Nothing was sent: what is not written down could be lost with its escrow if this run were cut off"
    )]
    Journal(String),
    /// No endpoint could be used; nothing was sent.
    #[error("{0}; nothing was sent")]
    Endpoints(#[from] QueryError),
    /// What sends transactions ended by an error of its own before this was sent.
    #[error(
        "an error inside the provider ended the sending of transactions; nothing of this was sent. The log has more (TF_LOG=debug): please report it. Applying again is safe"
    )]
    Broken,
    /// Cancelled before anything was sent.
    #[error("stopped before anything was sent")]
    Cancelled,
}

/// How a wallet comes by a denomination.
fn how_to_get(denom: &str, faucet: Option<&str>) -> String {
    match (denom, faucet) {
        ("uact", _) => {
            "ACT cannot be sent from wallet to wallet: mint it from AKT with an `akash_act` resource (at least 10 ACT at a time), and close deployments that are not needed: their deposits come back".into()
        }
        ("uakt", Some(faucet)) => format!("The faucet {faucet} gives AKT to this address (1 AKT = 1000000uakt)"),
        ("uakt", None) => "Send AKT to this address (1 AKT = 1000000uakt)".into(),
        _ => "Send it to this address".into(),
    }
}
