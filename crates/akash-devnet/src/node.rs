//! The node: the chain with a clock, a mempool, an index of transactions and a memory of past heights.
//!
//! It knows no carrier: servers hand it bytes and get bytes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use akash_proto::{
    Message as _,
    akash::market::v1beta5::MsgCreateLease,
    cosmos::tx::v1beta1::{TxBody, TxRaw},
    unpack,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::{broadcast, watch};

use crate::{
    chain::{
        Delivered, Rules, Simulated,
        ante::MAX_TX_BYTES,
        errors::{QueryError, sdk},
        events::ChainEvent,
        operator::Operator,
        state::State,
    },
    faults::{Fault, Faults},
    store::{Entry, Store},
};

/// How many past heights can be queried.
const HISTORY: usize = 100;
/// How many blocks a slow subscriber may fall behind.
const BACKLOG: usize = 1024;

/// A transaction in a block.
#[derive(Debug, Clone, PartialEq)]
pub struct TxRecord {
    /// SHA-256 of the bytes, upper case hex.
    pub hash: String,
    /// The block.
    pub height: u64,
    /// The block's time.
    pub time: OffsetDateTime,
    /// Place in the block.
    pub index: u32,
    /// What came of it.
    pub result: Delivered,
    /// The transaction.
    pub bytes: Vec<u8>,
}

/// A block, as subscribers get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time: OffsetDateTime,
    /// Its hash (of chain id, height, time and transactions).
    pub hash: [u8; 32],
    /// Its transactions.
    pub txs: Vec<Arc<TxRecord>>,
    /// What the successful transactions and the block itself have caused, in order.
    pub events: Vec<ChainEvent>,
}

/// The answer to a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// SHA-256 of the bytes, upper case hex.
    pub hash: String,
    /// 0, or the error's code.
    pub code: u32,
    /// The error's codespace.
    pub codespace: String,
    /// The error's text.
    pub raw_log: String,
}

/// What the node counts for tests and benchmarks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests by the gRPC path that they mean, over all carriers.
    pub requests: BTreeMap<String, u64>,
    /// Transactions in blocks since the start, provider's own included.
    pub txs: u64,
    /// Connections to each provider's gateway, by the provider's address.
    pub gateway_connections: BTreeMap<String, u64>,
    /// Requests to each provider's gateway, by the provider's address.
    pub gateway_requests: BTreeMap<String, u64>,
}

struct Inner {
    state: State,
    check: State,
    mempool: Vec<Vec<u8>>,
    cache: HashSet<String>,
    index: HashMap<String, Arc<TxRecord>>,
    by_height: BTreeMap<u64, Arc<Block>>,
    history: VecDeque<State>,
    counters: Counters,
    store: Option<Store>,
}

/// The node. Shared by servers, providers and the handle.
pub struct Node {
    inner: Mutex<Inner>,
    faults: Faults,
    blocks: broadcast::Sender<Arc<Block>>,
    height: watch::Sender<u64>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("height", &*self.height.borrow()).finish_non_exhaustive()
    }
}

