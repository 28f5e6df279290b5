//! `cargo xtask devnet`: the local network's own program, built and started.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cargo;

#[derive(Parser)]
pub(crate) struct Args {
    /// Passed on to akash-devnet, for example --ports free; --help lists what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = cargo::command();
    command.args(["run", "--bin", cargo::DEVNET, "--"]).args(&args.rest);
    cargo::pass_through(&mut command)
}
