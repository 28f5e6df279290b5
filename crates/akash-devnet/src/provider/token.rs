//! Who calls a gateway and what that caller may do (`reference/akash.md` 6.3): the token's signature, claims and scopes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::wallet;

const SCOPES: [&str; 10] = [
    "send-manifest",
    "get-manifest",
    "logs",
    "shell",
    "events",
    "status",
    "restart",
    "hostname-migrate",
    "ip-migrate",
    "attestation",
];

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 401: no token, or it does not allow this.
    Unauthorized,
    /// 401: not a token, or not signed by its issuer.
    Invalid,
    /// 400: signed, but says something that no token may say.
    Claims,
    /// 400: the header is not `Bearer TOKEN`.
    Header,
    /// 400: a token and a client certificate.
    Ambiguous,
}

impl Refusal {
    /// Status and message of the answer.
    pub(super) fn answer(self) -> (u16, &'static str) {
        match self {
            Self::Unauthorized => (401, "unauthorized access"),
            Self::Invalid => (401, "JWT is invalid"),
            Self::Claims => (400, "JWT has invalid claims"),
            Self::Header => (400, "invalid authorization header"),
            Self::Ambiguous => (400, "auth: ambiguous authentication method"),
        }
    }
}

/// What a call does to what.
pub(super) struct Access<'a> {
    pub(super) provider: &'a str,
    /// `None`: any permission on the lease is enough.
    pub(super) scope: Option<&'a str>,
    pub(super) dseq: u64,
    pub(super) lease: Option<(u32, u32)>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    iss: String,
    iat: Option<i64>,
    nbf: Option<i64>,
    exp: Option<i64>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    leases: Leases,
}

#[derive(Deserialize, Default)]
struct Leases {
    #[serde(default)]
    access: String,
    scope: Option<Vec<String>>,
    permissions: Option<Vec<Permission>>,
}

#[derive(Deserialize)]
struct Permission {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    access: String,
    scope: Option<Vec<String>>,
    deployments: Option<Vec<Deployment>>,
}

#[derive(Deserialize)]
struct Deployment {
    #[serde(default)]
    dseq: u64,
    #[serde(default)]
    gseq: u32,
    #[serde(default)]
    oseq: u32,
    #[serde(default)]
    scope: Vec<String>,
    #[serde(default)]
    services: Vec<String>,
}

/// The caller's claims, from the `Authorization` header. `public_key` finds an account's key on chain; `now` is in
/// seconds since 1970.
pub(super) fn authenticate(
    header: Option<&[u8]>,
    public_key: impl Fn(&str) -> Option<Vec<u8>>,
    now: i64,
) -> Result<Claims, Refusal> {
    let header = std::str::from_utf8(header.ok_or(Refusal::Unauthorized)?).map_err(|_| Refusal::Header)?;
    let token = match header.split_once(' ') {
        Some((kind, token)) if kind.eq_ignore_ascii_case("bearer") && !token.is_empty() => token,
        _ => return Err(Refusal::Header),
    };
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Invalid)?;
    let (head, payload) = signed.split_once('.').ok_or(Refusal::Invalid)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Invalid);
    let head: Header = serde_json::from_slice(&decode(head)?).map_err(|_| Refusal::Invalid)?;
    // Also what is of the wrong type in it, as a dseq in quotes.
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| Refusal::Invalid)?;
    let message = match head.alg.as_str() {
        "ES256K" => signed.to_owned(),
        "ES256KADR36" => adr36(&claims.iss, signed),
        _ => return Err(Refusal::Invalid),
    };
    let key = public_key(&claims.iss).ok_or(Refusal::Invalid)?;
    let signature = decode(signature)?;
    if signature.len() != 64 || !wallet::verify(&key, message.as_bytes(), &signature) {
        return Err(Refusal::Invalid);
    }
    if claims.valid(now) { Ok(claims) } else { Err(Refusal::Claims) }
}

