//! Endpoints, wallet, transactions and queries of Akash Network. See the crate's README.
//!
//! The crate must not know Terraform, SDL, or providers' gateways.

mod address;
mod chain;
mod endpoint;
mod error_table;
mod errors;
mod listing;
mod msg;
mod network;
mod outcome;
mod query;
mod wallet;

pub use address::is_address;
pub use chain::{Chain, ChainConfig, ConfigError, GasPrice, Network};
pub use endpoint::{Carrier, Endpoint, EndpointError};
pub use errors::{ChainError, Kind, message_index};
pub use listing::Listing;
pub use msg::Msg;
pub use network::{PRESETS, Preset, preset};
pub use outcome::{Fate, OpenReason, Outcome, Pending, PendingFee, Refusal, Stage, SubmitError};
pub use query::{Block, QueryError};
pub use wallet::{Wallet, WalletError};
