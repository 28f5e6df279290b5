//! Tests of queries, submission and fates against the mock node.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use akash_proto::{
    Coin,
    akash::{
        base::deposit::v1::{Deposit, Source},
        deployment::v1beta4::{MsgCreateDeployment, MsgUpdateDeployment},
    },
    id::DeploymentId,
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    Chain, ChainConfig, Conclusion, Fate, Intent, Journal, Kind, Labelled, Msg, OpenReason, Outcome, Pending,
    QueryError, Stage, SubmitError, Wallet,
    chain::Patience,
    mock::{Broadcast, Mock},
};

const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn config(endpoints: &[String]) -> ChainConfig {
    ChainConfig {
        endpoints: endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect(),
        chain_id: Some("mock-1".into()),
        account: Some(wallet().into()),
        tx_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(1),
        ..Default::default()
    }
}

fn chain_of(config: ChainConfig) -> Chain {
    let [grace, after_timeout, hedge] = [100, 300, 200].map(Duration::from_millis);
    let patience = Patience { grace, after_timeout, hedge };
    Chain::with_patience(config, patience).unwrap()
}

async fn start() -> (Mock, Chain) {
    let mock = Mock::start().await;
    let chain = chain_of(config(&[mock.grpc()]));
    (mock, chain)
}

/// One for all tests: deriving it is slow without optimisation.
fn wallet() -> Wallet {
    static WALLET: LazyLock<Wallet> =
        LazyLock::new(|| Wallet::from_mnemonic(&SecretString::from(WORDS), 0).unwrap());
    WALLET.clone()
}

fn owner() -> String {
    wallet().address().to_owned()
}

fn id(dseq: u64) -> DeploymentId {
    DeploymentId::new(wallet().address(), dseq).unwrap()
}

fn create(dseq: u64) -> Msg {
    let deposit =
        Deposit { amount: Some(Coin::new(500_000, "uact").into()), sources: vec![Source::Balance.into()] };
    let id = Some((&id(dseq)).into());
    MsgCreateDeployment { id, hash: vec![1; 32], deposit: Some(deposit), ..Default::default() }.into()
}

