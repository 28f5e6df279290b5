//! What a devnet is started with.
//!
//! This file must not know how any of it is carried out.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use akash_proto::Dec;

/// The mnemonic whose account 0 is the funded tenant of a default devnet. Public, worth nothing anywhere.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// HD account index of [`DEV_MNEMONIC`] from which the default providers' keys are taken.
pub const FIRST_PROVIDER_INDEX: u32 = 100;

/// HD account index of [`DEV_MNEMONIC`] that is the default auditor.
pub const AUDITOR_INDEX: u32 = 99;

/// Which TCP ports on 127.0.0.1 the devnet takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ports {
    /// gRPC 19090, REST 11317, RPC 36657, control 17070, provider gateways from 18443 on. A real node's own ports stay free.
    #[default]
    Default,
    /// Whatever is free.
    Free,
}

/// How time passes on the devnet's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Blocks {
    /// A block every `block_time`.
    #[default]
    Timed,
    /// Only when [`Devnet::step`](crate::Devnet::step) is called (for tests).
    Manual,
}

/// An amount of each denomination, in smallest units.
pub type Coins = BTreeMap<String, u128>;

/// What a lease status of a provider looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusStyle {
    /// Addresses, forwarded ports, IPs and replica counters.
    #[default]
    Full,
    /// As the real daemon was seen to answer: `available` and `total` only, `uris` null, counters 0.
    Sparse,
}

/// One provider of the devnet.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// A short name for faults and logs, for example `west`.
    pub name: String,
    /// HD account index of `mnemonic` in [`DevnetConfig`].
    pub key_index: u32,
    /// On-chain attributes, in this order.
    pub attributes: Vec<(String, String)>,
    /// Multiplies the price script's result.
    pub price_factor: Dec,
    /// Whether the auditor has signed the attributes.
    pub audited: bool,
    /// The form of its lease status.
    pub status_style: StatusStyle,
    /// What it holds at genesis, for fees and bid deposits.
    pub funds: Coins,
}

/// What a devnet is started with. `Default` is a chain `devnet-1` with a block a second, three providers and one
/// funded tenant ([`DEV_MNEMONIC`], 1000000 AKT and 1000000 ACT).
#[derive(Debug, Clone)]
pub struct DevnetConfig {
    /// Time between blocks.
    pub block_time: Duration,
    /// Timed or manual blocks.
    pub blocks: Blocks,
    /// The ports.
    pub ports: Ports,
    /// The chain's id.
    pub chain_id: String,
    /// The seed words of tenant, auditor and providers.
    pub mnemonic: String,
    /// What the tenant (account 0 of `mnemonic`) holds at genesis.
    pub tenant_funds: Coins,
    /// The providers.
    pub providers: Vec<ProviderConfig>,
    /// The price of 1 AKT in USD that the oracle reports; `None` is an oracle without a price, on which BME stands still.
    pub akt_price: Option<Dec>,
    /// A file that keeps the chain over restarts of the process. `None` keeps nothing.
    pub state_file: Option<PathBuf>,
    /// How long a provider waits for a lease before it closes its own bid.
    pub bid_timeout: Duration,
    /// How long a provider waits for the manifest of a lease before it closes the lease.
    pub manifest_timeout: Duration,
}

/// `amount` of both denominations that the chain knows.
fn both(uakt: u128, uact: u128) -> Coins {
    BTreeMap::from([("uakt".to_owned(), uakt), ("uact".to_owned(), uact)])
}

impl Default for DevnetConfig {
    fn default() -> Self {
        let providers = [
            ("west", "us-west", "community", "1", true, StatusStyle::Full),
            ("east", "us-east", "professional", "1.25", false, StatusStyle::Sparse),
            ("europe", "eu-central", "community", "0.9", false, StatusStyle::Full),
        ];
        let provider = |index: u32,
                        (name, region, tier, factor, audited, status_style): (
            &str,
            &str,
            &str,
            &str,
            bool,
            StatusStyle,
        )| {
            ProviderConfig {
                name: name.to_owned(),
                key_index: FIRST_PROVIDER_INDEX + index,
                attributes: [
                    ("region", region),
                    ("host", "akash"),
                    ("tier", tier),
                    ("organization", name),
                    ("capabilities/storage/1/persistent", "true"),
                    ("capabilities/storage/1/class", "beta2"),
                    ("capabilities/storage/2/persistent", "true"),
                    ("capabilities/storage/2/class", "beta3"),
                    // Shared memory: providers that offer it say so, like this.
                    ("capabilities/storage/3/persistent", "false"),
                    ("capabilities/storage/3/class", "ram"),
                ]
                .into_iter()
                // One of them has GPUs.
                .chain(audited.then_some(("capabilities/gpu/vendor/nvidia/model/a100", "true")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
                price_factor: factor.parse().unwrap_or_default(),
                audited,
                status_style,
                funds: both(1_000_000_000_000, 1_000_000_000_000),
            }
        };
        Self {
            block_time: Duration::from_secs(1),
            blocks: Blocks::default(),
            ports: Ports::default(),
            chain_id: "devnet-1".to_owned(),
            mnemonic: DEV_MNEMONIC.to_owned(),
            tenant_funds: both(1_000_000_000_000, 1_000_000_000_000),
            providers: (0..).zip(providers).map(|(index, row)| provider(index, row)).collect(),
            akt_price: "1.25".parse().ok(),
            state_file: None,
            bid_timeout: Duration::from_secs(300),
            manifest_timeout: Duration::from_secs(300),
        }
    }
}
