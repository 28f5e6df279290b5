//! The crate against the devnet: a deployment's whole life over each carrier, and faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use akash_chain::{
    Chain, ChainConfig, ChainError, Conclusion, Fate, Intent, Journal, Kind, Market, MarketWatch, Msg,
    Outcome, Pending, QueryError, SubmitError, Wallet, requested_coin,
};
use akash_devnet::{Blocks, Devnet, DevnetConfig, Fault, Operator, Ports};
use akash_proto::{
    Coin, Dec, Int,
    akash::{
        base::{
            attributes::v1::PlacementRequirements,
            deposit::v1::{Deposit, Source},
            resources::v1beta4::{Cpu, Endpoint, Gpu, Memory, Resources, Storage},
        },
        bme::v1::{LedgerRecordFilters, LedgerRecordStatus, MintStatus, MsgBurnAct, MsgMintAct},
        deployment::{
            v1,
            v1beta4::{
                GroupSpec, MsgCloseDeployment, MsgCreateDeployment, MsgPauseGroup, MsgStartGroup,
                MsgUpdateDeployment, ResourceUnit,
            },
        },
        escrow::{id::v1 as escrow_id, v1::MsgAccountDeposit},
        market::v1beta5::MsgCreateLease,
    },
    cosmos::base::v1beta1::DecCoin,
    id::{DeploymentId, OrderId},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

async fn devnet() -> Devnet {
    let config = DevnetConfig {
        ports: Ports::Free,
        block_time: Duration::from_millis(200),
        chain_id: "chain-test-1".into(),
        ..DevnetConfig::default()
    };
    Devnet::start(config).await.unwrap()
}

fn chain(devnet: &Devnet, endpoints: &[String]) -> Chain {
    chain_with(devnet, endpoints, Duration::from_secs(20))
}

fn chain_with(devnet: &Devnet, endpoints: &[String], tx_timeout: Duration) -> Chain {
    Chain::new(ChainConfig { tx_timeout, ..config(devnet, endpoints) }).unwrap()
}

fn config(devnet: &Devnet, endpoints: &[String]) -> ChainConfig {
    ChainConfig {
        endpoints: endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect(),
        chain_id: Some(devnet.chain_id().into()),
        account: Some(wallet(devnet, 0).into()),
        tx_timeout: Duration::from_secs(20),
        read_timeout: Duration::from_secs(10),
        ..Default::default()
    }
}

fn wallet(devnet: &Devnet, index: u32) -> Wallet {
    Wallet::from_mnemonic(&SecretString::from(devnet.mnemonic()), index).unwrap()
}

/// A journal that remembers what was about to be sent, and does something before it is.
struct Noting {
    seen: Mutex<Vec<Pending>>,
    then: Box<dyn Fn() + Send + Sync>,
}

impl Noting {
    fn then(then: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), then: Box::new(then) })
    }

    fn nothing() -> Arc<Self> {
        Self::then(|| {})
    }

    fn seen(&self) -> Vec<Pending> {
        self.seen.lock().unwrap().clone()
    }

    fn hashes(&self) -> Vec<String> {
        self.seen().into_iter().filter_map(|pending| pending.tx_hash).collect()
    }
}

impl std::fmt::Debug for Noting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Noting")
    }
}

#[async_trait::async_trait]
impl Journal for Noting {
    async fn intend(&self, intents: &[Intent]) -> Result<(), String> {
        self.seen.lock().unwrap().extend(intents.iter().map(|intent| intent.pending.clone()));
        (self.then)();
        Ok(())
    }

    async fn conclude(&self, _: &[(Pending, Conclusion)]) {}
}

/// An account with money of its own.
fn granter(devnet: &Devnet, index: u32) -> String {
    let address = wallet(devnet, index).address().to_owned();
    for denom in ["uakt", "uact"] {
        let (address, denom, amount) = (address.clone(), denom.to_owned(), "5000000".to_owned());
        devnet.operate(&Operator::Fund { address, denom, amount });
    }
    address
}

fn owner(chain: &Chain) -> String {
    chain.address().unwrap().to_owned()
}

fn group() -> GroupSpec {
    let price = DecCoin { denom: "uact".into(), amount: Dec::from(10_000).to_wire() };
    let resource = Resources {
        id: 1,
        cpu: Some(Cpu { units: Some(Int(500).into()), attributes: vec![] }),
        memory: Some(Memory { quantity: Some(Int(536_870_912).into()), attributes: vec![] }),
        storage: vec![Storage {
            name: "default".into(),
            quantity: Some(Int(1_073_741_824).into()),
            attributes: vec![],
        }],
        gpu: Some(Gpu { units: Some(Int(0).into()), attributes: vec![] }),
        endpoints: vec![Endpoint::default()],
    };
    GroupSpec {
        name: "dcloud".into(),
        requirements: Some(PlacementRequirements::default()),
        resources: vec![ResourceUnit { resource: Some(resource), count: 1, price: Some(price) }],
    }
}

