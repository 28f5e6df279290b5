//! Settings from the block and the environment: an argument beats its variable, and each error stands on what it is about.

use std::collections::BTreeSet;
use std::path::PathBuf;

use akash_chain::{Endpoint, PRESETS, Preset};
use secrecy::ExposeSecret;
use tfplugin::{Diagnostics, Number, Path, Value};

use super::validate::tell_empty;
use super::{Environment, Given, Mnemonic, ProviderConfig, Settings, form, setting_error};
use crate::journal;

const ENDPOINT_VARIABLES: [&str; 4] =
    ["AKASH_ENDPOINTS", "AKASH_GRPC_ENDPOINT", "AKASH_REST_ENDPOINT", "AKASH_NODE"];

impl ProviderConfig {
    /// The settings. Errors name the argument or the variable; then there are no settings.
    pub(crate) fn resolve(self, env: Environment<'_>, diagnostics: &mut Diagnostics) -> Option<Settings> {
        let mut resolver = Resolver { env, diagnostics, failed: false };
        let place = resolver.place(&self);
        let given = resolver.number(self.account_index, "account_index", "AKASH_ACCOUNT_INDEX");
        let account_index = resolver.parsed(given, form::ACCOUNT_INDEX, form::account_index);
        let given = resolver.text(self.gas_price, "gas_price", Some("AKASH_GAS_PRICE"));
        let gas_price = resolver.parsed(given, form::GAS_PRICE, form::gas_price);
        let given = resolver.number(self.gas_adjustment, "gas_adjustment", "AKASH_GAS_ADJUSTMENT");
        let gas_adjustment = resolver.parsed(given, form::GAS_ADJUSTMENT, form::gas_adjustment);
        let given = resolver.text(self.max_fee, "max_fee", Some("AKASH_MAX_FEE"));
        let max_fee = resolver.parsed(given, form::MAX_FEE, form::max_fee);
        let given = resolver.text(self.wallet_address, "wallet_address", Some("AKASH_WALLET_ADDRESS"));
        let wallet_address = resolver.parsed(given, form::ADDRESS, form::address);
        let given = resolver.text(self.fee_granter, "fee_granter", None);
        let fee_granter = resolver.parsed(given, form::ADDRESS, form::address);
        let given =
            resolver.text(self.transaction_timeout, "transaction_timeout", Some("AKASH_TRANSACTION_TIMEOUT"));
        let transaction_timeout =
            resolver.parsed(given, form::TRANSACTION_TIMEOUT, form::transaction_timeout);
        let deposit_sources = resolver.deposit_sources(self.deposit_sources);
        let mnemonic = match self.mnemonic {
            Value::Known(words) if words.expose_secret().trim().is_empty() => {
                resolver.empty(&Path::root("mnemonic"));
                None
            }
            Value::Known(words) => Some(Mnemonic::Words(words, "mnemonic")),
            _ => resolver.mnemonic(self.mnemonic_file),
        };
        // Without a wallet nothing is sent, so nothing need be written down.
        let journal_directory = match &mnemonic {
            Some(_) => resolver.journal(self.journal_directory),
            None => None,
        };
        let failed = resolver.failed;
        let Place { network, endpoints, chain_id } = place.filter(|_| !failed)?;
        Some(Settings {
            network,
            endpoints,
            chain_id,
            mnemonic,
            account_index: account_index.map_or(0, |given| given.value),
            wallet_address,
            gas_price: gas_price.map(|given| given.value),
            gas_adjustment: gas_adjustment.map(|given| given.value),
            max_fee: max_fee.map(|given| given.value),
            fee_granter: fee_granter.map(|given| given.value),
            deposit_sources,
            reason: env("AKASH_REASON"),
            transaction_timeout: transaction_timeout.map(|given| given.value),
            journal_directory,
        })
    }
}

/// Which chain, and where.
struct Place {
    network: Option<&'static str>,
    endpoints: Given<Vec<Endpoint>>,
    chain_id: Option<Given<String>>,
}

