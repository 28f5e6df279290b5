//! The devnet as its users meet it: every carrier, deployments with all three providers, faults, restarts, the state
//! file. What the chain answers in detail is pinned in `src/recorded.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use akash_devnet::{Devnet, DevnetConfig, Endpoint, Fault, Operator, Ports, SubmitError, Wallet};
use akash_proto::{
    Any, Message as _,
    akash::{
        base::{
            deposit::v1::{Deposit, Source},
            resources::v1beta4::{
                Cpu, Endpoint as ServiceEndpoint, Gpu, Memory, ResourceValue, Resources, Storage,
            },
        },
        deployment::{
            v1::{DeploymentId, DeploymentReclamation, GroupId},
            v1beta4::{
                GroupSpec, MsgCloseDeployment, MsgCreateDeployment, MsgPauseGroup, QueryDeploymentRequest,
                ResourceUnit, group, query_client::QueryClient as DeploymentClient,
            },
        },
        market::{
            v1::{BidId, lease},
            v1beta5::{
                BidFilters, MsgCreateLease, QueryBidsRequest, query_client::QueryClient as MarketClient,
            },
        },
    },
    any,
    cosmos::{
        base::{
            tendermint::v1beta1::{GetLatestBlockRequest, service_client::ServiceClient as BlockClient},
            v1beta1::{Coin, DecCoin},
        },
        tx::v1beta1::{
            BroadcastMode, BroadcastTxRequest, GetTxRequest, service_client::ServiceClient as TxClient,
        },
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, transport::Channel};

fn quick() -> DevnetConfig {
    DevnetConfig { ports: Ports::Free, block_time: Duration::from_millis(50), ..DevnetConfig::default() }
}

async fn channel(devnet: &Devnet) -> Channel {
    let address = devnet.grpc_endpoint().replace("grpc://", "http://");
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

fn create(owner: &str, dseq: u64) -> MsgCreateDeployment {
    let value = |amount: u64| Some(ResourceValue { val: amount.to_string().into_bytes() });
    let resource = Resources {
        id: 1,
        cpu: Some(Cpu { units: value(500), attributes: Vec::new() }),
        memory: Some(Memory { quantity: value(1 << 29), attributes: Vec::new() }),
        storage: vec![Storage {
            name: "default".to_owned(),
            quantity: value(1 << 30),
            attributes: Vec::new(),
        }],
        gpu: Some(Gpu { units: value(0), attributes: Vec::new() }),
        endpoints: vec![ServiceEndpoint::default()],
    };
    let price = DecCoin { denom: "uact".to_owned(), amount: "10000000000000000000000".to_owned() };
    MsgCreateDeployment {
        id: Some(DeploymentId { owner: owner.to_owned(), dseq }),
        groups: vec![GroupSpec {
            name: "place".to_owned(),
            requirements: None,
            resources: vec![ResourceUnit { resource: Some(resource), count: 1, price: Some(price) }],
        }],
        hash: vec![7; 32],
        deposit: Some(Deposit {
            amount: Some(Coin { denom: "uact".to_owned(), amount: "500000".to_owned() }),
            sources: vec![Source::Balance.into()],
        }),
        reclamation: None,
    }
}

async fn submit(devnet: &Devnet, wallet: &Wallet, message: Any) {
    devnet.chain().submit(wallet, vec![message]).await.unwrap();
}

async fn open_bids(devnet: &Devnet, owner: &str, dseq: u64, count: usize) -> Vec<BidId> {
    let mut client = MarketClient::new(channel(devnet).await);
    for _ in 0..200 {
        let filters =
            BidFilters { owner: owner.to_owned(), dseq, state: "open".to_owned(), ..BidFilters::default() };
        let request = QueryBidsRequest { filters: Some(filters), pagination: None };
        let bids = client.bids(request).await.unwrap().into_inner().bids;
        if bids.len() >= count {
            return bids.into_iter().filter_map(|row| row.bid?.id).collect();
        }
        devnet.wait_blocks(1).await;
    }
    panic!("no {count} bids for {dseq}");
}

/// One HTTP/1.1 exchange, without a client library between: status line, headers and body as text.
async fn http(address: &str, request: String) -> (u16, String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let Some(split) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return (0, String::new(), answer);
    };
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head, answer[split + 4..].to_vec())
}

