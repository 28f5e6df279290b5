//! The queue of the wallet's messages, the callers that wait for them, and the task that works it off.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use akash_proto::Message as _;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Account, Chain, Labelled, Msg, OpenReason, Outcome, Pending, SubmitError};

/// How long a message waits for others to share its transaction.
const BATCH_WINDOW: Duration = Duration::from_millis(50);
/// How long what follows a transaction of several messages is waited for: the callers that it answers come back at once
/// with their next ones, and those that came too late for it should not stay apart from them for ever.
const FOLLOW_UP_WINDOW: Duration = Duration::from_secs(1);
/// The most bytes that nodes take in one transaction are 1 MiB; the frame needs some of them.
const MAX_BYTES: usize = (1 << 20) - 4096;
/// How often it is looked whether anybody still wants a transaction that no node can be handed.
const UNWANTED: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    /// Whether a task is working the queue off.
    running: bool,
}

/// How far one message has come, as its caller and the worker both see it.
#[derive(Default)]
enum Progress {
    /// No transaction with it can come into a block.
    #[default]
    Waiting,
    /// Its caller has left before it was announced: it is not sent.
    Withdrawn,
    /// A transaction with it may come into a block.
    Announced(Box<Pending>),
}

#[derive(Clone, Default)]
struct Ticket(Arc<Mutex<Progress>>);

impl Ticket {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller leaves: before the message is announced it is not sent any more, after that it is open.
    fn leave(&self, why: OpenReason) -> SubmitError {
        let mut progress = self.progress();
        match &*progress {
            Progress::Announced(pending) => SubmitError::Open { pending: pending.clone(), why },
            Progress::Waiting | Progress::Withdrawn => {
                *progress = Progress::Withdrawn;
                SubmitError::Cancelled
            }
        }
    }

    /// What is told when the worker has ended by an error of its own.
    fn broken(&self) -> SubmitError {
        match &*self.progress() {
            Progress::Announced(pending) => {
                SubmitError::Open { pending: pending.clone(), why: OpenReason::Broken }
            }
            Progress::Waiting | Progress::Withdrawn => SubmitError::Broken,
        }
    }
}

/// One message and its caller.
pub(super) struct Job {
    pub(super) labelled: Labelled,
    cancel: CancellationToken,
    ticket: Ticket,
    result: oneshot::Sender<Result<Outcome, SubmitError>>,
    /// How often it was sent in a transaction that is dead.
    pub(super) attempts: u32,
    /// It does not go together with others: it is sent by itself.
    pub(super) alone: bool,
}

impl Job {
    pub(super) fn message(&self) -> &Msg {
        &self.labelled.message
    }

    /// Notes what is about to be sent. `false`: the caller does not want it any more.
    pub(super) fn announce(&self, pending: &Pending) -> bool {
        let mut progress = self.ticket.progress();
        if self.withdrawn() || matches!(*progress, Progress::Withdrawn) {
            return false;
        }
        *progress = Progress::Announced(Box::new(pending.clone()));
        true
    }

    /// The transaction that was announced is dead for certain, and another may follow.
    pub(super) fn is_dead(&self) {
        *self.ticket.progress() = Progress::Waiting;
    }

    fn withdrawn(&self) -> bool {
        self.cancel.is_cancelled() || self.result.is_closed()
    }

    pub(super) fn end(self, result: Result<Outcome, SubmitError>) {
        // A caller that has gone does not want it.
        _ = self.result.send(result);
    }
}

