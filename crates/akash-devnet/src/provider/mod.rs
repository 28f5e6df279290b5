//! The devnet's providers: what runs for each of them beside the chain.
//!
//! [`start`] is called once per provider while the devnet starts, with blocks being made quickly; it returns when the
//! provider is ready to bid and serve.

mod bidder;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{config::ProviderConfig, handle::ChainHandle, wallet::Wallet};

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

/// What makes providers: the default is [`InChain`] until the gateways are there.
#[async_trait]
pub trait ProviderService: Send + Sync + 'static {
    /// Starts one provider. Its tasks end when `context.cancel` is cancelled.
    ///
    /// # Errors
    /// When it can't do what it must before it may be used (certificate on chain, listening).
    async fn start(&self, context: ProviderContext) -> Result<(), ProviderError>;
}

/// Providers that bid and close their bids, and have no gateway.
#[derive(Debug, Clone, Copy, Default)]
pub struct InChain;

#[async_trait]
impl ProviderService for InChain {
    async fn start(&self, context: ProviderContext) -> Result<(), ProviderError> {
        bidder::spawn(&context);
        Ok(())
    }
}

/// What the devnet starts when nothing else is given.
pub fn default_service() -> Arc<dyn ProviderService> {
    Arc::new(InChain)
}
