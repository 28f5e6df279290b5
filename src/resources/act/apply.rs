//! Filling the wallet with ACT, and emptying it. Looks at the chain again and does what was planned, or less: a mint
//! that is in the chain's queue already, whoever sent it, is waited for and never sent again.

use akash_chain::{Fate, Kind, OpenReason, SubmitError};
use akash_proto::Coin;
use akash_proto::akash::bme::v1::{MsgBurnAct, MsgMintAct};
use tfplugin::{Context, Create, Delete, Diagnostics, Saved, Update, Value};
use tokio::sync::MutexGuard;

use super::amount::Mint;
use super::ledger::{self, Settled, Waited};
use super::model::{Act, Gate, Goal, Private, Queued, Seen, act, akt, coins};
use super::{ActResource, plan, read};
use crate::clients::Clients;
use crate::journal::About;
use crate::lifecycle::belongs::{same_chain, same_owner};
use crate::lifecycle::{duration::Timeouts, earlier, limit::Limit, send};
use crate::receipts;

/// How often the queue of others is waited for before a plan is asked for anew.
const ROUNDS: u32 = 3;
/// How often a transaction whose fate is open is looked up.
const FATE: std::time::Duration = std::time::Duration::from_secs(2);

/// What is to be done, and how.
struct Work<'a> {
    clients: &'a Clients,
    owner: String,
    goal: Goal,
    reason: Option<String>,
    limit: &'a Limit,
    /// A create that is stopped while its mint is on its way has a state, with a warning; an update must answer what
    /// was planned, or fail.
    creating: bool,
}

/// What was done. Everything else has been told.
#[derive(Default)]
struct Done {
    /// Whether the wallet holds what it should.
    complete: bool,
    /// Receipts of what came to an end.
    receipts: Vec<String>,
}

/// Creates: fills the wallet.
pub(super) async fn create(
    clients: &Clients,
    cx: &Context,
    create: Create<ActResource>,
    diagnostics: &mut Diagnostics,
) -> Option<Saved<ActResource>> {
    let Create { planned, mut private, .. } = create;
    let limit = Limit::start(cx.cancel(), Timeouts::create(&planned.timeouts));
    let owner = send::wallet(clients, "Minting ACT", &limit, diagnostics)?.address().to_owned();
    let reason = plan::reason(clients, &planned.reason);
    let Some(goal) = planned.goal() else {
        diagnostics.error("`minimum` can't be read", "It is a coin in uact, for example `20000000uact`.");
        return None;
    };
    let work = Work { clients, owner: owner.clone(), goal, reason, limit: &limit, creating: true };
    let done = work.fill(&mut private, diagnostics).await;
    // With an error there is a state only if what was sent would else be forgotten. What is in the queue is not: it is
    // in the chain's ledger, where the next apply finds it.
    if !done.complete && private.pending.is_none() && diagnostics.has_errors() {
        return None;
    }
    private.unfinished = diagnostics.has_errors();
    private.height = Some(clients.chain.remembered_height());
    let mut state = planned;
    state.id = owner.as_str().into();
    state.owner = owner.into();
    state.chain_id = clients.chain_id.as_str().into();
    state.balance = private.seen.as_ref().map(|seen| seen.balance.to_string()).into();
    state.receipts = Value::Known(done.receipts);
    Some(Saved { state, private })
}

/// Changes: fills the wallet if that was planned, and records arguments.
pub(super) async fn update(
    clients: &Clients,
    cx: &Context,
    update: Update<ActResource>,
    diagnostics: &mut Diagnostics,
) -> Saved<ActResource> {
    let Update { prior, planned, mut private, .. } = update;
    if !planned.balance.is_unknown() {
        return Saved { state: planned, private };
    }
    let limit = Limit::start(cx.cancel(), Timeouts::update(&planned.timeouts));
    let mut state = planned;
    state.balance = prior.balance.clone();
    state.receipts = prior.receipts.clone();
    let mut done = Done::default();
    match state.goal() {
        Some(goal)
            if same_chain(clients, &prior.chain_id, diagnostics)
                && same_owner(clients, prior.owner.as_deref(), diagnostics) =>
        {
            let owner = prior.owner.clone().unwrap_or_default();
            let reason = plan::reason(clients, &state.reason);
            let work = Work { clients, owner, goal, reason, limit: &limit, creating: false };
            done = work.fill(&mut private, diagnostics).await;
            if let Some(seen) = &private.seen {
                state.balance = seen.balance.to_string().into();
            }
        }
        Some(_) => {}
        None => {
            diagnostics.error("`minimum` can't be read", "It is a coin in uact, for example `20000000uact`.");
        }
    }
    if done.complete {
        private.unfinished = false;
    } else {
        // They stand for a balance that is not there.
        (state.minimum, state.target) = (prior.minimum.clone(), prior.target.clone());
    }
    state.receipts = Value::Known(receipts::append(prior.receipts.unwrap_or_default(), done.receipts));
    Saved { state, private }
}

