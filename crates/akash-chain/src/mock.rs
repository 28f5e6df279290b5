//! A node for tests: as much of one as the crate's own logic needs, with faults. The real behaviour of the chain is
//! tested against the recordings and, end to end, against the devnet.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use akash_proto::{
    Any, Message, Timestamp,
    akash::{
        deployment::{v1, v1beta4 as deployment},
        discovery::v1 as discovery,
        market::{v1 as market_v1, v1beta5 as market},
    },
    any,
    cosmos::{
        auth::v1beta1 as auth,
        bank::v1beta1 as bank,
        base::{
            abci::v1beta1 as abci, node::v1beta1 as node, query::v1beta1 as paging,
            tendermint::v1beta1 as tm, v1beta1::Coin,
        },
        consensus::v1 as consensus,
        tx::v1beta1 as tx,
    },
    tendermint::{abci as tm_abci, types},
    unpack,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tonic::Code;

/// What a broadcast meets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Broadcast {
    /// Taken, and in a block at once.
    Include,
    /// Taken, and never in a block.
    Hold,
    /// In a block, but the answer is lost.
    LoseAnswer,
    /// Lost, and so is the answer.
    LoseAll,
    /// CheckTx refuses.
    Refuse(&'static str, u32, &'static str),
    /// In a block, and refused there.
    FailDelivery(&'static str, u32, &'static str),
}

