//! The one way in which messages are sent: a queue for the wallet, and one transaction in flight at a time.
//!
//! Messages that are submitted while none or another one is in flight travel together in the next transaction. What
//! the chain refuses fails alone; the rest is sent again without it. Nothing is signed for a message as long as an
//! earlier transaction with it can still come into a block. This file must not know what messages are for.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use akash_proto::{
    Coin, Dec, Message as _, cosmos::base::abci::v1beta1::TxResponse,
    cosmos::base::node::v1beta1 as node_service,
};
use tokio::{
    sync::{OnceCell, mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Block, Chain, ChainError, Conclusion, Fate, Kind, Msg, OpenReason, Outcome, Pending, PendingFee,
    QueryError, Refusal, Shortfall, Stage, SubmitError, Wallet,
    broadcast::Handed,
    errors,
    fate::{Sight, Verdict, verdict},
    gas::{self, Margins},
    network,
    read::Answered,
    simulate::Simulated,
    tx::{Draft, Signed},
};

/// How long a message waits for company.
const COMPANY: Duration = Duration::from_millis(50);
/// How long what follows a transaction of several messages is waited for: the callers that it answers come back at once
/// with their next ones, and those that came too late for it should not stay apart from them for ever.
const SUCCESSORS: Duration = Duration::from_secs(1);
/// The most bytes that nodes take in one transaction are 1 MiB; the frame needs some of them.
const MAX_BYTES: usize = (1 << 20) - 4096;
/// The most gas for one transaction where the block allows more.
const GAS_CAP: u64 = 30_000_000;
/// Less than any message of ours uses.
const LEAST_GAS: u64 = 100_000;
/// What a wallet that is not on chain lacks AKT for.
const NEW_WALLET: &str = "the fee (this wallet is not on chain yet: it has never received anything)";
/// How often one message is sent anew after transactions of it that are dead for certain (out of gas, a fee that was
/// too low, a timeout that another program had used).
const ATTEMPTS: u32 = 4;
/// How long a caller may take to write down what is about to be sent.
const ANNOUNCE: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody still wants a transaction that no node can be handed.
const UNWANTED: Duration = Duration::from_millis(100);
/// Notes that can wait for one caller: one of each kind for every attempt.
const NOTES: usize = 2 * ATTEMPTS as usize;
/// How often a transaction is looked for at first, and later.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOK: Duration = Duration::from_secs(2);

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

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Whether a task is working the queue off.
    running: bool,
}

/// One message and its caller.
struct Job {
    message: Msg,
    cancel: CancellationToken,
    notes: mpsc::Sender<Note>,
    result: oneshot::Sender<Result<Outcome, SubmitError>>,
    attempts: u32,
    /// It does not go together with others: it is sent by itself.
    alone: bool,
}

/// What a caller is told while its message is on its way.
enum Note {
    /// A transaction is about to be sent; it is sent once `ack` is answered, and left out if `ack` is dropped.
    About(Box<Pending>, oneshot::Sender<()>),
    /// The last one is dead for certain, and another may follow.
    Dead,
}

impl Job {
    fn withdrawn(&self) -> bool {
        self.cancel.is_cancelled() || self.result.is_closed()
    }

    fn end(self, result: Result<Outcome, SubmitError>) {
        // A caller that has gone does not want it.
        _ = self.result.send(result);
    }
}

