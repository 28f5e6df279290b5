//! The `provider "akash"` block: its schema, and what it means together with the environment.
//!
//! Settings are resolved here without I/O; `provider.rs` builds clients from them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use akash_chain::{PRESETS, Preset, is_address};
use akash_proto::{Coin, Dec};
use secrecy::SecretString;
use serde::Deserialize;
use tfplugin::{Attribute, Diagnostics, Dynamic, Number, Path, Schema, Type, Value};

use crate::{journal, lifecycle::duration};

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

/// Where the words of the wallet come from.
#[derive(Debug)]
pub(crate) enum Mnemonic {
    /// Given, by the named argument or variable.
    Words(SecretString, &'static str),
    /// In a file, which the named argument or variable points to.
    File(String, &'static str),
}

/// What the block and the environment come to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The preset's name, if one was chosen.
    pub(crate) network: Option<&'static str>,
    /// Addresses of nodes, in order.
    pub(crate) endpoints: Vec<String>,
    /// The setting that the endpoints came from, for errors about them.
    pub(crate) endpoints_from: &'static str,
    /// The chain that the endpoints must be of.
    pub(crate) chain_id: Option<String>,
    /// The wallet's words, if there is a wallet.
    pub(crate) mnemonic: Option<Mnemonic>,
    /// The last part of the HD path.
    pub(crate) account_index: u32,
    /// The owner for read-only use; with a wallet it must match.
    pub(crate) wallet_address: Option<String>,
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

/// The environment as a lookup, so that tests have their own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's environment; an empty variable counts as not set.
pub(crate) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

const ENDPOINT_VARIABLES: [&str; 4] =
    ["AKASH_ENDPOINTS", "AKASH_GRPC_ENDPOINT", "AKASH_REST_ENDPOINT", "AKASH_NODE"];

/// The schema of the block.
pub(crate) fn schema() -> Schema {
    let string = || Attribute::string().optional();
    Schema::new(
        "Deploys to [Akash Network](https://akash.network), the decentralised cloud: deployments, bids and leases, \
         signed with your own wallet. Every argument can also come from the environment; an argument beats its \
         variable.",
    )
    .attribute("network", string().description("Preset of chain id and endpoints: `mainnet`, `sandbox` (also `testnet`) or `devnet`. Environment: `AKASH_NETWORK`. There is no default: a wallet should not be one typing error away from another chain."))
    .attribute("endpoints", Attribute::list(Type::String).optional().description("Addresses of nodes: `grpc://`, `grpcs://`, or any `http(s)://` address of a node: whether it passes gRPC-Web, RPC or REST JSON is found out once, and can be forced (`web+https://`, `rpc+https://`, `rest+https://`). Used in order of health; beats the preset's. Environment: `AKASH_ENDPOINTS`, also `AKASH_GRPC_ENDPOINT`, `AKASH_REST_ENDPOINT`, `AKASH_NODE` (comma lists); the variables count only if neither `network` nor `endpoints` is set as an argument."))
    .attribute("chain_id", string().description("Refused when the node says otherwise. Environment: `AKASH_CHAIN_ID`."))
    .attribute("mnemonic", string().sensitive().description("The wallet's BIP-39 words. Better in the environment: `AKASH_MNEMONIC`. Without a wallet everything that signs is an error; plans, data sources and validation work."))
    .attribute("mnemonic_file", string().description("A file with the words. Environment: `AKASH_MNEMONIC_FILE`."))
    .attribute("account_index", Attribute::number().optional().description("Last part of the HD path `m/44'/118'/0'/0/i`, default 0. Environment: `AKASH_ACCOUNT_INDEX`."))
    .attribute("wallet_address", string().description("Owner for read-only use; with a wallet it must be the wallet's. Environment: `AKASH_WALLET_ADDRESS`."))
    .attribute("gas_price", string().description("Price of gas, for example `0.025uakt`, the default; never below what the node asks. Environment: `AKASH_GAS_PRICE`."))
    .attribute("gas_adjustment", Attribute::number().optional().description("What simulated gas is multiplied by; by default by kind of message. Environment: `AKASH_GAS_ADJUSTMENT`."))
    .attribute("max_fee", string().description("The most that one transaction's fee may be, for example `50000uakt`. Environment: `AKASH_MAX_FEE`."))
    .attribute("fee_granter", string().description("Account that pays the fees by a fee grant."))
    .attribute("deposit_sources", Attribute::list(Type::String).optional().description("Where deposits come from, in order: `balance`, `grant`. Default `[\"balance\"]`."))
    .attribute("transaction_timeout", string().validate(transaction_timeout).description("How long a transaction may take to come into a block, in block time: after it, the transaction is dead for certain. Default `60s`; at most `10m`, the chain's limit. Environment: `AKASH_TRANSACTION_TIMEOUT`."))
    .attribute("journal_directory", string().description("Directory of the journal: what is about to be sent is written there first, so that a deployment or lease whose creation is cut off is taken over by the next apply instead of being lost with its escrow. Default: `terraform-provider-akash/journal` in the user's state directory (`~/.local/state` on Linux). Keep it between runs, also in CI. `\"\"` turns the journal off, with a warning. Environment: `AKASH_JOURNAL_DIR`."))
}

/// A transaction's timeout, which the chain bounds.
fn within_the_chains_limit(text: &str) -> Option<Duration> {
    duration::parse(text).ok().filter(|timeout| *timeout <= Duration::from_secs(600))
}

fn transaction_timeout(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) if within_the_chains_limit(text).is_none() => {
            Err(format!("`{text}` is not a duration from `1s` to `10m`"))
        }
        _ => Ok(()),
    }
}

