//! How a server proves that it is the provider of a lease.
//!
//! Two ways, either is enough (`reference/akash.md` 6.2): the machine's public certificate authorities verify its
//! certificate for the host name; or its one certificate is byte for byte a valid certificate of exactly this
//! provider on chain. The official client does not compare the certificate's account with the provider it wants;
//! this one does. It must not know HTTP: it is a verifier for rustls, and what it has not been told yet
//! (the chain's certificates, the machine's authorities) it asks for by refusing with [`Refusal::needs`].

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// How long the chain's answer about a provider's certificates is used. A certificate revoked meanwhile is still
/// taken until then, and one that is new is asked for at once.
const KEEP: Duration = Duration::from_secs(10 * 60);

/// The chain, as far as trust in providers goes. The caller gives it.
#[async_trait::async_trait]
pub trait ChainTrust: Send + Sync {
    /// The certificates of this account that are in state *valid* on chain now, as DER (the chain stores PEM:
    /// [`certificate_from_pem`]). An empty list is an answer: the provider has none.
    ///
    /// # Errors
    /// When no endpoint answered.
    async fn valid_certificates(&self, provider: &str) -> Result<Vec<Vec<u8>>, TrustError>;
}

/// The chain could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(pub String);

/// The DER of the first certificate in a PEM text, as the chain stores it.
///
/// # Errors
/// When there is none.
pub fn certificate_from_pem(pem: &[u8]) -> Result<Vec<u8>, TrustError> {
    CertificateDer::from_pem_slice(pem)
        .map(|der| der.to_vec())
        .map_err(|e| TrustError(format!("the certificate on chain is not PEM: {e}")))
}

/// Which rule a server's certificate broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is the right name, but none of the provider's valid certificates on chain (never published, or revoked).
    #[error("its certificate carries the provider's name but is not one of its valid certificates on chain")]
    NotOnChain,
    /// It belongs to another account, even if that one's is valid.
    #[error("its certificate belongs to the account {found}")]
    OtherAccount {
        /// The certificate's common name.
        found: String,
    },
    /// Its dates do not include now.
    #[error("its certificate is not valid at this time (from {not_before} to {not_after})")]
    Dates {
        /// Begin.
        not_before: String,
        /// End.
        not_after: String,
    },
    /// It is not for servers.
    #[error("its certificate is not for use by a server")]
    Usage,
    /// More certificates than the one on chain were sent.
    #[error("it sent {0} certificates with the one it should have on chain")]
    Chain(usize),
    /// It is no certificate.
    #[error("what it sent is not a certificate")]
    Malformed,
    /// It is no account's certificate, and the public authorities do not verify it for the host.
    #[error(
        "its certificate is neither the provider's nor verified by this machine's certificate authorities ({0})"
    )]
    NotPublic(String),
    /// It would have to be verified by public authorities, and they have not been loaded yet.
    #[error("its certificate has to be verified by public certificate authorities, which are not loaded")]
    AuthoritiesNotLoaded,
    /// The server does not speak TLS 1.3.
    #[error("it does not speak TLS 1.3 ({0})")]
    Protocol(String),
    /// The handshake was not signed with the certificate's key, or TLS failed in another way.
    #[error("the TLS handshake failed ({0})")]
    Handshake(String),
}

/// What a refusal says is missing to decide for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The chain's list, or a newer one.
    ChainCertificates,
    /// The machine's authorities.
    Authorities,
}

impl Refusal {
    pub(crate) fn needs(&self) -> Option<Needs> {
        match self {
            Self::NotOnChain => Some(Needs::ChainCertificates),
            Self::AuthoritiesNotLoaded => Some(Needs::Authorities),
            _ => None,
        }
    }

    /// The refusal inside an error of the transport, if TLS is why it failed.
    pub(crate) fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::from_tls(tls);
            }
            // An io::Error's source() leaves out the error it was made from.
            next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn from_tls(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => Some(
                inner.downcast_ref::<Self>().cloned().unwrap_or_else(|| Self::Handshake(inner.to_string())),
            ),
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => {
                Some(Self::Protocol(error.to_string()))
            }
            // The server ended the handshake for a reason of its own: that is "unreachable", not "untrusted".
            rustls::Error::AlertReceived(_) => None,
            other => Some(Self::Handshake(other.to_string())),
        }
    }
}

/// The public certificate authorities, shared by all providers and loaded when first needed.
pub(crate) struct Authorities {
    given: Option<RootCertStore>,
    loaded: OnceLock<Result<Arc<dyn ServerCertVerifier>, String>>,
}

impl Authorities {
    /// The machine's own.
    pub(crate) fn of_machine() -> Self {
        Self { given: None, loaded: OnceLock::new() }
    }

