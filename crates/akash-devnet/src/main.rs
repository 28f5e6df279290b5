//! `akash-devnet`: starts a local Akash network, prints one JSON line, runs until told to stop.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use akash_devnet::{Devnet, DevnetConfig, Ports};
use clap::{Parser, ValueEnum};
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// A local Akash network: chain and three providers in one process. Prints one JSON line when it is ready.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Time between blocks, for example 1s or 250ms.
    #[arg(long, default_value = "1s", value_parser = duration)]
    block_time: Duration,
    /// Which ports to take on 127.0.0.1.
    #[arg(long, value_enum, default_value_t = PortChoice::Default)]
    ports: PortChoice,
    /// The chain's id.
    #[arg(long, default_value = "devnet-1")]
    chain_id: String,
    /// A file that keeps the chain from one start to the next.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Which providers there are; `east` answers lease status as sparsely as the real daemon was seen to.
    #[arg(long, value_delimiter = ',', default_values = ["west", "east", "europe"], value_parser = ["west", "east", "europe"])]
    providers: Vec<String>,
    /// Stop when standard input is closed, that is when whoever started this ends.
    #[arg(long)]
    exit_with_parent: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PortChoice {
    /// gRPC 19090, REST 11317, RPC 36657, control 17070, provider gateways from 18443.
    Default,
    /// Whatever is free.
    Free,
}

/// `250ms` or `1s`.
fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("`{text}` is not a time: write milliseconds or seconds, for example 250ms or 2s");
    let parsed = match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok().map(Duration::from_millis),
        None => text.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
    };
    parsed.filter(|time| !time.is_zero()).ok_or_else(error)
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanted = std::env::var("AKASH_DEVNET_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter))
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let ports = match arguments.ports {
        PortChoice::Default => Ports::Default,
        PortChoice::Free => Ports::Free,
    };
    let mut config = DevnetConfig {
        block_time: arguments.block_time,
        ports,
        chain_id: arguments.chain_id,
        state_file: arguments.state,
        ..DevnetConfig::default()
    };
    config.providers.retain(|provider| arguments.providers.contains(&provider.name));
    let devnet = Devnet::start(config).await?;
    announce(&devnet)?;
    let mut terminate = terminate()?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = &mut terminate => {}
        () = parent_gone(), if arguments.exit_with_parent => {}
    }
    devnet.stop().await;
    Ok(())
}

/// The one line that is this program's output.
fn announce(devnet: &Devnet) -> std::io::Result<()> {
    use std::io::Write as _;
    let line = serde_json::json!({
        "grpc": devnet.grpc_endpoint(),
        "rest": devnet.rest_endpoint(),
        "rpc": devnet.rpc_endpoint(),
        "control": devnet.control_endpoint(),
        "endpoints": devnet.endpoints(),
        "chain_id": devnet.chain_id(),
        "mnemonic": devnet.mnemonic(),
        "providers": devnet.providers(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Done when the process is told to terminate.
#[cfg(unix)]
fn terminate() -> std::io::Result<std::pin::Pin<Box<dyn Future<Output = ()>>>> {
    let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(Box::pin(async move {
        signal.recv().await;
    }))
}

/// Done never: there is no such signal here.
#[cfg(not(unix))]
fn terminate() -> std::io::Result<std::pin::Pin<Box<dyn Future<Output = ()>>>> {
    Ok(Box::pin(std::future::pending()))
}

/// Done when standard input has ended.
async fn parent_gone() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 256];
    while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
}
