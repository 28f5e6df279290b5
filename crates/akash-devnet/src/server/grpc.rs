//! gRPC: one service for every path, over bytes, so that each carrier asks the same queries.
//!
//! Framing and compression are tonic's; what a path means is [`route`]'s.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::Router;
use bytes::{Buf, BufMut, Bytes};
use http::{Request as HttpRequest, Response as HttpResponse};
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, UnaryService},
};

use super::Drop;
use crate::{
    faults::Fault,
    node::Node,
    server::route::{self, Answer},
};

/// The header that asks for a height, and answers with it.
pub(crate) const HEIGHT_HEADER: &str = "x-cosmos-block-height";

/// Serves gRPC.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new().fallback_service(GrpcService { node })
}

/// Every gRPC path, over bytes.
#[derive(Debug, Clone)]
pub(crate) struct GrpcService {
    /// What answers.
    pub(crate) node: Arc<Node>,
}

impl<B> tower::Service<HttpRequest<B>> for GrpcService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let node = self.node.clone();
        let path = request.uri().path().trim_start_matches('/').to_owned();
        Box::pin(async move {
            let dropped = disturb(&node, &path).await;
            let mut response = Grpc::new(BytesCodec).unary(Unary { node, path }, request).await;
            if dropped {
                response.extensions_mut().insert(Drop);
            }
            Ok(response)
        })
    }
}

/// Counts a request and carries out what delays or drops its answer. Whether it is to be dropped.
pub(crate) async fn disturb(node: &Node, path: &str) -> bool {
    node.count(path);
    let delay = node
        .faults()
        .take(|fault| matches!(fault, Fault::DelayAnswer { path: part, .. } if path.contains(part)));
    if let Some(Fault::DelayAnswer { millis, .. }) = delay {
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    }
    node.faults()
        .take(|fault| matches!(fault, Fault::DropAnswer { path: part } if path.contains(part)))
        .is_some()
}

struct Unary {
    node: Arc<Node>,
    path: String,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        std::future::ready(answer(&self.node, &self.path, &request))
    }
}

fn answer(node: &Node, path: &str, request: &Request<Bytes>) -> Result<Response<Bytes>, Status> {
    if node
        .faults()
        .take(|fault| matches!(fault, Fault::Unavailable { path: part } if path.contains(part)))
        .is_some()
    {
        return Err(Status::unavailable("the node is unavailable on purpose"));
    }
    let height = match request.metadata().get(HEIGHT_HEADER) {
        None => None,
        Some(value) => match value.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(height) => Some(height),
            None => return Err(Status::invalid_argument("invalid block height")),
        },
    };
    let Answer { bytes, height } = route::route(node, path, request.get_ref(), height)
        .map_err(|error| Status::new(error.code, error.message))?;
    let mut response = Response::new(Bytes::from(bytes));
    if let Ok(value) = height.to_string().parse() {
        response.metadata_mut().insert(HEIGHT_HEADER, value);
    }
    Ok(response)
}

/// Messages as they are: encoding and decoding are the routes'.
#[derive(Debug, Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