/// The turn of this resource: two of one wallet would both find too little, and both mint.
async fn turn<'a>(
    clients: &'a Clients,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<MutexGuard<'a, ()>> {
    tokio::select! {
        turn = clients.minting.lock() => Some(turn),
        () = limit.token().cancelled() => {
            diagnostics.error(ended(limit), "It waited for another `akash_act` of this wallet. Nothing was sent.");
            None
        }
    }
}

/// The summary of an operation that ended before its work was done.
fn ended(limit: &Limit) -> &'static str {
    if limit.stopped() { "Stopped" } else { "Out of time" }
}

impl Work<'_> {
    /// Sees to it that the wallet holds `minimum`. Leaves in `private` what is still on its way, and what was read last.
    async fn fill(&self, private: &mut Private, diagnostics: &mut Diagnostics) -> Done {
        let mut done = Done::default();
        let Some(_turn) = turn(self.clients, self.limit, diagnostics).await else { return done };
        // Also what a run that was cut off has sent: in the ledger it shows only once it is in a block.
        if !self.settle(private, diagnostics).await
            || !earlier::settle(self.clients, About::Wallet(self.owner.clone()), self.limit, diagnostics)
                .await
        {
            return done;
        }
        if private.queued.is_some() && !self.await_mint(private, &mut done, diagnostics).await {
            return done;
        }
        for _ in 0..ROUNDS {
            let Some(seen) = self.look(private, diagnostics).await else { return done };
            if seen.balance >= self.goal.minimum {
                done.complete = true;
                return done;
            }
            let Some(missing) = seen.missing(self.goal) else {
                // What is on its way is enough: wait for it, then look again.
                if !self.await_others(diagnostics).await {
                    return done;
                }
                continue;
            };
            if done.receipts.is_empty() {
                if self.mint(&seen, missing, private, diagnostics).await {
                    done.complete = self.await_mint(private, &mut done, diagnostics).await;
                }
            } else {
                self.moved(&seen, diagnostics);
            }
            return done;
        }
        diagnostics.error(
            "The balance does not come to rest",
            "Other mints of this wallet come and go in the chain's queue. Plan again when they are done.",
        );
        done
    }

    /// The mint of an earlier apply came through and it is too little by now: another was not planned.
    fn moved(&self, seen: &Seen, diagnostics: &mut Diagnostics) {
        diagnostics.error(
            "The wallet holds less than `minimum` again",
            format!(
                "The mint that was on its way came through, but by now the wallet holds {}, and `minimum` is {}. Plan \
                 again.",
                act(seen.balance),
                act(self.goal.minimum)
            ),
        );
    }

    async fn look(&self, private: &mut Private, diagnostics: &mut Diagnostics) -> Option<Seen> {
        let looked = tokio::select! {
            looked = read::look(self.clients, &self.owner) => looked,
            () = self.limit.token().cancelled() => {
                diagnostics.error(ended(self.limit), "The balance was being looked at. Nothing more was sent.");
                return None;
            }
        };
        match looked {
            Ok(seen) => {
                private.seen = Some(seen.clone());
                Some(seen)
            }
            Err(error) => {
                diagnostics.error(
                    format!("The balance of {} can't be read", self.owner),
                    format!("{error}. Nothing more was sent."),
                );
                None
            }
        }
    }

    /// Finds out what became of the transaction of an earlier apply. Whether to go on.
    async fn settle(&self, private: &mut Private, diagnostics: &mut Diagnostics) -> bool {
        let Some(pending) = private.pending.clone() else { return true };
        loop {
            let fate = tokio::select! {
                fate = read::fate(self.clients, &pending) => fate,
                () = self.limit.token().cancelled() => Ok(Fate::Open),
            };
            match fate {
                Ok(Fate::Included(outcome)) => {
                    let coin = pending.message.takes().unwrap_or_else(|| Coin::new(0, "uakt"));
                    let wanted = private.seen.as_ref().and_then(|seen| seen.terms.gives(coin.amount));
                    private.queued = Some(Queued::new(&outcome, &coin, wanted.unwrap_or_default()));
                    break;
                }
                Ok(Fate::Refused(_) | Fate::DidNotHappen) => break,
                Ok(Fate::Open) => {}
                Err(error) => {
                    diagnostics.error("The mint can't be looked up", format!("{error}. Nothing was sent."));
                    return false;
                }
            }
            if !self.limit.sleep(FATE).await {
                diagnostics.error(
                    ended(self.limit),
                    format!(
                        "It is not known yet whether transaction {} of an earlier apply was included. The next apply \
                         looks again.",
                        pending.tx_hash
                    ),
                );
                return false;
            }
        }
        private.pending = None;
        true
    }

    /// Waits for mints of this wallet that others sent. Whether to go on.
    async fn await_others(&self, diagnostics: &mut Diagnostics) -> bool {
        let lines = match ledger::pending(self.clients, &self.owner, "uakt").await {
            Ok(lines) => lines,
            Err(error) => {
                diagnostics.error("The chain's queue can't be read", format!("{error}. Nothing was sent."));
                return false;
            }
        };
        for line in lines {
            tracing::info!(height = line.height, coin = %line.coin, "waiting for a mint that is in the queue already");
            match ledger::wait(self.clients, &self.owner, &line, self.limit).await {
                Waited::Settled(_) => {}
                Waited::Ended => {
                    diagnostics.error(
                        ended(self.limit),
                        format!(
                            "A mint from {} of this wallet has been in the chain's queue since block {} and is enough, \
                             so it was waited for and nothing was sent. The next apply looks again.",
                            coins(line.coin.amount, &line.coin.denom),
                            line.height
                        ),
                    );
                    return false;
                }
                Waited::Lost(error) => {
                    diagnostics
                        .error("The chain's queue can't be read", format!("{error}. Nothing was sent."));
                    return false;
                }
            }
        }
        true
    }

    /// Sends a mint. Whether it is in the queue now.
    async fn mint(
        &self,
        seen: &Seen,
        missing: u128,
        private: &mut Private,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let Some(Mint { burn, wanted, .. }) = may(seen, missing, diagnostics) else { return false };
        let coin = Coin::new(burn, "uakt");
        let message = MsgMintAct {
            owner: self.owner.clone(),
            to: self.owner.clone(),
            coins_to_burn: Some(coin.clone().into()),
        };
        match send::send(self.clients, message, self.limit).await {
            Ok(outcome) => {
                private.queued = Some(Queued::new(&outcome, &coin, wanted));
                true
            }
            Err(error) => {
                if let Some((pending, why)) = send::pending(&error) {
                    private.pending = Some(pending.clone());
                    if self.creating && why == OpenReason::Stopped {
                        diagnostics.warning(
                            "The mint is pending",
                            format!(
                                "{error}. It is recorded in state; the next apply waits for the same mint."
                            ),
                        );
                        return false;
                    }
                }
                refused("Minting ACT", &error, self.limit, diagnostics);
                false
            }
        }
    }

    /// Waits for the mint that is in the queue. Whether it was carried out.
    async fn await_mint(
        &self,
        private: &mut Private,
        done: &mut Done,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        let Some(queued) = private.queued.clone() else { return false };
        tracing::info!(height = queued.height, tx_hash = queued.tx_hash, "waiting for the epoch of the mint");
        match ledger::wait(self.clients, &self.owner, &queued.line(), self.limit).await {
            Waited::Settled(settled) => {
                private.queued = None;
                let reason = self.reason.clone();
                done.receipts.push(ledger::receipt(self.clients, &self.owner, &queued, &settled, reason));
                match settled {
                    Settled::Executed(record) => {
                        // What it was to mint is minted, whatever else has moved meanwhile: the next plan sees that.
                        if let Some(seen) = &mut private.seen {
                            seen.balance = seen.balance.saturating_add(ledger::got(&record).0);
                        }
                        self.look(private, &mut Diagnostics::new()).await;
                        return true;
                    }
                    Settled::Canceled(reason) => diagnostics.error(
                        "The mint was cancelled by the chain",
                        format!(
                            "{} and cancelled: the {} came back, only the fee is spent. {}",
                            ledger::named(&queued),
                            coins(queued.amount, &queued.denom),
                            ledger::why(reason)
                        ),
                    ),
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
                match (self.creating, self.limit.stopped()) {
                    (true, true) => diagnostics.warning("The mint is in the chain's queue", detail),
                    (_, true) => diagnostics.error("Stopped while waiting for the mint", detail),
                    (_, false) => diagnostics.error("Out of time while waiting for the mint", detail),
                }
            }
            Waited::Lost(error) => diagnostics.error(
                "The mint can't be followed",
                format!("{}. {error}. The next apply looks for it again.", ledger::named(&queued)),
            ),
        }
        false
    }
}

