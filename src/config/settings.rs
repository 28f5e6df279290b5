//! What the block and the environment come to, as values that clients are built from.

use std::path::PathBuf;
use std::time::Duration;

use akash_chain::Endpoint;
use akash_proto::{Coin, Dec};
use secrecy::SecretString;

/// A value with the argument or variable that gave it, for errors about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given<T> {
    /// The value.
    pub(crate) value: T,
    /// The argument's name, or the variable's.
    pub(crate) from: &'static str,
}

/// Where the words of the wallet come from.
#[derive(Debug)]
pub(crate) enum Mnemonic {
    /// Given, by the named argument or variable.
    Words(SecretString, &'static str),
    /// In a file, which the named argument or variable points to.
    File(PathBuf, &'static str),
}

/// What the block and the environment come to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The preset's name, if one was chosen.
    pub(crate) network: Option<&'static str>,
    /// Addresses of nodes, in order, and the setting that they came from.
    pub(crate) endpoints: Given<Vec<Endpoint>>,
    /// The chain that the endpoints must be of.
    pub(crate) chain_id: Option<Given<String>>,
    /// The wallet's words, if there is a wallet.
    pub(crate) mnemonic: Option<Mnemonic>,
    /// The last part of the HD path.
    pub(crate) account_index: u32,
    /// The owner for read-only use; with a wallet it must match.
    pub(crate) wallet_address: Option<Given<String>>,
    /// uakt per gas, if set.
    pub(crate) gas_price: Option<Dec>,
    /// What simulated gas is multiplied by, if set.
    pub(crate) gas_adjustment: Option<Dec>,
    /// The most that one transaction's fee may be, if limited.
    pub(crate) max_fee: Option<Coin>,
    /// The account that pays fees, if another.
    pub(crate) fee_granter: Option<String>,
    /// Where deposits come from, in order: `balance`, `grant`.
    pub(crate) deposit_sources: Vec<String>,
    /// `AKASH_REASON`: the reason of resources that give none.
    pub(crate) reason: Option<String>,
    /// How long a transaction may take to come into a block, if set.
    pub(crate) transaction_timeout: Option<Duration>,
    /// Where the journal is; `None` where it is turned off.
    pub(crate) journal_directory: Option<PathBuf>,
}
