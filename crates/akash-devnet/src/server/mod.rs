//! What a node listens on: gRPC, REST with gRPC-Web, CometBFT RPC, and the devnet's own control address.
//!
//! This file owns the sockets: accepting, stopping and starting again by fault, breaking off answers.

pub(crate) mod control;
pub(crate) mod grpc;
pub(crate) mod json;
pub(crate) mod rest;
pub(crate) mod route;
pub(crate) mod rpc;

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    faults::{Endpoint, Fault, Faults},
    node::Node,
    start::{StartError, listen},
};

/// The ports taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// gRPC.
    pub(crate) grpc: u16,
    /// REST JSON and gRPC-Web.
    pub(crate) rest: u16,
    /// CometBFT JSON-RPC.
    pub(crate) rpc: u16,
    /// Control.
    pub(crate) control: u16,
}

/// The sockets before anything is served on them.
#[derive(Debug)]
pub(crate) struct Listeners {
    grpc: TcpListener,
    rest: TcpListener,
    rpc: TcpListener,
    control: TcpListener,
}

impl Listeners {
    /// Takes the ports gRPC, REST, RPC, control; 0 is any free one.
    ///
    /// # Errors
    /// When one is taken.
    pub(crate) async fn bind([grpc, rest, rpc, control]: [u16; 4]) -> Result<Self, StartError> {
        Ok(Self {
            grpc: listen(grpc).await?,
            rest: listen(rest).await?,
            rpc: listen(rpc).await?,
            control: listen(control).await?,
        })
    }

    /// Serves until cancelled.
    pub(crate) fn serve(self, node: &Arc<Node>, cancel: &CancellationToken, tasks: &TaskTracker) -> Bound {
        let port = |listener: &TcpListener| listener.local_addr().map_or(0, |address| address.port());
        let bound = Bound {
            grpc: port(&self.grpc),
            rest: port(&self.rest),
            rpc: port(&self.rpc),
            control: port(&self.control),
        };
        let start = |listener, endpoint, router| {
            tasks.spawn(serve(listener, endpoint, router, node.faults().clone(), cancel.clone()));
        };
        start(self.grpc, Some(Endpoint::Grpc), grpc::router(node.clone()));
        start(self.rest, Some(Endpoint::Rest), rest::router(node.clone()));
        start(self.rpc, Some(Endpoint::Rpc), rpc::router(node.clone()));
        start(self.control, None, control::router(node.clone()));
        bound
    }
}

/// Put into a response's extensions to have it broken off instead of sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drop;

/// The answer never leaves: the stream is reset, or the connection closed.
#[derive(Debug, thiserror::Error)]
#[error("the answer was dropped on purpose")]
struct Dropped;

/// Listens, and stops listening while a fault says so, until cancelled.
async fn serve(
    listener: TcpListener,
    endpoint: Option<Endpoint>,
    router: Router,
    faults: Faults,
    cancel: CancellationToken,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let stopped = |faults: &Faults| {
        endpoint.is_some_and(|endpoint| faults.is_active(|fault| *fault == Fault::StopEndpoint { endpoint }))
    };
    let mut changes = faults.watch();
    let mut listener = Some(listener);
    while !cancel.is_cancelled() {
        changes.mark_unchanged();
        if stopped(&faults) {
            listener = None;
            tokio::select! {
                () = cancel.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let Some(open) = listener.take() else {
            // The port is ours; it may take the system a moment to give it back.
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(open) => listener = Some(open),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            continue;
        };
        let session = cancel.child_token();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                changed = changes.changed() => if changed.is_err() || stopped(&faults) { break },
                accepted = open.accept() => if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream, router.clone(), session.clone()));
                },
            }
        }
        session.cancel();
    }
}

async fn connection(stream: tokio::net::TcpStream, router: Router, cancel: CancellationToken) {
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answer: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
            match answer {
                Ok(response) if response.extensions().get::<Drop>().is_some() => Err(Dropped),
                Ok(response) => Ok(response),
                Err(impossible) => match impossible {},
            }
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        () = cancel.cancelled() => {}
        // A connection that ends in an error is its client's business.
        _ = serving => {}
    }
}
