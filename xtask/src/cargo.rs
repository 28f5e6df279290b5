//! Running cargo from a command: building a binary and learning where it is.

use std::{
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The cargo that runs this command, in the repository's root.
pub(crate) fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(xtask::root());
    command
}

/// The binaries' names, which are also their packages'.
pub(crate) const PROVIDER: &str = "terraform-provider-akash";
pub(crate) const DEVNET: &str = "akash-devnet";

/// Builds binaries of the workspace, with cargo's progress on stderr, and returns their paths.
///
/// One invocation, and no `--package` here or in any other command: cargo resolves features over the packages that are
/// selected, and another selection compiles the dependencies again.
pub(crate) fn build<const N: usize>(bins: [&str; N], release: bool) -> Result<[PathBuf; N]> {
    let mut command = command();
    command.args(["build", "--message-format=json-render-diagnostics"]);
    command.args(bins.iter().flat_map(|bin| ["--bin", bin]));
    if release {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("building {} failed", bins.join(" and "));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let built: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut paths = bins.map(|_| PathBuf::new());
    for (path, bin) in paths.iter_mut().zip(bins) {
        let mut of_bin = built
            .iter()
            .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some(bin));
        *path = of_bin
            .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
            .with_context(|| format!("cargo did not say where {bin} is"))?;
    }
    Ok(paths)
}

/// Runs a command to its end and passes its exit code on.
pub(crate) fn pass_through(command: &mut Command) -> Result<ExitCode> {
    let status =
        command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
