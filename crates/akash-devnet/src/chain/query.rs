//! Queries on a state: filters, states, pages and error texts as the chain's modules answer them.
//!
//! This file must not know carriers, blocks or transactions; see `server::route` for those.

#![allow(clippy::needless_pass_by_value, reason = "the handlers of a query table have one shape")]

use akash_proto::{
    Any, Dec, Message, Timestamp,
    akash::{
        audit::v1 as audit,
        bme::v1 as bme_proto,
        cert::v1 as cert,
        deployment::{
            v1::{DeploymentId, GroupId, deployment::State as DeploymentState},
            v1beta4 as deployment_proto,
        },
        escrow::{id::v1 as escrow_id, types::v1 as escrow_types, v1 as escrow_proto},
        market::{
            v1::{LeaseFilters, lease::State as LeaseState},
            v1beta5 as market_proto,
        },
        oracle::v2 as oracle_proto,
        provider::v1beta4 as provider_proto,
    },
    any,
    cosmos::{
        auth::v1beta1 as auth,
        authz::v1beta1 as authz,
        bank::v1beta1 as bank_proto,
        base::{
            query::v1beta1::{PageRequest, PageResponse},
            v1beta1::Coin,
        },
        consensus::v1 as consensus,
        crypto::secp256k1::PubKey,
        feegrant::v1beta1 as feegrant,
    },
    tendermint::types::{BlockParams, ConsensusParams},
};
use tonic::Code;

use super::{
    bme, deployment,
    errors::{self, QueryError},
    market,
    state::{DeploymentKey, EscrowKey, State, bid_escrow, bid_key, lease_key, lease_payment, order_key},
};
use crate::wallet::is_address;

/// Rows of a page when the request names no limit.
const DEFAULT_LIMIT: u64 = 100;
/// The block's `max_bytes` of a default genesis.
const BLOCK_BYTES: i64 = 22_020_096;
/// USD, as the oracle writes it.
const USD: &str = "usd";

type Answer = Result<Vec<u8>, QueryError>;

/// Answers the query at a gRPC path (`PACKAGE.Query/METHOD`). `None` when the state has no such query.
pub fn query(state: &State, path: &str, request: &[u8]) -> Option<Answer> {
    Some(match path {
        "akash.deployment.v1beta4.Query/Deployments" => with(state, request, deployments),
        "akash.deployment.v1beta4.Query/Deployment" => with(state, request, one_deployment),
        "akash.deployment.v1beta4.Query/Group" => with(state, request, group),
        "akash.deployment.v1beta4.Query/Params" => {
            encode(&deployment_proto::QueryParamsResponse { params: Some(deployment::params()) })
        }
        "akash.market.v1beta5.Query/Orders" => with(state, request, orders),
        "akash.market.v1beta5.Query/Order" => with(state, request, order),
        "akash.market.v1beta5.Query/Bids" => with(state, request, bids),
        "akash.market.v1beta5.Query/Bid" => with(state, request, bid),
        "akash.market.v1beta5.Query/Leases" => with(state, request, leases),
        "akash.market.v1beta5.Query/Lease" => with(state, request, lease),
        "akash.market.v1beta5.Query/Params" => {
            encode(&market_proto::QueryParamsResponse { params: Some(market::params()) })
        }
        "akash.escrow.v1.Query/Accounts" => with(state, request, escrow_accounts),
        "akash.escrow.v1.Query/Payments" => with(state, request, escrow_payments),
        "akash.provider.v1beta4.Query/Providers" => with(state, request, providers),
        "akash.provider.v1beta4.Query/Provider" => with(state, request, provider),
        "akash.audit.v1.Query/ProviderAttributes" => with(state, request, provider_audits),
        "akash.audit.v1.Query/AllProvidersAttributes" => with(state, request, all_audits),
        "akash.cert.v1.Query/Certificates" => with(state, request, certificates),
        "akash.bme.v1.Query/Params" => {
            encode(&bme_proto::QueryParamsResponse { params: Some(bme::params()) })
        }
        "akash.bme.v1.Query/Status" => bme_status(state),
        "akash.bme.v1.Query/VaultState" => {
            encode(&bme_proto::QueryVaultStateResponse { vault_state: Some(bme::vault(state)) })
        }
        "akash.bme.v1.Query/LedgerRecords" => with(state, request, ledger),
        "akash.oracle.v2.Query/AggregatedPrice" => with(state, request, aggregated_price),
        "akash.oracle.v2.Query/Prices" => with(state, request, prices),
        "akash.oracle.v2.Query/Params" => {
            encode(&oracle_proto::QueryParamsResponse { params: Some(oracle_params()) })
        }
        "cosmos.auth.v1beta1.Query/Account" => with(state, request, account),
        "cosmos.bank.v1beta1.Query/AllBalances" => with(state, request, all_balances),
        "cosmos.bank.v1beta1.Query/SpendableBalances" => with(state, request, spendable_balances),
        "cosmos.bank.v1beta1.Query/Balance" => with(state, request, balance),
        "cosmos.authz.v1beta1.Query/Grants" => with(state, request, grants),
        "cosmos.authz.v1beta1.Query/GranteeGrants" => with(state, request, grantee_grants),
        "cosmos.feegrant.v1beta1.Query/Allowance" => with(state, request, allowance),
        "cosmos.feegrant.v1beta1.Query/Allowances" => with(state, request, allowances),
        "cosmos.consensus.v1.Query/Params" => encode(&consensus::QueryParamsResponse {
            params: Some(ConsensusParams {
                block: Some(BlockParams { max_bytes: BLOCK_BYTES, max_gas: -1 }),
            }),
        }),
        _ => return None,
    })
}