fn deposit(amount: u128) -> Option<Deposit> {
    Some(Deposit { amount: Some(Coin::new(amount, "uact").into()), sources: vec![Source::Balance.into()] })
}

fn deployment(chain: &Chain, dseq: u64) -> DeploymentId {
    DeploymentId::new(&owner(chain), dseq).unwrap()
}

fn order(chain: &Chain, dseq: u64) -> OrderId {
    deployment(chain, dseq).group(1).unwrap().order(1).unwrap()
}

fn id(chain: &Chain, dseq: u64) -> Option<v1::DeploymentId> {
    Some((&deployment(chain, dseq)).into())
}

fn create(chain: &Chain, dseq: u64) -> Msg {
    let (id, groups) = (id(chain, dseq), vec![group()]);
    MsgCreateDeployment { id, groups, hash: vec![1; 32], deposit: deposit(500_000), reclamation: None }.into()
}

async fn submit(chain: &Chain, message: impl Into<Msg>) -> Result<Outcome, SubmitError> {
    chain.submit(message.into(), &CancellationToken::new()).await
}

fn refusal(result: Result<Outcome, SubmitError>) -> ChainError {
    match result {
        Err(SubmitError::Refused(refusal)) => refusal.error,
        other => panic!("{other:?}"),
    }
}

