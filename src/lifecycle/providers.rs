//! What the chain says of a provider: its gateway's address and its attributes.

use std::collections::BTreeMap;

use akash_gateway::ProviderTarget;
use akash_proto::akash::provider::v1beta4::Provider;

/// Where the provider's gateway is.
pub(crate) fn target(provider: &Provider) -> ProviderTarget {
    ProviderTarget { address: provider.owner.clone(), host_uri: provider.host_uri.clone() }
}

/// The host name of the provider's gateway, without scheme and port.
pub(crate) fn host(provider: &Provider) -> String {
    host_of(&provider.host_uri)
}

/// The host name in the address of a gateway.
pub(crate) fn host_of(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.to_owned()
}

/// The provider's attributes; of a key that is there twice the last.
pub(crate) fn attributes(provider: &Provider) -> BTreeMap<String, String> {
    provider.attributes.iter().map(|one| (one.key.clone(), one.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (uri, expected) in [
            ("https://provider.example.com:8443", "provider.example.com"),
            ("https://provider.example.com", "provider.example.com"),
            ("https://[::1]:8443", "[::1]"),
            ("provider:1/x", "provider"),
        ] {
            assert_eq!(host(&Provider { host_uri: uri.into(), ..Provider::default() }), expected);
        }
    }
}
