//! What the pipeline asks of whoever keeps a journal: that an intent is on disk before anything is sent.
//!
//! This file must not know where or in which form it is written.

use std::fmt;

use async_trait::async_trait;

use crate::{Label, Pending};

/// A message that is about to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The chain's id.
    pub chain_id: String,
    /// What the message is for.
    pub label: Label,
    /// The message and its transaction, to look its fate up.
    pub pending: Pending,
}

/// Writes down what is about to be sent, and what became of it. All messages of one transaction come in one call.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Called before a transaction is handed to any node. It is sent only if this succeeds; when it does, the intents
    /// must outlive a crash of the machine. The error says what could not be written, and where.
    async fn intend(&self, intents: &[Intent]) -> Result<(), String>;

    /// Called after a node took the transaction, or may have taken it.
    fn handed_over(&self, _: &[Pending]) {}

    /// Called once it is known what became of a message. Not called while its fate is open.
    async fn conclude(&self, conclusions: &[(Pending, Conclusion)]);
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// In a block at this height, and done.
    Included(u64),
    /// It did not happen and never can.
    DidNotHappen,
}