async fn life(devnet: &Devnet, endpoint: String) {
    let chain = chain(devnet, &[endpoint]);
    let owner = owner(&chain);
    assert_eq!(chain.check().await.unwrap().chain_id, devnet.chain_id());
    assert!(chain.deployment_params().await.unwrap().min_deposits.iter().any(|coin| coin.denom == "uact"));
    assert_eq!(chain.market_params().await.unwrap().order_max_bids, 20);
    assert!(chain.node_config().await.unwrap().minimum_gas_price.contains("uakt"));
    let dseq = rand::random_range(1..u64::MAX >> 11);
    let deployment = deployment(&chain, dseq);
    let order = order(&chain, dseq);
    let group = order.group();
    assert!(chain.deployment(&deployment).await.unwrap().is_none());
    assert!(chain.group(group).await.unwrap().is_none());

    let created = submit(&chain, create(&chain, dseq)).await.unwrap();
    assert!(created.events.iter().any(|event| event.r#type == "akash.deployment.v1.EventDeploymentCreated"));
    let time = chain.block_time(created.height).await.unwrap();
    assert_eq!(
        created.time,
        time.replace_nanosecond(0).unwrap(),
        "nodes tell a transaction's time to the second"
    );
    let found = chain.deployment(&deployment).await.unwrap().unwrap();
    assert_eq!(found.deployment.unwrap().created_at, i64::try_from(created.height).unwrap());
    assert_eq!(refusal(submit(&chain, create(&chain, dseq)).await).kind(), Kind::DeploymentExists);

    let bids = loop {
        let bids = chain.bids(&order).await.unwrap();
        if bids.len() == devnet.providers().len() {
            break bids;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let bid = bids[0].bid.as_ref().unwrap().id.clone().unwrap();
    let leased = submit(&chain, MsgCreateLease { bid_id: Some(bid.clone()) }).await.unwrap();
    assert!(leased.height > created.height);
    assert_eq!(
        refusal(submit(&chain, MsgCreateLease { bid_id: Some(bid.clone()) }).await).kind(),
        Kind::BidNotOpen
    );

    let listing = chain.listing(&owner).await.unwrap();
    assert!(listing.deployments.contains_key(&deployment) && listing.height >= leased.height);
    let lease =
        listing.leases.iter().find(|row| row.lease.as_ref().unwrap().id.as_ref().unwrap().dseq == dseq);
    assert!(lease.is_some());
    assert_eq!(chain.leases(&deployment, Some(1)).await.unwrap().len(), 1);
    assert_eq!(chain.orders(group).await.unwrap().len(), 1);
    assert_eq!(chain.escrow_payments(&format!("deployment/{deployment}"), None).await.unwrap().len(), 1);

    let provider = chain.provider(&bid.provider).await.unwrap().unwrap();
    assert!(provider.host_uri.starts_with("https://"));
    assert_eq!(chain.providers().await.unwrap().len(), devnet.providers().len());
    assert_eq!(chain.certificates(&bid.provider).await.unwrap().len(), 1);
    assert_eq!(
        chain.certificates(&bid.provider).await.unwrap(),
        chain.recent_certificates(&bid.provider).await.unwrap()
    );
    let requests = devnet.request_count();
    let again = async || {
        (
            chain.recent_provider(&bid.provider).await.unwrap(),
            chain.recent_certificates(&bid.provider).await.unwrap(),
        )
    };
    let answers = futures::future::join_all((0..20).map(|_| again())).await;
    assert!(
        answers
            .iter()
            .all(|(found, certificates)| found.as_ref() == Some(&provider) && certificates.len() == 1)
    );
    assert_eq!(devnet.request_count() - requests, 1, "one for the provider; its certificate is known");
    let requests = devnet.request_count();
    let taken = futures::future::join_all((0..20).map(|_| chain.recent_registry())).await;
    assert_eq!(devnet.request_count() - requests, 3, "the height, the providers, the audits");
    let registry = taken[0].as_ref().unwrap();
    assert_eq!(registry.providers, chain.providers().await.unwrap());
    assert_eq!((registry.audits.len(), registry.height >= leased.height), (1, true));
    let audited =
        futures::future::join_all(devnet.providers().iter().map(|provider| chain.audits(&provider.address)))
            .await;
    let counts: Vec<_> = audited.into_iter().map(|audits| audits.unwrap().len()).collect();
    assert!(counts.contains(&0) && counts.contains(&1), "{counts:?}");

    let update = MsgUpdateDeployment { id: id(&chain, dseq), hash: vec![2; 32] };
    submit(&chain, update.clone()).await.unwrap();
    assert_eq!(refusal(submit(&chain, update).await).kind(), Kind::InvalidHash);
    let account =
        escrow_id::Account { scope: escrow_id::Scope::Deployment.into(), xid: deployment.to_string() };
    submit(&chain, MsgAccountDeposit { signer: owner.clone(), id: Some(account), deposit: deposit(250_000) })
        .await
        .unwrap();

    let group = Some(v1::GroupId::from(group));
    submit(&chain, MsgPauseGroup { id: group.clone() }).await.unwrap();
    assert_eq!(refusal(submit(&chain, MsgPauseGroup { id: group.clone() }).await).kind(), Kind::GroupPaused);
    submit(&chain, MsgStartGroup { id: group }).await.unwrap();
    let before = chain.balances(&owner).await.unwrap()["uact"];
    submit(&chain, MsgCloseDeployment { id: id(&chain, dseq) }).await.unwrap();
    assert!(chain.balances(&owner).await.unwrap()["uact"] > before, "the rest of the deposits comes back");
    let again = submit(&chain, MsgCloseDeployment { id: id(&chain, dseq) }).await;
    assert_eq!(refusal(again).kind(), Kind::DeploymentClosed);
    assert!(!chain.listing(&owner).await.unwrap().deployments.contains_key(&deployment));
}

#[tokio::test]
async fn a_whole_life_over_each_carrier() {
    let devnet = devnet().await;
    let rest = devnet.rest_endpoint();
    for endpoint in [devnet.grpc_endpoint(), rest.clone(), devnet.rpc_endpoint(), format!("rest+{rest}")] {
        println!("{endpoint}");
        life(&devnet, endpoint).await;
    }
    devnet.stop().await;
}

/// Minting and burning as each carrier tells of them, and what of a request is found in the ledger alone.
#[tokio::test]
async fn the_ledger_over_each_carrier() {
    let devnet = devnet().await;
    let rest = devnet.rest_endpoint();
    let noting = Noting::nothing();
    let journal: Option<Arc<dyn Journal>> = Some(noting.clone());
    let grpc = Chain::new(ChainConfig { journal, ..config(&devnet, &[devnet.grpc_endpoint()]) }).unwrap();
    let owner = owner(&grpc);
    let to = owner.clone();
    let coins_to_burn = |amount, denom: &str| Some(Coin::new(amount, denom).into());
    let mint = |amount| MsgMintAct {
        owner: to.clone(),
        to: to.clone(),
        coins_to_burn: coins_to_burn(amount, "uakt"),
    };
    let burn = |amount| MsgBurnAct {
        owner: to.clone(),
        to: to.clone(),
        coins_to_burn: coins_to_burn(amount, "uact"),
    };
    devnet.operate(&Operator::MintEpoch { in_blocks: 10_000 });
    // Carried out, cancelled under the floor, carried out the other way, and one that waits.
    let first = submit(&grpc, mint(20_000_000)).await.unwrap();
    submit(&grpc, mint(1_000_000)).await.unwrap();
    submit(&grpc, burn(5_000_000)).await.unwrap();
    devnet.operate(&Operator::MintEpoch { in_blocks: 1 });
    devnet.wait_blocks(2).await;
    devnet.operate(&Operator::MintEpoch { in_blocks: 10_000 });
    submit(&grpc, mint(30_000_000)).await.unwrap();

    let mut ledgers = Vec::new();
    for endpoint in [devnet.grpc_endpoint(), rest.clone(), devnet.rpc_endpoint(), format!("rest+{rest}")] {
        println!("{endpoint}");
        let chain = chain(&devnet, &[endpoint]);
        chain.remember_height(grpc.remembered_height());
        let params = chain.bme_params().await.unwrap();
        assert_eq!((params.mint_spread_bps, params.min_mint[0].amount.as_str()), (25, "10000000"));
        let status = chain.bme_status().await.unwrap();
        assert_eq!((status.status(), status.mints_allowed), (MintStatus::Healthy, true));
        assert_eq!(Dec::from_wire(&status.halt_threshold).unwrap().to_string(), "0.9");
        let price = chain.oracle_price("akt").await.unwrap();
        assert!(price.price_health.unwrap().is_healthy);
        assert_eq!(Dec::from_wire(&price.aggregated_price.unwrap().twap).unwrap().to_string(), "1.25");
        let waiting = LedgerRecordFilters {
            source: owner.clone(),
            status: LedgerRecordStatus::Pending.as_str_name().into(),
            ..Default::default()
        };
        let waiting = chain.bme_ledger(waiting).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(requested_coin(&waiting[0]), Some(Coin::new(30_000_000, "uakt")));
        assert!(chain.seen_height() >= first.height);
        let all = LedgerRecordFilters { source: owner.clone(), ..Default::default() };
        ledgers.push(chain.bme_ledger(all).await.unwrap());
    }
    assert!(ledgers.windows(2).all(|pair| pair[0] == pair[1]), "{ledgers:?}");
    let mut asked: Vec<_> =
        ledgers[0].iter().filter_map(requested_coin).map(|coin| coin.to_string()).collect();
    asked.sort();
    assert_eq!(asked, ["1000000uakt", "20000000uakt", "30000000uakt", "5000000uact"]);

    // Where no node can show the transaction the ledger does, whatever came of the request.
    let observed = noting.seen();
    assert_eq!(observed.len(), 4);
    for (index, pending) in observed.iter().enumerate() {
        // One whose hash nobody knows, or that nobody ever told.
        let tx_hash = (index > 0).then(|| "00".repeat(32));
        let lost = Pending { tx_hash, timeout: 0, ..pending.clone() };
        match grpc.fate(&lost).await.unwrap() {
            Fate::Included(outcome) => assert!(outcome.by_effect && outcome.height > pending.since_height),
            other => panic!("{other:?}"),
        }
        // Not an older one, nor one for another amount.
        let later = Pending { since_height: devnet.height(), ..lost.clone() };
        let other = Pending { message: mint(20_000_001).into(), ..lost };
        for absent in [later, other] {
            assert!(matches!(grpc.fate(&absent).await.unwrap(), Fate::DidNotHappen));
        }
    }

    // Without a price each carrier tells the same error, and a request is refused with it.
    devnet.operate(&Operator::Price { price: None });
    for endpoint in [devnet.grpc_endpoint(), rest.clone(), devnet.rpc_endpoint(), format!("rest+{rest}")] {
        let chain = chain(&devnet, std::slice::from_ref(&endpoint));
        for error in [chain.bme_status().await.unwrap_err(), chain.oracle_price("akt").await.unwrap_err()] {
            let QueryError::Node { error, .. } = error else { panic!("{error:?}") };
            assert_eq!(error.kind(), Kind::OracleUnhealthy, "{endpoint}: {error:?}");
        }
        let error = refusal(submit(&chain, mint(20_000_000)).await);
        assert_eq!(error.kind(), Kind::OracleUnhealthy, "{error:?}");
    }
    devnet.operate(&Operator::Price { price: Some("0.01".into()) });
    assert_eq!(refusal(submit(&grpc, mint(20_000_000)).await).kind(), Kind::CircuitBreaker);
    devnet.stop().await;
}

#[tokio::test]
async fn a_hundred_messages_in_few_transactions() {
    let devnet = devnet().await;
    let chain = chain(&devnet, &[devnet.grpc_endpoint()]);
    let before = devnet.tx_count(&owner(&chain));
    let creates = (1..=100).map(|dseq| submit(&chain, create(&chain, dseq)));
    let outcomes = futures::future::join_all(creates).await;
    let hashes: BTreeSet<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().tx_hash).collect();
    assert!(hashes.len() <= 2, "{}", hashes.len());
    assert_eq!(devnet.tx_count(&owner(&chain)) - before, hashes.len());
    assert_eq!(devnet.active_deployments(&owner(&chain)).len(), 100);
    devnet.stop().await;
}

#[tokio::test]
async fn a_thousand_deployments_and_leases_are_read_in_twelve_queries() {
    const COUNT: u64 = 1000;
    let mut config = DevnetConfig { ports: Ports::Free, ..DevnetConfig::default() };
    config.providers.truncate(1);
    let devnet = Devnet::start(config).await.unwrap();
    let chain = chain(&devnet, &[devnet.grpc_endpoint()]);
    let owner = owner(&chain);
    let creates = (1..=COUNT).map(|dseq| submit(&chain, create(&chain, dseq)));
    let hashes: BTreeSet<_> = futures::future::join_all(creates)
        .await
        .into_iter()
        .map(|outcome| outcome.unwrap().tx_hash)
        .collect();
    println!("{} transactions for the creates", hashes.len());
    let mut waiter = chain.watch_market(&owner);
    let market = loop {
        let market = waiter.next().await.unwrap();
        if (1..=COUNT).all(|dseq| market.open_bids(&order(&chain, dseq)).len() == 1) {
            break market;
        }
    };
    let lease = |dseq| {
        let bid_id = market.open_bids(&order(&chain, dseq))[0].id.clone();
        submit(&chain, MsgCreateLease { bid_id })
    };
    let leases = (1..=COUNT).map(lease);
    let outcomes = futures::future::join_all(leases).await;
    assert!(outcomes.iter().all(Result::is_ok));

    let requests = devnet.request_count();
    let listings = futures::future::join_all((0..100).map(|_| chain.listing(&owner))).await;
    let asked = devnet.request_count() - requests;
    let listing = listings.into_iter().next().unwrap().unwrap();
    assert_eq!((listing.deployments.len(), listing.leases.len()), (1000, 1000));
    assert!(asked <= 12, "{asked} queries");
    devnet.stop().await;
}

#[tokio::test]
async fn other_programs_with_the_same_wallet_disturb_nothing() {
    let devnet = devnet().await;
    let programs: Vec<_> = (0..4).map(|_| chain(&devnet, &[devnet.grpc_endpoint()])).collect();
    let outcomes = futures::future::join_all(
        programs.iter().zip(1..).map(|(chain, dseq)| submit(chain, create(chain, dseq))),
    )
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    devnet.stop().await;
}

#[tokio::test]
async fn faults() {
    let devnet = devnet().await;
    let chain = chain(&devnet, &[devnet.grpc_endpoint(), devnet.rest_endpoint()]);
    let faults = devnet.faults();

    faults.times(Fault::DropAnswer { path: "BroadcastTx".into() }, 1);
    submit(&chain, create(&chain, 1)).await.unwrap();
    faults.times(Fault::OutOfGas, 1);
    submit(&chain, create(&chain, 2)).await.unwrap();
    faults.times(Fault::Unavailable { path: "Simulate".into() }, 2);
    submit(&chain, create(&chain, 3)).await.unwrap();
    faults.times(Fault::NoUnordered, 100);
    submit(&chain, create(&chain, 4)).await.unwrap();
    submit(&chain, create(&chain, 5)).await.unwrap();
    assert_eq!(devnet.active_deployments(&owner(&chain)), [1, 2, 3, 4, 5]);
    devnet.stop().await;
}

#[tokio::test]
async fn endpoints_that_stop_or_stay_behind() {
    let devnet = devnet().await;
    let endpoints = [devnet.grpc_endpoint(), devnet.rest_endpoint(), devnet.rpc_endpoint()];
    let chain = chain(&devnet, &endpoints);
    let owner = owner(&chain);
    submit(&chain, create(&chain, 1)).await.unwrap();

    let stale = devnet.faults().set(Fault::StaleHeight { blocks: 3 });
    let (created, ()) = futures::join!(submit(&chain, create(&chain, 2)), async {
        devnet.wait_blocks(4).await;
        devnet.faults().clear(stale);
    });
    created.unwrap();
    devnet.faults().times(Fault::StaleHeight { blocks: 3 }, 3);
    assert!(chain.deployment(&deployment(&chain, 2)).await.unwrap().is_some(), "not taken for missing");

    // Both go away just before the broadcast: the third one takes it.
    let faults = devnet.faults().clone();
    let stopping = Noting::then(move || {
        for endpoint in [akash_devnet::Endpoint::Grpc, akash_devnet::Endpoint::Rest] {
            faults.set(Fault::StopEndpoint { endpoint });
        }
    });
    let journal: Option<Arc<dyn Journal>> = Some(stopping);
    let chain = Chain::new(ChainConfig { journal, ..config(&devnet, &endpoints) }).unwrap();
    submit(&chain, create(&chain, 3)).await.unwrap();
    assert_eq!(devnet.active_deployments(&owner), [1, 2, 3]);
    devnet.stop().await;
}

/// How often a method was called.
fn calls(devnet: &Devnet, method: &str) -> u64 {
    let counters = devnet.counters();
    counters.requests.iter().filter(|(path, _)| path.ends_with(method)).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn one_market_for_all_who_wait() {
    let devnet = devnet().await;
    let chain = chain(&devnet, &[devnet.grpc_endpoint()]);
    let owner = owner(&chain);
    futures::future::join_all((1..=3).map(|dseq| submit(&chain, create(&chain, dseq)))).await;
    let mut waiters: Vec<_> = (0..100).map(|_| chain.watch_market(&owner)).collect();
    let (mut blocks, mut last) = (0, 0);
    let listed = calls(&devnet, "/Orders");
    let mut shared = loop {
        let markets = futures::future::join_all(waiters.iter_mut().map(MarketWatch::next)).await;
        let shared = markets[0].as_ref().unwrap().clone();
        assert!(markets.iter().all(|market| Arc::ptr_eq(market.as_ref().unwrap(), &shared)), "one for all");
        assert!(shared.height > last, "each block once");
        (blocks, last) = (blocks + 1, shared.height);
        if blocks >= 4 && shared.open_bids(&order(&chain, 3)).len() == devnet.providers().len() {
            break shared;
        }
    };
    let open = |market: &Market, dseq| market.open_order(order(&chain, dseq).group()).is_some();
    assert!((1..=3).all(|dseq| open(&shared, dseq)));
    let second = deployment(&chain, 1).group(1).unwrap().order(2).unwrap();
    assert!(!open(&shared, 4) && shared.open_bids(&second).is_empty());
    assert!(calls(&devnet, "/Orders") - listed <= blocks + 1);

    // A node that is gone for a moment, or behind, is waited for: nobody fails, and nobody sees less than before.
    let grpc = devnet.faults().set(Fault::StopEndpoint { endpoint: akash_devnet::Endpoint::Grpc });
    let (market, ()) = futures::join!(waiters[0].next(), async {
        devnet.wait_blocks(8).await;
        devnet.faults().clear(grpc);
    });
    assert!(market.unwrap().height > shared.height);
    let stale = devnet.faults().set(Fault::StaleHeight { blocks: 4 });
    for _ in 0..4 {
        let market = waiters[1].next().await.unwrap();
        assert!(market.height > shared.height && open(&market, 1));
        shared = market;
    }
    devnet.faults().clear(stale);

    // One that begins later is not given what was asked for before.
    let mut late = chain.watch_market(&owner);
    let height = devnet.height();
    assert!(late.next().await.unwrap().height >= height);
    drop((waiters, late));
    devnet.wait_blocks(2).await;
    let requests = devnet.request_count();
    devnet.wait_blocks(4).await;
    assert_eq!(devnet.request_count(), requests, "nobody asks when nobody waits");
    assert!(chain.watch_market(&owner).next().await.unwrap().height > shared.height, "begins again");
    devnet.stop().await;
}

#[tokio::test]
async fn operations_that_begin_together_share_their_questions() {
    let devnet = devnet().await;
    let read_timeout = Duration::from_secs(1);
    let chain =
        Chain::new(ChainConfig { read_timeout, ..config(&devnet, &[devnet.grpc_endpoint()]) }).unwrap();
    let owner = owner(&chain);
    futures::future::join_all((1..=100).map(|dseq| submit(&chain, create(&chain, dseq)))).await;
    let before = Instant::now();
    let requests = devnet.request_count();
    let ids: Vec<_> = (1..=101).map(|dseq| deployment(&chain, dseq)).collect();
    let ask = |id| chain.deployment_since(id, Instant::now());
    let found = futures::future::join_all(ids[..100].iter().map(ask)).await;
    assert!(found.iter().all(|found| found.as_ref().unwrap().is_some()));
    let asked = devnet.request_count() - requests;
    assert!(asked <= 8, "two listings of four queries: {asked}");
    let first = chain.listing_since(&owner, before).await.unwrap();
    assert_eq!(devnet.request_count() - requests, asked, "it was taken after that");
    let second = chain.listing_since(&owner, Instant::now()).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second), "what was taken before does not count");
    assert!(chain.deployment_since(&ids[100], before).await.unwrap().is_none());

    // A failure is shared like an answer: those who wait for it do not wait one after the other.
    let down = devnet.faults().set(Fault::Unavailable { path: "Deployments".into() });
    let requests = devnet.request_count();
    let failed = futures::future::join_all(ids[..100].iter().map(ask)).await;
    assert!(failed.iter().all(Result::is_err));
    assert!(devnet.request_count() - requests <= 2 * 4 * 5, "two listings, each tried for a second");
    devnet.faults().clear(down);
    devnet.stop().await;
}

#[tokio::test]
async fn a_lost_broadcast_did_not_happen() {
    let config = DevnetConfig { ports: Ports::Free, blocks: Blocks::Manual, ..DevnetConfig::default() };
    let devnet = Devnet::start(config).await.unwrap();
    let noting = Noting::nothing();
    let chain = Chain::new(ChainConfig {
        endpoints: vec![devnet.grpc_endpoint().parse().unwrap()],
        account: Some(wallet(&devnet, 0).into()),
        journal: Some(noting.clone()),
        tx_timeout: Duration::from_secs(2),
        ..Default::default()
    })
    .unwrap();
    devnet.faults().times(Fault::LoseBroadcast, 1);
    let (result, ()) = futures::join!(submit(&chain, create(&chain, 1)), async {
        let pending = loop {
            if let Some(pending) = noting.seen().pop() {
                break pending;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::Open));
        let timeout = time::OffsetDateTime::from_unix_timestamp_nanos(pending.timeout.into()).unwrap();
        devnet.step_at(timeout);
        assert!(
            matches!(chain.fate(&pending).await.unwrap(), Fate::Open),
            "the block at the timeout could take it"
        );
        devnet.step_at(timeout + Duration::from_millis(1));
        assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::DidNotHappen));
    });
    assert!(matches!(result, Err(SubmitError::NotIncluded(_))), "{result:?}");
    devnet.stop().await;
}

