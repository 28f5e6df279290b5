//! The devnet's providers: each has a certificate on chain, an engine that bids, and an HTTPS gateway.
//!
//! A provider lives beside the chain, as a real one does: it reads the state of the last block, sends transactions, and
//! is told when a block is made. All of that comes through a [`ChainHandle`]; this module must not know how blocks are
//! made. [`ProviderService::start`] is called once per provider while the devnet starts, with blocks being made
//! quickly; it returns when the provider is ready to bid and serve.

mod bids;
mod certificate;
mod clients;
mod engine;
mod gateway;
mod listen;
mod manifest;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod workloads;

use std::{sync::Arc, time::Duration};

use akash_proto::{
    Any,
    akash::cert::v1::{Id, MsgCreateCertificate, MsgRevokeCertificate, State as CertificateState},
    any,
};
use async_trait::async_trait;
use tokio::{net::TcpListener, sync::broadcast};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::state::State,
    config::ProviderConfig,
    faults::{Fault, Faults},
    handle::ChainHandle,
    node::Block,
    wallet::Wallet,
};
use certificate::Identity;
use workloads::Workloads;

/// What a provider is started with.
#[derive(Debug)]
pub struct ProviderContext {
    /// The chain.
    pub chain: ChainHandle,
    /// Its configuration.
    pub config: ProviderConfig,
    /// Its account, funded at genesis.
    pub wallet: Wallet,
    /// Its on-chain host URI, `https://localhost:PORT`.
    pub host_uri: String,
    /// The listener behind the host URI, bound already. It is given once; a gateway that is to come back after it was
    /// stopped binds [`ProviderContext::port`] again.
    pub listener: TcpListener,
    /// The port of the listener, on 127.0.0.1.
    pub port: u16,
    /// How long to wait for a lease before closing the bid.
    pub bid_timeout: Duration,
    /// How long to wait for a manifest before closing the lease.
    pub manifest_timeout: Duration,
    /// Cancelled when the devnet stops.
    pub cancel: CancellationToken,
}

/// Why a provider could not start.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// What makes providers.
#[async_trait]
pub trait ProviderService: Send + Sync + 'static {
    /// Starts one provider. Its tasks end when `context.cancel` is cancelled.
    ///
    /// # Errors
    /// When it can't do what it must before it may be used (certificate on chain, listening).
    async fn start(&self, context: ProviderContext) -> Result<(), ProviderError>;
}

/// Providers that bid, take manifests and serve a gateway.
#[derive(Debug, Clone, Copy)]
pub struct Gateways {
    /// Blocks from a manifest to services that are available.
    pub ready_after: u64,
}

impl Default for Gateways {
    fn default() -> Self {
        Self { ready_after: 1 }
    }
}

/// What the devnet starts when nothing else is given.
pub fn default_service() -> Arc<dyn ProviderService> {
    Arc::new(Gateways::default())
}

#[async_trait]
impl ProviderService for Gateways {
    async fn start(&self, context: ProviderContext) -> Result<(), ProviderError> {
        let ProviderContext {
            chain,
            config,
            wallet,
            listener,
            port,
            bid_timeout,
            manifest_timeout,
            cancel,
            ..
        } = context;
        let faults = chain.faults().clone();
        let me = Me {
            config,
            wallet,
            faults,
            chain: Arc::new(chain),
            workloads: Workloads::default(),
            bid_timeout,
            manifest_timeout,
            ready_after: self.ready_after,
        };
        start(me, listener, port, cancel).await
    }
}

/// What a provider needs of the chain; the tests have one of their own.
#[async_trait]
trait Chain: Send + Sync + 'static {
    /// The state after the last block.
    fn state(&self) -> State;
    /// Each block from now on.
    fn blocks(&self) -> broadcast::Receiver<Arc<Block>>;
    /// Sends one transaction and waits for its block; the error is the chain's words.
    async fn submit(&self, signer: &Wallet, messages: Vec<Any>) -> Result<(), String>;
    /// Counts a connection to a provider's gateway.
    fn count_connection(&self, _provider: &str) {}
    /// Counts a request to a provider's gateway.
    fn count_request(&self, _provider: &str) {}
}

#[async_trait]
impl Chain for ChainHandle {
    fn state(&self) -> State {
        Self::state(self)
    }
    fn blocks(&self) -> broadcast::Receiver<Arc<Block>> {
        self.subscribe()
    }
    async fn submit(&self, signer: &Wallet, messages: Vec<Any>) -> Result<(), String> {
        Self::submit(self, signer, messages).await.map(drop).map_err(|error| error.to_string())
    }
    fn count_connection(&self, provider: &str) {
        self.count_gateway_connection(provider);
    }
    fn count_request(&self, provider: &str) {
        self.count_gateway_request(provider);
    }
}

/// One running provider; what engine and gateway share.
struct Me {
    config: ProviderConfig,
    wallet: Wallet,
    faults: Faults,
    chain: Arc<dyn Chain>,
    workloads: Workloads,
    bid_timeout: Duration,
    manifest_timeout: Duration,
    ready_after: u64,
}

impl Me {
    fn address(&self) -> &str {
        self.wallet.address()
    }

    /// Whether a fault's `provider` means this one.
    fn is(&self, provider: Option<&String>) -> bool {
        provider.is_none_or(|name| *name == self.config.name || name == self.address())
    }

    fn has(&self, fault: impl Fn(&Fault) -> bool) -> bool {
        self.faults.is_active(fault)
    }
}

async fn start(
    me: Me,
    listener: TcpListener,
    port: u16,
    cancel: CancellationToken,
) -> Result<(), ProviderError> {
    let me = Arc::new(me);
    let identity = Identity::new(me.address())?;
    me.chain.submit(&me.wallet, publish(&me, &identity)).await?;
    // Subscribed before this returns: no block is missed.
    let blocks = me.chain.blocks();
    tokio::spawn(engine::run(me.clone(), blocks, cancel.clone()));
    tokio::spawn(listen::run(me, identity, listener, port, cancel));
    Ok(())
}

/// The new certificate in place of those of earlier runs, whose keys are gone.
fn publish(me: &Me, identity: &Identity) -> Vec<Any> {
    let owner = || me.address().to_owned();
    let state = me.chain.state();
    let old = state.certificates_of(me.address()).filter(|(_, old)| old.state() == CertificateState::Valid);
    let revoke = |(serial, _): (&str, &_)| {
        any(&MsgRevokeCertificate { id: Some(Id { owner: owner(), serial: serial.to_owned() }) })
    };
    let new = identity.on_chain();
    let create = any(&MsgCreateCertificate { owner: owner(), cert: new.cert, pubkey: new.pubkey });
    old.map(revoke).chain([create]).collect()
}
