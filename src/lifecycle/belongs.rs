//! Whether a resource in state is one that this provider, as configured, may read or change.

use tfplugin::{Diagnostics, Value};

use crate::clients::Clients;

/// Refuses to touch a resource of another chain: its absence here would mean nothing.
pub(crate) fn same_chain(clients: &Clients, chain_id: &Value<String>, diagnostics: &mut Diagnostics) -> bool {
    let Some(recorded) = chain_id.as_deref().filter(|recorded| *recorded != clients.chain_id) else {
        return true;
    };
    diagnostics.error(
        "The resource is on another chain",
        format!(
            "State says chain `{recorded}`, the provider is configured for `{}`. Nothing was read or changed. Configure \
             the provider for `{recorded}`, or remove the resource from state if it is to be forgotten.",
            clients.chain_id
        ),
    );
    false
}

/// Refuses to change what belongs to another wallet.
pub(crate) fn same_owner(clients: &Clients, owner: Option<&str>, diagnostics: &mut Diagnostics) -> bool {
    let (Some(owner), Some(wallet)) = (owner, clients.owner.as_deref()) else { return true };
    if owner == wallet {
        return true;
    }
    diagnostics.error(
        "The resource belongs to another wallet",
        format!(
            "Its owner is {owner}, the configured wallet is {wallet}, which can read it but not change it."
        ),
    );
    false
}
