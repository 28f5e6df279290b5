//! Reading the chain: one method for each question.
//!
//! This file must not know endpoints, transactions, nor what an answer is used for.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use akash_proto::{
    akash::{
        audit, bme::v1 as bme, cert, deployment::v1beta4 as deployment, discovery, escrow,
        market::v1 as market_v1, market::v1beta5 as market, oracle::v2 as oracle,
        provider::v1beta4 as provider,
    },
    cosmos::{
        auth::v1beta1 as auth, bank::v1beta1 as bank, base::abci::v1beta1::TxResponse,
        base::node::v1beta1 as node_service, consensus::v1 as consensus, tx::v1beta1 as tx,
    },
    id::{DeploymentId, GroupId, LeaseId, OrderId},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;

use crate::{
    Block, Chain, QueryError,
    endpoint::node::Caller,
    read::{Answered, Floor, MAX_MESSAGE, error_of},
};

impl Chain {
    /// The latest block of the healthiest endpoint.
    pub async fn latest_block(&self) -> Result<Block, QueryError> {
        self.block("the latest block", None).await
    }

    /// The time of the block at `height`.
    pub async fn block_time(&self, height: u64) -> Result<OffsetDateTime, QueryError> {
        self.block("a block", Some(height)).await.map(|block| block.time)
    }

    /// A deployment with its groups and escrow account, in any state; `None` if there never was one.
    pub async fn deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Option<deployment::QueryDeploymentResponse>, QueryError> {
        self.inner()
            .find("the deployment", async |caller| {
                let request = deployment::QueryDeploymentRequest { id: Some(id.into()) };
                deployment_client(caller).deployment(request).await
            })
            .await
    }

    /// The owner's deployments in one state (`active`, `closed`), or in all.
    pub async fn deployments(
        &self,
        owner: &str,
        state: Option<&str>,
    ) -> Result<Vec<deployment::QueryDeploymentResponse>, QueryError> {
        self.deployments_at(owner, state, None).await
    }

    pub(crate) async fn deployments_at(
        &self,
        owner: &str,
        state: Option<&str>,
        height: Option<u64>,
    ) -> Result<Vec<deployment::QueryDeploymentResponse>, QueryError> {
        let filters = deployment::DeploymentFilters {
            owner: owner.into(),
            state: state.unwrap_or_default().into(),
            ..Default::default()
        };
        self.inner()
            .pages(
                "the deployments",
                height,
                async |caller, pagination| {
                    let request =
                        deployment::QueryDeploymentsRequest { filters: Some(filters.clone()), pagination };
                    deployment_client(caller).deployments(request).await
                },
                |page| (page.deployments, page.pagination),
            )
            .await
    }

    /// A group; `None` if there is none of that number.
    pub async fn group(&self, id: &GroupId) -> Result<Option<deployment::Group>, QueryError> {
        let found = self
            .inner()
            .find("the group", async |caller| {
                deployment_client(caller).group(deployment::QueryGroupRequest { id: Some(id.into()) }).await
            })
            .await?;
        Ok(found.and_then(|found| found.group))
    }

    /// The orders of a group in any state.
    pub async fn orders(&self, group: &GroupId) -> Result<Vec<market::Order>, QueryError> {
        let filters = market::OrderFilters {
            owner: group.owner().into(),
            dseq: group.dseq(),
            gseq: group.gseq(),
            ..Default::default()
        };
        self.orders_at(filters, None).await
    }

    pub(crate) async fn orders_at(
        &self,
        filters: market::OrderFilters,
        height: Option<u64>,
    ) -> Result<Vec<market::Order>, QueryError> {
        self.inner()
            .pages(
                "the orders",
                height,
                async |caller, pagination| {
                    let request = market::QueryOrdersRequest { filters: Some(filters.clone()), pagination };
                    market_client(caller).orders(request).await
                },
                |page| (page.orders, page.pagination),
            )
            .await
    }

    /// The bids on one order, in any state.
    pub async fn bids(&self, order: &OrderId) -> Result<Vec<market::QueryBidResponse>, QueryError> {
        let filters = market::BidFilters {
            owner: order.owner().into(),
            dseq: order.dseq(),
            gseq: order.gseq(),
            oseq: order.oseq(),
            ..Default::default()
        };
        self.bids_by(filters).await
    }

    /// The bids that fit a filter, all pages. `state` narrows the rows that the chain walks.
    pub async fn bids_by(
        &self,
        filters: market::BidFilters,
    ) -> Result<Vec<market::QueryBidResponse>, QueryError> {
        self.bids_at(filters, None).await
    }

    pub(crate) async fn bids_at(
        &self,
        filters: market::BidFilters,
        height: Option<u64>,
    ) -> Result<Vec<market::QueryBidResponse>, QueryError> {
        self.inner()
            .pages(
                "the bids",
                height,
                async |caller, pagination| {
                    let request = market::QueryBidsRequest { filters: Some(filters.clone()), pagination };
                    market_client(caller).bids(request).await
                },
                |page| (page.bids, page.pagination),
            )
            .await
    }

