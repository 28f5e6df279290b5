//! What can go wrong in a call to a provider, in words for the person who runs Terraform.
//!
//! It must not carry a token or a manifest: only the provider's own words, shortened.

use crate::trust::{Refusal, TrustError};
use std::time::Duration;

/// Why a call to a provider's gateway gave no answer to use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The provider is registered on chain with an address that is not `https://HOST[:PORT]`.
    #[error(
        "provider {provider} is registered with the address {host_uri:?}, which can't be used: {reason}. \
         Only the provider can mend that; choose another one"
    )]
    BadHost {
        /// The provider's account.
        provider: String,
        /// What the chain says.
        host_uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The call must be signed and the client was built without a signer.
    #[error(
        "a call to provider {provider} must be signed by the lease's owner, and no wallet is configured: set `mnemonic` or AKASH_MNEMONIC"
    )]
    NoSigner {
        /// The provider's account.
        provider: String,
    },
    /// The wallet could not sign the token.
    #[error("the wallet did not sign a token for provider {provider}: {source}")]
    Sign {
        /// The provider's account.
        provider: String,
        /// What the wallet said.
        source: crate::SignError,
    },
    /// The server at the provider's address did not prove that it is the provider. Nothing was sent to it.
    #[error(
        "the server at {host} did not prove to be provider {provider}: {reason}. Nothing was sent to it. Either \
         the provider has not published its certificate, or something else answers at its address; choose another provider if this stays"
    )]
    Untrusted {
        /// The provider's account.
        provider: String,
        /// Host and port.
        host: String,
        /// Which rule its certificate broke.
        reason: Refusal,
    },
    /// The provider's certificates could not be read from the chain, so its server can't be checked.
    #[error(
        "can't check the server of provider {provider}: its certificates could not be read from the chain: {source}"
    )]
    Chain {
        /// The provider's account.
        provider: String,
        /// What the chain's client said.
        source: TrustError,
    },
    /// No connection, or it broke.
    #[error(
        "provider {provider} can't be reached at {host}: {reason}. It may be down for a while; the lease is not affected by this"
    )]
    Unreachable {
        /// The provider's account.
        provider: String,
        /// Host and port.
        host: String,
        /// The transport's words.
        reason: String,
    },
    /// No answer in time.
    #[error("provider {provider} at {host} did not answer within {} s", after.as_secs())]
    Timeout {
        /// The provider's account.
        provider: String,
        /// Host and port.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// 401, or 400 about the token: the provider does not take it.
    #[error(
        "provider {provider} refused the token ({status}): {message}. It checks the signature with the account's \
         public key on chain (there is one after the account's first transaction) and the token's times without \
         leeway (is this machine's clock right?)"
    )]
    Unauthorized {
        /// The provider's account.
        provider: String,
        /// 400 or 401.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// 404: the provider knows no such deployment, lease, manifest or service.
    #[error("provider {provider} does not know it (404){}", words(message))]
    NotFound {
        /// The provider's account.
        provider: String,
        /// The provider's words, often empty.
        message: String,
    },
    /// Any other answer that is no success.
    #[error("provider {provider} answered {status}{}", words(message))]
    Status {
        /// The provider's account.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// The provider's words, shortened.
        message: String,
    },
    /// A redirect. They are never followed: the token is for this server only.
    #[error(
        "provider {provider} answered with a redirect ({status}), which is not followed; its registered address is out of date"
    )]
    Redirect {
        /// The provider's account.
        provider: String,
        /// The HTTP status.
        status: u16,
    },
    /// The body is longer than this client reads.
    #[error("the answer of provider {provider} is longer than {limit} bytes and was not read")]
    TooLarge {
        /// The provider's account.
        provider: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not what the gateway's interface says.
    #[error(
        "the answer of provider {provider} could not be read as {what}: {reason}. Its software may be newer or older than this provider plugin knows"
    )]
    Decode {
        /// The provider's account.
        provider: String,
        /// What was expected.
        what: &'static str,
        /// Where and how it differs.
        reason: String,
    },
    /// A log or event stream was closed by the provider with an error.
    #[error("provider {provider} closed the stream ({code}){}", words(message))]
    Stream {
        /// The provider's account.
        provider: String,
        /// WebSocket close code: 4000 internal or no running pods, 4001 lease not found, 4002 cluster not reachable.
        code: u16,
        /// The provider's words.
        message: String,
    },
    /// The client itself could not be set up.
    #[error("the HTTPS client could not be built: {0}")]
    Setup(String),
}

impl GatewayError {
    /// Whether the provider gave no answer at all (down, unreachable, too slow). What it holds is then unknown.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Chain { .. })
    }

    /// Whether the provider answered that it knows no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Stream { code: 4001, .. })
    }
}

/// `: text`, or nothing when there is no text.
fn words(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// A provider's words made fit for an error: the `message` of a JSON answer or the text itself, cleaned, bounded, on one
/// line, and without any of `secrets`.
pub(crate) fn quote(body: &[u8], secrets: &[&str]) -> String {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let mut text = serde_json::from_slice::<Message>(body)
        .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |m| m.message);
    for secret in secrets {
        // A shorter value would blank out ordinary words and protects nothing.
        if secret.len() >= 4 {
            text = text.replace(secret, "(secret)");
        }
    }
    plain_text::line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_single_lines_without_secrets() {
        assert_eq!(quote(b"no lease for deployment\n", &[]), "no lease for deployment");
        assert_eq!(quote(br#"{"message":"unauthorized access"}"#, &[]), "unauthorized access");
        assert_eq!(quote(b"bad value hunter2 in\nenv", &["hunter2", "in"]), "bad value (secret) in env");
        assert_eq!(quote("x".repeat(5000).as_bytes(), &[]).chars().count(), plain_text::LONGEST_LINE);
        assert_eq!(quote(b"\xff\x1b[31ma\x07", &[]), "\u{fffd}a\u{fffd}");
    }
}
