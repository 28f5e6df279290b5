//! The devnet against `testdata/recordings.json`: the recorded transactions, byte for byte as a real client signed them, on a
//! chain at the recorded heights, must give the recorded codes, texts, events, states and query answers.

use std::collections::BTreeMap;

use akash_proto::{
    Any, Dec, Message as _,
    akash::{
        base::deposit::v1::{Deposit, Source},
        cert::v1::{MsgCreateCertificate, QueryCertificatesResponse},
        deployment::{
            v1::{DeploymentId, GroupId},
            v1beta4::{
                MsgCloseDeployment, MsgCreateDeployment, MsgPauseGroup, MsgStartGroup,
                QueryDeploymentResponse, QueryDeploymentsResponse,
            },
        },
        market::{
            v1::BidId,
            v1beta5::{MsgCreateBid, MsgCreateLease, QueryBidsResponse},
        },
        provider::v1beta4::QueryProviderResponse,
    },
    any,
    cosmos::base::v1beta1::{Coin, DecCoin},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    Faults, Ordering, Wallet,
    chain::{operator::Operator, state::State},
    node::{Node, TxRecord},
    server::route::route,
    sign_transaction,
};

fn recordings() -> Value {
    serde_json::from_str(include_str!("../../../testdata/recordings.json")).unwrap()
}

fn named<'r>(list: &'r Value, name: &str) -> &'r Value {
    list.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// A chain like the recorded one, under the recorded accounts.
struct Recorded {
    json: Value,
    node: Node,
    tenant: Wallet,
    provider: Wallet,
}

const START: u64 = 2_706;
/// Block time of [`START`], ns: the first recorded transaction's timeout less a minute.
const START_TIME: i128 = 1_795_237_943_653_063_657;

impl Recorded {
    /// At the height before the first recorded deployment of 1348.
    fn new() -> Self {
        let json = recordings();
        let wallet = |name: &str| {
            Wallet::from_mnemonic(json["wallets"][name]["mnemonic"].as_str().unwrap(), 0).unwrap()
        };
        let (tenant, provider) = (wallet("tenant"), wallet("provider"));
        for (name, wallet) in [("tenant", &tenant), ("provider", &provider)] {
            assert_eq!(json["wallets"][name]["address"], wallet.address());
        }
        let mut state = State::new("local", at(1_347));
        state.height = 1_347;
        let fund = |address: &str, denom: &str| Operator::Fund {
            address: address.to_owned(),
            denom: denom.to_owned(),
            amount: "1000000000000".to_owned(),
        };
        // Account numbers count up: validator 0, tenant 1, provider 2.
        for address in
            [crate::wallet::module_address("validator").as_str(), tenant.address(), provider.address()]
        {
            state.operate(&fund(address, "uakt"));
            state.operate(&fund(address, "uact"));
        }
        state.accounts.get_mut(tenant.address()).unwrap().sequence = 18;
        let recorded = named(&json["queries"], "provider");
        let answer = QueryProviderResponse::decode(base64(&recorded["response_b64"]).as_slice()).unwrap();
        let on_chain = answer.provider.unwrap();
        state.operate(&Operator::Provider {
            owner: on_chain.owner,
            host_uri: on_chain.host_uri,
            attributes: on_chain.attributes.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        });
        let node = Node::new(state, Faults::default(), None);
        Self { json, node, tenant, provider }
    }

    fn signed(&self, name: &str) -> Vec<u8> {
        base64(&named(&self.json["signing"], name)["tx_raw_b64"])
    }

    /// Moves the chain on until the next block is `height`.
    fn before(&self, height: u64) {
        while self.node.state().height + 1 < height {
            let next = self.node.state().height + 1;
            self.node.produce(at(next));
        }
    }

    /// Sends a transaction and makes the block of `height` with it.
    fn deliver(&self, height: u64, bytes: &[u8]) -> TxRecord {
        self.before(height);
        let checked = self.node.broadcast(bytes);
        assert_eq!((checked.code, checked.raw_log.as_str()), (0, ""));
        self.include(height, bytes)
    }

    fn include(&self, height: u64, bytes: &[u8]) -> TxRecord {
        let block = self.node.produce(at(height));
        assert_eq!(block.height, height);
        let hash = crate::node::tx_hash(bytes);
        block.txs.iter().find(|tx| tx.hash == hash).unwrap().as_ref().clone()
    }

