//! How the chain is asked: which endpoint, for how long, how often, and what counts as an answer.
//!
//! This file must not know single questions; those are in [`crate::query`].

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use akash_proto::cosmos::base::{
    query::v1beta1::{PageRequest, PageResponse},
    tendermint::v1beta1 as tendermint,
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use time::OffsetDateTime;
use tonic::{Code, Response, Status};

use crate::{
    Chain, ChainError,
    chain::Inner,
    endpoint::{
        Endpoint,
        fault::{Fault, FaultKind},
        health::{Best, Health},
        node::{Caller, HEIGHT_HEADER, Node},
    },
};

/// How long one call to one endpoint may take.
pub(crate) const CALL: Duration = Duration::from_secs(15);
/// The longest pause between tries, also where an endpoint asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Rows of a page: 1000 deployments and their leases take ten queries.
const PAGE: u64 = 250;
/// More pages than any owner has; a node that never ends a listing is at fault.
const MAX_PAGES: usize = 10_000;
/// More than any page.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// No endpoint answered.
    #[error("{what}: no endpoint answered: {}. Check `endpoints`, and that this machine can reach them", list(.faults))]
    Endpoints {
        /// What was asked for.
        what: &'static str,
        /// The last fault of each endpoint.
        faults: Vec<Fault>,
    },
    /// A node answered with an error.
    #[error("{what}: {endpoint} answered: {error}")]
    Node {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets.
        endpoint: String,
        /// The chain's error; where the node gives no codespace, `grpc` and the status code.
        error: ChainError,
    },
    /// The endpoints are of another chain.
    #[error(
        "`chain_id` is {expected}, but {endpoint} is a node of {}: check `network`, `chain_id` and `endpoints`; nothing was changed",
        plain_text::line(found)
    )]
    ChainId {
        /// The address, without secrets.
        endpoint: String,
        /// What the configuration says.
        expected: String,
        /// What the node says.
        found: String,
    },
    /// The chain runs modules that this version does not know.
    #[error(
        "{endpoint} (node {}) does not serve {missing}, which this version of the provider needs: the network was upgraded, or is older than Akash v2.1; look for a version of the provider that fits",
        plain_text::line(node_version)
    )]
    Modules {
        /// The address, without secrets.
        endpoint: String,
        /// The node's version, if it says so.
        node_version: String,
        /// The modules that are missing.
        missing: String,
    },
    /// What asks for others has ended by an error of its own.
    #[error(
        "{0}: an error inside the provider ended what asks for it; the log has more. Nothing was changed"
    )]
    Broken(&'static str),
    /// An answer lacks what it must have.
    #[error("{what}: {endpoint} answered without {missing}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets; empty where any endpoint may have answered.
        endpoint: String,
        /// What is not there.
        missing: &'static str,
    },
}

fn list(faults: &[Fault]) -> String {
    if faults.is_empty() {
        return "none is configured".into();
    }
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A block's height and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its time (UTC).
    pub time: OffsetDateTime,
}

/// Below which height an answer does not count, because its node is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// That of our own last included transaction.
    Own,
    /// The highest that any answer so far was given at.
    Seen,
}

/// What one endpoint made of a call.
pub(crate) enum Answered<T> {
    /// An answer, and the height it was given at where the node says so.
    Answer(T, Option<u64>),
    /// An error of the chain that any other node would give too.
    Error(Status),
}

impl<T> Answered<T> {
    /// The height at which the node answered, if it says so.
    pub(crate) fn height(&self) -> Option<u64> {
        match self {
            Self::Answer(_, height) => *height,
            Self::Error(status) => height_of(status.metadata()),
        }
    }
}

