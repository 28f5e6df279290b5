//! `cargo xtask test`: all tests of the workspace, with every client that can be had, and a total that counts what
//! was skipped. Under CI (`CI` is set) a skip that is not listed as expected fails the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result};
use clap::Parser;
use xtask::client::{self, Client, Kind};

use crate::{
    cargo,
    skips::{self, Expected, Skip},
};

#[derive(Parser)]
pub(crate) struct Args {
    /// Only tests of this package
    #[arg(long, short)]
    package: Option<String>,
    /// Passed on to the test binaries, for example a part of a test's name
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let expected = Expected::read()?;
    let clients = clients();
    let mut command = cargo::command();
    command.args(["test", "--no-fail-fast"]);
    match &args.package {
        Some(package) => command.args(["--package", package]),
        None => command.arg("--workspace"),
    };
    // Passing tests' output is needed for one thing: the `skipped: ` lines.
    command.args(["--", "--show-output"]).args(&args.rest).stdout(Stdio::piped());
    for client in &clients {
        command.env(client.kind.variable(), &client.path);
    }
    let mut child = command.spawn().context("cannot run cargo test")?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        if let Some(line) = tally.line(&line?) {
            println!("{line}");
        }
    }
    let mut passed = child.wait()?.success();

    println!();
    for kind in Kind::ALL {
        let ran = tally.by_client.get(kind.name()).copied().unwrap_or_default();
        match clients.iter().find(|client| client.kind == kind) {
            Some(client) => println!("{client}: {ran} end-to-end tests ran"),
            None => println!("{kind}: not found"),
        }
    }
    println!("{} passed, {} failed, {} skipped", tally.passed(), tally.failed, tally.skipped());
    for skip in expected.unlisted(&tally.skips) {
        eprintln!("skipped, and not in {}: {skip}", skips::LIST);
        passed &= std::env::var_os("CI").is_none_or(|ci| ci.is_empty());
    }
    if args.package.is_none() && args.rest.is_empty() {
        for line in expected.over(&tally.skips) {
            eprintln!("in {}, but nothing of it was skipped: {line}", skips::LIST);
        }
    }
    if clients.is_empty() {
        eprintln!(
            "error: neither terraform nor tofu ran: install one of them, or Go, from whose modules tofu is built"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every client that can be had: found, or built. One that can't be had is said on stderr and is no failure.
pub(crate) fn clients() -> Vec<Client> {
    let mut clients = Vec::new();
    for kind in Kind::ALL {
        let found = Client::find(kind).and_then(|found| match (found, kind) {
            // The cached binary may be of an older pin, so building has the last word where PATH has none.
            (Some(client), Kind::Tofu) if client.path.starts_with(xtask::cache_dir()) => built_tofu(),
            (None, Kind::Tofu) => built_tofu(),
            (found, _) => Ok(found),
        });
        match found {
            Ok(Some(client)) => {
                eprintln!("client: {client}");
                clients.push(client);
            }
            Ok(None) => eprintln!("skipped: no {kind}"),
            Err(error) => eprintln!("skipped: no {kind} ({error:#})"),
        }
    }
    clients
}

fn built_tofu() -> Result<Option<Client>> {
    client::build_tofu()?.map(|path| Client::at(&path)).transpose()
}

/// Reads the output of test binaries: counts, and leaves out what passing tests have printed but for the lines that
/// say what was skipped.
#[derive(Default)]
struct Tally {
    reported_passed: usize,
    failed: usize,
    ignored: usize,
    /// Passing tests that printed `skipped: `, by binary.
    skipping: BTreeSet<String>,
    /// What was skipped, in either way, and why.
    skips: BTreeSet<Skip>,
    by_client: BTreeMap<&'static str, usize>,
    in_successes: bool,
    binary: usize,
    test: String,
}

impl Tally {
    /// Takes one line; returns it if it is to be shown.
    fn line<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(&mut self.test);
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.binary += 1;
            self.reported_passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
            return Some(line);
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok")) {
            let kind = Kind::ALL.into_iter().find(|k| name.trim_end().starts_with(&format!("{k}::")));
            if let Some(kind) = kind {
                *self.by_client.entry(kind.name()).or_default() += 1;
            }
        }
        if let Some((name, says)) = line.strip_prefix("test ").and_then(ignored) {
            self.skips.insert(Skip { test: name.to_owned(), says: says.to_owned() });
        }
        if !self.in_successes {
            return Some(line);
        }
        if let Some(says) = line.trim_start().strip_prefix("skipped: ") {
            self.skipping.insert(format!("{} {}", self.binary, self.test));
            self.skips.insert(Skip { test: self.test.clone(), says: says.to_owned() });
            return Some(line);
        }
        None
    }

    fn passed(&self) -> usize {
        self.reported_passed.saturating_sub(self.skipping.len())
    }

    fn skipped(&self) -> usize {
        self.ignored + self.skipping.len()
    }
}

/// Name and reason in `name ... ignored, reason`, or `name ... ignored (reason)` as libtest-mimic has it; the reason is
/// empty where none is given.
fn ignored(rest: &str) -> Option<(&str, &str)> {
    let (name, result) = rest.split_once(" ... ")?;
    let says = result.strip_prefix("ignored")?;
    let says = says.strip_prefix(" (").and_then(|says| says.strip_suffix(')')).unwrap_or(says);
    let says = says.trim_start_matches(", ");
    Some((name.trim_end(), says.strip_prefix("skipped: ").unwrap_or(says)))
}

/// The number before `word` in a line such as `ok. 3 passed; 0 failed; 1 ignored; …`.
fn count(result: &str, word: &str) -> usize {
    let words: Vec<&str> = result.split_whitespace().collect();
    words
        .windows(2)
        .find(|pair| pair.get(1).is_some_and(|w| w.trim_end_matches(';') == word))
        .and_then(|pair| pair.first()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_passed_failed_and_was_skipped() {
        let output = "\
running 3 tests
test tests::corpus ... ok
test tests::other ... ok
test tests::bad ... FAILED

successes:

---- tests::corpus stdout ----
skipped: no ../shared

---- tests::other stdout ----
a lot of output

successes:
    tests::corpus
    tests::other

failures:

---- tests::bad stdout ----
why

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 2 tests
test terraform::quickstart ... ok
test tofu::quickstart      ... ok
test tofu::faults          ... ignored (skipped: needs the devnet)
test slow                  ... ignored, takes an hour

test result: ok. 2 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let mut tally = Tally::default();
        let shown: Vec<_> = output.lines().filter_map(|line| tally.line(line)).collect();
        assert_eq!((tally.passed(), tally.failed, tally.skipped()), (3, 1, 3));
        let skips = ["slow: takes an hour", "tests::corpus: no ../shared", "tofu::faults: needs the devnet"];
        assert_eq!(tally.skips.iter().map(ToString::to_string).collect::<Vec<_>>(), skips);
        assert_eq!(tally.by_client, BTreeMap::from([("terraform", 1), ("tofu", 1)]));
        assert!(shown.contains(&"skipped: no ../shared") && shown.contains(&"why"));
        assert!(!shown.contains(&"a lot of output"));
    }
}
