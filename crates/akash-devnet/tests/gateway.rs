//! Chain and providers together: from a deployment to a ready lease at each provider, and out of money.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

use std::{sync::Arc, time::Duration};

use akash_devnet::{ChainHandle, Devnet, DevnetConfig, Fault, Ports, Wallet};
use akash_gateway::{
    ChainTrust, GatewayClient, GatewayError, LeaseRef, ManifestError, ProviderTarget, SignError, TokenSigner,
    TrustError, certificate_from_pem,
};
use akash_proto::{
    Dec, Int,
    akash::{
        base::{
            deposit::v1::{Deposit, Source},
            resources::v1beta4::{Cpu, Endpoint, Gpu, Memory, ResourceValue, Resources, Storage},
        },
        deployment::{
            v1::{DeploymentId, deployment},
            v1beta4::{GroupSpec, MsgCreateDeployment, MsgUpdateDeployment, ResourceUnit},
        },
        market::{
            v1::{BidId, Lease, OrderId, lease},
            v1beta5::{Bid, MsgCreateLease, bid},
        },
    },
    any,
    cosmos::base::v1beta1::{Coin, DecCoin},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

struct Tenant {
    chain: ChainHandle,
    wallet: Wallet,
    client: GatewayClient,
}

struct Signer(Wallet);

impl TokenSigner for Signer {
    fn address(&self) -> &str {
        self.0.address()
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.0.sign(message).try_into().map_err(|_| SignError("length".into()))
    }
}

struct Trust(ChainHandle);

#[async_trait::async_trait]
impl ChainTrust for Trust {
    async fn valid_certificates(&self, provider: &str) -> Result<Vec<Vec<u8>>, TrustError> {
        self.0.valid_certificates(provider).iter().map(|(_, pem)| certificate_from_pem(pem)).collect()
    }
}

async fn devnet() -> Devnet {
    let block_time = Duration::from_millis(20);
    Devnet::start(DevnetConfig { block_time, ports: Ports::Free, ..DevnetConfig::default() }).await.unwrap()
}

impl Tenant {
    fn new(devnet: &Devnet) -> Self {
        let wallet = Wallet::from_mnemonic(devnet.mnemonic(), 0).unwrap();
        let (chain, signer) = (devnet.chain(), Arc::new(Signer(wallet.clone())));
        let client = GatewayClient::new(Arc::new(Trust(chain.clone())), Some(signer), "test/0");
        Self { chain, wallet, client }
    }

    async fn submit<M: prost::Name>(&self, message: &M) {
        self.chain.submit(&self.wallet, vec![any(message)]).await.unwrap();
    }

    fn id(&self, dseq: u64) -> Option<DeploymentId> {
        Some(DeploymentId { owner: self.wallet.address().to_owned(), dseq })
    }

    async fn deploy(&self, dseq: u64, cpu: u64, manifest: &str) {
        let groups = vec![group(cpu)];
        let amount = Some(Coin { denom: "uact".into(), amount: "500000".into() });
        let deposit = Some(Deposit { amount, sources: vec![Source::Balance.into()] });
        let message = MsgCreateDeployment {
            id: self.id(dseq),
            groups,
            hash: hash(manifest),
            deposit,
            ..Default::default()
        };
        self.submit(&message).await;
    }

    /// The open bids of the first order, when there are `count`.
    async fn bids(&self, dseq: u64, count: usize) -> Vec<Bid> {
        let order = OrderId { owner: self.wallet.address().to_owned(), dseq, gseq: 1, oseq: 1 };
        for _ in 0..300 {
            let state = self.chain.state();
            let open = state.bids_of(&order).filter(|bid| bid.state() == bid::State::Open);
            let bids: Vec<Bid> = open.cloned().collect();
            if bids.len() >= count {
                return bids;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no bids");
    }

    async fn lease(&self, bid: BidId) -> (ProviderTarget, LeaseRef) {
        self.submit(&MsgCreateLease { bid_id: Some(bid.clone()) }).await;
        let host_uri = self.chain.state().providers.get(&bid.provider).unwrap().host_uri.clone();
        let target = ProviderTarget { address: bid.provider, host_uri };
        (target, LeaseRef { dseq: bid.dseq, gseq: bid.gseq, oseq: bid.oseq })
    }

    async fn put(&self, target: &ProviderTarget, dseq: u64, manifest: &str) -> Result<(), ManifestError> {
        let body = SecretString::from(manifest);
        self.client.put_manifest(target, dseq, &body, None, &CancellationToken::new()).await
    }

    fn leases(&self, dseq: u64) -> Vec<Lease> {
        self.chain.state().deployment_leases(self.wallet.address(), dseq).cloned().collect()
    }
}

fn hash(manifest: &str) -> Vec<u8> {
    serde_json::from_str::<akash_sdl::Manifest>(manifest).unwrap().hash().to_vec()
}

fn group(cpu: u64) -> GroupSpec {
    let value = |n: u64| -> Option<ResourceValue> { Some(Int(n).into()) };
    let resource = Resources {
        id: 1,
        cpu: Some(Cpu { units: value(cpu), attributes: vec![] }),
        memory: Some(Memory { quantity: value(536_870_912), attributes: vec![] }),
        storage: vec![Storage { name: "default".into(), quantity: value(1_073_741_824), attributes: vec![] }],
        gpu: Some(Gpu { units: value(0), attributes: vec![] }),
        endpoints: vec![Endpoint { kind: 0, sequence_number: 0 }],
    };
    let price = Some(DecCoin { denom: "uact".into(), amount: Dec::from(100_000).to_wire() });
    let resources = vec![ResourceUnit { resource: Some(resource), count: 1, price }];
    GroupSpec { name: "dcloud".into(), requirements: Some(Default::default()), resources }
}

fn manifest(cpu: u64, image: &str) -> String {
    format!(
        r#"[{{"name":"dcloud","services":[{{"name":"web","image":"{image}","command":null,"args":null,"env":null,
        "resources":{{"id":1,"cpu":{{"units":{{"val":"{cpu}"}}}},"memory":{{"size":{{"val":"536870912"}}}},
        "storage":[{{"name":"default","size":{{"val":"1073741824"}}}}],"gpu":{{"units":{{"val":"0"}}}},
        "endpoints":[{{"sequence_number":0}}]}},"count":1,"expose":[{{"port":80,"externalPort":80,"proto":"TCP","service":"",
        "global":true,"hosts":null,"httpOptions":{{"maxBodySize":1048576,"readTimeout":60000,"sendTimeout":60000,
        "nextTries":3,"nextTimeout":0,"nextCases":["error","timeout"]}},"ip":"","endpointSequenceNumber":0}}],
        "credentials":null}}]}}]"#
    )
}