    /// The leases of a deployment in any state (`reclaiming` is one that filters by `active` miss), of one group if
    /// `gseq` is given.
    pub async fn leases(
        &self,
        deployment: &DeploymentId,
        gseq: Option<u32>,
    ) -> Result<Vec<market::QueryLeaseResponse>, QueryError> {
        let filters = market_v1::LeaseFilters {
            owner: deployment.owner().into(),
            dseq: deployment.dseq(),
            gseq: gseq.unwrap_or_default(),
            ..Default::default()
        };
        self.leases_at(filters, None).await
    }

    pub(crate) async fn leases_at(
        &self,
        filters: market_v1::LeaseFilters,
        height: Option<u64>,
    ) -> Result<Vec<market::QueryLeaseResponse>, QueryError> {
        self.inner()
            .pages(
                "the leases",
                height,
                async |caller, pagination| {
                    let request = market::QueryLeasesRequest { filters: Some(filters.clone()), pagination };
                    market_client(caller).leases(request).await
                },
                |page| (page.leases, page.pagination),
            )
            .await
    }

    /// One lease in any state.
    pub async fn lease(&self, id: &LeaseId) -> Result<Option<market::QueryLeaseResponse>, QueryError> {
        self.inner()
            .find("the lease", async |caller| {
                market_client(caller).lease(market::QueryLeaseRequest { id: Some(id.into()) }).await
            })
            .await
    }

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

    /// What an account holds, by denomination, in smallest units.
    pub async fn balances(&self, address: &str) -> Result<BTreeMap<String, u128>, QueryError> {
        let rows = self
            .inner()
            .pages(
                "the balances",
                None,
                async |caller, pagination| {
                    let request = bank::QueryAllBalancesRequest {
                        address: address.into(),
                        pagination,
                        resolve_denom: false,
                    };
                    bank::query_client::QueryClient::new(caller).all_balances(request).await
                },
                |page| (page.balances, page.pagination),
            )
            .await?;
        rows.into_iter()
            .map(|coin| {
                let amount = coin.amount.parse().map_err(|_| QueryError::Malformed {
                    what: "the balances",
                    endpoint: String::new(),
                    missing: "a whole amount",
                })?;
                Ok((coin.denom, amount))
            })
            .collect()
    }

    /// The deployment module's parameters (minimum deposits).
    pub async fn deployment_params(&self) -> Result<deployment::Params, QueryError> {
        let what = "the deployment parameters";
        let answer = self
            .inner()
            .read(what, None, async |caller| {
                deployment_client(caller).params(deployment::QueryParamsRequest {}).await
            })
            .await?;
        answer.params.ok_or(QueryError::Malformed { what, endpoint: String::new(), missing: "parameters" })
    }

    /// The market module's parameters (bid deposits, reclamation windows).
    pub async fn market_params(&self) -> Result<market::Params, QueryError> {
        let what = "the market parameters";
        let answer = self
            .inner()
            .read(what, None, async |caller| {
                market_client(caller).params(market::QueryParamsRequest {}).await
            })
            .await?;
        answer.params.ok_or(QueryError::Malformed { what, endpoint: String::new(), missing: "parameters" })
    }

    /// The parameters of the conversion between AKT and ACT: the floor of a mint, its spread, the epochs.
    pub async fn bme_params(&self) -> Result<bme::Params, QueryError> {
        let what = "the parameters of minting";
        let answer = self
            .inner()
            .read(what, None, async |caller| bme_client(caller).params(bme::QueryParamsRequest {}).await)
            .await?;
        answer.params.ok_or(QueryError::Malformed { what, endpoint: String::new(), missing: "parameters" })
    }

    /// Whether the chain mints and burns ACT now. While the price of AKT is stale the chain answers with an error of
    /// [`Kind::OracleUnhealthy`](crate::Kind::OracleUnhealthy) instead.
    pub async fn bme_status(&self) -> Result<bme::QueryStatusResponse, QueryError> {
        self.inner()
            .read("the status of minting", None, async |caller| {
                bme_client(caller).status(bme::QueryStatusRequest {}).await
            })
            .await
    }

    /// The requests to mint and burn that fit a filter, in any state: all pages. One that was sent stays there, with
    /// what came of it.
    pub async fn bme_ledger(
        &self,
        filters: bme::LedgerRecordFilters,
    ) -> Result<Vec<bme::QueryLedgerRecordEntry>, QueryError> {
        self.inner()
            .pages(
                "the ledger of mints and burns",
                None,
                async |caller, pagination| {
                    let request =
                        bme::QueryLedgerRecordsRequest { filters: Some(filters.clone()), pagination };
                    bme_client(caller).ledger_records(request).await
                },
                |page| (page.records, page.pagination),
            )
            .await
    }

    /// The price of a denomination (`akt`) in USD by which the chain converts, and whether it may be used. Where there
    /// is none an error of [`Kind::OracleUnhealthy`](crate::Kind::OracleUnhealthy).
    pub async fn oracle_price(
        &self,
        denom: &str,
    ) -> Result<oracle::QueryAggregatedPriceResponse, QueryError> {
        self.inner()
            .read("the price of AKT", None, async |caller| {
                oracle::query_client::QueryClient::new(caller)
                    .aggregated_price(oracle::QueryAggregatedPriceRequest { denom: denom.into() })
                    .await
            })
            .await
    }

