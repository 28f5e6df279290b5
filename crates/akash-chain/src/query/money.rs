//! Accounts, balances, escrow, and the conversion between AKT and ACT.

use std::collections::BTreeMap;

use akash_proto::{
    akash::{bme::v1 as bme, escrow, oracle::v2 as oracle},
    cosmos::{auth::v1beta1 as auth, bank::v1beta1 as bank},
};

use super::{MAX_MESSAGE, QueryError};
use crate::{Chain, nodes::node::Caller};

impl Chain {
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

    /// The account's number and sequence; `None` for an address that never received anything.
    pub(crate) async fn account_of(&self, address: &str) -> Result<Option<auth::BaseAccount>, QueryError> {
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
}

fn bme_client(caller: Caller) -> bme::query_client::QueryClient<Caller> {
    bme::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}
