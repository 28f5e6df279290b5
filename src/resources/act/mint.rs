//! Filling the wallet with ACT. Looks at the chain again and does what was planned, or less: a mint that is in the
//! chain's queue already, whoever sent it, is waited for and never sent again.

use std::time::Duration;

use akash_chain::{Fate, Kind, OpenReason, SubmitError};
use akash_proto::{Coin, akash::bme::v1::MsgMintAct};

use super::amount::Mint;
use super::apply::turn;
use super::ledger::{self, Settled, Waited};
use super::model::{Gate, Goal, Private, Queued, Seen, act, akt, coins};
use super::{plan, read};
use crate::journal::About;
use crate::lifecycle::earlier;
use crate::op::{self, Failure, Op};

/// How often the queue of others is waited for before a plan is asked for anew.
const ROUNDS: u32 = 3;
/// How often a transaction whose fate is open is looked up.
const FATE: Duration = Duration::from_secs(2);

/// What is to be in the wallet, and for whom.
pub(super) struct Filling<'a> {
    pub(super) op: &'a Op,
    pub(super) owner: &'a str,
    pub(super) goal: Goal,
    /// A create that is stopped while its mint is on its way has a state, with a warning; an update must answer what
    /// was planned, or fail.
    pub(super) creating: bool,
}

impl Filling<'_> {
    /// Sees to it that the wallet holds `minimum`; whether it does, or a warning says what it waits for. Leaves in
    /// `private` what is still on its way and what was read last, in `receipts` what came to an end.
    pub(super) async fn run(
        &self,
        private: &mut Private,
        receipts: &mut Vec<String>,
    ) -> Result<bool, Failure> {
        let _turn = turn(self.op).await?;
        // Also what a run that was cut off has sent: in the ledger it shows only once it is in a block.
        self.settle(private).await?;
        earlier::settle(self.op, About::Wallet(self.owner.to_owned())).await?;
        if private.queued.is_some() && !self.await_mint(private, receipts).await? {
            return Ok(false);
        }
        for _ in 0..ROUNDS {
            let seen = self.look(private).await?;
            if seen.balance >= self.goal.minimum {
                return Ok(true);
            }
            let Some(missing) = seen.missing(self.goal) else {
                // What is on its way is enough: wait for it, then look again.
                self.await_others().await?;
                continue;
            };
            if !receipts.is_empty() {
                return Err(self.moved(&seen));
            }
            return Ok(self.mint(&seen, missing, private).await? && self.await_mint(private, receipts).await?);
        }
        Err(Failure::new(
            "The balance does not come to rest",
            "Other mints of this wallet come and go in the chain's queue. Plan again when they are done.",
        ))
    }

    /// The mint of an earlier apply came through and it is too little by now: another was not planned.
    fn moved(&self, seen: &Seen) -> Failure {
        Failure::new(
            "The wallet holds less than `minimum` again",
            format!(
                "The mint that was on its way came through, but by now the wallet holds {}, and `minimum` is {}. Plan \
                 again.",
                act(seen.balance),
                act(self.goal.minimum)
            ),
        )
    }

    async fn look(&self, private: &mut Private) -> Result<Seen, Failure> {
        let looked = tokio::select! {
            looked = read::look(&self.op.clients, self.owner) => looked,
            () = self.op.limit.token().cancelled() => {
                return Err(self.op.ended("The balance was being looked at. Nothing more was sent."));
            }
        };
        let seen = looked.map_err(|error| {
            let summary = format!("The balance of {} can't be read", self.owner);
            Failure::new(summary, format!("{error}. Nothing more was sent."))
        })?;
        private.seen = Some(seen.clone());
        Ok(seen)
    }

    /// Finds out what became of the transaction of an earlier apply.
    async fn settle(&self, private: &mut Private) -> Result<(), Failure> {
        let Some(pending) = private.pending.clone() else { return Ok(()) };
        loop {
            let fate = tokio::select! {
                fate = read::fate(&self.op.clients, &pending) => fate,
                () = self.op.limit.token().cancelled() => Ok(Fate::Open),
            };
            match fate {
                Ok(Fate::Included(outcome)) => {
                    private.queued = Some(Queued::of(&outcome, &pending.message, private.seen.as_ref()));
                    break;
                }
                Ok(Fate::Refused(_) | Fate::DidNotHappen) => break,
                Ok(Fate::Open) => {}
                Err(error) => {
                    return Err(Failure::new(
                        "The mint can't be looked up",
                        format!("{error}. Nothing was sent."),
                    ));
                }
            }
            if !self.op.limit.sleep(FATE).await {
                return Err(self.op.ended(format!(
                    "It is not known yet whether {}, of an earlier apply, was included. The next apply looks \
                     again.",
                    pending.transaction()
                )));
            }
        }
        private.pending = None;
        Ok(())
    }

    /// Waits for mints of this wallet that others sent.
    async fn await_others(&self) -> Result<(), Failure> {
        let unreadable = |error: String| {
            Failure::new("The chain's queue can't be read", format!("{error}. Nothing was sent."))
        };
        let lines = ledger::pending(&self.op.clients, self.owner, "uakt").await;
        for line in lines.map_err(|error| unreadable(error.to_string()))? {
            tracing::info!(height = line.height, coin = %line.coin, "waiting for a mint that is in the queue already");
            match ledger::wait(&self.op.clients, self.owner, &line, &self.op.limit).await {
                Waited::Settled(_) => {}
                Waited::Ended => {
                    return Err(self.op.ended(format!(
                        "A mint from {} of this wallet has been in the chain's queue since block {} and is enough, so it \
                         was waited for and nothing was sent. The next apply looks again.",
                        coins(line.coin.amount, &line.coin.denom),
                        line.height
                    )));
                }
                Waited::Lost(error) => return Err(unreadable(error)),
            }
        }
        Ok(())
    }

    /// Sends a mint. Whether it is in the queue now.
    async fn mint(&self, seen: &Seen, missing: u128, private: &mut Private) -> Result<bool, Failure> {
        let Mint { burn, wanted, .. } = possible(seen, missing)?;
        let coin = Coin::new(burn, "uakt");
        let message = MsgMintAct {
            owner: self.owner.to_owned(),
            to: self.owner.to_owned(),
            coins_to_burn: Some(coin.clone().into()),
        };
        let error = match self.op.send(message).await {
            Ok(outcome) => {
                private.queued = Some(Queued::new(&outcome, &coin, wanted));
                return Ok(true);
            }
            Err(error) => error,
        };
        if let Some((pending, why)) = op::pending(&error) {
            private.pending = Some(pending.clone());
            if self.creating && why == OpenReason::Stopped {
                let detail =
                    format!("{error}. It is recorded in state; the next apply waits for the same mint.");
                self.op.warn("The mint is pending", detail);
                return Ok(false);
            }
        }
        Err(refused(self.op, "Minting ACT", error))
    }

    /// Waits for the mint that is in the queue. Whether it was carried out; if not, a warning has been told.
    async fn await_mint(&self, private: &mut Private, receipts: &mut Vec<String>) -> Result<bool, Failure> {
        let Some(queued) = private.queued.clone() else { return Ok(false) };
        tracing::info!(height = queued.height, tx_hash = queued.tx_hash, "waiting for the epoch of the mint");
        match ledger::wait(&self.op.clients, self.owner, &queued.line(), &self.op.limit).await {
            Waited::Settled(settled) => {
                private.queued = None;
                receipts.push(ledger::receipt(self.op, self.owner, &queued, &settled));
                match settled {
                    Settled::Executed(record) => {
                        // What it was to mint is minted, whatever else has moved meanwhile: the next plan sees that.
                        if let Some(seen) = &mut private.seen {
                            seen.balance = seen.balance.saturating_add(ledger::got(&record).0);
                        }
                        _ = self.look(private).await;
                        Ok(true)
                    }
                    Settled::Canceled(reason) => Err(Failure::new(
                        "The mint was cancelled by the chain",
                        format!(
                            "{} and cancelled: the {} came back, only the fee is spent. {}",
                            ledger::named(&queued),
                            coins(queued.amount, &queued.denom),
                            ledger::why(reason)
                        ),
                    )),
                }
            }
            Waited::Ended => {
                let slow = private.seen.as_ref().filter(|seen| seen.gate == Gate::Slow);
                let slow = slow.and_then(|seen| plan::obstacle(&seen.gate)).unwrap_or_default();
                let detail = format!(
                    "{} and waits for the next epoch. The next apply waits for the same mint and sends no other. {slow}",
                    ledger::named(&queued)
                );
                let detail = detail.trim_end();
                match (self.creating, self.op.limit.stopped()) {
                    (true, true) => {
                        self.op.warn("The mint is in the chain's queue", detail);
                        Ok(false)
                    }
                    (_, true) => Err(Failure::new("Stopped while waiting for the mint", detail)),
                    (_, false) => Err(Failure::new("Out of time while waiting for the mint", detail)),
                }
            }
            Waited::Lost(error) => Err(Failure::new(
                "The mint can't be followed",
                format!("{}. {error}. The next apply looks for it again.", ledger::named(&queued)),
            )),
        }
    }
}

