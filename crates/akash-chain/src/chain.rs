//! The chain as callers hold it: configuration, the shared state behind every handle, and the check that the nodes
//! are of the right chain.
//!
//! Queries are in [`crate::query`], transactions in [`crate::pipeline`].

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use akash_proto::{Coin, Dec, NumberError, address};
use tokio::sync::OnceCell;

use crate::{
    Account, Endpoint, FaultKind, Journal, QueryError, cache::Cache, nodes::node, pipeline::Pipeline,
    watch::Feeds,
};

/// The default time for a question that no endpoint answers: a node that restarts is away for some seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The default timeout of a transaction.
pub(crate) const TX_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that the chain takes for unordered transactions.
const LONGEST_TX_TIMEOUT: Duration = Duration::from_secs(600);

/// How long is waited where the chain says nothing about it. Tests wait less.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long a cancelled caller still waits for the block that may be coming.
    pub(crate) grace: Duration,
    /// How long after a transaction's timeout its fate is still looked for before it is left open.
    pub(crate) after_timeout: Duration,
    /// After this long without an answer another endpoint is asked too.
    pub(crate) hedge: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // A block takes about six seconds; a node that was gone for a minute may come back.
        let [grace, after_timeout, hedge] = [8, 90, 2].map(Duration::from_secs);
        Self { grace, after_timeout, hedge }
    }
}

/// A gas price: a decimal amount and its denomination, written `0.025uakt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GasPrice {
    /// Smallest units for one unit of gas.
    pub amount: Dec,
    /// The denomination.
    pub denom: String,
}

impl FromStr for GasPrice {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let text = text.trim();
        let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (amount, denom) = text.split_at(digits);
        // The denomination's form is a coin's.
        let coin: Coin = format!("0{denom}").parse().map_err(|_| NumberError::Coin(text.into()))?;
        Ok(Self { amount: amount.parse().map_err(|_| NumberError::Coin(text.into()))?, denom: coin.denom })
    }
}

impl fmt::Display for GasPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.amount, self.denom)
    }
}

/// How to reach a chain, and with which account.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Addresses of nodes, the preferred one first.
    pub endpoints: Vec<Endpoint>,
    /// What the nodes must call their chain; `None` takes the first node's word.
    pub chain_id: Option<String>,
    /// In whose name messages are sent; without one everything but [`Chain::submit`] works.
    pub account: Option<Account>,
    /// Default 0.025uakt; never below what the node asks.
    pub gas_price: Option<GasPrice>,
    /// What simulated gas is multiplied by; the default depends on the messages.
    pub gas_adjustment: Option<Dec>,
    /// A transaction that would cost more is not sent.
    pub max_fee: Option<Coin>,
    /// The account whose fee grant pays.
    pub fee_granter: Option<String>,
    /// For how long a question that no endpoint answers is asked again.
    pub read_timeout: Duration,
    /// After this long in block time a transaction is dead. At most 10 minutes (the chain's rule).
    pub tx_timeout: Duration,
    /// Where intents are written down before they are sent.
    pub journal: Option<Arc<dyn Journal>>,
    /// Sent with every request.
    pub user_agent: String,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            chain_id: None,
            account: None,
            gas_price: None,
            gas_adjustment: None,
            max_fee: None,
            fee_granter: None,
            read_timeout: READ_TIMEOUT,
            tx_timeout: TX_TIMEOUT,
            journal: None,
            user_agent: concat!("terraform-provider-akash/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The list is empty.
    #[error("no endpoint is configured: set `network` or `endpoints`")]
    NoEndpoints,
    /// Not between 1 second and 10 minutes.
    #[error(
        "a transaction's timeout must be from 1 s to 10 min, which is the most that the chain takes; it is {0:?}"
    )]
    TxTimeout(Duration),
    /// Below 1 or above 10.
    #[error("`gas_adjustment` must be from 1 to 10; it is {0}")]
    GasAdjustment(Dec),
    /// Not in uakt, or not positive.
    #[error("`gas_price` must be a positive amount of uakt, for example 0.025uakt; it is {0}")]
    GasPrice(GasPrice),
    /// Fees are paid in uakt.
    #[error("`max_fee` must be an amount of uakt, for example 50000uakt; it is {0}")]
    MaxFee(Coin),
    /// Not an address.
    #[error("`fee_granter` must be an account's address (akash1...); it is `{0}`")]
    FeeGranter(String),
    /// The user agent is not a header's value, or the system's TLS roots cannot be used.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(String),
}

impl ConfigError {
    /// The setting that is wrong, as users know it; `None` where it is the endpoints or this machine.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::TxTimeout(_) => Some("transaction_timeout"),
            Self::GasAdjustment(_) => Some("gas_adjustment"),
            Self::GasPrice(_) => Some("gas_price"),
            Self::MaxFee(_) => Some("max_fee"),
            Self::FeeGranter(_) => Some("fee_granter"),
            Self::NoEndpoints | Self::Http(_) => None,
        }
    }
}

/// What the network says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The chain's id.
    pub chain_id: String,
    /// The version of the node that answered; may be empty.
    pub node_version: String,
    /// Module and version, as the node lists them for its newest API version.
    pub modules: Vec<(String, String)>,
}

/// The modules and versions that this crate speaks (reference: akash 1.1).
const NEEDED: [(&str, &str); 6] = [
    ("audit", "v1"),
    ("cert", "v1"),
    ("deployment", "v1beta4"),
    ("escrow", "v1"),
    ("market", "v1beta5"),
    ("provider", "v1beta4"),
];