/// Decodes the request, asks, encodes the response.
fn with<Q: Message + Default, R: Message>(
    state: &State,
    request: &[u8],
    handler: fn(&State, Q) -> Result<R, QueryError>,
) -> Answer {
    let request = Q::decode(request).map_err(|error| {
        QueryError::new(Code::Internal, format!("grpc: error unmarshalling request: {error}"))
    })?;
    handler(state, request).and_then(|response| encode(&response))
}

fn encode<R: Message>(response: &R) -> Answer {
    Ok(response.encode_to_vec())
}

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(Code::InvalidArgument, message)
}

/// Cuts a page out of rows that are sorted by key. `total` is the number of rows in the page, as the chain counts.
fn page<T>(mut rows: Vec<(Vec<u8>, T)>, request: Option<PageRequest>) -> (Vec<T>, PageResponse) {
    let request = request.unwrap_or_default();
    if request.reverse {
        rows.reverse();
    }
    let skip = if request.key.is_empty() {
        usize::try_from(request.offset).unwrap_or(usize::MAX)
    } else if request.reverse {
        rows.iter().take_while(|(key, _)| *key > request.key).count()
    } else {
        rows.iter().take_while(|(key, _)| *key < request.key).count()
    };
    let limit =
        usize::try_from(if request.limit == 0 { DEFAULT_LIMIT } else { request.limit }).unwrap_or(usize::MAX);
    let next_key = rows.get(skip.saturating_add(limit)).map(|(key, _)| key.clone()).unwrap_or_default();
    let taken: Vec<T> = rows.into_iter().skip(skip).take(limit).map(|(_, row)| row).collect();
    let total = u64::try_from(taken.len()).unwrap_or(0);
    (taken, PageResponse { next_key, total })
}

/// The state a filter asks for: none for an empty filter.
fn wanted_state<S: TryFrom<i32>>(
    filter: &str,
    parse: fn(&str) -> Option<S>,
    pagination: Option<&PageRequest>,
) -> Result<Option<S>, QueryError> {
    if filter.is_empty() {
        if pagination.is_some_and(|page| page.offset > 0 && page.key.is_empty()) {
            return Err(invalid(
                "invalid request parameters. if offset is set, filter.state must be provided",
            ));
        }
        return Ok(None);
    }
    parse(filter).map(Some).ok_or_else(|| invalid("invalid state value"))
}

/// A sort key: state, then the id's parts in their own order.
struct Key(Vec<u8>);

