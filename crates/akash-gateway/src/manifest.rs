//! The upload of a manifest. How often it is tried, `retry` knows.

use crate::client::{GatewayClient, refused};
use crate::error::GatewayError;
use crate::peer::{Call, Peer};
use crate::retry::{Attempts, End};
use crate::target::ProviderTarget;
use crate::token::{Grant, Scope};
use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// A provider may take up to 120 s to answer an upload.
const ATTEMPT: Duration = Duration::from_secs(125);

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

impl GatewayClient {
    /// `PUT /deployment/{dseq}/manifest`: gives the provider the whole manifest (canonical JSON of all groups, the
    /// bytes the on-chain hash is of). Success means that the provider has it; sending the same again does no harm.
    ///
    /// Retried by the client's [`RetryPolicy`](crate::RetryPolicy) and not beyond `deadline`; `cancel` ends it at once.
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
        let mut attempts = Attempts::new(self.retry_policy(), deadline);
        let upload = self.upload(&peer, target, dseq, manifest, deadline, &mut attempts);
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            result = upload => Some(result),
        };
        result.unwrap_or(Err(ManifestError::Cancelled { attempts: attempts.failed }))
    }

    async fn upload(
        &self,
        peer: &Peer,
        target: &ProviderTarget,
        dseq: u64,
        manifest: &SecretString,
        deadline: Option<Instant>,
        attempts: &mut Attempts,
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
            let wait = match attempts.failed(&failure) {
                Ok(wait) => wait,
                Err(End::ForGood) => return Err(permanent(failure)),
                Err(End::Time) => {
                    let (attempts, waited, answered) =
                        (attempts.failed, attempts.elapsed(), attempts.answered);
                    let last = Box::new(failure);
                    return Err(if answered {
                        ManifestError::GaveUp { attempts, waited, last }
                    } else {
                        ManifestError::Unreachable { attempts, waited, last }
                    });
                }
            };
            tracing::info!(provider = %target.address, dseq, error = %failure, "the manifest is sent again");
            tokio::time::sleep(wait).await;
        }
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