impl Chain {
    /// Sends one message of the account and waits until it is in a block.
    ///
    /// Messages that are submitted at the same time may travel in one transaction; each has its own outcome. What is about
    /// to be sent is written to the journal first, with the message's label. Nothing is ever sent while an earlier
    /// transaction with this message can still happen.
    ///
    /// `cancel` before it is announced to the journal gives [`SubmitError::Cancelled`]; after it, a short grace for the
    /// next block, then [`SubmitError::Open`] with what to look up later. Must be called within a tokio runtime.
    pub async fn submit(
        &self,
        message: impl Into<Labelled>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SubmitError> {
        let Some(account) = self.account().cloned() else { return Err(SubmitError::NoWallet) };
        let ticket = Ticket::default();
        let (result, mut done) = oneshot::channel();
        let job = Job {
            labelled: message.into(),
            cancel: cancel.clone(),
            ticket: ticket.clone(),
            result,
            attempts: 0,
            alone: false,
        };
        self.enqueue(account, job);
        tokio::select! {
            biased;
            // Without a result the worker is gone: it panicked, or the runtime shuts down.
            result = &mut done => return result.unwrap_or_else(|_| Err(ticket.broken())),
            () = cancel.cancelled() => {}
        }
        if matches!(ticket.leave(OpenReason::Stopped), SubmitError::Cancelled) {
            return Err(SubmitError::Cancelled);
        }
        match timeout(self.inner().patience.grace, done).await {
            Ok(result) => result.unwrap_or_else(|_| Err(ticket.broken())),
            Err(_) => Err(ticket.leave(OpenReason::Stopped)),
        }
    }

    fn enqueue(&self, account: Account, job: Job) {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        if !mem::replace(&mut queue.running, true) {
            let chain = self.clone();
            tokio::spawn(async move {
                let mut worker = Worker { chain, finished: false };
                worker.work(&account).await;
            });
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.inner().pipeline.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets messages come together: for a moment, and after a transaction of several for as many as are expected.
    async fn gather(&self, expected: usize) {
        let until = Instant::now() + FOLLOW_UP_WINDOW;
        loop {
            sleep(BATCH_WINDOW).await;
            if expected <= 1 || self.queue().jobs.len() >= expected || Instant::now() >= until {
                return;
            }
        }
    }
}

/// The task that works the queue off.
struct Worker {
    chain: Chain,
    finished: bool,
}

impl Worker {
    /// One transaction after the other, until nothing is left.
    async fn work(&mut self, account: &Account) {
        let Account::Wallet(wallet) = account;
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

/// Takes the jobs of the next transaction off the queue: as many as fit in it by their size.
fn batch(queue: &mut VecDeque<Job>) -> Vec<Job> {
    let mut bytes = 0;
    let mut jobs: Vec<Job> = Vec::new();
    while let Some(job) = queue.front() {
        bytes += job.message().any().encoded_len() + 8;
        let fits = jobs.is_empty() || (bytes <= MAX_BYTES && !job.alone && jobs.iter().all(|job| !job.alone));
        if !fits {
            break;
        }
        jobs.extend(queue.pop_front());
    }
    jobs
}

/// Ready once no caller wants its message any more.
pub(super) async fn unwanted(jobs: &[Job]) {
    while !jobs.iter().all(Job::withdrawn) {
        sleep(UNWANTED).await;
    }
}

/// Ends the jobs whose callers do not want them any more.
pub(super) fn keep_wanted(jobs: Vec<Job>) -> Vec<Job> {
    let (withdrawn, wanted): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Job::withdrawn);
    for job in withdrawn {
        job.end(Err(SubmitError::Cancelled));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::deployment::v1beta4::MsgUpdateDeployment;

    use super::*;

    fn job(bytes: usize, alone: bool) -> Job {
        let message = MsgUpdateDeployment { id: None, hash: vec![0; bytes] }.into();
        let (result, _) = oneshot::channel();
        let (cancel, ticket) = (CancellationToken::new(), Ticket::default());
        Job { labelled: message, cancel, ticket, result, attempts: 0, alone }
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

    #[test]
    fn who_leaves_is_told_how_far_the_message_had_come() {
        let pending = Pending {
            tx_hash: Some("AB".into()),
            timeout: 1,
            since_height: 1,
            fee: crate::PendingFee { amount: "1".into(), denom: "uakt".into() },
            messages: 1,
            message_index: 0,
            message: MsgUpdateDeployment::default().into(),
        };
        let with = |alone| {
            let mut job = job(1, alone);
            let (result, wanted) = oneshot::channel();
            job.result = result;
            (job, wanted)
        };
        let (sent, _wanted) = with(false);
        assert!(sent.announce(&pending));
        assert!(matches!(sent.ticket.leave(OpenReason::Stopped), SubmitError::Open { .. }));
        assert!(matches!(sent.ticket.broken(), SubmitError::Open { why: OpenReason::Broken, .. }));
        sent.is_dead();
        assert!(matches!(sent.ticket.broken(), SubmitError::Broken));
        assert!(matches!(sent.ticket.leave(OpenReason::Stopped), SubmitError::Cancelled));
        assert!(!sent.announce(&pending), "its caller has left");

        let (cancelled, _wanted) = with(false);
        cancelled.cancel.cancel();
        assert!(!cancelled.announce(&pending));
    }

    #[tokio::test]
    async fn withdrawn_jobs_are_left_out() {
        let cancelled = job(1, false);
        cancelled.cancel.cancel();
        // The receiver of `job` is dropped: its caller has gone.
        assert!(keep_wanted(vec![cancelled, job(1, false)]).is_empty());
    }
}
