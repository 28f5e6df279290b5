//! A provider's HTTPS listener: TLS 1.3 with the certificate on chain, and the faults of being down or somebody else.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::Extension;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    Me,
    certificate::Identity,
    clients::{OnChain, account},
    gateway::{self, ClientCertificate},
};
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
                me.chain.count_connection(me.address());
                let Some(acceptor) = acceptor(&me, &identity) else { continue };
                let router = router.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connections.cancelled() => {}
                        () = serve(tcp, acceptor, router) => {}
                    }
                });
            }
        }
    }
}

/// A TLS server with the certificate that is shown now.
fn acceptor(me: &Me, identity: &Identity) -> Option<TlsAcceptor> {
    let wrong = me
        .faults
        .take(|fault| matches!(fault, Fault::WrongCertificate { provider } if me.is(provider.as_ref())))
        .is_some();
    // The right name with another key, which is what an impostor can make.
    let identity = if wrong { &Identity::new(me.address()).ok()? } else { identity };
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = OnChain { chain: me.chain.clone(), crypto };
    identity.server(clients).ok().map(|server| TlsAcceptor::from(Arc::new(server)))
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, router: axum::Router) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await else { return };
    let client = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(|der| account(der));
    let service = TowerToHyperService::new(router.layer(Extension(ClientCertificate(client))));
    let served = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to a provider's gateway ended");
    }
}
