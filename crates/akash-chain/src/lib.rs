#![doc = include_str!("../README.md")]

#[cfg(test)]
mod behaviour;
mod broadcast;
mod chain;
mod endpoint;
mod error_table;
mod errors;
mod fate;
mod gas;
mod journal;
mod listing;
#[cfg(test)]
mod mock;
mod msg;
mod network;
mod outcome;
mod query;
mod read;
#[cfg(test)]
mod recordings;
mod simulate;
mod submit;
mod tx;
mod wallet;
mod watch;

pub use akash_proto::address::is_address;
pub use chain::{Chain, ChainConfig, ConfigError, GasPrice, Network};
pub use endpoint::{
    Carrier, Endpoint, EndpointError,
    fault::{Fault, FaultKind},
};
pub use errors::{ChainError, Kind, message_index};
pub use fate::requested_coin;
pub use journal::{Conclusion, Journal};
pub use listing::{Listing, Registry};
pub use msg::Msg;
pub use network::{PRESETS, Preset, preset};
pub use outcome::{Fate, OpenReason, Outcome, Pending, PendingFee, Refusal, Shortfall, Stage, SubmitError};
pub use read::{Block, QueryError};
pub use wallet::{Wallet, WalletError};
pub use watch::{Market, MarketWatch};