impl Chain {
    /// Sends one message of the wallet's account and waits until it is in a block.
    ///
    /// Messages that are submitted at the same time may travel in one transaction; each has its own outcome. `observe`
    /// is called with what to look up later each time before a transaction with this message is broadcast: the caller
    /// writes it down; a later call replaces an earlier one. Nothing is ever sent while an earlier transaction with
    /// this message can still happen.
    ///
    /// `cancel` before broadcast gives [`SubmitError::Cancelled`]; after it, a short grace for the next block, then
    /// [`SubmitError::Open`]. Must be called within a tokio runtime.
    pub async fn submit(
        &self,
        message: Msg,
        cancel: &CancellationToken,
        observe: &(dyn Fn(&Pending) + Send + Sync),
    ) -> Result<Outcome, SubmitError> {
        let Some(wallet) = self.wallet().cloned() else { return Err(SubmitError::NoWallet) };
        let (notes, mut told) = mpsc::channel(NOTES);
        let (result, mut done) = oneshot::channel();
        self.enqueue(
            wallet,
            Job { message, cancel: cancel.clone(), notes, result, attempts: 0, alone: false },
        );

        let mut last: Option<Box<Pending>> = None;
        let mut until: Option<Instant> = None;
        loop {
            let open = |last: &Option<Box<Pending>>, why| match last {
                Some(pending) => SubmitError::Open { pending: pending.clone(), why },
                None => SubmitError::Cancelled,
            };
            tokio::select! {
                biased;
                result = &mut done => return match result {
                    Ok(result) => result,
                    // The task is gone: it panicked, or the runtime shuts down.
                    Err(_) => Err(match last {
                        Some(pending) => SubmitError::Open { pending, why: OpenReason::Broken },
                        None => SubmitError::Broken,
                    }),
                },
                Some(note) = told.recv() => match note {
                    Note::About(pending, ack) => {
                        observe(&pending);
                        last = Some(pending);
                        _ = ack.send(());
                    }
                    Note::Dead => last = None,
                },
                () = cancel.cancelled(), if until.is_none() => {
                    if last.is_none() {
                        return Err(SubmitError::Cancelled);
                    }
                    until = Some(Instant::now() + self.inner().patience.grace);
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    return Err(open(&last, OpenReason::Stopped));
                }
            }
        }
    }

