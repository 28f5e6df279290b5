//! The gateway's calls: which route, which scope, which body. Connections are `peer`'s, uploads `manifest`'s, and what
//! is tried again `retry`'s.

use crate::error::{GatewayError, quote};
use crate::peer::{Answer, Call, Peer};
use crate::retry::{RetryPolicy, read_once_more};
use crate::status::{LeaseStatus, ProviderAddress, ProviderStatus, ProviderVersion, ServiceStatus};
use crate::target::{LeaseRef, ProviderTarget, Roots, Server};
use crate::token::{Grant, Scope, TOKEN_LIFETIME, TokenSigner, mint};
use crate::trust::{Authorities, ChainTrust};
use reqwest::Method;
use rustls::RootCertStore;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// For a call that only reads, connecting included.
const READ: Duration = Duration::from_secs(30);
/// For DNS, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);

/// Client of provider gateways. Built once a process; clones share its connections.
#[derive(Clone)]
pub struct GatewayClient {
    inner: Arc<Inner>,
}

struct Inner {
    roots: Arc<Roots>,
    signer: Option<Arc<dyn TokenSigner>>,
    user_agent: String,
    retry: RetryPolicy,
    connect: Duration,
    peers: Mutex<HashMap<ProviderTarget, Arc<Peer>>>,
}

impl fmt::Debug for GatewayClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayClient").finish_non_exhaustive()
    }
}

/// Settings of a [`GatewayClient`] that have defaults.
#[must_use]
pub struct Builder {
    trust: Arc<dyn ChainTrust>,
    signer: Option<Arc<dyn TokenSigner>>,
    user_agent: String,
    roots: Option<RootCertStore>,
    retry: RetryPolicy,
    connect: Duration,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("user_agent", &self.user_agent).finish_non_exhaustive()
    }
}

impl Builder {
    /// These public certificate authorities instead of the machine's, for example in a test.
    pub fn public_roots(mut self, roots: RootCertStore) -> Self {
        self.roots = Some(roots);
        self
    }

    /// How a manifest's upload is retried.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How long finding, reaching and proving a server may take together, instead of 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// The client. Does no I/O.
    pub fn build(self) -> GatewayClient {
        let roots = Roots {
            chain: self.trust,
            authorities: Arc::new(self.roots.map_or_else(Authorities::of_machine, Authorities::given)),
            crypto: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        };
        GatewayClient {
            inner: Arc::new(Inner {
                roots: Arc::new(roots),
                signer: self.signer,
                user_agent: self.user_agent,
                retry: self.retry,
                connect: self.connect,
                peers: Mutex::default(),
            }),
        }
    }
}

impl GatewayClient {
    /// A client with the defaults. `trust` asks the chain for providers' certificates; without a `signer` only
    /// the calls that need no token work.
    pub fn new(
        trust: Arc<dyn ChainTrust>,
        signer: Option<Arc<dyn TokenSigner>>,
        user_agent: impl Into<String>,
    ) -> Self {
        Self::builder(trust, signer, user_agent).build()
    }

    /// As [`GatewayClient::new`], with settings to change.
    pub fn builder(
        trust: Arc<dyn ChainTrust>,
        signer: Option<Arc<dyn TokenSigner>>,
        user_agent: impl Into<String>,
    ) -> Builder {
        Builder {
            trust,
            signer,
            user_agent: user_agent.into(),
            roots: None,
            retry: RetryPolicy::default(),
            connect: CONNECT,
        }
    }

    /// `GET /lease/{dseq}/{gseq}/{oseq}/status`.
    ///
    /// # Errors
    /// [`GatewayError`]; [`GatewayError::NotFound`] when the provider has no such lease or no manifest for it yet.
    pub async fn lease_status(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
    ) -> Result<LeaseStatus, GatewayError> {
        self.get(target, &format!("/lease/{lease}/status"), "a lease's status", Some((lease, Scope::Status)))
            .await
    }

