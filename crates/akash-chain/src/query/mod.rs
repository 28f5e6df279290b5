//! Reading the chain: one method for each question, by module of the chain.
//!
//! Here is what all questions share: one answer, an answer or nothing, all pages. Nothing here may know transactions, nor
//! what an answer is used for.

mod deployment;
mod error;
mod market;
mod money;
mod node;
mod provider;

use std::future::Future;

use akash_proto::cosmos::{
    base::query::v1beta1::{PageRequest, PageResponse},
    tx::v1beta1 as tx,
};
use time::OffsetDateTime;
use tonic::{Code, Response, Status};

pub use error::QueryError;

use crate::{
    chain::Inner,
    nodes::{
        ask::{Answered, error_of},
        choice::Floor,
        node::Caller,
    },
};

/// Rows of a page: 1000 deployments and their leases take ten queries.
const PAGE: u64 = 250;
/// More pages than any owner has; a node that never ends a listing is at fault.
const MAX_PAGES: usize = 10_000;
/// More than any page.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// A block's height and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its time (UTC).
    pub time: OffsetDateTime,
}

impl Inner {
    /// Asks the endpoints in order of health until one answers, again and again until the configured time is up. An
    /// answer from below the height of our own last transaction does not count: that node is behind.
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
        match self.read_any(what, height, Floor::Own, call).await? {
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
        match self.read_any(what, None, Floor::Own, call).await? {
            (_, Answered::Answer(answer, _)) => Ok(Some(answer)),
            (_, Answered::Error(status)) if status.code() == Code::NotFound => Ok(None),
            (node, Answered::Error(status)) => {
                Err(QueryError::Node { what, endpoint: node.endpoint.to_string(), error: error_of(&status) })
            }
        }
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

pub(crate) fn tx_client(caller: Caller) -> tx::service_client::ServiceClient<Caller> {
    tx::service_client::ServiceClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}
