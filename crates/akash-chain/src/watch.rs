//! An owner's market as of each new block, shared by everybody who waits for bids.
//!
//! One task for each owner looks for new blocks, and once a block takes the open orders and bids; it ends when nobody
//! waits. Waiters wake at the same snapshot, so what they send after it travels in one transaction. This file must not
//! know what waiters wait for.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use akash_proto::{
    akash::market::v1beta5::{Bid, BidFilters, Order, OrderFilters},
    id::{BidId, GroupId, OrderId},
};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{Block, Chain, FaultKind, QueryError};

/// For how long the chain may give no answer before the waiters are told: a node that restarts fails nobody.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that a block is taken to last.
const LONGEST_BLOCK: Duration = Duration::from_secs(6);
/// Between two looks, as long as it is not known how long blocks take.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// How often a task that ended by an error of its own is started anew for one market.
const RESTARTS: u32 = 3;
/// Between two looks at the least.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The open orders and bids of an owner at one height.
#[derive(Debug)]
pub struct Market {
    /// The height at which every query was answered.
    pub height: u64,
    /// That block's time (UTC).
    pub time: OffsetDateTime,
    /// How many have begun to wait since the market before this one. Each counts itself in the first that it is given.
    pub newcomers: usize,
    orders: BTreeMap<GroupId, BTreeMap<OrderId, Order>>,
    bids: BTreeMap<OrderId, Vec<Bid>>,
}

impl Market {
    /// The newest open order of a group. A lease can only be taken of an order that is open.
    pub fn open_order(&self, group: &GroupId) -> Option<(&OrderId, &Order)> {
        self.orders.get(group)?.last_key_value()
    }

    /// The open bids on one order, in the chain's order. The chain may leave bids open on an order that is not.
    pub fn open_bids(&self, order: &OrderId) -> &[Bid] {
        self.bids.get(order).map_or(&[], Vec::as_slice)
    }
}

/// What the task tells the waiters.
#[derive(Clone)]
struct News {
    /// When the chain was asked for the block: no waiter takes what was asked for before it began.
    asked: Instant,
    what: Result<Arc<Market>, QueryError>,
}

struct Feed {
    news: watch::Sender<Option<News>>,
    /// How many have ever begun to wait.
    joined: AtomicUsize,
}

impl Feed {
    fn join(&self) -> watch::Receiver<Option<News>> {
        self.joined.fetch_add(1, Ordering::Relaxed);
        self.news.subscribe()
    }
}

/// The running tasks of one [`Chain`], by owner. The task itself holds what is here a weak reference to.
#[derive(Default)]
pub(crate) struct Feeds {
    running: Mutex<HashMap<String, Weak<Feed>>>,
    /// For tests: how many of the next tasks panic at their first block.
    #[cfg(test)]
    pub(crate) panics: AtomicUsize,
}

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Feed>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the task may end: nobody waits. Nobody can begin to wait at the same time.
    fn over(&self, owner: &str, feed: &Feed) -> bool {
        let mut feeds = self.lock();
        let over = feed.news.receiver_count() == 0;
        if over {
            feeds.remove(owner);
        }
        over
    }
}

/// One waiter. Dropping it is all that is needed to stop.
pub struct MarketWatch {
    chain: Chain,
    owner: String,
    since: Instant,
    news: watch::Receiver<Option<News>>,
    /// How often its task has ended since the last market.
    restarts: u32,
}

impl std::fmt::Debug for MarketWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MarketWatch").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl MarketWatch {
    /// The market at the next block: one that the chain was asked for after this waiter began, and newer than the last
    /// one that it was given. All waiters of an owner are given the same one at the same time.
    ///
    /// # Errors
    /// When no endpoint gave an answer for a minute, or one that asking again does not change.
    pub async fn next(&mut self) -> Result<Arc<Market>, QueryError> {
        loop {
            if self.news.changed().await.is_err() {
                // The task is gone without its end having been reached, as after a panic. A new one may do better.
                if self.restarts >= RESTARTS {
                    return Err(QueryError::Broken("the market"));
                }
                self.restarts += 1;
                tokio::time::sleep(FIRST_PAUSE).await;
                self.news = self.chain.market_feed(&self.owner);
                continue;
            }
            let news = self.news.borrow_and_update().clone();
            if let Some(news) = news.filter(|news| news.asked >= self.since) {
                self.restarts = 0;
                return news.what;
            }
        }
    }
}

impl Chain {
    /// Watches the owner's open orders and bids from now on. Must be called within a tokio runtime.
    pub fn watch_market(&self, owner: &str) -> MarketWatch {
        let since = Instant::now();
        let news = self.market_feed(owner);
        MarketWatch { chain: self.clone(), owner: owner.to_owned(), since, news, restarts: 0 }
    }

    fn market_feed(&self, owner: &str) -> watch::Receiver<Option<News>> {
        let mut feeds = self.inner().markets.lock();
        if let Some(feed) = feeds.get(owner).and_then(Weak::upgrade) {
            return feed.join();
        }
        let feed = Arc::new(Feed { news: watch::Sender::new(None), joined: AtomicUsize::new(0) });
        let news = feed.join();
        feeds.insert(owner.to_owned(), Arc::downgrade(&feed));
        let (chain, owner) = (self.clone(), owner.to_owned());
        tokio::spawn(async move { chain.feed_market(&owner, &feed).await });
        news
    }

