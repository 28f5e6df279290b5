//! Client certificates at a gateway (`reference/akash.md` 6.3): asked for, not required, and checked against the chain.

use std::sync::Arc;

use akash_proto::akash::cert::v1::State as CertificateState;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::Chain;

/// Takes exactly one certificate, which must be a valid one on chain of the account it names.
pub(super) struct OnChain {
    pub(super) chain: Arc<dyn Chain>,
    pub(super) crypto: Arc<CryptoProvider>,
}

impl std::fmt::Debug for OnChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnChain").finish_non_exhaustive()
    }
}

/// The account a certificate is for: its common name, which must be its issuer's, too.
pub(super) fn account(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = |name: &x509_parser::x509::X509Name<'_>| {
        Some(name.iter_common_name().next()?.as_str().ok()?.to_owned())
    };
    let subject = name(certificate.subject())?;
    (name(certificate.issuer())? == subject).then_some(subject)
}

impl OnChain {
    fn check(&self, der: &[u8], now: UnixTime) -> Option<()> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let now = ASN1Time::from_timestamp(i64::try_from(now.as_secs()).ok()?).ok()?;
        let for_clients = certificate.extended_key_usage().ok()??.value.client_auth;
        if !certificate.validity().is_valid_at(now) || !for_clients {
            return None;
        }
        let account = account(der)?;
        let state = self.chain.state();
        let mut valid = state.certificates_of(&account).filter(|(_, c)| c.state() == CertificateState::Valid);
        valid
            .any(|(_, c)| CertificateDer::from_pem_slice(&c.cert).is_ok_and(|known| *known == *der))
            .then_some(())
    }
}

impl ClientCertVerifier for OnChain {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let known = intermediates.is_empty() && self.check(end_entity, now).is_some();
        known
            .then(ClientCertVerified::assertion)
            .ok_or(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, dss, &self.crypto.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, dss, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