    fn enqueue(&self, wallet: Wallet, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        if !mem::replace(&mut queue.running, true) {
            let chain = self.clone();
            tokio::spawn(async move {
                let mut worker = Worker { chain, finished: false };
                worker.work(&wallet).await;
            });
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.inner().pipeline.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets messages come together: for a moment, and after a transaction of several for as many as are expected.
    async fn gather(&self, expected: usize) {
        let until = Instant::now() + SUCCESSORS;
        loop {
            sleep(COMPANY).await;
            if expected <= 1 || self.queue().jobs.len() >= expected || Instant::now() >= until {
                return;
            }
        }
    }

    /// Sends one transaction and ends the jobs that it decides. What is returned is to be sent in a later one.
    async fn transact(&self, wallet: &Wallet, jobs: Vec<Job>) -> Vec<Job> {
        let mut later = Vec::new();
        let prepared = match self.prepare(wallet, jobs, &mut later).await {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return later,
            Err((jobs, error)) => {
                // Nothing was sent; whatever else waits would meet the same.
                for job in jobs.into_iter().chain(later) {
                    job.end(Err(error.clone()));
                }
                return Vec::new();
            }
        };
        let Prepared { jobs, pendings, signed, gas, simulated } = prepared;
        self.inner().listings.drop_all();
        match self.inner().broadcast(&signed, unwanted(&jobs)).await {
            Handed::Unwanted => {
                self.conclude(pendings.into_iter().map(did_not_happen).collect()).await;
                for job in jobs {
                    job.end(Err(SubmitError::Cancelled));
                }
            }
            Handed::NotSent(error) => {
                self.conclude(pendings.into_iter().map(did_not_happen).collect()).await;
                for job in jobs {
                    job.end(Err(SubmitError::Endpoints(error.clone())));
                }
            }
            Handed::Refused(error) => {
                self.conclude(pendings.into_iter().map(did_not_happen).collect()).await;
                self.refused_by_check(jobs, error, gas, &mut later).await;
            }
            handed @ (Handed::Over | Handed::MaybeOver) => {
                if let Some(journal) = &self.inner().config.journal {
                    journal.handed_over(&pendings);
                }
                match self.await_block(&signed, matches!(handed, Handed::Over)).await {
                    Verdict::Found(found) => {
                        self.delivered(jobs, pendings, &found, simulated, &mut later).await;
                    }
                    Verdict::Dead => {
                        let mut ended = Vec::new();
                        for (job, pending) in jobs.into_iter().zip(pendings) {
                            let fate = self.fate_by_effect(&pending).await;
                            ended.push((job, pending, fate));
                        }
                        self.end(ended).await;
                    }
                    Verdict::Waiting | Verdict::NobodyKnows => {
                        for (job, pending) in jobs.into_iter().zip(pendings) {
                            job.end(Err(lost(pending)));
                        }
                    }
                }
            }
        }
        later
    }

    /// Ends jobs whose messages' fate is known, once that is written down.
    async fn end(&self, ended: Vec<(Job, Pending, Result<Fate, QueryError>)>) {
        let known = ended.iter().filter_map(|(_, pending, fate)| {
            let conclusion = match fate {
                Ok(Fate::Included(outcome)) => Conclusion::Included(outcome.height),
                Ok(Fate::Refused(_) | Fate::DidNotHappen) => Conclusion::DidNotHappen,
                Ok(Fate::Open) | Err(_) => return None,
            };
            Some((pending.clone(), conclusion))
        });
        self.conclude(known.collect()).await;
        for (job, pending, fate) in ended {
            job.end(match fate {
                Ok(Fate::Included(outcome)) => Ok(outcome),
                Ok(Fate::Refused(refusal)) => Err(SubmitError::Refused(refusal)),
                Ok(Fate::DidNotHappen) => Err(SubmitError::NotIncluded(Box::new(pending))),
                Ok(Fate::Open) | Err(_) => Err(lost(pending)),
            });
        }
    }

    async fn conclude(&self, conclusions: Vec<(Pending, Conclusion)>) {
        if let Some(journal) = &self.inner().config.journal
            && !conclusions.is_empty()
        {
            journal.conclude(&conclusions).await;
        }
    }

    /// Simulates, prices, signs and announces. `Ok(None)`: nothing is left to send now.
    async fn prepare(
        &self,
        wallet: &Wallet,
        jobs: Vec<Job>,
        later: &mut Vec<Job>,
    ) -> Result<Option<Prepared>, (Vec<Job>, SubmitError)> {
        let mut jobs = keep_wanted(jobs);
        if jobs.is_empty() {
            return Ok(None);
        }
        let mut ground = match self.ground(wallet).await {
            Ok(ground) => ground,
            Err(error) => return Err((jobs, error)),
        };
        loop {
            jobs = self.affordable(wallet, keep_wanted(jobs), &ground);
            if jobs.is_empty() {
                return Ok(None);
            }
            if ground.new {
                let Coin { amount: need, denom } = self.fee(LEAST_GAS, &ground);
                let (address, faucet) = (wallet.address().into(), network::faucet(&ground.chain_id));
                let fee = Shortfall { address, denom, have: 0, need, what_for: NEW_WALLET.into(), faucet };
                return Err((jobs, SubmitError::Funds(vec![fee])));
            }
            let messages: Vec<Msg> = jobs.iter().map(|job| job.message.clone()).collect();
            let mut draft = self.draft(&messages, &ground);
            let simulated = match self.inner().simulate(&draft, wallet.public_key()).await {
                Ok(Simulated::Gas(gas)) => gas,
                Ok(Simulated::Refused { error, .. })
                    if error.kind() == Kind::UnorderedNotSupported && draft.unordered =>
                {
                    self.inner().pipeline.ordered.store(true, Ordering::Relaxed);
                    ground = match self.ground(wallet).await {
                        Ok(ground) => ground,
                        Err(error) => return Err((jobs, error)),
                    };
                    continue;
                }
                Ok(Simulated::Refused { index, error }) => {
                    jobs = self.refused_in_simulation(wallet, jobs, &ground, index, error, later).await;
                    continue;
                }
                Err(error) => return Err((jobs, error.into())),
            };
            let config = &self.inner().config;
            draft.gas = self.inner().pipeline.margins.limit(&messages, simulated, config.gas_adjustment);
            let block_limit = self.block_gas().await;
            let limit = block_limit.unwrap_or(GAS_CAP).min(GAS_CAP);
            if draft.gas > limit && jobs.len() > 1 {
                // As many as fit by their average.
                let fit = u128::from(limit) * jobs.len() as u128 / u128::from(draft.gas);
                let fit = usize::try_from(fit).unwrap_or(1).clamp(1, jobs.len() - 1);
                later.splice(0..0, jobs.split_off(fit));
                continue;
            }
            if let Some(max_gas) = block_limit.filter(|max_gas| draft.gas > *max_gas) {
                return Err((jobs, SubmitError::TooLarge { gas: draft.gas, max_gas }));
            }
            draft.fee = self.fee(draft.gas, &ground);
            if let Err(error) = self.payable(wallet, &messages, &draft.fee, &ground) {
                if jobs.len() == 1 {
                    return Err((jobs, error));
                }
                // Half of them may be within the limit, or affordable.
                later.splice(0..0, jobs.split_off(jobs.len().div_ceil(2)));
                continue;
            }
            // As late as possible: what came before took time.
            draft.timeout = self.timeout(ground.block);
            let signed = draft.sign(wallet, &ground.chain_id, ground.account_number);
            let pendings = pendings(&jobs, &signed, &draft, ground.block);
            let willing = announce(&jobs, &pendings).await;
            if willing.iter().all(|willing| *willing) {
                if let Some(journal) = &config.journal
                    && let Err(error) = journal.intend(&pendings).await
                {
                    jobs.iter().for_each(Job::dead);
                    return Err((jobs, SubmitError::Journal(error)));
                }
                return Ok(Some(Prepared { jobs, pendings, signed, gas: draft.gas, simulated }));
            }
            let mut willing = willing.into_iter();
            let (stay, leave): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|_| willing.next().unwrap_or(false));
            for job in leave {
                job.end(Err(SubmitError::Cancelled));
            }
            // Told of a transaction that is never sent.
            stay.iter().for_each(Job::dead);
            jobs = stay;
        }
    }

    /// What the next transaction stands on.
    async fn ground(&self, wallet: &Wallet) -> Result<Ground, SubmitError> {
        self.check().await?;
        let payer = self.inner().config.fee_granter.as_deref().unwrap_or(wallet.address());
        let (block, balances, granter, price) = futures::try_join!(
            self.latest_block(),
            self.balances(wallet.address()),
            async { if payer == wallet.address() { Ok(None) } else { self.balances(payer).await.map(Some) } },
            async { Ok(self.minimum_price().await) },
        )?;
        let pipeline = &self.inner().pipeline;
        let ordered = pipeline.ordered.load(Ordering::Relaxed);
        let number = pipeline.account.get().copied();
        let mut new = false;
        let (account_number, sequence) = match number {
            Some(number) if !ordered => (number, 0),
            _ => match self.account(wallet.address()).await? {
                Some(account) => {
                    _ = pipeline.account.set(account.account_number);
                    (account.account_number, if ordered { account.sequence } else { 0 })
                }
                None => {
                    new = true;
                    (0, 0)
                }
            },
        };
        let chain_id = self.chain_id().unwrap_or_default().to_owned();
        let payer_balances = granter.unwrap_or_else(|| balances.clone());
        let minimum_price = price.max(*pipeline.asked_price.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Ground {
            block,
            balances,
            payer_balances,
            minimum_price,
            account_number,
            new,
            sequence,
            ordered,
            chain_id,
        })
    }

    /// The gas price that the node asks for; zero if it does not say.
    async fn minimum_price(&self) -> Dec {
        let inner = self.inner();
        let Some(node) = inner.by_health().into_iter().next() else { return Dec::ZERO };
        let list = node
            .minimum_gas_price
            .get_or_try_init(async || {
                let answer = inner.ask(&node, None, async |caller| {
                    node_service::service_client::ServiceClient::new(caller)
                        .config(node_service::ConfigRequest {})
                        .await
                });
                match answer.await {
                    Ok(Answered::Answer(config, _)) => Ok(config.minimum_gas_price),
                    // Some proxies do not let it through; a price that is too low is found out by the broadcast.
                    Ok(Answered::Error(_)) | Err(_) => Err(()),
                }
            })
            .await;
        list.map_or(Dec::ZERO, |list| gas::minimum(list))
    }

    /// The most gas that a block takes; `None` for no limit, and where it cannot be asked for: then delivery tells.
    async fn block_gas(&self) -> Option<u64> {
        let limit = self.inner().pipeline.max_block_gas.get_or_try_init(|| self.max_block_gas()).await;
        limit.ok().copied().flatten()
    }

    fn draft(&self, messages: &[Msg], ground: &Ground) -> Draft {
        let config = &self.inner().config;
        Draft {
            messages: messages.iter().map(Msg::any).collect(),
            unordered: !ground.ordered,
            sequence: ground.sequence,
            timeout: self.timeout(ground.block),
            gas: 0,
            fee: Coin::new(0, "uakt"),
            fee_granter: config.fee_granter.clone(),
        }
    }

    /// A timeout that no other transaction of this process has, and hardly one of another process. It counts from the
    /// block's time, not from this machine's clock, which may be wrong.
    fn timeout(&self, block: Block) -> i64 {
        let config = &self.inner().config;
        let latest = i64::try_from(block.time.unix_timestamp_nanos()).unwrap_or_default();
        let wanted = latest
            .saturating_add(i64::try_from(config.tx_timeout.as_nanos()).unwrap_or_default())
            .saturating_sub(rand::random_range(0..1_000_000_000));
        let last = &self.inner().pipeline.last_timeout;
        let next = |last: i64| wanted.max(last.saturating_add(1));
        last.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last))).map_or(wanted, next)
    }

    /// Ends the jobs whose coins, after those of the jobs before them, the wallet does not hold.
    fn affordable(&self, wallet: &Wallet, jobs: Vec<Job>, ground: &Ground) -> Vec<Job> {
        let mut taken: BTreeMap<String, u128> = BTreeMap::new();
        let mut kept = Vec::new();
        for job in jobs {
            let Some(coin) = job.message.takes() else {
                kept.push(job);
                continue;
            };
            let have = ground.balances.get(&coin.denom).copied().unwrap_or_default();
            let before = taken.get(&coin.denom).copied().unwrap_or_default();
            let need = before.saturating_add(coin.amount);
            if need <= have {
                taken.insert(coin.denom, need);
                kept.push(job);
                continue;
            }
            let what_for = match before {
                0 => job.message.takes_for().to_owned(),
                _ => format!(
                    "{} and those of {} others that are sent with it",
                    job.message.takes_for(),
                    kept.len()
                ),
            };
            let address = wallet.address().into();
            let faucet = network::faucet(&ground.chain_id);
            let mut shortfalls = vec![Shortfall { address, denom: coin.denom, have, need, what_for, faucet }];
            // The fee is not known before simulation, which this would fail; what it is at the least is.
            shortfalls.extend(self.short_of_fees(wallet, self.fee(LEAST_GAS, ground), &taken, ground));
            job.end(Err(SubmitError::Funds(shortfalls)));
        }
        kept
    }

    fn fee(&self, gas: u64, ground: &Ground) -> Coin {
        let price = self.inner().config.gas_price.as_ref();
        let price = price.map_or(gas::default_price().amount, |price| price.amount);
        gas::fee(price.max(ground.minimum_price), gas)
    }

    /// What the payer lacks for this fee, beside what messages take of the same coin.
    fn short_of_fees(
        &self,
        wallet: &Wallet,
        fee: Coin,
        taken: &BTreeMap<String, u128>,
        ground: &Ground,
    ) -> Option<Shortfall> {
        let (address, own) = match &self.inner().config.fee_granter {
            Some(granter) => (granter.as_str(), 0),
            None => (wallet.address(), taken.get(&fee.denom).copied().unwrap_or_default()),
        };
        let have = ground.payer_balances.get(&fee.denom).copied().unwrap_or_default();
        let need = fee.amount.saturating_add(own);
        let what_for = match own {
            0 if ground.new => NEW_WALLET.into(),
            0 => "the fee".into(),
            own => format!("the fee and {own}{} to move", fee.denom),
        };
        let (address, denom, faucet) = (address.into(), fee.denom, network::faucet(&ground.chain_id));
        (need > have).then_some(Shortfall { address, denom, have, need, what_for, faucet })
    }

    /// Whether the fee is within `max_fee` and can be paid.
    fn payable(
        &self,
        wallet: &Wallet,
        messages: &[Msg],
        fee: &Coin,
        ground: &Ground,
    ) -> Result<(), SubmitError> {
        let config = &self.inner().config;
        if let Some(max_fee) = config.max_fee.as_ref().filter(|max_fee| fee.amount > max_fee.amount) {
            return Err(SubmitError::MaxFee { fee: fee.clone(), max_fee: max_fee.clone() });
        }
        let mut taken = BTreeMap::new();
        for coin in messages.iter().filter_map(Msg::takes) {
            *taken.entry(coin.denom).or_default() += coin.amount;
        }
        match self.short_of_fees(wallet, fee.clone(), &taken, ground) {
            Some(shortfall) => Err(SubmitError::Funds(vec![shortfall])),
            None => Ok(()),
        }
    }

    /// A refusal in simulation: ends the job at fault and returns those to go on with.
    async fn refused_in_simulation(
        &self,
        wallet: &Wallet,
        mut jobs: Vec<Job>,
        ground: &Ground,
        index: Option<usize>,
        error: ChainError,
        later: &mut Vec<Job>,
    ) -> Vec<Job> {
        let refusal = |error| SubmitError::Refused(Refusal { stage: Stage::Simulate, error, tx: None });
        match index.filter(|index| *index < jobs.len()) {
            // Nothing went before it that could be the cause.
            Some(0) => {
                jobs.remove(0).end(Err(refusal(error)));
                jobs
            }
            Some(index) => {
                let job = jobs.remove(index);
                match self.simulate_alone(wallet, &job, ground).await {
                    Ok(None) => later.push(job),
                    Ok(Some(error)) => job.end(Err(refusal(error))),
                    Err(error) => job.end(Err(error.into())),
                }
                jobs
            }
            None if jobs.len() == 1 => {
                jobs.remove(0).end(Err(refusal(error)));
                jobs
            }
            // A message's form, or the transaction as a whole: each is looked at alone.
            None => {
                let mut good = Vec::new();
                let count = jobs.len();
                for job in jobs {
                    match self.simulate_alone(wallet, &job, ground).await {
                        Ok(None) => good.push(job),
                        Ok(Some(error)) => job.end(Err(refusal(error))),
                        Err(error) => job.end(Err(error.into())),
                    }
                }
                if good.len() == count {
                    // Each is good alone, but they do not go together.
                    later.splice(0..0, good.split_off(count / 2));
                }
                good
            }
        }
    }

    /// The chain's error for a message alone, if there is one.
    async fn simulate_alone(
        &self,
        wallet: &Wallet,
        job: &Job,
        ground: &Ground,
    ) -> Result<Option<ChainError>, QueryError> {
        let draft = self.draft(std::slice::from_ref(&job.message), ground);
        Ok(match self.inner().simulate(&draft, wallet.public_key()).await? {
            Simulated::Gas(_) => None,
            Simulated::Refused { error, .. } => Some(error),
        })
    }

    /// A refusal by the node that was to take the transaction: it is dead, no fee was taken.
    async fn refused_by_check(&self, jobs: Vec<Job>, error: ChainError, gas: u64, later: &mut Vec<Job>) {
        tracing::debug!(%error, "transaction refused by the node");
        let pipeline = &self.inner().pipeline;
        let again = match error.kind() {
            Kind::TimeoutUsed | Kind::TxTimeout | Kind::SequenceMismatch => true,
            Kind::MempoolFull => {
                sleep(Duration::from_secs(2)).await;
                true
            }
            Kind::UnorderedNotSupported => {
                pipeline.ordered.store(true, Ordering::Relaxed);
                true
            }
            Kind::InsufficientFee => gas::required_fee(&error.text).is_some_and(|fee| {
                let price = gas::price_of(&fee, gas);
                let mut asked = pipeline.asked_price.lock().unwrap_or_else(PoisonError::into_inner);
                *asked = price.max(*asked);
                true
            }),
            _ => false,
        };
        let refusal = Refusal { stage: Stage::Check, error, tx: None };
        let alone = jobs.len() == 1;
        for mut job in jobs {
            job.attempts += 1;
            if (again && job.attempts < ATTEMPTS) || !(again || alone) {
                // Which of several is at fault is not said: each is sent by itself.
                job.alone |= !again;
                job.dead();
                later.push(job);
            } else {
                job.end(Err(SubmitError::Refused(refusal.clone())));
            }
        }
    }

    /// A transaction in a block.
    async fn delivered(
        &self,
        jobs: Vec<Job>,
        pendings: Vec<Pending>,
        found: &TxResponse,
        simulated: u64,
        later: &mut Vec<Job>,
    ) {
        let error = ChainError::new(found.codespace.clone(), found.code, &found.raw_log);
        let index = errors::message_index(&found.raw_log);
        let again = match error.kind() {
            _ if found.code == 0 => false,
            Kind::OutOfGas => {
                let messages: Vec<Msg> = jobs.iter().map(|job| job.message.clone()).collect();
                let used = u64::try_from(found.gas_used).unwrap_or_default();
                let adjustment = self.inner().config.gas_adjustment;
                self.inner().pipeline.margins.ran_out(&messages, simulated, used, adjustment);
                true
            }
            // Within a second of the block time the check may pass what delivery then refuses.
            Kind::TxTimeout | Kind::SequenceMismatch | Kind::TimeoutUsed => true,
            _ => false,
        };
        let count = jobs.len();
        let (mut ended, mut undone) = (Vec::new(), Vec::new());
        for (position, (mut job, pending)) in jobs.into_iter().zip(pendings).enumerate() {
            let at_fault = index.map_or(count == 1, |index| index == position);
            job.attempts += u32::from(found.code != 0 && (again || index.is_none()));
            if found.code != 0 && (if again { job.attempts < ATTEMPTS } else { !at_fault }) {
                job.alone |= !again && index.is_none();
                job.dead();
                later.push(job);
                undone.push(did_not_happen(pending));
                continue;
            }
            let fate = self.settled(&pending, found).await;
            ended.push((job, pending, fate));
        }
        self.conclude(undone).await;
        self.end(ended).await;
    }

    /// Waits until the transaction is found in a block, or is dead, or no endpoint can tell. As long as it is not certain
    /// that a node has `taken` it, it is handed over again.
    async fn await_block(&self, signed: &Signed, mut taken: bool) -> Verdict {
        let inner = self.inner();
        // By this machine's clock; what decides is block time.
        let timeout = Instant::now() + inner.config.tx_timeout;
        let mut pause = FIRST_LOOK;
        for look in 0_usize.. {
            sleep(pause).await;
            pause = (pause * 5 / 4).min(LAST_LOOK);
            if Instant::now() < timeout {
                // The healthiest endpoint in turn with each of the others.
                let nodes = inner.by_health();
                let turn = if look % 2 == 0 { 0 } else { look / 2 % nodes.len().max(1) };
                let Some(node) = nodes.get(turn) else { continue };
                if let Sight::Found(found) = inner.sight(node, &signed.hash, false).await {
                    return Verdict::Found(found);
                }
                taken = taken || inner.hand_again(signed).await;
                continue;
            }
            let verdict = verdict(signed.timeout, &inner.sights(&signed.hash).await);
            if matches!(verdict, Verdict::Found(_) | Verdict::Dead)
                || Instant::now() > timeout + inner.patience.after_timeout
            {
                return verdict;
            }
        }
        Verdict::NobodyKnows
    }
}

