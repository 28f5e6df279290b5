//! A provider's server for tests: any certificate, any script of answers; it keeps what it was sent.

use akash_gateway::{ChainTrust, GatewayClient, ProviderTarget, SignError, TokenSigner, TrustError};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::string::PrintableString;
use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;

pub(crate) const PROVIDER: &str = "akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64";
pub(crate) const TENANT: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) der: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

/// Certificate parameters as a real provider's (`reference/akash.md` 6.2): one name, server and client, key usage
/// without digitalSignature, critical name constraints on a leaf.
pub(crate) fn provider_params(address: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let printable = |text: &str| DnValue::PrintableString(PrintableString::try_from(text).unwrap());
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, printable(address));
    name.push(DnType::CustomDnType(vec![2, 23, 133, 2, 6]), printable("v0.0.1"));
    params.distinguished_name = name;
    // CA:FALSE, written out: rcgen's own way adds a subject key identifier, which real ones lack.
    let mut no_ca = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    no_ca.set_criticality(true);
    params.custom_extensions = vec![no_ca];
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("localhost".into())],
        excluded_subtrees: vec![],
    });
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    params
}

pub(crate) fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity { der: vec![params.self_signed(&key).unwrap().der().to_vec()], key: key.serialize_der() }
}

pub(crate) fn provider_identity(address: &str) -> Identity {
    self_signed(&provider_params(address))
}

/// A certificate for `host` of a certificate authority made for the test, and that authority.
pub(crate) fn public_identity(host: &str) -> (Identity, CertificateDer<'static>) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    (Identity { der: vec![leaf.der().to_vec()], key: key.serialize_der() }, ca.der().clone())
}

/// What a test server answers: status, content type, body; then what was asked for is in [`Server::seen`].
#[derive(Clone)]
pub(crate) struct Reply(pub(crate) u16, pub(crate) &'static str, pub(crate) Bytes);

impl Reply {
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self(status, "text/plain; charset=utf-8", Bytes::copy_from_slice(body.as_bytes()))
    }
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self(status, "application/json", Bytes::copy_from_slice(body.as_bytes()))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn claims(&self) -> serde_json::Value {
        use base64::Engine;
        let payload = self.token.as_deref().unwrap().split('.').nth(1).unwrap();
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

/// A running server. The last reply of its script stays.
pub(crate) struct Server {
    pub(crate) target: ProviderTarget,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Requests being answered now, and the most there ever were.
    pub(crate) at_once: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Server {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn tls(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.clone()));
    let key = crypto.key_provider.load_private_key(key).unwrap();
    // Does not compare certificate and key, so that a test can show a certificate it has no key of.
    let certified =
        CertifiedKey::new(identity.der.iter().map(|der| CertificateDer::from(der.clone())).collect(), key);
    ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// Serves `script` at 127.0.0.1 as the provider `address`, on chain by the name `host`.
pub(crate) async fn serve(config: ServerConfig, host: &str, script: Vec<Reply>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host_uri = format!("https://{host}:{}", listener.local_addr().unwrap().port());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let connections = Arc::new(AtomicUsize::new(0));
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let server = Server {
        target: ProviderTarget { address: PROVIDER.into(), host_uri },
        seen: seen.clone(),
        connections: connections.clone(),
        at_once: Arc::default(),
    };
    let at_once = server.at_once.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, seen, script, connections, at_once) =
                (acceptor.clone(), seen.clone(), script.clone(), connections.clone(), at_once.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                connections.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let (seen, script, at_once) = (seen.clone(), script.clone(), at_once.clone());
                    async move {
                        let now = at_once.0.fetch_add(1, Ordering::SeqCst) + 1;
                        at_once.1.fetch_max(now, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        let (parts, body) = request.into_parts();
                        let token = parts
                            .headers
                            .get("authorization")
                            .map(|value| value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned());
                        let path = parts.uri.path_and_query().unwrap().to_string();
                        let body = body.collect().await.unwrap().to_bytes();
                        let method = parts.method.to_string();
                        seen.lock().unwrap().push(Seen { method, path, token, body });
                        at_once.0.fetch_sub(1, Ordering::SeqCst);
                        let mut script = script.lock().unwrap();
                        let Reply(status, kind, body) =
                            if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
                                .unwrap();
                        let mut response = hyper::Response::builder().status(status);
                        if (300..400).contains(&status) {
                            response = response.header("Location", "https://localhost:1/elsewhere");
                        }
                        if !kind.is_empty() {
                            response = response.header("Content-Type", kind);
                        }
                        Ok::<_, hyper::Error>(response.body(Full::new(body)).unwrap())
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    server
}

/// Serves as the provider with the certificate that is on chain, and gives a client that trusts that chain.
pub(crate) async fn provider(script: Vec<Reply>) -> (Server, GatewayClient) {
    let identity = provider_identity(PROVIDER);
    let chain = Chain::of(vec![identity.der[0].clone()]);
    let server = serve(tls(&identity, &[&rustls::version::TLS13]), "127.0.0.1", script).await;
    (server, client(&chain))
}

/// The chain's certificates of every account asked for, and how often it was asked.
pub(crate) struct Chain {
    pub(crate) valid: Mutex<Vec<Vec<u8>>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Chain {
    pub(crate) fn of(valid: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { valid: Mutex::new(valid), asked: Mutex::default() })
    }
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl ChainTrust for Chain {
    async fn valid_certificates(&self, provider: &str) -> Result<Vec<Vec<u8>>, TrustError> {
        self.asked.lock().unwrap().push(provider.to_owned());
        Ok(self.valid.lock().unwrap().clone())
    }
}

/// Signs nothing useful: the servers here look at claims only.
pub(crate) struct Signer;

impl TokenSigner for Signer {
    fn address(&self) -> &str {
        TENANT
    }
    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
        Ok([7; 64])
    }
}

pub(crate) fn client(chain: &Arc<Chain>) -> GatewayClient {
    GatewayClient::builder(chain.clone(), Some(Arc::new(Signer)), "test/0")
        .public_roots(rustls::RootCertStore::empty())
        .retry(akash_gateway::RetryPolicy {
            window: std::time::Duration::from_secs(60),
            first: std::time::Duration::from_millis(2),
            longest: std::time::Duration::from_millis(10),
        })
        .build()
}