struct Resolver<'a> {
    env: Environment<'a>,
    diagnostics: &'a mut Diagnostics,
    failed: bool,
}

impl Resolver<'_> {
    fn error(&mut self, setting: &str, summary: impl Into<String>, detail: impl Into<String>) {
        self.failed = true;
        setting_error(setting, summary, detail, self.diagnostics);
    }

    fn empty(&mut self, at: &Path) {
        self.failed = true;
        tell_empty(at, self.diagnostics);
    }

    /// What a variable says; with nothing in it, it is not set.
    fn variable(&self, name: &'static str) -> Option<Given<String>> {
        let value = (self.env)(name).filter(|text| !text.trim().is_empty())?;
        Some(Given { value, from: name })
    }

    fn text(
        &mut self,
        argument: Value<String>,
        name: &'static str,
        variable: Option<&'static str>,
    ) -> Option<Given<String>> {
        let given = match argument.into_known() {
            Some(value) => Given { value, from: name },
            None => self.variable(variable?)?,
        };
        let value = given.value.trim().to_owned();
        if value.is_empty() {
            self.empty(&Path::root(name));
            return None;
        }
        Some(Given { value, ..given })
    }

    fn number(
        &mut self,
        argument: Value<Number>,
        name: &'static str,
        variable: &'static str,
    ) -> Option<Given<String>> {
        self.text(argument.map(|number| number.to_string()), name, Some(variable))
    }

    fn parsed<T>(
        &mut self,
        given: Option<Given<String>>,
        form: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Given<T>> {
        let Given { value: text, from } = given?;
        let value = parse(&text);
        if value.is_none() {
            self.error(from, format!("`{from}` is not in its form"), format!("`{text}` is not {form}."));
        }
        Some(Given { value: value?, from })
    }

    /// The wallet's words where the block does not have them itself.
    fn mnemonic(&mut self, file: Value<String>) -> Option<Mnemonic> {
        if file.is_null()
            && let Some(Given { value, from }) = self.variable("AKASH_MNEMONIC")
        {
            return Some(Mnemonic::Words(value.into(), from));
        }
        let given = self.text(file, "mnemonic_file", Some("AKASH_MNEMONIC_FILE"))?;
        let Given { value, from } = self.path(given)?;
        Some(Mnemonic::File(value, from))
    }

    fn path(&mut self, given: Given<String>) -> Option<Given<PathBuf>> {
        let Given { value, from } = given;
        match form::path(&value, (self.env)("HOME")) {
            Ok(value) => Some(Given { value, from }),
            Err(why) => {
                self.error(from, format!("`{from}` is not a path"), why);
                None
            }
        }
    }

    fn deposit_sources(&mut self, argument: Value<Vec<Value<String>>>) -> Vec<String> {
        let Some(sources) = argument.into_known() else { return vec!["balance".into()] };
        let sources: Vec<String> = sources.into_iter().filter_map(Value::into_known).collect();
        let distinct: BTreeSet<&String> = sources.iter().collect();
        let known = sources.iter().all(|source| source == "balance" || source == "grant");
        if sources.is_empty() || !known || distinct.len() != sources.len() {
            self.error(
                "deposit_sources",
                "`deposit_sources` is not in its form",
                "It is a list of `balance` (the wallet's own coins) and `grant` (deposit grants given to the wallet), \
                 each at most once, in the order in which they are used.",
            );
        }
        sources
    }

    /// The journal's directory: as given, else the user's own. An argument with nothing in it turns it off.
    fn journal(&mut self, argument: Value<String>) -> Option<PathBuf> {
        if argument.known().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        if let Some(given) = self.text(argument, "journal_directory", Some("AKASH_JOURNAL_DIR")) {
            return self.path(given).map(|given| given.value);
        }
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

    fn preset(&mut self, given: &Given<String>) -> Option<&'static Preset> {
        let preset = akash_chain::preset(&given.value);
        if preset.is_none() {
            self.error(
                given.from,
                format!("No network `{}`", given.value),
                "`network` is `mainnet`, `sandbox` (also `testnet`) or `devnet`. For another chain set `endpoints` \
                 and `chain_id` instead.",
            );
        }
        preset
    }

    /// Addresses of nodes that are set, by argument or variable. `Err`: one of them is none, which has been told.
    fn endpoints(&mut self, config: &ProviderConfig) -> Result<Option<Given<Vec<Endpoint>>>, ()> {
        let (texts, from) = if let Some(endpoints) = config.endpoints.known() {
            let texts: Vec<String> = endpoints.iter().filter_map(|item| item.known().cloned()).collect();
            if texts.is_empty() {
                self.error(
                    "endpoints",
                    "`endpoints` is empty",
                    "Name at least one node, or leave the argument out.",
                );
                return Err(());
            }
            (texts, "endpoints")
        } else if config.network.is_known() {
            return Ok(None);
        } else {
            let list = |text: &str| -> Vec<String> {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            };
            let set = ENDPOINT_VARIABLES.into_iter().find_map(|variable| {
                Some((list(&(self.env)(variable)?), variable)).filter(|(texts, _)| !texts.is_empty())
            });
            let Some(set) = set else { return Ok(None) };
            set
        };
        let mut endpoints = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let problem = match text.trim().parse::<Endpoint>() {
                Ok(endpoint) => {
                    endpoints.push(endpoint);
                    continue;
                }
                Err(problem) => problem.to_string(),
            };
            let at = Path::root("endpoints").index(index);
            match (text.trim().is_empty(), from) {
                (true, _) => self.empty(&at),
                (false, "endpoints") => {
                    self.failed = true;
                    self.diagnostics.error_at(&at, "Not the address of a node", problem);
                }
                (false, variable) => self.error(variable, "Not the address of a node", problem),
            }
        }
        if self.failed && endpoints.len() < texts.len() {
            Err(())
        } else {
            Ok(Some(Given { value: endpoints, from }))
        }
    }

    /// Which chain and endpoints are meant.
    fn place(&mut self, config: &ProviderConfig) -> Option<Place> {
        let network = self.text(config.network.clone(), "network", Some("AKASH_NETWORK"));
        let network = match network {
            Some(given) => Some(Given { value: self.preset(&given)?, from: given.from }),
            None => None,
        };
        let chain_id = self.text(config.chain_id.clone(), "chain_id", Some("AKASH_CHAIN_ID"));
        let own = self.endpoints(config).ok()?;
        if self.failed {
            // What is empty was meant to say something.
            return None;
        }
        if let (Some(network), Some(given)) = (&network, &chain_id)
            && network.value.chain_id != given.value
        {
            self.error(
                given.from,
                "Two chains",
                format!(
                    "`{}` is `{}`, whose chain is `{}`, but `{}` says `{}`. Keep the one that is meant.",
                    network.from, network.value.name, network.value.chain_id, given.from, given.value
                ),
            );
            return None;
        }
        // A chain id alone names a preset, if one has it.
        let preset = network.or_else(|| {
            let given = chain_id.as_ref()?;
            let value = PRESETS.iter().find(|preset| preset.chain_id == given.value)?;
            Some(Given { value, from: given.from })
        });
        let endpoints = match (own, &preset, &chain_id) {
            (Some(own), _, _) => own,
            (None, Some(preset), _) => {
                let parsed = preset.value.endpoints.iter().filter_map(|text| text.parse().ok());
                Given { value: parsed.collect(), from: preset.from }
            }
            (None, None, Some(given)) => {
                self.error(
                    given.from,
                    format!("No endpoints for chain `{}`", given.value),
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
        let of_preset = || {
            preset.as_ref().map(|preset| Given { value: preset.value.chain_id.to_owned(), from: preset.from })
        };
        let chain_id = chain_id.or_else(of_preset);
        Some(Place { network: preset.as_ref().map(|preset| preset.value.name), endpoints, chain_id })
    }
}