pub(crate) struct World {
    pub(crate) chain_id: &'static str,
    pub(crate) height: u64,
    pub(crate) time: OffsetDateTime,
    pub(crate) balances: BTreeMap<&'static str, u128>,
    pub(crate) unordered: bool,
    pub(crate) indexes: bool,
    pub(crate) minimum_gas_price: &'static str,
    pub(crate) max_gas: i64,
    /// dseqs whose messages simulation refuses.
    pub(crate) bad: Vec<u64>,
    /// What the next broadcasts meet; then [`Broadcast::Include`].
    pub(crate) script: VecDeque<Broadcast>,
    pub(crate) deployments: BTreeMap<u64, v1::Deployment>,
    pub(crate) txs: HashMap<String, abci::TxResponse>,
    /// Every transaction that was broadcast.
    pub(crate) broadcasts: Vec<(tx::TxBody, tx::AuthInfo)>,
    /// Every request's path.
    pub(crate) requests: Vec<String>,
    /// Answers everything with this instead.
    pub(crate) page: Option<(u16, &'static str)>,
    /// Answers as a node that is this much behind.
    pub(crate) behind: u64,
    /// Methods that it does not serve.
    pub(crate) unserved: Vec<&'static str>,
    /// Waits before every answer.
    pub(crate) delay: Duration,
    /// Answers this method with this HTTP status.
    pub(crate) away: Option<(&'static str, u16)>,
}

impl World {
    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests.iter().filter(|path| path.ends_with(method)).count()
    }

    pub(crate) fn tick(&mut self) {
        self.height += 1;
        self.time += Duration::from_secs(1);
    }

    fn deliver(
        &mut self,
        body: &tx::TxBody,
        hash: &str,
        auth: &tx::AuthInfo,
        refusal: Option<(&str, u32, &str)>,
    ) {
        self.tick();
        let mut events = Vec::new();
        for (index, message) in body.messages.iter().enumerate() {
            if refusal.is_none() {
                self.execute(message);
            }
            events.push(tm_abci::Event {
                r#type: "message".into(),
                attributes: vec![tm_abci::EventAttribute {
                    key: "msg_index".into(),
                    value: index.to_string(),
                    index: true,
                }],
            });
        }
        let (codespace, code, log) = refusal.unwrap_or_default();
        let response = abci::TxResponse {
            height: i64::try_from(self.height).unwrap(),
            txhash: hash.into(),
            codespace: codespace.into(),
            code,
            raw_log: log.into(),
            gas_used: i64::try_from(auth.fee.as_ref().unwrap().gas_limit).unwrap() - 1,
            timestamp: self.time.format(&Rfc3339).unwrap(),
            events,
            ..Default::default()
        };
        self.txs.insert(hash.into(), response);
    }

    fn execute(&mut self, message: &Any) {
        if let Some(message) = unpack::<deployment::MsgCreateDeployment>(message) {
            let id = message.id.unwrap();
            let created_at = i64::try_from(self.height).unwrap();
            let hash = message.hash;
            self.deployments.insert(
                id.dseq,
                v1::Deployment { id: Some(id), state: 1, hash, created_at, reclamation: None },
            );
        } else if let Some(message) = unpack::<deployment::MsgUpdateDeployment>(message) {
            self.deployments.get_mut(&message.id.unwrap().dseq).unwrap().hash = message.hash;
        }
    }
}

/// The dseq of a create or update.
fn dseq(message: &Any) -> u64 {
    unpack::<deployment::MsgCreateDeployment>(message)
        .and_then(|message| message.id)
        .or_else(|| unpack::<deployment::MsgUpdateDeployment>(message).and_then(|message| message.id))
        .map_or(0, |id| id.dseq)
}

/// A running node.
#[derive(Clone)]
pub(crate) struct Mock {
    world: Arc<Mutex<World>>,
    pub(crate) port: u16,
}

impl Mock {
    pub(crate) async fn start() -> Self {
        let world = Arc::new(Mutex::new(World {
            chain_id: "mock-1",
            height: 100,
            time: OffsetDateTime::now_utc(),
            balances: BTreeMap::from([("uakt", 1_000_000_000), ("uact", 1_000_000_000)]),
            unordered: true,
            indexes: true,
            minimum_gas_price: "0.0025uakt",
            max_gas: -1,
            bad: Vec::new(),
            script: VecDeque::new(),
            deployments: BTreeMap::new(),
            txs: HashMap::new(),
            broadcasts: Vec::new(),
            requests: Vec::new(),
            page: None,
            behind: 0,
            unserved: Vec::new(),
            delay: Duration::ZERO,
            away: None,
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(serve).with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { world, port }
    }

    /// A second address of the same chain, with faults of its own.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn grpc(&self) -> String {
        format!("grpc://127.0.0.1:{}", self.port)
    }

    pub(crate) fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

type Answer = Result<Vec<u8>, (Code, String)>;

async fn serve(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    let delay = {
        let mut world = world.lock().unwrap();
        world.requests.push(path.clone());
        world.delay
    };
    tokio::time::sleep(delay).await;
    let (answer, height) = {
        let mut world = world.lock().unwrap();
        let away = world.away.filter(|(method, _)| path.ends_with(method)).map(|(_, status)| (status, ""));
        if let Some((status, text)) = world.page.or(away) {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            return response;
        }
        let pinned =
            parts.headers.get("x-cosmos-block-height").map(|value| value.to_str().unwrap().parse().unwrap());
        let height = pinned.unwrap_or(world.height - world.behind);
        (answer(&mut world, &path, body.get(5..).unwrap_or_default()), height)
    };
    let web = parts.headers[header::CONTENT_TYPE].as_bytes().starts_with(b"application/grpc-web");
    let mut frame = Vec::new();
    let (code, message) = match answer {
        Ok(message) => {
            frame.push(0);
            frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            frame.extend(message);
            (Code::Ok, String::new())
        }
        Err(error) => error,
    };
    let code = i32::from(code);
    let mut response = if web {
        let trailers = format!("grpc-status: {code}\r\ngrpc-message: {message}\r\n");
        frame.push(0x80);
        frame.extend(u32::try_from(trailers.len()).unwrap().to_be_bytes());
        frame.extend(trailers.bytes());
        Response::new(Body::from(frame))
    } else {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.into());
        trailers.insert("grpc-message", message.parse().unwrap());
        Response::new(Body::new(Full::new(Bytes::from(frame)).with_trailers(async { Some(Ok(trailers)) })))
    };
    let content_type = if web { "application/grpc-web+proto" } else { "application/grpc" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert("x-cosmos-block-height", height.into());
    response
}

fn answer(world: &mut World, path: &str, request: &[u8]) -> Answer {
    if world.unserved.iter().any(|method| path.ends_with(method)) {
        return Err((Code::Unimplemented, "unknown method".into()));
    }
    Ok(match path {
        "/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock" => {
            tm::GetLatestBlockResponse { block_id: None, sdk_block: Some(block(world)) }.encode_to_vec()
        }
        "/cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight" => {
            tm::GetBlockByHeightResponse { block_id: None, sdk_block: Some(block(world)) }.encode_to_vec()
        }
        "/akash.discovery.v1.Discovery/GetInfo" => {
            let modules = [
                ("audit", "v1"),
                ("cert", "v1"),
                ("deployment", "v1beta4"),
                ("escrow", "v1"),
                ("market", "v1beta5"),
                ("provider", "v1beta4"),
            ];
            let modules = modules.map(|(module, version)| discovery::ModuleVersion {
                module: module.into(),
                version: version.into(),
            });
            let version = discovery::VersionInfo {
                api_version: "v1beta4".into(),
                modules: modules.into(),
                features: vec![],
            };
            let info = discovery::Akash {
                supported_versions: vec![version],
                chain_id: world.chain_id.into(),
                ..Default::default()
            };
            discovery::GetInfoResponse { info: Some(info) }.encode_to_vec()
        }
        "/cosmos.auth.v1beta1.Query/Account" => {
            let request = auth::QueryAccountRequest::decode(request).unwrap();
            let account =
                auth::BaseAccount { address: request.address, pub_key: None, account_number: 7, sequence: 3 };
            auth::QueryAccountResponse { account: Some(any(&account)) }.encode_to_vec()
        }
        "/cosmos.bank.v1beta1.Query/AllBalances" => {
            let coin =
                |(denom, amount): (&&str, &u128)| Coin { denom: (*denom).into(), amount: amount.to_string() };
            let balances = world.balances.iter().map(coin).collect();
            bank::QueryAllBalancesResponse { balances, pagination: None }.encode_to_vec()
        }
        "/cosmos.base.node.v1beta1.Service/Config" => {
            let minimum_gas_price = world.minimum_gas_price.into();
            node::ConfigResponse { minimum_gas_price, ..Default::default() }.encode_to_vec()
        }
        "/cosmos.consensus.v1.Query/Params" => {
            let block = Some(types::BlockParams { max_bytes: 1 << 20, max_gas: world.max_gas });
            consensus::QueryParamsResponse { params: Some(types::ConsensusParams { block }) }.encode_to_vec()
        }
        "/cosmos.tx.v1beta1.Service/Simulate" => simulate(world, request)?,
        "/cosmos.tx.v1beta1.Service/BroadcastTx" => broadcast(world, request)?,
        "/cosmos.tx.v1beta1.Service/GetTx" => {
            let request = tx::GetTxRequest::decode(request).unwrap();
            if !world.indexes {
                return Err((Code::Unknown, "transaction indexing is disabled".into()));
            }
            let found = world.txs.get(&request.hash).cloned();
            let found = found.ok_or_else(|| (Code::NotFound, format!("tx not found: {}", request.hash)))?;
            tx::GetTxResponse { tx: None, tx_response: Some(found) }.encode_to_vec()
        }
        "/akash.deployment.v1beta4.Query/Deployment" => {
            let id = deployment::QueryDeploymentRequest::decode(request).unwrap().id.unwrap();
            let newest = world.height - world.behind;
            let found = world
                .deployments
                .get(&id.dseq)
                .filter(|found| u64::try_from(found.created_at).unwrap() <= newest);
            let found = found.ok_or_else(|| {
                (Code::NotFound, "codespace deployment code 4: Deployment not found".into())
            })?;
            row(found).encode_to_vec()
        }
        "/akash.deployment.v1beta4.Query/Deployments" => {
            let request = deployment::QueryDeploymentsRequest::decode(request).unwrap();
            let page = request.pagination.unwrap();
            let first = page.key.try_into().map_or(0, u64::from_be_bytes);
            let limit = usize::try_from(page.limit).unwrap();
            let mut rest = world.deployments.range(first..).map(|(_, deployment)| deployment);
            let deployments = rest.by_ref().take(limit).map(row).collect();
            let next_key = rest
                .next()
                .map_or_else(Vec::new, |next| next.id.as_ref().unwrap().dseq.to_be_bytes().to_vec());
            let pagination = Some(paging::PageResponse { next_key, total: 0 });
            deployment::QueryDeploymentsResponse { deployments, pagination }.encode_to_vec()
        }
        "/akash.deployment.v1beta4.Query/Params" => {
            deployment::QueryParamsResponse { params: Some(deployment::Params::default()) }.encode_to_vec()
        }
        "/akash.market.v1beta5.Query/Params" => {
            market::QueryParamsResponse { params: Some(market::Params::default()) }.encode_to_vec()
        }
        "/akash.market.v1beta5.Query/Orders" => market::QueryOrdersResponse::default().encode_to_vec(),
        "/akash.market.v1beta5.Query/Bids" => market::QueryBidsResponse::default().encode_to_vec(),
        "/akash.market.v1beta5.Query/Leases" => {
            let filters = market::QueryLeasesRequest::decode(request).unwrap().filters.unwrap();
            let lease = market_v1::Lease { state: 1, ..Default::default() };
            let lease = market::QueryLeaseResponse { lease: Some(lease), escrow_payment: None };
            let leases = if filters.state == "active" { vec![lease] } else { vec![] };
            market::QueryLeasesResponse { leases, pagination: None }.encode_to_vec()
        }
        _ => return Err((Code::Unimplemented, format!("unknown method {path}"))),
    })
}

fn row(found: &v1::Deployment) -> deployment::QueryDeploymentResponse {
    deployment::QueryDeploymentResponse {
        deployment: Some(found.clone()),
        groups: vec![],
        escrow_account: None,
    }
}

fn block(world: &World) -> tm::Block {
    let time = Timestamp {
        seconds: world.time.unix_timestamp(),
        nanos: i32::try_from(world.time.nanosecond()).unwrap(),
    };
    let header = tm::Header {
        chain_id: world.chain_id.into(),
        height: i64::try_from(world.height - world.behind).unwrap(),
        time: Some(time),
        proposer_address: String::new(),
    };
    tm::Block { header: Some(header) }
}

fn simulate(world: &mut World, request: &[u8]) -> Answer {
    let raw = tx::SimulateRequest::decode(request).unwrap().tx_bytes;
    let raw = tx::TxRaw::decode(raw.as_slice()).unwrap();
    let body = tx::TxBody::decode(raw.body_bytes.as_slice()).unwrap();
    if body.unordered && !world.unordered {
        return Err((
            Code::Unknown,
            "unordered transactions are not enabled: feature not supported with gas used: '1'".into(),
        ));
    }
    if let Some(index) = body.messages.iter().position(|message| world.bad.contains(&dseq(message))) {
        let text = format!(
            "failed to execute message; message index: {index}: Deployment exists with gas used: '9'"
        );
        return Err((Code::Unknown, text));
    }
    let gas_used = 40_000 + 90_000 * body.messages.len() as u64;
    let gas_info = Some(abci::GasInfo { gas_wanted: 0, gas_used });
    Ok(tx::SimulateResponse { gas_info, result: None }.encode_to_vec())
}

fn broadcast(world: &mut World, request: &[u8]) -> Answer {
    let bytes = tx::BroadcastTxRequest::decode(request).unwrap().tx_bytes;
    let hash = hex::encode_upper(Sha256::digest(&bytes));
    let raw = tx::TxRaw::decode(bytes.as_slice()).unwrap();
    let body = tx::TxBody::decode(raw.body_bytes.as_slice()).unwrap();
    let auth = tx::AuthInfo::decode(raw.auth_info_bytes.as_slice()).unwrap();
    world.broadcasts.push((body.clone(), auth.clone()));
    let taken = |code: u32, codespace: &str, log: &str| {
        let tx_response = Some(abci::TxResponse {
            txhash: hash.clone(),
            code,
            codespace: codespace.into(),
            raw_log: log.into(),
            ..Default::default()
        });
        Ok(tx::BroadcastTxResponse { tx_response }.encode_to_vec())
    };
    let lost = || Err((Code::Unavailable, "connection lost".to_owned()));
    if world.txs.contains_key(&hash) {
        return taken(19, "sdk", "");
    }
    match world.script.pop_front().unwrap_or(Broadcast::Include) {
        Broadcast::Include => {
            world.deliver(&body, &hash, &auth, None);
            taken(0, "", "")
        }
        Broadcast::Hold => taken(0, "", ""),
        Broadcast::LoseAnswer => {
            world.deliver(&body, &hash, &auth, None);
            lost()
        }
        Broadcast::LoseAll => lost(),
        Broadcast::Refuse(codespace, code, log) => taken(code, codespace, log),
        Broadcast::FailDelivery(codespace, code, log) => {
            world.deliver(&body, &hash, &auth, Some((codespace, code, log)));
            taken(0, "", "")
        }
    }
}
