//! Orders, bids and leases.

use akash_proto::{
    akash::{market::v1 as market_v1, market::v1beta5 as market},
    id::{DeploymentId, GroupId, LeaseId, OrderId},
};

use super::{MAX_MESSAGE, QueryError};
use crate::{Chain, nodes::node::Caller};

impl Chain {
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
}

fn market_client(caller: Caller) -> market::query_client::QueryClient<Caller> {
    market::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}