async fn until(what: &str, done: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen: {what}");
}

#[tokio::test]
async fn from_deployment_to_ready_at_each_provider() {
    let devnet = devnet().await;
    let tenant = Tenant::new(&devnet);
    let (first, second) = (manifest(500, "nginx:1"), manifest(500, "nginx:2"));
    for (index, dseq) in [101_u64, 102, 103].into_iter().enumerate() {
        tenant.deploy(dseq, 500, &first).await;
        let mut bids = tenant.bids(dseq, 3).await;
        let amount = |bid: &Bid| Dec::from_wire(&bid.price.as_ref().unwrap().amount).unwrap();
        bids.sort_by_key(amount);
        let prices: Vec<String> = bids.iter().map(|bid| amount(bid).to_string()).collect();
        assert_eq!(prices, ["23.958", "26.62", "33.275"], "europe, west, east");
        let (target, lease) = tenant.lease(bids[index].id.clone().unwrap()).await;
        tenant.put(&target, dseq, &first).await.unwrap();
        let ready = async || tenant.client.lease_status(&target, lease).await.unwrap().ready(&["web"]);
        until("ready", ready).await;
        let status = tenant.client.lease_status(&target, lease).await.unwrap();
        let sparse = target.address == devnet.providers()[1].address;
        assert_eq!(status.services["web"].uris.is_empty(), sparse);
        assert_eq!(status.services["web"].counters_reported(), !sparse);
        tenant.submit(&MsgUpdateDeployment { id: tenant.id(dseq), hash: hash(&second) }).await;
        tenant.put(&target, dseq, &second).await.unwrap();
        until("ready again", ready).await;
        // The losers' bids do not stay open.
        let order = OrderId { owner: tenant.wallet.address().to_owned(), dseq, gseq: 1, oseq: 1 };
        until("losing bids closed", async || {
            tenant.chain.state().bids_of(&order).all(|bid| bid.state() != bid::State::Open)
        })
        .await;
    }
    devnet.stop().await;
}

#[tokio::test]
async fn a_lease_whose_money_is_gone_ends() {
    let devnet = devnet().await;
    let tenant = Tenant::new(&devnet);
    // About 15000 uact a block of 500000.
    let text = manifest(384_000, "nginx");
    tenant.deploy(7, 384_000, &text).await;
    let bids = tenant.bids(7, 3).await;
    let (target, lease) = tenant.lease(bids[0].id.clone().unwrap()).await;
    tenant.put(&target, 7, &text).await.unwrap();
    until("insufficient funds", async || {
        tenant.leases(7).iter().any(|l| l.state() == lease::State::InsufficientFunds)
    })
    .await;
    let (deployment, _) = tenant.chain.deployment(tenant.wallet.address(), 7).unwrap();
    assert_eq!(deployment.state(), deployment::State::Closed);
    let error = tenant.client.lease_status(&target, lease).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    devnet.stop().await;
}

#[tokio::test]
async fn an_impostor_and_a_provider_that_is_down() {
    let devnet = devnet().await;
    let tenant = Tenant::new(&devnet);
    let info = devnet.providers()[0].clone();
    let target = ProviderTarget { address: info.address, host_uri: info.host_uri };
    devnet.faults().set(Fault::WrongCertificate { provider: Some("west".into()) });
    let error = tenant.client.provider_address(&target).await.unwrap_err();
    assert!(matches!(error, GatewayError::Untrusted { .. }), "{error:?}");
    devnet.faults().clear_all();
    // Another provider's gateway, whose certificate is valid, but not for this one.
    let other =
        ProviderTarget { address: target.address.clone(), host_uri: devnet.providers()[1].host_uri.clone() };
    let error = tenant.client.provider_address(&other).await.unwrap_err();
    assert!(error.to_string().contains("belongs to the account"), "{error}");
    devnet.faults().set(Fault::ProviderDown { provider: Some("west".into()) });
    until("down", async || tenant.client.provider_address(&target).await.is_err_and(|e| e.is_unreachable()))
        .await;
    devnet.faults().clear_all();
    until("up again", async || tenant.client.provider_address(&target).await.is_ok()).await;
    devnet.stop().await;
}