impl Inner {
    /// Asks one endpoint once. The endpoint's health is updated.
    pub(crate) async fn ask<T, F, Fut>(
        &self,
        node: &Arc<Node>,
        height: Option<u64>,
        call: F,
    ) -> Result<Answered<T>, Fault>
    where
        F: FnOnce(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = tokio::time::timeout(CALL, call(Caller { node: node.clone(), height })).await;
        let result = match answer {
            Err(_) => {
                Err(Fault::passing(&node.endpoint, format!("did not answer within {} s", CALL.as_secs())))
            }
            Ok(Ok(response)) => {
                let height = height_of(response.metadata());
                Ok(Answered::Answer(response.into_inner(), height))
            }
            Ok(Err(status)) => match fault_of(node, &status) {
                Some(fault) => Err(fault),
                None => Ok(Answered::Error(status)),
            },
        };
        match &result {
            Ok(answer) => {
                node.health(Health::answered);
                // An answer that was pinned to a height says nothing of how far the node is.
                if let Some(at) = answer.height().filter(|_| height.is_none()) {
                    self.seen.fetch_max(at, Ordering::Relaxed);
                }
            }
            Err(fault) => {
                tracing::debug!(endpoint = %node.endpoint, fault = %fault.what, "endpoint fault");
                // An endpoint that does not serve one query is as good as any for others.
                if fault.kind != FaultKind::Unserved {
                    node.health(|health| health.failed(fault.retry_after));
                }
            }
        }
        result
    }

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

