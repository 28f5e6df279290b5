//! How Terraform starts, reaches and stops the plugin: handshake, mutual TLS, HTTP/2, logging. Knows nothing of what
//! the values mean.

mod flushed;
mod handshake;
mod http2;
mod listener;
mod logging;
mod services;
mod tls;

use crate::framework::Provider;
use crate::service::{Service, install_hook};
use handshake::{Invitation, Line};
use listener::Listener;
use serde_json::json;
use services::Services;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tls::{Tls, TlsError};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A TLS handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A plugin that nobody is connected to for this long exits: its Terraform is dead.
const ALONE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long operations may take to stop when the plugin exits.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long clients may take to close their connections when the plugin exits.
const CLOSING_TIMEOUT: Duration = Duration::from_millis(250);

/// What [`serve`] needs to know besides the provider.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The provider's source address without the host: `vaultmesh/akash`.
    pub source: String,
    /// The provider's version: `1.2.3`.
    pub version: String,
}

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("{0}")]
    Refusal(#[from] handshake::Refusal),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("cannot listen for Terraform: {0}")]
    Listen(io::Error),
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    #[error("cannot tell Terraform where the provider listens: {0}")]
    Announce(io::Error),
}

/// Serves the provider to Terraform until Terraform has done with it. To be called from `main` on a tokio runtime;
/// the answer is `main`'s. Prints to stdout what the protocol asks for, and logs to stderr.
///
/// With the argument `-debug` it prints a value for `TF_REATTACH_PROVIDERS` and serves, unencrypted, whoever can
/// open the socket, until it gets SIGINT or SIGTERM.
pub async fn serve<P: Provider>(provider: P, options: ServeOptions) -> ExitCode {
    let is_debug = std::env::args().skip(1).any(|argument| argument == "-debug" || argument == "--debug");
    let outcome = if is_debug { debug(provider, &options).await } else { plugin(provider, &options).await };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Terraform shows what a plugin says before it fails.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn plugin<P: Provider>(provider: P, options: &ServeOptions) -> Result<ExitCode, ServeError> {
    let invitation = Invitation::read(|name| std::env::var(name).ok())?;
    logging::start(provider.name());
    install_hook();
    // The terminal sends Ctrl-C to the whole process group; what it means for us comes by StopProvider.
    let ended = end_signal(false).map_err(ServeError::Signals)?;
    let tls = invitation.client_certificate.as_deref().map(Tls::for_client).transpose()?;
    let listener = Listener::open(invitation.socket_directory.as_deref(), invitation.ports)
        .map_err(ServeError::Listen)?;
    let (network, address) = listener.address().map_err(ServeError::Listen)?;
    let line = Line {
        network,
        address: &address,
        certificate: tls.as_ref().map(|tls| tls.certificate.as_str()).unwrap_or_default(),
        tells_multiplexing: invitation.asks_for_multiplexing,
    };
    announce(&line.to_string()).map_err(ServeError::Announce)?;
    tracing::debug!(version = options.version, encrypted = tls.is_some(), "serving");
    let acceptor = tls.map(|tls| TlsAcceptor::from(tls.config));
    Ok(listen(&listener, acceptor, Service::new(provider), ended, Some(ALONE_TIMEOUT)).await)
}

async fn debug<P: Provider>(provider: P, options: &ServeOptions) -> Result<ExitCode, ServeError> {
    logging::start(provider.name());
    install_hook();
    let ended = end_signal(true).map_err(ServeError::Signals)?;
    let listener = Listener::open(None, None).map_err(ServeError::Listen)?;
    let (network, address) = listener.address().map_err(ServeError::Listen)?;
    let entry = json!({
        "Protocol": "grpc",
        "ProtocolVersion": handshake::PROTOCOL,
        "Pid": std::process::id(),
        "Test": true,
        "Addr": { "Network": network, "String": address },
    });
    let source = &options.source;
    let entries = json!({
        format!("registry.terraform.io/{source}"): entry,
        format!("registry.opentofu.org/{source}"): entry,
    });
    let text = format!(
        "Set this where terraform or tofu runs, and end the provider with Ctrl-C:\n\n\tTF_REATTACH_PROVIDERS='{entries}'"
    );
    announce(&text).map_err(ServeError::Announce)?;
    Ok(listen(&listener, None, Service::new(provider), ended, None).await)
}

fn announce(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    // At once: whoever reads the line may close the pipe after it.
    stdout.write_all(format!("{text}\n").as_bytes())?;
    stdout.flush()
}

/// Cancelled by SIGTERM; SIGINT is ignored, or ends the process too where a person runs it.
#[cfg(unix)]
fn end_signal(interrupt_ends: bool) -> io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let ended = CancellationToken::new();
    let cancel = ended.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => if interrupt_ends { break },
                _ = terminate.recv() => break,
            }
        }
        cancel.cancel();
    });
    Ok(ended)
}

/// Cancelled by Ctrl-C where a person runs the process; otherwise Ctrl-C is ignored.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "has the same shape as on Unix")]
fn end_signal(interrupt_ends: bool) -> io::Result<CancellationToken> {
    let ended = CancellationToken::new();
    let cancel = ended.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if interrupt_ends {
                cancel.cancel();
            }
        }
    });
    Ok(ended)
}

/// Serves connections until the client asks to end, a signal comes, or nobody has been there for `alone`.
async fn listen<P: Provider>(
    listener: &Listener,
    acceptor: Option<TlsAcceptor>,
    service: Service<P>,
    ended: CancellationToken,
    alone: Option<Duration>,
) -> ExitCode {
    let shutdown = CancellationToken::new();
    let services = Services::new(service.clone(), shutdown.clone());
    let (connections, answers) = (TaskTracker::new(), TaskTracker::new());
    // Clones of it are held by connections.
    let somebody = Arc::new(());
    let code = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(io) => {
                    let connection = connection(io, acceptor.clone(), services.clone(), answers.clone(), shutdown.clone());
                    let held = Arc::clone(&somebody);
                    connections.spawn(async move {
                        connection.await;
                        drop(held);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            () = shutdown.cancelled() => break ExitCode::SUCCESS,
            () = ended.cancelled() => break ExitCode::SUCCESS,
            () = nobody_for(alone, &somebody) => {
                tracing::error!("no client is connected any more, the provider ends");
                break ExitCode::FAILURE;
            }
        }
    };
    service.stop();
    shutdown.cancel();
    answers.close();
    let _ = tokio::time::timeout(STOPPING_TIMEOUT, answers.wait()).await;
    connections.close();
    let _ = tokio::time::timeout(CLOSING_TIMEOUT, connections.wait()).await;
    code
}

/// Ends when nobody has held `somebody` for that long. Started anew at every connection.
async fn nobody_for(alone: Option<Duration>, somebody: &Arc<()>) {
    let Some(alone) = alone else { return std::future::pending().await };
    loop {
        tokio::time::sleep(alone).await;
        if Arc::strong_count(somebody) == 1 {
            return;
        }
    }
}

async fn connection<P: Provider>(
    io: listener::Connection,
    acceptor: Option<TlsAcceptor>,
    services: Services<P>,
    answers: TaskTracker,
    closing: CancellationToken,
) {
    let served = match acceptor {
        None => http2::serve(io, services, answers, closing).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(io)).await {
            Ok(Ok(io)) => http2::serve(io, services, answers, closing).await,
            Ok(Err(error)) => {
                tracing::error!(%error, "refused a client that is not the one that started this provider");
                return;
            }
            Err(_) => {
                tracing::warn!("a client did not finish its handshake");
                return;
            }
        },
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}
