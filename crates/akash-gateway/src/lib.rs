//! Client of an Akash provider gateway: the HTTPS server a provider runs for its tenants.
//!
//! What it knows: the gateway's routes and bodies, the token (JWT) each call carries, and how to be sure that
//! the server is the provider of the lease. What it must not know: the chain's clients, the wallet and
//! Terraform. The chain is asked through [`ChainTrust`], the account key through [`TokenSigner`].
//!
//! Rules: `reference/akash.md` 6. In short:
//! - one [`GatewayClient`] a process; it keeps connections to each provider and bounds how many calls run at once;
//! - TLS 1.3, and the server's certificate is either verified for its host name by the machine's public
//!   certificate authorities, or is byte for byte one of the provider's valid certificates on chain. There is no
//!   switch that turns this off;
//! - each call carries a fresh token that allows this call on this lease and nothing else;
//! - tokens and manifests are never in errors, logs or `Debug`.

mod client;
mod error;
mod manifest;
mod peer;
mod retry;
mod status;
mod stream;
mod target;
mod token;
mod trust;

pub use client::{Builder, GatewayClient};
pub use error::GatewayError;
pub use manifest::ManifestError;
pub use retry::RetryPolicy;
pub use status::{
    BuildInfo, ClusterStatus, ForwardedPort, LeaseIp, LeaseStatus, ProviderAddress, ProviderStatus,
    ProviderVersion, ServiceStatus,
};
pub use stream::{EventObject, KubeEvent, LogLine, Tail};
pub use target::{LeaseRef, ProviderTarget};
pub use token::{Grant, Scope, SignError, TOKEN_LIFETIME, TokenSigner, mint};
pub use trust::{ChainTrust, Refusal, TrustError, certificate_from_pem};