    /// The highest height that any answer so far was given at: with [`Chain::remember_height`], whatever is asked next
    /// is not older than what was seen.
    pub fn seen_height(&self) -> u64 {
        self.inner().seen.load(Ordering::Relaxed)
    }

    /// The escrow payments below a prefix `deployment/OWNER[/DSEQ[/GSEQ/OSEQ/PROVIDER]]`, in one state (`open`,
    /// `closed`, `overdrawn`) or in all. The chain matches by plain prefix: compare the ids that come back.
    pub async fn escrow_payments(
        &self,
        xid: &str,
        state: Option<&str>,
    ) -> Result<Vec<escrow::types::v1::Payment>, QueryError> {
        self.inner()
            .pages(
                "the escrow payments",
                None,
                async |caller, pagination| {
                    let request = escrow::v1::QueryPaymentsRequest {
                        state: state.unwrap_or_default().into(),
                        xid: xid.into(),
                        pagination,
                    };
                    escrow::v1::query_client::QueryClient::new(caller)
                        .max_decoding_message_size(MAX_MESSAGE)
                        .payments(request)
                        .await
                },
                |page| (page.payments, page.pagination),
            )
            .await
    }

    /// A transaction by its hash (hex), as the first endpoint that has it shows it. `None` says only that the
    /// endpoints that answered do not have it now; [`Chain::fate`] says whether it can still happen.
    pub async fn tx(&self, hash: &str) -> Result<Option<TxResponse>, QueryError> {
        let found = self
            .inner()
            .find("the transaction", async |caller| {
                tx_client(caller).get_tx(tx::GetTxRequest { hash: hash.into() }).await
            })
            .await?;
        Ok(found.and_then(|found| found.tx_response))
    }

    /// The configuration of the healthiest node: `minimum_gas_price` is a comma list such as `0.0025uakt`. Other nodes
    /// may ask for more.
    pub async fn node_config(&self) -> Result<node_service::ConfigResponse, QueryError> {
        self.inner()
            .read("the node's configuration", None, async |caller| {
                node_service::service_client::ServiceClient::new(caller)
                    .config(node_service::ConfigRequest {})
                    .await
            })
            .await
    }

    /// The most gas that the transactions of one block may use together; `None` for no limit.
    pub async fn max_block_gas(&self) -> Result<Option<u64>, QueryError> {
        let answer = self
            .inner()
            .read("the consensus parameters", None, async |caller| {
                consensus::query_client::QueryClient::new(caller)
                    .params(consensus::QueryParamsRequest {})
                    .await
            })
            .await?;
        let limit = answer.params.and_then(|params| params.block).map(|block| block.max_gas);
        Ok(limit.and_then(|gas| u64::try_from(gas).ok()).filter(|gas| *gas > 0))
    }

    /// The account's number and sequence; `None` for an address that never received anything.
    pub(crate) async fn account(&self, address: &str) -> Result<Option<auth::BaseAccount>, QueryError> {
        let found = self
            .inner()
            .find("the account", async |caller| {
                let request = auth::QueryAccountRequest { address: address.into() };
                auth::query_client::QueryClient::new(caller).account(request).await
            })
            .await?;
        let Some(account) = found.and_then(|found| found.account) else { return Ok(None) };
        let missing = QueryError::Malformed {
            what: "the account",
            endpoint: String::new(),
            missing: "a plain account (vesting and module accounts cannot sign here)",
        };
        akash_proto::unpack(&account).map(Some).ok_or(missing)
    }

    /// What the node says of itself, and which endpoint said it.
    pub(crate) async fn discovery(&self) -> Result<(String, discovery::v1::Akash), QueryError> {
        let what = "the network's versions";
        let (node, answer) = self
            .inner()
            .read_any(what, None, Floor::Own, async |caller| {
                discovery::v1::discovery_client::DiscoveryClient::new(caller)
                    .get_info(discovery::v1::GetInfoRequest {})
                    .await
            })
            .await?;
        let endpoint = node.endpoint.to_string();
        match answer {
            Answered::Answer(answer, _) => match answer.info {
                Some(info) => Ok((endpoint, info)),
                None => Err(QueryError::Malformed { what, endpoint, missing: "versions" }),
            },
            Answered::Error(status) => Err(QueryError::Node { what, endpoint, error: error_of(&status) }),
        }
    }
}

fn deployment_client(caller: Caller) -> deployment::query_client::QueryClient<Caller> {
    deployment::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

fn market_client(caller: Caller) -> market::query_client::QueryClient<Caller> {
    market::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

fn provider_client(caller: Caller) -> provider::query_client::QueryClient<Caller> {
    provider::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

fn bme_client(caller: Caller) -> bme::query_client::QueryClient<Caller> {
    bme::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

pub(crate) fn tx_client(caller: Caller) -> tx::service_client::ServiceClient<Caller> {
    tx::service_client::ServiceClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

/// The first PEM block of a certificate as DER.
fn der(pem: &[u8]) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem).ok().map(|der| der.to_vec())
}
