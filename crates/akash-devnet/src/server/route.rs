//! What a gRPC path means: from request bytes to answer bytes, for every carrier.

use crate::{chain::errors::QueryError, node::Node};

/// An answer and the height it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The encoded response.
    pub(crate) bytes: Vec<u8>,
    /// The height.
    pub(crate) height: u64,
}

/// Answers a request.
///
/// # Errors
/// The node's.
pub(crate) fn route(
    _node: &Node,
    path: &str,
    _request: &[u8],
    _height: Option<u64>,
) -> Result<Answer, QueryError> {
    Err(QueryError::new(tonic::Code::Unimplemented, format!("unknown method {path}")))
}
