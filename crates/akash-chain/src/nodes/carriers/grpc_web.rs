//! gRPC-Web: gRPC's frames in the body of an ordinary HTTP exchange, trailers as a last frame. A node serves it at its
//! REST address.
//!
//! This file must not know what is asked, nor retry. (tonic-web has a client layer; it hides HTTP status, headers and
//! HTML pages of proxies, which users must be told.)

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;

use super::grpc::root_cause;
use crate::nodes::{Endpoint, fault::Fault};

/// The content type of requests and answers.
const CONTENT_TYPE: &str = "application/grpc-web+proto";
/// More than any page of a listing.
const MAX_BODY: usize = 64 << 20;
/// Set in the first byte of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// One call.
pub(crate) async fn call(
    endpoint: &Endpoint,
    client: &reqwest::Client,
    request: Request<Body>,
) -> Result<Response<Body>, Fault> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| Fault::lasting(endpoint, "was not asked: the request has no body"))?;
    let mut headers = parts.headers;
    headers.remove(http::header::TE);
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(http::header::ACCEPT, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(HeaderName::from_static("x-grpc-web"), HeaderValue::from_static("1"));
    let request = client.post(url(endpoint, parts.uri.path())).headers(headers).body(body.to_bytes());
    let answer = send(endpoint, request).await?;
    let web = answer
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"));
    if !web || !answer.status().is_success() {
        return Err(Fault::http(endpoint, answer.status(), answer.headers()));
    }
    let headers = answer.headers().clone();
    let body = read(endpoint, answer).await?;
    let (messages, trailers) =
        frames(body).ok_or_else(|| Fault::passing(endpoint, "answered with a broken gRPC-Web body"))?;
    let mut response = Response::new(Body::new(
        Full::new(messages)
            .with_trailers(async move { if trailers.is_empty() { None } else { Some(Ok(trailers)) } }),
    ));
    *response.headers_mut() = headers;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// The endpoint's address with `path` after its own path, its query kept.
pub(crate) fn url(endpoint: &Endpoint, path: &str) -> String {
    match endpoint.base().split_once('?') {
        Some((base, query)) => format!(
            "{}{path}{}{query}",
            base.trim_end_matches('/'),
            if path.contains('?') { '&' } else { '?' }
        ),
        None => format!("{}{path}", endpoint.base()),
    }
}

/// Sends, telling a connection that never came about from an answer that was lost.
pub(crate) async fn send(
    endpoint: &Endpoint,
    request: reqwest::RequestBuilder,
) -> Result<reqwest::Response, Fault> {
    request.send().await.map_err(|error| {
        // The URL may hold an API key.
        let error = error.without_url();
        let fault = Fault::passing(endpoint, format!("cannot be reached: {}", root_cause(&error)));
        if error.is_connect() { fault.not_sent() } else { fault }
    })
}

/// The whole body, within a limit.
pub(crate) async fn read(endpoint: &Endpoint, mut answer: reqwest::Response) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        let chunk = answer.chunk().await.map_err(|error| {
            Fault::passing(endpoint, format!("broke off its answer: {}", root_cause(&error.without_url())))
        })?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Fault::passing(endpoint, "answered with more than 64 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
}

/// Splits a body into message frames (kept framed) and trailers. `None` when it is not made of whole frames.
fn frames(mut body: Bytes) -> Option<(Bytes, HeaderMap)> {
    let (mut messages, mut trailers) = (BytesMut::new(), HeaderMap::new());
    while !body.is_empty() {
        let [flags, length @ ..]: [u8; 5] = body.get(..5)?.try_into().ok()?;
        let end = 5_usize.checked_add(u32::from_be_bytes(length).try_into().ok()?)?;
        if body.len() < end {
            return None;
        }
        let frame = body.split_to(end);
        if flags & TRAILERS == 0 {
            messages.extend_from_slice(&frame);
            continue;
        }
        let mut text = frame;
        text.advance(5);
        for line in std::str::from_utf8(&text).ok()?.lines() {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            trailers.append(name, HeaderValue::from_str(value.trim()).ok()?);
        }
    }
    Some((messages.freeze(), trailers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let message = [0, 0, 0, 0, 2, 8, 1];
        let trailer = b"grpc-status:5\r\nGrpc-Message: not%20found\r\n";
        let mut body = message.to_vec();
        body.extend([0x80, 0, 0, 0, u8::try_from(trailer.len()).unwrap()]);
        body.extend(trailer);
        let (messages, trailers) = frames(body.clone().into()).unwrap();
        assert_eq!(messages, message.as_slice());
        assert_eq!(trailers["grpc-status"], "5");
        assert_eq!(trailers["grpc-message"], "not%20found");
        for end in [1, 4, 6, 8, body.len() - 1] {
            assert!(frames(body[..end].to_vec().into()).is_none(), "{end}");
        }
    }

    #[test]
    fn urls() {
        for (base, expected) in [
            ("https://a", "https://a/p/M"),
            ("https://a/x/", "https://a/x/p/M"),
            ("https://a/x?key=1", "https://a/x/p/M?key=1"),
        ] {
            assert_eq!(url(&base.parse().unwrap(), "/p/M"), expected);
        }
    }
}