/// What browser wallets sign instead of the text itself.
fn adr36(signer: &str, text: &str) -> String {
    use base64::engine::general_purpose::STANDARD;
    format!(
        r#"{{"account_number":"0","chain_id":"","fee":{{"amount":[],"gas":"0"}},"memo":"","msgs":[{{"type":"sign/MsgSignData","value":{{"data":"{}","signer":"{signer}"}}}}],"sequence":"0"}}"#,
        STANDARD.encode(text)
    )
}

impl Claims {
    /// What a client certificate stands for: everything of this account's.
    pub(super) fn of_certificate(account: String) -> Self {
        let leases = Leases { access: "full".to_owned(), ..Leases::default() };
        Self { iss: account, iat: None, nbf: None, exp: None, version: "v1".to_owned(), leases }
    }

    /// The account that calls.
    pub(super) fn owner(&self) -> &str {
        &self.iss
    }

    fn valid(&self, now: i64) -> bool {
        let (Some(iat), Some(nbf), Some(exp)) = (self.iat, self.nbf, self.exp) else { return false };
        wallet::is_address(&self.iss)
            && self.version == "v1"
            && iat <= exp
            && nbf <= exp
            // No leeway.
            && (nbf..exp).contains(&now)
            && iat <= now
            && self.leases.valid()
    }

    /// Whether the token allows `access`.
    pub(super) fn allows(&self, access: &Access<'_>) -> bool {
        let within = |scopes: &[String]| access.scope.is_none_or(|wanted| scopes.iter().any(|s| s == wanted));
        let leases = &self.leases;
        match leases.access.as_str() {
            "full" => true,
            "scoped" => leases.scope.as_deref().is_some_and(within),
            "granular" => {
                let mut here = leases.permissions.iter().flatten().filter(|p| p.provider == access.provider);
                here.any(|permission| match permission.access.as_str() {
                    "full" => true,
                    "scoped" => permission.scope.as_deref().is_some_and(within),
                    _ => {
                        permission.deployments.iter().flatten().any(|d| d.covers(access) && within(&d.scope))
                    }
                })
            }
            _ => false,
        }
    }
}

impl Leases {
    fn valid(&self) -> bool {
        match (self.access.as_str(), &self.scope, &self.permissions) {
            ("full", None, None) => true,
            ("scoped", Some(scope), None) => scopes_valid(scope),
            ("granular", None, Some(permissions)) => {
                let mut providers: Vec<&str> = permissions.iter().map(|p| p.provider.as_str()).collect();
                providers.sort_unstable();
                let repeated = providers.windows(2).any(|pair| pair.first() == pair.last());
                !permissions.is_empty() && !repeated && permissions.iter().all(Permission::valid)
            }
            _ => false,
        }
    }
}

impl Permission {
    fn valid(&self) -> bool {
        wallet::is_address(&self.provider)
            && match (self.access.as_str(), &self.scope, &self.deployments) {
                ("full", None, None) => true,
                ("scoped", Some(scope), None) => scopes_valid(scope),
                ("granular", None, Some(deployments)) => {
                    !deployments.is_empty() && deployments.iter().all(Deployment::valid)
                }
                _ => false,
            }
    }
}

impl Deployment {
    fn valid(&self) -> bool {
        self.dseq > 0
            && scopes_valid(&self.scope)
            && !self.services.is_empty()
            && unique(&self.services)
            && (self.oseq == 0 || self.gseq > 0)
    }

    fn covers(&self, access: &Access<'_>) -> bool {
        let same = |granted: u32, wanted: u32| granted == 0 || granted == wanted;
        self.dseq == access.dseq
            && access.lease.is_none_or(|(gseq, oseq)| same(self.gseq, gseq) && same(self.oseq, oseq))
    }
}

fn scopes_valid(scopes: &[String]) -> bool {
    let known = |scope: &String| SCOPES.contains(&scope.as_str());
    !scopes.is_empty() && unique(scopes) && scopes.iter().all(known)
}

