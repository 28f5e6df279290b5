//! What the block and the environment come to, and where errors stand.

use tfplugin::{Diagnostics, Number, Path, Value};

use super::{Given, ProviderConfig, Settings};

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
    assert_eq!(settings.chain_id.map(|given| given.value).as_deref(), Some("devnet-1"));
    assert!(settings.endpoints.value.iter().all(|endpoint| endpoint.to_string().contains("127.0.0.1")));
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
    assert_eq!(settings.endpoints.value.len(), 2);
    assert_eq!(settings.endpoints.from, "AKASH_GRPC_ENDPOINT");
    assert_eq!(settings.chain_id, Some(Given { value: "x-1".into(), from: "AKASH_CHAIN_ID" }));
    // A list with nothing in it is not set.
    let only_commas = [("AKASH_ENDPOINTS", " , "), ("AKASH_NODE", "http://c")];
    let (settings, _) = resolve(ProviderConfig::default(), &only_commas);
    assert_eq!(settings.unwrap().endpoints.from, "AKASH_NODE");
}

/// What is told of a block that does not resolve: where, and the summary with what it says.
fn told(config: ProviderConfig, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let (settings, diagnostics) = resolve(config, variables);
    assert!(settings.is_none());
    let at = |one: &tfplugin::Diagnostic| one.path.as_ref().map(ToString::to_string).unwrap_or_default();
    diagnostics.iter().map(|one| (at(one), format!("{}: {}", one.summary, one.detail))).collect()
}

#[test]
fn errors_stand_on_their_own_setting() {
    let config = || network("devnet");
    let text = |text: &str| Value::from(text);
    let number = |text: &str| Value::Known(text.parse::<Number>().unwrap());
    let cases = [
        ("gas_price", ProviderConfig { gas_price: text("0uakt"), ..config() }, "above 0"),
        ("gas_adjustment", ProviderConfig { gas_adjustment: number("1e50"), ..config() }, "from 1 to 10"),
        ("gas_adjustment", ProviderConfig { gas_adjustment: number("0.5"), ..config() }, "from 1 to 10"),
        ("max_fee", ProviderConfig { max_fee: text("0uakt"), ..config() }, "above 0"),
        ("transaction_timeout", ProviderConfig { transaction_timeout: text("1h"), ..config() }, "10m"),
        ("account_index", ProviderConfig { account_index: number("2147483648"), ..config() }, "2147483647"),
        ("wallet_address", ProviderConfig { wallet_address: text("me"), ..config() }, "akash1"),
        ("fee_granter", ProviderConfig { fee_granter: text("me"), ..config() }, "akash1"),
        ("mnemonic_file", ProviderConfig { mnemonic_file: text("~you/words"), ..config() }, "whole path"),
        (
            "endpoints[1]",
            ProviderConfig { endpoints: Value::Known(vec![text("grpc://a"), text("ftp://b")]), ..config() },
            "ftp://b",
        ),
    ];
    for (at, config, words) in cases {
        let told = told(config, &[]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0 == at && told[0].1.contains(words), "{at}: {told:?}");
    }
    for (variable, value) in [
        ("AKASH_GAS_PRICE", "0uakt"),
        ("AKASH_GAS_ADJUSTMENT", "11"),
        ("AKASH_MAX_FEE", "5"),
        ("AKASH_TRANSACTION_TIMEOUT", "11m"),
        ("AKASH_ACCOUNT_INDEX", "x"),
        ("AKASH_WALLET_ADDRESS", "me"),
        ("AKASH_MNEMONIC_FILE", "~you/words"),
        ("AKASH_CHAIN_ID", "another-1"),
    ] {
        let told = told(config(), &[(variable, value)]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0.is_empty() && told[0].1.contains(variable), "{variable}: {told:?}");
    }
    let unknown = [("AKASH_CHAIN_ID", "nowhere-1")];
    assert!(told(ProviderConfig::default(), &unknown)[0].1.contains("AKASH_CHAIN_ID"));
}

#[test]
fn empty_arguments_are_refused_by_name_and_empty_variables_are_not_set() {
    let text = |text: &str| Value::from(text);
    let config = || network("devnet");
    for (at, config) in [
        ("network", network("")),
        ("chain_id", ProviderConfig { chain_id: text(""), ..config() }),
        ("endpoints[0]", ProviderConfig { endpoints: Value::Known(vec![text(" ")]), ..config() }),
        ("mnemonic", ProviderConfig { mnemonic: Value::Known(" ".into()), ..config() }),
        ("mnemonic_file", ProviderConfig { mnemonic_file: text(""), ..config() }),
        ("wallet_address", ProviderConfig { wallet_address: text(""), ..config() }),
        ("gas_price", ProviderConfig { gas_price: text(""), ..config() }),
        ("max_fee", ProviderConfig { max_fee: text(" "), ..config() }),
        ("fee_granter", ProviderConfig { fee_granter: text(""), ..config() }),
        ("transaction_timeout", ProviderConfig { transaction_timeout: text(""), ..config() }),
    ] {
        let mut validated = Diagnostics::new();
        super::validate(&config, &mut validated);
        let paths: Vec<String> =
            validated.iter().filter_map(|one| one.path.as_ref().map(ToString::to_string)).collect();
        assert_eq!(paths, [at], "validate");
        let told = told(config, &[]);
        assert!(told.iter().any(|(path, text)| path == at && text.contains("is empty")), "{at}: {told:?}");
    }
    let nothing: Vec<(&str, &str)> = [
        "AKASH_NETWORK",
        "AKASH_CHAIN_ID",
        "AKASH_ENDPOINTS",
        "AKASH_MNEMONIC",
        "AKASH_MNEMONIC_FILE",
        "AKASH_ACCOUNT_INDEX",
        "AKASH_WALLET_ADDRESS",
        "AKASH_GAS_PRICE",
        "AKASH_GAS_ADJUSTMENT",
        "AKASH_MAX_FEE",
        "AKASH_TRANSACTION_TIMEOUT",
        "AKASH_JOURNAL_DIR",
    ]
    .into_iter()
    .map(|variable| (variable, " "))
    .collect();
    let (settings, diagnostics) = resolve(config(), &nothing);
    assert!(settings.unwrap().mnemonic.is_none() && diagnostics.is_empty());
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
    let at_home = [("AKASH_JOURNAL_DIR", "~/j"), ("AKASH_MNEMONIC", "words"), ("HOME", "/home/me")];
    let settings = resolve(network("devnet"), &at_home).0.unwrap();
    assert_eq!(settings.journal_directory, Some("/home/me/j".into()));
}

#[test]
fn words_never_show() {
    let config = ProviderConfig { mnemonic: Value::Known("word word word".into()), ..network("devnet") };
    assert!(!format!("{config:?}").contains("word word"));
    let (settings, _) = resolve(config, &[]);
    assert!(!format!("{:?}", settings.unwrap()).contains("word word"));
}