    /// Looks for new blocks and publishes the market at each, until nobody waits.
    async fn feed_market(&self, owner: &str, feed: &Feed) {
        let mut pace = Pace::default();
        let mut failing: Option<Instant> = None;
        let mut known = 0;
        #[cfg(test)]
        {
            let panics = &self.inner().markets.panics;
            let one = panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            assert!(one.is_err(), "as the test wants it");
        }
        loop {
            let joined = feed.joined.load(Ordering::Relaxed);
            let asked = Instant::now();
            tokio::select! {
                found = self.market_after(owner, pace.last) => match found {
                    Ok((block, market)) => {
                        failing = None;
                        pace.saw(block);
                        if let Some(mut market) = market {
                            market.newcomers = joined.saturating_sub(mem::replace(&mut known, joined));
                            feed.news.send_replace(Some(News { asked, what: Ok(Arc::new(market)) }));
                        }
                    }
                    Err(error) if is_lasting(&error)
                        || failing.get_or_insert(asked).elapsed() >= PATIENCE =>
                    {
                        failing = None;
                        feed.news.send_replace(Some(News { asked, what: Err(error) }));
                    }
                    Err(error) => tracing::warn!(%error, "the market can't be read; trying again"),
                },
                () = feed.news.closed() => {}
            }
            tokio::select! {
                () = tokio::time::sleep(pace.pause()) => {}
                () = feed.news.closed() => if self.inner().markets.over(owner, feed) { return },
            }
        }
    }

    /// The latest block, and the market at it if it is above `last`. A node that is behind `last` does not count.
    async fn market_after(
        &self,
        owner: &str,
        last: Option<Block>,
    ) -> Result<(Block, Option<Market>), QueryError> {
        let floor = last.map_or(0, |last| last.height);
        let block = self.block_from("the latest block", None, floor).await?;
        // The first one may be old already; with it alone early and late waiters would not wake together.
        if last.is_none_or(|last| block.height <= last.height) {
            return Ok((block, None));
        }
        let at = Some(block.height);
        let open = || "open".to_owned();
        let (open_orders, open_bids) = futures::try_join!(
            self.orders_at(OrderFilters { owner: owner.into(), state: open(), ..Default::default() }, at),
            self.bids_at(BidFilters { owner: owner.into(), state: open(), ..Default::default() }, at),
        )?;
        let mut orders: BTreeMap<GroupId, BTreeMap<OrderId, Order>> = BTreeMap::new();
        for order in open_orders {
            let Some(id) = order.id.as_ref().and_then(|id| OrderId::try_from(id).ok()) else { continue };
            orders.entry(id.group().clone()).or_default().insert(id, order);
        }
        let mut bids: BTreeMap<OrderId, Vec<Bid>> = BTreeMap::new();
        for bid in open_bids.into_iter().filter_map(|row| row.bid) {
            let Some(id) = bid.id.as_ref().and_then(|id| BidId::try_from(id).ok()) else { continue };
            bids.entry(id.order().clone()).or_default().push(bid);
        }
        Ok((block, Some(Market { height: block.height, time: block.time, newcomers: 0, orders, bids })))
    }
}

/// When to look for the next block.
#[derive(Default)]
struct Pace {
    last: Option<Block>,
    /// How long one block took lately.
    interval: Option<Duration>,
    /// Whether the last look found a new one: the next is not there yet.
    new: bool,
}

impl Pace {
    fn saw(&mut self, block: Block) {
        let before = self.last.replace(block);
        self.new = before.is_some_and(|before| block.height > before.height);
        if let Some(before) = before.filter(|_| self.new) {
            let blocks = u32::try_from(block.height - before.height).unwrap_or(u32::MAX);
            let time = Duration::try_from(block.time - before.time).unwrap_or_default();
            self.interval = Some(time / blocks);
        }
    }

    /// After a new block most of the time that one takes; then often, so that no block is noticed late.
    fn pause(&self) -> Duration {
        let Some(interval) = self.interval.map(|interval| interval.min(LONGEST_BLOCK)) else {
            return FIRST_PAUSE;
        };
        let pause = if self.new { interval * 3 / 5 } else { interval / 8 };
        pause.max(SHORTEST_PAUSE)
    }
}

/// Whether asking again soon gives the same.
fn is_lasting(error: &QueryError) -> bool {
    match error {
        QueryError::Endpoints { faults, .. } => faults.iter().all(|fault| fault.kind != FaultKind::Passing),
        QueryError::Broken(_)
        | QueryError::Node { .. }
        | QueryError::ChainId { .. }
        | QueryError::Modules { .. }
        | QueryError::Malformed { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_when_blocks_do() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let block = |height, millis| Block { height, time: start + Duration::from_millis(millis) };
        for (blocks, pause) in [
            (vec![], 300),
            (vec![block(1, 0)], 300),
            (vec![block(1, 0), block(1, 0)], 300),
            (vec![block(1, 0), block(2, 6000)], 3600),
            (vec![block(1, 0), block(2, 6000), block(2, 6000)], 750),
            (vec![block(1, 0), block(3, 400)], 120),
            (vec![block(1, 0), block(3, 400), block(3, 400)], 50),
            (vec![block(1, 0), block(2, 600_000)], 3600),
            (vec![block(5, 1000), block(6, 0)], 50),
        ] {
            let mut pace = Pace::default();
            blocks.iter().for_each(|block| pace.saw(*block));
            let said = u64::try_from(pace.pause().as_millis()).unwrap();
            assert_eq!(said, pause, "{blocks:?}");
        }
    }
}
