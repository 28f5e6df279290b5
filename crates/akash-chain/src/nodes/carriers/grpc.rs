//! gRPC over HTTP/2: a lazily connected channel, with the endpoint's path in front of every method's.
//!
//! This file must not know what is asked, nor retry.

use std::time::Duration;

use http::{Request, Response, Uri, uri::PathAndQuery};
use tonic::{
    body::Body,
    transport::{Channel, ClientTlsConfig},
};
use tower::ServiceExt as _;

use crate::nodes::{Endpoint, fault::Fault};

/// How long connecting may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// A channel that connects at its first call. Must be called within a tokio runtime.
pub(crate) fn channel(endpoint: &Endpoint, user_agent: &str) -> Result<Channel, Fault> {
    let fault =
        |error: tonic::transport::Error| Fault::lasting(endpoint, format!("cannot be used as gRPC: {error}"));
    let mut channel = Channel::from_shared(endpoint.base().to_owned())
        .map_err(|_| Fault::lasting(endpoint, "is not a valid address"))?
        .user_agent(user_agent.to_owned())
        .map_err(fault)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    if endpoint.base().starts_with("https://") {
        channel = channel.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(fault)?;
    }
    Ok(channel.connect_lazy())
}

/// One call. An answer that is not gRPC (a proxy's page) is a fault.
pub(crate) async fn call(
    endpoint: &Endpoint,
    channel: Channel,
    mut request: Request<Body>,
) -> Result<Response<Body>, Fault> {
    let target = target(endpoint, request.uri().path())?;
    *request.uri_mut() = target;
    let response = channel.oneshot(request).await.map_err(|error| {
        let fault = Fault::passing(endpoint, format!("cannot be reached: {}", root_cause(&error)));
        if is_connect(&error) { fault.not_sent() } else { fault }
    })?;
    let grpc = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc { Ok(response) } else { Err(Fault::http(endpoint, response.status(), response.headers())) }
}

/// The endpoint's address with `path` after its own, and its query.
fn target(endpoint: &Endpoint, path: &str) -> Result<Uri, Fault> {
    let invalid = || Fault::lasting(endpoint, "is not a valid address");
    let base: Uri = endpoint.base().parse().map_err(|_| invalid())?;
    let prefix = base.path().trim_end_matches('/');
    let query = base.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = base.clone().into_parts();
    parts.path_and_query =
        Some(PathAndQuery::try_from(format!("{prefix}{path}{query}")).map_err(|_| invalid())?);
    Uri::from_parts(parts).map_err(|_| invalid())
}

/// Whether the connection never came about, so that nothing was sent.
fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<tonic::ConnectError>().is_some()
            || error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
        {
            return true;
        }
        source = error.source();
    }
    false
}

/// The innermost error's text: the outer ones say "transport error" and the like.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
