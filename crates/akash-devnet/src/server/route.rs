//! What a gRPC path means: from request bytes to answer bytes, for every carrier.
//!
//! Queries on the state go to `chain::query`; here is what needs the node: transactions, blocks, its own settings.

#![allow(clippy::needless_pass_by_value, reason = "the handlers of a request table have one shape")]

use akash_proto::{
    Message, Timestamp,
    akash::discovery::v1 as discovery,
    any,
    cosmos::{
        base::{
            abci::v1beta1::{GasInfo, Result as SimulationResult, TxMsgData, TxResponse},
            node::v1beta1 as node_proto,
            tendermint::v1beta1 as tendermint_proto,
        },
        tx::v1beta1 as tx_proto,
    },
    tendermint::types::{BlockId, PartSetHeader},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tonic::Code;

use crate::{
    chain::{ante::MIN_GAS_PRICE, errors::QueryError, query},
    node::{Block, Checked, Node, TxRecord},
};

/// An answer and the height it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The encoded response.
    pub(crate) bytes: Vec<u8>,
    /// The height.
    pub(crate) height: u64,
}

/// Answers a request at a gRPC path (`PACKAGE.SERVICE/METHOD`), at a past height if one is asked for.
///
/// # Errors
/// The node's: gRPC code and message.
pub(crate) fn route(
    node: &Node,
    path: &str,
    request: &[u8],
    height: Option<u64>,
) -> Result<Answer, QueryError> {
    let state = node.view(height)?;
    let answered = |bytes: Vec<u8>| Answer { bytes, height: state.height };
    if let Some(answer) = query::query(&state, path, request) {
        return answer.map(answered);
    }
    let bytes = match path {
        "cosmos.tx.v1beta1.Service/Simulate" => simulate(node, decode(request)?),
        "cosmos.tx.v1beta1.Service/BroadcastTx" => broadcast(node, decode(request)?),
        "cosmos.tx.v1beta1.Service/GetTx" => get_tx(node, decode(request)?),
        "cosmos.tx.v1beta1.Service/GetTxsEvent" => get_txs(node, decode(request)?),
        "cosmos.base.tendermint.v1beta1.Service/GetLatestBlock" => latest_block(node),
        "cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight" => block_by_height(node, decode(request)?),
        "cosmos.base.tendermint.v1beta1.Service/GetNodeInfo" => encode(&node_info()),
        "cosmos.base.tendermint.v1beta1.Service/GetSyncing" => {
            encode(&tendermint_proto::GetSyncingResponse { syncing: false })
        }
        "cosmos.base.node.v1beta1.Service/Config" => encode(&node_proto::ConfigResponse {
            minimum_gas_price: format!("{MIN_GAS_PRICE:0<20}uakt"),
            pruning_keep_recent: "0".to_owned(),
            pruning_interval: "0".to_owned(),
            halt_height: 0,
        }),
        "cosmos.base.node.v1beta1.Service/Status" => encode(&node_proto::StatusResponse {
            earliest_store_height: state.height.saturating_sub(99).max(1),
            height: state.height,
            timestamp: Some(timestamp(state.time)),
            ..node_proto::StatusResponse::default()
        }),
        "akash.discovery.v1.Discovery/GetInfo" => encode(&info(&state.chain_id)),
        _ => {
            let (service, method) = path.split_once('/').unwrap_or((path, ""));
            Err(QueryError::new(Code::Unimplemented, format!("unknown service or method {service}/{method}")))
        }
    };
    bytes.map(answered)
}

fn decode<Q: Message + Default>(request: &[u8]) -> Result<Q, QueryError> {
    Q::decode(request).map_err(|error| {
        QueryError::new(Code::Internal, format!("grpc: error unmarshalling request: {error}"))
    })
}

fn encode<R: Message>(response: &R) -> Result<Vec<u8>, QueryError> {
    Ok(response.encode_to_vec())
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: i32::try_from(time.nanosecond()).unwrap_or(0) }
}