/// A chain whose intents are noted.
fn noted(devnet: &Devnet, endpoints: &[String], tx_timeout: Duration, noting: &Arc<Noting>) -> Chain {
    let journal: Option<Arc<dyn Journal>> = Some(noting.clone());
    Chain::new(ChainConfig { tx_timeout, journal, ..config(devnet, endpoints) }).unwrap()
}

#[tokio::test]
async fn what_is_held_beyond_its_timeout_never_happens() {
    let devnet = devnet().await;
    let noting = Noting::nothing();
    let chain = noted(&devnet, &[devnet.grpc_endpoint()], Duration::from_secs(2), &noting);
    let owner = owner(&chain);
    let hold = devnet.faults().set(Fault::HoldTransactions);
    let result = submit(&chain, create(&chain, 1)).await;
    let Err(SubmitError::NotIncluded(pending)) = result else { panic!("{result:?}") };
    assert_eq!(noting.seen(), [*pending.clone()], "one transaction for one intent");
    devnet.faults().clear(hold);
    devnet.wait_blocks(3).await;
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::DidNotHappen));
    assert!(devnet.active_deployments(&owner).is_empty(), "it was told that it did not happen");
    submit(&chain, create(&chain, 1)).await.unwrap();
    assert_eq!((devnet.active_deployments(&owner), devnet.tx_count(&owner)), (vec![1], 1));
    devnet.stop().await;
}

