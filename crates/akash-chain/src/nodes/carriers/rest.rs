//! The REST address of a node where only JSON gets through: a table of paths, and transcoding by descriptors.
//!
//! This file must not know what is asked, nor retry.

use http::Method;
use serde_json::Value;
use tonic::{Code, Status};

use super::{
    grpc_web::{read, send, url},
    transcode,
    unary::{Call, Reply},
};
use crate::nodes::{Endpoint, fault::Fault, node::HEIGHT_HEADER};

/// gRPC path and REST path of every method that is used. `{field}` is a field of the request (reference: akash 2).
#[rustfmt::skip]
const PATHS: &[(&str, &str)] = &[
    ("/akash.audit.v1.Query/AllProvidersAttributes", "/akash/audit/v1/audit/attributes/list"),
    ("/akash.audit.v1.Query/ProviderAttributes", "/akash/audit/v1/audit/attributes/{owner}/list"),
    ("/akash.bme.v1.Query/LedgerRecords", "/akash/bme/v1/ledger"),
    ("/akash.bme.v1.Query/Params", "/akash/bme/v1/params"),
    ("/akash.bme.v1.Query/Status", "/akash/bme/v1/status"),
    ("/akash.bme.v1.Query/VaultState", "/akash/bme/v1/vault"),
    ("/akash.cert.v1.Query/Certificates", "/akash/cert/v1/certificates/list"),
    ("/akash.deployment.v1beta4.Query/Deployment", "/akash/deployment/v1beta4/deployments/info"),
    ("/akash.deployment.v1beta4.Query/Deployments", "/akash/deployment/v1beta4/deployments/list"),
    ("/akash.deployment.v1beta4.Query/Group", "/akash/deployment/v1beta4/groups/info"),
    ("/akash.deployment.v1beta4.Query/Params", "/akash/deployment/v1beta4/params"),
    ("/akash.discovery.v1.Discovery/GetInfo", "/akash/discovery/v1/info"),
    ("/akash.escrow.v1.Query/Accounts", "/akash/escrow/v1/types/accounts"),
    ("/akash.escrow.v1.Query/Payments", "/akash/escrow/v1/types/payments"),
    ("/akash.market.v1beta5.Query/Bid", "/akash/market/v1beta5/bids/info"),
    ("/akash.market.v1beta5.Query/Bids", "/akash/market/v1beta5/bids/list"),
    ("/akash.market.v1beta5.Query/Lease", "/akash/market/v1beta5/leases/info"),
    ("/akash.market.v1beta5.Query/Leases", "/akash/market/v1beta5/leases/list"),
    ("/akash.market.v1beta5.Query/Order", "/akash/market/v1beta5/orders/info"),
    ("/akash.market.v1beta5.Query/Orders", "/akash/market/v1beta5/orders/list"),
    ("/akash.market.v1beta5.Query/Params", "/akash/market/v1beta5/params"),
    ("/akash.oracle.v2.Query/AggregatedPrice", "/akash/oracle/v2/aggregated_price/{denom}"),
    ("/akash.provider.v1beta4.Query/Provider", "/akash/provider/v1beta4/providers/{owner}"),
    ("/akash.provider.v1beta4.Query/Providers", "/akash/provider/v1beta4/providers"),
    ("/cosmos.auth.v1beta1.Query/Account", "/cosmos/auth/v1beta1/accounts/{address}"),
    ("/cosmos.bank.v1beta1.Query/AllBalances", "/cosmos/bank/v1beta1/balances/{address}"),
    ("/cosmos.base.node.v1beta1.Service/Config", "/cosmos/base/node/v1beta1/config"),
    ("/cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight", "/cosmos/base/tendermint/v1beta1/blocks/{height}"),
    ("/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock", "/cosmos/base/tendermint/v1beta1/blocks/latest"),
    ("/cosmos.base.tendermint.v1beta1.Service/GetSyncing", "/cosmos/base/tendermint/v1beta1/syncing"),
    ("/cosmos.consensus.v1.Query/Params", "/cosmos/consensus/v1/params"),
    ("/cosmos.tx.v1beta1.Service/BroadcastTx", "/cosmos/tx/v1beta1/txs"),
    ("/cosmos.tx.v1beta1.Service/GetTx", "/cosmos/tx/v1beta1/txs/{hash}"),
    ("/cosmos.tx.v1beta1.Service/Simulate", "/cosmos/tx/v1beta1/simulate"),
];

/// The methods that are POST with the request as JSON body.
const POSTED: [&str; 2] = ["/cosmos.tx.v1beta1.Service/BroadcastTx", "/cosmos.tx.v1beta1.Service/Simulate"];

/// One call.
pub(crate) async fn call(endpoint: &Endpoint, client: &reqwest::Client, call: Call) -> Result<Reply, Fault> {
    let not_served = || Fault::unserved(endpoint, "no REST path");
    let (method, path, query) = target(&call).ok_or_else(not_served)?;
    let mut request = match method {
        Method::GET => client.get(url(endpoint, &path)).query(&query),
        _ => client
            .post(url(endpoint, &path))
            .json(&transcode::body(&call.path, &call.message).ok_or_else(not_served)?),
    };
    if let Some(height) = call.height {
        request = request.header(HEIGHT_HEADER, height);
    }
    let answer = send(endpoint, request).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read(endpoint, answer).await?;
    let Ok(json) = serde_json::from_slice::<Value>(&body) else {
        return Err(Fault::http(endpoint, status, &headers));
    };
    if !status.is_success() {
        return match (json.get("code").and_then(Value::as_i64), json.get("message").and_then(Value::as_str)) {
            (Some(code), Some(message)) => {
                Ok(Err(Status::new(Code::from_i32(i32::try_from(code).unwrap_or(2)), message)))
            }
            // JSON, but not the node's.
            _ => Err(Fault::http(endpoint, status, &headers)),
        };
    }
    let height = [HEIGHT_HEADER, "grpc-metadata-x-cosmos-block-height"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok()?.parse().ok());
    match transcode::answer(&call.path, json) {
        Ok(message) => Ok(Ok((message, height))),
        Err(error) => {
            Err(Fault::passing(endpoint, format!("answered JSON that is not of the expected form: {error}")))
        }
    }
}

/// Method, path and query of a call.
fn target(call: &Call) -> Option<(Method, String, transcode::Query)> {
    let (_, template) = PATHS.iter().find(|(path, _)| *path == call.path)?;
    if POSTED.contains(&call.path.as_str()) {
        return Some((Method::POST, (*template).to_owned(), Vec::new()));
    }
    let mut query = transcode::query(&call.path, &call.message)?;
    let mut path = (*template).to_owned();
    query.retain(|(name, value)| {
        let field = format!("{{{name}}}");
        let in_path = path.contains(&field);
        if in_path {
            path = path.replace(&field, value);
        }
        !in_path
    });
    // A field of the path that is not set.
    (!path.contains('{')).then_some((Method::GET, path, query))
}

#[cfg(test)]
pub(crate) fn url_of(path: &str, message: &[u8]) -> Option<(String, transcode::Query)> {
    let call = Call { path: path.to_owned(), height: None, message: message.to_vec().into() };
    target(&call).map(|(_, path, query)| (path, query))
}
