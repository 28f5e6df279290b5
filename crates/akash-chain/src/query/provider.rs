//! Providers, their audits, and the certificates of accounts.

use akash_proto::akash::{audit, cert, provider::v1beta4 as provider};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{MAX_MESSAGE, QueryError};
use crate::{Chain, nodes::node::Caller};

impl Chain {
    /// A provider as it is registered on chain.
    pub async fn provider(&self, address: &str) -> Result<Option<provider::Provider>, QueryError> {
        let found = self
            .inner()
            .find("the provider", async |caller| {
                let request = provider::QueryProviderRequest { owner: address.into() };
                provider_client(caller).provider(request).await
            })
            .await?;
        Ok(found.and_then(|found| found.provider))
    }

    /// Every registered provider.
    pub async fn providers(&self) -> Result<Vec<provider::Provider>, QueryError> {
        self.providers_at(None).await
    }

    pub(crate) async fn providers_at(
        &self,
        height: Option<u64>,
    ) -> Result<Vec<provider::Provider>, QueryError> {
        self.inner()
            .pages(
                "the providers",
                height,
                async |caller, pagination| {
                    provider_client(caller).providers(provider::QueryProvidersRequest { pagination }).await
                },
                |page| (page.providers, page.pagination),
            )
            .await
    }

    /// Every audit of every provider.
    pub(crate) async fn all_audits_at(
        &self,
        height: Option<u64>,
    ) -> Result<Vec<audit::v1::AuditedProvider>, QueryError> {
        self.inner()
            .pages(
                "the providers' audits",
                height,
                async |caller, pagination| {
                    let request = audit::v1::QueryAllProvidersAttributesRequest { pagination };
                    audit::v1::query_client::QueryClient::new(caller)
                        .max_decoding_message_size(MAX_MESSAGE)
                        .all_providers_attributes(request)
                        .await
                },
                |page| (page.providers, page.pagination),
            )
            .await
    }

    /// Who has audited a provider, and what they signed for. None is an empty list (the chain answers "not found").
    pub async fn audits(&self, address: &str) -> Result<Vec<audit::v1::AuditedProvider>, QueryError> {
        let rows = self
            .inner()
            .pages(
                "the provider's audits",
                None,
                async |caller, pagination| {
                    let request =
                        audit::v1::QueryProviderAttributesRequest { owner: address.into(), pagination };
                    audit::v1::query_client::QueryClient::new(caller)
                        .max_decoding_message_size(MAX_MESSAGE)
                        .provider_attributes(request)
                        .await
                },
                |page| (page.providers, page.pagination),
            )
            .await;
        match rows {
            Err(QueryError::Node { error, .. })
                if error.codespace == "audit" && error.code == 1
                    || error.codespace == "grpc" && error.code == 5 =>
            {
                Ok(Vec::new())
            }
            rows => rows,
        }
    }

    /// The certificates that an account has on chain and has not revoked, as DER. The chain checks neither dates nor
    /// key usage, so the caller must.
    pub async fn certificates(&self, owner: &str) -> Result<Vec<Vec<u8>>, QueryError> {
        let rows = self.certificates_by(owner, "valid").await?;
        let valid = rows.into_iter().filter_map(|row| row.certificate);
        Ok(valid
            .filter(|certificate| certificate.state == i32::from(cert::v1::State::Valid))
            .filter_map(|certificate| der(&certificate.cert))
            .collect())
    }

    /// The certificates of an account in one state, or in all (an empty one).
    pub(crate) async fn certificates_by(
        &self,
        owner: &str,
        state: &str,
    ) -> Result<Vec<cert::v1::CertificateResponse>, QueryError> {
        let filter =
            cert::v1::CertificateFilter { owner: owner.into(), state: state.into(), ..Default::default() };
        self.inner()
            .pages(
                "the certificates",
                None,
                async |caller, pagination| {
                    let request =
                        cert::v1::QueryCertificatesRequest { filter: Some(filter.clone()), pagination };
                    cert::v1::query_client::QueryClient::new(caller)
                        .max_decoding_message_size(MAX_MESSAGE)
                        .certificates(request)
                        .await
                },
                |page| (page.certificates, page.pagination),
            )
            .await
    }
}

fn provider_client(caller: Caller) -> provider::query_client::QueryClient<Caller> {
    provider::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

/// The first PEM block of a certificate as DER.
fn der(pem: &[u8]) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem).ok().map(|der| der.to_vec())
}