#[tokio::test]
async fn what_is_late_is_waited_for_also_without_an_answer() {
    let devnet = devnet().await;
    let noting = Noting::nothing();
    let endpoints = [devnet.grpc_endpoint(), devnet.rest_endpoint()];
    let chain = noted(&devnet, &endpoints, Duration::from_secs(20), &noting);
    let owner = owner(&chain);
    let hold = devnet.faults().set(Fault::HoldTransactions);
    devnet.faults().times(Fault::DropAnswer { path: "BroadcastTx".into() }, 1);
    let (result, ()) = futures::join!(submit(&chain, create(&chain, 1)), async {
        devnet.wait_blocks(15).await;
        devnet.faults().clear(hold);
    });
    let outcome = result.unwrap();
    assert_eq!(noting.hashes(), [outcome.tx_hash], "one transaction for one intent");
    assert_eq!((devnet.active_deployments(&owner), devnet.tx_count(&owner)), (vec![1], 1));
    devnet.stop().await;
}

#[tokio::test]
async fn a_node_that_is_behind_proves_no_death() {
    let devnet = devnet().await;
    // From just before the broadcast on, and for longer than the timeout, the node does not show what is in the block.
    let faults = devnet.faults().clone();
    let noting = Noting::then(move || {
        faults.set(Fault::StaleHeight { blocks: 18 });
    });
    let chain = noted(&devnet, &[devnet.grpc_endpoint()], Duration::from_secs(2), &noting);
    let owner = owner(&chain);
    devnet.wait_blocks(20).await;
    let outcome = submit(&chain, create(&chain, 1)).await.unwrap();
    assert_eq!(noting.hashes(), [outcome.tx_hash], "one transaction for one intent");
    devnet.faults().clear_all();
    assert_eq!((devnet.active_deployments(&owner), devnet.tx_count(&owner)), (vec![1], 1));
    devnet.stop().await;
}