async fn submit(chain: &Chain, message: Msg) -> Result<Outcome, SubmitError> {
    chain.submit(message, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_message_goes_into_a_block() {
    let mock = Mock::start().await;
    let journal = Arc::new(Remembering { node: Some(mock.clone()), ..Remembering::default() });
    let chain = chain_of(ChainConfig { journal: Some(journal.clone()), ..config(&[mock.grpc()]) });
    let labelled = Labelled::from(create(1)).named(Some("web")).because(Some("a test"));
    let outcome = chain.submit(labelled, &CancellationToken::new()).await.unwrap();
    let seen = journal.intents.lock().unwrap().clone();
    let [(Intent { chain_id, label, pending }, broadcasts)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((Some(&outcome.tx_hash), *broadcasts), (pending.tx_hash.as_ref(), 0), "before it was sent");
    assert_eq!(chain_id, "mock-1");
    assert_eq!((label.name.as_deref(), label.reason.as_deref()), (Some("web"), Some("a test")));
    assert_eq!(
        (outcome.height, outcome.messages, outcome.message_index, outcome.by_effect),
        (101, 1, 0, false)
    );
    assert_eq!(outcome.time, mock.world().time);
    {
        let world = mock.world();
        let (body, auth) = &world.broadcasts[0];
        assert!(body.unordered);
        assert_eq!(auth.signer_infos[0].sequence, 0);
        let gas = 130_000 * 130 / 100 + 5_000;
        assert_eq!(auth.fee.as_ref().unwrap().gas_limit, gas);
        assert_eq!(outcome.fee, Coin::new(u128::from(gas) / 40, "uakt"));
    }
    // As the provider keeps it: through JSON and back, in another process.
    let json = serde_json::to_string(pending).unwrap();
    let later = chain_of(config(&[mock.http()])).fate(&serde_json::from_str(&json).unwrap()).await.unwrap();
    assert!(
        matches!(later, Fate::Included(later) if later.height == outcome.height && later.fee == outcome.fee)
    );
}

#[tokio::test]
async fn messages_at_the_same_time_share_a_transaction() {
    let (mock, chain) = start().await;
    let outcomes = futures::future::join_all((0..40).map(|dseq| submit(&chain, create(dseq + 1)))).await;
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let outcome = outcome.unwrap();
        assert_eq!((outcome.messages, outcome.message_index as usize), (40, index));
        assert_eq!(outcome.events.len(), 1, "only the message's own");
    }
    assert_eq!(mock.world().broadcasts.len(), 1);
    submit(&chain, create(99)).await.unwrap();
    assert_eq!(mock.world().count("/Account"), 1, "the account's number is asked for once");
}

#[tokio::test]
async fn a_batch_is_bounded_by_the_blocks_gas() {
    let (mock, chain) = start().await;
    mock.world().max_gas = 1_300_000;
    let outcomes = futures::future::join_all((0..20).map(|dseq| submit(&chain, create(dseq + 1)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    {
        let world = mock.world();
        assert!(world.broadcasts.iter().all(|(_, auth)| auth.fee.as_ref().unwrap().gas_limit <= 1_300_000));
        assert_eq!(world.deployments.len(), 20);
        assert!(world.broadcasts.len() <= 3, "{}", world.broadcasts.len());
    }
    mock.world().max_gas = 100_000;
    let error = submit(&chain_of(config(&[mock.grpc()])), create(50)).await.unwrap_err();
    assert!(matches!(error, SubmitError::TooLarge { max_gas: 100_000, .. }), "{error}");
}

#[tokio::test]
async fn a_refused_message_fails_alone() {
    let (mock, chain) = start().await;
    mock.world().bad = vec![3, 5];
    let delivered = "failed to execute message; message index: 1: Deployment closed";
    mock.world().script = [Broadcast::FailDelivery("deployment", 5, delivered)].into();
    let outcomes = futures::future::join_all((1..=6).map(|dseq| submit(&chain, create(dseq)))).await;
    let kinds: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(_) => None,
            Err(SubmitError::Refused(refusal)) => Some((refusal.stage, refusal.error.kind())),
            Err(error) => panic!("{error}"),
        })
        .collect();
    let exists = Some((Stage::Simulate, Kind::DeploymentExists));
    let closed = Some((Stage::Deliver, Kind::DeploymentClosed));
    // Of 1, 2, 4, 6 the second was refused in the block.
    assert_eq!(kinds, [None, closed, exists, None, exists, None]);
    assert_eq!(mock.world().deployments.keys().copied().collect::<Vec<_>>(), [1, 4, 6]);
    assert_eq!(mock.world().broadcasts.len(), 2);
}

#[tokio::test]
async fn out_of_gas_is_sent_again_with_more() {
    let (mock, chain) = start().await;
    let log = "out of gas in location: ReadFlat; gasWanted: 1, gasUsed: 2: out of gas";
    mock.world().script = [Broadcast::FailDelivery("sdk", 11, log)].into();
    submit(&chain, create(1)).await.unwrap();
    let gas: Vec<_> =
        mock.world().broadcasts.iter().map(|(_, auth)| auth.fee.as_ref().unwrap().gas_limit).collect();
    assert!(matches!(gas.as_slice(), [first, second] if *second > *first * 14 / 10), "{gas:?}");
    mock.world().script = std::iter::repeat_n(Broadcast::FailDelivery("sdk", 11, log), 9).collect();
    let error = submit(&chain, create(2)).await.unwrap_err();
    assert!(matches!(error, SubmitError::Refused(refusal) if refusal.error.kind() == Kind::OutOfGas));
    assert_eq!(mock.world().broadcasts.len(), 6, "bounded");
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let (mock, chain) = start().await;
    mock.world().script = [Broadcast::LoseAnswer].into();
    let outcome = submit(&chain, create(1)).await.unwrap();
    assert!(!outcome.by_effect);
    assert_eq!(mock.world().txs.len(), 1);
    // Lost before the node took it: the same bytes are handed over again, never another transaction.
    mock.world().script = [Broadcast::LoseAll].into();
    submit(&chain, create(2)).await.unwrap();
    let hashes =
        mock.world().broadcasts.iter().skip(1).map(|(body, _)| body.timeout_timestamp).collect::<Vec<_>>();
    assert!(hashes.len() > 1 && hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
}

#[tokio::test]
async fn what_cannot_happen_any_more_did_not() {
    let (mock, chain) = start().await;
    mock.world().script = [Broadcast::Hold].into();
    let moving = mock.clone();
    let clock = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let mut world = moving.world();
        world.height += 5;
        world.time += Duration::from_secs(5);
    });
    let error = submit(&chain, create(1)).await.unwrap_err();
    clock.await.unwrap();
    let SubmitError::NotIncluded(pending) = error else { panic!("{error}") };
    assert_eq!(mock.world().broadcasts.len(), 1);
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::DidNotHappen));

    // The node lost its index, but the deployment is there with our hash.
    let created = akash_proto::akash::deployment::v1::Deployment {
        id: Some((&id(1)).into()),
        state: 1,
        hash: vec![1; 32],
        created_at: 102,
        reclamation: None,
    };
    mock.world().deployments.insert(1, created.clone());
    let fate = chain.fate(&pending).await.unwrap();
    assert!(matches!(fate, Fate::Included(outcome) if outcome.by_effect && outcome.height == 102));
    // One that was there before, or with another hash, is not ours.
    mock.world()
        .deployments
        .insert(1, akash_proto::akash::deployment::v1::Deployment { created_at: 90, ..created.clone() });
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::DidNotHappen));
    mock.world()
        .deployments
        .insert(1, akash_proto::akash::deployment::v1::Deployment { hash: vec![2; 32], ..created });
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::DidNotHappen));
    // A node that does not index cannot tell.
    mock.world().indexes = false;
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::Open));
}

