//! The REST port: JSON by transcoding, and gRPC-Web beside it.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Request, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tonic::Code;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _};

use super::{
    Drop,
    grpc::{GrpcService, HEIGHT_HEADER, disturb},
    json,
    route::route,
};
use crate::{chain::errors::QueryError, faults::Fault, node::Node};

/// GET paths, parts in braces, and the gRPC method they mean. A part's name is the request field it sets.
const GET: &[(&str, &str)] = &[
    ("/akash/deployment/v1beta4/deployments/list", "akash.deployment.v1beta4.Query/Deployments"),
    ("/akash/deployment/v1beta4/deployments/info", "akash.deployment.v1beta4.Query/Deployment"),
    ("/akash/deployment/v1beta4/groups/info", "akash.deployment.v1beta4.Query/Group"),
    ("/akash/deployment/v1beta4/params", "akash.deployment.v1beta4.Query/Params"),
    ("/akash/market/v1beta5/orders/list", "akash.market.v1beta5.Query/Orders"),
    ("/akash/market/v1beta5/orders/info", "akash.market.v1beta5.Query/Order"),
    ("/akash/market/v1beta5/bids/list", "akash.market.v1beta5.Query/Bids"),
    ("/akash/market/v1beta5/bids/info", "akash.market.v1beta5.Query/Bid"),
    ("/akash/market/v1beta5/leases/list", "akash.market.v1beta5.Query/Leases"),
    ("/akash/market/v1beta5/leases/info", "akash.market.v1beta5.Query/Lease"),
    ("/akash/market/v1beta5/params", "akash.market.v1beta5.Query/Params"),
    ("/akash/provider/v1beta4/providers", "akash.provider.v1beta4.Query/Providers"),
    ("/akash/provider/v1beta4/providers/{owner}", "akash.provider.v1beta4.Query/Provider"),
    ("/akash/audit/v1/audit/attributes/list", "akash.audit.v1.Query/AllProvidersAttributes"),
    ("/akash/audit/v1/audit/attributes/{owner}/list", "akash.audit.v1.Query/ProviderAttributes"),
    ("/akash/cert/v1/certificates/list", "akash.cert.v1.Query/Certificates"),
    ("/akash/escrow/v1/types/accounts", "akash.escrow.v1.Query/Accounts"),
    ("/akash/escrow/v1/types/payments", "akash.escrow.v1.Query/Payments"),
    ("/akash/bme/v1/params", "akash.bme.v1.Query/Params"),
    ("/akash/bme/v1/vault", "akash.bme.v1.Query/VaultState"),
    ("/akash/bme/v1/status", "akash.bme.v1.Query/Status"),
    ("/akash/bme/v1/ledger", "akash.bme.v1.Query/LedgerRecords"),
    ("/akash/oracle/v2/aggregated_price/{denom}", "akash.oracle.v2.Query/AggregatedPrice"),
    ("/akash/oracle/v2/prices", "akash.oracle.v2.Query/Prices"),
    ("/akash/oracle/v2/params", "akash.oracle.v2.Query/Params"),
    ("/akash/discovery/v1/info", "akash.discovery.v1.Discovery/GetInfo"),
    ("/cosmos/auth/v1beta1/accounts/{address}", "cosmos.auth.v1beta1.Query/Account"),
    ("/cosmos/bank/v1beta1/balances/{address}", "cosmos.bank.v1beta1.Query/AllBalances"),
    ("/cosmos/bank/v1beta1/balances/{address}/by_denom", "cosmos.bank.v1beta1.Query/Balance"),
    ("/cosmos/bank/v1beta1/spendable_balances/{address}", "cosmos.bank.v1beta1.Query/SpendableBalances"),
    ("/cosmos/authz/v1beta1/grants", "cosmos.authz.v1beta1.Query/Grants"),
    ("/cosmos/authz/v1beta1/grants/grantee/{grantee}", "cosmos.authz.v1beta1.Query/GranteeGrants"),
    ("/cosmos/feegrant/v1beta1/allowance/{granter}/{grantee}", "cosmos.feegrant.v1beta1.Query/Allowance"),
    ("/cosmos/feegrant/v1beta1/allowances/{grantee}", "cosmos.feegrant.v1beta1.Query/Allowances"),
    ("/cosmos/consensus/v1/params", "cosmos.consensus.v1.Query/Params"),
    ("/cosmos/base/node/v1beta1/config", "cosmos.base.node.v1beta1.Service/Config"),
    ("/cosmos/base/node/v1beta1/status", "cosmos.base.node.v1beta1.Service/Status"),
    (
        "/cosmos/base/tendermint/v1beta1/blocks/latest",
        "cosmos.base.tendermint.v1beta1.Service/GetLatestBlock",
    ),
    (
        "/cosmos/base/tendermint/v1beta1/blocks/{height}",
        "cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight",
    ),
    ("/cosmos/base/tendermint/v1beta1/node_info", "cosmos.base.tendermint.v1beta1.Service/GetNodeInfo"),
    ("/cosmos/base/tendermint/v1beta1/syncing", "cosmos.base.tendermint.v1beta1.Service/GetSyncing"),
    ("/cosmos/tx/v1beta1/txs", "cosmos.tx.v1beta1.Service/GetTxsEvent"),
    ("/cosmos/tx/v1beta1/txs/{hash}", "cosmos.tx.v1beta1.Service/GetTx"),
];

