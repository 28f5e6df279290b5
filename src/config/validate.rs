//! What is wrong with the block whatever the environment says. Values may be unknown.

use secrecy::ExposeSecret;
use tfplugin::{Diagnostics, Path, Value};

use super::ProviderConfig;

/// Refuses empty texts and contradictions, and warns of a journal that is off.
pub(crate) fn validate(config: &ProviderConfig, diagnostics: &mut Diagnostics) {
    let is_empty = |value: &Value<String>| value.known().is_some_and(|text| text.trim().is_empty());
    for (name, empty) in [
        ("network", is_empty(&config.network)),
        ("chain_id", is_empty(&config.chain_id)),
        ("mnemonic", config.mnemonic.known().is_some_and(|words| words.expose_secret().trim().is_empty())),
        ("mnemonic_file", is_empty(&config.mnemonic_file)),
        ("wallet_address", is_empty(&config.wallet_address)),
        ("gas_price", is_empty(&config.gas_price)),
        ("max_fee", is_empty(&config.max_fee)),
        ("fee_granter", is_empty(&config.fee_granter)),
        ("transaction_timeout", is_empty(&config.transaction_timeout)),
    ] {
        if empty {
            tell_empty(&Path::root(name), diagnostics);
        }
    }
    for (index, _) in
        config.endpoints.known().into_iter().flatten().enumerate().filter(|(_, item)| is_empty(item))
    {
        tell_empty(&Path::root("endpoints").index(index), diagnostics);
    }
    if is_empty(&config.journal_directory) {
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

/// An argument with nothing in it: most likely of a variable that was meant to hold something.
pub(super) fn tell_empty(at: &Path, diagnostics: &mut Diagnostics) {
    diagnostics.error_at(
        at,
        format!("`{at}` is empty"),
        "Set it to what is meant, or leave it out (`null` where it comes from a variable): its default counts then.",
    );
}