/// The task that works the queue off.
struct Worker {
    chain: Chain,
    finished: bool,
}

impl Worker {
    /// One transaction after the other, until nothing is left.
    async fn work(&mut self, wallet: &Wallet) {
        let mut expected = 1;
        loop {
            self.chain.gather(expected).await;
            let jobs = {
                let mut queue = self.chain.queue();
                if queue.jobs.is_empty() {
                    (queue.running, self.finished) = (false, true);
                    return;
                }
                batch(&mut queue.jobs)
            };
            let sent = jobs.len();
            let again = self.chain.transact(wallet, jobs).await;
            let mut queue = self.chain.queue();
            expected = sent + queue.jobs.len();
            for job in again.into_iter().rev() {
                queue.jobs.push_front(job);
            }
        }
    }
}

impl Drop for Worker {
    /// Ended before its time, by a panic or with the runtime: what waits fails, so that nobody waits for ever, and the next
    /// message starts a new task. What was being sent is told by [`Chain::submit`], which knows how far it had come.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let waiting = {
            let mut queue = self.chain.queue();
            queue.running = false;
            mem::take(&mut queue.jobs)
        };
        for job in waiting {
            job.end(Err(SubmitError::Broken));
        }
    }
}

impl Job {
    /// Tells the caller that the transaction it knows of is dead, and another may follow.
    fn dead(&self) {
        // The channel has room for every note that can be under way; a caller that has gone does not want it.
        _ = self.notes.try_send(Note::Dead);
    }
}

