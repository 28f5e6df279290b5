//! Development commands: `cargo xtask demo | test | e2e | kill-matrix | devnet | sdl | docs | bench`. One file a command.
//! Progress goes to stderr, results to stdout.
#![allow(clippy::print_stdout, reason = "a command prints its result")]

mod bench;
mod cargo;
mod demo;
mod devnet;
mod docs;
mod e2e;
mod graph;
#[cfg(test)]
mod guards;
mod kill_matrix;
mod local;
mod sdl;
mod skips;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of terraform-provider-akash")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a local network and takes an SDL to a running lease, changes it and destroys it
    Demo(demo::Args),
    /// Runs all tests, those with the real terraform and tofu included
    Test(test::Args),
    /// Runs the end-to-end suite alone, on AKASH_E2E_ENDPOINTS or on a local network
    E2e(e2e::Args),
    /// Kills the plugin at each named point and applies again: nothing may be left over or made twice
    KillMatrix,
    /// Starts the local network and prints one JSON line: endpoints, chain id, funded mnemonic
    Devnet(devnet::Args),
    /// Prints the network's verdict on SDL files, one JSON line a file
    Sdl(sdl::Args),
    /// Writes the registry pages in docs/ from the provider's schema and examples/
    Docs(docs::Args),
    /// Measures, and prints tables
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::E2e(args) => e2e::run(&args),
        Command::KillMatrix => kill_matrix::run(),
        Command::Devnet(args) => devnet::run(&args),
        Command::Sdl(args) => sdl::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
