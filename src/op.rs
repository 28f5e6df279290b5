//! One operation of a resource or a data source: the clients it works with, how long it may take, and what it tells.
//!
//! What can't go on returns a [`Failure`] by `?`; it becomes an error diagnostic once, at the edge ([`Op::finish`]).
//! Warnings are told along the way. This module knows no resource.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use akash_chain::{Fate, Kind, Labelled, OpenReason, Outcome, Pending, SubmitError};
use tfplugin::{Context, Diagnostics, Value};

use crate::clients::Clients;
pub(crate) use crate::failure::Failure;
use crate::limit::Limit;
use crate::receipts::{Action, Receipt, Target};

/// One operation, from its start until its answer.
#[derive(Debug)]
pub(crate) struct Op {
    /// What it works with.
    pub(crate) clients: Arc<Clients>,
    /// When it ends.
    pub(crate) limit: Limit,
    reason: Option<String>,
    told: Mutex<Diagnostics>,
}

impl Op {
    /// Begins now and lasts `time`, or until Terraform asks to stop. `reason` is the resource's; without one receipts
    /// have the environment's.
    pub(crate) fn start(clients: Arc<Clients>, cx: &Context, time: Duration, reason: &Value<String>) -> Self {
        let reason = reason.known().cloned().or_else(|| clients.reason.clone());
        Self { limit: Limit::start(cx.cancel(), time), clients, reason, told: Mutex::default() }
    }

    /// What a plan would say, said by an operation.
    pub(crate) fn say(&self, what: impl FnOnce(&mut Diagnostics)) {
        what(&mut self.told());
    }

    /// Adds a warning about the whole resource.
    pub(crate) fn warn(&self, summary: impl Into<String>, detail: impl Into<String>) {
        self.told().warning(summary, detail);
    }

    /// Adds an error and goes on: what was done is still to be recorded.
    pub(crate) fn fail(&self, failure: Failure) {
        failure.tell(&mut self.told());
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Diagnostics> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end: what was told goes to the user, and a failure with it.
    pub(crate) fn finish<T>(self, result: Result<T, Failure>, diagnostics: &mut Diagnostics) -> Option<T> {
        diagnostics.extend(std::mem::take(&mut self.told()));
        result.map_err(|failure| failure.tell(diagnostics)).ok()
    }

    /// Does `work` until it is done, stopped or out of time: for what may be left off at any point, as looking is. What
    /// sends something bounds itself by [`Op::limit`], so that it can record what it has done.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            () = self.limit.token().cancelled() => Err(self.ended("It was looking at the chain. Nothing was changed.")),
        }
    }

    /// The failure of an operation that has ended before its work was done.
    pub(crate) fn ended(&self, detail: impl Into<String>) -> Failure {
        Failure::new(self.end_word(), detail)
    }

    /// How the operation has ended.
    pub(crate) fn end_word(&self) -> &'static str {
        if self.limit.stopped() { "Stopped" } else { "Out of time" }
    }

    /// The address of the account that sends. `what` completes "… failed".
    pub(crate) fn account(&self, what: &str) -> Result<&str, Failure> {
        self.clients.chain.address().ok_or_else(|| self.unsent(what)(SubmitError::NoWallet))
    }

    /// Refuses to change what belongs to another wallet.
    pub(crate) fn same_owner(&self, owner: Option<&str>) -> Result<(), Failure> {
        self.clients.same_owner(owner)
    }

    /// Sends a message with this operation's reason, and waits for its block.
    pub(crate) async fn send(&self, message: impl Into<Labelled>) -> Result<Outcome, SubmitError> {
        self.send_within(&self.limit, message).await
    }

    /// The same within another time than this operation's.
    pub(crate) async fn send_within(
        &self,
        limit: &Limit,
        message: impl Into<Labelled>,
    ) -> Result<Outcome, SubmitError> {
        self.clients.chain.submit(message.into().because(self.reason.as_deref()), limit.token()).await
    }

    /// Makes the failure of a message that was not sent, refused, or whose fate is open. `what` completes "… failed",
    /// for example "Creating the deployment".
    pub(crate) fn unsent<'a>(&'a self, what: &'a str) -> impl Fn(SubmitError) -> Failure + 'a {
        move |error| {
            let summary = match &error {
                SubmitError::NoWallet => "No wallet".to_owned(),
                SubmitError::Funds(shortfalls) => {
                    let denoms: Vec<&str> =
                        shortfalls.iter().map(|shortfall| shortfall.denom.as_str()).collect();
                    format!("Not enough {}", denoms.join(" and "))
                }
                SubmitError::Open { .. } => format!("{what}: outcome not known yet"),
                SubmitError::Cancelled if self.limit.stopped() => format!("{what}: stopped"),
                SubmitError::Cancelled => format!("{what}: out of time"),
                _ => format!("{what} failed"),
            };
            Failure::new(summary, sentence(&error.to_string()))
        }
    }

    /// A receipt of what this operation does, with its reason.
    pub(crate) fn receipt(&self, action: Action, target: Target, request: serde_json::Value) -> Receipt {
        Receipt {
            network: self.clients.network.map(str::to_owned),
            chain_id: self.clients.chain_id.clone(),
            action,
            target,
            request,
            reason: self.reason.clone(),
        }
    }

    /// Before what is pending is destroyed its fate must be known, or something could come to life that no state has.
    /// `what` names it, for example `Deployment 7`. Whether there may be something to destroy.
    pub(crate) async fn settle(&self, pending: Option<&Pending>, what: &str) -> Result<bool, Failure> {
        let Some(pending) = pending else { return Ok(true) };
        match self.clients.chain.fate(pending).await {
            Ok(Fate::Included(_)) => Ok(true),
            Ok(Fate::Refused(_) | Fate::DidNotHappen) => Ok(false),
            Ok(Fate::Open) => Err(Failure::new(
                format!("{what} may still be created"),
                format!(
                    "It is not known yet whether {} was or will be included. Destroy again in a minute, when \
                     its time has run out.",
                    pending.transaction()
                ),
            )),
            Err(error) => Err(Failure::new(format!("{what} can't be read"), error.to_string())),
        }
    }
}