/// A transaction ready to be handed over.
struct Prepared {
    jobs: Vec<Job>,
    /// One for each job.
    pendings: Vec<Pending>,
    signed: Signed,
    gas: u64,
    simulated: u64,
}

/// What a transaction stands on.
struct Ground {
    block: Block,
    balances: BTreeMap<String, u128>,
    payer_balances: BTreeMap<String, u128>,
    /// What nodes ask for a unit of gas, in uakt.
    minimum_price: Dec,
    account_number: u64,
    /// The wallet is not on chain: it can't pay for anything.
    new: bool,
    /// 0 for unordered transactions.
    sequence: u64,
    ordered: bool,
    chain_id: String,
}

/// Takes the jobs of the next transaction off the queue: as many as fit in it by their size.
fn batch(queue: &mut VecDeque<Job>) -> Vec<Job> {
    let mut bytes = 0;
    let mut jobs: Vec<Job> = Vec::new();
    while let Some(job) = queue.front() {
        bytes += job.message.any().encoded_len() + 8;
        let fits = jobs.is_empty() || (bytes <= MAX_BYTES && !job.alone && jobs.iter().all(|job| !job.alone));
        if !fits {
            break;
        }
        jobs.extend(queue.pop_front());
    }
    jobs
}

/// Ready once no caller wants its message any more.
async fn unwanted(jobs: &[Job]) {
    while !jobs.iter().all(Job::withdrawn) {
        sleep(UNWANTED).await;
    }
}

