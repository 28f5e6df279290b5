//! The forms of single settings: a text in, a value out, and in words what is taken.

use std::path::PathBuf;
use std::time::Duration;

use akash_proto::{Coin, Dec};
use tfplugin::Dynamic;

use crate::duration;

/// The form of `account_index`.
pub(super) const ACCOUNT_INDEX: &str = "a whole number from 0 to 2147483647";
/// The form of `gas_price`.
pub(super) const GAS_PRICE: &str =
    "a price above 0 in uakt with at most 18 digits after the point, for example `0.025uakt`";
/// The form of `gas_adjustment`.
pub(super) const GAS_ADJUSTMENT: &str =
    "a number from 1 to 10 with at most 18 digits after the point, for example 1.5";
/// The form of `max_fee`.
pub(super) const MAX_FEE: &str = "a coin above 0 in uakt, for example `50000uakt`";
/// The form of `transaction_timeout`.
pub(super) const TRANSACTION_TIMEOUT: &str = "a duration from `1s` to `10m`";
/// The form of an address.
pub(super) const ADDRESS: &str = "an account address of Akash (`akash1…`)";

pub(super) fn account_index(text: &str) -> Option<u32> {
    text.parse().ok().filter(|index: &u32| *index < 1 << 31)
}

pub(super) fn gas_price(text: &str) -> Option<Dec> {
    text.strip_suffix("uakt")?.parse().ok().filter(|price: &Dec| *price > Dec::ZERO)
}

pub(super) fn gas_adjustment(text: &str) -> Option<Dec> {
    text.parse().ok().filter(|factor| (Dec::from(1)..=Dec::from(10)).contains(factor))
}

pub(super) fn max_fee(text: &str) -> Option<Coin> {
    text.parse().ok().filter(|coin: &Coin| coin.denom == "uakt" && coin.amount > 0)
}

/// A transaction's timeout, which the chain bounds.
pub(super) fn transaction_timeout(text: &str) -> Option<Duration> {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(600);
    duration::parse(text).ok().filter(|timeout| bounds.contains(timeout))
}

pub(super) fn address(text: &str) -> Option<String> {
    akash_chain::is_address(text).then(|| text.to_owned())
}

/// A path as people write it: `~` and `~/…` mean the home directory, as in a shell. The error says why not.
pub(super) fn path(text: &str, home: Option<String>) -> Result<PathBuf, String> {
    let Some(rest) = text.strip_prefix('~') else { return Ok(text.into()) };
    if !(rest.is_empty() || rest.starts_with('/')) {
        return Err(format!(
            "`{text}` begins with the name of a user after `~`, whose home directory is not looked up. Write the whole path."
        ));
    }
    let home = home.ok_or_else(|| {
        format!("`{text}` is in the home directory, but HOME is not set. Write the whole path.")
    })?;
    Ok(PathBuf::from(home).join(rest.trim_start_matches('/')))
}

/// The check of an attribute that holds the timeout of a transaction.
pub(super) fn check_transaction_timeout(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) if transaction_timeout(text).is_none() => {
            Err(format!("`{text}` is not {TRANSACTION_TIMEOUT}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for (text, taken) in [
            ("1", true),
            ("10", true),
            ("0.99", false),
            ("10.000000000000000001", false),
            ("100000000000000000000000000000000000000000000000000", false),
            ("1.0000000000000000001", false),
            ("-1", false),
        ] {
            assert_eq!(gas_adjustment(text).is_some(), taken, "gas_adjustment {text}");
        }
        for (text, taken) in
            [("0.025uakt", true), ("0uakt", false), ("-1uakt", false), ("1uact", false), ("1", false)]
        {
            assert_eq!(gas_price(text).is_some(), taken, "gas_price {text}");
        }
        for (text, taken) in [("1uakt", true), ("0uakt", false), ("5", false), ("5uact", false)] {
            assert_eq!(max_fee(text).is_some(), taken, "max_fee {text}");
        }
        for (text, taken) in
            [("1s", true), ("90s", true), ("10m", true), ("11m", false), ("0s", false), ("1", false)]
        {
            assert_eq!(transaction_timeout(text).is_some(), taken, "transaction_timeout {text}");
        }
        for (text, taken) in
            [("0", true), ("2147483647", true), ("2147483648", false), ("-1", false), ("1.5", false)]
        {
            assert_eq!(account_index(text).is_some(), taken, "account_index {text}");
        }
    }

    #[test]
    fn paths_in_the_home_directory() {
        let home = || Some("/home/me".to_owned());
        for (text, expected) in [
            ("~", "/home/me"),
            ("~/x", "/home/me/x"),
            ("~//x/", "/home/me/x/"),
            ("/a/~/b", "/a/~/b"),
            ("a~", "a~"),
        ] {
            assert_eq!(path(text, home()), Ok(expected.into()), "{text}");
        }
        assert!(path("~you/x", home()).is_err_and(|why| why.contains("whole path")));
        assert!(path("~/x", None).is_err_and(|why| why.contains("HOME")));
        assert_eq!(path("/x", None), Ok("/x".into()));
    }
}
