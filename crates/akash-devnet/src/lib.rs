//! A local Akash network in one process: chain, three providers, faults.
//!
//! ```no_run
//! use akash_devnet::{Devnet, DevnetConfig, Fault, Ports};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let devnet = Devnet::start(DevnetConfig { ports: Ports::Free, ..DevnetConfig::default() }).await?;
//! println!("{} {} {}", devnet.endpoints(), devnet.chain_id(), devnet.mnemonic());
//! devnet.faults().times(Fault::LoseBroadcast, 1);
//! devnet.wait_blocks(2).await;
//! devnet.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # For providers
//!
//! A provider ([`provider::ProviderService`]) is started with a [`provider::ProviderContext`] that holds a
//! [`ChainHandle`]:
//!
//! - [`ChainHandle::subscribe`] gives every [`Block`] with its [`ChainEvent`]s (orders, leases, updates, closings).
//! - [`ChainHandle::submit`] signs messages with a [`Wallet`], sends them through the ante checks like anyone's, and
//!   returns when they are in a block or refused.
//! - [`ChainHandle::state`] is a snapshot of the whole chain; [`ChainHandle::deployment`] (hash and groups),
//!   [`ChainHandle::lease`], [`ChainHandle::leases`], [`ChainHandle::public_key`] and
//!   [`ChainHandle::valid_certificates`] are what a gateway asks for.
//! - [`ChainHandle::faults`] are the [`Faults`]: `take` one that concerns you, `watch` for those that start and stop.
//!
//! The three providers of [`DevnetConfig`] differ in attributes, price factor and [`StatusStyle`]; their on-chain
//! records (attributes, host URI `https://localhost:PORT`, one audited) are made before they start.

pub mod chain;
mod config;
mod devnet;
mod faults;
mod handle;
mod node;
pub mod provider;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod recorded_act;
mod server;
mod start;
mod store;
mod wallet;

pub use chain::{events::ChainEvent, operator::Operator, state::State};
pub use config::{
    AUDITOR_INDEX, Blocks, Coins, DEV_MNEMONIC, DevnetConfig, FIRST_PROVIDER_INDEX, Ports, ProviderConfig,
    StatusStyle,
};
pub use devnet::{Devnet, ProviderInfo};
pub use faults::{Endpoint, Fault, FaultId, Faults};
pub use handle::{ChainHandle, Ordering, SubmitError, sign_transaction};
pub use node::{Block, Checked, Counters, TxRecord};
pub use start::StartError;
pub use wallet::{Wallet, WalletError, new_mnemonic};
