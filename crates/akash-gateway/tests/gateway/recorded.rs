//! Every exchange recorded with a real provider daemon, answered again: the client makes the right thing of it.

use crate::server::*;
use akash_gateway::{GatewayError, LeaseRef, ManifestError};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

pub(crate) fn recordings() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../../testdata/recordings.json")).unwrap()
}

/// One line: what the client makes of an answer.
fn outcome<T>(result: Result<T, GatewayError>, ok: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(value) => ok(value),
        Err(GatewayError::Unauthorized { status, message, .. }) => {
            format!("unauthorized {status}: {message}")
        }
        Err(GatewayError::NotFound { message, .. }) => format!("not found: {message}"),
        Err(other) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn every_recorded_exchange() {
    let recordings = recordings();
    let mut lines = Vec::new();
    for case in recordings["gateway"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let (name, path, body) = (text("name"), text("path"), text("body"));
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let kind: &'static str = Box::leak(text("content_type").into_boxed_str());
        // A retryable answer is followed by "taken", so the count of requests says whether it was retried.
        let script = vec![Reply(status, kind, body.clone().into()), Reply::text(200, "")];
        let (server, client) = provider(script).await;
        let target = &server.target;
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let lease = |p: &[&str]| LeaseRef {
            dseq: p[1].parse().unwrap(),
            gseq: p[2].parse().unwrap(),
            oseq: p[3].parse().unwrap(),
        };
        let line = match parts.as_slice() {
            ["version"] => outcome(client.provider_version(target).await, |v| v.akash.cosmos_sdk_version),
            ["address"] => outcome(client.provider_address(target).await, |a| a),
            ["status"] => outcome(client.provider_status(target).await, |s| {
                format!("{} leases, {}", s.cluster.leases, s.address)
            }),
            ["deployment", dseq, "manifest"] => {
                let body = SecretString::from(text("request_body"));
                let cancel = CancellationToken::new();
                let result = client.put_manifest(target, dseq.parse().unwrap(), &body, None, &cancel).await;
                let tries = server.seen().len();
                assert_eq!(server.seen()[0].body, text("request_body"));
                match result {
                    Ok(()) => format!("taken at try {tries}"),
                    Err(ManifestError::Permanent { status, message, .. }) => {
                        format!("refused for good {status}: {message}")
                    }
                    Err(other) => format!("{other:?}"),
                }
            }
            ["lease", .., "service", service, "status"] => {
                outcome(client.service_status(target, lease(&parts), service).await, |s| {
                    let s = s.unwrap();
                    format!("{} ready {} reported {}", s.name, s.ready(), s.counters_reported())
                })
            }
            ["lease", .., "status"] if status == 401 => {
                // The script's second answer would be taken for a status.
                let result = client.lease_status(target, lease(&parts)).await;
                assert!(matches!(result, Err(GatewayError::Decode { .. })), "{result:?}");
                format!("new token tried: {}", server.seen().len())
            }
            ["lease", .., "status"] => outcome(client.lease_status(target, lease(&parts)).await, |s| {
                format!("ready {}, uris {}", s.ready(&["web"]), s.services["web"].uris.len())
            }),
            ["lease", .., "manifest"] => outcome(client.manifest(target, lease(&parts)).await, |m| {
                assert_eq!(m.expose_secret(), body);
                "manifest".to_owned()
            }),
            other => panic!("{other:?}"),
        };
        assert_eq!(server.seen()[0].path, path);
        lines.push(format!("{name}: {line}"));
    }
    let expected = "\
version: v0.53.6
address: akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64
provider status: 1 leases, akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64
manifest for unknown deployment: taken at try 2
manifest before lease: taken at try 2
manifest right after lease: taken at try 1
manifest accepted: taken at try 1
lease status: ready true, uris 0
service status: web ready true reported false
get manifest: manifest
lease status of unknown lease: not found: 
no auth: new token tried: 2
manifest with other content: taken at try 2
manifest not json: refused for good 422: unexpected EOF
manifest empty array: refused for good 422: invalid manifest: manifest is empty
jwt expired: unauthorized 400: JWT has invalid claims
jwt not yet valid: unauthorized 400: JWT has invalid claims
jwt wrong version: unauthorized 400: JWT has invalid claims
jwt no leases: unauthorized 400: JWT has invalid claims
jwt scoped status only: ready true, uris 0
jwt unknown scope: unauthorized 400: JWT has invalid claims
jwt granular for this provider: ready true, uris 0
jwt granular for another provider: new token tried: 2
jwt issuer is not the signer: new token tried: 2
jwt scoped status used for manifest: taken at try 2
malformed authorization: unauthorized 400: invalid authorization header
manifest right after update: taken at try 1
manifest after update settled: taken at try 1
lease status after the provider closed: not found: 
manifest after the provider closed: taken at try 2";
    assert_eq!(lines.join("\n"), expected);
}
