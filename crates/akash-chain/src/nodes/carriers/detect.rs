//! Finding out what an `http(s)://` address serves: gRPC-Web, else RPC, else REST JSON.
//!
//! Each is asked a harmless question whose answer only that carrier gives. This file must not remember the answer;
//! [`crate::nodes::node`] does.

use http::Request;
use serde_json::Value;
use tonic::body::Body;

use super::grpc_web;
use crate::nodes::{Carrier, Endpoint, fault::Fault};

/// The carrier of `endpoint`. A fault when it cannot be reached, or is no node's address.
pub(crate) async fn detect(endpoint: &Endpoint, client: &reqwest::Client) -> Result<Carrier, Fault> {
    let empty = http_body_util::Full::new(bytes::Bytes::from_static(&[0, 0, 0, 0, 0]));
    let probe = Request::post("/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock")
        .body(Body::new(empty))
        .map_err(|_| Fault::lasting(endpoint, "is not a valid address"))?;
    let web = match grpc_web::call(endpoint, client, probe).await {
        Ok(_) => return Ok(Carrier::GrpcWeb),
        Err(fault) if !fault.maybe_done && fault.what.starts_with("cannot be reached") => {
            return Err(fault);
        }
        Err(fault) => fault,
    };
    let status = client.post(grpc_web::url(endpoint, "")).json(&serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "health", "params": {}
    }));
    if json(endpoint, status).await.is_some_and(|answer| answer.get("jsonrpc").is_some()) {
        return Ok(Carrier::Rpc);
    }
    let block = client.get(grpc_web::url(endpoint, "/cosmos/base/tendermint/v1beta1/blocks/latest"));
    if json(endpoint, block).await.is_some_and(|answer| answer.get("block_id").is_some()) {
        return Ok(Carrier::Rest);
    }
    // Rate limits and server errors may pass; an answer that is simply something else will not.
    if web.retry_after.is_some()
        || web.maybe_done && !web.what.contains("HTTP 200")
        || web.what.contains("429")
    {
        return Err(web);
    }
    let what = format!(
        "is not the address of a node: neither gRPC-Web nor RPC nor REST answers there (it {})",
        web.what
    );
    Err(Fault::lasting(endpoint, what))
}

/// The JSON of an answer, whatever its status.
async fn json(endpoint: &Endpoint, request: reqwest::RequestBuilder) -> Option<Value> {
    let answer = grpc_web::send(endpoint, request).await.ok()?;
    serde_json::from_slice(&grpc_web::read(endpoint, answer).await.ok()?).ok()
}
