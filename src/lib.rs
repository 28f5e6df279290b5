//! `terraform-provider-akash`: deployments and leases on Akash Network as Terraform and OpenTofu resources.
//!
//! Without arguments the program is a plugin that Terraform starts; a person gets `version` and `sdl`.

mod clients;
mod command;
mod concurrent;
mod config;
mod data_sources;
mod duration;
mod failure;
mod functions;
mod journal;
mod kill;
mod lifecycle;
mod limit;
mod op;
mod provider;
mod receipts;
mod resources;

pub use provider::AkashProvider;

use std::process::ExitCode;

/// The program: a command for a person, else the plugin.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| command::is_for(&first)) {
        return command::run();
    }
    plugin()
}

#[tokio::main]
async fn plugin() -> ExitCode {
    let options = tfplugin::ServeOptions {
        source: "vaultmesh/akash".into(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    tfplugin::serve(AkashProvider::default(), options).await
}
