//! CometBFT JSON-RPC, as far as clients of the network use it: `status`, `health`, `abci_query`,
//! `broadcast_tx_sync`, `broadcast_tx_async`, `tx`, `block`, and `akash` (discovery). By POST and by GET.

use std::{collections::HashMap, sync::Arc};

use akash_proto::{Message as _, akash::discovery::v1::GetInfoResponse};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::Extensions,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tonic::Code;

use super::{Drop, grpc::disturb, route::route};
use crate::{
    chain::{errors::QueryError, events::Event},
    faults::Fault,
    node::{Node, TxRecord},
};

/// A refusal as JSON-RPC tells it.
struct RpcError {
    code: i64,
    message: &'static str,
    data: String,
}

impl RpcError {
    fn internal(data: impl Into<String>) -> Self {
        Self { code: -32_603, message: "Internal error", data: data.into() }
    }

    fn params(data: impl Into<String>) -> Self {
        Self { code: -32_602, message: "Invalid params", data: data.into() }
    }
}

/// Serves the RPC port.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new().route("/", post(by_post)).route("/{method}", get(by_get)).with_state(node)
}

async fn by_post(State(node): State<Arc<Node>>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        let error = json!({ "code": -32_700, "message": "Parse error. Invalid JSON" });
        return Json(json!({ "jsonrpc": "2.0", "id": null, "error": error })).into_response();
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
    let parameters = request.get("params").cloned().unwrap_or(Value::Null);
    answer(&node, id, &method, &parameters).await
}

/// A GET carries its parameters as URI arguments: strings in quotes, bytes as `0x` hex.
async fn by_get(
    State(node): State<Arc<Node>>,
    Path(method): Path<String>,
    Query(arguments): Query<HashMap<String, String>>,
) -> Response {
    let parameter = |text: &str| match (text.strip_prefix("0x"), text.strip_prefix('"')) {
        (Some(digits), _) => Value::String(STANDARD.encode(hex::decode(digits).unwrap_or_default())),
        (_, Some(quoted)) => Value::String(quoted.trim_end_matches('"').to_owned()),
        _ => Value::String(text.to_owned()),
    };
    let parameters = arguments.iter().map(|(key, text)| (key.clone(), parameter(text))).collect();
    answer(&node, json!(-1), &method, &Value::Object(parameters)).await
}

async fn answer(node: &Node, id: Value, method: &str, parameters: &Value) -> Response {
    // A query over `abci_query` is the gRPC path that it means: faults and counters speak of that.
    let path = match method {
        "abci_query" => text(parameters, "path").trim_start_matches('/').to_owned(),
        "broadcast_tx_sync" | "broadcast_tx_async" => "cosmos.tx.v1beta1.Service/BroadcastTx".to_owned(),
        "tx" => "cosmos.tx.v1beta1.Service/GetTx".to_owned(),
        other => format!("rpc/{other}"),
    };
    let dropped = disturb(node, &path).await;
    if node
        .faults()
        .take(|fault| matches!(fault, Fault::Unavailable { path: part } if path.contains(part)))
        .is_some()
    {
        return super::rest::proxy_error();
    }
    let result = match method {
        "health" => Ok(json!({})),
        "status" => Ok(status(node)),
        "abci_query" => abci_query(node, parameters),
        "broadcast_tx_sync" | "broadcast_tx_async" => broadcast(node, parameters),
        "tx" => tx(node, parameters),
        "block" => block(node, parameters),
        "akash" => discovery(node),
        _ => Err(RpcError { code: -32_601, message: "Method not found", data: String::new() }),
    };
    let body = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(RpcError { code, message, data }) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message, "data": data } })
        }
    };
    let mut response = Json(body).into_response();
    if dropped {
        let extensions: &mut Extensions = response.extensions_mut();
        extensions.insert(Drop);
    }
    response
}

fn text<'v>(parameters: &'v Value, key: &str) -> &'v str {
    parameters.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number that may be given as a number or as text.
