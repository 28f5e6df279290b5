//! The devnet as its user holds it: started, asked, disturbed, stopped.

use std::{sync::Arc, time::Duration};

use akash_proto::{
    Any,
    akash::{
        deployment::v1::deployment::State as DeploymentState,
        market::{
            v1::{Lease, LeaseId},
            v1beta5::{MsgCloseBid, MsgLeaseStartReclaim},
        },
    },
};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chain::{operator::Operator, state::State},
    config::{AUDITOR_INDEX, Blocks, DevnetConfig, Ports},
    faults::{Endpoint, Faults},
    handle::{ChainHandle, SubmitError},
    node::{Counters, Node, TxRecord},
    provider::{ProviderContext, ProviderService, default_service},
    server::{self, Bound},
    start::{StartError, listen},
    store::Store,
    wallet::{Wallet, WalletError, new_mnemonic},
};

/// Ports of [`Ports::Default`]: gRPC, REST, RPC, control, and the first provider's.
const DEFAULT_PORTS: [u16; 5] = [19_090, 11_317, 36_657, 17_070, 18_443];
/// Time between blocks while the devnet starts.
const QUICK: Duration = Duration::from_millis(5);

/// A provider of a running devnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderInfo {
    /// Its configured name.
    pub name: String,
    /// Its account.
    pub address: String,
    /// Where its gateway listens.
    pub host_uri: String,
}

/// A running devnet. Stops when [`Devnet::stop`] is called; dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Devnet {
    node: Arc<Node>,
    config: DevnetConfig,
    bound: Bound,
    providers: Vec<ProviderInfo>,
    wallets: Vec<Wallet>,
    cancel: CancellationToken,
    pace: watch::Sender<Option<Duration>>,
    tasks: TaskTracker,
}

impl Drop for Devnet {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Devnet {
    /// Starts a devnet; returns when it answers and its providers are ready.
    ///
    /// # Errors
    /// When a port is taken, the mnemonic is none, the state file is unusable or a provider does not start.
    pub async fn start(config: DevnetConfig) -> Result<Self, StartError> {
        Self::start_with(config, default_service()).await
    }

    /// [`Devnet::start`] with providers of another making.
    ///
    /// # Errors
    /// As [`Devnet::start`].
    pub async fn start_with(
        config: DevnetConfig,
        service: Arc<dyn ProviderService>,
    ) -> Result<Self, StartError> {
        let ports: [u16; 5] = match config.ports {
            Ports::Default => DEFAULT_PORTS,
            Ports::Free => [0; 5],
        };
        let [grpc, rest, rpc, control, first_provider] = ports;
        let faults = Faults::default();
        let store = config.state_file.as_deref().map(Store::open).transpose().map_err(StartError::State)?;
        let fresh = store.as_ref().is_none_or(|(_, entries)| entries.is_empty());
        let start = OffsetDateTime::now_utc();
        let node = Arc::new(Node::new(State::new(&config.chain_id, start), faults, store));
        let wallets = config
            .providers
            .iter()
            .map(|provider| Wallet::from_mnemonic(&config.mnemonic, provider.key_index))
            .collect::<Result<Vec<_>, _>>()?;
        if fresh {
            genesis(&node, &config, &wallets)?;
        }

        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (pace, paces) = watch::channel(Some(QUICK));
        node.produce(OffsetDateTime::now_utc());
        tasks.spawn(produce(node.clone(), paces, cancel.clone()));
        let bound = server::Listeners::bind([grpc, rest, rpc, control]).await?.serve(&node, &cancel, &tasks);

        let mut infos = Vec::new();
        let auditor = Wallet::from_mnemonic(&config.mnemonic, AUDITOR_INDEX)?;
        for (index, (provider, wallet)) in (0..).zip(config.providers.iter().zip(&wallets)) {
            let port = if first_provider == 0 { 0 } else { first_provider + index };
            let listener = listen(port).await?;
            let port = listener.local_addr().map_or(port, |address| address.port());
            let host_uri = format!("https://localhost:{port}");
            let owner = wallet.address().to_owned();
            node.operate(&Operator::Provider {
                owner: owner.clone(),
                host_uri: host_uri.clone(),
                attributes: provider.attributes.clone(),
            });
            if provider.audited {
                node.operate(&Operator::Audit {
                    owner: owner.clone(),
                    auditor: auditor.address().to_owned(),
                    attributes: provider.attributes.clone(),
                });
            }
            infos.push(ProviderInfo {
                name: provider.name.clone(),
                address: owner,
                host_uri: host_uri.clone(),
            });
            let context = ProviderContext {
                chain: ChainHandle::new(node.clone()),
                config: provider.clone(),
                wallet: wallet.clone(),
                host_uri,
                listener,
                port,
                bid_timeout: config.bid_timeout,
                manifest_timeout: config.manifest_timeout,
                cancel: cancel.child_token(),
            };
            service
                .start(context)
                .await
                .map_err(|source| StartError::Provider { name: provider.name.clone(), source })?;
        }
        pace.send_replace((config.blocks == Blocks::Timed).then_some(config.block_time));
        Ok(Self { node, config, bound, providers: infos, wallets, cancel, pace, tasks })
    }

