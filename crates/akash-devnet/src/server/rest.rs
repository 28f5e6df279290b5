//! The REST port: gRPC-Web.

use std::sync::Arc;

use axum::Router;
use tonic_web::GrpcWebLayer;
use tower::Layer as _;

use super::grpc::GrpcService;
use crate::node::Node;

/// Serves the REST port.
pub(crate) fn router(node: Arc<Node>) -> Router {
    let grpc_web = GrpcWebLayer::new().layer(GrpcService { node });
    Router::new().fallback_service(grpc_web)
}