async fn get(address: &str, path: &str) -> (u16, Value) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: devnet\r\nconnection: close\r\n\r\n");
    let (status, _, body) = http(address, request).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn post(address: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: devnet\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, _, body) = http(address, request).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn three_providers_bid_and_a_lease_ends_with_its_deployment() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(&devnet.new_wallet(1_000_000, 600_000), 0).unwrap();
    let owner = tenant.address();
    submit(&devnet, &tenant, any(&create(owner, 77))).await;
    assert_eq!(devnet.active_deployments(owner), [77]);
    assert_eq!(devnet.balance(owner, "uact"), 100_000);
    let bids = open_bids(&devnet, owner, 77, 3).await;
    submit(&devnet, &tenant, any(&MsgCreateLease { bid_id: Some(bids[0].clone()) })).await;
    let leases = devnet.leases(owner, 77);
    assert_eq!(leases.len(), 1);
    devnet.close_lease(leases[0].id.as_ref().unwrap(), 10_001).await.unwrap();
    assert_eq!(devnet.leases(owner, 77)[0].reason, 10_001);
    let close = MsgCloseDeployment { id: Some(DeploymentId { owner: owner.to_owned(), dseq: 77 }) };
    submit(&devnet, &tenant, any(&close)).await;
    assert!(devnet.active_deployments(owner).is_empty());
    let spent: u128 = devnet
        .leases(owner, 77)
        .iter()
        .filter_map(|lease| lease.id.as_ref())
        .filter_map(|id| {
            let key = ((1, format!("{owner}/77")), format!("1/1/{}", id.provider));
            devnet.state().escrow_payments.get(&key)?.withdrawn.as_ref()?.amount.parse::<u128>().ok()
        })
        .sum();
    assert_eq!(devnet.balance(owner, "uact") + spent, 600_000);
    assert_eq!(devnet.tx_count(owner), 3);
    devnet.stop().await;
}

