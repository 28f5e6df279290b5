//! `cargo xtask e2e`: the end-to-end suite alone, on the network that `AKASH_E2E_ENDPOINTS`, `AKASH_E2E_CHAIN_ID`
//! and `AKASH_E2E_MNEMONIC` name, or on a local one.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use crate::{cargo, test};

const VARIABLES: [&str; 3] = ["AKASH_E2E_ENDPOINTS", "AKASH_E2E_CHAIN_ID", "AKASH_E2E_MNEMONIC"];

#[derive(Parser)]
pub(crate) struct Args {
    /// Passed on to the suite: a part of a case's name, --list, --test-threads=N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let set: Vec<_> =
        VARIABLES.into_iter().filter(|v| std::env::var(v).is_ok_and(|v| !v.is_empty())).collect();
    match set.len() {
        0 => eprintln!("network: a local one"),
        n if n == VARIABLES.len() => eprintln!("network: AKASH_E2E_ENDPOINTS"),
        _ => bail!("{} set, but all of {} are needed", set.join(" and "), VARIABLES.join(", ")),
    }
    let clients = test::clients();
    if clients.is_empty() {
        bail!("neither terraform nor tofu: install one of them, or Go, from whose modules tofu is built");
    }
    let mut command = cargo::command();
    command.args(["test", "--test", "e2e", "--"]);
    command.args(args.rest.iter().skip_while(|arg| *arg == "--"));
    for client in &clients {
        command.env(client.kind.variable(), &client.path);
    }
    cargo::pass_through(&mut command)
}
