//! The `provider "akash"` block and the environment: what can be set, and what it comes to.
//!
//! No I/O here; `clients.rs` builds clients from the settings.

mod form;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

use secrecy::SecretString;
use tfplugin::{Diagnostics, Model, Number, Path, Value};

pub(crate) use settings::{Given, Mnemonic, Settings};
pub(crate) use validate::validate;

/// Deploys to [Akash Network](https://akash.network), the decentralised cloud: deployments, bids and leases, signed
/// with your own wallet. Every argument can also come from the environment; an argument beats its variable, and a
/// variable with nothing in it counts as not set.
#[derive(Debug, Default, Model)]
#[model(optional)]
pub struct ProviderConfig {
    /// Preset of chain id and endpoints: `mainnet`, `sandbox` (also `testnet`) or `devnet`. Environment:
    /// `AKASH_NETWORK`. There is no default: a wallet should not be one typing error away from another chain.
    network: Value<String>,
    /// Addresses of nodes: `grpc://`, `grpcs://`, or any `http(s)://` address of a node: whether it passes gRPC-Web,
    /// RPC or REST JSON is found out once, and can be forced (`web+https://`, `rpc+https://`, `rest+https://`). Used in
    /// order of health; beats the preset's. Environment: `AKASH_ENDPOINTS`, also `AKASH_GRPC_ENDPOINT`,
    /// `AKASH_REST_ENDPOINT`, `AKASH_NODE` (comma lists); the variables count only if neither `network` nor `endpoints`
    /// is set as an argument.
    endpoints: Value<Vec<Value<String>>>,
    /// Refused when the node says otherwise. Environment: `AKASH_CHAIN_ID`.
    chain_id: Value<String>,
    /// The wallet's BIP-39 words. Better in the environment: `AKASH_MNEMONIC`. Without a wallet everything that signs
    /// is an error; plans, data sources and validation work.
    #[model(sensitive, secret)]
    mnemonic: Value<SecretString>,
    /// A file with the words; `~/` is the home directory. A regular file of at most 4 KiB. Environment:
    /// `AKASH_MNEMONIC_FILE`.
    mnemonic_file: Value<String>,
    /// Last part of the HD path `m/44'/118'/0'/0/i`, default 0. Environment: `AKASH_ACCOUNT_INDEX`.
    account_index: Value<Number>,
    /// Owner for read-only use; with a wallet it must be the wallet's. Environment: `AKASH_WALLET_ADDRESS`.
    wallet_address: Value<String>,
    /// Price of gas, for example `0.025uakt`, the default; never below what the node asks. Environment:
    /// `AKASH_GAS_PRICE`.
    gas_price: Value<String>,
    /// What simulated gas is multiplied by, from 1 to 10; by default by kind of message. Environment:
    /// `AKASH_GAS_ADJUSTMENT`.
    gas_adjustment: Value<Number>,
    /// The most that one transaction's fee may be, for example `50000uakt`. Environment: `AKASH_MAX_FEE`.
    max_fee: Value<String>,
    /// Account that pays the fees by a fee grant.
    fee_granter: Value<String>,
    /// Where deposits come from, in order: `balance`, `grant`. Default `["balance"]`.
    deposit_sources: Value<Vec<Value<String>>>,
    /// How long a transaction may take to come into a block, in block time: after it, the transaction is dead for
    /// certain. Default `60s`; at most `10m`, the chain's limit. Environment: `AKASH_TRANSACTION_TIMEOUT`.
    #[model(validate = form::check_transaction_timeout)]
    transaction_timeout: Value<String>,
    /// Directory of the journal: what is about to be sent is written there first, so that a deployment or lease whose
    /// creation is cut off is taken over by the next apply instead of being lost with its escrow. Default:
    /// `terraform-provider-akash/journal` in the user's state directory (`~/.local/state` on Linux). `~/` is the home
    /// directory. Keep it between runs, also in CI. `""` turns the journal off, with a warning. Environment:
    /// `AKASH_JOURNAL_DIR`.
    journal_directory: Value<String>,
}

/// The environment as a lookup, so that tests have their own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's environment; a variable with nothing in it counts as not set.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// An error about a setting: on the argument, or, of a variable that stood in for it, with its name.
pub(crate) fn setting_error(
    setting: &str,
    summary: impl Into<String>,
    detail: impl Into<String>,
    diagnostics: &mut Diagnostics,
) {
    let summary = summary.into();
    if !setting.starts_with("AKASH_") {
        diagnostics.error_at(&Path::root(setting), summary, detail);
    } else if summary.contains(setting) {
        diagnostics.error(summary, detail);
    } else {
        diagnostics.error(format!("{summary} ({setting})"), detail);
    }
}

impl ProviderConfig {
    /// The first argument whose value is not known yet, in a plan.
    pub(crate) fn unknown(&self) -> Option<&'static str> {
        let list = |value: &Value<Vec<Value<String>>>| {
            value.is_unknown() || value.known().is_some_and(|items| items.iter().any(Value::is_unknown))
        };
        [
            (self.network.is_unknown(), "network"),
            (list(&self.endpoints), "endpoints"),
            (self.chain_id.is_unknown(), "chain_id"),
            (self.mnemonic.is_unknown(), "mnemonic"),
            (self.mnemonic_file.is_unknown(), "mnemonic_file"),
            (self.account_index.is_unknown(), "account_index"),
            (self.wallet_address.is_unknown(), "wallet_address"),
            (self.gas_price.is_unknown(), "gas_price"),
            (self.gas_adjustment.is_unknown(), "gas_adjustment"),
            (self.max_fee.is_unknown(), "max_fee"),
            (self.fee_granter.is_unknown(), "fee_granter"),
            (list(&self.deposit_sources), "deposit_sources"),
            (self.transaction_timeout.is_unknown(), "transaction_timeout"),
            (self.journal_directory.is_unknown(), "journal_directory"),
        ]
        .into_iter()
        .find_map(|(unknown, name)| unknown.then_some(name))
    }
}
