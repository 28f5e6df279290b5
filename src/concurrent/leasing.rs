//! Leases that are created side by side: those that `-parallelism` held up end up in one transaction.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use akash_chain::Market;
use time::OffsetDateTime;

/// A lease that was held up by `-parallelism` and finds its bids ripe waits so long, in block time, for the others that
/// are.
const COMPANY: Duration = Duration::from_secs(4);

/// The leases that are being created in this process: for those that come one after the other under `-parallelism`, to
/// end up in one transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leasing {
    /// From the first look at the market until the lease is ready.
    busy: Arc<AtomicUsize>,
    /// Of these, how many wait for bids.
    waiting: Arc<AtomicUsize>,
    held: Arc<Mutex<Held>>,
}

/// Counts one as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Leasing {
    /// One lease more is being created.
    pub(crate) fn begin(&self) -> Counted {
        Counted::one(&self.busy)
    }

    /// One lease waits for bids.
    pub(crate) fn wait(&self) -> Counted {
        Counted::one(&self.waiting)
    }

    /// Whether those that come late hold at this block: others have just come, or may follow as some are past waiting.
    /// All that ask at the same block are told the same.
    pub(crate) fn holds(&self, market: &Market) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.released == market.height {
            return false;
        }
        let busy = self.busy.load(Ordering::Relaxed);
        let others = market.newcomers > 0 || self.waiting.load(Ordering::Relaxed) < busy;
        let since = *held.since.get_or_insert(market.time);
        let holds = busy > 1 && others && market.time - since < COMPANY;
        if !holds {
            *held = Held { since: None, released: market.height };
        }
        holds
    }
}

/// Those that hold.
#[derive(Debug, Default)]
struct Held {
    /// The time of the block at which the first of them began to.
    since: Option<OffsetDateTime>,
    /// The last block at which all were let go.
    released: u64,
}