/// Refuses contradictions, and warns of a journal that is off.
pub(crate) fn validate(config: &ProviderConfig, diagnostics: &mut Diagnostics) {
    if config.journal_directory.known().is_some_and(String::is_empty) {
        diagnostics.warning_at(
            &Path::root("journal_directory"),
            "The journal is off",
            "A deployment whose creation is cut off (a crash, a lost machine) is not found again: its escrow pays until \
             somebody closes it by hand. Remove the argument, or name a directory that is kept between runs.",
        );
    }
    if config.mnemonic.is_known() && config.mnemonic_file.is_known() {
        diagnostics.error_at(
            &Path::root("mnemonic_file"),
            "Two wallets",
            "Both `mnemonic` and `mnemonic_file` are set; the provider signs with one wallet. Remove one of them.",
        );
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

    /// The settings. Errors name the argument or the variable; then there are no settings.
    pub(crate) fn resolve(self, env: Environment<'_>, diagnostics: &mut Diagnostics) -> Option<Settings> {
        let mut resolver = Resolver { env, diagnostics, failed: false };
        let place = resolver.place(&self);
        let account_index = resolver.number(self.account_index, "account_index", "AKASH_ACCOUNT_INDEX");
        let account_index = resolver.parsed(account_index, "a whole number from 0 to 2147483647", |text| {
            text.parse().ok().filter(|index: &u32| *index < 1 << 31)
        });
        let gas_price = resolver.text(self.gas_price, "gas_price", "AKASH_GAS_PRICE");
        let gas_price = resolver.parsed(gas_price, "a price in uakt, for example `0.025uakt`", |text| {
            text.strip_suffix("uakt")?.parse().ok()
        });
        let gas_adjustment = resolver.number(self.gas_adjustment, "gas_adjustment", "AKASH_GAS_ADJUSTMENT");
        let gas_adjustment =
            resolver.parsed(gas_adjustment, "a number of at least 1, for example 1.5", |text| {
                text.parse().ok().filter(|factor: &Dec| *factor >= Dec::from(1))
            });
        let max_fee = resolver.text(self.max_fee, "max_fee", "AKASH_MAX_FEE");
        let max_fee = resolver.parsed(max_fee, "a coin in uakt, for example `50000uakt`", |text| {
            text.parse().ok().filter(|coin: &Coin| coin.denom == "uakt")
        });
        let deposit_sources = resolver.deposit_sources(self.deposit_sources);
        let wallet_address = resolver.text(self.wallet_address, "wallet_address", "AKASH_WALLET_ADDRESS");
        let wallet_address = resolver.address(wallet_address);
        let fee_granter = self.fee_granter.into_known().map(|text| Given { text, from: "fee_granter" });
        let fee_granter = resolver.address(fee_granter);
        let mnemonic = match (self.mnemonic, self.mnemonic_file) {
            (Value::Known(words), _) => Some(Mnemonic::Words(words, "mnemonic")),
            (_, Value::Known(file)) => Some(Mnemonic::File(file, "mnemonic_file")),
            _ => (env("AKASH_MNEMONIC").map(|words| Mnemonic::Words(words.into(), "AKASH_MNEMONIC")))
                .or_else(|| {
                    env("AKASH_MNEMONIC_FILE").map(|file| Mnemonic::File(file, "AKASH_MNEMONIC_FILE"))
                }),
        };
        let timeout =
            resolver.text(self.transaction_timeout, "transaction_timeout", "AKASH_TRANSACTION_TIMEOUT");
        let transaction_timeout =
            resolver.parsed(timeout, "a duration from `1s` to `10m`", within_the_chains_limit);
        // Without a wallet nothing is sent, so nothing need be written down.
        let journal_directory = mnemonic.as_ref().and_then(|_| {
            resolver.journal(self.journal_directory.into_known().or_else(|| env("AKASH_JOURNAL_DIR")))
        });
        let failed = resolver.failed;
        let Place { network, endpoints, endpoints_from, chain_id } = place.filter(|_| !failed)?;
        Some(Settings {
            network,
            endpoints,
            endpoints_from,
            chain_id,
            mnemonic,
            account_index: account_index.unwrap_or(0),
            wallet_address,
            gas_price,
            gas_adjustment,
            max_fee,
            fee_granter,
            deposit_sources,
            reason: env("AKASH_REASON"),
            transaction_timeout,
            journal_directory,
        })
    }
}

/// A value with the argument or variable that gave it.
struct Given {
    text: String,
    from: &'static str,
}

/// Which chain, and where.
struct Place {
    network: Option<&'static str>,
    endpoints: Vec<String>,
    endpoints_from: &'static str,
    chain_id: Option<String>,
}

struct Resolver<'a> {
    env: Environment<'a>,
    diagnostics: &'a mut Diagnostics,
    failed: bool,
}

