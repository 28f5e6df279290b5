//! The devnet's own address: faults and acts over HTTP with JSON, for whoever started the binary.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};

use crate::{
    chain::operator::Operator,
    faults::{Fault, FaultId},
    node::Node,
};

#[derive(Debug, Deserialize)]
struct Injection {
    #[serde(flatten)]
    fault: Fault,
    /// How often; absent, until cleared.
    times: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Active {
    id: FaultId,
    #[serde(flatten)]
    fault: Fault,
}

#[derive(Debug, Serialize)]
struct Counted {
    height: u64,
    txs: u64,
    requests: BTreeMap<String, u64>,
    gateway_connections: BTreeMap<String, u64>,
    gateway_requests: BTreeMap<String, u64>,
}

/// Serves the control address: `GET|POST|DELETE /faults`, `DELETE /faults/ID`, `POST /acts`, `GET /counters`.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/faults", get(list).post(inject).delete(clear_all))
        .route("/faults/{id}", delete(clear))
        .route("/acts", post(act))
        .route("/counters", get(counters))
        .with_state(node)
}

async fn list(State(node): State<Arc<Node>>) -> Json<Vec<Active>> {
    Json(node.faults().active().into_iter().map(|(id, fault)| Active { id, fault }).collect())
}

async fn inject(State(node): State<Arc<Node>>, Json(injection): Json<Injection>) -> Json<FaultId> {
    Json(match injection.times {
        Some(times) => node.faults().times(injection.fault, times),
        None => node.faults().set(injection.fault),
    })
}

async fn clear_all(State(node): State<Arc<Node>>) {
    node.faults().clear_all();
}

async fn clear(State(node): State<Arc<Node>>, Path(id): Path<FaultId>) {
    node.faults().clear(id);
}

async fn act(State(node): State<Arc<Node>>, Json(act): Json<Operator>) {
    node.operate(&act);
}

async fn counters(State(node): State<Arc<Node>>) -> Json<Counted> {
    let counted = node.counters();
    Json(Counted {
        height: node.state().height,
        txs: counted.txs,
        requests: counted.requests,
        gateway_connections: counted.gateway_connections,
        gateway_requests: counted.gateway_requests,
    })
}
