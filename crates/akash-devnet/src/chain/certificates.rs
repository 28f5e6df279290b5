//! Certificates of tenants and providers: the messages of `akash.cert.v1`.

use akash_proto::akash::cert::v1::{
    Certificate, MsgCreateCertificate, MsgCreateCertificateResponse, MsgRevokeCertificate,
    MsgRevokeCertificateResponse, State as CertificateState,
};
use x509_parser::{pem::Pem, prelude::FromDer, x509::SubjectPublicKeyInfo};

use super::{
    errors::{ChainError, cert as errors, sdk},
    exec::Exec,
    gas,
};
use crate::wallet::is_address;

/// The one block of PEM text, if it carries this label.
fn pem_block(text: &[u8], label: &str) -> Option<Vec<u8>> {
    let mut blocks = Pem::iter_from_buffer(text);
    let block = blocks.next()?.ok()?;
    (blocks.next().is_none() && block.label == label).then_some(block.contents)
}

/// `MsgCreateCertificate`: checks without state. Dates, usages and curve are not the chain's business.
///
/// # Errors
/// `sdk` 7; `cert` 7 for the public key, 6 for the certificate, its signature, or a subject that is not the owner.
pub fn validate_create(message: &MsgCreateCertificate) -> Result<(), ChainError> {
    if !is_address(&message.owner) {
        return Err(sdk::INVALID_ADDRESS.plain());
    }
    serial(message).map(drop)
}

/// The serial of a certificate message that passes the checks, in decimal.
fn serial(message: &MsgCreateCertificate) -> Result<String, ChainError> {
    let key = pem_block(&message.pubkey, "EC PUBLIC KEY").ok_or_else(|| errors::INVALID_PUBKEY.plain())?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&key).map_err(|_| errors::INVALID_PUBKEY.plain())?;
    let der = pem_block(&message.cert, "CERTIFICATE").ok_or_else(|| errors::INVALID_CERTIFICATE.plain())?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(|_| errors::INVALID_CERTIFICATE.plain())?;
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified = algorithms.all.iter().any(|algorithm| {
        let (tbs, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
        algorithm.verify_signature(&key.subject_public_key.data, tbs, signature).is_ok()
    });
    let mut names = certificate.subject().iter_common_name();
    let owner = names.next().and_then(|name| name.as_str().ok());
    if !verified || owner != Some(message.owner.as_str()) {
        return Err(errors::INVALID_CERTIFICATE.plain());
    }
    Ok(certificate.tbs_certificate.serial.to_string())
}

/// `MsgCreateCertificate`.
///
/// # Errors
/// `cert` 3 when the owner has one of this serial, in whatever state.
pub fn create(
    exec: &mut Exec,
    message: MsgCreateCertificate,
) -> Result<MsgCreateCertificateResponse, ChainError> {
    exec.charge(gas::CERTIFICATE)?;
    let key = (message.owner.clone(), serial(&message)?);
    if exec.state.certificates.contains_key(&key) {
        return Err(errors::EXISTS.plain());
    }
    let certificate =
        Certificate { state: CertificateState::Valid.into(), cert: message.cert, pubkey: message.pubkey };
    exec.state.certificates.insert(key, certificate);
    Ok(MsgCreateCertificateResponse {})
}

/// `MsgRevokeCertificate`: checks without state.
///
/// # Errors
/// `sdk` 7; `cert` 5 for a serial that is not decimal.
pub fn validate_revoke(message: &MsgRevokeCertificate) -> Result<(), ChainError> {
    let (owner, serial) = message.id.as_ref().map_or(("", ""), |id| (id.owner.as_str(), id.serial.as_str()));
    if !is_address(owner) {
        return Err(sdk::INVALID_ADDRESS.plain());
    }
    if serial.is_empty() || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(errors::INVALID_SERIAL.plain());
    }
    Ok(())
}

/// `MsgRevokeCertificate`.
///
/// # Errors
/// `cert` 1, 4.
pub fn revoke(
    exec: &mut Exec,
    message: MsgRevokeCertificate,
) -> Result<MsgRevokeCertificateResponse, ChainError> {
    exec.charge(gas::UPDATE)?;
    let id = message.id.unwrap_or_default();
    let certificate =
        exec.state.certificates.get_mut(&(id.owner, id.serial)).ok_or_else(|| errors::NOT_FOUND.plain())?;
    if certificate.state() == CertificateState::Revoked {
        return Err(errors::ALREADY_REVOKED.plain());
    }
    certificate.state = CertificateState::Revoked.into();
    Ok(MsgRevokeCertificateResponse {})
}
