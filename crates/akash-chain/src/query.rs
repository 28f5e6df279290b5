//! Reading the chain: failover over the endpoints, and one method for each question.
//!
//! This file must not know transactions, nor what an answer is used for.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use akash_proto::{
    akash::{
        audit, cert, deployment::v1::DeploymentId, deployment::v1::GroupId,
        deployment::v1beta4 as deployment, discovery, escrow, market::v1 as market_v1,
        market::v1beta5 as market, provider::v1beta4 as provider,
    },
    cosmos::{
        bank::v1beta1 as bank,
        base::{
            abci::v1beta1::TxResponse,
            node::v1beta1 as node_service,
            query::v1beta1::{PageRequest, PageResponse},
            tendermint::v1beta1 as tendermint,
        },
        consensus::v1 as consensus,
        tx::v1beta1 as tx,
    },
};
use time::OffsetDateTime;
use tonic::{Code, Response, Status};

use crate::{
    Chain, ChainError,
    chain::Inner,
    endpoint::{
        fault::Fault,
        node::{Caller, HEIGHT_HEADER, Node},
    },
};

/// How long one call to one endpoint may take.
pub(crate) const CALL: Duration = Duration::from_secs(15);
/// How often all endpoints are asked before a query fails.
const ROUNDS: u32 = 4;
/// The longest pause between rounds, also where an endpoint asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Rows of a page: 1000 deployments and their leases take ten queries.
const PAGE: u64 = 250;
/// More pages than any owner has; a node that never ends a listing is at fault.
const MAX_PAGES: usize = 10_000;
/// More than any page.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// No endpoint answered.
    #[error("{what}: no endpoint answered: {}. Check `endpoints`, and that this machine can reach them", list(.faults))]
    Endpoints {
        /// What was asked for.
        what: &'static str,
        /// The last fault of each endpoint.
        faults: Vec<Fault>,
    },
    /// A node answered with an error.
    #[error("{what}: {endpoint} answered: {error}")]
    Node {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets.
        endpoint: String,
        /// The chain's error; where the node gives no codespace, `grpc` and the status code.
        error: ChainError,
    },
    /// The endpoints are of another chain.
    #[error(
        "`chain_id` is {expected}, but {endpoint} is a node of {found}: check `network`, `chain_id` and `endpoints`; nothing was changed"
    )]
    ChainId {
        /// The address, without secrets.
        endpoint: String,
        /// What the configuration says.
        expected: String,
        /// What the node says.
        found: String,
    },
    /// The chain runs modules that this version does not know.
    #[error(
        "{endpoint} (node {node_version}) does not serve {missing}, which this version of the provider needs: the network was upgraded, or is older than Akash v2.1; look for a version of the provider that fits"
    )]
    Modules {
        /// The address, without secrets.
        endpoint: String,
        /// The node's version, if it says so.
        node_version: String,
        /// The modules that are missing.
        missing: String,
    },
    /// An answer lacks what it must have.
    #[error("{what}: {endpoint} answered without {missing}")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// The address, without secrets; empty where any endpoint may have answered.
        endpoint: String,
        /// What is not there.
        missing: &'static str,
    },
}

fn list(faults: &[Fault]) -> String {
    if faults.is_empty() {
        return "none is configured".into();
    }
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A block's height and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its time (UTC).
    pub time: OffsetDateTime,
}

/// What one endpoint made of a call.
pub(crate) enum Answered<T> {
    /// An answer, and the height it was given at where the node says so.
    Answer(T, Option<u64>),
    /// An error of the chain that any other node would give too.
    Error(Status),
}

