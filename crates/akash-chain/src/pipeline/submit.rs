//! One transaction: prepared, written down, handed over, awaited, and what became of each of its messages.

use std::{sync::atomic::Ordering, time::Duration};

use akash_proto::cosmos::base::abci::v1beta1::TxResponse;
use tokio::time::{Instant, sleep};

use super::{
    broadcast::Handed,
    policy::ATTEMPTS,
    queue::{Job, keep_wanted, unwanted},
};
use crate::{
    Block, Chain, ChainError, Conclusion, Fate, Intent, Kind, Msg, OpenReason, Pending, PendingFee,
    QueryError, SubmitError, Wallet, errors,
    fate::{Sight, Verdict, verdict},
    tx::{Draft, Signed, simulate::Simulated},
};

/// How often a transaction is looked for at first, and later.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOK: Duration = Duration::from_secs(2);
/// The most gas for one transaction where the block allows more.
const GAS_CAP: u64 = 30_000_000;

/// A transaction ready to be handed over.
struct Prepared {
    jobs: Vec<Job>,
    /// One for each job.
    pendings: Vec<Pending>,
    signed: Signed,
    gas: u64,
    simulated: u64,
}

impl Chain {
    /// Sends one transaction and ends the jobs that it decides. What is returned is to be sent in a later one.
    pub(super) async fn transact(&self, wallet: &Wallet, jobs: Vec<Job>) -> Vec<Job> {
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
        tracing::info!(tx_hash = signed.hash, messages = jobs.len(), "sending a transaction");
        self.inner().cache.drop_all();
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
        let mut context = match self.tx_context(wallet).await {
            Ok(context) => context,
            Err(error) => return Err((jobs, error)),
        };
        loop {
            jobs = self.affordable(wallet, keep_wanted(jobs), &context);
            if jobs.is_empty() {
                return Ok(None);
            }
            if context.new {
                return Err((jobs, SubmitError::Funds(vec![self.new_wallet(wallet, &context)])));
            }
            let messages: Vec<Msg> = jobs.iter().map(|job| job.message().clone()).collect();
            let mut draft = self.draft(&messages, &context);
            let simulated = match self.inner().simulate(&draft, wallet.public_key()).await {
                Ok(Simulated::Gas(gas)) => gas,
                Ok(Simulated::Refused { error, .. })
                    if error.kind() == Kind::UnorderedNotSupported && draft.unordered =>
                {
                    self.inner().pipeline.ordered.store(true, Ordering::Relaxed);
                    context = match self.tx_context(wallet).await {
                        Ok(context) => context,
                        Err(error) => return Err((jobs, error)),
                    };
                    continue;
                }
                Ok(Simulated::Refused { index, error }) => {
                    jobs = self.refused_in_simulation(wallet, jobs, &context, index, error, later).await;
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
            draft.fee = self.fee(draft.gas, &context);
            if let Err(error) = self.payable(wallet, &messages, &draft.fee, &context) {
                if jobs.len() == 1 {
                    return Err((jobs, error));
                }
                // Half of them may be within the limit, or affordable.
                later.splice(0..0, jobs.split_off(jobs.len().div_ceil(2)));
                continue;
            }
            // As late as possible: what came before took time.
            draft.timeout = self.timeout(context.block);
            let signed = draft.sign(wallet, &context.chain_id, context.account_number);
            let pendings = pendings(&jobs, &signed, &draft, context.block);
            let (mut stay, mut leave) = (Vec::new(), Vec::new());
            for (job, pending) in jobs.into_iter().zip(&pendings) {
                if job.announce(pending) { stay.push(job) } else { leave.push(job) }
            }
            jobs = stay;
            if leave.is_empty() {
                if let Err(error) = self.intend(&jobs, &pendings, &context.chain_id).await {
                    // Announced, and never sent.
                    jobs.iter().for_each(Job::is_dead);
                    return Err((jobs, error));
                }
                return Ok(Some(Prepared { jobs, pendings, signed, gas: draft.gas, simulated }));
            }
            for job in leave {
                job.end(Err(SubmitError::Cancelled));
            }
            jobs.iter().for_each(Job::is_dead);
        }
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
                let messages: Vec<Msg> = jobs.iter().map(|job| job.message().clone()).collect();
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
                job.is_dead();
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

    /// Has the journal write down what is about to be sent, if there is one.
    async fn intend(&self, jobs: &[Job], pendings: &[Pending], chain_id: &str) -> Result<(), SubmitError> {
        let Some(journal) = &self.inner().config.journal else { return Ok(()) };
        let intents: Vec<Intent> = jobs
            .iter()
            .zip(pendings)
            .map(|(job, pending)| Intent {
                chain_id: chain_id.to_owned(),
                label: job.labelled.label.clone(),
                pending: pending.clone(),
            })
            .collect();
        journal.intend(&intents).await.map_err(SubmitError::Journal)
    }

    async fn conclude(&self, conclusions: Vec<(Pending, Conclusion)>) {
        if let Some(journal) = &self.inner().config.journal
            && !conclusions.is_empty()
        {
            journal.conclude(&conclusions).await;
        }
    }
}

/// What each job's caller is to write down.
fn pendings(jobs: &[Job], signed: &Signed, draft: &Draft, block: Block) -> Vec<Pending> {
    let messages = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let fee = PendingFee { amount: draft.fee.amount.to_string(), denom: draft.fee.denom.clone() };
    jobs.iter()
        .zip(0..messages)
        .map(|(job, message_index)| Pending {
            tx_hash: Some(signed.hash.clone()),
            timeout: signed.timeout,
            since_height: block.height,
            fee: fee.clone(),
            messages,
            message_index,
            message: job.message().clone(),
        })
        .collect()
}

fn did_not_happen(pending: Pending) -> (Pending, Conclusion) {
    (pending, Conclusion::DidNotHappen)
}

fn lost(pending: Pending) -> SubmitError {
    SubmitError::Open { pending: Box::new(pending), why: OpenReason::EndpointsLost }
}
