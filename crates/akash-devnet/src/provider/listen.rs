//! A provider's HTTPS listener: TLS 1.3 with the certificate on chain, and the faults of being down or somebody else.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Me, certificate::Identity, gateway};
use crate::faults::Fault;

/// Between attempts to listen again.
const AGAIN: Duration = Duration::from_millis(100);
/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Accepts until `stop`.
pub(super) async fn run(
    me: Arc<Me>,
    identity: Identity,
    listener: TcpListener,
    port: u16,
    stop: CancellationToken,
) {
    let router = gateway::router(me.clone());
    let mut changes = me.faults.watch();
    let mut listening = Some((listener, stop.child_token()));
    loop {
        let down =
            me.has(|fault| matches!(fault, Fault::ProviderDown { provider } if me.is(provider.as_ref())));
        if down {
            if let Some((_, connections)) = listening.take() {
                connections.cancel();
            }
        } else if listening.is_none() {
            // Another process may have taken the port meanwhile: then it stays down until the port is free.
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                listening = Some((listener, stop.child_token()));
            }
        }
        let accept = async {
            match &listening {
                Some((listener, connections)) => Some((listener.accept().await.ok()?.0, connections.clone())),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if listening.is_none() && !down => {}
            accepted = accept => if let Some((tcp, connections)) = accepted {
                let identity = shown(&me, &identity);
                let router = router.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connections.cancelled() => {}
                        () = serve(tcp, identity, router) => {}
                    }
                });
            }
        }
    }
}

/// The certificate that is shown now.
fn shown(me: &Me, identity: &Identity) -> Identity {
    let wrong = me
        .faults
        .take(|fault| matches!(fault, Fault::WrongCertificate { provider } if me.is(provider.as_ref())))
        .is_some();
    // The right name with another key, which is what an impostor can make.
    if wrong { Identity::new(me.address()).unwrap_or_else(|_| identity.clone()) } else { identity.clone() }
}

async fn serve(tcp: TcpStream, identity: Identity, router: axum::Router) {
    let handshake = TlsAcceptor::from(identity.server()).accept(tcp);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
    let service = TowerToHyperService::new(router);
    let served = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to a provider's gateway ended");
    }
}
