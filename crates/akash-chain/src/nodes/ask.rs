//! Asking one node once: what counts as an answer, and what is the node's own fault.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use akash_proto::cosmos::base::tendermint::v1beta1 as tendermint;
use time::OffsetDateTime;
use tonic::{Code, Response, Status};

use super::{
    fault::{Fault, FaultKind},
    health::Health,
    node::{Caller, HEIGHT_HEADER, Node},
};
use crate::{Block, ChainError, chain::Inner};

/// How long one call to one endpoint may take.
pub(crate) const CALL: Duration = Duration::from_secs(15);

/// What one endpoint made of a call.
pub(crate) enum Answered<T> {
    /// An answer, and the height it was given at where the node says so.
    Answer(T, Option<u64>),
    /// An error of the chain that any other node would give too.
    Error(Status),
}

impl<T> Answered<T> {
    /// The height at which the node answered, if it says so.
    pub(crate) fn height(&self) -> Option<u64> {
        match self {
            Self::Answer(_, height) => *height,
            Self::Error(status) => height_of(status.metadata()),
        }
    }
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
            Ok(answer) => {
                node.health(Health::answered);
                // An answer that was pinned to a height says nothing of how far the node is.
                if let Some(at) = answer.height().filter(|_| height.is_none()) {
                    self.seen.fetch_max(at, Ordering::Relaxed);
                }
            }
            Err(fault) => {
                tracing::debug!(endpoint = %node.endpoint, fault = %fault.what, "endpoint fault");
                // An endpoint that does not serve one query is as good as any for others.
                if fault.kind != FaultKind::Unserved {
                    node.health(|health| health.failed(fault.retry_after));
                }
            }
        }
        result
    }

    /// The block at `height` (the latest for `None`) of one endpoint, and its chain id.
    pub(crate) async fn block_of(
        &self,
        node: &Arc<Node>,
        height: Option<u64>,
    ) -> Result<(Block, String), Fault> {
        let begun = Instant::now();
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
        let took = begun.elapsed();
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
            node.health(|health| health.block(block.time, took));
        }
        Ok((block, header.chain_id))
    }
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
        Code::Unimplemented => Some(Fault::unserved(&node.endpoint, status.message())),
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
