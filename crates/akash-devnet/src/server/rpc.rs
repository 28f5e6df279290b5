//! CometBFT JSON-RPC.

use std::sync::Arc;

use axum::Router;

use crate::node::Node;

/// Serves the RPC port.
pub(crate) fn router(_node: Arc<Node>) -> Router {
    Router::new()
}