/// `reference/akash.md` 5.5: a provider that offered notice gives it, and ends the lease only after its window.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_reclaimed_with_notice() {
    const WINDOW: i64 = 86_400;
    // A provider gives up a lease without a manifest, and here nobody sends one.
    let config = DevnetConfig { manifest_timeout: Duration::from_secs(10 * 86_400), ..quick() };
    let devnet = Devnet::start(config).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address();
    let leased = async |dseq: u64, window: Option<i64>| {
        let min_window = window.map(|seconds| akash_proto::Duration { seconds, nanos: 0 });
        let reclamation = min_window.map(|min_window| DeploymentReclamation { min_window: Some(min_window) });
        submit(&devnet, &tenant, any(&MsgCreateDeployment { reclamation, ..create(owner, dseq) })).await;
        let bid = open_bids(&devnet, owner, dseq, 1).await.remove(0);
        submit(&devnet, &tenant, any(&MsgCreateLease { bid_id: Some(bid) })).await;
        devnet.leases(owner, dseq).remove(0)
    };
    let refused = |error: SubmitError| match error {
        SubmitError::Refused { codespace, code, .. } => (codespace, code),
        other => panic!("{other}"),
    };
    let market = |code: u32| ("market".to_owned(), code);

    // Without a window there is nothing to reclaim, and the provider may end it at once.
    let id = leased(1, None).await.id.unwrap();
    assert_eq!(refused(devnet.reclaim_lease(&id, 10_001).await.unwrap_err()), market(35));
    devnet.close_lease(&id, 10_001).await.unwrap();

    let lease = leased(2, Some(WINDOW)).await;
    let id = lease.id.unwrap();
    assert_eq!(lease.reclamation.unwrap().window.unwrap().seconds, WINDOW);
    assert_eq!(refused(devnet.close_lease(&id, 10_001).await.unwrap_err()), market(37));
    let before = devnet.state().time.unix_timestamp();
    devnet.reclaim_lease(&id, 10_001).await.unwrap();
    let now = devnet.state().time.unix_timestamp();
    let lease = devnet.leases(owner, 2).remove(0);
    let reclamation = lease.reclamation.unwrap();
    assert_eq!((lease.state(), reclamation.reason), (lease::State::Reclaiming, 10_001));
    assert!((before + WINDOW..=now + WINDOW).contains(&reclamation.deadline) && reclamation.started_at > 0);
    assert_eq!(refused(devnet.reclaim_lease(&id, 10_001).await.unwrap_err()), market(36));
    assert_eq!(refused(devnet.close_lease(&id, 10_001).await.unwrap_err()), market(38));

    // After the deadline it ends, and the group is paused: no new order.
    devnet.step_at(OffsetDateTime::from_unix_timestamp(reclamation.deadline).unwrap());
    devnet.close_lease(&id, 10_001).await.unwrap();
    let (_, groups) = devnet.chain().deployment(owner, 2).unwrap();
    assert_eq!(groups[0].state(), group::State::Paused);
    assert_eq!(devnet.leases(owner, 2).remove(0).state(), lease::State::Closed);
    // The tenant may always end it, also while it is reclaimed.
    let id = leased(3, Some(WINDOW)).await.id.unwrap();
    devnet.reclaim_lease(&id, 10_000).await.unwrap();
    let group = GroupId { owner: owner.to_owned(), dseq: 3, gseq: 1 };
    submit(&devnet, &tenant, any(&MsgPauseGroup { id: Some(group) })).await;
    assert_eq!(devnet.leases(owner, 3).remove(0).state(), lease::State::Closed);
    devnet.stop().await;
}