    fn sign(&self, wallet: &Wallet, messages: Vec<Any>, gas: u64) -> Vec<u8> {
        let state = self.node.state();
        let jitter = i64::from(rand::random::<u32>() >> 2);
        let timeout = state.time + time::Duration::MINUTE + time::Duration::nanoseconds(jitter);
        let fee = vec![Coin { denom: "uakt".to_owned(), amount: (gas / 40).to_string() }];
        sign_transaction(wallet, &state, messages, Ordering::Unordered(timeout), gas, fee)
    }

    /// The provider bids at `height`, with the offer of the recorded bid.
    fn bid(&self, height: u64, dseq: u64, oseq: u32, price: &str) -> TxRecord {
        let recorded = named(&self.json["queries"], "open bids of one deployment");
        let bids = QueryBidsResponse::decode(base64(&recorded["response_b64"]).as_slice()).unwrap();
        let bid = bids.bids.into_iter().next().unwrap().bid.unwrap();
        let price: Dec = price.parse().unwrap();
        let message = MsgCreateBid {
            id: Some(BidId { dseq, oseq, ..bid.id.unwrap() }),
            price: Some(DecCoin { denom: "uact".to_owned(), amount: price.to_wire() }),
            deposit: Some(deposit()),
            resources_offer: bid.resources_offer,
            reclamation_window: None,
        };
        let bytes = self.sign(&self.provider, vec![any(&message)], 400_000);
        let record = self.deliver(height, &bytes);
        assert_eq!(record.result.raw_log, "");
        record
    }

    /// Runs a recorded transaction: simulated now, delivered at `height`.
    fn transaction(&self, height: u64, name: &str, bytes: &[u8]) {
        self.before(height);
        let simulated = self.node.simulate(bytes).unwrap();
        self.transaction_simulated(height, name, bytes, simulated.gas_used);
    }

    fn transaction_simulated(&self, height: u64, name: &str, bytes: &[u8], simulated: u64) {
        let recorded = named(&self.json["transactions"], name);
        let record = self.deliver(height, bytes);
        assert_eq!(record.result.raw_log, "", "{name}");
        close_to(name, simulated, &recorded["simulated_gas"]);
        close_to(name, record.result.gas_used, &recorded["deliver"]["gas_used"]);
        assert_eq!(hex::encode_upper(&record.result.data), recorded["deliver"]["data_hex"], "{name}");
        let own_signature = bytes != self.recorded_bytes(name).unwrap_or_default();
        assert_eq!(events(&record), recorded_events(recorded, &record, own_signature), "{name}");
    }

