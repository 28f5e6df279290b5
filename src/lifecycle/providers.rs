//! What the chain says of a provider: its gateway's address and its attributes.

use std::collections::BTreeMap;

use akash_gateway::ProviderTarget;
use akash_proto::akash::provider::v1beta4::Provider;

/// Where the provider's gateway is.
pub(crate) fn target(provider: &Provider) -> ProviderTarget {
    ProviderTarget { address: provider.owner.clone(), host_uri: provider.host_uri.clone() }
}

/// The host name of the provider's gateway, without scheme and port. It is recorded: empty where it has characters that
/// are not seen.
pub(crate) fn host(provider: &Provider) -> String {
    host_of(&provider.host_uri)
}

/// The host name in the address of a gateway.
pub(crate) fn host_of(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if tfplugin::is_plain(host) { host.to_owned() } else { String::new() }
}

/// The provider's attributes; of a key that is there twice the last. They are recorded: without those that have
/// characters that are not seen.
pub(crate) fn attributes(provider: &Provider) -> BTreeMap<String, String> {
    let seen = |text: &str| tfplugin::is_plain(text);
    let attributes = provider.attributes.iter().filter(|one| seen(&one.key) && seen(&one.value));
    attributes.map(|one| (one.key.clone(), one.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use akash_proto::akash::base::attributes::v1::Attribute;

    #[test]
    fn attributes_with_what_is_not_seen_are_not_taken() {
        let attribute = |key: &str, value: &str| Attribute { key: key.into(), value: value.into() };
        let attributes =
            vec![attribute("a", "1"), attribute("b\u{200b}", "2"), attribute("c", "\u{1b}[31m3")];
        let taken = super::attributes(&Provider { attributes, ..Provider::default() });
        assert_eq!(taken, BTreeMap::from([("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn hosts() {
        for (uri, expected) in [
            ("https://provider.example.com:8443", "provider.example.com"),
            ("https://provider.example.com", "provider.example.com"),
            ("https://[::1]:8443", "[::1]"),
            ("provider:1/x", "provider"),
            ("https://a\u{1b}[2J.example:8443", ""),
            ("https://a\u{202e}.example", ""),
        ] {
            assert_eq!(host(&Provider { host_uri: uri.into(), ..Provider::default() }), expected);
        }
    }
}
