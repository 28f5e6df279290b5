//! A provider on a chain that is a table: the recorded exchanges, and the real client against the real gateway.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use akash_gateway::{
    ChainTrust, GatewayClient, GatewayError, LeaseRef, ManifestError, ProviderTarget, SignError, Tail,
    TokenSigner, TrustError, certificate_from_pem,
};
use akash_proto::{
    Dec, Int,
    akash::{
        base::{
            attributes::v1::{Attribute, PlacementRequirements},
            resources::v1beta4::{
                Cpu, Endpoint, Gpu, Memory, ResourceValue, Resources, Storage, endpoint::Kind,
            },
        },
        cert::v1::Certificate,
        deployment::{
            v1::{Deployment, DeploymentId, GroupId, deployment},
            v1beta4::{Group, GroupSpec, ResourceUnit},
        },
        market::{
            v1::{Lease, LeaseId, lease},
            v1beta5::{Bid, MsgCloseBid, MsgCreateBid, Order, bid, order},
        },
        provider::v1beta4::Provider,
    },
    cosmos::base::v1beta1::DecCoin,
    unpack,
};
use axum::{body::Body, http::Request};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tower::ServiceExt;

use super::*;
use crate::{
    chain::{
        events::ChainEvent,
        state::{self, Account, OrderKey},
    },
    config::StatusStyle,
    wallet::new_mnemonic,
};

const DSEQ: u64 = 1_795_237_943_001;

/// A chain whose tables a test writes. What providers send is kept and, for bids, carried out.
struct Table {
    state: Mutex<State>,
    blocks: broadcast::Sender<Arc<Block>>,
    sent: Mutex<Vec<Any>>,
}

