//! What the chain says of providers, asked once a process for each: their gateway's address and their attributes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use akash_chain::{Chain, QueryError};
use akash_gateway::ProviderTarget;
use akash_proto::akash::provider::v1beta4::Provider;
use tokio::sync::OnceCell;

/// The providers that this process has asked for.
#[derive(Debug, Default)]
pub(crate) struct Providers(Mutex<HashMap<String, Arc<OnceCell<Provider>>>>);

impl Providers {
    /// A provider by its account's address; `None` where the chain has none. Concurrent callers share one query.
    pub(crate) async fn get(&self, chain: &Chain, address: &str) -> Result<Option<Provider>, QueryError> {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(address.to_owned()).or_default().clone()
        };
        let found =
            cell.get_or_try_init(|| async { chain.provider(address).await.map_err(Some)?.ok_or(None) }).await;
        match found {
            Ok(provider) => Ok(Some(provider.clone())),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }
}

/// Where the provider's gateway is.
pub(crate) fn target(provider: &Provider) -> ProviderTarget {
    ProviderTarget { address: provider.owner.clone(), host_uri: provider.host_uri.clone() }
}

/// The host name of the provider's gateway, without scheme and port.
pub(crate) fn host(provider: &Provider) -> String {
    let rest = provider.host_uri.split_once("://").map_or(provider.host_uri.as_str(), |(_, rest)| rest);
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