/// The mint for what is missing, if the chain mints and the wallet has the AKT.
fn possible(seen: &Seen, missing: u128) -> Result<Mint, Failure> {
    let summary = match &seen.gate {
        Gate::Open | Gate::Slow => None,
        Gate::CircuitBreaker { .. } => Some("The network's circuit breaker stops minting"),
        Gate::OracleStale { .. } => Some("The network has no price of AKT"),
    };
    if let Some(summary) = summary {
        let obstacle = plan::obstacle(&seen.gate).unwrap_or_default();
        let detail = format!(
            "{obstacle} The wallet holds {}. Nothing was sent; apply again later.",
            act(seen.balance)
        );
        return Err(Failure::new(summary, detail));
    }
    let Some(mint) = seen.terms.mint(missing) else {
        return Err(Failure::new(
            "The amount can't be reckoned",
            format!(
                "{} at {} USD for 1 AKT is out of range. Nothing was sent.",
                act(missing),
                seen.terms.price
            ),
        ));
    };
    if seen.akt < mint.burn {
        let floor = if missing < seen.terms.floor {
            format!(" (the chain mints no less at once, though only {} are missing)", act(missing))
        } else {
            String::new()
        };
        return Err(Failure::new(
            "Not enough AKT to mint from",
            format!(
                "To mint {}{floor}, {} are needed at {} USD for 1 AKT, and some for the fee. The wallet holds {}: {} are \
                 missing. Nothing was sent. Send it AKT, or lower `minimum` and `target`.",
                act(mint.wanted),
                akt(mint.burn),
                seen.terms.price,
                akt(seen.akt),
                akt(mint.burn - seen.akt)
            ),
        ));
    }
    Ok(mint)
}

/// The failure of a message that was not sent or not taken.
pub(super) fn refused(op: &Op, what: &str, error: SubmitError) -> Failure {
    let summary = match op::refusal(&error) {
        Some(Kind::CircuitBreaker) => "The network's circuit breaker stops minting",
        Some(Kind::OracleUnhealthy) => "The network has no price of AKT",
        _ => return op.unsent(what)(error),
    };
    Failure::new(summary, format!("{what}: {error}"))
}
