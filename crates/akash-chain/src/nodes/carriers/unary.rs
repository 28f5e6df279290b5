//! gRPC's frames around one message each way, for the carriers that have none: the generated clients see gRPC.
//!
//! This file must not know carriers.

use akash_proto::Message as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::{Status, body::Body};

use crate::nodes::node::HEIGHT_HEADER;

/// One call as the other carriers need it.
pub(crate) struct Call {
    /// `/PACKAGE.SERVICE/METHOD`.
    pub(crate) path: String,
    /// The height that the query is pinned to.
    pub(crate) height: Option<u64>,
    /// The encoded message.
    pub(crate) message: Bytes,
}

/// What a call gives: an encoded message and the height it was answered at, or the chain's error.
pub(crate) type Reply = Result<(Vec<u8>, Option<u64>), Status>;

/// Takes a call out of its frame. `None` for a request without a body.
pub(crate) async fn unframe(request: Request<Body>) -> Option<Call> {
    let (parts, body) = request.into_parts();
    let mut body = body.collect().await.ok()?.to_bytes();
    if body.len() < 5 {
        return None;
    }
    let message = body.split_off(5);
    let height = parts.headers.get(HEIGHT_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    Some(Call { path: parts.uri.path().to_owned(), height, message })
}

/// Puts a reply into the frame of a gRPC answer.
pub(crate) fn frame(reply: Reply) -> Response<Body> {
    let (message, height) = match reply {
        Ok(reply) => reply,
        Err(status) => return status.into_http(),
    };
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from(0))]);
    let mut response =
        Response::new(Body::new(Full::new(framed.freeze()).with_trailers(async move { Some(Ok(trailers)) })));
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(height) = height {
        headers.insert(HEIGHT_HEADER, HeaderValue::from(height));
    }
    response
}

/// The answer to a broadcast, for carriers that give codespace, code and log in another form.
pub(crate) fn checked(hash: &str, codespace: &str, code: u32, log: &str) -> Reply {
    use akash_proto::cosmos::{base::abci::v1beta1::TxResponse, tx::v1beta1::BroadcastTxResponse};
    let tx_response = Some(TxResponse {
        txhash: hash.to_owned(),
        codespace: codespace.to_owned(),
        code,
        raw_log: log.to_owned(),
        ..Default::default()
    });
    Ok((BroadcastTxResponse { tx_response }.encode_to_vec(), None))
}