fn number(parameters: &Value, key: &str) -> Option<u64> {
    let value = parameters.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

fn status(node: &Node) -> Value {
    let Some(block) = node.block(None) else { return json!({}) };
    json!({
        "node_info": {
            "network": &*node.state().chain_id,
            "version": "0.38.0",
            "moniker": "akash-devnet",
            "other": { "tx_index": if node.indexes() { "on" } else { "off" } },
        },
        "sync_info": {
            "latest_block_hash": hex::encode_upper(&block.hash),
            "latest_block_height": block.height.to_string(),
            "latest_block_time": rfc3339(block.time),
            "earliest_block_height": "1",
            "catching_up": false,
        },
    })
}

/// `abci_query` flattens errors: NotFound is `sdk` 22, InvalidArgument `sdk` 18, everything else `sdk` 6, without the
/// codespace that stands in front over gRPC.
fn abci_query(node: &Node, parameters: &Value) -> Result<Value, RpcError> {
    let path = text(parameters, "path").trim_start_matches('/').to_owned();
    let data = hex::decode(text(parameters, "data"))
        .ok()
        .or_else(|| STANDARD.decode(text(parameters, "data")).ok())
        .ok_or_else(|| RpcError::params("error decoding data: not hex"))?;
    let height = number(parameters, "height").filter(|height| *height > 0);
    let outcome = if path == "cosmos.tx.v1beta1.Service/BroadcastTx" {
        Err(QueryError::new(Code::InvalidArgument, "a query cannot broadcast"))
    } else {
        route(node, &path, &data, height)
    };
    let response = match outcome {
        Ok(answer) => json!({
            "code": 0, "log": "", "info": "", "index": "0", "key": null, "proofOps": null, "codespace": "",
            "value": STANDARD.encode(&answer.bytes), "height": answer.height.to_string(),
        }),
        Err(error) => {
            let (number, log) = flattened(&error);
            json!({
                "code": number, "log": log, "info": "", "index": "0", "key": null, "value": null,
                "proofOps": null, "height": "0", "codespace": "sdk",
            })
        }
    };
    Ok(json!({ "response": response }))
}

/// The code and the log of a query's error. A module's error loses the codespace in front; any other shows that it
/// was a gRPC status.
fn flattened(QueryError { code, message }: &QueryError) -> (u32, String) {
    let (number, kind) = match code {
        Code::Unimplemented => return (6, "unknown query path: unknown request".to_owned()),
        Code::NotFound => (22, "key not found"),
        Code::InvalidArgument => (18, "invalid request"),
        _ => (6, "unknown request"),
    };
    // The SDK's own errors keep their code.
    let own = message.strip_prefix("codespace sdk code ").and_then(|rest| rest.split_once(": "));
    if let Some((Ok(own), rest)) = own.map(|(own, rest)| (own.parse(), rest)) {
        return (own, rest.to_owned());
    }
    match message.strip_prefix("codespace ").and_then(|rest| rest.split_once(": ")) {
        Some((head, rest)) if head.contains(" code ") => (number, format!("{rest}: {kind}")),
        _ => (number, format!("rpc error: code = {code:?} desc = {message}: {kind}")),
    }
}

fn broadcast(node: &Node, parameters: &Value) -> Result<Value, RpcError> {
    let bytes =
        STANDARD.decode(text(parameters, "tx")).map_err(|error| RpcError::params(error.to_string()))?;
    let checked = node.broadcast(&bytes);
    if (checked.codespace.as_str(), checked.code) == ("sdk", 19) {
        return Err(RpcError::internal("tx already exists in cache"));
    }
    Ok(json!({
        "code": checked.code, "data": "", "log": checked.raw_log, "codespace": checked.codespace, "hash": checked.hash,
    }))
}

fn tx(node: &Node, parameters: &Value) -> Result<Value, RpcError> {
    let hash =
        STANDARD.decode(text(parameters, "hash")).map_err(|error| RpcError::params(error.to_string()))?;
    let hash = hex::encode_upper(&hash);
    let found = node.tx(&hash).map_err(|error| RpcError::internal(error.message))?;
    let record = found.ok_or_else(|| RpcError::internal(format!("tx ({hash}) not found")))?;
    Ok(tx_json(&record))
}

fn tx_json(record: &TxRecord) -> Value {
    let event = |event: &Event| {
        let attributes = event.attributes.iter();
        let attributes: Vec<_> =
            attributes.map(|(key, value)| json!({ "key": key, "value": value, "index": true })).collect();
        json!({ "type": event.kind, "attributes": attributes })
    };
    let result = &record.result;
    json!({
        "hash": record.hash,
        "height": record.height.to_string(),
        "index": record.index,
        "tx": STANDARD.encode(&record.bytes),
        "tx_result": {
            "code": result.code,
            "codespace": result.codespace,
            "data": STANDARD.encode(&result.data),
            "log": result.raw_log,
            "info": "",
            "gas_wanted": result.gas_wanted.to_string(),
            "gas_used": result.gas_used.to_string(),
            "events": result.events.iter().map(event).collect::<Vec<_>>(),
        },
    })
}

fn block(node: &Node, parameters: &Value) -> Result<Value, RpcError> {
    let block = node.block(number(parameters, "height")).ok_or_else(|| {
        RpcError::internal("height must be less than or equal to the current blockchain height")
    })?;
    let txs: Vec<_> = block.txs.iter().map(|tx| STANDARD.encode(&tx.bytes)).collect();
    Ok(json!({
        "block_id": { "hash": hex::encode_upper(&block.hash) },
        "block": {
            "header": {
                "chain_id": &*node.state().chain_id,
                "height": block.height.to_string(),
                "time": rfc3339(block.time),
            },
            "data": { "txs": txs },
        },
    }))
}

fn discovery(node: &Node) -> Result<Value, RpcError> {
    let answer = route(node, "akash.discovery.v1.Discovery/GetInfo", &[], None)
        .map_err(|error| RpcError::internal(error.message))?;
    let info = GetInfoResponse::decode(answer.bytes.as_slice())
        .map_err(|error| RpcError::internal(error.to_string()))?
        .info
        .unwrap_or_default();
    let versions: Vec<_> = info
        .supported_versions
        .iter()
        .map(|version| {
            let modules: Vec<_> = version
                .modules
                .iter()
                .map(|module| json!({ "module": module.module, "version": module.version }))
                .collect();
            json!({ "api_version": version.api_version, "modules": modules })
        })
        .collect();
    Ok(json!({
        "client_info": { "api_version": info.client_info.unwrap_or_default().api_version },
        "supported_versions": versions,
        "chain_id": info.chain_id,
        "node_version": info.node_version,
        "min_client_version": info.min_client_version,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_lose_their_form() {
        for (code, message, expected) in [
            (
                Code::NotFound,
                "codespace deployment code 4: Deployment not found",
                (22, "Deployment not found: key not found"),
            ),
            (
                Code::InvalidArgument,
                "invalid state value",
                (18, "rpc error: code = InvalidArgument desc = invalid state value: invalid request"),
            ),
            (
                Code::Unknown,
                "failed to execute message; message index: 0: Deployment exists with gas used: '36407'",
                (
                    6,
                    "rpc error: code = Unknown desc = failed to execute message; message index: 0: Deployment exists \
                     with gas used: '36407': unknown request",
                ),
            ),
            (Code::Unknown, "codespace sdk code 26: invalid height: future", (26, "invalid height: future")),
            (Code::Unimplemented, "unknown service or method", (6, "unknown query path: unknown request")),
        ] {
            let (number, log) = flattened(&QueryError::new(code, message));
            assert_eq!((number, log.as_str()), expected);
        }
    }
}