    fn recorded_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let signing = self.json["signing"].as_array().unwrap();
        signing.iter().find(|entry| entry["name"] == name).map(|entry| base64(&entry["tx_raw_b64"]))
    }

    /// Runs a recorded refusal: the same stage, codespace, code and text.
    fn rejection(&self, name: &str, bytes: &[u8]) {
        let recorded = named(&self.json["rejections"], name);
        match (self.node.simulate(bytes), recorded["simulate_error"]["message"].as_str()) {
            (Err(told), Some(message)) => assert_eq!(without_gas(&told), without_gas(message), "{name}"),
            (Ok(simulated), None) => close_to(name, simulated.gas_used, &recorded["simulated_gas"]),
            (told, message) => panic!("{name}: {told:?}, recorded {message:?}"),
        }
        let checked = self.node.broadcast(bytes);
        let expected = &recorded["check_tx"];
        assert_eq!(
            (checked.codespace.as_str(), u64::from(checked.code), checked.raw_log.as_str()),
            (
                expected["codespace"].as_str().unwrap(),
                expected["code"].as_u64().unwrap(),
                expected["raw_log"].as_str().unwrap()
            ),
            "{name}"
        );
        let Some(expected) = recorded.get("deliver") else {
            assert_ne!(checked.code, 0, "{name}");
            return;
        };
        let height = self.node.state().height + 1;
        let record = self.include(height, bytes);
        assert_eq!(record.result.codespace, expected["codespace"], "{name}");
        assert_eq!(u64::from(record.result.code), expected["code"], "{name}");
        assert_eq!(
            without_gas(&record.result.raw_log),
            without_gas(expected["raw_log"].as_str().unwrap()),
            "{name}"
        );
        close_to(name, record.result.gas_used, &expected["gas_used"]);
        let own_signature = self.recorded_bytes(name).is_none_or(|recorded| recorded != bytes);
        assert_eq!(events(&record), recorded_events(recorded, &record, own_signature), "{name}");
    }

    /// The recorded states after a step.
    fn states(&self, name: &str, dseq: u64) {
        let recorded = named(&self.json["states"], name);
        let state = self.node.state();
        let owner = self.tenant.address();
        assert_eq!(i64::from(state.deployment(owner, dseq).unwrap().state), recorded["deployment"], "{name}");
        let groups: Vec<i32> = state.groups_of(owner, dseq).map(|group| group.state).collect();
        assert_eq!(serde_json::json!(groups), recorded["groups"], "{name}");
        let leases = state.deployment_leases(owner, dseq);
        let leases: Vec<_> =
            leases.map(|lease| (lease.id.as_ref().unwrap().oseq, lease.state, lease.reason)).collect();
        assert_eq!(serde_json::json!(leases), recorded["leases"], "{name}");
        let group = GroupId { owner: owner.to_owned(), dseq, gseq: 1 };
        let orders: Vec<_> =
            state.orders_of(&group).map(|order| (order.id.as_ref().unwrap().oseq, order.state)).collect();
        assert_eq!(serde_json::json!(orders), recorded["orders"], "{name}");
        let account = state.deployment_escrow(owner, dseq).unwrap();
        let expected = &recorded["escrow"]["state"];
        let coins = |list: &[DecCoin]| -> Vec<Value> {
            list.iter()
                .map(|coin| serde_json::json!({ "denom": coin.denom, "amount": coin.amount }))
                .collect()
        };
        assert_eq!(account.state().as_str_name(), expected["state"], "{name}");
        assert_eq!(Value::from(coins(&account.transferred)), expected["transferred"], "{name}");
        assert_eq!(account.settled_at.to_string(), expected["settled_at"], "{name}");
        let funds: Vec<_> = account
            .funds
            .iter()
            .map(|funds| serde_json::json!({ "denom": funds.denom, "amount": funds.amount }))
            .collect();
        assert_eq!(Value::from(funds), expected["funds"], "{name}");
        let deposits: Vec<_> = account
            .deposits
            .iter()
            .map(|deposit| {
                serde_json::json!({
                    "owner": deposit.owner, "height": deposit.height.to_string(),
                    "source": deposit.source().as_str_name(),
                    "balance": coins(std::slice::from_ref(deposit.balance.as_ref().unwrap()))[0],
                })
            })
            .collect();
        let none = Value::Array(Vec::new());
        assert_eq!(&Value::from(deposits), expected.get("deposits").unwrap_or(&none), "{name}");
    }

    /// A recorded query gives the recorded answer, byte for byte, or the recorded error.
    fn query(&self, name: &str) {
        let (recorded, answer) = self.ask(name);
        match answer {
            Ok(bytes) => assert_eq!(bytes, base64(&recorded["response_b64"]), "{name}"),
            Err((code, message)) => {
                assert_eq!(recorded["error"]["message"], message, "{name}");
                assert_eq!(recorded["error"]["grpc_code"], code, "{name}");
            }
        }
    }

    fn ask(&self, name: &str) -> (&Value, Result<Vec<u8>, (String, String)>) {
        let recorded = named(&self.json["queries"], name);
        let path = recorded["path"].as_str().unwrap().trim_start_matches('/');
        let answer = route(&self.node, path, &base64(&recorded["request_b64"]), None);
        let upper = |code: tonic::Code| match code {
            tonic::Code::NotFound => "NOT_FOUND".to_owned(),
            tonic::Code::InvalidArgument => "INVALID_ARGUMENT".to_owned(),
            other => format!("{other:?}").to_uppercase(),
        };
        (recorded, answer.map(|answer| answer.bytes).map_err(|error| (upper(error.code), error.message)))
    }
}

/// The block time of a height: a second a block.
fn at(height: u64) -> OffsetDateTime {
    let nanos = START_TIME + (i128::from(height) - i128::from(START)) * 1_000_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap()
}

fn deposit() -> Deposit {
    let amount = Coin { denom: "uact".to_owned(), amount: "500000".to_owned() };
    Deposit { amount: Some(amount), sources: vec![Source::Balance.into()] }
}

/// Gas is a model: within a fifth of the recorded figure.
fn close_to(name: &str, gas: u64, recorded: &Value) {
    let recorded = recorded.as_u64().unwrap();
    let bound = recorded / 5;
    assert!(gas.abs_diff(recorded) <= bound, "{name}: gas {gas}, recorded {recorded}");
}

