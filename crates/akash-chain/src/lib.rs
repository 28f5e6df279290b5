#![doc = include_str!("../README.md")]

mod account;
#[cfg(test)]
mod behaviour;
mod cache;
mod chain;
mod error_table;
mod errors;
mod fate;
mod journal;
#[cfg(test)]
mod mock;
mod msg;
mod network;
mod nodes;
mod outcome;
mod pipeline;
mod query;
#[cfg(test)]
mod recordings;
mod tx;
mod wallet;
mod watch;

pub use account::Account;
pub use akash_proto::address::is_address;
pub use cache::{Listing, Registry};
pub use chain::{Chain, ChainConfig, ConfigError, GasPrice, Network};
pub use errors::{ChainError, Kind, message_index};
pub use fate::requested_coin;
pub use journal::{Conclusion, Intent, Journal};
pub use msg::{Label, Labelled, Msg};
pub use network::{PRESETS, Preset, preset};
pub use nodes::{
    Carrier, Endpoint, EndpointError,
    fault::{Fault, FaultKind},
};
pub use outcome::{Fate, OpenReason, Outcome, Pending, PendingFee, Refusal, Shortfall, Stage, SubmitError};
pub use query::{Block, QueryError};
pub use wallet::{Wallet, WalletError};
pub use watch::{Market, MarketWatch};