    /// `grpc://127.0.0.1:PORT`.
    pub fn grpc_endpoint(&self) -> String {
        format!("grpc://127.0.0.1:{}", self.bound.grpc)
    }

    /// `http://127.0.0.1:PORT`: REST JSON and gRPC-Web.
    pub fn rest_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.bound.rest)
    }

    /// `http://127.0.0.1:PORT`: CometBFT JSON-RPC.
    pub fn rpc_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.bound.rpc)
    }

    /// `http://127.0.0.1:PORT`: faults and acts as HTTP with JSON (README).
    pub fn control_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.bound.control)
    }

    /// The gRPC and the REST address, as the provider's `endpoints` takes them in one comma list.
    pub fn endpoints(&self) -> String {
        format!("{},{}", self.grpc_endpoint(), self.rest_endpoint())
    }

    /// The chain's id.
    pub fn chain_id(&self) -> &str {
        &self.config.chain_id
    }

    /// The mnemonic whose account 0 is the funded tenant.
    pub fn mnemonic(&self) -> &str {
        &self.config.mnemonic
    }

    /// The address of the auditor that has signed the audited providers' attributes.
    ///
    /// # Errors
    /// Never in a devnet that has started: its mnemonic gave keys then.
    pub fn auditor(&self) -> Result<String, WalletError> {
        Ok(Wallet::from_mnemonic(&self.config.mnemonic, AUDITOR_INDEX)?.address().to_owned())
    }

    /// The providers.
    pub fn providers(&self) -> &[ProviderInfo] {
        &self.providers
    }

    /// The faults, to be set and cleared.
    pub fn faults(&self) -> &Faults {
        self.node.faults()
    }

    /// The chain from within.
    pub fn chain(&self) -> ChainHandle {
        ChainHandle::new(self.node.clone())
    }

    /// The chain as of the last block.
    pub fn state(&self) -> State {
        self.node.state()
    }

    /// A new wallet holding these amounts; gives its mnemonic. An amount of 0 of both leaves no account behind.
    pub fn new_wallet(&self, uakt: u128, uact: u128) -> String {
        let mnemonic = new_mnemonic();
        if let Ok(wallet) = Wallet::from_mnemonic(&mnemonic, 0) {
            self.fund(wallet.address(), uakt, uact);
        }
        mnemonic
    }

    /// Gives an account coins out of nothing.
    pub fn fund(&self, address: &str, uakt: u128, uact: u128) {
        for (denom, amount) in [("uakt", uakt), ("uact", uact)] {
            if amount > 0 {
                let (address, denom) = (address.to_owned(), denom.to_owned());
                self.operate(&Operator::Fund { address, denom, amount: amount.to_string() });
            }
        }
    }

    /// Does something to the chain from outside, at once.
    pub fn operate(&self, act: &Operator) {
        self.node.operate(act);
    }

    /// Closes a lease as its provider does, with a reason of 10000 to 10003; the group is paused by it.
    ///
    /// # Errors
    /// When the provider is not one of this devnet's, or the chain refuses.
    pub async fn close_lease(&self, id: &LeaseId, reason: i32) -> Result<Arc<TxRecord>, SubmitError> {
        let message = MsgCloseBid { id: Some(crate::chain::state::bid_of(id)), reason };
        self.submit_as(&id.provider, akash_proto::any(&message)).await
    }

    /// Begins to take a lease back as its provider does, with a reason of 10000 to 10003: it goes on until its window
    /// has passed. Only where the SDL asked for a window (`reclamation`).
    ///
    /// # Errors
    /// When the provider is not one of this devnet's, or the chain refuses.
    pub async fn reclaim_lease(&self, id: &LeaseId, reason: i32) -> Result<Arc<TxRecord>, SubmitError> {
        let message = MsgLeaseStartReclaim { id: Some(id.clone()), reason };
        self.submit_as(&id.provider, akash_proto::any(&message)).await
    }

    /// Sends a provider's message.
    async fn submit_as(&self, provider: &str, message: Any) -> Result<Arc<TxRecord>, SubmitError> {
        let wallet = self.wallets.iter().find(|wallet| wallet.address() == provider);
        let wallet = wallet.ok_or_else(|| SubmitError::Refused {
            codespace: "devnet".to_owned(),
            code: 1,
            text: format!("{provider} is no provider of this devnet"),
        })?;
        self.chain().submit(wallet, vec![message]).await
    }

    /// What an account holds of one denomination.
    pub fn balance(&self, address: &str, denom: &str) -> u128 {
        self.state().balance(address, denom)
    }

    /// The dseqs of an owner's active deployments.
    pub fn active_deployments(&self, owner: &str) -> Vec<u64> {
        let state = self.state();
        let active = state.deployments.range((owner.to_owned(), 0)..).take_while(|((of, _), _)| of == owner);
        active
            .filter(|(_, deployment)| deployment.state() == DeploymentState::Active)
            .map(|((_, dseq), _)| *dseq)
            .collect()
    }

    /// The leases of a deployment, in any state.
    pub fn leases(&self, owner: &str, dseq: u64) -> Vec<Lease> {
        self.state().deployment_leases(owner, dseq).cloned().collect()
    }

    /// Transactions in blocks that an account has signed.
    pub fn tx_count(&self, signer: &str) -> usize {
        let Ok(txs) = self.node.txs() else { return 0 };
        let signed = |tx: &&Arc<TxRecord>| {
            crate::chain::ante::Tx::decode(&tx.bytes).is_ok_and(|decoded| decoded.signers().contains(&signer))
        };
        txs.iter().filter(signed).count()
    }

    /// Requests to the node since the start, over all carriers.
    pub fn request_count(&self) -> u64 {
        self.counters().requests.values().sum()
    }

    /// What the node has counted.
    pub fn counters(&self) -> Counters {
        self.node.counters()
    }

    /// The height.
    pub fn height(&self) -> u64 {
        self.state().height
    }

    /// Waits until `count` more blocks have been made. With manual blocks, makes them.
    pub async fn wait_blocks(&self, count: u64) {
        if self.config.blocks == Blocks::Manual {
            for _ in 0..count {
                self.step();
                tokio::task::yield_now().await;
            }
            return;
        }
        let mut heights = self.node.heights();
        let until = self.height() + count;
        let _ = heights.wait_for(|height| *height >= until).await;
    }

    /// Makes one block now.
    pub fn step(&self) -> Arc<crate::node::Block> {
        self.node.produce(OffsetDateTime::now_utc())
    }

    /// Makes one block at `time`, or just after the last block if that is later: lets timeouts pass without waiting.
    pub fn step_at(&self, time: OffsetDateTime) -> Arc<crate::node::Block> {
        self.node.produce(time)
    }

    /// Restarts the node with its chain kept: for `pause` nothing listens and no blocks are made; mempool and open
    /// connections are gone.
    pub async fn restart(&self, pause: Duration) {
        use crate::faults::Fault;
        let stopped: Vec<_> = [Endpoint::Grpc, Endpoint::Rest, Endpoint::Rpc]
            .into_iter()
            .map(|endpoint| self.faults().set(Fault::StopEndpoint { endpoint }))
            .collect();
        let pace = self.pace.send_replace(None);
        tokio::time::sleep(pause).await;
        self.node.forget_mempool();
        self.pace.send_replace(pace);
        for id in stopped {
            self.faults().clear(id);
        }
    }

    /// Stops everything and waits for it.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Accounts and parameters of a new chain.