impl Table {
    fn new() -> Arc<Self> {
        let state = State::new("devnet-1", OffsetDateTime::now_utc());
        Arc::new(Self { state: Mutex::new(state), blocks: broadcast::channel(64).0, sent: Mutex::default() })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// A block of `seconds` later with these events, and time for the engine to see it.
    async fn block(&self, seconds: i64, events: Vec<ChainEvent>) {
        self.change(|state| {
            state.height += 1;
            state.time += time::Duration::seconds(seconds);
        });
        let (height, time) = (self.state().height, self.state().time);
        let _ = self.blocks.send(Arc::new(Block { height, time, hash: [0; 32], txs: vec![], events }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    fn sent<M: prost::Name + Default>(&self) -> Vec<M> {
        self.sent.lock().unwrap().iter().filter_map(unpack).collect()
    }

    /// Waits until providers have sent `count` messages of a kind.
    async fn wait<M: prost::Name + Default>(&self, count: usize) -> Vec<M> {
        for _ in 0..500 {
            if self.sent::<M>().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // A little longer, so that one too many is seen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.sent()
    }
}

#[async_trait::async_trait]
impl Chain for Table {
    fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }
    fn blocks(&self) -> broadcast::Receiver<Arc<Block>> {
        self.blocks.subscribe()
    }
    async fn submit(&self, _: &Wallet, messages: Vec<Any>) -> Result<(), String> {
        for message in &messages {
            if let Some(new) = unpack::<MsgCreateCertificate>(message) {
                let der = certificate_from_pem(&new.cert).unwrap();
                let serial =
                    x509_parser::parse_x509_certificate(&der).unwrap().1.tbs_certificate.serial.to_string();
                let state = CertificateState::Valid.into();
                let certificate = Certificate { state, cert: new.cert, pubkey: new.pubkey };
                self.change(|s| drop(s.certificates.insert((new.owner, serial), certificate)));
            }
            if let Some(bid) = unpack::<MsgCreateBid>(message) {
                let id = bid.id.clone().unwrap();
                let bid =
                    Bid { id: bid.id, state: bid::State::Open.into(), price: bid.price, ..Bid::default() };
                self.change(|state| drop(state.bids.insert(state::bid_key(&id), bid)));
            }
        }
        self.sent.lock().unwrap().extend(messages);
        Ok(())
    }
}

fn config(name: &str, style: StatusStyle) -> ProviderConfig {
    ProviderConfig {
        name: name.into(),
        key_index: 0,
        attributes: vec![("region".into(), "us-west".into())],
        price_factor: "1".parse().unwrap(),
        audited: false,
        status_style: style,
        funds: BTreeMap::new(),
    }
}

fn me(table: &Arc<Table>, wallet: Wallet, style: StatusStyle, faults: &Faults) -> Me {
    Me {
        config: config("west", style),
        wallet,
        faults: faults.clone(),
        chain: table.clone(),
        workloads: Workloads::default(),
        bid_timeout: Duration::from_secs(300),
        manifest_timeout: Duration::from_secs(300),
        ready_after: 1,
    }
}

fn value(n: u64) -> Option<ResourceValue> {
    Some(Int(n).into())
}

/// The recorded group: half a CPU, 512 MiB, 1 GiB, one HTTP endpoint.
fn spec(price: u64) -> GroupSpec {
    let resource = Resources {
        id: 1,
        cpu: Some(Cpu { units: value(500), attributes: vec![] }),
        memory: Some(Memory { quantity: value(536_870_912), attributes: vec![] }),
        storage: vec![Storage { name: "default".into(), quantity: value(1_073_741_824), attributes: vec![] }],
        gpu: Some(Gpu { units: value(0), attributes: vec![] }),
        endpoints: vec![Endpoint { kind: Kind::SharedHttp.into(), sequence_number: 0 }],
    };
    let price = Some(DecCoin { denom: "uact".into(), amount: Dec::from(price).to_wire() });
    GroupSpec {
        name: "dcloud".into(),
        requirements: None,
        resources: vec![ResourceUnit { resource: Some(resource), count: 1, price }],
    }
}

fn deploy(state: &mut State, owner: &str, hash: Vec<u8>) {
    let id = DeploymentId { owner: owner.into(), dseq: DSEQ };
    let active = deployment::State::Active.into();
    let deployment = Deployment { id: Some(id), state: active, hash, created_at: 1, ..Deployment::default() };
    state.deployments.insert((owner.into(), DSEQ), deployment);
    let id = GroupId { owner: owner.into(), dseq: DSEQ, gseq: 1 };
    let group = Group { id: Some(id), group_spec: Some(spec(10_000)), ..Group::default() };
    state.groups.insert((owner.into(), DSEQ, 1), group);
}

fn lease_id(owner: &str, provider: &str) -> LeaseId {
    LeaseId { owner: owner.into(), dseq: DSEQ, gseq: 1, oseq: 1, provider: provider.into(), bseq: 0 }
}

fn lease(state: &mut State, owner: &str, provider: &str, is: lease::State) {
    let id = lease_id(owner, provider);
    let lease = Lease { id: Some(id.clone()), state: is.into(), ..Lease::default() };
    state.leases.insert(state::lease_key(&id), lease);
}

fn know(state: &mut State, wallet: &Wallet) {
    let account = Account { number: 1, sequence: 1, public_key: Some(wallet.public_key().to_vec()) };
    state.accounts.insert(wallet.address().into(), account);
}

fn recordings() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../../testdata/recordings.json")).unwrap()
}

fn token(wallet: &Wallet, claims: &serde_json::Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256K","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(wallet.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hash_of(manifest: &str) -> Vec<u8> {
    manifest::decode(manifest.as_bytes()).unwrap().hash().to_vec()
}

/// All recorded gateway exchanges, in order, with the chain brought to where it was: the same status, content type
/// and body.
#[tokio::test]
async fn the_recorded_exchanges() {
    let recordings = recordings();
    let wallet = |who: &str| {
        Wallet::from_mnemonic(recordings["wallets"][who]["mnemonic"].as_str().unwrap(), 0).unwrap()
    };
    let (tenant, provider) = (wallet("tenant"), wallet("provider"));
    let owner = tenant.address().to_owned();
    let table = Table::new();
    table.change(|state| {
        know(state, &tenant);
        know(state, &provider);
    });
    let router =
        gateway::router(Arc::new(me(&table, provider.clone(), StatusStyle::Sparse, &Faults::default())));
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for case in recordings["gateway"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let request_body = case["request_body"].as_str().unwrap_or_default();
        match name {
            "manifest before lease" => table.change(|s| deploy(s, &owner, hash_of(request_body))),
            "manifest right after lease" => {
                table.change(|s| lease(s, &owner, provider.address(), lease::State::Active));
            }
            "lease status" => table.block(1, vec![]).await,
            "manifest right after update" => table.change(|s| deploy(s, &owner, hash_of(request_body))),
            "lease status after the provider closed" => {
                table.change(|s| lease(s, &owner, provider.address(), lease::State::Closed));
            }
            _ => {}
        }
        let mut request =
            Request::builder().method(case["method"].as_str().unwrap()).uri(case["path"].as_str().unwrap());
        if name == "malformed authorization" {
            request = request.header("Authorization", "Basic dXNlcjpwYXNz");
        } else if case["jwt_claims"].is_object() {
            // The recording's clock was a minute past the usual token's iat.
            let mut claims = case["jwt_claims"].clone();
            let shift = match name {
                "jwt expired" => now - 1_795_237_951,
                "jwt not yet valid" => now - 1_795_237_951,
                _ => now - 60 - claims["iat"].as_i64().unwrap(),
            };
            for field in ["iat", "nbf", "exp"] {
                claims[field] = (claims[field].as_i64().unwrap() + shift).into();
            }
            request = request.header("Authorization", format!("Bearer {}", token(&tenant, &claims)));
        }
        let request = request.body(Body::from(request_body.to_owned())).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(u64::from(response.status().as_u16()), case["status"].as_u64().unwrap(), "{name}");
        let kind = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(kind.as_deref(), case["content_type"].as_str(), "{name}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let (body, recorded) = (std::str::from_utf8(&body).unwrap(), case["body"].as_str().unwrap());
        match name {
            // What differs between any two providers: the form is the same.
            "version" | "provider status" => assert_eq!(form(body), form(recorded), "{name}"),
            // The order of keys is not part of it.
            "get manifest" => assert_eq!(
                serde_json::from_str::<serde_json::Value>(body).unwrap(),
                serde_json::from_str::<serde_json::Value>(recorded).unwrap()
            ),
            _ => assert_eq!(body, recorded, "{name}"),
        }
    }
}

/// Paths of all values in a JSON text, without what is in lists that may be empty.
fn form(text: &str) -> Vec<String> {
    fn walk(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    walk(value, &format!("{path}/{key}"), out);
                }
            }
            _ => out.push(path.to_owned()),
        }
    }
    let mut out = Vec::new();
    walk(&serde_json::from_str(text).unwrap(), "", &mut out);
    out
}

// The real client against the real gateway.

struct Signer(Wallet);

impl TokenSigner for Signer {
    fn address(&self) -> &str {
        self.0.address()
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.0.sign(message).try_into().map_err(|_| SignError("length".into()))
    }
}

struct Trust(Arc<Table>);

#[async_trait::async_trait]
impl ChainTrust for Trust {
    async fn valid_certificates(&self, provider: &str) -> Result<Vec<Vec<u8>>, TrustError> {
        let state = self.0.state();
        state.certificates_of(provider).map(|(_, c)| certificate_from_pem(&c.cert)).collect()
    }
}

struct Net {
    table: Arc<Table>,
    faults: Faults,
    tenant: Wallet,
    provider: String,
    target: ProviderTarget,
    _stop: tokio_util::sync::DropGuard,
}

impl Net {
    /// One registered provider and an account that is known to the chain.
    async fn start(style: StatusStyle) -> Self {
        let table = Table::new();
        let tenant = Wallet::from_mnemonic(&new_mnemonic(), 0).unwrap();
        let wallet = Wallet::from_mnemonic(&new_mnemonic(), 0).unwrap();
        let provider = wallet.address().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target =
            ProviderTarget { address: provider.clone(), host_uri: format!("https://localhost:{port}") };
        table.change(|state| {
            know(state, &tenant);
            let attributes = vec![Attribute { key: "region".into(), value: "us-west".into() }];
            let (owner, host_uri) = (provider.clone(), target.host_uri.clone());
            let record = Provider { owner, host_uri, attributes, info: None };
            state.providers.insert(provider.clone(), record);
        });
        let (faults, stop) = (Faults::default(), CancellationToken::new());
        start(me(&table, wallet, style, &faults), listener, port, stop.clone()).await.unwrap();
        Self { table, faults, tenant, provider, target, _stop: stop.drop_guard() }
    }

    fn client(&self) -> GatewayClient {
        let trust = Arc::new(Trust(self.table.clone()));
        GatewayClient::builder(trust, Some(Arc::new(Signer(self.tenant.clone()))), "test/0")
            .retry(akash_gateway::RetryPolicy {
                window: Duration::from_millis(400),
                first: Duration::from_millis(5),
                longest: Duration::from_millis(20),
            })
            .build()
    }

    async fn put(&self, client: &GatewayClient, manifest: &str) -> Result<(), ManifestError> {
        let body = SecretString::from(manifest);
        client.put_manifest(&self.target, DSEQ, &body, None, &CancellationToken::new()).await
    }

    fn lease(&self, is: lease::State) {
        self.table.change(|s| lease(s, self.tenant.address(), &self.provider, is));
    }

    fn deploy(&self, manifest: &str) {
        self.table.change(|s| deploy(s, self.tenant.address(), hash_of(manifest)));
    }
}

const LEASE: LeaseRef = LeaseRef { dseq: DSEQ, gseq: 1, oseq: 1 };

fn manifest_text(image: &str, exposes: &str) -> String {
    format!(
        r#"[{{"name":"dcloud","services":[{{"name":"web","image":"{image}","command":null,"args":null,"env":["A=b"],
        "resources":{{"id":1,"cpu":{{"units":{{"val":"500"}}}},"memory":{{"size":{{"val":"536870912"}}}},
        "storage":[{{"name":"default","size":{{"val":"1073741824"}}}}],"gpu":{{"units":{{"val":"0"}}}},
        "endpoints":[{{"sequence_number":0}}]}},"count":1,"expose":[{exposes}],"credentials":null}}]}}]"#
    )
}

