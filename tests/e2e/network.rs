//! The network that cases talk to: the one given in the environment, or a devnet in this process. All that a case
//! knows of it is its endpoints, its chain id and a funded wallet; what only a devnet can do is behind
//! [`Network::local`], which skips the case elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::Arc,
    time::Duration,
};

use akash_chain::{Chain, ChainConfig, Msg, Wallet};
pub(crate) use akash_devnet::Fault;
use akash_devnet::{Devnet, DevnetConfig, Operator, Ports};
use akash_proto::Dec;
use akash_proto::akash::{
    bme::v1::{LedgerRecordFilters, MsgMintAct, QueryLedgerRecordEntry},
    deployment::v1beta4::{MsgCloseDeployment, QueryDeploymentResponse},
    market::{
        v1::{LeaseClosedReason, lease},
        v1beta5::MsgCloseLease,
    },
};
use akash_proto::id::DeploymentId;
use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use crate::suite::Skip;

/// Whether the environment names a network.
pub(crate) fn is_given() -> bool {
    env::var("AKASH_E2E_ENDPOINTS").is_ok_and(|value| !value.is_empty())
}

/// A devnet as cases use it: free ports, and blocks fast enough that waiting for them is not what takes the time.
pub(crate) fn local_config() -> DevnetConfig {
    DevnetConfig { ports: Ports::Free, block_time: Duration::from_millis(500), ..DevnetConfig::default() }
}

/// A devnet whose wallet holds this much uakt and uact.
pub(crate) fn funded(uakt: u128, uact: u128) -> DevnetConfig {
    let tenant_funds = [("uakt".to_owned(), uakt), ("uact".to_owned(), uact)].into();
    DevnetConfig { tenant_funds, ..local_config() }
}

/// A devnet with another chain id.
pub(crate) fn other_chain() -> DevnetConfig {
    DevnetConfig { chain_id: "devnet-2".to_owned(), ..local_config() }
}

#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) endpoints: String,
    pub(crate) chain_id: String,
    pub(crate) mnemonic: String,
    chain: Chain,
    local: Option<Local>,
    /// Whether no other case uses it.
    own: bool,
    /// What was active in the wallet before.
    before: Arc<BTreeSet<String>>,
}

impl Network {
    /// The network that all cases share.
    pub(crate) async fn shared() -> Result<Network> {
        if !is_given() {
            let network = Local::start(local_config()).await?.network()?;
            return Ok(Network { own: false, ..network });
        }
        let variable =
            |name| env::var(name).with_context(|| format!("AKASH_E2E_ENDPOINTS is set but not {name}"));
        let (endpoints, chain_id) = (variable("AKASH_E2E_ENDPOINTS")?, variable("AKASH_E2E_CHAIN_ID")?);
        let mut network = Network::new(endpoints, chain_id, variable("AKASH_E2E_MNEMONIC")?, None)?;
        network.chain.check().await?;
        network.before = Arc::new(network.active().await?.into_iter().collect());
        Ok(Network { own: false, ..network })
    }

    fn new(endpoints: String, chain_id: String, mnemonic: String, local: Option<Local>) -> Result<Network> {
        let chain = Chain::new(ChainConfig {
            endpoints: endpoints.split(',').map(|e| e.trim().parse()).collect::<Result<_, _>>()?,
            chain_id: Some(chain_id.clone()),
            account: Some(Wallet::from_mnemonic(&mnemonic.clone().into(), 0)?.into()),
            ..ChainConfig::default()
        })?;
        Ok(Network { endpoints, chain_id, mnemonic, chain, local, own: true, before: Arc::default() })
    }