fn genesis(node: &Node, config: &DevnetConfig, providers: &[Wallet]) -> Result<(), WalletError> {
    let fund = |address: &str, coins: &crate::config::Coins| {
        for (denom, amount) in coins {
            let (address, denom) = (address.to_owned(), denom.clone());
            node.operate(&Operator::Fund { address, denom, amount: amount.to_string() });
        }
    };
    fund(Wallet::from_mnemonic(&config.mnemonic, 0)?.address(), &config.tenant_funds);
    for (wallet, provider) in providers.iter().zip(&config.providers) {
        fund(wallet.address(), &provider.funds);
    }
    node.operate(&Operator::FundVault { amount: "100000000000000".to_owned() });
    node.operate(&Operator::Price { price: config.akt_price.map(|price| price.to_string()) });
    Ok(())
}

/// Makes a block every so often until cancelled; none while the pace is `None`.
async fn produce(node: Arc<Node>, mut pace: watch::Receiver<Option<Duration>>, cancel: CancellationToken) {
    let mut next = tokio::time::Instant::now();
    loop {
        let every = *pace.borrow_and_update();
        let due = async {
            match every {
                Some(every) => tokio::time::sleep_until(next + every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = pace.changed() => if changed.is_err() { return },
            () = due => {
                next = tokio::time::Instant::now();
                node.produce(OffsetDateTime::now_utc());
            }
        }
    }
}
