//! How Terraform starts, reaches and stops the plugin: handshake, mutual TLS, HTTP/2, codec, logging. Knows nothing
//! of what the values mean.

use crate::framework::Provider;
use std::process::ExitCode;

/// What [`serve`] needs to know besides the provider.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The provider's source address without the host: `vaultmesh/akash`.
    pub source: String,
    /// The provider's version: `1.2.3`.
    pub version: String,
}

/// Serves the provider to Terraform until Terraform has done with it. To be called from `main` of a tokio runtime;
/// the answer is `main`'s.
pub async fn serve<P: Provider>(provider: P, options: ServeOptions) -> ExitCode {
    drop((provider, options));
    ExitCode::FAILURE
}