/// Ends the jobs whose callers do not want them any more.
fn keep_wanted(jobs: Vec<Job>) -> Vec<Job> {
    let (withdrawn, wanted): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Job::withdrawn);
    for job in withdrawn {
        job.end(Err(SubmitError::Cancelled));
    }
    wanted
}

/// What each job's caller is to write down.
fn pendings(jobs: &[Job], signed: &Signed, draft: &Draft, block: Block) -> Vec<Pending> {
    let messages = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let fee = PendingFee { amount: draft.fee.amount.to_string(), denom: draft.fee.denom.clone() };
    jobs.iter()
        .zip(0..messages)
        .map(|(job, message_index)| Pending {
            tx_hash: signed.hash.clone(),
            timeout: signed.timeout,
            since_height: block.height,
            fee: fee.clone(),
            messages,
            message_index,
            message: job.message.clone(),
        })
        .collect()
}

/// Tells every caller what is about to be sent. `false` for those that do not want it any more.
async fn announce(jobs: &[Job], pendings: &[Pending]) -> Vec<bool> {
    futures::future::join_all(jobs.iter().zip(pendings).map(async |(job, pending)| {
        let (ack, acked) = oneshot::channel();
        let told = tokio::time::timeout(ANNOUNCE, async {
            job.notes.send(Note::About(Box::new(pending.clone()), ack)).await.is_ok() && acked.await.is_ok()
        });
        told.await.unwrap_or(false) && !job.withdrawn()
    }))
    .await
}