fn expose(port: u32, external: u32, hosts: &str, ip: &str) -> String {
    format!(
        r#"{{"port":{port},"externalPort":{external},"proto":"TCP","service":"","global":true,"hosts":{hosts},
        "httpOptions":{{"maxBodySize":1048576,"readTimeout":60000,"sendTimeout":60000,"nextTries":3,"nextTimeout":0,
        "nextCases":["error","timeout"]}},"ip":"{ip}","endpointSequenceNumber":0}}"#
    )
}

#[tokio::test]
async fn the_client_takes_a_lease_to_ready() {
    let net = Net::start(StatusStyle::Full).await;
    let client = net.client();
    assert_eq!(client.provider_address(&net.target).await.unwrap(), net.provider);
    let first = manifest_text("nginx:1", &expose(80, 80, r#"["www.example.com"]"#, ""));
    net.deploy(&first);
    let error = net.put(&client, &first).await.unwrap_err();
    assert!(error.to_string().contains("no lease for deployment"), "{error}");
    net.lease(lease::State::Active);
    assert!(client.lease_status(&net.target, LEASE).await.unwrap_err().is_not_found());
    net.put(&client, &first).await.unwrap();
    let status = client.lease_status(&net.target, LEASE).await.unwrap();
    assert!(!status.ready(&["web"]), "not in the block of the manifest");
    net.table.block(1, vec![]).await;
    let status = client.lease_status(&net.target, LEASE).await.unwrap();
    assert!(status.ready(&["web"]));
    let uris = &status.services["web"].uris;
    assert!(uris[0].ends_with(".ingress.west.devnet.localhost") && uris[1] == "www.example.com", "{uris:?}");
    // The read-back is lossy and equal in the common form.
    let held = client.manifest(&net.target, LEASE).await.unwrap();
    let held: akash_sdl::Manifest = serde_json::from_str(held.expose_secret()).unwrap();
    let sent = manifest::decode(first.as_bytes()).unwrap();
    assert_ne!(held.hash(), sent.hash());
    assert_eq!(akash_sdl::common_form(&held.0[0]), akash_sdl::common_form(&sent.0[0]));
    // An update: the chain first, else it is refused.
    let second = manifest_text("nginx:2", &expose(80, 80, "null", ""));
    let error = net.put(&client, &second).await.unwrap_err();
    assert!(error.to_string().contains("manifest version validation failed"), "{error}");
    net.deploy(&second);
    net.put(&client, &second).await.unwrap();
    let status = client.lease_status(&net.target, LEASE).await.unwrap();
    assert!(
        status.services["web"].available == 1 && !status.ready(&["web"]),
        "the old instance still serves"
    );
    net.table.block(1, vec![]).await;
    assert!(client.lease_status(&net.target, LEASE).await.unwrap().ready(&["web"]));
    let tail = Tail { limit: 10, time: Duration::from_secs(10) };
    let logs = client.logs(&net.target, LEASE, &[], tail).await.unwrap();
    assert!(logs[0].name.starts_with("web-") && logs[0].message.contains("nginx:2"), "{}", logs[0].message);
    assert!(client.logs(&net.target, LEASE, &["db".into()], tail).await.unwrap().is_empty());
    let events = client.kube_events(&net.target, LEASE, tail).await.unwrap();
    assert_eq!(events.iter().map(|e| e.reason.as_str()).collect::<Vec<_>>(), ["Pulled", "Started"]);
    assert_eq!(client.provider_status(&net.target).await.unwrap().cluster.leases, 1);
    net.lease(lease::State::Closed);
    assert!(client.lease_status(&net.target, LEASE).await.unwrap_err().is_not_found());
    let error = client.logs(&net.target, LEASE, &[], tail).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

#[tokio::test]
async fn what_does_not_fit_the_deployment_is_refused_for_good() {
    let net = Net::start(StatusStyle::Full).await;
    let client = net.client();
    net.lease(lease::State::Active);
    for (manifest, what) in [
        (manifest_text("nginx", &expose(8080, 0, "null", "")), "over-utilized PORT endpoints"),
        (
            manifest_text("nginx", &expose(80, 80, "null", "")).replace(r#""count":1"#, r#""count":2"#),
            "over-utilized replicas",
        ),
        (
            manifest_text("nginx", &expose(80, 80, "null", "")).replace("dcloud", "other"),
            "not in the deployment",
        ),
        (manifest_text("nginx", &expose(80, 80, "null", "")).replace("536870912", "1"), "memory"),
        (manifest_text("", &expose(80, 80, "null", "")), "empty image"),
        (manifest_text("nginx", ""), "zero global services"),
        ("{".into(), "unexpected EOF"),
    ] {
        if manifest.len() > 1 {
            net.deploy(&manifest);
        }
        let error = net.put(&client, &manifest).await.unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn ports_and_ips() {
    let exposes = format!("{},{}", expose(22, 2222, "null", ""), expose(53, 0, "null", "ip1"));
    let mut group = manifest::decode(manifest_text("x", &exposes).as_bytes()).unwrap().0.remove(0);
    group.services[0].expose[1].proto = "UDP".into();
    let key = ("akash1x".to_owned(), 1, 1, 1);
    let workload = workloads::Workload { group, since: 0, updated: 0, generation: 1 };
    let view = status::View {
        provider: "west",
        style: StatusStyle::Full,
        height: 5,
        ready_after: 1,
        never_ready: false,
        no_addresses: false,
    };
    let text = serde_json::to_string(&view.status(&key, &workload)).unwrap();
    let status: akash_gateway::LeaseStatus = serde_json::from_str(&text).unwrap();
    assert!(status.services["web"].uris.is_empty());
    let port = &status.forwarded_ports["web"];
    assert_eq!((port.len(), port[0].port, port[0].host.as_str()), (1, 22, "west.devnet.localhost"));
    assert!((30_000..32_768).contains(&u32::from(port[0].external_port)));
    let ips = &status.ips["web"];
    assert_eq!((ips.len(), ips[0].port, ips[0].external_port, ips[0].protocol.as_str()), (1, 53, 53, "UDP"));
    assert!(ips[0].ip.starts_with("198.51.100."));
}

#[tokio::test]
async fn faults() {
    let net = Net::start(StatusStyle::Full).await;
    let manifest = manifest_text("nginx", &expose(80, 80, "null", ""));
    net.deploy(&manifest);
    net.lease(lease::State::Active);
    let client = net.client();
    let west = || Some("west".to_owned());
    net.faults.times(Fault::ManifestStatus { provider: west(), status: 503 }, 2);
    net.put(&client, &manifest).await.unwrap();
    net.table.block(1, vec![]).await;
    assert!(net.faults.active().is_empty(), "both were used");
    // Another provider's fault is not ours.
    net.faults.set(Fault::LeaseStatus { provider: Some("east".into()), status: 500 });
    client.lease_status(&net.target, LEASE).await.unwrap();
    net.faults.times(Fault::LeaseStatus { provider: None, status: 500 }, 1);
    let error = client.lease_status(&net.target, LEASE).await.unwrap_err();
    assert!(matches!(error, GatewayError::Status { status: 500, .. }), "{error:?}");
    let never = net.faults.set(Fault::NeverReady { provider: west() });
    assert!(!client.lease_status(&net.target, LEASE).await.unwrap().ready(&["web"]));
    let tail = Tail { limit: 10, time: Duration::from_secs(10) };
    let events = client.kube_events(&net.target, LEASE, tail).await.unwrap();
    assert!(events.iter().any(|e| e.reason == "BackOff"));
    net.faults.clear(never);
    net.faults.set(Fault::NoUris { provider: west() });
    let status = client.lease_status(&net.target, LEASE).await.unwrap();
    assert!(status.ready(&["web"]) && status.services["web"].uris.is_empty());
    net.faults.clear_all();
    // Down: connections are cut and new ones refused; then it is back at the same port.
    net.faults.set(Fault::ProviderDown { provider: west() });
    wait_until(|| async { client.lease_status(&net.target, LEASE).await.is_err_and(|e| e.is_unreachable()) })
        .await;
    net.faults.clear_all();
    wait_until(|| async { client.lease_status(&net.target, LEASE).await.is_ok() }).await;
    // Somebody else with the provider's name.
    net.faults.set(Fault::WrongCertificate { provider: west() });
    let error = net.client().lease_status(&net.target, LEASE).await.unwrap_err();
    assert!(matches!(error, GatewayError::Untrusted { .. }), "{error:?}");
    net.faults.clear_all();
    net.client().lease_status(&net.target, LEASE).await.unwrap();
}

/// A GET over a connection with this client certificate; the status line.
async fn get_with(net: &Net, client: Option<&Identity>, path: &str, header: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut roots = rustls::RootCertStore::empty();
    let state = net.table.state();
    let (_, certificate) = state.certificates_of(&net.provider).next().unwrap();
    roots.add(certificate_from_pem(&certificate.cert).unwrap().into()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        Some(client) => {
            let (chain, key) = client.pair();
            config.with_client_auth_cert(chain, key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let port: u16 = net.target.host_uri.rsplit(':').next().unwrap().parse().unwrap();
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.lines().next().map(str::to_owned)
}

#[tokio::test]
async fn client_certificates() {
    let net = Net::start(StatusStyle::Full).await;
    let manifest = manifest_text("nginx", &expose(80, 80, "null", ""));
    net.deploy(&manifest);
    net.lease(lease::State::Active);
    net.put(&net.client(), &manifest).await.unwrap();
    let path = format!("/lease/{DSEQ}/1/1/status");
    let identity = Identity::new(net.tenant.address()).unwrap();
    assert_eq!(get_with(&net, None, &path, "").await.unwrap(), "HTTP/1.1 401 Unauthorized");
    assert_eq!(
        get_with(&net, Some(&identity), &path, "").await,
        None,
        "not on chain: the connection is refused"
    );
    let publish = |is: CertificateState| {
        let certificate = Certificate { state: is.into(), ..identity.on_chain() };
        net.table
            .change(|s| drop(s.certificates.insert((net.tenant.address().into(), "1".into()), certificate)));
    };
    publish(CertificateState::Valid);
    assert_eq!(get_with(&net, Some(&identity), &path, "").await.unwrap(), "HTTP/1.1 200 OK");
    let both = get_with(&net, Some(&identity), &path, "Authorization: Bearer a.b.c\r\n").await.unwrap();
    assert_eq!(both, "HTTP/1.1 400 Bad Request");
    let somebody = Identity::new(net.tenant.address()).unwrap();
    assert_eq!(get_with(&net, Some(&somebody), &path, "").await, None, "another key with the same name");
    publish(CertificateState::Revoked);
    assert_eq!(get_with(&net, Some(&identity), &path, "").await, None, "revoked");
}

async fn wait_until<F: Future<Output = bool>>(done: impl Fn() -> F) {
    for _ in 0..200 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen");
}

// The engine.

fn order(state: &mut State, owner: &str, oseq: u32, spec: GroupSpec, is: order::State) -> ChainEvent {
    let id = akash_proto::akash::market::v1::OrderId { owner: owner.into(), dseq: DSEQ, gseq: 1, oseq };
    let order = Order { id: Some(id.clone()), state: is.into(), spec: Some(spec), ..Order::default() };
    state.orders.insert(state::order_key(&id), order);
    ChainEvent::OrderCreated(id)
}

#[tokio::test]
async fn bids_once_on_what_it_can_serve_and_closes_what_nobody_took() {
    let net = Net::start(StatusStyle::Full).await;
    let owner = net.tenant.address().to_owned();
    // Its registration stands: nothing is sent for it.
    net.table.block(1, vec![]).await;
    let mut asked = Vec::new();
    net.table.change(|s| {
        let open = order::State::Open;
        asked.push(order(s, &owner, 1, spec(10_000), open));
        asked.push(order(s, &owner, 2, spec(5), open)); // too cheap
        let mut elsewhere = spec(10_000);
        elsewhere.requirements = Some(PlacementRequirements {
            signed_by: None,
            attributes: vec![Attribute { key: "region".into(), value: "moon".into() }],
        });
        asked.push(order(s, &owner, 3, elsewhere, open));
        asked.push(order(s, &owner, 4, spec(10_000), open));
    });
    net.table.block(1, asked.clone()).await;
    net.table.block(1, asked).await; // seen twice
    let bids = net.table.wait::<MsgCreateBid>(2).await;
    let oseqs: Vec<u32> = bids.iter().map(|b| b.id.as_ref().unwrap().oseq).collect();
    assert_eq!(oseqs, [1, 4]);
    let price = bids[0].price.as_ref().unwrap();
    assert_eq!(Dec::from_wire(&price.amount).unwrap().to_string(), "26.62");
    assert_eq!(bids[0].resources_offer[0].resources, spec(1).resources[0].resource);
    // Order 4 goes to somebody else: the chain leaves the bid open, the provider closes it.
    net.table.change(|s| drop(order(s, &owner, 4, spec(10_000), order::State::Active)));
    net.table.block(1, vec![]).await;
    assert_eq!(net.table.wait::<MsgCloseBid>(1).await[0].id.as_ref().unwrap().oseq, 4);
    // Order 1 finds nobody: given up after the bid timeout.
    net.table.block(290, vec![]).await;
    assert_eq!(net.table.wait::<MsgCloseBid>(1).await.len(), 1);
    net.table.block(20, vec![]).await;
    let closed = net.table.wait::<MsgCloseBid>(2).await;
    assert_eq!((closed.len(), closed[1].id.as_ref().unwrap().oseq), (2, 1));
    assert_eq!(net.table.sent.lock().unwrap().len(), 5, "nothing else was sent but the certificate");
}

#[tokio::test]
async fn a_lease_without_manifest_is_closed() {
    let net = Net::start(StatusStyle::Full).await;
    let owner = net.tenant.address().to_owned();
    let mut created = vec![];
    net.table.change(|s| created.push(order(s, &owner, 1, spec(10_000), order::State::Open)));
    net.table.block(1, created).await;
    net.table.wait::<MsgCreateBid>(1).await;
    net.lease(lease::State::Active);
    net.table.change(|s| {
        order(s, &owner, 1, spec(10_000), order::State::Active);
        let key: OrderKey = (owner.clone(), DSEQ, 1, 1);
        let bid_key = (key.0, key.1, key.2, key.3, net.provider.clone(), 0);
        let mut bid = s.bids.get(&bid_key).unwrap().clone();
        bid.state = bid::State::Active.into();
        s.bids.insert(bid_key, bid);
    });
    net.table.block(1, vec![]).await;
    net.table.block(200, vec![]).await;
    assert!(net.table.wait::<MsgCloseBid>(0).await.is_empty());
    net.table.block(200, vec![]).await;
    let closed = net.table.wait::<MsgCloseBid>(1).await;
    assert_eq!(closed[0].reason(), akash_proto::akash::market::v1::LeaseClosedReason::ManifestTimeout);
}

#[tokio::test]
async fn a_new_certificate_takes_the_place_of_the_old() {
    let table = Table::new();
    let wallet = Wallet::from_mnemonic(&new_mnemonic(), 0).unwrap();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, stop) = (listener.local_addr().unwrap().port(), CancellationToken::new());
        let me = me(&table, wallet.clone(), StatusStyle::Full, &Faults::default());
        start(me, listener, port, stop.clone()).await.unwrap();
        stop.cancel();
    }
    let created = table.sent::<MsgCreateCertificate>();
    assert_eq!(created.len(), 2);
    let serial = |certificate: &MsgCreateCertificate| {
        let der = certificate_from_pem(&certificate.cert).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(parsed.subject(), parsed.issuer());
        parsed.tbs_certificate.serial.to_string()
    };
    assert!(created[0].pubkey.starts_with(b"-----BEGIN EC PUBLIC KEY-----"));
    let revoked = table.sent::<MsgRevokeCertificate>();
    assert_eq!(revoked[0].id.as_ref().unwrap().serial, serial(&created[0]));
}
