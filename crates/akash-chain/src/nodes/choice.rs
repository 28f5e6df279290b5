//! Which node is asked, and for how long: the healthiest first, another one when it fails or is slow, and all of them again
//! until the time is up.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use time::OffsetDateTime;
use tonic::{Response, Status};

use super::{
    Endpoint,
    ask::Answered,
    fault::{Fault, FaultKind},
    health::Best,
    node::{Caller, Node},
};
use crate::{QueryError, chain::Inner};

/// The longest pause between tries, also where an endpoint asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Below which height an answer does not count, because its node is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// That of our own last included transaction.
    Own,
    /// The highest that any answer so far was given at.
    Seen,
}

impl Inner {
    /// The endpoints, the healthiest first; in the configured order where there is no difference.
    pub(crate) fn by_health(&self) -> Vec<Arc<Node>> {
        let best =
            self.nodes.iter().fold(Best::default(), |best, node| node.health(|health| best.with(health)));
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(|node| node.health(|health| health.rank(best)));
        nodes
    }

    /// Makes sure, once for each endpoint, that it is of the configured chain (or of the one found first), and learns
    /// how old its latest block is.
    pub(crate) async fn introduce(&self, node: &Arc<Node>) -> Result<(), Miss> {
        let found = node
            .chain_id
            .get_or_try_init(async || self.block_of(node, None).await.map(|(_, chain_id)| chain_id))
            .await?;
        let expected = match &self.config.chain_id {
            Some(chain_id) => chain_id,
            None => self.chain_id.get_or_init(|| found.clone()),
        };
        if found == expected {
            _ = self.chain_id.set(found.clone());
            return Ok(());
        }
        Err(Miss::OtherChain {
            endpoint: node.endpoint.clone(),
            expected: expected.clone(),
            found: found.clone(),
        })
    }

    /// [`Inner::read`], with the endpoint and any answer.
    pub(crate) async fn read_any<T, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        floor: Floor,
        call: F,
    ) -> Result<(Arc<Node>, Answered<T>), QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        self.over_endpoints(what, |node| {
            let call = &call;
            async move {
                self.introduce(&node).await?;
                let floor = match floor {
                    Floor::Own => &self.floor,
                    Floor::Seen => &self.seen,
                };
                let mut answer = self.ask(&node, height, call).await?;
                let floor = floor.load(Ordering::Relaxed);
                match answer.height() {
                    Some(height) => behind(&node, height, floor)?,
                    // Not every carrier says at which height a refusal was given. It counts once the node is known
                    // to have been up to date before it was asked.
                    None if floor > 0 && matches!(answer, Answered::Error(_)) => {
                        let (block, _) = self.block_of(&node, None).await?;
                        behind(&node, block.height, floor)?;
                        answer = self.ask(&node, height, call).await?;
                    }
                    None => {}
                }
                Ok((node, answer))
            }
        })
        .await
    }

    /// Tries the endpoints until one succeeds or the configured time is up.
    pub(crate) async fn over_endpoints<T, F, Fut>(
        &self,
        what: &'static str,
        attempt: F,
    ) -> Result<T, QueryError>
    where
        F: Fn(Arc<Node>) -> Fut,
        Fut: Future<Output = Result<T, Miss>>,
    {
        let mut misses: BTreeMap<usize, Miss> = BTreeMap::new();
        let mut tries = Tries::within(what, self.config.read_timeout);
        loop {
            if let Some(answer) = self.round(&attempt, &mut misses).await {
                return Ok(answer);
            }
            let asked = misses.values().filter_map(Miss::retry_after).min();
            if misses.values().all(Miss::lasting) || !tries.again(asked, misses.values()).await {
                break;
            }
        }
        // One node of another chain among several is left out; if that is all there is, the user must know.
        if misses.values().all(Miss::lasting)
            && let Some(error) = misses.values().find_map(Miss::other_chain)
        {
            return Err(error);
        }
        Err(QueryError::Endpoints { what, faults: misses.into_values().map(Miss::into_fault).collect() })
    }

    /// One round over the endpoints, the healthiest first: the next one is asked when one has failed, or has not
    /// answered for a while; the first answer counts.
    async fn round<T, F, Fut>(&self, attempt: &F, misses: &mut BTreeMap<usize, Miss>) -> Option<T>
    where
        F: Fn(Arc<Node>) -> Fut,
        Fut: Future<Output = Result<T, Miss>>,
    {
        let index = |node: &Arc<Node>| {
            self.nodes.iter().position(|other| Arc::ptr_eq(other, node)).unwrap_or_default()
        };
        let mut waiting: VecDeque<Arc<Node>> = self.by_health().into();
        waiting.retain(|node| !misses.get(&index(node)).is_some_and(Miss::lasting));
        let mut asked: BTreeMap<usize, Instant> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        loop {
            if let Some(node) = waiting.pop_front() {
                let index = index(&node);
                asked.insert(index, Instant::now());
                let attempt = attempt(node);
                running.push(async move { (index, attempt.await) });
            }
            let hedge = tokio::time::sleep(self.patience.hedge);
            tokio::select! {
                finished = running.next() => match finished? {
                    (_, Ok(answer)) => {
                        // Those that let us wait so long are asked last next time.
                        let slow = asked.iter().filter(|(_, since)| since.elapsed() >= self.patience.hedge);
                        slow.filter_map(|(index, _)| self.nodes.get(*index))
                            .for_each(|node| node.health(|health| health.failed(None)));
                        return Some(answer);
                    }
                    (index, Err(miss)) => {
                        asked.remove(&index);
                        misses.insert(index, miss);
                    }
                },
                () = hedge, if !waiting.is_empty() => {}
            }
        }
    }
}

