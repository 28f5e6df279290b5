//! The RPC address of a node: queries as `abci_query` with the gRPC path and the protobuf bytes, broadcasts as
//! `broadcast_tx_sync`.
//!
//! This file must not know what is asked, nor retry. What arrives of errors is less than over gRPC (reference: akash
//! 1.4): a Cosmos SDK code for the kind, and the text.

use akash_proto::cosmos::tx::v1beta1::BroadcastTxRequest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    grpc_web::{read, send, url},
    unary::{Call, Reply, checked},
};
use crate::nodes::{Endpoint, fault::Fault};

/// One call.
pub(crate) async fn call(endpoint: &Endpoint, client: &reqwest::Client, call: Call) -> Result<Reply, Fault> {
    if call.path == "/cosmos.tx.v1beta1.Service/BroadcastTx" {
        return broadcast(endpoint, client, &call).await;
    }
    let data = hex::encode_upper(&call.message);
    let height = call.height.unwrap_or_default().to_string();
    let params = json!({ "path": call.path, "data": data, "height": height, "prove": false });
    let answer = match ask(endpoint, client, "abci_query", params).await? {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Status::unknown(error.text))),
    };
    let answer =
        answer.get("response").ok_or_else(|| Fault::passing(endpoint, "answered without a response"))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    if let code @ 1.. = answer.get("code").and_then(Value::as_u64).unwrap_or_default() {
        return Ok(Err(status(text("codespace"), code, text("log"))));
    }
    let value =
        STANDARD.decode(text("value")).map_err(|_| Fault::passing(endpoint, "answered without a value"))?;
    Ok(Ok((value, text("height").parse().ok().filter(|height| *height > 0))))
}

/// Hands a transaction over.
async fn broadcast(endpoint: &Endpoint, client: &reqwest::Client, call: &Call) -> Result<Reply, Fault> {
    let request = BroadcastTxRequest::decode(call.message.clone())
        .map_err(|_| Fault::lasting(endpoint, "was not asked: the transaction is broken"))?;
    let params = json!({ "tx": STANDARD.encode(request.tx_bytes) });
    let answer = match ask(endpoint, client, "broadcast_tx_sync", params).await? {
        Ok(answer) => answer,
        // What the node refuses before it asks the chain has no code here.
        Err(error) => {
            let code = [("already exists in cache", 19), ("mempool is full", 20), ("too large", 21)]
                .iter()
                .find(|(text, _)| error.text.contains(text));
            return match code {
                Some((_, code)) => Ok(checked("", "sdk", *code, &error.text)),
                None => Err(Fault::passing(endpoint, format!("answered: {}", error.text))),
            };
        }
    };
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let code = answer.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    let code = code.ok_or_else(|| Fault::passing(endpoint, "answered a broadcast without a code"))?;
    Ok(checked(text("hash"), text("codespace"), code, text("log")))
}

/// An error of the RPC server itself.
struct RpcError {
    text: String,
}

/// One JSON-RPC exchange.
async fn ask(
    endpoint: &Endpoint,
    client: &reqwest::Client,
    method: &str,
    params: Value,
) -> Result<Result<Value, RpcError>, Fault> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = send(endpoint, client.post(url(endpoint, "/")).json(&body)).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read(endpoint, answer).await?;
    // Nodes answer errors with HTTP 500 and JSON; a proxy's page is not JSON.
    let Ok(mut body) = serde_json::from_slice::<Value>(&body) else {
        return Err(Fault::http(endpoint, status, &headers));
    };
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        let part = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        return Ok(Err(RpcError { text: format!("{} {}", part("message"), part("data")).trim().to_owned() }));
    }
    match body.get_mut("result") {
        Some(result) => Ok(Ok(result.take())),
        None => Err(Fault::http(endpoint, status, &headers)),
    }
}

/// The gRPC status that a node has flattened into a Cosmos SDK code and a log.
fn status(codespace: &str, code: u64, log: &str) -> Status {
    let code = match (codespace, code) {
        ("sdk", 22) => Code::NotFound,
        ("sdk", 18) => Code::InvalidArgument,
        ("sdk", 26) => Code::FailedPrecondition,
        ("sdk", 6) if log.contains("unknown query path") || log.contains("no handler") => Code::Unimplemented,
        _ => Code::Unknown,
    };
    // `rpc error: code = NotFound desc = TEXT: key not found`, where the SDK wrapped a gRPC error.
    let text = log.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = "));
    let wrapped = [": key not found", ": invalid request", ": unknown request"];
    let text = match text {
        Some((_, text)) => wrapped.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text),
        None => wrapped.iter().find_map(|end| log.strip_suffix(end)).unwrap_or(log),
    };
    Status::new(code, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattened_errors() {
        for (codespace, code, log, expected, text) in [
            (
                "sdk",
                22,
                "rpc error: code = NotFound desc = codespace deployment code 4: Deployment not found: key not found",
                Code::NotFound,
                "codespace deployment code 4: Deployment not found",
            ),
            ("sdk", 22, "Deployment not found: key not found", Code::NotFound, "Deployment not found"),
            ("sdk", 18, "invalid state value: invalid request", Code::InvalidArgument, "invalid state value"),
            (
                "sdk",
                6,
                "failed to execute message; message index: 0: Deployment exists with gas used: '36407': unknown request",
                Code::Unknown,
                "failed to execute message; message index: 0: Deployment exists with gas used: '36407'",
            ),
            ("sdk", 6, "unknown query path", Code::Unimplemented, "unknown query path"),
        ] {
            let status = status(codespace, code, log);
            assert_eq!((status.code(), status.message()), (expected, text));
        }
    }
}