/// POST paths; the body is the request as JSON, of which bytes and enum names are used.
const POST: &[(&str, &str)] = &[
    ("/cosmos/tx/v1beta1/simulate", "cosmos.tx.v1beta1.Service/Simulate"),
    ("/cosmos/tx/v1beta1/txs", "cosmos.tx.v1beta1.Service/BroadcastTx"),
];

/// Serves the REST port.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new().fallback(serve).with_state(node)
}

async fn serve(State(node): State<Arc<Node>>, request: Request<Body>) -> Response {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let web = kind.starts_with("application/grpc")
        || request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if web {
        let service = GrpcWebLayer::new().layer(GrpcService { node });
        let answer: Result<_, Infallible> = service.oneshot(request).await;
        return match answer {
            Ok(response) => response.map(Body::new),
            Err(impossible) => match impossible {},
        };
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 4 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let Some((path, arguments)) = means(&parts.method, &parts.uri, &body) else {
        return refuse(&QueryError::new(Code::Unimplemented, "Not Implemented"));
    };
    let dropped = disturb(&node, path).await;
    if node
        .faults()
        .take(|fault| matches!(fault, Fault::Unavailable { path: part } if path.contains(part)))
        .is_some()
    {
        return proxy_error();
    }
    let mut response =
        transcode(&node, path, &arguments, &parts.headers).unwrap_or_else(|error| refuse(&error));
    if dropped {
        response.extensions_mut().insert(Drop);
    }
    response
}

/// What a proxy in front of a dead node answers.
pub(crate) fn proxy_error() -> Response {
    let page = "<html><head><title>503 Service Temporarily Unavailable</title></head><body></body></html>";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// The gRPC path of a request and its arguments.
fn means(method: &Method, uri: &Uri, body: &Bytes) -> Option<(&'static str, Vec<(String, String)>)> {
    let (table, mut arguments) = match *method {
        Method::GET => (GET, pairs(uri.query().unwrap_or_default())),
        Method::POST => (POST, posted(body)?),
        _ => return None,
    };
    let (parts, path) =
        table.iter().find_map(|(template, path)| Some((matches(template, uri.path())?, *path)))?;
    arguments.extend(parts);
    Some((path, arguments))
}

/// The parts of a path that a template names, or nothing when it does not fit.
fn matches(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(wanted), Some(given)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) if !given.is_empty() => parts.push((name.to_owned(), decode(given))),
                    None if wanted == given => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(&value.replace('+', " ")))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Percent-decoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped =
            tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn posted(body: &[u8]) -> Option<Vec<(String, String)>> {
    let Value::Object(fields) = serde_json::from_slice(body).ok()? else { return None };
    Some(fields.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect())
}

fn transcode(
    node: &Node,
    path: &str,
    arguments: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, QueryError> {
    let unknown = || QueryError::new(Code::Unimplemented, "Not Implemented");
    let (input, output) = json::method(path).ok_or_else(unknown)?;
    let request = json::from_arguments(input, arguments)
        .map_err(|text| QueryError::new(Code::InvalidArgument, text))?;
    let height = headers.get(HEIGHT_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let answer = route(node, path, &request, height)?;
    let body = json::to_json(output, &answer.bytes)
        .ok_or_else(|| QueryError::new(Code::Internal, "the answer can't be written as JSON"))?;
    let height = [("grpc-metadata-x-cosmos-block-height", answer.height.to_string())];
    Ok((height, Json(body)).into_response())
}

/// An error as the REST gateway writes it.
fn refuse(error: &QueryError) -> Response {
    let status = match error.code {
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({ "code": i32::from(error.code), "message": error.message, "details": [] });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let get = |path: &str| means(&Method::GET, &path.parse().unwrap(), &Bytes::new());
        let (path, arguments) = get("/cosmos/bank/v1beta1/balances/akash1x/by_denom?denom=uact").unwrap();
        assert_eq!(path, "cosmos.bank.v1beta1.Query/Balance");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(arguments, [pair("denom", "uact"), pair("address", "akash1x")]);
        let latest = get("/cosmos/base/tendermint/v1beta1/blocks/latest").unwrap();
        assert_eq!(latest.0, "cosmos.base.tendermint.v1beta1.Service/GetLatestBlock");
        let (_, arguments) = get("/akash/escrow/v1/types/accounts?xid=deployment%2Fakash1x%2F7").unwrap();
        assert_eq!(arguments, [pair("xid", "deployment/akash1x/7")]);
        assert!(get("/akash/market/v1beta4/bids/list").is_none());
        assert!(get("/cosmos/tx/v1beta1/simulate").is_none());
    }

    /// Every path of the tables means a method that exists.
    #[test]
    fn every_path_has_its_method() {
        for (path, method) in GET.iter().chain(POST) {
            assert!(json::method(method).is_some(), "{path}: {method}");
        }
    }
}
