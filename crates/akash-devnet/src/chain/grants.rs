//! Fee allowances and deposit authorizations: who may spend whose coins on what.
//!
//! The messages that make grants are not taken in transactions; the devnet's operator makes them.

use std::collections::BTreeMap;

use imbl::OrdMap;

/// The grants in force, by granter and grantee.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Fee allowances: what is left in uakt, `None` without limit.
    pub fees: OrdMap<(String, String), Option<u128>>,
    /// Deposit authorizations for deployments, by grantee and granter: what is left by denomination.
    pub deposits: OrdMap<(String, String), BTreeMap<String, u128>>,
}

impl Grants {
    /// The granters that let `grantee` spend `denom` in deposits, with what is left.
    pub fn depositors(&self, grantee: &str, denom: &str) -> Vec<(String, u128)> {
        let from = (grantee.to_owned(), String::new());
        self.deposits
            .range(from..)
            .take_while(|((to, _), _)| to == grantee)
            .filter_map(|((_, granter), limits)| Some((granter.clone(), *limits.get(denom)?)))
            .collect()
    }

    /// Changes what is left of a deposit authorization; gives it back with `Some`, spends it down with the new rest.
    pub fn set_deposit_limit(&mut self, grantee: &str, granter: &str, denom: &str, rest: u128) {
        let key = (grantee.to_owned(), granter.to_owned());
        let mut limits = self.deposits.get(&key).cloned().unwrap_or_default();
        limits.insert(denom.to_owned(), rest);
        self.deposits.insert(key, limits);
    }
}