/// The mint for what is missing, if the chain mints and the wallet has the AKT; else an error that says what to do.
fn may(seen: &Seen, missing: u128, diagnostics: &mut Diagnostics) -> Option<Mint> {
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
        diagnostics.error(summary, detail);
        return None;
    }
    let Some(mint) = seen.terms.mint(missing) else {
        diagnostics.error(
            "The amount can't be reckoned",
            format!(
                "{} at {} USD for 1 AKT is out of range. Nothing was sent.",
                act(missing),
                seen.terms.price
            ),
        );
        return None;
    };
    if seen.akt < mint.burn {
        let floor = match missing < seen.terms.floor {
            true => format!(" (the chain mints no less at once, though only {} are missing)", act(missing)),
            false => String::new(),
        };
        diagnostics.error(
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
        );
        return None;
    }
    Some(mint)
}

/// Tells of a message that was not sent or not taken.
fn refused(what: &str, error: &SubmitError, limit: &Limit, diagnostics: &mut Diagnostics) {
    let summary = match send::refusal(error) {
        Some(Kind::CircuitBreaker) => "The network's circuit breaker stops minting",
        Some(Kind::OracleUnhealthy) => "The network has no price of AKT",
        _ => return send::tell(what, error, limit, diagnostics),
    };
    diagnostics.error(summary, format!("{what}: {error}"));
}