fn did_not_happen(pending: Pending) -> (Pending, Conclusion) {
    (pending, Conclusion::DidNotHappen)
}

fn lost(pending: Pending) -> SubmitError {
    SubmitError::Open { pending: Box::new(pending), why: OpenReason::EndpointsLost }
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::deployment::v1beta4::MsgUpdateDeployment;

    use super::*;

    fn job(bytes: usize, alone: bool) -> Job {
        let message = MsgUpdateDeployment { id: None, hash: vec![0; bytes] }.into();
        let (notes, _) = mpsc::channel(1);
        let (result, _) = oneshot::channel();
        Job { message, cancel: CancellationToken::new(), notes, result, attempts: 0, alone }
    }

    #[test]
    fn batches_are_bounded_by_bytes_and_leave_single_ones_alone() {
        let sizes = |queue: &mut VecDeque<Job>| {
            let mut sizes = Vec::new();
            while !queue.is_empty() {
                sizes.push(batch(queue).len());
            }
            sizes
        };
        for (jobs, expected) in [
            (vec![], vec![]),
            (vec![job(10, false), job(10, false), job(10, false)], vec![3]),
            (vec![job(600_000, false), job(400_000, false), job(400_000, false)], vec![2, 1]),
            (vec![job(2_000_000, false), job(10, false)], vec![1, 1]),
            (vec![job(10, true), job(10, false), job(10, false), job(10, true)], vec![1, 2, 1]),
        ] {
            assert_eq!(sizes(&mut jobs.into()), expected);
        }
    }

    #[tokio::test]
    async fn withdrawn_jobs_are_left_out() {
        let cancelled = job(1, false);
        cancelled.cancel.cancel();
        // The receiver of `job` is dropped: its caller has gone.
        assert!(keep_wanted(vec![cancelled, job(1, false)]).is_empty());
    }
}