    /// These instead.
    pub(crate) fn given(roots: RootCertStore) -> Self {
        Self { given: Some(roots), loaded: OnceLock::new() }
    }

    /// Reads them. Blocks (files, on some systems a certificate store): not for an async worker.
    pub(crate) fn load(&self, crypto: Arc<CryptoProvider>) {
        self.loaded.get_or_init(|| match &self.given {
            Some(roots) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), crypto)
                .build()
                .map(|v| v as Arc<dyn ServerCertVerifier>)
                .map_err(|e| e.to_string()),
            None => rustls_platform_verifier::Verifier::new(crypto)
                .map(|v| Arc::new(v) as Arc<dyn ServerCertVerifier>)
                .map_err(|e| e.to_string()),
        });
    }
}

/// The chain's answer about one provider, and when it was given.
#[derive(Default)]
struct Pins {
    certificates: Vec<Vec<u8>>,
    asked: Option<Instant>,
}

/// Verifies the server of one provider.
pub(crate) struct ProviderVerifier {
    provider: String,
    crypto: Arc<CryptoProvider>,
    authorities: Arc<Authorities>,
    pins: RwLock<Pins>,
}

impl fmt::Debug for ProviderVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderVerifier").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl ProviderVerifier {
    pub(crate) fn new(provider: String, crypto: Arc<CryptoProvider>, authorities: Arc<Authorities>) -> Self {
        Self { provider, crypto, authorities, pins: RwLock::default() }
    }

    /// Takes the chain's answer.
    pub(crate) fn learn(&self, certificates: Vec<Vec<u8>>) {
        if let Ok(mut pins) = self.pins.write() {
            *pins = Pins { certificates, asked: Some(Instant::now()) };
        }
    }

    /// When the chain was last asked.
    pub(crate) fn asked(&self) -> Option<Instant> {
        self.pins.read().ok().and_then(|pins| pins.asked)
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let (rest, certificate) = X509Certificate::from_der(end_entity).map_err(|_| Refusal::Malformed)?;
        if !rest.is_empty() {
            return Err(Refusal::Malformed);
        }
        match account(&certificate) {
            Some(account) => self.check_account(&certificate, end_entity, &account, intermediates, now),
            None => self.check_public(end_entity, intermediates, server_name, now),
        }
    }

    fn check_account(
        &self,
        certificate: &X509Certificate<'_>,
        der: &[u8],
        account: &str,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        if account != self.provider {
            return Err(Refusal::OtherAccount { found: account.to_owned() });
        }
        if !intermediates.is_empty() {
            return Err(Refusal::Chain(intermediates.len()));
        }
        let validity = certificate.validity();
        let now = i64::try_from(now.as_secs()).ok().and_then(|s| ASN1Time::from_timestamp(s).ok());
        if !now.is_some_and(|now| validity.is_valid_at(now)) {
            return Err(Refusal::Dates {
                not_before: validity.not_before.to_string(),
                not_after: validity.not_after.to_string(),
            });
        }
        match certificate.extended_key_usage() {
            Ok(None) => {}
            Ok(Some(usage)) if usage.value.server_auth || usage.value.any => {}
            Ok(Some(_)) | Err(_) => return Err(Refusal::Usage),
        }
        let pins = self.pins.read().map_err(|_| Refusal::NotOnChain)?;
        let fresh = pins.asked.is_some_and(|asked| asked.elapsed() < KEEP);
        if fresh && pins.certificates.iter().any(|pin| pin == der) {
            Ok(())
        } else {
            Err(Refusal::NotOnChain)
        }
    }

    fn check_public(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        match self.authorities.loaded.get() {
            None => Err(Refusal::AuthoritiesNotLoaded),
            Some(Err(reason)) => Err(Refusal::NotPublic(reason.clone())),
            Some(Ok(verifier)) => verifier
                .verify_server_cert(end_entity, intermediates, server_name, &[], now)
                .map(drop)
                .map_err(|e| Refusal::NotPublic(e.to_string())),
        }
    }
}

/// The account a certificate is for, if it is shaped like one on chain: subject and issuer have one common name, the
/// same, and it is an Akash address.
fn account(certificate: &X509Certificate<'_>) -> Option<String> {
    let only = |name: &x509_parser::x509::X509Name<'_>| {
        let mut names = name.iter_common_name();
        let first = names.next()?.as_str().ok()?.to_owned();
        names.next().is_none().then_some(first)
    };
    let subject = only(certificate.subject())?;
    (subject.starts_with("akash1") && only(certificate.issuer())? == subject).then_some(subject)
}

impl ServerCertVerifier for ProviderVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, server_name, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|refusal| CertificateError::Other(OtherError(Arc::new(refusal))).into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, dss, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
