//! A provider's certificate, shaped as real ones are (`reference/akash.md` 6.2).

use std::sync::Arc;

use akash_proto::akash::cert::v1::{Certificate, State};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose,
    GeneralSubtree, KeyPair, KeyUsagePurpose, NameConstraints, string::PrintableString,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use time::{Duration, OffsetDateTime};

use super::clients::OnChain;

/// The host that a provider on this machine names in its certificate.
const HOST: &str = "localhost";

/// A certificate and its key.
#[derive(Clone)]
pub(super) struct Identity {
    pem: String,
    public_key_pem: String,
    der: Vec<u8>,
    /// PKCS #8.
    key: Vec<u8>,
}

impl Identity {
    /// A new self-signed certificate of `address`, valid for a year.
    pub(super) fn new(address: &str) -> Result<Self, String> {
        Self::make(address).map_err(|e| e.to_string())
    }

    fn make(address: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let now = OffsetDateTime::now_utc();
        // The time it is made, in nanoseconds.
        let serial = u64::try_from(now.unix_timestamp_nanos())?;
        let printable = |text: &str| PrintableString::try_from(text.to_owned()).map(DnValue::PrintableString);
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, printable(address)?);
        // The version of the network's certificate rules.
        name.push(DnType::CustomDnType(vec![2, 23, 133, 2, 6]), printable("v0.0.1")?);
        // CA:FALSE, written out: rcgen's own way adds a subject key identifier, which real ones lack.
        let mut no_ca = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
        no_ca.set_criticality(true);
        let mut params = CertificateParams::new(vec![HOST.to_owned()])?;
        params.distinguished_name = name;
        params.serial_number = Some(serial.into());
        params.not_before = now - Duration::seconds(1);
        params.not_after = now + Duration::days(365);
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(HOST.to_owned())],
            excluded_subtrees: vec![],
        });
        params.custom_extensions = vec![no_ca];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            // The network's label, which is not the usual one.
            public_key_pem: key.public_key_pem().replace("PUBLIC KEY", "EC PUBLIC KEY"),
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// As the chain keeps it.
    pub(super) fn on_chain(&self) -> Certificate {
        Certificate {
            state: State::Valid.into(),
            cert: self.pem.clone().into_bytes(),
            pubkey: self.public_key_pem.clone().into_bytes(),
        }
    }

    /// For a TLS server of these clients.
    pub(super) fn server(&self, clients: OnChain) -> Result<ServerConfig, rustls::Error> {
        let (chain, key) = self.pair();
        let mut server = ServerConfig::builder_with_provider(clients.crypto.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(clients))
            .with_single_cert(chain, key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(server)
    }

    /// Certificate and key.
    pub(super) fn pair(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        (vec![CertificateDer::from(self.der.clone())], PrivateKeyDer::from(key))
    }
}
