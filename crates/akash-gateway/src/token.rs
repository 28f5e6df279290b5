//! The token (JWT) a call to a gateway carries, and no more than that call needs.
//!
//! Rules: `reference/akash.md` 6.3 and `jwt-schema.json`. It must not know where the key is: a [`TokenSigner`] signs.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::Serialize;
use std::time::Duration;

/// How long a token is valid. The official client's lifetime; a token is made for each call.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The provider's parser has no leeway, so a token begins this long ago, in case this clock is ahead.
const BACK_DATED: u64 = 60;

/// Signs tokens with the key of the account that owns the leases. The wallet implements it.
pub trait TokenSigner: Send + Sync {
    /// The account, `akash1...`.
    fn address(&self) -> &str;

    /// ECDSA over secp256k1 of SHA-256(`message`): r then s, 32 bytes each, s in the lower half of the order.
    ///
    /// # Errors
    /// When the key can't be used.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// The wallet could not sign. The text must not contain key material.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SignError(pub String);

/// What a token allows; the names are the gateway's. An unknown one makes an older provider refuse the whole token,
/// so each call asks for exactly its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Upload a manifest.
    SendManifest,
    /// Read the manifest back.
    GetManifest,
    /// Read logs.
    Logs,
    /// Open a shell.
    Shell,
    /// Read Kubernetes' events.
    Events,
    /// Read the lease's status.
    Status,
    /// Restart a service.
    Restart,
    /// Move hostnames between leases.
    HostnameMigrate,
    /// Move IP endpoints between leases.
    IpMigrate,
    /// Ask for a TEE attestation.
    Attestation,
}

/// One permission: these scopes, on this deployment or lease, at this provider.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// The provider's account.
    pub provider: &'a str,
    /// The deployment. Written as a JSON integer: the provider refuses a string.
    pub dseq: u64,
    /// The lease's gseq and oseq; without them, all leases of the deployment at this provider.
    pub lease: Option<(u32, u32)>,
    /// What may be done, without repetition.
    pub scopes: &'a [Scope],
    /// Which services. The network's rules want the list and do not look at it when a call comes; empty is written
    /// as `["*"]`.
    pub services: &'a [String],
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    version: &'static str,
    leases: Leases<'a>,
}

#[derive(Serialize)]
struct Leases<'a> {
    access: &'static str,
    permissions: [Permission<'a>; 1],
}

#[derive(Serialize)]
struct Permission<'a> {
    provider: &'a str,
    access: &'static str,
    deployments: [Deployment<'a>; 1],
}

#[derive(Serialize)]
struct Deployment<'a> {
    dseq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gseq: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oseq: Option<u32>,
    scope: &'a [Scope],
    services: Vec<&'a str>,
}

/// Makes a token for `grant` as of `now` (seconds since 1970), valid from a minute before for `lifetime` after.
///
/// # Errors
/// [`SignError`] from the signer, or if the claims could not be written.
pub fn mint(
    signer: &dyn TokenSigner,
    grant: &Grant<'_>,
    now: u64,
    lifetime: Duration,
) -> Result<SecretString, SignError> {
    let begins = now.saturating_sub(BACK_DATED);
    let services = if grant.services.is_empty() {
        vec!["*"]
    } else {
        grant.services.iter().map(String::as_str).collect()
    };
    let claims = Claims {
        iss: signer.address(),
        iat: begins,
        nbf: begins,
        exp: now.saturating_add(lifetime.as_secs()),
        version: "v1",
        leases: Leases {
            access: "granular",
            permissions: [Permission {
                provider: grant.provider,
                access: "granular",
                deployments: [Deployment {
                    dseq: grant.dseq,
                    gseq: grant.lease.map(|(gseq, _)| gseq),
                    oseq: grant.lease.map(|(_, oseq)| oseq),
                    scope: grant.scopes,
                    services,
                }],
            }],
        },
    };
    let mut token = format!("{}.{}", part(&Header { alg: "ES256K", typ: "JWT" })?, part(&claims)?);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token.into())
}