impl Resolver<'_> {
    fn error(&mut self, setting: &'static str, summary: impl Into<String>, detail: impl Into<String>) {
        self.failed = true;
        if setting.starts_with("AKASH_") {
            self.diagnostics.error(summary, detail);
        } else {
            self.diagnostics.error_at(&Path::root(setting), summary, detail);
        }
    }

    fn text(&self, argument: Value<String>, name: &'static str, variable: &'static str) -> Option<Given> {
        let from_env = || (self.env)(variable).map(|text| Given { text, from: variable });
        argument.into_known().map(|text| Given { text, from: name }).or_else(from_env)
    }

    fn number(&self, argument: Value<Number>, name: &'static str, variable: &'static str) -> Option<Given> {
        self.text(argument.map(|number| number.to_string()), name, variable)
    }

    fn parsed<T>(
        &mut self,
        given: Option<Given>,
        form: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Given { text, from } = given?;
        let value = parse(text.trim());
        if value.is_none() {
            self.error(from, format!("`{from}` is not in its form"), format!("`{text}` is not {form}."));
        }
        value
    }

    fn address(&mut self, given: Option<Given>) -> Option<String> {
        self.parsed(given, "an account address of Akash (`akash1…`)", |text| {
            is_address(text).then(|| text.to_owned())
        })
    }

    fn deposit_sources(&mut self, argument: Value<Vec<Value<String>>>) -> Vec<String> {
        let Some(sources) = argument.into_known() else { return vec!["balance".into()] };
        let sources: Vec<String> = sources.into_iter().filter_map(Value::into_known).collect();
        let counted: BTreeMap<&str, ()> = sources.iter().map(|source| (source.as_str(), ())).collect();
        let known = sources.iter().all(|source| source == "balance" || source == "grant");
        if sources.is_empty() || !known || counted.len() != sources.len() {
            self.error(
                "deposit_sources",
                "`deposit_sources` is not in its form",
                "It is a list of `balance` (the wallet's own coins) and `grant` (deposit grants given to the wallet), \
                 each at most once, in the order in which they are used.",
            );
        }
        sources
    }

    /// The journal's directory: as given, else the user's own. An empty text turns it off.
    fn journal(&mut self, given: Option<String>) -> Option<PathBuf> {
        match given {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text.into()),
            None => {
                let directory = journal::default_directory();
                if directory.is_none() {
                    self.error(
                        "journal_directory",
                        "No place for the journal",
                        "This user has no home directory, where the journal is by default. Set `journal_directory` (or \
                         AKASH_JOURNAL_DIR) to a directory that is kept between runs.",
                    );
                }
                directory
            }
        }
    }

    fn preset(&mut self, given: &Given) -> Option<&'static Preset> {
        let preset = akash_chain::preset(&given.text);
        if preset.is_none() {
            self.error(
                given.from,
                format!("No network `{}`", given.text),
                "`network` is `mainnet`, `sandbox` (also `testnet`) or `devnet`. For another chain set `endpoints` \
                 and `chain_id` instead.",
            );
        }
        preset
    }

    /// Which chain and endpoints are meant.
    fn place(&mut self, config: &ProviderConfig) -> Option<Place> {
        let list = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let by_argument = config.network.is_known() || config.endpoints.is_known();
        let network = match self.text(config.network.clone(), "network", "AKASH_NETWORK") {
            Some(given) => Some((self.preset(&given)?, given.from)),
            None => None,
        };
        let chain_id = self.text(config.chain_id.clone(), "chain_id", "AKASH_CHAIN_ID");
        let own = match config.endpoints.known() {
            Some(endpoints) => {
                let endpoints: Vec<String> =
                    endpoints.iter().filter_map(|item| item.known().cloned()).collect();
                if endpoints.is_empty() {
                    self.error(
                        "endpoints",
                        "`endpoints` is empty",
                        "Name at least one node, or leave the argument out.",
                    );
                    return None;
                }
                Some((endpoints, "endpoints"))
            }
            None if by_argument => None,
            None => ENDPOINT_VARIABLES
                .into_iter()
                .find_map(|variable| Some((list(&(self.env)(variable)?), variable)))
                .filter(|(endpoints, _)| !endpoints.is_empty()),
        };
        if let (Some((preset, from)), Some(given)) = (&network, &chain_id)
            && preset.chain_id != given.text
        {
            self.error(
                given.from,
                "Two chains",
                format!(
                    "`{from}` is `{}`, whose chain is `{}`, but `{}` says `{}`. Keep the one that is meant.",
                    preset.name, preset.chain_id, given.from, given.text
                ),
            );
            return None;
        }
        // A chain id alone names a preset, if one has it.
        let preset = match (&network, &chain_id) {
            (Some((preset, _)), _) => Some(*preset),
            (None, Some(given)) => PRESETS.iter().find(|preset| preset.chain_id == given.text),
            (None, None) => None,
        };
        let (endpoints, endpoints_from) = match (own, preset, &chain_id) {
            (Some(own), _, _) => own,
            (None, Some(preset), _) => {
                let endpoints = preset.endpoints.iter().map(|endpoint| (*endpoint).to_owned()).collect();
                (endpoints, network.as_ref().map_or("chain_id", |(_, from)| from))
            }
            (None, None, Some(given)) => {
                self.error(
                    given.from,
                    format!("No endpoints for chain `{}`", given.text),
                    "No preset has this chain id. Set `endpoints` to addresses of its nodes.",
                );
                return None;
            }
            (None, None, None) => {
                self.error(
                    "network",
                    "No network is chosen",
                    "Set `network` to `mainnet`, `sandbox` or `devnet` (or AKASH_NETWORK), or `endpoints` to nodes of \
                     your own. There is no default, so that nothing is spent on a chain that nobody named.",
                );
                return None;
            }
        };
        let chain_id =
            chain_id.map(|given| given.text).or_else(|| preset.map(|preset| preset.chain_id.to_owned()));
        Some(Place { network: preset.map(|preset| preset.name), endpoints, endpoints_from, chain_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(config: ProviderConfig, variables: &[(&str, &str)]) -> (Option<Settings>, Diagnostics) {
        let mut diagnostics = Diagnostics::new();
        let lookup = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        (config.resolve(&lookup, &mut diagnostics), diagnostics)
    }

    fn network(name: &str) -> ProviderConfig {
        ProviderConfig { network: name.into(), ..ProviderConfig::default() }
    }

    #[test]
    fn nothing_set_names_network() {
        let (settings, diagnostics) = resolve(ProviderConfig::default(), &[]);
        assert!(settings.is_none());
        assert_eq!(diagnostics.iter().next().unwrap().path, Some(Path::root("network")));
    }

    #[test]
    fn an_argument_beats_its_variable() {
        let (settings, _) =
            resolve(network("devnet"), &[("AKASH_NETWORK", "mainnet"), ("AKASH_NODE", "http://x")]);
        let settings = settings.unwrap();
        assert_eq!(settings.chain_id.as_deref(), Some("devnet-1"));
        assert!(settings.endpoints.iter().all(|endpoint| endpoint.contains("127.0.0.1")));
    }

    #[test]
    fn endpoint_variables_in_their_order() {
        let variables = [
            ("AKASH_NODE", "http://c"),
            ("AKASH_GRPC_ENDPOINT", "grpc://a, grpc://b"),
            ("AKASH_CHAIN_ID", "x-1"),
        ];
        let (settings, _) = resolve(ProviderConfig::default(), &variables);
        let settings = settings.unwrap();
        assert_eq!(settings.endpoints, ["grpc://a", "grpc://b"]);
        assert_eq!(
            (settings.endpoints_from, settings.chain_id.as_deref()),
            ("AKASH_GRPC_ENDPOINT", Some("x-1"))
        );
    }

    #[test]
    fn contradictions_and_unknown_networks_are_errors() {
        let two = ProviderConfig { chain_id: "devnet-1".into(), ..network("mainnet") };
        assert!(resolve(two, &[]).1.has_errors());
        assert!(resolve(network("main"), &[]).1.has_errors());
        let only_id = ProviderConfig { chain_id: "nowhere-1".into(), ..ProviderConfig::default() };
        assert!(resolve(only_id, &[]).1.has_errors());
        let preset_id = ProviderConfig { chain_id: "akashnet-2".into(), ..ProviderConfig::default() };
        assert_eq!(resolve(preset_id, &[]).0.unwrap().network, Some("mainnet"));
    }

    #[test]
    fn values_out_of_their_form_name_the_setting() {
        let bad = ProviderConfig { gas_price: "0.025uact".into(), max_fee: "5".into(), ..network("devnet") };
        let (settings, diagnostics) = resolve(bad, &[("AKASH_ACCOUNT_INDEX", "-1")]);
        assert!(settings.is_none());
        let told: Vec<String> = diagnostics.iter().map(|one| one.summary.clone()).collect();
        for name in ["gas_price", "max_fee", "AKASH_ACCOUNT_INDEX"] {
            assert!(told.iter().any(|summary| summary.contains(name)), "{name}: {told:?}");
        }
    }

    #[test]
    fn the_journal_has_a_place_unless_it_is_turned_off() {
        let directory = |text: &str, variables: &[(&str, &str)]| {
            let config = ProviderConfig { journal_directory: text.into(), ..network("devnet") };
            resolve(config, variables).0.unwrap().journal_directory
        };
        let variables = [("AKASH_JOURNAL_DIR", "/j"), ("AKASH_MNEMONIC", "words")];
        assert_eq!(directory("", &variables), None);
        assert_eq!(directory("/a", &variables), Some("/a".into()));
        assert_eq!(directory("/a", &[]), None, "no wallet");
        let settings = resolve(network("devnet"), &variables).0.unwrap();
        assert_eq!(settings.journal_directory, Some("/j".into()));
    }

    #[test]
    fn transactions_time_out_within_the_chains_limit() {
        for (text, expected) in
            [("90s", Some(90)), ("10m", Some(600)), ("11m", None), ("0s", None), ("1", None)]
        {
            let config = ProviderConfig { transaction_timeout: text.into(), ..network("devnet") };
            let timeout = resolve(config, &[]).0.and_then(|settings| settings.transaction_timeout);
            assert_eq!(timeout, expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn words_never_show() {
        let config = ProviderConfig { mnemonic: Value::Known("word word word".into()), ..network("devnet") };
        assert!(!format!("{config:?}").contains("word word"));
        let (settings, _) = resolve(config, &[]);
        assert!(!format!("{:?}", settings.unwrap()).contains("word word"));
    }
}
