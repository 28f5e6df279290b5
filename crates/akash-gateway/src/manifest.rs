//! The upload of a manifest, with the retries that the network's races make necessary (`reference/akash.md` 6.1).
//!
//! Right after a lease or an update the provider may not have seen it yet and refuses what it will take a moment
//! later. Which refusals pass and which stay is decided here.

use crate::client::{GatewayClient, ProviderTarget, refused};
use crate::error::GatewayError;
use crate::peer::{Call, Peer};
use crate::token::{Grant, Scope};
use bytes::Bytes;
use rand::RngExt;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// A provider may take up to 120 s to answer an upload.
const ATTEMPT: Duration = Duration::from_secs(125);

/// How long and how often an upload is tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// No attempt begins later than this after the first. An attempt itself may take 125 s.
    pub window: Duration,
    /// Pause after the first attempt; each one after it is twice as long, up to `longest`, and between half and
    /// all of it is waited.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(120),
            first: Duration::from_millis(500),
            longest: Duration::from_secs(10),
        }
    }
}

/// Why a manifest is not known to be with its provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The provider will not take this manifest, however often it is sent.
    #[error("provider {provider} refused the manifest for good ({status}): {message}")]
    Permanent {
        /// The provider's account.
        provider: String,
        /// HTTP status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// The provider answered, but no attempt within the time was successful.
    #[error("the manifest was sent {attempts} times within {} s and not taken; last: {last}", waited.as_secs())]
    GaveUp {
        /// How often it was sent.
        attempts: u32,
        /// Since the first.
        waited: Duration,
        /// What came of the last.
        last: Box<GatewayError>,
    },
    /// The provider never answered within the time.
    #[error("the manifest could not be delivered: in {attempts} attempts within {} s the provider did not answer; last: {last}", waited.as_secs())]
    Unreachable {
        /// How often it was tried.
        attempts: u32,
        /// Since the first.
        waited: Duration,
        /// What came of the last.
        last: Box<GatewayError>,
    },
    /// The caller's token was cancelled. The provider may have the manifest or not.
    #[error(
        "the upload of the manifest was cancelled after {attempts} attempts; the provider may have it or not"
    )]
    Cancelled {
        /// How many attempts had ended.
        attempts: u32,
    },
    /// The call could not be made at all: no wallet, unusable address, a server that is not the provider.
    #[error(transparent)]
    Call(GatewayError),
}

impl ManifestError {
    /// Whether this provider must be given up for this manifest: it refused it for good, or its server is not to be
    /// trusted.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Permanent { .. }
                | Self::Call(
                    GatewayError::Untrusted { .. }
                        | GatewayError::BadHost { .. }
                        | GatewayError::Redirect { .. }
                )
        )
    }
}

/// What an attempt's failure means for the next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Try again after a pause.
    Again,
    /// Try again, but only once for this reason: with a new token.
    NewToken,
    /// Never.
    Stop,
}

impl GatewayClient {
    /// `PUT /deployment/{dseq}/manifest`: gives the provider the whole manifest (canonical JSON of all groups, the
    /// bytes the on-chain hash is of). Success means that the provider has it; sending the same again does no harm.
    ///
    /// Retried by the client's [`RetryPolicy`] and not beyond `deadline`; `cancel` ends it at once.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub async fn put_manifest(
        &self,
        target: &ProviderTarget,
        dseq: u64,
        manifest: &SecretString,
        deadline: Option<Instant>,
        cancel: &CancellationToken,
    ) -> Result<(), ManifestError> {
        let peer = self.peer(target).map_err(ManifestError::Call)?;
        let mut attempts = 0;
        let upload = self.upload(&peer, target, dseq, manifest, deadline, &mut attempts);
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            result = upload => Some(result),
        };
        result.unwrap_or(Err(ManifestError::Cancelled { attempts }))
    }

    async fn upload(
        &self,
        peer: &Peer,
        target: &ProviderTarget,
        dseq: u64,
        manifest: &SecretString,
        deadline: Option<Instant>,
        attempts: &mut u32,
    ) -> Result<(), ManifestError> {
        // One copy for all attempts, wiped when the last reference goes.
        let body = Bytes::from_owner(Zeroizing::new(manifest.expose_secret().as_bytes().to_vec()));
        let parsed = Zeroizing::new(Secrets::of(manifest.expose_secret()));
        let secrets: Vec<&str> = parsed.0.iter().map(String::as_str).collect();
        let path = format!("/deployment/{dseq}/manifest");
        let grant = Grant {
            provider: &target.address,
            dseq,
            lease: None,
            scopes: &[Scope::SendManifest],
            services: &[],
        };
        let policy = self.retry_policy();
        let begun = Instant::now();
        let no_later = deadline.map_or(begun + policy.window, |d| d.min(begun + policy.window));
        let (mut pause, mut new_token_used, mut answered) = (policy.first, false, false);
        loop {
            let token = self.token(&grant).map_err(ManifestError::Call)?;
            let left = deadline.map_or(ATTEMPT, |d| d.saturating_duration_since(Instant::now()).min(ATTEMPT));
            let call = Call {
                method: Method::PUT,
                path: &path,
                token: Some(&token),
                body: Some(body.clone()),
                timeout: left,
            };
            let failure = match peer.send(&call).await {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(()),
                Ok(answer) => refused(&target.address, &answer, &secrets),
                Err(failure) => failure,
            };
            *attempts += 1;
            answered |= !failure.is_unreachable();
            match next(&failure) {
                Next::Again => {}
                Next::NewToken if !new_token_used => new_token_used = true,
                Next::NewToken | Next::Stop => return Err(permanent(failure)),
            }
            let wait = rand::rng().random_range(pause / 2..=pause);
            if Instant::now() + wait >= no_later {
                let (attempts, waited, last) = (*attempts, begun.elapsed(), Box::new(failure));
                return Err(if answered {
                    ManifestError::GaveUp { attempts, waited, last }
                } else {
                    ManifestError::Unreachable { attempts, waited, last }
                });
            }
            tracing::info!(provider = %target.address, dseq, error = %failure, "the manifest is sent again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(policy.longest);
        }
    }
}