impl Inner {
    /// Asks one endpoint once. The endpoint's health is updated.
    pub(crate) async fn ask<T, F, Fut>(
        &self,
        node: &Arc<Node>,
        height: Option<u64>,
        call: F,
    ) -> Result<Answered<T>, Fault>
    where
        F: FnOnce(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = tokio::time::timeout(CALL, call(Caller { node: node.clone(), height })).await;
        let result = match answer {
            Err(_) => {
                Err(Fault::passing(&node.endpoint, format!("did not answer within {} s", CALL.as_secs())))
            }
            Ok(Ok(response)) => {
                let height = height_of(response.metadata());
                Ok(Answered::Answer(response.into_inner(), height))
            }
            Ok(Err(status)) => match fault_of(node, &status) {
                Some(fault) => Err(fault),
                None => Ok(Answered::Error(status)),
            },
        };
        match &result {
            Ok(Answered::Answer(_, height)) => node.health(|health| health.answered(*height)),
            Ok(Answered::Error(status)) => {
                node.health(|health| health.answered(height_of(status.metadata())))
            }
            Err(fault) => {
                tracing::debug!(endpoint = %node.endpoint, fault = %fault.what, "endpoint fault");
                node.health(|health| health.failed(fault.retry_after));
            }
        }
        result
    }

    /// The endpoints, the healthiest first; in the configured order where there is no difference.
    pub(crate) fn by_health(&self) -> Vec<Arc<Node>> {
        let best = self.nodes.iter().filter_map(|node| node.health(|health| health.age())).min();
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(|node| node.health(|health| health.rank(best)));
        nodes
    }

    /// Makes sure, once for each endpoint, that it is of the configured chain (or of the one found first), and learns
    /// how old its latest block is.
    pub(crate) async fn introduce(&self, node: &Arc<Node>) -> Result<(), Introduction> {
        let found = node
            .chain_id
            .get_or_try_init(async || {
                let block = self.block_of(node, None).await?;
                Ok::<_, Fault>(block.1)
            })
            .await?;
        let expected = match &self.config.chain_id {
            Some(chain_id) => chain_id,
            None => self.chain_id.get_or_init(|| found.clone()),
        };
        if found == expected {
            _ = self.chain_id.set(found.clone());
            return Ok(());
        }
        Err(Introduction::OtherChain { expected: expected.clone(), found: found.clone() })
    }