    /// `GET /lease/{dseq}/{gseq}/{oseq}/service/{name}/status`; `None` when the provider knows no such service.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn service_status(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
        service: &str,
    ) -> Result<Option<ServiceStatus>, GatewayError> {
        let path = format!("/lease/{lease}/service/{service}/status");
        self.get(target, &path, "a service's status", Some((lease, Scope::Status))).await
    }

    /// `GET /lease/{dseq}/{gseq}/{oseq}/manifest`: the lease's group as the provider holds it, JSON of
    /// `reference/akash.md` 4.2. It is lossy (endpoints are null, empty lists may be null, `tee` is dropped), so its
    /// hash is not the chain's. It may hold secrets.
    ///
    /// # Errors
    /// [`GatewayError`]; [`GatewayError::NotFound`] when the provider has no manifest for this lease.
    pub async fn manifest(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
    ) -> Result<SecretString, GatewayError> {
        let path = format!("/lease/{lease}/manifest");
        let answer = self.read(target, &path, Some((lease, Scope::GetManifest))).await?;
        // Parsed only to be sure that it is JSON; values stay inside the secret.
        let decoded = serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body)
            .map_err(|e| e.to_string())
            .and_then(|_| std::str::from_utf8(&answer.body).map_err(|e| e.to_string()));
        decoded.map(SecretString::from).map_err(|reason| GatewayError::Decode {
            provider: target.address.clone(),
            what: "a manifest",
            reason,
        })
    }

    /// `GET /status`: leases and inventory of the provider. No token.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn provider_status(&self, target: &ProviderTarget) -> Result<ProviderStatus, GatewayError> {
        self.get(target, "/status", "a provider's status", None).await
    }

    /// `GET /version`: what the provider runs. No token.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn provider_version(&self, target: &ProviderTarget) -> Result<ProviderVersion, GatewayError> {
        self.get(target, "/version", "a provider's version", None).await
    }

    /// `GET /address`: the account the server says it is. No token.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn provider_address(&self, target: &ProviderTarget) -> Result<String, GatewayError> {
        let answer: ProviderAddress = self.get(target, "/address", "a provider's address", None).await?;
        Ok(answer.address)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        target: &ProviderTarget,
        path: &str,
        what: &'static str,
        auth: Option<(LeaseRef, Scope)>,
    ) -> Result<T, GatewayError> {
        let answer = self.read(target, path, auth).await?;
        serde_json::from_slice(&answer.body).map_err(|e| GatewayError::Decode {
            provider: target.address.clone(),
            what,
            reason: e.to_string(),
        })
    }

    /// A GET, sent once more with a new token after a 401, and once more after a connection that broke.
    async fn read(
        &self,
        target: &ProviderTarget,
        path: &str,
        auth: Option<(LeaseRef, Scope)>,
    ) -> Result<Answer, GatewayError> {
        let peer = self.peer(target)?;
        let mut again = true;
        loop {
            let token = match auth {
                None => None,
                Some((lease, scope)) => Some(self.token(&Grant {
                    provider: &target.address,
                    dseq: lease.dseq,
                    lease: Some((lease.gseq, lease.oseq)),
                    scopes: &[scope],
                    services: &[],
                })?),
            };
            let call = Call { method: Method::GET, path, token: token.as_ref(), body: None, timeout: READ };
            let failure = match peer.send(&call).await {
                Ok(answer) if answer.status == 200 => return Ok(answer),
                Ok(answer) => refused(&target.address, &answer, &[]),
                Err(failure) => failure,
            };
            if !(again && read_once_more(&failure)) {
                return Err(failure);
            }
            again = false;
        }
    }

    pub(crate) fn peer(&self, target: &ProviderTarget) -> Result<Arc<Peer>, GatewayError> {
        let mut peers = self
            .inner
            .peers
            .lock()
            .map_err(|_| GatewayError::Setup("a call before this one panicked".into()))?;
        if let Some(peer) = peers.get(target) {
            return Ok(peer.clone());
        }
        let server = Server::new(target, self.inner.roots.clone())?;
        let peer = Arc::new(Peer::new(server, &self.inner.user_agent, self.inner.connect)?);
        peers.insert(target.clone(), peer.clone());
        Ok(peer)
    }

    pub(crate) fn token(&self, grant: &Grant<'_>) -> Result<SecretString, GatewayError> {
        let provider = || grant.provider.to_owned();
        let signer = self.inner.signer.as_deref();
        let signer = signer.ok_or_else(|| GatewayError::NoSigner { provider: provider() })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        mint(signer, grant, now, TOKEN_LIFETIME)
            .map_err(|source| GatewayError::Sign { provider: provider(), source })
    }

    pub(crate) fn retry_policy(&self) -> &RetryPolicy {
        &self.inner.retry
    }
}

/// The error an answer that is no success stands for (`reference/akash.md` 6.1). `secrets` are blanked out of the
/// provider's words.
pub(crate) fn refused(provider: &str, answer: &Answer, secrets: &[&str]) -> GatewayError {
    let (provider, status) = (provider.to_owned(), answer.status);
    let message = quote(&answer.body, secrets);
    match status {
        401 => GatewayError::Unauthorized { provider, status, message },
        400 if message.contains("JWT") || message.contains("auth") => {
            GatewayError::Unauthorized { provider, status, message }
        }
        404 => GatewayError::NotFound { provider, message },
        300..=399 => GatewayError::Redirect { provider, status },
        _ => GatewayError::Status { provider, status, message },
    }
}
