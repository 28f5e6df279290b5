//! The services beside the provider's own that a plugin must have, and the way of a request to its service.

use super::http2::{RequestBody, Routes};
use crate::framework::{Answered, Provider};
use crate::proto::health::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};
use crate::proto::plugin::{
    ConnInfo, Empty, StdioData, grpc_broker_server, grpc_controller_server, grpc_stdio_server,
};
use crate::proto::tfplugin6::provider_server::ProviderServer;
use crate::service::Service;
use futures::StreamExt;
use futures::stream;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::codegen::{BoxStream, Service as _};
use tonic::{Status, Streaming};

/// What the Go servers accept; a value may be large.
const MESSAGE_LIMIT: usize = 256 << 20;

/// Every service of the plugin.
pub(super) struct Services<P: Provider> {
    provider: Service<P>,
    shutdown: CancellationToken,
}

impl<P: Provider> Services<P> {
    /// `shutdown` is cancelled when the client asks the plugin to exit.
    pub(super) const fn new(provider: Service<P>, shutdown: CancellationToken) -> Self {
        Self { provider, shutdown }
    }
}

impl<P: Provider> Clone for Services<P> {
    fn clone(&self) -> Self {
        Self { provider: self.provider.clone(), shutdown: self.shutdown.clone() }
    }
}

impl<P: Provider> Routes for Services<P> {
    async fn route(&self, request: Request<RequestBody>) -> Response<tonic::body::Body> {
        let own = OwnServices { shutdown: self.shutdown.clone() };
        let service = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        let Ok(response) = match service.as_str() {
            "tfplugin6.Provider" => {
                ProviderServer::new(self.provider.clone())
                    .max_decoding_message_size(MESSAGE_LIMIT)
                    .max_encoding_message_size(MESSAGE_LIMIT)
                    .call(request)
                    .await
            }
            "plugin.GRPCController" => {
                grpc_controller_server::GrpcControllerServer::new(own).call(request).await
            }
            "plugin.GRPCStdio" => grpc_stdio_server::GrpcStdioServer::new(own).call(request).await,
            "plugin.GRPCBroker" => grpc_broker_server::GrpcBrokerServer::new(own).call(request).await,
            "grpc.health.v1.Health" => health_server::HealthServer::new(own).call(request).await,
            _ => Ok(Status::unimplemented("no such service").into_http()),
        };
        response
    }
}

#[derive(Clone)]
struct OwnServices {
    shutdown: CancellationToken,
}

impl OwnServices {
    /// A stream that says nothing and ends with the plugin.
    fn silence<T: Send + 'static>(&self) -> BoxStream<T> {
        stream::pending().take_until(self.shutdown.clone().cancelled_owned()).boxed()
    }
}

#[tonic::async_trait]
impl grpc_controller_server::GrpcController for OwnServices {
    async fn shutdown(&self, request: tonic::Request<Empty>) -> Result<tonic::Response<Empty>, Status> {
        let shutdown = self.shutdown.clone();
        // Not before the answer is out: the client waits for it.
        if let Some(answered) = request.extensions().get::<Answered>() {
            answered.add(Box::new(move || shutdown.cancel()));
        }
        Ok(tonic::Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl grpc_stdio_server::GrpcStdio for OwnServices {
    async fn stream_stdio(
        &self,
        _: tonic::Request<()>,
    ) -> Result<tonic::Response<BoxStream<StdioData>>, Status> {
        Ok(tonic::Response::new(self.silence()))
    }
}

#[tonic::async_trait]
impl grpc_broker_server::GrpcBroker for OwnServices {
    async fn start_stream(
        &self,
        _: tonic::Request<Streaming<ConnInfo>>,
    ) -> Result<tonic::Response<BoxStream<ConnInfo>>, Status> {
        Ok(tonic::Response::new(self.silence()))
    }
}

#[tonic::async_trait]
impl health_server::Health for OwnServices {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            "" | "plugin" => {
                Ok(tonic::Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
            }
            _ => Err(Status::not_found("no such service")),
        }
    }

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<BoxStream<HealthCheckResponse>>, Status> {
        let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
        Ok(tonic::Response::new(stream::once(async move { Ok(serving) }).chain(self.silence()).boxed()))
    }
}