/// The form of block times in transaction responses: whole seconds, UTC.
fn rfc3339(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

fn simulate(node: &Node, request: tx_proto::SimulateRequest) -> Result<Vec<u8>, QueryError> {
    let simulated =
        node.simulate(&request.tx_bytes).map_err(|message| QueryError::new(Code::Unknown, message))?;
    let responses = TxMsgData::decode(simulated.data.as_slice()).unwrap_or_default().msg_responses;
    encode(&tx_proto::SimulateResponse {
        gas_info: Some(GasInfo { gas_wanted: 0, gas_used: simulated.gas_used }),
        result: Some(SimulationResult {
            data: simulated.data,
            log: String::new(),
            events: simulated.events.iter().map(Into::into).collect(),
            msg_responses: responses,
        }),
    })
}

fn broadcast(node: &Node, request: tx_proto::BroadcastTxRequest) -> Result<Vec<u8>, QueryError> {
    use tx_proto::BroadcastMode;
    if !matches!(request.mode(), BroadcastMode::Sync | BroadcastMode::Async) {
        let text = format!("unsupported broadcast type {}; supported types: sync, async", request.mode);
        return Err(QueryError::new(Code::InvalidArgument, text));
    }
    let Checked { hash, code, codespace, raw_log } = node.broadcast(&request.tx_bytes);
    let response = TxResponse { txhash: hash, code, codespace, raw_log, ..TxResponse::default() };
    encode(&tx_proto::BroadcastTxResponse { tx_response: Some(response) })
}

/// A transaction in a block, as the node reports it.
fn tx_response(record: &TxRecord) -> TxResponse {
    // `Tx` and `TxRaw` have one wire form: body and auth info are length-delimited in both.
    let tx = tx_proto::Tx::decode(record.bytes.as_slice()).unwrap_or_default();
    let result = &record.result;
    TxResponse {
        height: i64::try_from(record.height).unwrap_or(i64::MAX),
        txhash: record.hash.clone(),
        codespace: result.codespace.clone(),
        code: result.code,
        data: hex::encode_upper(&result.data),
        raw_log: result.raw_log.clone(),
        logs: Vec::new(),
        info: String::new(),
        gas_wanted: i64::try_from(result.gas_wanted).unwrap_or(i64::MAX),
        gas_used: i64::try_from(result.gas_used).unwrap_or(i64::MAX),
        tx: Some(any(&tx)),
        timestamp: rfc3339(record.time),
        events: result.events.iter().map(Into::into).collect(),
    }
}

fn get_tx(node: &Node, request: tx_proto::GetTxRequest) -> Result<Vec<u8>, QueryError> {
    if request.hash.is_empty() {
        return Err(QueryError::new(Code::InvalidArgument, "tx hash cannot be empty"));
    }
    let Some(record) = node.tx(&request.hash)? else {
        return Err(QueryError::new(Code::NotFound, format!("tx not found: {}", request.hash)));
    };
    let tx = tx_proto::Tx::decode(record.bytes.as_slice()).ok();
    encode(&tx_proto::GetTxResponse { tx, tx_response: Some(tx_response(&record)) })
}

fn get_txs(node: &Node, request: tx_proto::GetTxsEventRequest) -> Result<Vec<u8>, QueryError> {
    let query = if request.query.is_empty() { request.events.join(" AND ") } else { request.query.clone() };
    if query.is_empty() {
        return Err(QueryError::new(Code::InvalidArgument, "query cannot be empty"));
    }
    let conditions = query
        .split(" AND ")
        .map(|condition| {
            let (key, value) = condition.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().trim_matches('\'').to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            QueryError::new(Code::InvalidArgument, "the devnet understands KEY='VALUE' joined by AND")
        })?;
    let mut found: Vec<_> = node
        .txs()?
        .into_iter()
        .filter(|tx| conditions.iter().all(|(key, value)| has(tx, key, value)))
        .collect();
    if request.order_by() == tx_proto::OrderBy::Desc {
        found.reverse();
    }
    let limit = if request.limit == 0 { 100 } else { request.limit };
    let skip = request.page.saturating_sub(1).saturating_mul(limit);
    let total = u64::try_from(found.len()).unwrap_or(0);
    let take = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = found.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(take);
    encode(&tx_proto::GetTxsEventResponse { tx_responses: page.map(|tx| tx_response(tx)).collect(), total })
}

/// Whether a transaction has an event attribute `TYPE.KEY` of this value, `tx.height` or `tx.hash`.
fn has(tx: &TxRecord, key: &str, value: &str) -> bool {
    match key {
        "tx.height" => tx.height.to_string() == value,
        "tx.hash" => tx.hash.eq_ignore_ascii_case(value),
        _ => {
            let Some((kind, attribute)) = key.rsplit_once('.') else { return false };
            tx.result.events.iter().filter(|event| event.kind == kind).any(|event| {
                event.attributes.iter().any(|(name, content)| name == attribute && content == value)
            })
        }
    }
}

fn no_block() -> QueryError {
    QueryError::new(Code::InvalidArgument, "requested block height is bigger then the chain length")
}

fn block_parts(node: &Node, block: &Block) -> (BlockId, tendermint_proto::Block) {
    let id = BlockId {
        hash: block.hash.to_vec(),
        part_set_header: Some(PartSetHeader { total: 1, hash: block.hash.to_vec() }),
    };
    let header = tendermint_proto::Header {
        chain_id: node.state().chain_id.to_string(),
        height: i64::try_from(block.height).unwrap_or(i64::MAX),
        time: Some(timestamp(block.time)),
        proposer_address: crate::wallet::module_address("devnet-validator"),
    };
    (id, tendermint_proto::Block { header: Some(header) })
}

fn latest_block(node: &Node) -> Result<Vec<u8>, QueryError> {
    let block = node.block(None).ok_or_else(no_block)?;
    let (id, block) = block_parts(node, &block);
    encode(&tendermint_proto::GetLatestBlockResponse { block_id: Some(id), sdk_block: Some(block) })
}

fn block_by_height(
    node: &Node,
    request: tendermint_proto::GetBlockByHeightRequest,
) -> Result<Vec<u8>, QueryError> {
    let height = u64::try_from(request.height).map_err(|_| no_block())?;
    let block = node.block(Some(height)).ok_or_else(no_block)?;
    let (id, block) = block_parts(node, &block);
    encode(&tendermint_proto::GetBlockByHeightResponse { block_id: Some(id), sdk_block: Some(block) })
}

fn node_info() -> tendermint_proto::GetNodeInfoResponse {
    let version = tendermint_proto::VersionInfo {
        name: "akash-devnet".to_owned(),
        app_name: "akash-devnet".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cosmos_sdk_version: "v0.53".to_owned(),
        ..tendermint_proto::VersionInfo::default()
    };
    tendermint_proto::GetNodeInfoResponse { application_version: Some(version) }
}

/// The modules as a v2.1 node lists them, under both of its API versions.
fn info(chain_id: &str) -> discovery::GetInfoResponse {
    let modules = [
        ("audit", "v1"),
        ("bme", "v1"),
        ("cert", "v1"),
        ("deployment", "v1beta4"),
        ("escrow", "v1"),
        ("market", "v1beta5"),
        ("oracle", "v2"),
        ("provider", "v1beta4"),
        ("take", "v1"),
        ("wasm", "v1"),
    ];
    let module = |(module, version): (&str, &str)| discovery::ModuleVersion {
        module: module.to_owned(),
        version: version.to_owned(),
    };
    let version = |api_version: &str| discovery::VersionInfo {
        api_version: api_version.to_owned(),
        modules: modules.map(module).to_vec(),
        features: Vec::new(),
    };
    discovery::GetInfoResponse {
        info: Some(discovery::Akash {
            client_info: Some(discovery::ClientInfo { api_version: "v1beta3".to_owned() }),
            supported_versions: vec![version("v1beta4"), version("v1beta3")],
            chain_id: chain_id.to_owned(),
            node_version: String::new(),
            min_client_version: String::new(),
        }),
    }
}