/// Does nothing, or converts all ACT back to AKT.
pub(super) async fn delete(
    clients: &Clients,
    cx: &Context,
    delete: Delete<ActResource>,
    diagnostics: &mut Diagnostics,
) {
    let Delete { prior, private } = delete;
    let limit = Limit::start(cx.cancel(), Timeouts::delete(&prior.timeouts));
    if !same_chain(clients, &prior.chain_id, diagnostics)
        || !same_owner(clients, prior.owner.as_deref(), diagnostics)
    {
        return;
    }
    // What replaces it must find what became of the mint, or it mints again.
    if private.pending.is_some() {
        send::settle(clients, private.pending.as_ref(), "The mint", diagnostics).await;
        if diagnostics.has_errors() {
            return;
        }
    }
    if prior.burn_on_destroy != Value::Known(true) {
        return;
    }
    if private.unfinished {
        diagnostics.warning(
            "Nothing was burnt",
            "The create of this resource had ended with an error, so Terraform may be replacing it: the ACT is left for \
             that. To burn it, destroy again once the resource is in state without that error.",
        );
        return;
    }
    if send::wallet(clients, "Burning ACT", &limit, diagnostics).is_none() {
        return;
    }
    let Some(_turn) = turn(clients, &limit, diagnostics).await else { return };
    let owner = prior.owner.clone().unwrap_or_default();
    let work = Burn { clients, owner, reason: plan::reason(clients, &prior.reason), limit: &limit };
    work.run(&prior, diagnostics).await;
}

/// Converting everything back.
struct Burn<'a> {
    clients: &'a Clients,
    owner: String,
    reason: Option<String>,
    limit: &'a Limit,
}