#[tokio::test]
async fn where_nobody_can_tell_the_fate_stays_open() {
    let (mock, chain) = start().await;
    mock.world().indexes = false;
    let error = submit(&chain, create(1)).await.unwrap_err();
    let SubmitError::Open { pending, why: OpenReason::EndpointsLost } = error else { panic!("{error}") };
    assert_eq!(mock.world().broadcasts.len(), 1);
    mock.world().indexes = true;
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::Included(_)));
}

#[tokio::test]
async fn cancelled_before_and_after() {
    let (mock, chain) = start().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = chain.submit(create(1), &cancel).await.unwrap_err();
    assert!(matches!(error, SubmitError::Cancelled), "{error}");

    // While it is simulated: it is left out, and its company goes on.
    let cancel = CancellationToken::new();
    let stop = async {
        while mock.world().count("/Simulate") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    mock.world().delay = Duration::from_millis(50);
    let (stopped, other, ()) =
        futures::join!(chain.submit(create(2), &cancel), submit(&chain, create(3)), stop);
    mock.world().delay = Duration::ZERO;
    assert!(matches!(stopped, Err(SubmitError::Cancelled)), "{stopped:?}");
    other.unwrap();
    assert_eq!(mock.world().deployments.keys().copied().collect::<Vec<_>>(), [3]);

    mock.world().script = [Broadcast::Hold].into();
    let cancel = CancellationToken::new();
    let sent = mock.world().broadcasts.len();
    let (stopped, ()) = futures::join!(chain.submit(create(4), &cancel), async {
        while mock.world().broadcasts.len() == sent {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    });
    assert!(matches!(stopped, Err(SubmitError::Open { why: OpenReason::Stopped, .. })), "{stopped:?}");
}

#[tokio::test]
async fn funds_are_checked_before_anything_is_sent() {
    let (mock, chain) = start().await;
    mock.world().balances.insert("uact", 1_200_000);
    let outcomes = futures::future::join_all((1..=3).map(|dseq| submit(&chain, create(dseq)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2, "as many as can be paid");
    let error = outcomes.into_iter().find_map(Result::err).unwrap();
    let text = error.to_string();
    let SubmitError::Funds(shortfalls) = error else { panic!("{error:?}") };
    let numbers: Vec<_> = shortfalls.iter().map(|one| (one.denom.as_str(), one.have, one.need)).collect();
    assert_eq!(numbers, [("uact", 1_200_000, 1_500_000)]);
    assert!(text.contains("1200000uact") && text.contains("1500000uact") && text.contains("mint"), "{text}");

    mock.world().balances.insert("uakt", 10);
    let error = submit(&chain, create(9)).await.unwrap_err();
    assert!(matches!(&error, SubmitError::Funds(short) if short[0].denom == "uakt"), "{error}");
    // Each shortfall is named, though the first alone is enough to refuse.
    mock.world().balances.insert("uact", 7);
    let text = submit(&chain, create(9)).await.unwrap_err().to_string();
    assert!(text.contains("499993uact more") && text.contains("2490uakt more"), "{text}");
    mock.world().balances.insert("uact", 700_000);
    let poor = chain_of(ChainConfig { max_fee: Some(Coin::new(5, "uakt")), ..config(&[mock.grpc()]) });
    let error = submit(&poor, create(9)).await.unwrap_err();
    assert!(matches!(&error, SubmitError::MaxFee { .. }), "{error}");
    let none = chain_of(ChainConfig { account: None, ..config(&[mock.grpc()]) });
    assert!(matches!(submit(&none, create(9)).await.unwrap_err(), SubmitError::NoWallet));
    assert_eq!(mock.world().broadcasts.len(), 1);
}

#[tokio::test]
async fn refusals_by_the_node_that_can_be_mended() {
    let (mock, chain) = start().await;
    mock.world().script = [
        Broadcast::Refuse(
            "sdk",
            18,
            "failed to add unordered nonce: sender x has already used timeout 1: invalid request",
        ),
        Broadcast::Refuse("sdk", 13, "insufficient fees; got: 1uakt required: 90000uakt: insufficient fee"),
    ]
    .into();
    submit(&chain, create(1)).await.unwrap();
    {
        let world = mock.world();
        let timeouts: Vec<_> = world.broadcasts.iter().map(|(body, _)| body.timeout_timestamp).collect();
        assert!(timeouts[0] != timeouts[1] && timeouts[1] != timeouts[2]);
        let fee = &world.broadcasts[2].1.fee.as_ref().unwrap().amount[0];
        assert!(fee.amount.parse::<u64>().unwrap() >= 90_000, "{fee:?}");
    }

    mock.world().script =
        [Broadcast::Refuse("deployment", 20, "Mismatched denominations: Deposit invalid")].into();
    let error = submit(&chain, create(2)).await.unwrap_err();
    assert!(matches!(&error, SubmitError::Refused(refusal) if refusal.stage == Stage::Check), "{error}");
}

#[tokio::test]
async fn a_chain_without_unordered_transactions_gets_sequences() {
    let (mock, chain) = start().await;
    mock.world().unordered = false;
    submit(&chain, create(1)).await.unwrap();
    let world = mock.world();
    let (body, auth) = &world.broadcasts[0];
    assert_eq!((body.unordered, auth.signer_infos[0].sequence), (false, 3));
    assert!(body.timeout_timestamp.is_some());
}

#[tokio::test]
async fn reads_fail_over_and_name_what_failed() {
    let (good, bad) = (Mock::start().await, Mock::start().await);
    bad.world().page = Some((429, "<html>slow down</html>"));
    let dead = "grpc://127.0.0.1:1".to_owned();
    let chain = chain_of(config(&[bad.grpc(), bad.http(), dead.clone(), good.http()]));
    assert_eq!(chain.latest_block().await.unwrap().height, 100);
    assert_eq!(chain.check().await.unwrap().chain_id, "mock-1");

    bad.world().page = Some((200, "<html>welcome</html>"));
    let chain = chain_of(config(&[bad.grpc(), bad.http(), dead.clone()]));
    let error = chain.deployment(&id(1)).await.unwrap_err().to_string();
    for part in [&bad.grpc(), &bad.http(), &dead, "HTML page", "neither gRPC-Web nor RPC nor REST"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_slow_endpoint_is_not_waited_for() {
    let (slow, good) = (Mock::start().await, Mock::start().await);
    slow.world().delay = Duration::from_secs(60);
    let chain = chain_of(config(&[slow.grpc(), good.grpc()]));
    assert_eq!(chain.latest_block().await.unwrap().height, 100);
    let asked = slow.world().requests.len();
    assert!(asked > 0);
    chain.latest_block().await.unwrap();
    assert_eq!(slow.world().requests.len(), asked, "it is asked last from then on");
}

#[tokio::test]
async fn what_a_proxy_does_not_let_through_is_done_without() {
    let (mock, chain) = start().await;
    mock.world().unserved = vec!["/GetInfo", "cosmos.consensus.v1.Query/Params", "/Config"];
    assert_eq!(chain.check().await.unwrap().chain_id, "mock-1");
    submit(&chain, create(1)).await.unwrap();
    mock.world().unserved = vec!["/GetInfo", "akash.market.v1beta5.Query/Params"];
    let error = chain_of(config(&[mock.grpc()])).check().await.unwrap_err();
    assert!(error.to_string().contains("does not serve this query"), "{error}");
}

#[tokio::test]
async fn a_node_of_another_chain_is_never_believed() {
    let (good, other) = (Mock::start().await, Mock::start().await);
    other.world().chain_id = "other-1";
    let chain = chain_of(config(&[other.grpc()]));
    for error in [chain.check().await.unwrap_err(), chain.deployment(&id(1)).await.unwrap_err()] {
        assert!(matches!(&error, QueryError::ChainId { found, .. } if found == "other-1"), "{error}");
    }
    let chain = chain_of(config(&[other.grpc(), good.grpc()]));
    assert_eq!(chain.check().await.unwrap().chain_id, "mock-1");
    submit(&chain, create(1)).await.unwrap();
    assert_eq!(other.world().broadcasts.len(), 0);
}

#[tokio::test]
async fn a_node_behind_our_own_transaction_does_not_count() {
    let (mock, chain) = start().await;
    submit(&chain, create(1)).await.unwrap();
    mock.world().behind = 1;
    let waking = mock.clone();
    let wake = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(250)).await;
        waking.world().behind = 0;
    });
    assert!(chain.deployment(&id(1)).await.unwrap().is_some(), "not taken for missing");
    wake.await.unwrap();
    assert!(chain.deployment(&id(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn one_listing_for_all_readers() {
    let (mock, chain) = start().await;
    let all = (1..=600).map(create);
    let outcomes = futures::future::join_all(all.map(|message| submit(&chain, message))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    mock.world().requests.clear();
    let address = owner();
    let listings = futures::future::join_all((0..50).map(|_| chain.listing(&address))).await;
    let first = listings[0].as_ref().unwrap().clone();
    assert!(listings.iter().all(|listing| Arc::ptr_eq(listing.as_ref().unwrap(), &first)));
    assert_eq!((first.deployments.len(), first.leases.len()), (600, 1));
    assert_eq!(first.height, mock.world().height);
    // The latest block, three pages of deployments, leases in two states.
    assert_eq!(mock.world().requests.len(), 6, "{:?}", mock.world().requests);
    let update = MsgUpdateDeployment { id: Some((&id(1)).into()), hash: vec![9; 32] };
    submit(&chain, update.into()).await.unwrap();
    let second = chain.listing(&address).await.unwrap();
    assert_eq!(second.deployments[&id(1)].deployment.as_ref().unwrap().hash, [9; 32]);
    assert!(second.height > first.height);
}

/// A journal that remembers its calls, and each intent with how many broadcasts the node had seen by then.
#[derive(Default)]
struct Remembering {
    calls: Mutex<Vec<(&'static str, usize)>>,
    intents: Mutex<Vec<(Intent, usize)>>,
    node: Option<Mock>,
    full: bool,
}

impl std::fmt::Debug for Remembering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembering")
    }
}

#[async_trait::async_trait]
impl Journal for Remembering {
    async fn intend(&self, intents: &[Intent]) -> Result<(), String> {
        self.calls.lock().unwrap().push(("intend", intents.len()));
        let broadcasts = self.node.as_ref().map_or(0, |node| node.world().broadcasts.len());
        self.intents.lock().unwrap().extend(intents.iter().map(|intent| (intent.clone(), broadcasts)));
        if self.full { Err("journal /j: no space left on device".into()) } else { Ok(()) }
    }

    fn handed_over(&self, intents: &[Pending]) {
        self.calls.lock().unwrap().push(("handed over", intents.len()));
    }

    async fn conclude(&self, conclusions: &[(Pending, Conclusion)]) {
        let mut calls = self.calls.lock().unwrap();
        for (_, conclusion) in conclusions {
            let what = if *conclusion == Conclusion::DidNotHappen { "did not happen" } else { "included" };
            calls.push((what, 1));
        }
    }
}

#[tokio::test]
async fn intents_are_written_down_before_and_conclusions_after() {
    let mock = Mock::start().await;
    let journal = Arc::new(Remembering::default());
    let chain = chain_of(ChainConfig { journal: Some(journal.clone()), ..config(&[mock.grpc()]) });
    let (first, second) = tokio::join!(submit(&chain, create(1)), submit(&chain, create(2)));
    first.unwrap();
    second.unwrap();
    let expected = [("intend", 2), ("handed over", 2), ("included", 1), ("included", 1)];
    assert_eq!(*journal.calls.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_sent() {
    let mock = Mock::start().await;
    let journal = Arc::new(Remembering { full: true, ..Remembering::default() });
    let chain = chain_of(ChainConfig { journal: Some(journal), ..config(&[mock.grpc()]) });
    let error = submit(&chain, create(1)).await.unwrap_err();
    assert!(matches!(&error, SubmitError::Journal(text) if text.contains("no space")), "{error}");
    assert!(error.to_string().contains("Nothing was sent"), "{error}");
    assert!(mock.world().broadcasts.is_empty());
}

#[tokio::test]
async fn a_refused_transaction_is_concluded() {
    let mock = Mock::start().await;
    let journal = Arc::new(Remembering::default());
    let chain = chain_of(ChainConfig { journal: Some(journal.clone()), ..config(&[mock.grpc()]) });
    mock.world().script.push_back(Broadcast::FailDelivery(
        "deployment",
        3,
        "failed to execute message; message index: 0: exists",
    ));
    submit(&chain, create(1)).await.unwrap_err();
    mock.world().script.push_back(Broadcast::Refuse("sdk", 5, "insufficient funds"));
    submit(&chain, create(2)).await.unwrap_err();
    let expected =
        [("intend", 1), ("handed over", 1), ("did not happen", 1), ("intend", 1), ("did not happen", 1)];
    assert_eq!(*journal.calls.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_effect_that_is_not_there_proves_nothing_before_the_timeout() {
    let mock = Mock::start().await;
    let journal = Arc::new(Remembering::default());
    let chain = chain_of(ChainConfig { journal: Some(journal.clone()), ..config(&[mock.grpc()]) });
    mock.world().away = Some(("/BroadcastTx", 503));
    _ = submit(&chain, create(1)).await;
    let mut pending = journal.intents.lock().unwrap().remove(0).0.pending;
    let now = i64::try_from(mock.world().time.unix_timestamp_nanos()).unwrap();
    pending.timeout = now + 60_000_000_000;
    assert!(matches!(chain.fate_by_effect(&pending).await.unwrap(), Fate::Open));
    pending.timeout = now - 1;
    assert!(matches!(chain.fate_by_effect(&pending).await.unwrap(), Fate::DidNotHappen));
}

/// A journal that panics once, where a test wants it.
#[derive(Debug, Default)]
struct Panicking {
    before: AtomicBool,
    after: AtomicBool,
}

#[async_trait::async_trait]
impl Journal for Panicking {
    async fn intend(&self, _: &[Intent]) -> Result<(), String> {
        // Long enough for the next message to be queued.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!self.before.swap(false, Ordering::Relaxed), "as the test wants it");
        Ok(())
    }

    fn handed_over(&self, _: &[Pending]) {
        assert!(!self.after.swap(false, Ordering::Relaxed), "as the test wants it");
    }

    async fn conclude(&self, _: &[(Pending, Conclusion)]) {}
}

#[tokio::test]
async fn a_panic_fails_what_waits_and_the_next_message_starts_anew() {
    let mock = Mock::start().await;
    let journal = Arc::new(Panicking::default());
    let chain = chain_of(ChainConfig { journal: Some(journal.clone()), ..config(&[mock.grpc()]) });
    // Long enough for the first one to be on its way.
    let later = async |dseq| {
        tokio::time::sleep(Duration::from_millis(150)).await;
        submit(&chain, create(dseq)).await
    };
    let both = async |first, second| {
        let both = async { tokio::join!(submit(&chain, create(first)), later(second)) };
        tokio::time::timeout(Duration::from_secs(10), both).await.expect("nobody waits for ever")
    };

    journal.before.store(true, Ordering::Relaxed);
    let (sent, waiting) = both(1, 2).await;
    let Err(SubmitError::Open { pending, why: OpenReason::Broken }) = sent else { panic!("{sent:?}") };
    assert!(matches!(waiting, Err(SubmitError::Broken)), "{waiting:?}");
    assert!(mock.world().broadcasts.is_empty());
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::Open));

    journal.after.store(true, Ordering::Relaxed);
    let (sent, waiting) = both(3, 4).await;
    let Err(SubmitError::Open { pending, why: OpenReason::Broken }) = sent else { panic!("{sent:?}") };
    assert!(matches!(waiting, Err(SubmitError::Broken)), "{waiting:?}");
    assert!(matches!(chain.fate(&pending).await.unwrap(), Fate::Included(_)), "it was handed over");

    let (first, second) = both(5, 6).await;
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn a_watch_outlives_its_task_a_few_times() {
    let (mock, chain) = start().await;
    let ticking = mock.clone();
    let clock = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ticking.world().tick();
        }
    });
    let panics = &chain.inner().markets.panics;
    panics.store(2, Ordering::Relaxed);
    let (owner, other) = (owner(), "other".to_owned());
    let (mut one, mut two) = (chain.watch_market(&owner), chain.watch_market(&owner));
    let (first, second) = tokio::join!(one.next(), two.next());
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()), "one task for both");
    panics.store(usize::MAX, Ordering::Relaxed);
    let error = chain.watch_market(&other).next().await.unwrap_err();
    assert!(matches!(error, QueryError::Broken("the market")), "{error}");
    clock.abort();
}

/// The mock answers `method` with this HTTP status for so many seconds.
fn away(mock: &Mock, method: &'static str, status: u16, seconds: u64) {
    mock.world().away = Some((method, status));
    let back = mock.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        back.world().away = None;
    });
}

#[tokio::test]
async fn an_endpoint_that_is_away_for_some_seconds_is_waited_for() {
    let mock = Mock::start().await;
    let [read_timeout, tx_timeout] = [Duration::from_secs(20); 2];
    let chain = chain_of(ChainConfig { read_timeout, tx_timeout, ..config(&[mock.grpc()]) });
    away(&mock, "/GetLatestBlock", 503, 5);
    assert_eq!(chain.latest_block().await.unwrap().height, 100);
    // A refusal by the proxy: no node was reached.
    away(&mock, "/BroadcastTx", 429, 3);
    submit(&chain, create(1)).await.unwrap();
    // Its answer is missing: the node may have it.
    away(&mock, "/BroadcastTx", 503, 3);
    submit(&chain, create(2)).await.unwrap();
    assert_eq!(mock.world().txs.len(), 2, "one transaction for each");

    mock.world().away = Some(("/BroadcastTx", 429));
    let cancel = CancellationToken::new();
    let begun = std::time::Instant::now();
    let (stopped, ()) = tokio::join!(chain.submit(create(3), &cancel), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    });
    assert!(matches!(stopped, Err(SubmitError::Cancelled)), "{stopped:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "at once");
}
