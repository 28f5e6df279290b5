//! One provider's server as something to send to: its connections, and how many calls run at once.
//!
//! It sends a request and gives back status and body. It must not know routes, tokens or what a body means; who the
//! server is, `target` knows.

use crate::error::GatewayError;
use crate::target::Server;
use crate::trust::Refusal;
use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

/// Calls to one provider at the same time. A provider is one machine's daemon, and a manifest may take it a minute.
const AT_ONCE: usize = 8;
/// Longest body that is read.
const MAX_BODY: usize = 4 << 20;
/// Learning may be needed twice in one call (authorities, then a newer list), not more.
const MAX_LESSONS: u32 = 2;

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
    pub(crate) server: Server,
    /// For what needs a connection of its own.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// How long DNS, TCP and TLS may take together.
    pub(crate) connect: Duration,
    http: reqwest::Client,
    slots: Semaphore,
}

impl Peer {
    pub(crate) fn new(server: Server, user_agent: &str, connect: Duration) -> Result<Self, GatewayError> {
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(server.tls.clone())
            .https_only(true)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(user_agent)
            .connect_timeout(connect)
            // Shorter than a Go server keeps an idle connection, so that a call does not meet one that is closing.
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(AT_ONCE);
        if server.is_loopback() {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| GatewayError::Setup(e.without_url().to_string()))?;
        Ok(Self { tls: Arc::new(server.tls.clone()), server, connect, http, slots: Semaphore::new(AT_ONCE) })
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
            if lessons > MAX_LESSONS || !self.server.learn(&failure, since).await? {
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

    async fn attempt(&self, call: &Call<'_>, timeout: Duration) -> Result<Answer, GatewayError> {
        let mut url = self.server.url.clone();
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
                return Err(GatewayError::TooLarge {
                    provider: self.server.provider.clone(),
                    limit: MAX_BODY,
                });
            }
            body.extend_from_slice(&chunk);
        }
        tracing::debug!(provider = %self.server.provider, method = %call.method, path = call.path, status, "answered");
        Ok(Answer { status, body })
    }

    fn failure(&self, error: &reqwest::Error, timeout: Duration) -> GatewayError {
        if error.is_timeout() {
            return self.timed_out(if error.is_connect() { self.connect.min(timeout) } else { timeout });
        }
        self.transport_failure(error)
    }

    /// Untrusted or unreachable, by what is inside the error.
    pub(crate) fn transport_failure(&self, error: &(dyn std::error::Error + 'static)) -> GatewayError {
        match Refusal::find(error) {
            Some(reason) => GatewayError::Untrusted {
                provider: self.server.provider.clone(),
                host: self.server.host(),
                reason,
            },
            None => GatewayError::Unreachable {
                provider: self.server.provider.clone(),
                host: self.server.host(),
                reason: innermost(error),
            },
        }
    }

    pub(crate) fn timed_out(&self, after: Duration) -> GatewayError {
        GatewayError::Timeout { provider: self.server.provider.clone(), host: self.server.host(), after }
    }
}

/// The last cause: "connection refused" says more than "error sending request".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    plain_text::line(&last.to_string())
}