    /// The block at `height` (the latest for `None`) of one endpoint, and its chain id.
    pub(crate) async fn block_of(
        &self,
        node: &Arc<Node>,
        height: Option<u64>,
    ) -> Result<(Block, String), Fault> {
        let answer = self
            .ask(node, None, async |caller| {
                let mut client = tendermint::service_client::ServiceClient::new(caller);
                match height {
                    None => client
                        .get_latest_block(tendermint::GetLatestBlockRequest {})
                        .await
                        .map(|response| response.map(|answer| answer.sdk_block)),
                    Some(height) => client
                        .get_block_by_height(tendermint::GetBlockByHeightRequest {
                            height: i64::try_from(height).unwrap_or(i64::MAX),
                        })
                        .await
                        .map(|response| response.map(|answer| answer.sdk_block)),
                }
            })
            .await?;
        let header = match answer {
            Answered::Answer(block, _) => block.and_then(|block| block.header),
            Answered::Error(status) => {
                return Err(Fault::passing(&node.endpoint, format!("answered: {}", status.message())));
            }
        };
        let malformed = || Fault::passing(&node.endpoint, "answered without a block header");
        let header = header.ok_or_else(malformed)?;
        let time = header.time.ok_or_else(malformed)?;
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let block = Block {
            height: u64::try_from(header.height).map_err(|_| malformed())?,
            time: OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| malformed())?,
        };
        if height.is_none() {
            node.health(|health| health.block(block.height, block.time));
        }
        Ok((block, header.chain_id))
    }

    /// Asks the endpoints in order of health until one answers; several rounds with growing pauses. An answer from
    /// below the height of our own last transaction does not count: that node is behind.
    pub(crate) async fn read<T, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        call: F,
    ) -> Result<T, QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        match self.read_any(what, height, call).await? {
            (_, Answered::Answer(answer, _)) => Ok(answer),
            (node, Answered::Error(status)) => {
                Err(QueryError::Node { what, endpoint: node.endpoint.to_string(), error: error_of(&status) })
            }
        }
    }

    /// [`Inner::read`], where "not found" is an answer.
    pub(crate) async fn find<T, F, Fut>(&self, what: &'static str, call: F) -> Result<Option<T>, QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        match self.read_any(what, None, call).await? {
            (_, Answered::Answer(answer, _)) => Ok(Some(answer)),
            (_, Answered::Error(status)) if status.code() == Code::NotFound => Ok(None),
            (node, Answered::Error(status)) => {
                Err(QueryError::Node { what, endpoint: node.endpoint.to_string(), error: error_of(&status) })
            }
        }
    }

    pub(crate) async fn read_any<T, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        call: F,
    ) -> Result<(Arc<Node>, Answered<T>), QueryError>
    where
        F: Fn(Caller) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut faults: BTreeMap<usize, Fault> = BTreeMap::new();
        let mut other_chain = None;
        for round in 0..ROUNDS {
            if round > 0 {
                let asked = faults.values().filter_map(|fault| fault.retry_after).min();
                tokio::time::sleep(asked.unwrap_or_default().max(backoff(round)).min(LONGEST_PAUSE)).await;
            }
            for node in self.by_health() {
                let index = self.nodes.iter().position(|other| Arc::ptr_eq(other, &node)).unwrap_or_default();
                if faults.get(&index).is_some_and(|fault| !fault.passing) {
                    continue;
                }
                let fault = match self.introduce(&node).await {
                    Ok(()) => match self.ask(&node, height, &call).await {
                        Ok(answer) => match self.behind(&node, &answer) {
                            None => return Ok((node, answer)),
                            Some(fault) => fault,
                        },
                        Err(fault) => fault,
                    },
                    Err(Introduction::Fault(fault)) => fault,
                    Err(Introduction::OtherChain { expected, found }) => {
                        let what = format!("is a node of {found}, not of {expected}");
                        other_chain.get_or_insert(QueryError::ChainId {
                            endpoint: node.endpoint.to_string(),
                            expected,
                            found,
                        });
                        Fault::lasting(&node.endpoint, what)
                    }
                };
                faults.insert(index, fault);
            }
            if faults.values().all(|fault| !fault.passing) {
                break;
            }
        }
        match other_chain {
            Some(error) if faults.values().all(|fault| !fault.passing) => Err(error),
            _ => Err(QueryError::Endpoints { what, faults: faults.into_values().collect() }),
        }
    }

    /// A fault if the answer was given below the height of our own last transaction.
    fn behind<T>(&self, node: &Node, answer: &Answered<T>) -> Option<Fault> {
        let height = match answer {
            Answered::Answer(_, height) => *height,
            Answered::Error(status) => height_of(status.metadata()),
        }?;
        let floor = self.floor.load(Ordering::Relaxed);
        (height < floor).then(|| {
            Fault::passing(
                &node.endpoint,
                format!("is behind: it answers at height {height}, our last transaction is in {floor}"),
            )
            .not_sent()
        })
    }

    /// All pages of a list query.
    pub(crate) async fn pages<T, R, F, Fut>(
        &self,
        what: &'static str,
        height: Option<u64>,
        call: F,
        split: impl Fn(T) -> (Vec<R>, Option<PageResponse>),
    ) -> Result<Vec<R>, QueryError>
    where
        F: Fn(Caller, Option<PageRequest>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let mut rows = Vec::new();
        let mut key = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = PageRequest { key: key.clone(), limit: PAGE, ..Default::default() };
            let answer = self.read(what, height, |caller| call(caller, Some(page.clone()))).await?;
            let (more, next) = split(answer);
            rows.extend(more);
            match next.map(|next| next.next_key) {
                Some(next) if !next.is_empty() && next != key => key = next,
                _ => return Ok(rows),
            }
        }
        Err(QueryError::Malformed { what, endpoint: String::new(), missing: "an end to the list" })
    }
}

/// Why an endpoint is not used.
#[derive(Debug)]
pub(crate) enum Introduction {
    Fault(Fault),
    OtherChain { expected: String, found: String },
}