impl Node {
    /// A node on `state`, which holds genesis, and the file it keeps its chain in. What the file holds already is
    /// carried out again.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub(crate) fn new(state: State, faults: Faults, store: Option<(Store, Vec<Entry>)>) -> Self {
        let (blocks, _) = broadcast::channel(BACKLOG);
        let node = Self {
            inner: Mutex::new(Inner {
                check: state.clone(),
                history: VecDeque::from([state.clone()]),
                state,
                mempool: Vec::new(),
                cache: HashSet::new(),
                index: HashMap::new(),
                by_height: BTreeMap::new(),
                counters: Counters::default(),
                store: None,
            }),
            faults,
            blocks,
            height: watch::Sender::new(0),
        };
        if let Some((store, entries)) = store {
            for entry in entries {
                node.replay(entry);
            }
            node.inner().store = Some(store);
        }
        node
    }

    fn replay(&self, entry: Entry) {
        match entry {
            Entry::Act(act) => self.operate(&act),
            Entry::Block { height, time, txs, out_of_gas } => {
                let mut inner = self.inner();
                while inner.state.height + 1 < height {
                    let (next, when) = (inner.state.height + 1, inner.state.time);
                    Self::make_block(&mut inner, next, when, Vec::new(), Rules::default());
                }
                Self::make_block(&mut inner, height, time, txs, Rules { out_of_gas, ..Rules::default() });
            }
        }
    }

    /// The faults that concern the node.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The chain as of the last block.
    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// The chain at `height`, or the one that queries see as the latest.
    ///
    /// # Errors
    /// `sdk` 26 for a height to come, 18 for one that is forgotten.
    pub fn view(&self, height: Option<u64>) -> Result<State, QueryError> {
        let behind = self.blocks_behind();
        let inner = self.inner();
        let latest = inner.state.height.saturating_sub(behind).max(1);
        let Some(height) =
            height.filter(|height| *height > 0 || behind > 0).or((behind > 0).then_some(latest))
        else {
            return Ok(inner.state.clone());
        };
        let height = if height == 0 { latest } else { height };
        if height > latest {
            return Err(QueryError::new(
                sdk::INVALID_HEIGHT.grpc,
                format!(
                    "codespace sdk code {}: {}: cannot query with height in the future; please provide a valid height",
                    sdk::INVALID_HEIGHT.code,
                    sdk::INVALID_HEIGHT.text
                ),
            ));
        }
        inner.history.iter().rev().find(|state| state.height == height).cloned().ok_or_else(|| {
            QueryError::new(
                sdk::INVALID_REQUEST.grpc,
                format!(
                    "codespace sdk code {}: {}: failed to load state at height {height}; version does not exist (latest height: {latest})",
                    sdk::INVALID_REQUEST.code,
                    sdk::INVALID_REQUEST.text
                ),
            )
        })
    }

    fn blocks_behind(&self) -> u64 {
        self.faults
            .active()
            .into_iter()
            .find_map(
                |(_, fault)| if let Fault::StaleHeight { blocks } = fault { Some(blocks) } else { None },
            )
            .unwrap_or(0)
    }

    /// The block at `height`, or the latest that queries see.
    pub fn block(&self, height: Option<u64>) -> Option<Arc<Block>> {
        let behind = self.blocks_behind();
        let inner = self.inner();
        let latest = inner.state.height.saturating_sub(behind).max(1);
        inner.by_height.get(&height.unwrap_or(latest)).filter(|block| block.height <= latest).cloned()
    }

    /// Blocks as they are made.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Block>> {
        self.blocks.subscribe()
    }

    /// The height, as it grows.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Counts a request.
    pub fn count(&self, path: &str) {
        *self.inner().counters.requests.entry(path.to_owned()).or_default() += 1;
    }

    /// Counts a connection to a provider's gateway.
    pub(crate) fn count_gateway_connection(&self, provider: &str) {
        *self.inner().counters.gateway_connections.entry(provider.to_owned()).or_default() += 1;
    }

    /// Counts a request to a provider's gateway.
    pub(crate) fn count_gateway_request(&self, provider: &str) {
        *self.inner().counters.gateway_requests.entry(provider.to_owned()).or_default() += 1;
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.inner().counters.clone()
    }

    fn rules(&self) -> Rules {
        Rules { unordered: !self.faults.is_active(|fault| *fault == Fault::NoUnordered), out_of_gas: false }
    }

    /// Takes a transaction into the mempool, as `broadcast_tx_sync` does.
    pub fn broadcast(&self, bytes: &[u8]) -> Checked {
        let hash = tx_hash(bytes);
        let refused = |code: u32, codespace: &str, raw_log: &str| Checked {
            hash: hash.clone(),
            code,
            codespace: codespace.to_owned(),
            raw_log: raw_log.to_owned(),
        };
        let rules = self.rules();
        let mut inner = self.inner();
        if bytes.len() > MAX_TX_BYTES {
            return refused(sdk::TX_TOO_LARGE.code, "sdk", "");
        }
        if !inner.cache.insert(hash.clone()) {
            // The node's own mempool answers here, without the chain's text.
            return refused(sdk::TX_IN_CACHE.code, "sdk", "");
        }
        if let Err(error) = inner.check.check(bytes, rules) {
            inner.cache.remove(&hash);
            return refused(error.code, error.codespace, &error.text);
        }
        drop(inner);
        let lost = self.faults.take(|fault| *fault == Fault::LoseBroadcast).is_some();
        let mut inner = self.inner();
        if lost {
            // Forgotten as if the node had never seen it.
            inner.cache.remove(&hash);
            inner.check = recheck(&inner.state, &mut inner.mempool.clone(), rules);
        } else {
            inner.mempool.push(bytes.to_vec());
        }
        refused(0, "", "")
    }

    /// Estimates a transaction.
    ///
    /// # Errors
    /// The text a node answers with.
    pub fn simulate(&self, bytes: &[u8]) -> Result<Simulated, String> {
        let rules = self.rules();
        if let Some(index) = self.refused_lease(bytes) {
            return Err(format!(
                "failed to execute message; message index: {index}: unknown provider with gas used: '40000'"
            ));
        }
        let state = self.inner().state.clone();
        state.simulate(bytes, rules)
    }

    /// The message that [`Fault::RefuseLease`] concerns.
    fn refused_lease(&self, bytes: &[u8]) -> Option<usize> {
        let messages =
            TxRaw::decode(bytes).ok().and_then(|raw| TxBody::decode(raw.body_bytes.as_slice()).ok());
        messages?.messages.iter().position(|message| {
            let bid = unpack::<MsgCreateLease>(message).and_then(|message| message.bid_id);
            bid.is_some_and(|bid| {
                self.faults.is_active(
                    |fault| matches!(fault, Fault::RefuseLease { provider } if *provider == bid.provider),
                )
            })
        })
    }

    /// A transaction that is in a block that queries see.
    ///
    /// # Errors
    /// When the node does not index transactions.
    pub fn tx(&self, hash: &str) -> Result<Option<Arc<TxRecord>>, QueryError> {
        self.indexed()?;
        let behind = self.blocks_behind();
        let inner = self.inner();
        let latest = inner.state.height.saturating_sub(behind).max(1);
        Ok(inner.index.get(&hash.to_ascii_uppercase()).filter(|tx| tx.height <= latest).cloned())
    }

    /// All transactions in blocks, oldest first.
    ///
    /// # Errors
    /// When the node does not index transactions.
    pub fn txs(&self) -> Result<Vec<Arc<TxRecord>>, QueryError> {
        self.indexed()?;
        Ok(self.inner().by_height.values().flat_map(|block| block.txs.clone()).collect())
    }

    /// Whether the node says that it indexes transactions.
    pub fn indexes(&self) -> bool {
        !self.faults.is_active(|fault| *fault == Fault::IndexingDisabled)
    }

    fn indexed(&self) -> Result<(), QueryError> {
        if self.faults.take(|fault| *fault == Fault::IndexingDisabled).is_some() {
            return Err(QueryError::new(tonic::Code::Unknown, "transaction indexing is disabled"));
        }
        Ok(())
    }

    /// Carries out an operator's act at once.
    pub fn operate(&self, act: &Operator) {
        let mut inner = self.inner();
        inner.state.operate(act);
        inner.check.operate(act);
        let state = inner.state.clone();
        if let Some(last) = inner.history.back_mut() {
            *last = state;
        }
        if let Some(store) = &mut inner.store {
            store.append(&Entry::Act(act.clone()));
        }
    }

    /// Makes the next block at `time` (moved on to be later than the last) from what is in the mempool.
    pub fn produce(&self, time: OffsetDateTime) -> Arc<Block> {
        let hold = self.faults.take(|fault| *fault == Fault::HoldTransactions).is_some();
        let mut rules = self.rules();
        let mut inner = self.inner();
        let txs = if hold { Vec::new() } else { std::mem::take(&mut inner.mempool) };
        drop(inner);
        if !txs.is_empty() {
            rules.out_of_gas = self.faults.take(|fault| *fault == Fault::OutOfGas).is_some();
        }
        let mut inner = self.inner();
        let time = time.max(inner.state.time + time::Duration::nanoseconds(1));
        let height = inner.state.height + 1;
        let block = Self::make_block(&mut inner, height, time, txs, rules);
        let mut mempool = std::mem::take(&mut inner.mempool);
        inner.check = recheck(&inner.state, &mut mempool, self.rules());
        let kept: BTreeSet<String> = mempool.iter().map(|tx| tx_hash(tx)).collect();
        inner.mempool = mempool;
        // A transaction thrown out by its timeout may be sent again; one that failed in a block too.
        let failed: Vec<String> =
            block.txs.iter().filter(|tx| tx.result.code != 0).map(|tx| tx.hash.clone()).collect();
        for hash in failed {
            inner.cache.remove(&hash);
        }
        let index: Vec<String> = inner
            .cache
            .iter()
            .filter(|hash| !inner.index.contains_key(*hash) && !kept.contains(*hash))
            .cloned()
            .collect();
        for hash in index {
            inner.cache.remove(&hash);
        }
        drop(inner);
        self.height.send_replace(height);
        // No subscriber is no error.
        let _ = self.blocks.send(block.clone());
        block
    }

    /// Forgets what a restarted node forgets: mempool and cache. The chain stays.
    pub fn forget_mempool(&self) {
        let mut inner = self.inner();
        inner.mempool.clear();
        inner.cache.clear();
        inner.check = inner.state.clone();
    }

    fn make_block(
        inner: &mut Inner,
        height: u64,
        time: OffsetDateTime,
        txs: Vec<Vec<u8>>,
        rules: Rules,
    ) -> Arc<Block> {
        inner.state.begin_block(height, time);
        let mut records = Vec::with_capacity(txs.len());
        let mut events = Vec::new();
        let mut hasher = Sha256::new();
        hasher.update(inner.state.chain_id.as_bytes());
        hasher.update(height.to_be_bytes());
        hasher.update(time.unix_timestamp_nanos().to_be_bytes());
        for (index, bytes) in (0..).zip(&txs) {
            hasher.update(Sha256::digest(bytes));
            let result = inner.state.deliver(bytes, rules);
            events.extend(result.typed.iter().cloned());
            let record = Arc::new(TxRecord {
                hash: tx_hash(bytes),
                height,
                time,
                index,
                result,
                bytes: bytes.clone(),
            });
            inner.index.insert(record.hash.clone(), record.clone());
            records.push(record);
        }
        events.extend(inner.state.end_block());
        inner.counters.txs += u64::try_from(txs.len()).unwrap_or(0);
        if !txs.is_empty()
            && let Some(store) = &mut inner.store
        {
            store.append(&Entry::Block { height, time, txs, out_of_gas: rules.out_of_gas });
        }
        let block = Arc::new(Block { height, time, hash: hasher.finalize().into(), txs: records, events });
        inner.by_height.insert(height, block.clone());
        inner.history.push_back(inner.state.clone());
        while inner.history.len() > HISTORY {
            inner.history.pop_front();
        }
        block
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mempool's view on a fresh state; transactions that no longer pass are thrown out.
fn recheck(state: &State, mempool: &mut Vec<Vec<u8>>, rules: Rules) -> State {
    let mut check = state.clone();
    mempool.retain(|bytes| check.check(bytes, rules).is_ok());
    check
}

/// The hash by which a transaction is looked up: SHA-256, upper case hex.
pub(crate) fn tx_hash(bytes: &[u8]) -> String {
    hex::encode_upper(Sha256::digest(bytes))
}
