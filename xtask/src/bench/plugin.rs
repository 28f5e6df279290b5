//! `bench plugin`: what a start of the plugin costs. Starts the release binary as a client does, with the client's
//! kind of certificate, and reads the handshake line.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Parser;

use super::{median, millis};
use crate::cargo;

/// A certificate like a client's: self-signed, P-521, CA:TRUE. The plugin pins it; its key is not needed here.
const CLIENT_CERTIFICATE: &str = include_str!("client.pem");

/// The plugin protocol's magic cookie, which every client sends.
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

#[derive(Parser)]
pub(crate) struct Args {
    /// How many starts
    #[arg(long, default_value_t = 20)]
    starts: usize,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let [binary] = cargo::build([cargo::PROVIDER], true)?;
    // The first start reads the binary from disk and is not counted.
    start(&binary)?;
    let mut handshakes = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..args.starts.max(1) {
        let (nanos, kib) = start(&binary)?;
        handshakes.push(nanos);
        memory.push(u128::from(kib));
    }
    let best = handshakes.iter().min().copied().unwrap_or_default();
    let kib = median(&mut memory);
    let size = fs::metadata(&binary)?.len();
    println!("plugin, release build, {} starts", args.starts.max(1));
    println!("  handshake, median   {:>8} ms", millis(median(&mut handshakes)));
    println!("  handshake, best     {:>8} ms", millis(best));
    if kib > 0 {
        println!("  RSS after it        {:>8} MB", tenths(kib * 1024));
    }
    println!("  binary              {:>8} MB", tenths(u128::from(size)));
    Ok(ExitCode::SUCCESS)
}

/// Starts the plugin once: nanoseconds to its handshake line, and its resident memory in KiB then (0 where the
/// system does not tell).
fn start(binary: &Path) -> Result<(u128, u64)> {
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
        .env("PLUGIN_CLIENT_CERT", CLIENT_CERTIFICATE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let mut line = String::new();
    let read = BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line);
    let nanos = begun.elapsed().as_nanos();
    let memory = resident(child.id());
    child.kill()?;
    child.wait()?;
    read?;
    if !line.starts_with("1|6|") {
        bail!("the plugin did not print a handshake line but {line:?}");
    }
    Ok((nanos, memory))
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Bytes as megabytes (10⁶) with one decimal.
fn tenths(bytes: u128) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