impl From<Fault> for Introduction {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A pause that doubles from 200 ms, between half and one and a half times that.
pub(crate) fn backoff(round: u32) -> Duration {
    let millis = 200_u64 << round.min(6);
    Duration::from_millis(rand::random_range(millis / 2..millis + millis / 2))
}

/// The height at which an answer was given.
fn height_of(metadata: &tonic::metadata::MetadataMap) -> Option<u64> {
    metadata.get(HEIGHT_HEADER)?.to_str().ok()?.parse().ok()
}

/// The fault that a status stands for; `None` if it is the chain's own answer.
fn fault_of(node: &Node, status: &Status) -> Option<Fault> {
    if let Some(fault) = std::error::Error::source(status).and_then(|source| source.downcast_ref::<Fault>()) {
        return Some(fault.clone());
    }
    let says = || format!("answered: {}", status.message());
    match status.code() {
        Code::Unimplemented => {
            Some(Fault::lasting(&node.endpoint, format!("does not serve this query ({})", status.message())))
        }
        Code::ResourceExhausted => Some(Fault::passing(&node.endpoint, says()).not_sent()),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::DataLoss => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        // tonic's own: a broken stream, an answer that does not decode.
        Code::Internal | Code::Unknown if std::error::Error::source(status).is_some() => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        Code::Internal if ChainError::from_query(status.message()).is_none() => {
            Some(Fault::passing(&node.endpoint, says()))
        }
        // A node that has not committed the block yet that another one told of, or does not keep it any more.
        _ if at_other_height(status.message()) => Some(Fault::passing(&node.endpoint, says())),
        _ => None,
    }
}

/// Whether a node refuses a query because of the height it is pinned to.
fn at_other_height(message: &str) -> bool {
    ["height in the future", "failed to load state at height", "is not available, lowest height", "pruned"]
        .iter()
        .any(|text| message.contains(text))
}

/// The chain's error in a query's status.
pub(crate) fn error_of(status: &Status) -> ChainError {
    ChainError::from_query(status.message()).unwrap_or_else(|| ChainError {
        codespace: "grpc".into(),
        code: i32::from(status.code()).try_into().unwrap_or_default(),
        text: status.message().to_owned(),
    })
}

impl Chain {
    /// The latest block of the healthiest endpoint.
    pub async fn latest_block(&self) -> Result<Block, QueryError> {
        self.block("the latest block", None).await
    }

    /// The time of the block at `height`.
    pub async fn block_time(&self, height: u64) -> Result<OffsetDateTime, QueryError> {
        self.block("a block", Some(height)).await.map(|block| block.time)
    }