/// The tries of one question or broadcast: with growing pauses until a deadline, and each failure told.
pub(crate) struct Tries {
    what: &'static str,
    until: Instant,
    failed: u32,
}

impl Tries {
    pub(crate) fn within(what: &'static str, time: Duration) -> Self {
        Self { what, until: Instant::now() + time, failed: 0 }
    }

    /// After a failure waits for the next try: as long as an endpoint asked for, or a pause that grows. `false`: the
    /// time is up.
    pub(crate) async fn again<M: fmt::Display>(
        &mut self,
        asked: Option<Duration>,
        misses: impl Iterator<Item = M>,
    ) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.failed += 1;
        let pause = asked.unwrap_or_default().max(backoff(self.failed)).min(LONGEST_PAUSE).min(left);
        let until = OffsetDateTime::now_utc() + left;
        tracing::info!(
            "{}: no endpoint answered: {}; next try in {} ms, the last one at {:02}:{:02}:{:02} UTC",
            self.what,
            misses.map(|miss| miss.to_string()).collect::<Vec<_>>().join("; "),
            pause.as_millis(),
            until.hour(),
            until.minute(),
            until.second()
        );
        tokio::time::sleep(pause).await;
        true
    }
}

/// Why one endpoint gave no answer that counts.
#[derive(Debug)]
pub(crate) enum Miss {
    /// It failed.
    Fault(Fault),
    /// It answered, from below the height that must be known.
    Behind(Fault),
    /// It is of another chain.
    OtherChain { endpoint: Endpoint, expected: String, found: String },
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) | Self::Behind(fault) => fault.fmt(f),
            Self::OtherChain { endpoint, found, .. } => {
                write!(f, "{endpoint} is a node of {}", plain_text::line(found))
            }
        }
    }
}

impl Miss {
    /// Asking again cannot help.
    fn lasting(&self) -> bool {
        match self {
            Self::Fault(fault) | Self::Behind(fault) => fault.kind != FaultKind::Passing,
            Self::OtherChain { .. } => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fault(fault) => fault.retry_after,
            Self::Behind(_) | Self::OtherChain { .. } => None,
        }
    }

    fn other_chain(&self) -> Option<QueryError> {
        match self {
            Self::OtherChain { endpoint, expected, found } => Some(QueryError::ChainId {
                endpoint: endpoint.to_string(),
                expected: expected.clone(),
                found: found.clone(),
            }),
            Self::Fault(_) | Self::Behind(_) => None,
        }
    }

    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) | Self::Behind(fault) => fault,
            Self::OtherChain { endpoint, expected, found } => {
                Fault::lasting(&endpoint, format!("is a node of {found}, not of {expected}"))
            }
        }
    }
}

/// An error for what was answered below the floor.
pub(crate) fn behind(node: &Node, height: u64, floor: u64) -> Result<(), Miss> {
    if height >= floor {
        return Ok(());
    }
    let what = format!("is behind: it answers at height {height}, the chain is at {floor} at least");
    Err(Miss::Behind(Fault::passing(&node.endpoint, what).not_sent()))
}

/// A pause that doubles from 400 ms to 3.2 s, between half and one and a half times that.
fn backoff(failed: u32) -> Duration {
    let millis = 200_u64 << failed.min(4);
    Duration::from_millis(rand::random_range(millis / 2..millis + millis / 2))
}
