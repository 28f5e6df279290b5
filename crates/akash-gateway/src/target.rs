//! A provider's server: who it must be, where it listens, and how it is trusted.
//!
//! It knows the address, the TLS settings and what has been learnt about the server's identity. It must not know HTTP:
//! `peer` connects, and comes back with a refusal when something about the identity has to be found out.

use crate::error::GatewayError;
use crate::trust::{Authorities, ChainTrust, Needs, ProviderVerifier};
use reqwest::Url;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The chain is not asked again about a provider before this has passed, however often its server is refused.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A provider as the chain registers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProviderTarget {
    /// Its account, `akash1...`. The server must prove to be this one.
    pub address: String,
    /// Where it listens, `https://HOST[:PORT]`.
    pub host_uri: String,
}

/// A lease of the signer's at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseRef {
    /// Deployment.
    pub dseq: u64,
    /// Group.
    pub gseq: u32,
    /// Order.
    pub oseq: u32,
}

impl fmt::Display for LeaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.dseq, self.gseq, self.oseq)
    }
}

/// What trust in every provider's server rests on.
pub(crate) struct Roots {
    pub(crate) chain: Arc<dyn ChainTrust>,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) crypto: Arc<CryptoProvider>,
}

/// One provider's server.
pub(crate) struct Server {
    pub(crate) provider: String,
    pub(crate) url: Url,
    /// Takes nobody but this provider.
    pub(crate) tls: ClientConfig,
    roots: Arc<Roots>,
    verifier: Arc<ProviderVerifier>,
    learning: Mutex<()>,
}

impl Server {
    pub(crate) fn new(target: &ProviderTarget, roots: Arc<Roots>) -> Result<Self, GatewayError> {
        let url = server_url(target)?;
        let verifier = Arc::new(ProviderVerifier::new(
            target.address.clone(),
            roots.crypto.clone(),
            roots.authorities.clone(),
        ));
        let mut tls = ClientConfig::builder_with_provider(roots.crypto.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| GatewayError::Setup(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session skips the certificate, and with it the chain's newer list.
        tls.resumption = Resumption::disabled();
        Ok(Self { provider: target.address.clone(), url, tls, roots, verifier, learning: Mutex::new(()) })
    }

    /// Host and port, for people.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The host without the brackets of an IPv6 address.
    pub(crate) fn bare_host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.bare_host();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// If `failure` says that something about the server's identity is not known yet, finds it out. Returns whether
    /// anything is new since `since`, so that another attempt makes sense.
    pub(crate) async fn learn(&self, failure: &GatewayError, since: Instant) -> Result<bool, GatewayError> {
        let GatewayError::Untrusted { reason, .. } = failure else { return Ok(false) };
        match reason.needs() {
            None => Ok(false),
            Some(Needs::Authorities) => {
                let (authorities, crypto) = (self.roots.authorities.clone(), self.roots.crypto.clone());
                tokio::task::spawn_blocking(move || authorities.load(crypto))
                    .await
                    .map_err(|e| GatewayError::Setup(e.to_string()))?;
                Ok(true)
            }
            Some(Needs::ChainCertificates) => {
                let _one_at_a_time = self.learning.lock().await;
                match self.verifier.asked() {
                    Some(asked) if asked > since => return Ok(true),
                    Some(asked) if asked.elapsed() < ASK_AGAIN => return Ok(false),
                    _ => {}
                }
                let certificates = self
                    .roots
                    .chain
                    .valid_certificates(&self.provider)
                    .await
                    .map_err(|source| GatewayError::Chain { provider: self.provider.clone(), source })?;
                tracing::debug!(provider = %self.provider, count = certificates.len(), "valid certificates on chain");
                self.verifier.learn(certificates);
                Ok(true)
            }
        }
    }
}

fn server_url(target: &ProviderTarget) -> Result<Url, GatewayError> {
    let bad = |reason: String| GatewayError::BadHost {
        provider: target.address.clone(),
        host_uri: plain_text::line(&target.host_uri),
        reason,
    };
    let url = Url::parse(&target.host_uri).map_err(|e| bad(e.to_string()))?;
    let why = if url.scheme() != "https" {
        "it does not begin with https://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "it holds a user name"
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        "it has a path or a query after the host"
    } else {
        return Ok(url);
    };
    Err(bad(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (uri, ok) in [
            ("https://provider.example:8443", true),
            ("https://provider.example:8443/", true),
            ("https://203.0.113.7:8443", true),
            ("https://[2001:db8::1]:8443", true),
            ("http://provider.example:8443", false),
            ("provider.example:8443", false),
            ("https://user@provider.example", false),
            ("https://provider.example/path", false),
            ("https://provider.example/?a=b", false),
            ("", false),
        ] {
            let target = ProviderTarget { address: "akash1x".into(), host_uri: uri.into() };
            assert_eq!(server_url(&target).is_ok(), ok, "{uri}");
        }
    }
}
