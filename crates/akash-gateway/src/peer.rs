//! One provider's server: its connections, how many calls run at once, and what has been learnt about its identity.
//!
//! It sends a request and gives back status and body. It must not know routes, tokens or what a body means.

use crate::client::ProviderTarget;
use crate::error::GatewayError;
use crate::trust::{Authorities, ChainTrust, Needs, ProviderVerifier, Refusal};
use bytes::Bytes;
use reqwest::{Method, Url};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

/// Calls to one provider at the same time. A provider is one machine's daemon, and a manifest may take it a minute.
const AT_ONCE: usize = 8;
/// For DNS, TCP and TLS together.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Longest body that is read.
const MAX_BODY: usize = 4 << 20;
/// The chain is not asked again about a provider before this has passed, however often its server is refused.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Learning may be needed twice in one call (authorities, then a newer list), not more.
const MAX_LESSONS: u32 = 2;

/// What every peer is made with.
pub(crate) struct Shared {
    pub(crate) trust: Arc<dyn ChainTrust>,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) crypto: Arc<CryptoProvider>,
    pub(crate) user_agent: String,
}

/// A request, without the token.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a SecretString>,
    pub(crate) body: Option<Bytes>,
    pub(crate) timeout: Duration,
}

/// An answer of any status. The body may be a manifest, so it is wiped when dropped.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

pub(crate) struct Peer {
    pub(crate) provider: String,
    pub(crate) url: Url,
    pub(crate) tls: Arc<ClientConfig>,
    shared: Arc<Shared>,
    http: reqwest::Client,
    verifier: Arc<ProviderVerifier>,
    slots: Semaphore,
    learning: Mutex<()>,
}

impl Peer {
    pub(crate) fn new(target: &ProviderTarget, shared: Arc<Shared>) -> Result<Self, GatewayError> {
        let url = server_url(target)?;
        let verifier = Arc::new(ProviderVerifier::new(
            target.address.clone(),
            shared.crypto.clone(),
            shared.authorities.clone(),
        ));
        let mut tls = ClientConfig::builder_with_provider(shared.crypto.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| GatewayError::Setup(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session skips the certificate, and with it the chain's newer list.
        tls.resumption = Resumption::disabled();
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .https_only(true)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(shared.user_agent.clone())
            .connect_timeout(CONNECT)
            // Shorter than a Go server keeps an idle connection, so that a call does not meet one that is closing.
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(AT_ONCE);
        if is_loopback(&url) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| GatewayError::Setup(e.without_url().to_string()))?;
        Ok(Self {
            provider: target.address.clone(),
            url,
            tls: Arc::new(tls),
            shared,
            http,
            verifier,
            slots: Semaphore::new(AT_ONCE),
            learning: Mutex::new(()),
        })
    }

    /// Host and port, for people.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Sends a call and reads its answer, whatever the status. When the server's identity can't be decided yet,
    /// finds out what is missing and sends again: nothing of the request has left this machine then.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, GatewayError> {
        let begun = tokio::time::Instant::now();
        let _slot = self.slot(call.timeout).await?;
        let mut lessons = 0;
        loop {
            let since = Instant::now();
            let left = call.timeout.saturating_sub(begun.elapsed());
            let failure = match self.attempt(call, left).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            lessons += 1;
            if lessons > MAX_LESSONS || !self.learn(&failure, since).await? {
                return Err(failure);
            }
        }
    }

    /// Waits for one of the calls that may run at once; it is given back when the result is dropped.
    pub(crate) async fn slot(&self, timeout: Duration) -> Result<SemaphorePermit<'_>, GatewayError> {
        match tokio::time::timeout(timeout, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(closed)) => Err(GatewayError::Setup(closed.to_string())),
            Err(_) => Err(self.timed_out(timeout)),
        }
    }

    /// If `failure` says that something about the server's identity is not known yet, finds it out. Returns whether
    /// anything is new since `since`, so that another attempt makes sense.
    pub(crate) async fn learn(&self, failure: &GatewayError, since: Instant) -> Result<bool, GatewayError> {
        let GatewayError::Untrusted { reason, .. } = failure else { return Ok(false) };
        match reason.needs() {
            None => Ok(false),
            Some(Needs::Authorities) => {
                let (authorities, crypto) = (self.shared.authorities.clone(), self.shared.crypto.clone());
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
                    .shared
                    .trust
                    .valid_certificates(&self.provider)
                    .await
                    .map_err(|source| GatewayError::Chain { provider: self.provider.clone(), source })?;
                tracing::debug!(provider = %self.provider, count = certificates.len(), "valid certificates on chain");
                self.verifier.learn(certificates);
                Ok(true)
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, timeout: Duration) -> Result<Answer, GatewayError> {
        let mut url = self.url.clone();
        url.set_path(call.path);
        let mut request = self.http.request(call.method.clone(), url).timeout(timeout);
        if let Some(token) = call.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = &call.body {
            request = request.header("Content-Type", "application/json").body(body.clone());
        }
        let failed = |e: reqwest::Error| self.failure(&e.without_url(), timeout);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(chunk.len()) > MAX_BODY {
                return Err(GatewayError::TooLarge { provider: self.provider.clone(), limit: MAX_BODY });
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(provider = %self.provider, method = %call.method, path = call.path, status, "answered");
        Ok(Answer { status, body })
    }

    fn failure(&self, error: &reqwest::Error, timeout: Duration) -> GatewayError {
        if error.is_timeout() {
            return self.timed_out(if error.is_connect() { CONNECT.min(timeout) } else { timeout });
        }
        self.transport_failure(error)
    }

    /// Untrusted or unreachable, by what is inside the error.
    pub(crate) fn transport_failure(&self, error: &(dyn std::error::Error + 'static)) -> GatewayError {
        match Refusal::find(error) {
            Some(reason) => {
                GatewayError::Untrusted { provider: self.provider.clone(), host: self.host(), reason }
            }
            None => GatewayError::Unreachable {
                provider: self.provider.clone(),
                host: self.host(),
                reason: innermost(error),
            },
        }
    }

    pub(crate) fn timed_out(&self, after: Duration) -> GatewayError {
        GatewayError::Timeout { provider: self.provider.clone(), host: self.host(), after }
    }
}

/// The last cause: "connection refused" says more than "error sending request".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn server_url(target: &ProviderTarget) -> Result<Url, GatewayError> {
    let bad = |reason: String| GatewayError::BadHost {
        provider: target.address.clone(),
        host_uri: target.host_uri.clone(),
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

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