    /// The block at `height` (the latest for `None`) of one endpoint, and its chain id.
    pub(crate) async fn block_of(
        &self,
        node: &Arc<Node>,
        height: Option<u64>,
    ) -> Result<(Block, String), Fault> {
        let begun = Instant::now();
        let answer = self
            .ask(node, None, async |caller| {
                let mut client = tendermint::service_client::ServiceClient::new(caller);
                match height {
                    None => client
                        .get_latest_block(tendermint::GetLatestBlockRequest {})
                        .await
                        .map(|response| response.map(|answer| answer.sdk_block)),
                    Some(height) => client
                        .get_block_by_height(tendermint::GetBlockByHeightRequest {
                            height: i64::try_from(height).unwrap_or(i64::MAX),
                        })
                        .await
                        .map(|response| response.map(|answer| answer.sdk_block)),
                }
            })
            .await?;
        let took = begun.elapsed();
        let header = match answer {
            Answered::Answer(block, _) => block.and_then(|block| block.header),
            Answered::Error(status) => {
                return Err(Fault::passing(&node.endpoint, format!("answered: {}", status.message())));
            }
        };
        let malformed = || Fault::passing(&node.endpoint, "answered without a block header");
        let header = header.ok_or_else(malformed)?;
        let time = header.time.ok_or_else(malformed)?;
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let block = Block {
            height: u64::try_from(header.height).map_err(|_| malformed())?,
            time: OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| malformed())?,
        };
        if height.is_none() {
            node.health(|health| health.block(block.time, took));
        }
        Ok((block, header.chain_id))
    }

    /// Asks the endpoints in order of health until one answers, again and again until the configured time is up. An
    /// answer from below the height of our own last transaction does not count: that node is behind.
    pub(crate) async fn read<T, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        call: F,
    ) -> Result<T, QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        match self.read_any(what, height, Floor::Own, call).await? {
            (_, Answered::Answer(answer, _)) => Ok(answer),
            (node, Answered::Error(status)) => {
                Err(QueryError::Node { what, endpoint: node.endpoint.to_string(), error: error_of(&status) })
            }
        }
    }

    /// [`Inner::read`], where "not found" is an answer.
    pub(crate) async fn find<T, F, Fut>(&self, what: &'static str, call: F) -> Result<Option<T>, QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        match self.read_any(what, None, Floor::Own, call).await? {
            (_, Answered::Answer(answer, _)) => Ok(Some(answer)),
            (_, Answered::Error(status)) if status.code() == Code::NotFound => Ok(None),
            (node, Answered::Error(status)) => {
                Err(QueryError::Node { what, endpoint: node.endpoint.to_string(), error: error_of(&status) })
            }
        }
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
    async fn over_endpoints<T, F, Fut>(&self, what: &'static str, attempt: F) -> Result<T, QueryError>
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

    /// All pages of a list query.
    pub(crate) async fn pages<T, R, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        call: F,
        split: impl Fn(T) -> (Vec<R>, Option<PageResponse>),
    ) -> Result<Vec<R>, QueryError>
    where
        F: Fn(Caller, Option<PageRequest>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut rows = Vec::new();
        let mut key = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = PageRequest { key: key.clone(), limit: PAGE, ..Default::default() };
            let answer = self.read(what, height, |caller| call(caller, Some(page.clone()))).await?;
            let (more, next) = split(answer);
            rows.extend(more);
            match next.map(|next| next.next_key) {
                Some(next) if !next.is_empty() && next != key => key = next,
                _ => return Ok(rows),
            }
        }
        Err(QueryError::Malformed { what, endpoint: String::new(), missing: "an end to the list" })
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
            Self::OtherChain { endpoint, found, .. } => write!(f, "{endpoint} is a node of {found}"),
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
fn behind(node: &Node, height: u64, floor: u64) -> Result<(), Miss> {
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

/// The height at which an answer was given.
fn height_of(metadata: &tonic::metadata::MetadataMap) -> Option<u64> {
    metadata.get(HEIGHT_HEADER)?.to_str().ok()?.parse().ok()
}

/// The fault that a status stands for; `None` if it is the chain's own answer.
fn fault_of(node: &Node, status: &Status) -> Option<Fault> {
    if let Some(fault) = std::error::Error::source(status).and_then(|source| source.downcast_ref::<Fault>()) {
        return Some(fault.clone());
    }
    let says = || format!("answered: {}", status.message());
    match status.code() {
        Code::Unimplemented => Some(Fault::unserved(&node.endpoint, status.message())),
        Code::ResourceExhausted => Some(Fault::passing(&node.endpoint, says()).not_sent()),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::DataLoss => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        // tonic's own: a broken stream, an answer that does not decode.
        Code::Internal | Code::Unknown if std::error::Error::source(status).is_some() => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        Code::Internal if ChainError::from_query(status.message()).is_none() => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        // A node that has not committed the block yet that another one told of, or does not keep it any more.
        _ if at_other_height(status.message()) => Some(Fault::passing(&node.endpoint, says())),
        _ => None,
    }
}

/// Whether a node refuses a query because of the height it is pinned to.
fn at_other_height(message: &str) -> bool {
    ["height in the future", "failed to load state at height", "is not available, lowest height", "pruned"]
        .iter()
        .any(|text| message.contains(text))
}

/// The chain's error in a query's status.
pub(crate) fn error_of(status: &Status) -> ChainError {
    ChainError::from_query(status.message()).unwrap_or_else(|| ChainError {
        codespace: "grpc".into(),
        code: i32::from(status.code()).try_into().unwrap_or_default(),
        text: status.message().to_owned(),
    })
}

impl Chain {
    /// A block (the latest for `None`) of the healthiest endpoint that has it.
    pub(crate) async fn block(&self, what: &'static str, height: Option<u64>) -> Result<Block, QueryError> {
        self.block_from(what, height, 0).await
    }

    /// The same; a node whose latest block is below `floor` does not count either.
    pub(crate) async fn block_from(
        &self,
        what: &'static str,
        height: Option<u64>,
        floor: u64,
    ) -> Result<Block, QueryError> {
        let inner = self.inner();
        inner
            .over_endpoints(what, |node| async move {
                inner.introduce(&node).await?;
                let (block, _) = inner.block_of(&node, height).await?;
                if height.is_none() {
                    behind(&node, block.height, inner.floor.load(Ordering::Relaxed).max(floor))?;
                }
                Ok(block)
            })
            .await
    }
}
