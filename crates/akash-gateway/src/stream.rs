//! Logs and Kubernetes' events of a lease, over WebSocket: the last lines, for a diagnostic. Nothing is followed.

use crate::client::{GatewayClient, refused};
use crate::error::{GatewayError, quote};
use crate::peer::{Answer, Peer};
use crate::target::{LeaseRef, ProviderTarget};
use crate::token::{Grant, Scope};
use futures::StreamExt;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use zeroize::Zeroizing;

/// Longest message that is read; a log line is not longer.
const MAX_MESSAGE: usize = 1 << 20;

/// How much of a stream to read.
#[derive(Debug, Clone, Copy)]
pub struct Tail {
    /// Most entries to return; the last ones are kept.
    pub limit: usize,
    /// How long to read. What has come by then is returned.
    pub time: Duration,
}

/// A line some container wrote. It may hold anything, secrets included: show it only to the deployment's owner.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// The pod.
    pub name: String,
    /// The line.
    pub message: String,
}

impl std::fmt::Debug for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogLine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An event of Kubernetes about something of the lease.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KubeEvent {
    /// `Normal` or `Warning`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// One word, for example `BackOff`.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub note: String,
    /// What it is about.
    #[serde(default)]
    pub object: EventObject,
}

/// What a [`KubeEvent`] is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct EventObject {
    /// For example `Pod`.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The lease's namespace.
    #[serde(default)]
    pub namespace: String,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl GatewayClient {
    /// The last log lines of `services` (empty = all) of a lease.
    ///
    /// # Errors
    /// [`GatewayError`], if nothing could be read.
    pub async fn logs(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
        services: &[String],
        tail: Tail,
    ) -> Result<Vec<LogLine>, GatewayError> {
        let mut path = format!("/lease/{lease}/logs?follow=false&tail={}", tail.limit);
        if !services.is_empty() {
            // Names are [a-z0-9-], so nothing has to be escaped. The gateway's key is `service`.
            path.push_str("&service=");
            path.push_str(&services.join(","));
        }
        self.collect(target, lease, &path, Scope::Logs, services, tail).await
    }

    /// The last events of a lease.
    ///
    /// # Errors
    /// [`GatewayError`], if nothing could be read.
    pub async fn kube_events(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
        tail: Tail,
    ) -> Result<Vec<KubeEvent>, GatewayError> {
        let path = format!("/lease/{lease}/kubeevents?follow=false");
        self.collect(target, lease, &path, Scope::Events, &[], tail).await
    }

    async fn collect<T: DeserializeOwned>(
        &self,
        target: &ProviderTarget,
        lease: LeaseRef,
        path: &str,
        scope: Scope,
        services: &[String],
        tail: Tail,
    ) -> Result<Vec<T>, GatewayError> {
        let peer = self.peer(target)?;
        let grant = Grant {
            provider: &target.address,
            dseq: lease.dseq,
            lease: Some((lease.gseq, lease.oseq)),
            scopes: &[scope],
            services,
        };
        let token = self.token(&grant)?;
        let end = tokio::time::Instant::now() + tail.time;
        let _slot = peer.slot(tail.time).await?;
        let mut socket = tokio::time::timeout_at(end, peer.open(path, token.expose_secret()))
            .await
            .map_err(|_| peer.timed_out(tail.time))??;
        let mut entries = std::collections::VecDeque::new();
        let failure = loop {
            match tokio::time::timeout_at(end, socket.next()).await {
                Err(_) => break None,
                Ok(message) => match peer.entry(message) {
                    Ok(Some(entry)) => {
                        entries.push_back(entry);
                        if entries.len() > tail.limit {
                            entries.pop_front();
                        }
                    }
                    Ok(None) => {}
                    Err(end) => break end,
                },
            }
        };
        match failure {
            Some(failure) if entries.is_empty() => Err(failure),
            _ => Ok(entries.into()),
        }
    }
}

impl Peer {
    /// Opens a WebSocket; its own connection, with the same trust as every other.
    async fn open(&self, path: &str, token: &str) -> Result<Socket, GatewayError> {
        let since = Instant::now();
        match self.open_once(path, token).await {
            Err(failure) if self.server.learn(&failure, since).await? => self.open_once(path, token).await,
            result => result,
        }
    }

    async fn open_once(&self, path: &str, token: &str) -> Result<Socket, GatewayError> {
        let bare = self.server.bare_host();
        let unusable = |reason: String| GatewayError::BadHost {
            provider: self.server.provider.clone(),
            host_uri: self.server.url.to_string(),
            reason,
        };
        let name = ServerName::try_from(bare.to_owned()).map_err(|e| unusable(e.to_string()))?;
        let connect = async {
            let tcp = TcpStream::connect((bare, self.server.port())).await?;
            TlsConnector::from(self.tls.clone()).connect(name, tcp).await
        };
        let stream = tokio::time::timeout(self.connect, connect)
            .await
            .map_err(|_| self.timed_out(self.connect))?
            .map_err(|e| self.transport_failure(&e))?;
        let mut request = format!("wss://{}{path}", self.server.host())
            .into_client_request()
            .map_err(|e| unusable(e.to_string()))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|e| GatewayError::Setup(e.to_string()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert("Authorization", bearer);
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => {
                let status = response.status().as_u16();
                let body = Zeroizing::new(response.into_body().unwrap_or_default());
                Err(refused(&self.server.provider, &Answer { status, body }, &[]))
            }
            Err(error) => Err(self.transport_failure(&error)),
        }
    }

    /// An entry, nothing (a control message), or the stream's end with what was wrong, if anything.
    fn entry<T: DeserializeOwned>(
        &self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<Option<T>, Option<GatewayError>> {
        match message {
            Some(Ok(Message::Text(text))) => serde_json::from_str(text.as_str()).map(Some).map_err(|e| {
                Some(GatewayError::Decode {
                    provider: self.server.provider.clone(),
                    what: "a line of a stream",
                    // Only where: the line itself is the user's.
                    reason: format!("at column {}", e.column()),
                })
            }),
            Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) >= 4000 => {
                Err(Some(GatewayError::Stream {
                    provider: self.server.provider.clone(),
                    code: frame.code.into(),
                    message: quote(frame.reason.as_bytes(), &[]),
                }))
            }
            None | Some(Ok(Message::Close(_))) => Err(None),
            Some(Ok(_)) => Ok(None),
            // The daemon ends a stream that it does not follow by closing the connection.
            Some(Err(
                tungstenite::Error::ConnectionClosed
                | tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake),
            )) => Err(None),
            Some(Err(tungstenite::Error::Io(e))) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(None)
            }
            Some(Err(error)) => Err(Some(self.transport_failure(&error))),
        }
    }
}
