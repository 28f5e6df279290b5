//! The `provider "akash"` block and the environment: what can be set, and what it comes to.
//!
//! No I/O here; `clients.rs` builds clients from the settings.

mod form;
mod resolve;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

use secrecy::SecretString;
use serde::Deserialize;
use tfplugin::{Diagnostics, Number, Path, Value};

pub(crate) use schema::schema;
pub(crate) use settings::{Given, Mnemonic, Settings};
pub(crate) use validate::validate;

/// The block as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProviderConfig {
    network: Value<String>,
    endpoints: Value<Vec<Value<String>>>,
    chain_id: Value<String>,
    mnemonic: Value<SecretString>,
    mnemonic_file: Value<String>,
    account_index: Value<Number>,
    wallet_address: Value<String>,
    gas_price: Value<String>,
    gas_adjustment: Value<Number>,
    max_fee: Value<String>,
    fee_granter: Value<String>,
    deposit_sources: Value<Vec<Value<String>>>,
    transaction_timeout: Value<String>,
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
