//! Blocks, transactions, and what nodes say of themselves.

use std::sync::atomic::Ordering;

use akash_proto::{
    akash::discovery,
    cosmos::{
        base::abci::v1beta1::TxResponse, base::node::v1beta1 as node_service, consensus::v1 as consensus,
        tx::v1beta1 as tx,
    },
};
use time::OffsetDateTime;

use super::{Block, QueryError, tx_client};
use crate::{
    Chain,
    nodes::{
        ask::{Answered, error_of},
        choice::{Floor, behind},
    },
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

    /// A block (the latest for `None`) of the healthiest endpoint that has it.
    pub(crate) async fn block(&self, what: &'static str, height: Option<u64>) -> Result<Block, QueryError> {
        self.block_from(what, height, 0).await
    }

    /// The same; a node whose latest block is below `floor` does not count either.
    pub(crate) async fn block_from(
        &self,
        what: &'static str,
        height: Option<u64>,
        floor: u64,
    ) -> Result<Block, QueryError> {
        let inner = self.inner();
        inner
            .over_endpoints(what, |node| async move {
                inner.introduce(&node).await?;
                let (block, _) = inner.block_of(&node, height).await?;
                if height.is_none() {
                    behind(&node, block.height, inner.floor.load(Ordering::Relaxed).max(floor))?;
                }
                Ok(block)
            })
            .await
    }

    /// The highest height that any answer so far was given at: with [`Chain::remember_height`], whatever is asked next
    /// is not older than what was seen.
    pub fn seen_height(&self) -> u64 {
        self.inner().seen.load(Ordering::Relaxed)
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
