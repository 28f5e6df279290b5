//! What is sent, how answers are understood, and how an upload is retried.

use crate::server::*;
use akash_gateway::{GatewayClient, GatewayError, LeaseRef, ManifestError, RetryPolicy, Tail};
use futures::SinkExt;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_util::sync::CancellationToken;

const LEASE: LeaseRef = LeaseRef { dseq: u64::MAX, gseq: 1, oseq: 2 };
const MANIFEST: &str = r#"[{"name":"g","services":[{"name":"web","env":["PASSWORD=hunter2"]}]}]"#;

async fn put(server: &Server, client: &GatewayClient) -> Result<(), ManifestError> {
    let cancel = CancellationToken::new();
    client.put_manifest(&server.target, LEASE.dseq, &SecretString::from(MANIFEST), None, &cancel).await
}

#[tokio::test]
async fn an_upload_is_sent_as_it_is_with_a_token_for_it_alone() {
    let (server, client) = provider(vec![Reply::text(200, "")]).await;
    put(&server, &client).await.unwrap();
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str()),
        ("PUT", "/deployment/18446744073709551615/manifest")
    );
    assert_eq!(seen[0].body, MANIFEST);
    let claims = seen[0].claims();
    assert_eq!(claims["iss"], TENANT);
    assert_eq!(
        claims["leases"]["permissions"][0]["deployments"][0],
        serde_json::json!({"dseq": u64::MAX, "scope": ["send-manifest"], "services": ["*"]})
    );
}

#[tokio::test]
async fn each_call_has_its_own_scope() {
    let (server, client) = provider(vec![Reply::json(200, "{}")]).await;
    client.lease_status(&server.target, LEASE).await.unwrap();
    client.service_status(&server.target, LEASE, "web").await.unwrap();
    client.manifest(&server.target, LEASE).await.unwrap();
    let scopes: Vec<_> = server
        .seen()
        .iter()
        .map(|s| {
            let claims = s.claims();
            let permission = &claims["leases"]["permissions"][0];
            assert_eq!(permission["provider"], PROVIDER);
            let deployment = &permission["deployments"][0];
            assert_eq!((&deployment["gseq"], &deployment["oseq"]), (&1.into(), &2.into()));
            format!("{} {}", s.path.rsplit('/').next().unwrap(), deployment["scope"][0].as_str().unwrap())
        })
        .collect();
    assert_eq!(scopes, ["status status", "status status", "manifest get-manifest"]);
}

