//! Why a devnet does not start, and the ports that it takes. It must not know what listens there.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use crate::wallet::WalletError;

/// Why a devnet did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken. `--ports free` (or [`Ports::Free`](crate::Ports::Free)) takes free ones.
    #[error(
        "cannot listen on 127.0.0.1:{port}: {source}; another devnet may be running, or take free ports (`--ports free`)"
    )]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The mnemonic gives no keys.
    #[error("the devnet's mnemonic: {0}")]
    Wallet(#[from] WalletError),
    /// The state file can't be used.
    #[error("the state file: {0}")]
    State(std::io::Error),
    /// A provider did not start.
    #[error("provider {name}: {source}")]
    Provider {
        /// Its name.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Binds one port on 127.0.0.1.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| StartError::Listen { port, source })
}
