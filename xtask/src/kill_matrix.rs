//! `cargo xtask kill-matrix`: the end-to-end cases that kill the plugin at each named point, alone, under every client
//! that can be had. Ends with `N kill points, N orphans, N duplicates`.

use std::{collections::BTreeSet, fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{cargo, test};

pub(crate) fn run() -> Result<ExitCode> {
    let clients = test::clients();
    if clients.is_empty() {
        bail!("neither terraform nor tofu: install one of them, or Go, from whose modules tofu is built");
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("report.jsonl");
    let mut command = cargo::command();
    command.args(["test", "--test", "e2e", "--", "::kill::"]);
    command.env("AKASH_E2E_KILL_REPORT", &path);
    for client in &clients {
        command.env(client.kind.variable(), &client.path);
    }
    let code = cargo::pass_through(&mut command)?;
    let report = fs::read_to_string(&path).context("no case got as far as its report")?;
    // A line is a case's: `orphans` are active deployments that no state knows, `duplicates` those beyond the wanted number.
    let lines: Vec<Value> = report.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let points: BTreeSet<&str> =
        lines.iter().filter_map(|line| line.get("point").and_then(Value::as_str)).collect();
    let sum =
        |key: &str| -> u64 { lines.iter().filter_map(|line| line.get(key).and_then(Value::as_u64)).sum() };
    let (orphans, duplicates) = (sum("orphans"), sum("duplicates"));
    println!("{} kill points, {orphans} orphans, {duplicates} duplicates", points.len());
    Ok(if orphans + duplicates == 0 { code } else { ExitCode::FAILURE })
}