impl Burn<'_> {
    async fn run(&self, prior: &Act, diagnostics: &mut Diagnostics) {
        tracing::debug!(balance = prior.balance.as_deref(), "burning all ACT of the wallet");
        if !earlier::settle(self.clients, About::Wallet(self.owner.clone()), self.limit, diagnostics).await {
            return;
        }
        // A mint that is on its way brings ACT to burn; a burn of an earlier, stopped destroy is this one.
        for denom in ["uakt", "uact"] {
            if !self.await_queue(denom, diagnostics).await {
                return;
            }
        }
        let seen = match read::look(self.clients, &self.owner).await {
            Ok(seen) => seen,
            Err(error) => {
                return diagnostics.error(
                    format!("The balance of {} can't be read", self.owner),
                    format!("{error}. Nothing was sent."),
                );
            }
        };
        if seen.balance == 0 {
            return;
        }
        if let Gate::OracleStale { .. } = seen.gate {
            let obstacle = plan::obstacle(&seen.gate).unwrap_or_default();
            return diagnostics.error(
                "The network has no price of AKT",
                format!(
                    "{obstacle} Nothing was burnt. Destroy again later, or apply `burn_on_destroy = false` first to keep \
                     the {}.",
                    act(seen.balance)
                ),
            );
        }
        let wanted = seen.terms.back(seen.balance).unwrap_or_default();
        if wanted == 0 {
            return diagnostics.warning(
                format!("{} are left in the wallet", act(seen.balance)),
                "They are worth less than the smallest unit of AKT, so the chain would not burn them.",
            );
        }
        let coin = Coin::new(seen.balance, "uact");
        let message = MsgBurnAct {
            owner: self.owner.clone(),
            to: self.owner.clone(),
            coins_to_burn: Some(coin.clone().into()),
        };
        match send::send(self.clients, message, self.limit).await {
            Ok(outcome) => self.follow(&Queued::new(&outcome, &coin, wanted), diagnostics).await,
            Err(error) => refused("Burning ACT", &error, self.limit, diagnostics),
        }
    }

    /// Waits for what is in the queue already. Whether to go on.
    async fn await_queue(&self, denom: &str, diagnostics: &mut Diagnostics) -> bool {
        let lines = match ledger::pending(self.clients, &self.owner, denom).await {
            Ok(lines) => lines,
            Err(error) => {
                diagnostics.error("The chain's queue can't be read", format!("{error}. Nothing was burnt."));
                return false;
            }
        };
        for line in lines {
            let problem = match ledger::wait(self.clients, &self.owner, &line, self.limit).await {
                Waited::Settled(_) => continue,
                Waited::Ended => String::new(),
                Waited::Lost(error) => format!(" {error}."),
            };
            diagnostics.error(
                ended(self.limit),
                format!(
                    "{} of this wallet have been in the chain's queue since block {}, and were waited for.{problem} \
                     Destroy again.",
                    coins(line.coin.amount, denom),
                    line.height
                ),
            );
            return false;
        }
        true
    }

    async fn follow(&self, queued: &Queued, diagnostics: &mut Diagnostics) {
        match ledger::wait(self.clients, &self.owner, &queued.line(), self.limit).await {
            Waited::Settled(settled) => {
                let receipt =
                    ledger::receipt(self.clients, &self.owner, queued, &settled, self.reason.clone());
                tracing::info!(receipt, "ACT burnt");
                match settled {
                    Settled::Executed(record) => diagnostics.warning(
                        format!(
                            "{} are burnt, {} came back",
                            coins(queued.amount, &queued.denom),
                            akt(ledger::got(&record).0)
                        ),
                        format!("Transaction {} in block {}.", queued.tx_hash, queued.height),
                    ),
                    Settled::Canceled(reason) => diagnostics.error(
                        "The burn was cancelled by the chain",
                        format!(
                            "{} and cancelled: the {} came back, only the fee is spent. {} To destroy without burning, \
                             apply `burn_on_destroy = false` first.",
                            ledger::named(queued),
                            coins(queued.amount, &queued.denom),
                            ledger::why(reason)
                        ),
                    ),
                }
            }
            Waited::Ended => diagnostics.error(
                format!("{} while waiting for the burn", ended(self.limit)),
                format!(
                    "{} and waits for the next epoch. Destroy again: the same burn is waited for.",
                    ledger::named(queued)
                ),
            ),
            Waited::Lost(error) => diagnostics.error(
                "The burn can't be followed",
                format!("{}. {error}. Destroy again.", ledger::named(queued)),
            ),
        }
    }
}
