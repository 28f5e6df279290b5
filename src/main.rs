//! `terraform-provider-akash`: deployments and leases on Akash Network as Terraform and OpenTofu resources.
//!
//! Without arguments the program is a plugin that Terraform starts; `version` prints its version.

mod config;
mod data_sources;
mod lifecycle;
mod provider;
mod receipts;
mod resources;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("version" | "--version" | "-V") => version(),
        _ => {
            let options = tfplugin::ServeOptions {
                source: "vaultmesh/akash".into(),
                version: env!("CARGO_PKG_VERSION").into(),
            };
            tfplugin::serve(provider::AkashProvider::default(), options).await
        }
    }
}

#[allow(clippy::print_stdout, reason = "what the user asked for")]
fn version() -> ExitCode {
    println!("terraform-provider-akash {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