/// Texts with their gas figures blanked.
fn without_gas(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    for mark in ["gas used: '", "gasUsed: "] {
        if let Some((before, after)) = rest.split_once(mark) {
            out = format!("{out}{before}{mark}");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    out + rest
}

type Events = Vec<(String, BTreeMap<String, String>)>;

fn events(record: &TxRecord) -> Events {
    let event = |event: &crate::chain::events::Event| {
        (event.kind.clone(), event.attributes.iter().cloned().collect::<BTreeMap<_, _>>())
    };
    record.result.events.iter().map(event).collect()
}

/// The recorded events; with the delivered signature where the transaction was signed anew.
fn recorded_events(recorded: &Value, delivered: &TxRecord, own_signature: bool) -> Events {
    let mut list: Events = recorded["deliver"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let attributes = event["attributes"].as_object().unwrap().iter();
            let attributes = attributes.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
            (event["type"].as_str().unwrap().to_owned(), attributes.collect())
        })
        .collect();
    if own_signature {
        for ((_, recorded), (_, delivered)) in list.iter_mut().zip(events(delivered)) {
            if let (Some(recorded), Some(delivered)) =
                (recorded.get_mut("signature"), delivered.get("signature"))
            {
                recorded.clone_from(delivered);
            }
        }
    }
    list
}

fn create(owner: &str, dseq: u64, recorded: &[u8]) -> MsgCreateDeployment {
    let tx = crate::chain::ante::Tx::decode(recorded).unwrap();
    let message = MsgCreateDeployment::decode(tx.body.messages[0].value.as_slice()).unwrap();
    MsgCreateDeployment { id: Some(DeploymentId { owner: owner.to_owned(), dseq }), ..message }
}

const DSEQ: u64 = 1_795_237_943_001;

/// The whole recorded session, in its order.
#[test]
fn the_recorded_session() {
    let chain = Recorded::new();
    let owner = chain.tenant.address().to_owned();
    let first = chain.signed("create deployment (unordered)");

    // Two older deployments and the provider's certificate, which some recorded answers show.
    for (height, dseq) in [(1_348, 5), (1_678, 31)] {
        chain.before(height);
        let bytes = chain.sign(&chain.tenant, vec![any(&create(&owner, dseq, &first))], 400_000);
        assert_eq!(chain.deliver(height, &bytes).result.code, 0);
    }
    let certificates = named(&chain.json["queries"], "certificates");
    let certificates =
        QueryCertificatesResponse::decode(base64(&certificates["response_b64"]).as_slice()).unwrap();
    let certificate = certificates.certificates[0].certificate.clone().unwrap();
    let message = MsgCreateCertificate {
        owner: chain.provider.address().to_owned(),
        cert: certificate.cert,
        pubkey: certificate.pubkey,
    };
    chain.before(2_000);
    let bytes = chain.sign(&chain.provider, vec![any(&message)], 400_000);
    assert_eq!(chain.deliver(2_000, &bytes).result.raw_log, "");

    chain.transaction(2_706, "create deployment (unordered)", &first);
    let bid = chain.bid(2_707, DSEQ, 1, "99.349971");
    close_to("bid", bid.result.gas_used, &Value::from(124_000));
    for query in ["open bids of one deployment", "orders", "one bid", "deployment not found", "group"] {
        chain.query(query);
    }
    chain.transaction(2_708, "create lease (ordered)", &chain.signed("create lease (ordered)"));
    for query in
        ["deployment", "leases", "deployments bad state", "deployment params", "market params", "providers"]
    {
        chain.query(query);
    }
    for query in ["provider", "certificates", "bme params", "bme status", "account", "node config"] {
        chain.query(query);
    }

    // Heights of the refusals do not matter; their timeouts must lie within ten minutes.
    for name in [
        "dseq used again",
        "deposit too low",
        "deposit in uakt",
        "deposit above balance",
        "dseq zero",
        "gas too low",
        "fee too low",
        "wrong chain id",
        "hash of the wrong length",
        "price denom differs from deposit denom",
        "uakt price and uakt deposit",
        "cpu above the limit",
        "update with the same hash",
        "update unknown deployment",
        "lease of an order already leased",
        "lease of an unknown bid",
        "one bad message among three",
        "close unknown deployment",
        "lease deposit on unknown account",
    ] {
        chain.rejection(name, &chain.signed(name));
    }
    sequences_and_nonces(&chain);

    chain.transaction(
        2_727,
        "three deployments in one transaction",
        &chain.signed("three deployments in one transaction"),
    );
    chain.transaction(2_728, "deposit into escrow", &chain.signed("deposit into escrow"));
    chain.states("states with an active lease", DSEQ);
    chain.transaction(2_729, "update deployment hash", &chain.signed("update deployment hash"));
    let closes = "provider closes the lease (MsgCloseBid)";
    chain.transaction(2_736, closes, &chain.signed(closes));
    chain.states("states after the provider closed the lease", DSEQ);
    chain.transaction(2_737, "start the paused group", &chain.signed("start the paused group"));
    chain.states("states after the group started again", DSEQ);
    chain.bid(2_738, DSEQ, 2, "114.845428");
    let again = "lease again on the same deployment";
    chain.transaction(2_739, again, &chain.signed(again));
    chain.states("states after the second lease", DSEQ);

    // What is simulated before other transactions of the same block costs more when delivered.
    let bytes = chain.signed("tenant closes the lease");
    let simulated = chain.node.simulate(&bytes).unwrap().gas_used;
    chain.transaction_simulated(2_740, "tenant closes the lease", &bytes, simulated);
    chain.states("states after the tenant closed the lease", DSEQ);
    let bytes = chain.signed("close deployment");
    let simulated = chain.node.simulate(&bytes).unwrap().gas_used;
    close_deployment_with_a_late_bid(&chain, &bytes, simulated);
    chain.states("states after close", DSEQ);
    chain.rejection("close again", &chain.signed("close again"));
    chain.rejection("update a closed deployment", &chain.signed("update a closed deployment"));
    for dseq in [1_795_237_943_020, 1_795_237_943_021, 1_795_237_943_022] {
        chain.bid(chain.node.state().height + 1, dseq, 1, "100");
    }
    let many = "close many in one transaction";
    chain.transaction(chain.node.state().height + 1, many, &chain.signed(many));

    pause_and_start(&chain, &first);
}

/// The bid on the third order comes in the block of the close, before it.
fn close_deployment_with_a_late_bid(chain: &Recorded, close: &[u8], simulated: u64) {
    let recorded = named(&chain.json["queries"], "open bids of one deployment");
    let bids = QueryBidsResponse::decode(base64(&recorded["response_b64"]).as_slice()).unwrap();
    let bid = bids.bids.into_iter().next().unwrap().bid.unwrap();
    let message = MsgCreateBid {
        id: Some(BidId { dseq: DSEQ, oseq: 3, ..bid.id.unwrap() }),
        price: bid.price,
        deposit: Some(deposit()),
        resources_offer: bid.resources_offer,
        reclamation_window: None,
    };
    let bytes = chain.sign(&chain.provider, vec![any(&message)], 400_000);
    assert_eq!(chain.node.broadcast(&bytes).code, 0);
    chain.transaction_simulated(2_741, "close deployment", close, simulated);
}

fn sequences_and_nonces(chain: &Recorded) {
    let state = chain.node.state();
    let fee = vec![Coin { denom: "uakt".to_owned(), amount: "10000".to_owned() }];
    let message = any(&MsgCloseDeployment {
        id: Some(DeploymentId { owner: chain.tenant.address().to_owned(), dseq: 7 }),
    });
    let signed =
        |order| sign_transaction(&chain.tenant, &state, vec![message.clone()], order, 400_000, fee.clone());
    let check = |name: &str, bytes: &[u8], timeout: Option<OffsetDateTime>| {
        let expected = &named(&chain.json["rejections"], name)["check_tx"];
        let checked = chain.node.broadcast(bytes);
        assert_eq!(checked.codespace, expected["codespace"], "{name}");
        assert_eq!(u64::from(checked.code), expected["code"], "{name}");
        let text = expected["raw_log"].as_str().unwrap();
        let text = match timeout {
            Some(timeout) => text.replace("1795238023119453993", &timeout.unix_timestamp_nanos().to_string()),
            None => text.to_owned(),
        };
        assert_eq!(checked.raw_log, text, "{name}");
    };
    check("wrong account sequence", &signed(Ordering::Sequence(99_999)), None);
    let included = chain.signed("create deployment (unordered)");
    check("same unordered tx sent again after inclusion", &included, None);
    let used = OffsetDateTime::from_unix_timestamp_nanos(1_795_238_003_653_063_657).unwrap();
    check("another unordered tx with a timeout already used", &signed(Ordering::Unordered(used)), Some(used));
    let far = state.time + time::Duration::minutes(11);
    check("unordered timeout over ten minutes away", &signed(Ordering::Unordered(far)), None);
    let past = chain.node.broadcast(&signed(Ordering::Unordered(state.time - time::Duration::SECOND)));
    assert_eq!((past.codespace.as_str(), past.code), ("sdk", 42));
}

/// The second recorded session: pause and start with leases. Its transactions were not recorded in bytes.
fn pause_and_start(chain: &Recorded, first: &[u8]) {
    const DSEQ: u64 = 1_795_239_624_001;
    let owner = chain.tenant.address().to_owned();
    let group = Some(GroupId { owner: owner.clone(), dseq: DSEQ, gseq: 1 });
    let bid = |oseq| BidId {
        owner: owner.clone(),
        dseq: DSEQ,
        gseq: 1,
        oseq,
        provider: chain.provider.address().to_owned(),
        bseq: 0,
    };
    let tenant = |messages: Vec<Any>, gas| chain.sign(&chain.tenant, messages, gas);
    chain.before(4_033);
    chain.transaction(
        4_033,
        "pause/start: create",
        &tenant(vec![any(&create(&owner, DSEQ, first))], 400_000),
    );
    chain.bid(4_034, DSEQ, 1, "50.193629");
    let lease = |oseq| vec![any(&MsgCreateLease { bid_id: Some(bid(oseq)) })];
    chain.transaction(4_035, "pause/start: lease", &tenant(lease(1), 400_000));
    chain.states("pause/start: states leased", DSEQ);
    let pause = MsgPauseGroup { id: group.clone() };
    chain.transaction(4_036, "pause/start: pause group", &tenant(vec![any(&pause)], 600_000));
    chain.states("pause/start: states paused", DSEQ);
    chain.rejection("pause/start: pause again", &tenant(vec![any(&pause)], 400_000));
    chain.states("pause/start: states paused, later", DSEQ);
    let start = MsgStartGroup { id: group };
    chain.transaction(4_041, "pause/start: start", &tenant(vec![any(&start)], 400_000));
    chain.rejection("pause/start: start again", &tenant(vec![any(&start)], 400_000));
    chain.bid(4_043, DSEQ, 2, "49.823919");
    chain.transaction(4_044, "pause/start: lease 2", &tenant(lease(2), 400_000));
    chain.states("pause/start: states leased again", DSEQ);
    let close = MsgCloseDeployment { id: Some(DeploymentId { owner: owner.clone(), dseq: DSEQ }) };
    let both = tenant(vec![any(&pause), any(&close)], 1_200_000);
    chain.transaction(4_045, "pause/start: pause and close in one transaction", &both);
    chain.states("pause/start: states closed", DSEQ);
}

/// Pages: the rows are the recorded ones; the key is opaque, and resuming with it gives the rest.
#[test]
fn pages() {
    let chain = Recorded::new();
    let owner = chain.tenant.address().to_owned();
    let first = chain.signed("create deployment (unordered)");
    for (height, dseq) in [(1_348, 5), (1_678, 31), (1_679, 900)] {
        chain.before(height);
        let bytes = chain.sign(&chain.tenant, vec![any(&create(&owner, dseq, &first))], 400_000);
        assert_eq!(chain.deliver(height, &bytes).result.code, 0);
    }
    let (recorded, answer) = chain.ask("deployments page 1");
    let expected = QueryDeploymentsResponse::decode(base64(&recorded["response_b64"]).as_slice()).unwrap();
    let answer = QueryDeploymentsResponse::decode(answer.unwrap().as_slice()).unwrap();
    assert_eq!(answer.deployments, expected.deployments);
    let page = answer.pagination.unwrap();
    assert_eq!(page.total, expected.pagination.unwrap().total);
    assert!(!page.next_key.is_empty());

    let mut request = akash_proto::akash::deployment::v1beta4::QueryDeploymentsRequest::decode(
        base64(&recorded["request_b64"]).as_slice(),
    )
    .unwrap();
    request.pagination.as_mut().unwrap().key = page.next_key;
    let path = recorded["path"].as_str().unwrap().trim_start_matches('/');
    let rest = route(&chain.node, path, &request.encode_to_vec(), None).unwrap();
    let rest = QueryDeploymentsResponse::decode(rest.bytes.as_slice()).unwrap();
    let dseq = |row: &QueryDeploymentResponse| row.deployment.as_ref().unwrap().id.as_ref().unwrap().dseq;
    assert_eq!(rest.deployments.iter().map(dseq).collect::<Vec<_>>(), [900]);
    assert!(rest.pagination.unwrap().next_key.is_empty());
}