/// The rules of `reference/akash.md` 6.1.
fn next(failure: &GatewayError) -> Next {
    match failure {
        GatewayError::Unreachable { .. } | GatewayError::Timeout { .. } | GatewayError::Chain { .. } => {
            Next::Again
        }
        GatewayError::Unauthorized { status: 401, .. } => Next::NewToken,
        // The daemon has not seen the lease yet.
        GatewayError::NotFound { .. } => Next::Again,
        GatewayError::Status { status: 422, message, .. } => {
            // The daemon has not seen the update yet. Every other 422 is about the manifest itself.
            if message.contains("manifest version validation failed") { Next::Again } else { Next::Stop }
        }
        GatewayError::Status { status: 500, message, .. } => {
            let host_taken = message.contains("hostname")
                && ["in use", "blocked", "not allowed"].iter().any(|why| message.contains(why));
            if host_taken || message.contains("group count mismatch") { Next::Stop } else { Next::Again }
        }
        GatewayError::Status { status: 501.., .. } => Next::Again,
        _ => Next::Stop,
    }
}

fn permanent(failure: GatewayError) -> ManifestError {
    match failure {
        GatewayError::Unauthorized { provider, status, message }
        | GatewayError::Status { provider, status, message } => {
            ManifestError::Permanent { provider, status, message }
        }
        other => ManifestError::Call(other),
    }
}

/// Values of a manifest that must not come back in an error: env values and registry passwords.
struct Secrets(Vec<String>);

impl zeroize::Zeroize for Secrets {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl Secrets {
    fn of(manifest: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Group {
            #[serde(default)]
            services: Vec<Service>,
        }
        #[derive(serde::Deserialize)]
        struct Service {
            #[serde(default)]
            env: Option<Vec<String>>,
            #[serde(default)]
            credentials: Option<Credentials>,
        }
        #[derive(serde::Deserialize)]
        struct Credentials {
            #[serde(default)]
            password: String,
        }
        let groups: Vec<Group> = serde_json::from_str(manifest).unwrap_or_default();
        let services = groups.into_iter().flat_map(|g| g.services);
        let values = services.flat_map(|s| {
            let env = s.env.unwrap_or_default().into_iter();
            env.filter_map(|e| e.split_once('=').map(|(_, value)| value.to_owned()))
                .chain(s.credentials.map(|c| c.password))
                .collect::<Vec<_>>()
        });
        Self(values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Answer;

    fn verdict(status: u16, body: &str) -> Next {
        let answer = Answer { status, body: Zeroizing::new(body.as_bytes().to_vec()) };
        next(&refused("akash1p", &answer, &[]))
    }

    #[test]
    fn which_answers_are_tried_again() {
        use Next::*;
        for (status, body, expected) in [
            (404, "no lease for deployment\n", Again),
            (500, "rpc error: code = NotFound desc = Deployment not found: key not found\n", Again),
            (500, "key not found\n", Again),
            (500, "something else\n", Again),
            (503, "", Again),
            (502, "<html>bad gateway</html>", Again),
            (422, "manifest version validation failed\n", Again),
            (401, r#"{"message":"unauthorized access"}"#, NewToken),
            (400, r#"{"message":"JWT has invalid claims"}"#, Stop),
            (422, "unexpected EOF\n", Stop),
            (422, "invalid manifest: manifest is empty\n", Stop),
            (422, "manifest cross-validation error: group \"x\"\n", Stop),
            (422, "manifest rejected\n", Stop),
            (500, "invalid manifest: group count mismatch\n", Stop),
            (500, "hostname \"a.example\" in use\n", Stop),
            (500, "hostname \"a.example\" is blocked by this provider\n", Stop),
            (403, "", Stop),
            (413, "", Stop),
            (302, "", Stop),
        ] {
            assert_eq!(verdict(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn secrets_of_a_manifest() {
        let secrets = Secrets::of(
            r#"[{"name":"g","services":[{"name":"a","env":["K=s3cret=x","BARE"],"credentials":{"password":"pw"}},
               {"name":"b","env":null,"credentials":null}]}]"#,
        );
        assert_eq!(secrets.0, ["s3cret=x", "pw"]);
        assert!(Secrets::of("{").0.is_empty());
    }
}