fn unique(items: &[String]) -> bool {
    items.iter().enumerate().all(|(i, item)| !items.iter().take(i).any(|other| other == item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::Wallet;

    /// The published cases sign claims that are no valid leases: a good signature gets as far as the claims.
    #[test]
    fn published_signature_cases() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../../testdata/jwt-cases-es256k.json")).unwrap();
        let wallet = Wallet::from_mnemonic(file["mnemonic"].as_str().unwrap(), 0).unwrap();
        assert_eq!(wallet.address(), file["signer"].as_str().unwrap());
        let key = |_: &str| Some(wallet.public_key().to_vec());
        for case in file["cases"].as_array().unwrap() {
            let name = case["description"].as_str().unwrap();
            // Cases that do not say who signs: ADR36 needs the address for what is signed, so it can't be told here.
            if name.contains("ADR36 - Valid Signature / short") {
                continue;
            }
            let header = format!("Bearer {}", case["token"].as_str().unwrap());
            let result = authenticate(Some(header.as_bytes()), key, 1_760_405_000).map(drop);
            let expected = match (case["must_fail"].as_bool().unwrap(), name.contains("scoped claims")) {
                (true, _) => Err(Refusal::Invalid),
                (false, true) => Ok(()),
                (false, false) => Err(Refusal::Claims),
            };
            assert_eq!(result, expected, "{name}");
        }
    }

    #[test]
    fn which_tokens_allow_what() {
        const HERE: &str = "akash1dl55fwhpjntshx8tc4crpduv5296plkm3uxd64";
        const THERE: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";
        let one = |extra: &str| {
            format!(
                r#"{{"access":"granular","permissions":[{{"provider":"{HERE}","access":"granular","deployments":[
                {{"dseq":7,"scope":["status"],"services":["*"]{extra}}}]}}]}}"#
            )
        };
        // leases, valid, allows status of lease 7/1/2 here
        for (leases, valid, allows) in [
            (r#"{"access":"full"}"#.to_owned(), true, true),
            (r#"{"access":"full","scope":["status"]}"#.to_owned(), false, true),
            (r#"{"access":"scoped","scope":["status"]}"#.to_owned(), true, true),
            (r#"{"access":"scoped","scope":["logs"]}"#.to_owned(), true, false),
            (r#"{"access":"scoped","scope":["status","status"]}"#.to_owned(), false, true),
            (r#"{"access":"scoped","scope":[]}"#.to_owned(), false, false),
            (r#"{"access":"granular","permissions":[]}"#.to_owned(), false, false),
            (
                format!(
                    r#"{{"access":"granular","permissions":[{{"provider":"{THERE}","access":"full"}}]}}"#
                ),
                true,
                false,
            ),
            (
                format!(r#"{{"access":"granular","permissions":[{{"provider":"{HERE}","access":"full"}}]}}"#),
                true,
                true,
            ),
            (one(""), true, true),
            (one(r#","gseq":1"#), true, true),
            (one(r#","gseq":1,"oseq":2"#), true, true),
            (one(r#","gseq":1,"oseq":3"#), true, false),
            (one(r#","gseq":2"#), true, false),
            (one(r#","oseq":2"#), false, true),
            (one("").replace("\"dseq\":7", "\"dseq\":8"), true, false),
            (one("").replace("\"*\"", ""), false, true),
            (one("").replace("\"*\"", r#""a","a""#), false, true),
        ] {
            let text =
                format!(r#"{{"iss":"{THERE}","iat":10,"nbf":10,"exp":20,"version":"v1","leases":{leases}}}"#);
            let claims: Claims = serde_json::from_str(&text).unwrap();
            assert_eq!(claims.valid(15), valid, "{leases}");
            assert!(!claims.valid(9) && !claims.valid(20), "{leases}");
            let access = Access { provider: HERE, scope: Some("status"), dseq: 7, lease: Some((1, 2)) };
            assert_eq!(claims.allows(&access), allows, "{leases}");
        }
    }

    #[test]
    fn headers() {
        let none = |_: &str| None;
        for (header, expected) in [
            (None, Refusal::Unauthorized),
            (Some("Basic abc"), Refusal::Header),
            (Some("Bearer "), Refusal::Header),
            (Some("token"), Refusal::Header),
            (Some("Bearer a.b"), Refusal::Invalid),
            (Some("bearer a.b.c"), Refusal::Invalid),
        ] {
            let result = authenticate(header.map(str::as_bytes), none, 0).map(drop);
            assert_eq!(result, Err(expected), "{header:?}");
        }
    }
}