fn part(value: &impl Serialize) -> Result<String, SignError> {
    serde_json::to_vec(value)
        .map(|json| URL_SAFE_NO_PAD.encode(json))
        .map_err(|e| SignError(format!("the token could not be written: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bip32::DerivationPath;
    use k256::ecdsa::signature::{Signer, Verifier};
    use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
    use secrecy::ExposeSecret;
    use std::str::FromStr;

    struct Key(SigningKey, &'static str);

    impl TokenSigner for Key {
        fn address(&self) -> &str {
            self.1
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
            let signature: Signature = self.0.sign(message);
            Ok(signature.normalize_s().to_bytes().into())
        }
    }

    fn key(mnemonic: &str, address: &'static str) -> Key {
        let seed = bip39::Mnemonic::parse(mnemonic).unwrap().to_seed("");
        let path = DerivationPath::from_str("m/44'/118'/0'/0/0").unwrap();
        let derived = bip32::XPrv::derive_from_path(&seed, &path).unwrap();
        Key(SigningKey::from_slice(&derived.to_bytes()).unwrap(), address)
    }

    /// A published test phrase, the one of `jwt-cases-es256k.json`.
    fn test_key() -> Key {
        key(
            "addict worth drip violin note olive final pelican perfect feel goat game horror brass fence deposit dutch improve setup stuff frost spirit smart alien",
            "akash1qufa3xzrf34qvwyejkhvnc4psf49fftaw0asmh",
        )
    }

    const PROVIDER: &str = "akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64";

    fn grants<'a>(services: &'a [String]) -> Vec<Grant<'a>> {
        use Scope::*;
        let mut all = vec![Grant {
            provider: PROVIDER,
            dseq: u64::MAX,
            lease: None,
            scopes: &[SendManifest],
            services: &[],
        }];
        let each: [&'static [Scope]; 10] = [
            &[SendManifest],
            &[GetManifest],
            &[Logs],
            &[Shell],
            &[Events],
            &[Status],
            &[Restart],
            &[HostnameMigrate],
            &[IpMigrate],
            &[Attestation],
        ];
        all.extend(each.into_iter().map(|scopes| Grant {
            provider: PROVIDER,
            dseq: 9_007_199_254_740_993,
            lease: Some((1, 2)),
            scopes,
            services,
        }));
        all
    }

    fn claims(token: &SecretString) -> serde_json::Value {
        let payload = token.expose_secret().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn tokens_are_valid_by_the_published_schema() {
        let schema = serde_json::from_str(include_str!("../../../testdata/jwt-schema.json")).unwrap();
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("jwt.json", schema).unwrap();
        let schema = compiler.compile("jwt.json", &mut schemas).unwrap();
        for services in [vec![], vec!["web".to_owned(), "db".to_owned()]] {
            for grant in grants(&services) {
                let token = mint(&test_key(), &grant, 1_795_237_943, TOKEN_LIFETIME).unwrap();
                schemas.validate(&claims(&token), schema).unwrap_or_else(|e| panic!("{grant:?}: {e}"));
            }
        }
    }

    #[test]
    fn a_token_grants_one_lease_at_one_provider_and_nothing_else() {
        let grant = Grant {
            provider: PROVIDER,
            dseq: u64::MAX,
            lease: Some((1, 2)),
            scopes: &[Scope::Status],
            services: &[],
        };
        let token = mint(&test_key(), &grant, 1_000_060, TOKEN_LIFETIME).unwrap();
        let text = claims(&token).to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!({
                "iss": "akash1qufa3xzrf34qvwyejkhvnc4psf49fftaw0asmh",
                "iat": 1_000_000, "nbf": 1_000_000, "exp": 1_000_960, "version": "v1",
                "leases": {"access": "granular", "permissions": [{
                    "provider": PROVIDER, "access": "granular",
                    "deployments": [{"dseq": u64::MAX, "gseq": 1, "oseq": 2, "scope": ["status"], "services": ["*"]}]}]}
            })
        );
        // A number, to the last digit.
        assert!(text.contains(r#""dseq":18446744073709551615"#), "{text}");
    }

    #[test]
    fn the_signature_is_es256k_of_the_first_two_parts() {
        let key = test_key();
        let token = mint(&key, &grants(&[])[0], 1_795_237_943, TOKEN_LIFETIME).unwrap();
        let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        VerifyingKey::from(&key.0).verify(signed.as_bytes(), &signature).unwrap();
        let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap();
        assert_eq!(header, br#"{"alg":"ES256K","typ":"JWT"}"#);
    }

    /// The published cases sign a fixed text: our way of signing makes the same signature, and the invalid case is
    /// refused by the same verification that the test above uses.
    #[test]
    fn published_signature_cases() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../testdata/jwt-cases-es256k.json")).unwrap();
        let key = key(
            file["mnemonic"].as_str().unwrap(),
            Box::leak(file["signer"].as_str().unwrap().to_owned().into_boxed_str()),
        );
        let verifying = VerifyingKey::from(&key.0);
        let mut seen = 0;
        for case in file["cases"].as_array().unwrap() {
            let name = case["description"].as_str().unwrap();
            if !name.starts_with("ES256K -") {
                continue; // ADR36 is for browser wallets; this client does not make it.
            }
            seen += 1;
            let (signed, signature) = case["token"].as_str().unwrap().rsplit_once('.').unwrap();
            let decoded = URL_SAFE_NO_PAD.decode(signature).ok();
            let valid = decoded
                .as_deref()
                .and_then(|bytes| Signature::from_slice(bytes).ok())
                .is_some_and(|s| verifying.verify(signed.as_bytes(), &s).is_ok());
            assert_eq!(valid, !case["must_fail"].as_bool().unwrap(), "{name}");
            if valid {
                assert_eq!(key.sign(signed.as_bytes()).unwrap().to_vec(), decoded.unwrap(), "{name}");
            }
        }
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_token_does_not_show_in_debug() {
        let token = mint(&test_key(), &grants(&[])[0], 0, TOKEN_LIFETIME).unwrap();
        assert!(!format!("{token:?}").contains("ey"));
    }
}