impl Key {
    fn new(state: i32) -> Self {
        Self(vec![u8::try_from(state).unwrap_or(u8::MAX)])
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
}

fn sorted<T>(mut rows: Vec<(Vec<u8>, T)>) -> Vec<(Vec<u8>, T)> {
    rows.sort_by(|(left, _), (right, _)| left.cmp(right));
    rows
}

/// Whether a filter's part is unset (zero or empty) or equal.
fn fits<T: PartialEq + Default>(filter: &T, value: &T) -> bool {
    *filter == T::default() || filter == value
}

fn deployment_row(state: &State, key: &DeploymentKey) -> Option<deployment_proto::QueryDeploymentResponse> {
    let account = super::state::deployment_escrow(&key.0, key.1);
    Some(deployment_proto::QueryDeploymentResponse {
        deployment: Some(state.deployments.get(key)?.clone()),
        groups: state.groups_of(&key.0, key.1).cloned().collect(),
        escrow_account: escrow_account(state, &account),
    })
}

fn deployments(
    state: &State,
    request: deployment_proto::QueryDeploymentsRequest,
) -> Result<deployment_proto::QueryDeploymentsResponse, QueryError> {
    let filters = request.filters.unwrap_or_default();
    let wanted = wanted_state(&filters.state, DeploymentState::from_str_name, request.pagination.as_ref())?;
    let from = (filters.owner.clone(), filters.dseq);
    let rows = state
        .deployments
        .range(from..)
        .take_while(|((owner, _), _)| filters.owner.is_empty() || *owner == filters.owner)
        .filter(|((_, dseq), deployment)| {
            fits(&filters.dseq, dseq) && wanted.is_none_or(|wanted| deployment.state() == wanted)
        })
        .map(|(key, deployment)| (Key::new(deployment.state).text(&key.0).number(key.1).0, key));
    let (keys, pagination) = page(sorted(rows.collect()), request.pagination);
    let deployments = keys.into_iter().filter_map(|key| deployment_row(state, key)).collect();
    Ok(deployment_proto::QueryDeploymentsResponse { deployments, pagination: Some(pagination) })
}

fn one_deployment(
    state: &State,
    request: deployment_proto::QueryDeploymentRequest,
) -> Result<deployment_proto::QueryDeploymentResponse, QueryError> {
    let DeploymentId { owner, dseq } = request.id.unwrap_or_default();
    check_address(&owner)?;
    deployment_row(state, &(owner, dseq)).ok_or_else(|| errors::deployment::NOT_FOUND.into())
}

fn group(
    state: &State,
    request: deployment_proto::QueryGroupRequest,
) -> Result<deployment_proto::QueryGroupResponse, QueryError> {
    let GroupId { owner, dseq, gseq } = request.id.unwrap_or_default();
    check_address(&owner)?;
    let group = state.groups.get(&(owner, dseq, gseq)).ok_or(errors::deployment::GROUP_NOT_FOUND)?;
    Ok(deployment_proto::QueryGroupResponse { group: Some(group.clone()) })
}

fn check_address(address: &str) -> Result<(), QueryError> {
    if is_address(address) {
        Ok(())
    } else {
        Err(invalid(format!("decoding bech32 failed: invalid address {address:?}")))
    }
}

fn orders(
    state: &State,
    request: market_proto::QueryOrdersRequest,
) -> Result<market_proto::QueryOrdersResponse, QueryError> {
    let filters = request.filters.unwrap_or_default();
    let wanted =
        wanted_state(&filters.state, market_proto::order::State::from_str_name, request.pagination.as_ref())?;
    let from = (filters.owner.clone(), filters.dseq, 0, 0);
    let rows = state
        .orders
        .range(from..)
        .take_while(|((owner, ..), _)| filters.owner.is_empty() || *owner == filters.owner)
        .filter(|((_, dseq, gseq, oseq), order)| {
            fits(&filters.dseq, dseq)
                && fits(&filters.gseq, gseq)
                && fits(&filters.oseq, oseq)
                && wanted.is_none_or(|wanted| order.state() == wanted)
        })
        .map(|((owner, dseq, gseq, oseq), order)| {
            let key =
                Key::new(order.state).text(owner).number(*dseq).number((*gseq).into()).number((*oseq).into());
            (key.0, order)
        });
    let (orders, pagination) = page(sorted(rows.collect()), request.pagination);
    let orders = orders.into_iter().cloned().collect();
    Ok(market_proto::QueryOrdersResponse { orders, pagination: Some(pagination) })
}

fn order(
    state: &State,
    request: market_proto::QueryOrderRequest,
) -> Result<market_proto::QueryOrderResponse, QueryError> {
    let key = order_key(&request.id.unwrap_or_default());
    let order = state.orders.get(&key).ok_or(errors::market::ORDER_NOT_FOUND)?;
    Ok(market_proto::QueryOrderResponse { order: Some(order.clone()) })
}

fn bid_row(state: &State, bid: &market_proto::Bid) -> market_proto::QueryBidResponse {
    let account = bid.id.as_ref().and_then(|id| escrow_account(state, &bid_escrow(id)));
    market_proto::QueryBidResponse { bid: Some(bid.clone()), escrow_account: account }
}

fn bids(
    state: &State,
    request: market_proto::QueryBidsRequest,
) -> Result<market_proto::QueryBidsResponse, QueryError> {
    let filters = request.filters.unwrap_or_default();
    let wanted =
        wanted_state(&filters.state, market_proto::bid::State::from_str_name, request.pagination.as_ref())?;
    let from = (filters.owner.clone(), filters.dseq, 0, 0, String::new(), 0);
    let rows = state
        .bids
        .range(from..)
        .take_while(|((owner, ..), _)| filters.owner.is_empty() || *owner == filters.owner)
        .filter(|((_, dseq, gseq, oseq, provider, bseq), bid)| {
            fits(&filters.dseq, dseq)
                && fits(&filters.gseq, gseq)
                && fits(&filters.oseq, oseq)
                && fits(&filters.provider, provider)
                && fits(&filters.bseq, bseq)
                && wanted.is_none_or(|wanted| bid.state() == wanted)
        })
        .map(|((owner, dseq, gseq, oseq, provider, _), bid)| {
            let key =
                Key::new(bid.state).text(owner).number(*dseq).number((*gseq).into()).number((*oseq).into());
            (key.text(provider).0, bid)
        });
    let (bids, pagination) = page(sorted(rows.collect()), request.pagination);
    let bids = bids.into_iter().map(|bid| bid_row(state, bid)).collect();
    Ok(market_proto::QueryBidsResponse { bids, pagination: Some(pagination) })
}

fn bid(
    state: &State,
    request: market_proto::QueryBidRequest,
) -> Result<market_proto::QueryBidResponse, QueryError> {
    let key = bid_key(&request.id.unwrap_or_default());
    let bid = state.bids.get(&key).ok_or(errors::market::BID_NOT_FOUND)?;
    Ok(bid_row(state, bid))
}

fn lease_row(
    state: &State,
    lease: &akash_proto::akash::market::v1::Lease,
) -> market_proto::QueryLeaseResponse {
    let payment = lease.id.as_ref().and_then(|id| {
        let (account, xid) = lease_payment(&super::state::bid_of(id));
        escrow_payment(state, &account, &xid)
    });
    market_proto::QueryLeaseResponse { lease: Some(lease.clone()), escrow_payment: payment }
}

fn leases(
    state: &State,
    request: market_proto::QueryLeasesRequest,
) -> Result<market_proto::QueryLeasesResponse, QueryError> {
    let filters: LeaseFilters = request.filters.unwrap_or_default();
    let wanted = wanted_state(&filters.state, LeaseState::from_str_name, request.pagination.as_ref())?;
    let from = (filters.owner.clone(), filters.dseq, 0, 0, String::new(), 0);
    let rows = state
        .leases
        .range(from..)
        .take_while(|((owner, ..), _)| filters.owner.is_empty() || *owner == filters.owner)
        .filter(|((_, dseq, gseq, oseq, provider, bseq), lease)| {
            fits(&filters.dseq, dseq)
                && fits(&filters.gseq, gseq)
                && fits(&filters.oseq, oseq)
                && fits(&filters.provider, provider)
                && fits(&filters.bseq, bseq)
                && wanted.is_none_or(|wanted| lease.state() == wanted)
        })
        .map(|((owner, dseq, gseq, oseq, provider, _), lease)| {
            let key =
                Key::new(lease.state).text(owner).number(*dseq).number((*gseq).into()).number((*oseq).into());
            (key.text(provider).0, lease)
        });
    let (leases, pagination) = page(sorted(rows.collect()), request.pagination);
    let leases = leases.into_iter().map(|lease| lease_row(state, lease)).collect();
    Ok(market_proto::QueryLeasesResponse { leases, pagination: Some(pagination) })
}

fn lease(
    state: &State,
    request: market_proto::QueryLeaseRequest,
) -> Result<market_proto::QueryLeaseResponse, QueryError> {
    let key = lease_key(&request.id.unwrap_or_default());
    let lease = state.leases.get(&key).ok_or(errors::market::LEASE_NOT_FOUND)?;
    Ok(lease_row(state, lease))
}

fn escrow_account(state: &State, key: &EscrowKey) -> Option<escrow_types::Account> {
    let account = state.escrow_accounts.get(key)?.clone();
    Some(escrow_types::Account { id: Some(account_id(key)), state: Some(account) })
}

fn escrow_payment(state: &State, key: &EscrowKey, xid: &str) -> Option<escrow_types::Payment> {
    let payment = state.escrow_payments.get(&(key.clone(), xid.to_owned()))?.clone();
    let id = escrow_id::Payment { aid: Some(account_id(key)), xid: xid.to_owned() };
    Some(escrow_types::Payment { id: Some(id), state: Some(payment) })
}

fn account_id((scope, xid): &EscrowKey) -> escrow_id::Account {
    escrow_id::Account { scope: *scope, xid: xid.clone() }
}

/// The path that an `xid` filter is a prefix of: scope in front.
fn xid_path((scope, xid): &EscrowKey) -> String {
    let scope = escrow_id::Scope::try_from(*scope).map_or("invalid", |scope| scope.as_str_name());
    format!("{scope}/{xid}")
}

fn escrow_accounts(
    state: &State,
    request: escrow_proto::QueryAccountsRequest,
) -> Result<escrow_proto::QueryAccountsResponse, QueryError> {
    let wanted =
        wanted_state(&request.state, escrow_types::State::from_str_name, request.pagination.as_ref())?;
    let rows = state
        .escrow_accounts
        .iter()
        .map(|(key, account)| (xid_path(key), key, account))
        .filter(|(path, _, account)| {
            path.starts_with(&request.xid) && wanted.is_none_or(|wanted| account.state() == wanted)
        })
        .map(|(path, key, account)| (Key::new(account.state).text(&path).0, key));
    let (keys, pagination) = page(sorted(rows.collect()), request.pagination);
    let accounts = keys.into_iter().filter_map(|key| escrow_account(state, key)).collect();
    Ok(escrow_proto::QueryAccountsResponse { accounts, pagination: Some(pagination) })
}

fn escrow_payments(
    state: &State,
    request: escrow_proto::QueryPaymentsRequest,
) -> Result<escrow_proto::QueryPaymentsResponse, QueryError> {
    let wanted =
        wanted_state(&request.state, escrow_types::State::from_str_name, request.pagination.as_ref())?;
    let rows = state
        .escrow_payments
        .iter()
        .map(|((key, xid), payment)| (format!("{}/{xid}", xid_path(key)), (key, xid), payment))
        .filter(|(path, _, payment)| {
            path.starts_with(&request.xid) && wanted.is_none_or(|wanted| payment.state() == wanted)
        })
        .map(|(path, key, payment)| (Key::new(payment.state).text(&path).0, key));
    let (keys, pagination) = page(sorted(rows.collect()), request.pagination);
    let payments = keys.into_iter().filter_map(|(key, xid)| escrow_payment(state, key, xid)).collect();
    Ok(escrow_proto::QueryPaymentsResponse { payments, pagination: Some(pagination) })
}

fn providers(
    state: &State,
    request: provider_proto::QueryProvidersRequest,
) -> Result<provider_proto::QueryProvidersResponse, QueryError> {
    let rows = state.providers.iter().map(|(owner, provider)| (owner.clone().into_bytes(), provider.clone()));
    let (providers, pagination) = page(rows.collect(), request.pagination);
    Ok(provider_proto::QueryProvidersResponse { providers, pagination: Some(pagination) })
}

fn provider(
    state: &State,
    request: provider_proto::QueryProviderRequest,
) -> Result<provider_proto::QueryProviderResponse, QueryError> {
    check_address(&request.owner)?;
    let provider = state.providers.get(&request.owner).ok_or(errors::provider::NOT_FOUND)?;
    Ok(provider_proto::QueryProviderResponse { provider: Some(provider.clone()) })
}

fn audits(
    rows: Vec<(Vec<u8>, audit::AuditedProvider)>,
    pagination: Option<PageRequest>,
) -> audit::QueryProvidersResponse {
    let (providers, pagination) = page(rows, pagination);
    audit::QueryProvidersResponse { providers, pagination: Some(pagination) }
}

fn audit_rows(state: &State, of: Option<&str>) -> Vec<(Vec<u8>, audit::AuditedProvider)> {
    state
        .audits
        .iter()
        .filter(|((owner, _), _)| of.is_none_or(|of| owner == of))
        .map(|((owner, auditor), audit)| (Key::new(0).text(owner).text(auditor).0, audit.clone()))
        .collect()
}

fn provider_audits(
    state: &State,
    request: audit::QueryProviderAttributesRequest,
) -> Result<audit::QueryProvidersResponse, QueryError> {
    check_address(&request.owner)?;
    let rows = audit_rows(state, Some(&request.owner));
    if rows.is_empty() {
        return Err(errors::audit::PROVIDER_NOT_FOUND.into());
    }
    Ok(audits(rows, request.pagination))
}

fn all_audits(
    state: &State,
    request: audit::QueryAllProvidersAttributesRequest,
) -> Result<audit::QueryProvidersResponse, QueryError> {
    Ok(audits(audit_rows(state, None), request.pagination))
}

fn certificates(
    state: &State,
    request: cert::QueryCertificatesRequest,
) -> Result<cert::QueryCertificatesResponse, QueryError> {
    let filter = request.filter.unwrap_or_default();
    let wanted = wanted_state(&filter.state, cert::State::from_str_name, None)?;
    if !filter.serial.bytes().all(|byte| byte.is_ascii_digit()) {
        // A real node dereferences nil here.
        return Err(QueryError::new(
            Code::Internal,
            "runtime error: invalid memory address or nil pointer dereference",
        ));
    }
    let rows = state
        .certificates
        .iter()
        .filter(|((owner, serial), certificate)| {
            fits(&filter.owner, owner)
                && fits(&filter.serial, serial)
                && wanted.is_none_or(|wanted| certificate.state() == wanted)
        })
        .map(|((owner, serial), certificate)| {
            let row =
                cert::CertificateResponse { certificate: Some(certificate.clone()), serial: serial.clone() };
            (Key::new(certificate.state).text(owner).text(serial).0, row)
        });
    let (certificates, pagination) = page(sorted(rows.collect()), request.pagination);
    Ok(cert::QueryCertificatesResponse { certificates, pagination: Some(pagination) })
}

/// What every query that needs the price answers while there is none.
fn price_stalled() -> QueryError {
    let errors::Registered { codespace, code, grpc, text } = errors::oracle::PRICE_STALLED;
    let cause = bme::NO_PRICE;
    QueryError::new(grpc, format!("codespace {codespace} code {code}: {text}: {cause}"))
}

fn bme_status(state: &State) -> Answer {
    bme::status(state).ok_or_else(price_stalled).and_then(|status| encode(&status))
}

fn ledger(
    state: &State,
    request: bme_proto::QueryLedgerRecordsRequest,
) -> Result<bme_proto::QueryLedgerRecordsResponse, QueryError> {
    let filters = request.filters.unwrap_or_default();
    let wanted = wanted_state(&filters.status, bme_proto::LedgerRecordStatus::from_str_name, None)?;
    let rows = bme::ledger(state)
        .into_iter()
        .filter(|entry| {
            let id = entry.id.clone().unwrap_or_default();
            fits(&filters.source, &id.source)
                && fits(&filters.denom, &id.denom)
                && fits(&filters.to_denom, &id.to_denom)
                && wanted.is_none_or(|wanted| entry.status() == wanted)
        })
        .map(|entry| {
            let id = entry.id.clone().unwrap_or_default();
            let key = Key::new(entry.status).text(&id.denom).text(&id.to_denom).text(&id.source);
            let (height, sequence) = (id.height.unsigned_abs(), id.sequence.unsigned_abs());
            (key.number(height).number(sequence).0, entry)
        });
    let (records, pagination) = page(sorted(rows.collect()), request.pagination);
    Ok(bme_proto::QueryLedgerRecordsResponse { records, pagination: Some(pagination) })
}

fn oracle_params() -> oracle_proto::Params {
    let seconds = |seconds| Some(akash_proto::Duration { seconds, nanos: 0 });
    oracle_proto::Params {
        min_price_sources: 1,
        max_price_staleness_period: seconds(30),
        twap_window: seconds(5),
        max_price_deviation_bps: 150,
        max_future_time_drift: seconds(10),
        ..oracle_proto::Params::default()
    }
}

fn now(state: &State) -> Option<Timestamp> {
    let nanos = i32::try_from(state.time.nanosecond()).unwrap_or(0);
    Some(Timestamp { seconds: state.time.unix_timestamp(), nanos })
}

fn aggregated_price(
    state: &State,
    request: oracle_proto::QueryAggregatedPriceRequest,
) -> Result<oracle_proto::QueryAggregatedPriceResponse, QueryError> {
    let price = state.bme.price.filter(|_| request.denom == "akt").ok_or_else(price_stalled)?.to_wire();
    Ok(oracle_proto::QueryAggregatedPriceResponse {
        aggregated_price: Some(oracle_proto::AggregatedPrice {
            denom: request.denom.clone(),
            twap: price.clone(),
            median_price: price.clone(),
            min_price: price.clone(),
            max_price: price,
            timestamp: now(state),
            num_sources: 1,
            deviation_bps: 0,
        }),
        price_health: Some(oracle_proto::PriceHealth {
            denom: format!("{}/{USD}", request.denom),
            is_healthy: true,
            has_min_sources: true,
            deviation_ok: true,
            total_sources: 1,
            total_healthy_sources: 1,
            failure_reason: Vec::new(),
        }),
    })
}

fn prices(
    state: &State,
    request: oracle_proto::QueryPricesRequest,
) -> Result<oracle_proto::QueryPricesResponse, QueryError> {
    let filters = request.filters.unwrap_or_default();
    let wanted = fits(&filters.asset_denom, &"akt".to_owned()) && fits(&filters.base_denom, &USD.to_owned());
    let rows: Vec<_> = state
        .bme
        .price
        .filter(|_| wanted)
        .map(|price| {
            let id = oracle_proto::PriceDataRecordId {
                source: 1,
                denom: "akt".to_owned(),
                base_denom: USD.to_owned(),
                timestamp: now(state),
                sequence: 1,
            };
            let price = oracle_proto::PriceDataState { price: Dec::to_wire(price) };
            (Vec::new(), oracle_proto::PriceData { id: Some(id), state: Some(price) })
        })
        .into_iter()
        .collect();
    let (prices, pagination) = page(rows, request.pagination);
    Ok(oracle_proto::QueryPricesResponse { prices, pagination: Some(pagination) })
}

fn account(
    state: &State,
    request: auth::QueryAccountRequest,
) -> Result<auth::QueryAccountResponse, QueryError> {
    check_address(&request.address)?;
    let Some(account) = state.accounts.get(&request.address) else {
        return Err(QueryError::new(Code::NotFound, format!("account {} not found", request.address)));
    };
    let account = auth::BaseAccount {
        address: request.address,
        pub_key: account.public_key.clone().map(|key| any(&PubKey { key })),
        account_number: account.number,
        sequence: account.sequence,
    };
    Ok(auth::QueryAccountResponse { account: Some(any(&account)) })
}

fn balance_rows(state: &State, address: &str) -> Vec<(Vec<u8>, Coin)> {
    state.balances_of(address).into_iter().map(|coin| (coin.denom.clone().into_bytes(), coin)).collect()
}

fn all_balances(
    state: &State,
    request: bank_proto::QueryAllBalancesRequest,
) -> Result<bank_proto::QueryAllBalancesResponse, QueryError> {
    check_address(&request.address)?;
    let (balances, pagination) = page(balance_rows(state, &request.address), request.pagination);
    Ok(bank_proto::QueryAllBalancesResponse { balances, pagination: Some(pagination) })
}

fn spendable_balances(
    state: &State,
    request: bank_proto::QuerySpendableBalancesRequest,
) -> Result<bank_proto::QuerySpendableBalancesResponse, QueryError> {
    check_address(&request.address)?;
    let (balances, pagination) = page(balance_rows(state, &request.address), request.pagination);
    Ok(bank_proto::QuerySpendableBalancesResponse { balances, pagination: Some(pagination) })
}

fn balance(
    state: &State,
    request: bank_proto::QueryBalanceRequest,
) -> Result<bank_proto::QueryBalanceResponse, QueryError> {
    check_address(&request.address)?;
    if request.denom.is_empty() {
        return Err(invalid("invalid denom"));
    }
    let amount = state.balance(&request.address, &request.denom).to_string();
    Ok(bank_proto::QueryBalanceResponse { balance: Some(Coin { denom: request.denom, amount }) })
}

/// The deposit authorization of one granter for one grantee.
fn authorization(limits: &std::collections::BTreeMap<String, u128>) -> Any {
    let coin = |(denom, amount): (&String, &u128)| Coin { denom: denom.clone(), amount: amount.to_string() };
    any(&escrow_proto::DepositAuthorization {
        spend_limit: None,
        scopes: vec![escrow_proto::deposit_authorization::Scope::Deployment.into()],
        spend_limits: limits.iter().map(coin).collect(),
    })
}

const DEPOSIT_MESSAGE: &str = "/akash.escrow.v1.MsgAccountDeposit";

fn grants(
    state: &State,
    request: authz::QueryGrantsRequest,
) -> Result<authz::QueryGrantsResponse, QueryError> {
    let of_message = request.msg_type_url.is_empty() || request.msg_type_url == DEPOSIT_MESSAGE;
    let key = (request.grantee.clone(), request.granter.clone());
    let found = state.grants.deposits.get(&key).filter(|_| of_message);
    if found.is_none() && !request.msg_type_url.is_empty() {
        let text = format!("authorization not found for {} type: not found", request.msg_type_url);
        return Err(QueryError::new(Code::NotFound, text));
    }
    let rows = found.map(|limits| {
        (Vec::new(), authz::Grant { authorization: Some(authorization(limits)), expiration: None })
    });
    let (grants, pagination) = page(rows.into_iter().collect(), request.pagination);
    Ok(authz::QueryGrantsResponse { grants, pagination: Some(pagination) })
}

fn grantee_grants(
    state: &State,
    request: authz::QueryGranteeGrantsRequest,
) -> Result<authz::QueryGranteeGrantsResponse, QueryError> {
    let rows = state.grants.deposits.iter().filter(|((grantee, _), _)| *grantee == request.grantee);
    let rows = rows.map(|((grantee, granter), limits)| {
        let grant = authz::GrantAuthorization {
            granter: granter.clone(),
            grantee: grantee.clone(),
            authorization: Some(authorization(limits)),
            expiration: None,
        };
        (granter.clone().into_bytes(), grant)
    });
    let (grants, pagination) = page(rows.collect(), request.pagination);
    Ok(authz::QueryGranteeGrantsResponse { grants, pagination: Some(pagination) })
}

fn fee_grant(granter: &str, grantee: &str, limit: Option<u128>) -> feegrant::Grant {
    let spend_limit = limit
        .map(|amount| Coin { denom: "uakt".to_owned(), amount: amount.to_string() })
        .into_iter()
        .collect();
    let allowance = feegrant::BasicAllowance { spend_limit, expiration: None };
    feegrant::Grant {
        granter: granter.to_owned(),
        grantee: grantee.to_owned(),
        allowance: Some(any(&allowance)),
    }
}

fn allowance(
    state: &State,
    request: feegrant::QueryAllowanceRequest,
) -> Result<feegrant::QueryAllowanceResponse, QueryError> {
    let key = (request.granter.clone(), request.grantee.clone());
    let Some(limit) = state.grants.fees.get(&key) else {
        return Err(QueryError::new(Code::Internal, "fee-grant not found: not found"));
    };
    let grant = fee_grant(&request.granter, &request.grantee, *limit);
    Ok(feegrant::QueryAllowanceResponse { allowance: Some(grant) })
}

fn allowances(
    state: &State,
    request: feegrant::QueryAllowancesRequest,
) -> Result<feegrant::QueryAllowancesResponse, QueryError> {
    let rows = state.grants.fees.iter().filter(|((_, grantee), _)| *grantee == request.grantee);
    let rows = rows.map(|((granter, grantee), limit)| {
        (granter.clone().into_bytes(), fee_grant(granter, grantee, *limit))
    });
    let (allowances, pagination) = page(rows.collect(), request.pagination);
    Ok(feegrant::QueryAllowancesResponse { allowances, pagination: Some(pagination) })
}