    async fn block(&self, what: &'static str, height: Option<u64>) -> Result<Block, QueryError> {
        let inner = self.inner();
        let mut faults = Vec::new();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(backoff(round)).await;
            }
            faults.clear();
            for node in inner.by_health() {
                let fault = match inner.introduce(&node).await {
                    Ok(()) => match inner.block_of(&node, height).await {
                        Ok((block, _))
                            if height.is_some() || block.height >= inner.floor.load(Ordering::Relaxed) =>
                        {
                            return Ok(block);
                        }
                        Ok((block, _)) => {
                            Fault::passing(&node.endpoint, format!("is behind, at height {}", block.height))
                        }
                        Err(fault) => fault,
                    },
                    Err(Introduction::Fault(fault)) => fault,
                    Err(Introduction::OtherChain { expected, found }) if inner.nodes.len() == 1 => {
                        return Err(QueryError::ChainId {
                            endpoint: node.endpoint.to_string(),
                            expected,
                            found,
                        });
                    }
                    Err(Introduction::OtherChain { expected, found }) => {
                        Fault::lasting(&node.endpoint, format!("is a node of {found}, not of {expected}"))
                    }
                };
                faults.push(fault);
            }
        }
        Err(QueryError::Endpoints { what, faults })
    }

    /// A deployment with its groups and escrow account, in any state; `None` if there never was one.
    pub async fn deployment(
        &self,
        owner: &str,
        dseq: u64,
    ) -> Result<Option<deployment::QueryDeploymentResponse>, QueryError> {
        let id = DeploymentId { owner: owner.into(), dseq };
        self.inner()
            .find("the deployment", async |caller| {
                let request = deployment::QueryDeploymentRequest { id: Some(id.clone()) };
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
    pub async fn group(
        &self,
        owner: &str,
        dseq: u64,
        gseq: u32,
    ) -> Result<Option<deployment::Group>, QueryError> {
        let id = GroupId { owner: owner.into(), dseq, gseq };
        let found = self
            .inner()
            .find("the group", async |caller| {
                deployment_client(caller).group(deployment::QueryGroupRequest { id: Some(id.clone()) }).await
            })
            .await?;
        Ok(found.and_then(|found| found.group))
    }

    /// The orders of a deployment in any state, of one group if `gseq` is given.
    pub async fn orders(
        &self,
        owner: &str,
        dseq: u64,
        gseq: Option<u32>,
    ) -> Result<Vec<market::Order>, QueryError> {
        let filters = market::OrderFilters {
            owner: owner.into(),
            dseq,
            gseq: gseq.unwrap_or_default(),
            ..Default::default()
        };
        self.inner()
            .pages(
                "the orders",
                None,
                async |caller, pagination| {
                    let request = market::QueryOrdersRequest { filters: Some(filters.clone()), pagination };
                    market_client(caller).orders(request).await
                },
                |page| (page.orders, page.pagination),
            )
            .await
    }

    /// The bids on one order, in any state.
    pub async fn bids(
        &self,
        owner: &str,
        dseq: u64,
        gseq: u32,
        oseq: u32,
    ) -> Result<Vec<market::QueryBidResponse>, QueryError> {
        let filters = market::BidFilters { owner: owner.into(), dseq, gseq, oseq, ..Default::default() };
        self.bids_by(filters).await
    }

    /// The bids that fit a filter, all pages. `state` narrows the rows that the chain walks.
    pub async fn bids_by(
        &self,
        filters: market::BidFilters,
    ) -> Result<Vec<market::QueryBidResponse>, QueryError> {
        self.inner()
            .pages(
                "the bids",
                None,
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
        owner: &str,
        dseq: u64,
        gseq: Option<u32>,
    ) -> Result<Vec<market::QueryLeaseResponse>, QueryError> {
        let filters = market_v1::LeaseFilters {
            owner: owner.into(),
            dseq,
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
    pub async fn lease(
        &self,
        id: &market_v1::LeaseId,
    ) -> Result<Option<market::QueryLeaseResponse>, QueryError> {
        self.inner()
            .find("the lease", async |caller| {
                market_client(caller).lease(market::QueryLeaseRequest { id: Some(id.clone()) }).await
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
        self.inner()
            .pages(
                "the providers",
                None,
                async |caller, pagination| {
                    provider_client(caller).providers(provider::QueryProvidersRequest { pagination }).await
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
        let filter =
            cert::v1::CertificateFilter { owner: owner.into(), state: "valid".into(), ..Default::default() };
        let rows = self
            .inner()
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
            .await?;
        let valid = rows.into_iter().filter_map(|row| row.certificate);
        Ok(valid
            .filter(|certificate| certificate.state == i32::from(cert::v1::State::Valid))
            .filter_map(|certificate| der(&certificate.cert))
            .collect())
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

    /// What the node says of itself, and which endpoint said it.
    pub(crate) async fn discovery(&self) -> Result<(String, discovery::v1::Akash), QueryError> {
        let what = "the network's versions";
        let (node, answer) = self
            .inner()
            .read_any(what, None, async |caller| {
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

pub(crate) fn tx_client(caller: Caller) -> tx::service_client::ServiceClient<Caller> {
    tx::service_client::ServiceClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}

/// The first PEM block of a certificate as DER.
fn der(pem: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text = std::str::from_utf8(pem).ok()?;
    let body = text.split_once("-----BEGIN CERTIFICATE-----")?.1.split_once("-----END CERTIFICATE-----")?.0;
    let body: String = body.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok()
}
