//! How messages are sent: [`queue`] gathers them, [`policy`] decides what a transaction may hold, costs and has time for,
//! [`submit`] sends one transaction and settles what became of each message, [`broadcast`] hands it to nodes.
//!
//! Messages that wait at the same time travel together, one transaction at a time. What the chain refuses fails alone; the
//! rest is sent again without it. Nothing is signed for a message as long as an earlier transaction with it can still come
//! into a block. Nothing here may know what messages are for.

mod broadcast;
mod policy;
mod queue;
mod submit;

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicI64},
};

use akash_proto::Dec;
use tokio::sync::OnceCell;

use crate::tx::gas::Margins;
use queue::Queue;

/// The queue of one [`Chain`], and what its transactions have in common.
#[derive(Default)]
pub(crate) struct Pipeline {
    queue: Mutex<Queue>,
    account: OnceCell<u64>,
    max_block_gas: OnceCell<Option<u64>>,
    margins: Margins,
    /// The last timeout that was used, so that no two transactions of this process have the same.
    last_timeout: AtomicI64,
    /// The highest gas price that a refusal asked for.
    asked_price: Mutex<Dec>,
    /// Set when the chain says that it takes no unordered transactions.
    ordered: AtomicBool,
}