/// A hundred deployments in one transaction: all there, and every provider bids on each.
#[tokio::test]
async fn a_hundred_deployments_in_one_transaction() {
    use akash_devnet::{Ordering, sign_transaction};
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address().to_owned();
    let messages = (1..=100).map(|dseq| any(&create(&owner, dseq))).collect();
    let state = devnet.state();
    let timeout = Ordering::Unordered(state.time + time::Duration::seconds(60));
    let fee = vec![Coin { denom: "uakt".to_owned(), amount: "500000".to_owned() }];
    let tx_bytes = sign_transaction(&tenant, &state, messages, timeout, 20_000_000, fee);
    let mut client = TxClient::new(channel(&devnet).await);
    let request = BroadcastTxRequest { tx_bytes, mode: BroadcastMode::Sync.into() };
    let checked = client.broadcast_tx(request).await.unwrap().into_inner().tx_response.unwrap();
    assert_eq!((checked.code, checked.raw_log.as_str()), (0, ""));
    let all = async {
        while devnet.state().bids.len() < 300 {
            devnet.wait_blocks(1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.unwrap();
    assert_eq!(devnet.active_deployments(&owner).len(), 100);
    devnet.stop().await;
}

/// The same query over gRPC, gRPC-Web, `abci_query` and REST JSON, and the same error.
#[tokio::test]
async fn carriers_agree() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address().to_owned();
    submit(&devnet, &tenant, any(&create(&owner, 5))).await;
    let id = |dseq| QueryDeploymentRequest { id: Some(DeploymentId { owner: owner.clone(), dseq }) };

    let mut grpc = DeploymentClient::new(channel(&devnet).await);
    let found = grpc.deployment(id(5)).await.unwrap();
    let height: u64 =
        found.metadata().get("x-cosmos-block-height").unwrap().to_str().unwrap().parse().unwrap();
    assert!(height <= devnet.height());
    let found = found.into_inner();
    let missing = grpc.deployment(id(6)).await.unwrap_err();
    assert_eq!(
        (missing.code(), missing.message()),
        (Code::NotFound, "codespace deployment code 4: Deployment not found")
    );

    let frame = |message: &QueryDeploymentRequest| {
        let bytes = message.encode_to_vec();
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&bytes);
        STANDARD.encode(frame)
    };
    let body = frame(&id(5));
    let request = format!(
        "POST /akash.deployment.v1beta4.Query/Deployment HTTP/1.1\r\nhost: devnet\r\nconnection: close\r\ncontent-type: application/grpc-web-text\r\naccept: application/grpc-web-text\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, head, _) = http(&devnet.rest_endpoint(), request).await;
    assert_eq!(status, 200);
    assert!(head.contains("application/grpc-web-text"), "{head}");

    let query = |dseq| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": "abci_query", "params": {
            "path": "/akash.deployment.v1beta4.Query/Deployment",
            "data": hex::encode(id(dseq).encode_to_vec()),
        } })
    };
    let (_, answer) = post(&devnet.rpc_endpoint(), "/", &query(5)).await;
    let value = STANDARD.decode(answer["result"]["response"]["value"].as_str().unwrap()).unwrap();
    assert_eq!(value, found.encode_to_vec());
    let (_, answer) = post(&devnet.rpc_endpoint(), "/", &query(6)).await;
    assert_eq!(answer["result"]["response"]["code"], 22);
    assert_eq!(answer["result"]["response"]["codespace"], "sdk");

    let path = format!("/akash/deployment/v1beta4/deployments/info?id.owner={owner}&id.dseq=");
    let (status, answer) = get(&devnet.rest_endpoint(), &format!("{path}5")).await;
    assert_eq!((status, &answer["deployment"]["id"]["dseq"]), (200, &json!("5")));
    let (status, answer) = get(&devnet.rest_endpoint(), &format!("{path}6")).await;
    let text = "codespace deployment code 4: Deployment not found";
    assert_eq!((status, answer), (404, json!({ "code": 5, "message": text, "details": [] })));
    let (status, _) = get(&devnet.rest_endpoint(), "/akash/deployment/v1beta3/deployments/list").await;
    assert_eq!(status, 501);
    let (_, answer) = get(&devnet.rpc_endpoint(), "/status").await;
    assert_eq!(answer["result"]["node_info"]["network"], "devnet-1");
    devnet.stop().await;
}

/// A past height stays as it was, and says which it is.
#[tokio::test]
async fn heights() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let before = devnet.height();
    submit(&devnet, &tenant, any(&create(tenant.address(), 9))).await;
    let mut client = DeploymentClient::new(channel(&devnet).await);
    let at = |height: u64| {
        let id = DeploymentId { owner: tenant.address().to_owned(), dseq: 9 };
        let mut request = tonic::Request::new(QueryDeploymentRequest { id: Some(id) });
        request.metadata_mut().insert("x-cosmos-block-height", height.into());
        request
    };
    assert_eq!(client.deployment(at(before)).await.unwrap_err().code(), Code::NotFound);
    let now = devnet.height();
    let answer = client.deployment(at(now)).await.unwrap();
    assert_eq!(answer.metadata().get("x-cosmos-block-height").unwrap().to_str().unwrap(), now.to_string());
    let error = client.deployment(at(now + 1_000_000)).await.unwrap_err();
    assert!(error.message().contains("cannot query with height in the future"), "{error}");

    devnet.wait_blocks(5).await;
    devnet.faults().set(Fault::StaleHeight { blocks: 5 });
    let mut blocks = BlockClient::new(channel(&devnet).await);
    let latest = blocks.get_latest_block(GetLatestBlockRequest {}).await.unwrap().into_inner();
    let height = latest.sdk_block.unwrap().header.unwrap().height;
    assert!(height <= i64::try_from(devnet.height()).unwrap() - 5);
    devnet.stop().await;
}

