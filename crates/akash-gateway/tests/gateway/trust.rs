//! Whom the client takes for the provider, and whom not. A refused server must not have got a request.

use crate::server::*;
use akash_gateway::{GatewayClient, GatewayError, Refusal, certificate_from_pem};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::RootCertStore;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn address() -> Vec<Reply> {
    vec![Reply::json(200, &format!(r#"{{"address":"{PROVIDER}"}}"#))]
}

/// Serves with `identity` while the chain's valid certificates are `valid`; the refusal the client comes to.
async fn refused(identity: &Identity, valid: Vec<Vec<u8>>) -> Refusal {
    let server = serve(tls(identity, TLS13), "localhost", address()).await;
    refusal(&server, &client(&Chain::of(valid))).await
}

async fn refusal(server: &Server, client: &GatewayClient) -> Refusal {
    let error = client.provider_address(&server.target).await.unwrap_err();
    assert!(server.seen().is_empty(), "a request was sent to a server that is not trusted");
    // The same must hold for a call with a token.
    let lease = akash_gateway::LeaseRef { dseq: 1, gseq: 1, oseq: 1 };
    client.lease_status(&server.target, lease).await.unwrap_err();
    client.logs(&server.target, lease, &[], TAIL).await.unwrap_err();
    assert!(server.seen().is_empty());
    match error {
        GatewayError::Untrusted { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

const TAIL: akash_gateway::Tail = akash_gateway::Tail { limit: 5, time: std::time::Duration::from_secs(20) };

#[tokio::test]
async fn the_providers_own_certificate_is_taken_and_the_chain_asked_once() {
    let identity = provider_identity(PROVIDER);
    let other = provider_identity(PROVIDER).der[0].clone();
    let chain = Chain::of(vec![other, identity.der[0].clone()]);
    let client = client(&chain);
    // By name and by address: the certificate's names do not matter.
    for host in ["localhost", "127.0.0.1"] {
        let server = serve(tls(&identity, TLS13), host, address()).await;
        for _ in 0..3 {
            assert_eq!(client.provider_address(&server.target).await.unwrap(), PROVIDER);
        }
        assert_eq!(server.connections(), 1, "the connection is kept");
    }
    assert_eq!(*chain.asked.lock().unwrap(), [PROVIDER, PROVIDER], "once for each server");
}

#[tokio::test]
async fn many_calls_at_once_ask_the_chain_once() {
    let identity = provider_identity(PROVIDER);
    let chain = Chain::of(vec![identity.der[0].clone()]);
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    let client = client(&chain);
    let calls = (0..40).map(|_| client.provider_address(&server.target));
    for result in futures::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(chain.asked(), 1);
    let most = server.at_once.1.load(std::sync::atomic::Ordering::SeqCst);
    assert!((1..=8).contains(&most), "{most} at once");
    assert!(server.connections() < 40, "connections are kept");
}

#[tokio::test]
async fn another_accounts_valid_certificate() {
    let identity = provider_identity(TENANT);
    // Even if the caller's chain gave it for this provider.
    let refusal = refused(&identity, identity.der.clone()).await;
    assert_eq!(refusal, Refusal::OtherAccount { found: TENANT.into() });
}

#[tokio::test]
async fn the_right_name_with_another_key() {
    let real = provider_identity(PROVIDER);
    assert_eq!(refused(&provider_identity(PROVIDER), real.der.clone()).await, Refusal::NotOnChain);
}

#[tokio::test]
async fn the_right_certificate_without_its_key() {
    let real = provider_identity(PROVIDER);
    let thief = Identity { der: real.der.clone(), key: provider_identity(PROVIDER).key };
    assert!(matches!(refused(&thief, real.der.clone()).await, Refusal::Handshake(_)));
}

#[tokio::test]
async fn expired_and_not_yet_valid() {
    let now = OffsetDateTime::now_utc();
    for (from, to) in [(-2, -1), (1, 2)] {
        let mut params = provider_params(PROVIDER);
        params.not_before = now + Duration::days(from);
        params.not_after = now + Duration::days(to);
        let identity = self_signed(&params);
        assert!(matches!(refused(&identity, identity.der.clone()).await, Refusal::Dates { .. }));
    }
}

#[tokio::test]
async fn revoked_or_never_published() {
    assert_eq!(refused(&provider_identity(PROVIDER), vec![]).await, Refusal::NotOnChain);
}

#[tokio::test]
async fn a_client_certificate() {
    let mut params = provider_params(PROVIDER);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let identity = self_signed(&params);
    assert_eq!(refused(&identity, identity.der.clone()).await, Refusal::Usage);
}

#[tokio::test]
async fn more_than_one_certificate() {
    let mut identity = provider_identity(PROVIDER);
    let valid = identity.der.clone();
    identity.der.push(provider_identity(PROVIDER).der.remove(0));
    assert_eq!(refused(&identity, valid).await, Refusal::Chain(1));
}

#[tokio::test]
async fn issuer_is_another_account() {
    // Signed by somebody else in the provider's name: then it is no account's certificate, and no authority knows it.
    let issuer =
        rcgen::CertifiedIssuer::self_signed(provider_params(TENANT), rcgen::KeyPair::generate().unwrap());
    let key = rcgen::KeyPair::generate().unwrap();
    let der = provider_params(PROVIDER).signed_by(&key, &issuer.unwrap()).unwrap().der().to_vec();
    let identity = Identity { der: vec![der.clone()], key: key.serialize_der() };
    assert!(matches!(refused(&identity, vec![der]).await, Refusal::NotPublic(_)));
}

#[tokio::test]
async fn tls_1_2() {
    let identity = provider_identity(PROVIDER);
    let server = serve(tls(&identity, &[&rustls::version::TLS12]), "localhost", address()).await;
    let refusal = refusal(&server, &client(&Chain::of(identity.der.clone()))).await;
    assert!(matches!(refusal, Refusal::Protocol(_)), "{refusal:?}");
}

#[tokio::test]
async fn a_certificate_published_later_is_taken() {
    let identity = provider_identity(PROVIDER);
    let chain = Chain::of(vec![]);
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    // The chain is not asked twice within seconds, so two clients stand for "before" and "after".
    assert_eq!(refusal(&server, &client(&chain)).await, Refusal::NotOnChain);
    assert_eq!(chain.asked(), 1, "not asked again at every call");
    chain.valid.lock().unwrap().push(identity.der[0].clone());
    client(&chain).provider_address(&server.target).await.unwrap();
}

fn client_with_roots(chain: &Arc<Chain>, root: rustls::pki_types::CertificateDer<'static>) -> GatewayClient {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    GatewayClient::builder(chain.clone(), Some(Arc::new(Signer)), "test/0").public_roots(roots).build()
}

#[tokio::test]
async fn a_public_certificate_for_the_host() {
    let (identity, root) = public_identity("localhost");
    let chain = Chain::of(vec![]);
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    client_with_roots(&chain, root).provider_address(&server.target).await.unwrap();
    assert_eq!(chain.asked(), 0, "the chain has nothing to say about it");
}

#[tokio::test]
async fn a_public_certificate_for_another_host_or_of_an_unknown_authority() {
    let (identity, root) = public_identity("other.example");
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    let chain = Chain::of(vec![]);
    assert!(matches!(refusal(&server, &client_with_roots(&chain, root)).await, Refusal::NotPublic(_)));
    let (identity, _) = public_identity("localhost");
    // Not even if the chain's list had it: it does not carry the provider's name.
    let chain = Chain::of(identity.der.clone());
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    let (_, root) = public_identity("localhost");
    assert!(matches!(refusal(&server, &client_with_roots(&chain, root)).await, Refusal::NotPublic(_)));
}

#[tokio::test]
async fn the_machines_authorities_do_not_know_a_test_authority() {
    let (identity, _) = public_identity("localhost");
    let server = serve(tls(&identity, TLS13), "localhost", address()).await;
    let client = GatewayClient::new(Chain::of(vec![]), Some(Arc::new(Signer)), "test/0");
    assert!(matches!(refusal(&server, &client).await, Refusal::NotPublic(_)));
}

#[tokio::test]
async fn nobody_listens_and_plain_http() {
    let chain = Chain::of(vec![]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = akash_gateway::ProviderTarget {
        address: PROVIDER.into(),
        host_uri: format!("https://127.0.0.1:{port}"),
    };
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            let _ = tcp.read(&mut buffer).await;
            let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let error = client(&chain).provider_address(&target).await.unwrap_err();
    assert!(matches!(error, GatewayError::Untrusted { .. } | GatewayError::Unreachable { .. }), "{error:?}");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let target = akash_gateway::ProviderTarget {
        address: PROVIDER.into(),
        host_uri: format!("https://127.0.0.1:{closed}"),
    };
    let error = client(&chain).provider_address(&target).await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert_eq!(chain.asked(), 0);
}

/// A provider's certificate as a real chain has it.
#[test]
fn a_recorded_certificate() {
    use base64::Engine;
    let recordings = crate::recorded::recordings();
    let query =
        recordings["queries"].as_array().unwrap().iter().find(|q| q["name"] == "certificates").unwrap();
    let pem = query["rest_json"]["certificates"][0]["certificate"]["cert"].as_str().unwrap();
    let pem = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
    let der = certificate_from_pem(&pem).unwrap();
    let ours = provider_identity(PROVIDER).der.remove(0);
    let (_, real) = x509_parser::parse_x509_certificate(&der).unwrap();
    let (_, ours) = x509_parser::parse_x509_certificate(&ours).unwrap();
    assert_eq!(real.subject().to_string(), ours.subject().to_string());
    let oids = |c: &x509_parser::certificate::X509Certificate<'_>| {
        let mut oids: Vec<String> =
            c.extensions().iter().map(|e| format!("{} {}", e.oid, e.critical)).collect();
        oids.sort();
        oids
    };
    assert_eq!(oids(&real), oids(&ours), "the tests' certificates are shaped like real ones");
}