#[tokio::test]
async fn an_upload_waits_for_a_provider_that_has_not_seen_the_lease() {
    let (server, client) = provider(vec![
        Reply::text(500, "rpc error: code = NotFound desc = Deployment not found: key not found\n"),
        Reply::text(404, "no lease for deployment\n"),
        Reply::text(422, "manifest version validation failed\n"),
        Reply::text(503, ""),
        Reply::json(401, r#"{"message":"unauthorized access"}"#),
        Reply::text(200, ""),
    ])
    .await;
    put(&server, &client).await.unwrap();
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated() {
    for (reply, times) in [
        (Reply::text(422, "invalid manifest: manifest is empty\n"), 1),
        (Reply::text(500, "hostname \"a.example\" is already in use\n"), 1),
        (Reply::json(400, r#"{"message":"JWT has invalid claims"}"#), 1),
        (Reply::json(401, r#"{"message":"JWT is invalid"}"#), 2), // once more with a new token
    ] {
        let (server, client) = provider(vec![reply.clone()]).await;
        let error = put(&server, &client).await.unwrap_err();
        assert!(matches!(error, ManifestError::Permanent { status, .. } if status == reply.0), "{error:?}");
        assert!(error.is_permanent());
        assert_eq!(server.seen().len(), times, "{}", reply.0);
    }
}

#[tokio::test]
async fn an_upload_gives_up_in_time_and_says_what_the_provider_said() {
    let identity = provider_identity(PROVIDER);
    let chain = Chain::of(identity.der.clone());
    let client = |window| {
        GatewayClient::builder(chain.clone(), Some(Arc::new(Signer)), "test/0")
            .public_roots(rustls::RootCertStore::empty())
            .retry(RetryPolicy {
                window,
                first: Duration::from_millis(5),
                longest: Duration::from_millis(20),
            })
            .build()
    };
    let reply = vec![Reply::text(404, "no lease for deployment\n")];
    let server = serve(tls(&identity, &[&rustls::version::TLS13]), "localhost", reply).await;
    let error = put(&server, &client(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(&error, ManifestError::GaveUp { attempts, .. } if *attempts > 2), "{error:?}");
    assert!(error.to_string().contains("no lease for deployment"), "{error}");
    assert!(!error.is_permanent());
    // The caller's deadline beats a longer window.
    let (cancel, body) = (CancellationToken::new(), SecretString::from(MANIFEST));
    let deadline = Some(Instant::now() + Duration::from_millis(200));
    let error = client(Duration::from_secs(600))
        .put_manifest(&server.target, 1, &body, deadline, &cancel)
        .await
        .unwrap_err();
    assert!(matches!(&error, ManifestError::GaveUp { .. }), "{error:?}");
    // And nobody there at all is told apart.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut target = server.target.clone();
    target.host_uri = format!("https://127.0.0.1:{port}");
    let error =
        client(Duration::from_millis(100)).put_manifest(&target, 1, &body, None, &cancel).await.unwrap_err();
    assert!(matches!(&error, ManifestError::Unreachable { attempts, .. } if *attempts > 1), "{error:?}");
}

/// A server that takes connections and says nothing.
#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = akash_gateway::ProviderTarget {
        address: PROVIDER.into(),
        host_uri: format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port()),
    };
    let client = GatewayClient::builder(Chain::of(vec![]), Some(Arc::new(Signer)), "test/0")
        .public_roots(rustls::RootCertStore::empty())
        .connect_timeout(Duration::from_millis(200))
        .retry(RetryPolicy {
            window: Duration::from_secs(1),
            first: Duration::from_millis(2),
            longest: Duration::from_millis(10),
        })
        .build();
    let begun = Instant::now();
    let error = client.lease_status(&target, LEASE).await.unwrap_err();
    assert!(matches!(error, GatewayError::Timeout { .. }), "{error:?}");
    assert!(error.is_unreachable());
    assert!(begun.elapsed() < Duration::from_secs(10), "connecting, TLS included, has its own limit");
    let (cancel, body, begun) = (CancellationToken::new(), SecretString::from(MANIFEST), Instant::now());
    let error = client.put_manifest(&target, 1, &body, None, &cancel).await.unwrap_err();
    assert!(matches!(error, ManifestError::Unreachable { .. }), "{error:?}");
    assert!((0..10).contains(&begun.elapsed().as_secs()), "the window of this client is 1 s");
    let error = client.logs(&target, LEASE, &[], TAIL).await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn an_upload_is_cancelled_at_once() {
    let (server, client) = provider(vec![Reply::text(503, "")]).await;
    let cancel = CancellationToken::new();
    let body = SecretString::from(MANIFEST);
    let upload = client.put_manifest(&server.target, 1, &body, None, &cancel);
    let stop = async {
        while server.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(upload, stop);
    assert!(matches!(result, Err(ManifestError::Cancelled { .. })), "{result:?}");
}

#[tokio::test]
async fn secrets_do_not_come_back_in_errors() {
    let (server, client) = provider(vec![Reply::text(422, "bad env PASSWORD=hunter2\n")]).await;
    let error = put(&server, &client).await.unwrap_err();
    let token = server.seen()[0].token.clone().unwrap();
    for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
        assert!(!text.contains("hunter2") && !text.contains(&token), "{text}");
    }
    assert!(error.to_string().contains("bad env PASSWORD=(secret)"), "{error}");
    let (server, client) = provider(vec![Reply::json(200, r#"[{"name":"hunter2"}]"#)]).await;
    let manifest = client.manifest(&server.target, LEASE).await.unwrap();
    assert!(!format!("{manifest:?}").contains("hunter2"));
    assert!(manifest.expose_secret().contains("hunter2"));
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let long = "x".repeat(5 << 20);
    for (reply, expected) in [
        (Reply::text(302, ""), "redirect (302)"),
        (Reply::text(200, &long), "longer than 4194304 bytes"),
        (Reply::text(200, "<html>"), "could not be read as a lease's status"),
        (Reply::json(200, r#"{"services":[]}"#), "could not be read as a lease's status"),
        (Reply::text(503, "kube down"), "answered 503: kube down"),
        (Reply::text(404, ""), "does not know it (404)"),
    ] {
        let (server, client) = provider(vec![reply]).await;
        let error = client.lease_status(&server.target, LEASE).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_read_takes_a_new_token_once() {
    let refused = Reply::json(401, r#"{"message":"unauthorized access"}"#);
    let (server, client) = provider(vec![refused.clone(), Reply::json(200, "{}")]).await;
    client.lease_status(&server.target, LEASE).await.unwrap();
    let (server, client) = provider(vec![refused]).await;
    let error = client.lease_status(&server.target, LEASE).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unauthorized { status: 401, .. }), "{error:?}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn without_a_wallet_only_open_routes_work() {
    let identity = provider_identity(PROVIDER);
    let reply = vec![Reply::json(200, r#"{"address":"akash1x"}"#)];
    let server = serve(tls(&identity, &[&rustls::version::TLS13]), "localhost", reply).await;
    let client = GatewayClient::builder(Chain::of(identity.der.clone()), None, "test/0").build();
    assert_eq!(client.provider_address(&server.target).await.unwrap(), "akash1x");
    let error = client.lease_status(&server.target, LEASE).await.unwrap_err();
    assert!(matches!(error, GatewayError::NoSigner { .. }));
    assert!(error.to_string().contains("AKASH_MNEMONIC"));
}

/// A WebSocket server that sends `messages` on every connection; gives back the paths it was asked for.
async fn streams(messages: Vec<Message>) -> (akash_gateway::ProviderTarget, GatewayClient) {
    let identity = provider_identity(PROVIDER);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = akash_gateway::ProviderTarget {
        address: PROVIDER.into(),
        host_uri: format!("https://localhost:{}", listener.local_addr().unwrap().port()),
    };
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls(&identity, &[&rustls::version::TLS13])));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, messages) = (acceptor.clone(), messages.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                for message in messages {
                    let _ = socket.send(message).await;
                }
                // Leaves without a closing handshake, as the daemon does.
            });
        }
    });
    (target, client(&Chain::of(identity.der)))
}

const TAIL: Tail = Tail { limit: 2, time: Duration::from_secs(20) };

#[tokio::test]
async fn log_lines_and_events() {
    let line = |n: u32| Message::text(format!(r#"{{"name":"web-{n}","message":"line {n}"}}"#));
    let (target, client) = streams(vec![line(1), Message::Ping(vec![1].into()), line(2), line(3)]).await;
    let lines = client.logs(&target, LEASE, &["web".into()], TAIL).await.unwrap();
    let texts: Vec<_> = lines.iter().map(|l| format!("{} {}", l.name, l.message)).collect();
    assert_eq!(texts, ["web-2 line 2", "web-3 line 3"], "the last ones are kept");
    let event = r#"{"type":"Warning","reason":"BackOff","note":"Back-off pulling image",
        "object":{"kind":"Pod","namespace":"ns","name":"web-1"}}"#;
    let (target, client) = streams(vec![Message::text(event)]).await;
    let events = client.kube_events(&target, LEASE, TAIL).await.unwrap();
    assert_eq!((events[0].reason.as_str(), events[0].object.kind.as_str()), ("BackOff", "Pod"));
}

#[tokio::test]
async fn streams_that_fail() {
    let close = Message::Close(Some(CloseFrame { code: 4001.into(), reason: "lease not found".into() }));
    let (target, client) = streams(vec![close]).await;
    let error = client.logs(&target, LEASE, &[], TAIL).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    // A refusal before the upgrade.
    let (server, client) = provider(vec![Reply::json(401, r#"{"message":"unauthorized access"}"#)]).await;
    let error = client.kube_events(&server.target, LEASE, TAIL).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unauthorized { .. }), "{error:?}");
    assert_eq!(server.seen()[0].path, format!("/lease/{LEASE}/kubeevents?follow=false"));
    let (server, client) = provider(vec![Reply::text(404, "")]).await;
    let services = ["a".to_owned(), "b".to_owned()];
    client.logs(&server.target, LEASE, &services, TAIL).await.unwrap_err();
    let seen = &server.seen()[0];
    assert_eq!(seen.path, format!("/lease/{LEASE}/logs?follow=false&tail=2&service=a,b"));
    assert_eq!(
        seen.claims()["leases"]["permissions"][0]["deployments"][0]["services"],
        serde_json::json!(["a", "b"])
    );
}
