//! Why one endpoint gave no usable answer, as distinct from an answer that the user will not like.
//!
//! This file must not know what was asked.

use std::time::Duration;

/// Whether asking the same endpoint again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It may.
    Passing,
    /// The endpoint is not what it should be.
    Lasting,
    /// It is a node, but does not serve this query (or a proxy in front of it does not let it through).
    Unserved,
}

/// One endpoint's failure to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint} {}", plain_text::line(what))]
pub struct Fault {
    /// The address, without secrets.
    pub endpoint: String,
    /// What happened, to follow the address in a sentence.
    pub what: String,
    /// Whether the request may have reached the node and been acted on.
    pub maybe_done: bool,
    /// Whether asking the same endpoint again can help.
    pub kind: FaultKind,
    /// How long the endpoint asked to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault after which the request may or may not have been acted on, and which may pass.
    pub(crate) fn passing(endpoint: &super::Endpoint, what: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            what: what.into(),
            maybe_done: true,
            kind: FaultKind::Passing,
            retry_after: None,
        }
    }

    /// A fault that will stay: the endpoint is not what it should be. Nothing was done.
    pub(crate) fn lasting(endpoint: &super::Endpoint, what: impl Into<String>) -> Self {
        Self { maybe_done: false, kind: FaultKind::Lasting, ..Self::passing(endpoint, what) }
    }

    /// The endpoint does not serve what was asked for.
    pub(crate) fn unserved(endpoint: &super::Endpoint, says: &str) -> Self {
        let what = format!("does not serve this query ({says})");
        Self { kind: FaultKind::Unserved, ..Self::lasting(endpoint, what) }
    }

    /// The request has not reached the node.
    pub(crate) fn not_sent(self) -> Self {
        Self { maybe_done: false, ..self }
    }

    /// An HTTP answer that does not belong to the carrier's protocol: a proxy's error page, a rate limit, a redirect.
    pub(crate) fn http(
        endpoint: &super::Endpoint,
        status: http::StatusCode,
        headers: &http::HeaderMap,
    ) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let html = header(http::header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        let page = if html { " with an HTML page" } else { "" };
        let what = match status.as_u16() {
            429 => "limits the rate of requests (HTTP 429)".to_owned(),
            300..400 => format!(
                "redirects to {} (HTTP {}); use that address",
                header(http::header::LOCATION).unwrap_or("nowhere").split('?').next().unwrap_or_default(),
                status.as_u16()
            ),
            code => format!("answered HTTP {code}{page} instead of the chain's data"),
        };
        let retry_after =
            header(http::header::RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        // Told by status: 4xx was not acted on, other answers may have passed the request on.
        Self { retry_after, maybe_done: !status.is_client_error(), ..Self::passing(endpoint, what) }
    }
}