#[tokio::test]
async fn out_of_gas_at_delivery() {
    let devnet = devnet().await;
    let noting = Noting::nothing();
    let chain = noted(&devnet, &[devnet.grpc_endpoint()], Duration::from_secs(20), &noting);
    let owner = owner(&chain);
    devnet.faults().times(Fault::OutOfGas, 1);
    let outcomes = futures::future::join_all((1..=5).map(|dseq| submit(&chain, create(&chain, dseq)))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(devnet.active_deployments(&owner), [1, 2, 3, 4, 5]);
    assert_eq!(devnet.tx_count(&owner), 2, "one that ran out, and one with more gas");

    let all = devnet.faults().set(Fault::OutOfGas);
    let before = noting.seen().len();
    assert_eq!(refusal(submit(&chain, create(&chain, 6)).await).kind(), Kind::OutOfGas);
    assert_eq!(
        noting.seen().len() - before,
        4,
        "tried again a few times, each after the one before was dead"
    );
    devnet.faults().clear(all);
    devnet.wait_blocks(2).await;
    assert_eq!(devnet.active_deployments(&owner), [1, 2, 3, 4, 5]);
    submit(&chain, create(&chain, 6)).await.unwrap();
    devnet.stop().await;
}

#[tokio::test]
async fn fees_that_nobody_allows() {
    let devnet = devnet().await;
    let granter = granter(&devnet, 7);
    let payer = |endpoint: String| {
        let fee_granter = Some(granter.clone());
        Chain::new(ChainConfig { fee_granter, ..config(&devnet, &[endpoint]) }).unwrap()
    };
    let rest = devnet.rest_endpoint();
    for endpoint in [devnet.grpc_endpoint(), rest.clone(), devnet.rpc_endpoint(), format!("rest+{rest}")] {
        let chain = payer(endpoint);
        let error = refusal(submit(&chain, create(&chain, 1)).await);
        let expected = format!(
            "{granter} does not allow to pay fees for {}: fee-grant not found: not found",
            owner(&chain)
        );
        assert_eq!((error.kind(), error.text), (Kind::FeeGrantNotFound, expected));
    }
    let chain = payer(devnet.grpc_endpoint());
    let grant = |limit: Option<&str>| {
        let (granter, grantee) = (granter.clone(), owner(&chain));
        devnet.operate(&Operator::GrantFees { granter, grantee, limit: limit.map(str::to_owned) });
    };
    grant(Some("1"));
    let error = refusal(submit(&chain, create(&chain, 1)).await);
    assert_eq!(error.kind(), Kind::FeeGrantUsedUp);
    assert!(error.text.starts_with(&granter) && error.text.is_ascii(), "{error}");
    grant(None);
    submit(&chain, create(&chain, 1)).await.unwrap();
    devnet.stop().await;
}

#[tokio::test]
async fn a_deposit_by_grants_is_found_by_its_lines() {
    let devnet = devnet().await;
    let noting = Noting::nothing();
    let chain = noted(&devnet, &[devnet.grpc_endpoint()], Duration::from_secs(2), &noting);
    submit(&chain, create(&chain, 1)).await.unwrap();
    for index in [7, 8] {
        let (granter, grantee) = (granter(&devnet, index), owner(&chain));
        let (denom, limit) = ("uact".to_owned(), "300000".to_owned());
        devnet.operate(&Operator::GrantDeposit { granter, grantee, denom, limit });
    }
    let xid = deployment(&chain, 1).to_string();
    let sources = vec![Source::Grant.into()];
    let message = |amount: u128| MsgAccountDeposit {
        signer: owner(&chain),
        id: Some(escrow_id::Account { scope: escrow_id::Scope::Deployment.into(), xid: xid.clone() }),
        deposit: Some(Deposit { amount: Some(Coin::new(amount, "uact").into()), sources: sources.clone() }),
    };
    let outcome = submit(&chain, message(500_000)).await.unwrap();
    let mut pending = noting.seen().pop().unwrap();
    devnet.wait_blocks(15).await;
    let fate = chain.fate_by_effect(&pending).await.unwrap();
    assert!(
        matches!(&fate, Fate::Included(found) if found.by_effect && found.height == outcome.height),
        "{fate:?}"
    );
    // Another amount is not this deposit.
    pending.message = message(400_000).into();
    assert!(matches!(chain.fate_by_effect(&pending).await.unwrap(), Fate::Open));
    devnet.stop().await;
}

/// A wallet that has never received anything lacks both coins, or AKT alone where no deposit is paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_is_not_on_chain_lacks_each_coin() {
    let devnet = devnet().await;
    let new = Wallet::from_mnemonic(&SecretString::from(devnet.mnemonic()), 9).unwrap();
    let endpoints = [devnet.grpc_endpoint()];
    let chain = Chain::new(ChainConfig { account: Some(new.into()), ..config(&devnet, &endpoints) }).unwrap();
    let lacks = async |message: Msg| match submit(&chain, message).await {
        Err(SubmitError::Funds(short)) => short.into_iter().map(|one| one.denom).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(lacks(create(&chain, 7)).await, ["uact", "uakt"]);
    assert_eq!(lacks(MsgCloseDeployment { id: id(&chain, 7) }.into()).await, ["uakt"]);
    devnet.stop().await;
}