/// What a read finds of a create whose fate was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It happened: look at what there is.
    Created,
    /// It did not happen; a warning has been told.
    Nothing,
    /// It is still not known; a warning has been told.
    Unknown,
}

impl Op {
    /// What became of a create whose fate was open. `what` names it, for example `Deployment 7`; `not` completes it where
    /// there is none, for example "was not created".
    pub(crate) async fn find(&self, pending: &Pending, what: &str, not: &str) -> Result<Found, Failure> {
        let gone = |why: String| {
            self.warn(
                format!("{what} {not}"),
                format!("{why} It is removed from state; the plan creates it."),
            );
            Found::Nothing
        };
        let fate = self.clients.chain.fate(pending).await;
        Ok(match fate.map_err(|error| Failure::new(format!("{what} can't be read"), error.to_string()))? {
            Fate::Included(_) => Found::Created,
            Fate::Refused(refusal) => gone(refusal.to_string()),
            Fate::DidNotHappen => gone(format!(
                "It was sent in {}, which did not come into a block before its time ran out; nothing was spent.",
                pending.transaction()
            )),
            Fate::Open => {
                self.warn(
                    format!("{what} is still pending"),
                    format!(
                        "It is not known yet whether {} was included; the next plan looks again.",
                        pending.transaction()
                    ),
                );
                Found::Unknown
            }
        })
    }
}

/// Begins with a capital letter and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let mut text: String =
        rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect());
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// The kind of the chain's refusal, if the chain refused.
pub(crate) fn refusal(error: &SubmitError) -> Option<Kind> {
    match error {
        SubmitError::Refused(refusal) => Some(refusal.error.kind()),
        _ => None,
    }
}

/// What to look up later, if the message's fate is open.
pub(crate) fn pending(error: &SubmitError) -> Option<(&Pending, OpenReason)> {
    match error {
        SubmitError::Open { pending, why } => Some((pending, *why)),
        _ => None,
    }
}
