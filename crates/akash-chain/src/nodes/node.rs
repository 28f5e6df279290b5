//! One endpoint in use: its carrier once known, its connection, its health, and a tower service for the generated
//! clients.
//!
//! This file must not know what is asked, nor which endpoint to take.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use tokio::sync::OnceCell;
use tonic::{body::Body, transport::Channel};

use super::{
    Carrier, Endpoint,
    carriers::{detect, grpc, grpc_web, rest, rpc, unary},
    fault::Fault,
    health::Health,
};

/// Says at which height a query is to be answered, and in answers at which it was.
pub(crate) const HEIGHT_HEADER: &str = "x-cosmos-block-height";

/// One endpoint in use.
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    user_agent: String,
    http: reqwest::Client,
    carrier: OnceCell<Carrier>,
    channel: OnceCell<Channel>,
    health: Mutex<Health>,
    /// What the node calls its chain, once asked.
    pub(crate) chain_id: OnceCell<String>,
    /// The node's minimum gas prices, once asked.
    pub(crate) minimum_gas_price: OnceCell<String>,
}

impl Node {
    pub(crate) fn new(endpoint: Endpoint, http: reqwest::Client, user_agent: String) -> Self {
        Self {
            carrier: OnceCell::new_with(endpoint.carrier()),
            endpoint,
            user_agent,
            http,
            channel: OnceCell::new(),
            health: Mutex::default(),
            chain_id: OnceCell::new(),
            minimum_gas_price: OnceCell::new(),
        }
    }

    /// Reads or changes what is known of the endpoint's health.
    pub(crate) fn health<T>(&self, with: impl FnOnce(&mut Health) -> T) -> T {
        with(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How messages travel to it; found out at first use and remembered.
    pub(crate) async fn carrier(&self) -> Result<Carrier, Fault> {
        self.carrier.get_or_try_init(|| detect::detect(&self.endpoint, &self.http)).await.copied()
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        match self.carrier().await.map_err(Fault::not_sent)? {
            Carrier::Grpc => {
                let channel = self
                    .channel
                    .get_or_try_init(async || grpc::channel(&self.endpoint, &self.user_agent))
                    .await?
                    .clone();
                grpc::call(&self.endpoint, channel, request).await
            }
            Carrier::GrpcWeb => grpc_web::call(&self.endpoint, &self.http, request).await,
            carrier @ (Carrier::Rpc | Carrier::Rest) => {
                let call = unary::unframe(request).await.ok_or_else(|| {
                    Fault::lasting(&self.endpoint, "was not asked: the request has no body")
                })?;
                let reply = match carrier {
                    Carrier::Rpc => rpc::call(&self.endpoint, &self.http, call).await?,
                    _ => rest::call(&self.endpoint, &self.http, call).await?,
                };
                Ok(unary::frame(reply))
            }
        }
    }
}

/// The HTTP client of all endpoints: verified TLS, no redirects (they turn POST into GET).
pub(crate) fn http_client(user_agent: &str) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(user_agent)
        .connect_timeout(grpc::CONNECT)
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// A node as the generated clients want it: a service of HTTP requests with gRPC's frames. `height` pins queries.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) node: Arc<Node>,
    pub(crate) height: Option<u64>,
}

impl tower::Service<Request<Body>> for Caller {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let node = self.node.clone();
        if let Some(height) = self.height {
            request.headers_mut().insert(HEIGHT_HEADER, HeaderValue::from(height));
        }
        Box::pin(async move { node.call(request).await })
    }
}