/// A chain. Cloning shares everything: connections, snapshots, the transaction pipeline.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: ChainConfig,
    pub(crate) nodes: Vec<Arc<node::Node>>,
    /// Known once one node has been asked, and checked against the configuration.
    pub(crate) chain_id: OnceLock<String>,
    pub(crate) network: OnceCell<Network>,
    /// The height of our own last included transaction: nodes below it are behind.
    pub(crate) floor: AtomicU64,
    /// The highest height that any answer was given at.
    pub(crate) seen: AtomicU64,
    pub(crate) cache: Cache,
    /// The running watches of markets.
    pub(crate) markets: Feeds,
    pub(crate) pipeline: Pipeline,
    pub(crate) patience: Patience,
}

impl Chain {
    /// Checks the configuration; does no I/O.
    pub fn new(config: ChainConfig) -> Result<Self, ConfigError> {
        Self::with_patience(config, Patience::default())
    }

    pub(crate) fn with_patience(config: ChainConfig, patience: Patience) -> Result<Self, ConfigError> {
        if config.endpoints.is_empty() {
            return Err(ConfigError::NoEndpoints);
        }
        if !(Duration::from_secs(1)..=LONGEST_TX_TIMEOUT).contains(&config.tx_timeout) {
            return Err(ConfigError::TxTimeout(config.tx_timeout));
        }
        if let Some(adjustment) = config.gas_adjustment
            && !(Dec::from(1)..=Dec::from(10)).contains(&adjustment)
        {
            return Err(ConfigError::GasAdjustment(adjustment));
        }
        if let Some(price) = &config.gas_price
            && (price.denom != "uakt" || price.amount <= Dec::ZERO)
        {
            return Err(ConfigError::GasPrice(price.clone()));
        }
        if let Some(max_fee) = &config.max_fee
            && max_fee.denom != "uakt"
        {
            return Err(ConfigError::MaxFee(max_fee.clone()));
        }
        if let Some(granter) = &config.fee_granter
            && !address::is_address(granter)
        {
            return Err(ConfigError::FeeGranter(granter.clone()));
        }
        let http =
            node::http_client(&config.user_agent).map_err(|error| ConfigError::Http(error.to_string()))?;
        let nodes = config
            .endpoints
            .iter()
            .map(|endpoint| {
                Arc::new(node::Node::new(endpoint.clone(), http.clone(), config.user_agent.clone()))
            })
            .collect();
        Ok(Self(Arc::new(Inner {
            config,
            nodes,
            chain_id: OnceLock::new(),
            network: OnceCell::new(),
            floor: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            cache: Cache::default(),
            markets: Feeds::default(),
            pipeline: Pipeline::default(),
            patience,
        })))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Takes it for known that the chain has this height, as remembered from an earlier run: answers from below it do
    /// not count, their node is behind. Never lowers it.
    pub fn remember_height(&self, height: u64) {
        self.0.floor.fetch_max(height, Ordering::Relaxed);
    }

    /// The height below which answers do not count: that of our own last included transaction, or a remembered one; 0
    /// where there is neither.
    pub fn remembered_height(&self) -> u64 {
        self.0.floor.load(Ordering::Relaxed)
    }

    /// The account that sends, if one is configured.
    pub fn account(&self) -> Option<&Account> {
        self.0.config.account.as_ref()
    }

    /// The address of the account that sends, if one is configured.
    pub fn address(&self) -> Option<&str> {
        self.account().map(Account::address)
    }

    /// The chain id: the configured one, or the one found by the first query.
    pub fn chain_id(&self) -> Option<&str> {
        self.0.config.chain_id.as_deref().or_else(|| self.0.chain_id.get().map(String::as_str))
    }

    /// Checks once that the nodes are of the configured chain and serve the module versions that this crate speaks.
    /// A success is remembered; concurrent callers share one check.
    pub async fn check(&self) -> Result<&Network, QueryError> {
        self.0
            .network
            .get_or_try_init(async || {
                let (endpoint, info) = match self.discovery().await {
                    Err(QueryError::Endpoints { faults, .. })
                        if faults.iter().any(|fault| fault.kind == FaultKind::Unserved) =>
                    {
                        return self.probe().await;
                    }
                    found => found?,
                };
                let serves = |(module, version): &(&str, &str)| {
                    info.supported_versions.iter().any(|api| {
                        api.modules.iter().any(|entry| entry.module == *module && entry.version == *version)
                    })
                };
                let missing: Vec<String> = NEEDED
                    .iter()
                    .filter(|needed| !serves(needed))
                    .map(|(module, version)| format!("{module} {version}"))
                    .collect();
                if !missing.is_empty() {
                    let node_version = info.node_version;
                    return Err(QueryError::Modules { endpoint, node_version, missing: missing.join(", ") });
                }
                let newest = info.supported_versions.into_iter().next().unwrap_or_default();
                Ok(Network {
                    chain_id: self.0.chain_id.get().cloned().unwrap_or(info.chain_id),
                    node_version: info.node_version,
                    modules: newest.modules.into_iter().map(|entry| (entry.module, entry.version)).collect(),
                })
            })
            .await
    }

    /// The check where no endpoint serves the discovery: queries whose paths hold the versions.
    async fn probe(&self) -> Result<Network, QueryError> {
        futures::try_join!(self.deployment_params(), self.market_params())?;
        let chain_id = self.chain_id().unwrap_or_default().to_owned();
        let modules = vec![("deployment".into(), "v1beta4".into()), ("market".into(), "v1beta5".into())];
        Ok(Network { chain_id, node_version: String::new(), modules })
    }
}
