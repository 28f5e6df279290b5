//! `cargo xtask bench`: measurements, printed as tables. Each is taken from release builds.

mod deploy;
mod plugin;
mod sdl;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The plugin: time to the handshake line, memory after it, size of the binary
    Plugin(plugin::Args),
    /// Deployments and leases in one apply, a plan without changes after it, and the destroy; prints JSON
    Deploy(deploy::Args),
    /// SDL files of a directory: parse, groups, manifest and hash
    Sdl(sdl::Args),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Plugin(args) => plugin::run(args),
        What::Deploy(args) => deploy::run(args),
        What::Sdl(args) => sdl::run(args),
    }
}

/// Nanoseconds as microseconds with one decimal, in integers.
fn micros(nanos: u128) -> String {
    format!("{}.{}", nanos / 1_000, nanos % 1_000 / 100)
}

/// Nanoseconds as milliseconds with two decimals.
fn millis(nanos: u128) -> String {
    format!("{}.{:02}", nanos / 1_000_000, nanos % 1_000_000 / 10_000)
}

/// The middle value of a list, which it sorts; 0 for an empty one.
fn median(values: &mut [u128]) -> u128 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