    /// The same network by other addresses.
    pub(crate) fn at(&self, endpoints: String) -> Network {
        Network { endpoints, ..self.clone() }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Whether no other case sends anything here.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// The devnet's own powers; skips the case on another network.
    pub(crate) fn local(&self) -> Result<&Local> {
        self.local.as_ref().ok_or_else(|| Skip("needs the devnet".to_owned()).into())
    }

    /// The wallet's address.
    pub(crate) fn owner(&self) -> &str {
        self.chain.address().unwrap_or_default()
    }

    fn id(&self, dseq: &str) -> Result<DeploymentId> {
        Ok(DeploymentId::from_parts(self.owner(), dseq)?)
    }

    /// The dseqs of the wallet's active deployments.
    pub(crate) async fn active(&self) -> Result<Vec<String>> {
        let deployments = self.chain.deployments(self.owner(), Some("active")).await?;
        let ids = deployments.into_iter().filter_map(|answer| answer.deployment?.id);
        Ok(ids.map(|id| id.dseq.to_string()).collect())
    }

    pub(crate) async fn is_active(&self, dseq: &str) -> Result<bool> {
        Ok(self.active().await?.iter().any(|active| active == dseq))
    }

    /// The wallet's uakt: whatever is sent makes it less, by the fee.
    pub(crate) async fn fee_balance(&self) -> Result<u128> {
        Ok(self.chain.balances(self.owner()).await?.get("uakt").copied().unwrap_or_default())
    }

    /// All of the wallet's uact, wherever they are: in the wallet, in escrow accounts, or paid to providers.
    pub(crate) async fn uact(&self) -> Result<Dec> {
        let wallet = self.chain.balances(self.owner()).await?.get("uact").copied().unwrap_or_default();
        let mut sum: Dec = wallet.to_string().parse()?;
        for found in self.chain.deployments(self.owner(), None).await? {
            sum = sum + in_escrow(&found)?;
        }
        Ok(sum)
    }

    async fn deployment(&self, dseq: &str) -> Result<QueryDeploymentResponse> {
        let found = self.chain.deployment(&self.id(dseq)?).await?;
        found.with_context(|| format!("no deployment {dseq}"))
    }

    /// What was put into a deployment's escrow, spent or not, in uact.
    pub(crate) async fn deposited(&self, dseq: &str) -> Result<u128> {
        Ok(in_escrow(&self.deployment(dseq).await?)?.to_string().parse()?)
    }

    /// A deployment's hash, in hex.
    pub(crate) async fn hash(&self, dseq: &str) -> Result<String> {
        let hash = self.deployment(dseq).await?.deployment.context("no deployment")?.hash;
        Ok(hex::encode(hash))
    }

    /// The orders of all leases that a deployment ever had.
    pub(crate) async fn lease_oseqs(&self, dseq: &str) -> Result<Vec<u32>> {
        let leases = self.chain.leases(&self.id(dseq)?, None).await?;
        Ok(leases.into_iter().filter_map(|row| Some(row.lease?.id?.oseq)).collect())
    }

    /// What any account holds.
    pub(crate) async fn balance_of(&self, address: &str, denom: &str) -> Result<u128> {
        Ok(self.chain.balances(address).await?.get(denom).copied().unwrap_or_default())
    }

    /// The wallet's uact.
    pub(crate) async fn act_balance(&self) -> Result<u128> {
        Ok(self.chain.balances(self.owner()).await?.get("uact").copied().unwrap_or_default())
    }

    /// The lines of the chain's ledger for the wallet: one for each mint and burn that was sent.
    pub(crate) async fn ledger(&self) -> Result<Vec<QueryLedgerRecordEntry>> {
        let filters = LedgerRecordFilters { source: self.owner().to_owned(), ..Default::default() };
        Ok(self.chain.bme_ledger(filters).await?)
    }

    /// Waits until so many mints and burns have been sent.
    pub(crate) async fn until_queued(&self, count: usize) -> Result<()> {
        for _ in 0..300 {
            if self.ledger().await?.len() >= count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("nothing was queued in 30 s")
    }

    /// Asks for ACT from this much uakt, as a user may by other means.
    pub(crate) async fn mint(&self, uakt: u128) -> Result<()> {
        let (owner, to) = (self.owner().to_owned(), self.owner().to_owned());
        let coins_to_burn = Some(akash_proto::Coin::new(uakt, "uakt").into());
        self.send(MsgMintAct { owner, to, coins_to_burn }.into()).await
    }

    /// Closes a deployment, as a user may by other means.
    pub(crate) async fn close_deployment(&self, dseq: &str) -> Result<()> {
        self.send(MsgCloseDeployment { id: Some((&self.id(dseq)?).into()) }.into()).await
    }

    /// Closes the lease of group 1, order 1.
    pub(crate) async fn close_lease(&self, dseq: &str, provider: &str) -> Result<()> {
        let id = self.id(dseq)?.group(1)?.order(1)?.lease(provider)?;
        self.send(MsgCloseLease { id: Some((&id).into()), ..MsgCloseLease::default() }.into()).await
    }

    async fn send(&self, message: Msg) -> Result<()> {
        self.chain.submit(message, &CancellationToken::new()).await?;
        Ok(())
    }

    /// Waits until any deployment of the wallet has a lease.
    pub(crate) async fn until_leased(&self) -> Result<()> {
        for _ in 0..300 {
            for dseq in self.active().await? {
                if !self.chain.leases(&self.id(&dseq)?, None).await?.is_empty() {
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("no lease in a minute")
    }

    /// Closes the deployments that were not there before; returns how many.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        let left: Vec<String> =
            self.active().await?.into_iter().filter(|dseq| !self.before.contains(dseq)).collect();
        for dseq in &left {
            self.close_deployment(dseq).await?;
        }
        Ok(left.len())
    }
}

/// What a deployment's escrow account holds and has paid, in uact.
fn in_escrow(found: &QueryDeploymentResponse) -> Result<Dec> {
    let account = found.escrow_account.as_ref().and_then(|account| account.state.as_ref());
    let account = account.context("no escrow account")?;
    let held = account.funds.iter().map(|coin| (&coin.denom, &coin.amount));
    let paid = account.transferred.iter().map(|coin| (&coin.denom, &coin.amount));
    held.chain(paid)
        .filter(|(denom, _)| *denom == "uact")
        .map(|(_, amount)| Ok(Dec::from_wire(amount)?))
        .sum()
}

/// A devnet in this process.
#[derive(Clone)]
pub(crate) struct Local(Arc<Devnet>);

impl Local {
    pub(crate) async fn start(config: DevnetConfig) -> Result<Local> {
        Ok(Local(Arc::new(Devnet::start(config).await?)))
    }

    /// The devnet as a network that one case has to itself.
    pub(crate) fn network(&self) -> Result<Network> {
        let Local(devnet) = self;
        let (endpoint, chain_id) = (devnet.grpc_endpoint(), devnet.chain_id().to_owned());
        Network::new(endpoint, chain_id, devnet.mnemonic().to_owned(), Some(self.clone()))
    }

    /// Stops it, if nothing holds it any more.
    pub(crate) async fn stop(self) {
        if let Some(devnet) = Arc::into_inner(self.0) {
            devnet.stop().await;
        }
    }

    pub(crate) fn rest_endpoint(&self) -> String {
        self.0.rest_endpoint()
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.0.request_count()
    }

    /// The same by method.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.0.counters().requests
    }

    /// Transactions of an account in blocks.
    pub(crate) fn transactions(&self, owner: &str) -> usize {
        self.0.tx_count(owner)
    }

    /// Connections and requests to the gateways of all providers.
    pub(crate) fn gateway_counts(&self) -> (u64, u64) {
        let counters = self.0.counters();
        (counters.gateway_connections.values().sum(), counters.gateway_requests.values().sum())
    }

    /// How many providers there are.
    pub(crate) fn provider_count(&self) -> u64 {
        self.0.providers().len() as u64
    }

    /// In how many blocks anybody bid.
    pub(crate) fn blocks_with_bids(&self) -> usize {
        let state = self.0.state();
        state.bids.values().map(|bid| bid.created_at).collect::<BTreeSet<_>>().len()
    }

    /// Something that only who runs the network can do.
    pub(crate) fn operate(&self, act: &Operator) {
        self.0.operate(act);
    }

    /// The oracle's price of AKT in USD; none makes the oracle stale.
    pub(crate) fn price(&self, price: Option<&str>) {
        self.0.operate(&Operator::Price { price: price.map(str::to_owned) });
    }

    /// When what is queued for minting is next carried out.
    pub(crate) fn epoch(&self, in_blocks: u64) {
        self.0.operate(&Operator::MintEpoch { in_blocks });
    }

    /// Puts a fault in force until it is cleared.
    pub(crate) fn set(&self, fault: Fault) {
        self.0.faults().set(fault);
    }

    /// Puts a fault in force for its next uses.
    pub(crate) fn times(&self, fault: Fault, times: u32) {
        self.0.faults().times(fault, times);
    }

    /// Takes back all faults.
    pub(crate) fn clear(&self) {
        self.0.faults().clear_all();
    }

    pub(crate) async fn wait_blocks(&self, blocks: u64) {
        self.0.wait_blocks(blocks).await;
    }

    /// Waits until a broadcast arrives: it uses up a delay of nothing.
    pub(crate) async fn until_broadcast(&self) -> Result<()> {
        let faults = self.0.faults();
        let delay = faults.times(Fault::DelayAnswer { path: "BroadcastTx".to_owned(), millis: 1 }, 1);
        for _ in 0..300 {
            if faults.active().iter().all(|(id, _)| *id != delay) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no broadcast in 30 s")
    }

    /// The name under which faults know a provider.
    pub(crate) fn provider_name(&self, address: &str) -> Result<String> {
        let found = self.0.providers().iter().find(|provider| provider.address == address);
        found.map(|provider| provider.name.clone()).with_context(|| format!("no provider {address}"))
    }

    /// The address of the provider of this name.
    pub(crate) fn address_of(&self, name: &str) -> Result<String> {
        let found = self.0.providers().iter().find(|provider| provider.name == name);
        found.map(|provider| provider.address.clone()).with_context(|| format!("no provider {name}"))
    }

    /// Closes the active lease of a deployment as its provider does when the workload is unstable; that pauses the
    /// group.
    pub(crate) async fn close_lease_as_provider(&self, owner: &str, dseq: &str) -> Result<()> {
        let leases = self.0.leases(owner, dseq.parse()?);
        let lease = leases.into_iter().find(|lease| lease.state() == lease::State::Active);
        let id = lease.and_then(|lease| lease.id).context("no active lease")?;
        self.0.close_lease(&id, LeaseClosedReason::Unstable.into()).await?;
        Ok(())
    }
}
