//! Emptying the wallet of ACT: everything is converted back to AKT.

use akash_proto::{Coin, akash::bme::v1::MsgBurnAct};

use super::ledger::{self, Settled, Waited};
use super::mint::refused;
use super::model::{Act, Gate, Queued, act, akt, coins};
use super::{plan, read};
use crate::journal::About;
use crate::lifecycle::earlier;
use crate::op::{Failure, Op};

/// Whose ACT is burnt.
pub(super) struct Burning<'a> {
    pub(super) op: &'a Op,
    pub(super) owner: &'a str,
}

impl Burning<'_> {
    /// Burns all that the wallet holds, once nothing of it is in the chain's queue, and waits until that is done.
    pub(super) async fn run(&self, prior: &Act) -> Result<(), Failure> {
        tracing::debug!(balance = prior.balance.as_deref(), "burning all ACT of the wallet");
        earlier::settle(self.op, About::Wallet(self.owner.to_owned())).await?;
        // A mint that is on its way brings ACT to burn; a burn of an earlier, stopped destroy is this one.
        for denom in ["uakt", "uact"] {
            self.await_queue(denom).await?;
        }
        let seen = read::look(&self.op.clients, self.owner).await.map_err(|error| {
            Failure::new(
                format!("The balance of {} can't be read", self.owner),
                format!("{error}. Nothing was sent."),
            )
        })?;
        if seen.balance == 0 {
            return Ok(());
        }
        if let Gate::OracleStale { .. } = seen.gate {
            let obstacle = plan::obstacle(&seen.gate).unwrap_or_default();
            return Err(Failure::new(
                "The network has no price of AKT",
                format!(
                    "{obstacle} Nothing was burnt. Destroy again later, or apply `burn_on_destroy = false` first to keep \
                     the {}.",
                    act(seen.balance)
                ),
            ));
        }
        let wanted = seen.terms.back(seen.balance).unwrap_or_default();
        if wanted == 0 {
            self.op.warn(
                format!("{} are left in the wallet", act(seen.balance)),
                "They are worth less than the smallest unit of AKT, so the chain would not burn them.",
            );
            return Ok(());
        }
        let coin = Coin::new(seen.balance, "uact");
        let message = MsgBurnAct {
            owner: self.owner.to_owned(),
            to: self.owner.to_owned(),
            coins_to_burn: Some(coin.clone().into()),
        };
        let sent = self.op.send(message).await;
        let outcome = sent.map_err(|error| refused(self.op, "Burning ACT", error))?;
        self.follow(&Queued::new(&outcome, &coin, wanted)).await
    }

    /// Waits for what is in the queue already.
    async fn await_queue(&self, denom: &str) -> Result<(), Failure> {
        let lines = ledger::pending(&self.op.clients, self.owner, denom).await.map_err(|error| {
            Failure::new("The chain's queue can't be read", format!("{error}. Nothing was burnt."))
        })?;
        for line in lines {
            let problem = match ledger::wait(&self.op.clients, self.owner, &line, &self.op.limit).await {
                Waited::Settled(_) => continue,
                Waited::Ended => String::new(),
                Waited::Lost(error) => format!(" {error}."),
            };
            return Err(self.op.ended(format!(
                "{} of this wallet have been in the chain's queue since block {}, and were waited for.{problem} Destroy \
                 again.",
                coins(line.coin.amount, denom),
                line.height
            )));
        }
        Ok(())
    }

    async fn follow(&self, queued: &Queued) -> Result<(), Failure> {
        match ledger::wait(&self.op.clients, self.owner, &queued.line(), &self.op.limit).await {
            Waited::Settled(settled) => {
                let receipt = ledger::receipt(self.op, self.owner, queued, &settled);
                tracing::info!(receipt, "ACT burnt");
                match settled {
                    Settled::Executed(record) => {
                        let burnt = coins(queued.amount, &queued.denom);
                        self.op.warn(
                            format!("{burnt} are burnt, {} came back", akt(ledger::got(&record).0)),
                            format!("Transaction {} in block {}.", queued.tx_hash, queued.height),
                        );
                        Ok(())
                    }
                    Settled::Canceled(reason) => Err(Failure::new(
                        "The burn was cancelled by the chain",
                        format!(
                            "{} and cancelled: the {} came back, only the fee is spent. {} To destroy without burning, \
                             apply `burn_on_destroy = false` first.",
                            ledger::named(queued),
                            coins(queued.amount, &queued.denom),
                            ledger::why(reason)
                        ),
                    )),
                }
            }
            Waited::Ended => Err(Failure::new(
                format!("{} while waiting for the burn", self.op.end_word()),
                format!(
                    "{} and waits for the next epoch. Destroy again: the same burn is waited for.",
                    ledger::named(queued)
                ),
            )),
            Waited::Lost(error) => Err(Failure::new(
                "The burn can't be followed",
                format!("{}. {error}. Destroy again.", ledger::named(queued)),
            )),
        }
    }
}