#[tokio::test]
async fn faults_of_the_node() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address().to_owned();
    let sign = |dseq: u64| {
        let state = devnet.state();
        let timeout = state.time
            + time::Duration::seconds(60)
            + time::Duration::nanoseconds(i64::try_from(dseq).unwrap());
        let fee = vec![Coin { denom: "uakt".to_owned(), amount: "10000".to_owned() }];
        let order = akash_devnet::Ordering::Unordered(timeout);
        akash_devnet::sign_transaction(&tenant, &state, vec![any(&create(&owner, dseq))], order, 400_000, fee)
    };
    let request = |tx: Vec<u8>| BroadcastTxRequest { tx_bytes: tx, mode: BroadcastMode::Sync.into() };
    let mut client = TxClient::new(channel(&devnet).await);

    // Lost after it was accepted: never in a block.
    devnet.faults().times(Fault::LoseBroadcast, 1);
    let lost = client.broadcast_tx(request(sign(1))).await.unwrap().into_inner().tx_response.unwrap();
    assert_eq!(lost.code, 0);
    devnet.wait_blocks(3).await;
    let look = |hash: String| GetTxRequest { hash };
    assert_eq!(client.get_tx(look(lost.txhash.clone())).await.unwrap_err().code(), Code::NotFound);

    // The answer is lost, the transaction is not.
    devnet.faults().times(Fault::DropAnswer { path: "BroadcastTx".to_owned() }, 1);
    let kept = sign(2);
    let kept_hash = hash(&kept);
    assert!(client.broadcast_tx(request(kept)).await.is_err());
    devnet.wait_blocks(2).await;
    assert_eq!(
        client.get_tx(look(kept_hash.clone())).await.unwrap().into_inner().tx_response.unwrap().code,
        0
    );

    devnet.faults().times(Fault::IndexingDisabled, 1);
    let error = client.get_tx(look(kept_hash)).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unknown, "transaction indexing is disabled"));

    devnet.faults().times(Fault::OutOfGas, 1);
    let tx = client.broadcast_tx(request(sign(3))).await.unwrap().into_inner().tx_response.unwrap();
    devnet.wait_blocks(2).await;
    let tx = client.get_tx(look(tx.txhash)).await.unwrap().into_inner().tx_response.unwrap();
    assert_eq!((tx.codespace.as_str(), tx.code), ("sdk", 11));

    // Held until its timeout has passed: thrown out, provably dead.
    let hold = devnet.faults().set(Fault::HoldTransactions);
    let held = client.broadcast_tx(request(sign(4))).await.unwrap().into_inner().tx_response.unwrap();
    devnet.wait_blocks(2).await;
    devnet.step_at(devnet.state().time + time::Duration::seconds(120));
    devnet.faults().clear(hold);
    devnet.wait_blocks(2).await;
    assert_eq!(client.get_tx(look(held.txhash)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(devnet.active_deployments(&owner), [2]);
    devnet.stop().await;
}

fn hash(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode_upper(sha2::Sha256::digest(bytes))
}

#[tokio::test]
async fn endpoints_stop_and_come_back() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let address = devnet.rest_endpoint();
    let path = "/cosmos/base/tendermint/v1beta1/blocks/latest";
    assert_eq!(get(&address, path).await.0, 200);
    let stopped = devnet.faults().set(Fault::StopEndpoint { endpoint: Endpoint::Rest });
    let refused = async {
        loop {
            if tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert_eq!(get(&devnet.rpc_endpoint(), "/health").await.0, 200);
    devnet.faults().clear(stopped);
    let back = async {
        while tokio::net::TcpStream::connect(address.trim_start_matches("http://")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
    assert_eq!(get(&address, path).await.0, 200);

    devnet.faults().times(Fault::Unavailable { path: "Query/Params".to_owned() }, 1);
    assert_eq!(get(&address, "/akash/market/v1beta5/params").await, (503, Value::Null));
    assert_eq!(get(&address, "/akash/market/v1beta5/params").await.0, 200);
    devnet.stop().await;
}

/// A deployment whose money is gone ends when its provider looks.
#[tokio::test]
async fn drained_escrow() {
    use akash_proto::akash::market::v1beta5::MsgWithdrawLease;
    let devnet = Devnet::start(quick()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address().to_owned();
    submit(&devnet, &tenant, any(&create(&owner, 3))).await;
    let bid = open_bids(&devnet, &owner, 3, 1).await.remove(0);
    submit(&devnet, &tenant, any(&MsgCreateLease { bid_id: Some(bid.clone()) })).await;
    devnet.operate(&Operator::DrainEscrow { owner: owner.clone(), dseq: 3 });
    devnet.wait_blocks(2).await;
    let index = devnet.providers().iter().position(|provider| provider.address == bid.provider).unwrap();
    let index = akash_devnet::FIRST_PROVIDER_INDEX + u32::try_from(index).unwrap();
    let provider = Wallet::from_mnemonic(devnet.mnemonic(), index).unwrap();
    let lease = devnet.leases(&owner, 3)[0].id.clone();
    // The provider's own engine may have found it out already.
    let _ = devnet.chain().submit(&provider, vec![any(&MsgWithdrawLease { id: lease })]).await;
    assert!(devnet.active_deployments(&owner).is_empty());
    let lease = devnet.leases(&owner, 3).remove(0);
    assert_eq!((lease.state, lease.reason), (2, 20_000));
    let account = devnet.state().deployment_escrow(&owner, 3).unwrap().state;
    assert_eq!(account, 3);
    devnet.stop().await;
}

/// A restart keeps the chain in memory; the state file keeps it over processes.
#[tokio::test]
async fn restarts() {
    let directory = tempfile::tempdir().unwrap();
    let config = DevnetConfig { state_file: Some(directory.path().join("chain.jsonl")), ..quick() };
    let devnet = Devnet::start(config.clone()).await.unwrap();
    let tenant = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
    let owner = tenant.address().to_owned();
    submit(&devnet, &tenant, any(&create(&owner, 12))).await;
    open_bids(&devnet, &owner, 12, 3).await;
    devnet.restart(Duration::from_millis(50)).await;
    devnet.wait_blocks(1).await;
    assert_eq!(devnet.active_deployments(&owner), [12]);
    let (balance, height) = (devnet.balance(&owner, "uakt"), devnet.height());
    devnet.stop().await;

    let again = Devnet::start(config).await.unwrap();
    assert_eq!(again.active_deployments(&owner), [12]);
    assert_eq!(again.balance(&owner, "uakt"), balance);
    assert!(open_bids(&again, &owner, 12, 3).await.len() >= 3);
    assert!(again.height() + 200 > height);
    again.stop().await;
}

/// The control address sets and clears faults and acts on the chain.
#[tokio::test]
async fn control() {
    let devnet = Devnet::start(quick()).await.unwrap();
    let address = devnet.control_endpoint();
    let (status, id) = post(&address, "/faults", &json!({ "fault": "no_bids", "times": 3 })).await;
    assert_eq!(status, 200);
    let (_, list) = get(&address, "/faults").await;
    assert_eq!(list, json!([{ "id": id, "fault": "no_bids" }]));
    let wallet = Wallet::from_mnemonic(&devnet.new_wallet(0, 0), 0).unwrap();
    let act = json!({ "act": "fund", "address": wallet.address(), "denom": "uact", "amount": "5" });
    assert_eq!(post(&address, "/acts", &act).await.0, 200);
    assert_eq!(devnet.balance(wallet.address(), "uact"), 5);
    let (status, _) = post(&address, "/faults", &json!({ "fault": "unheard_of" })).await;
    assert_eq!(status, 422);
    devnet.stop().await;
}
