//! `bench deploy --n N`: N deployments and leases in one apply, a plan that finds no changes, and the destroy. On the
//! network of `AKASH_E2E_*`, or on a local one. Prints one JSON object; what a network does not tell is null.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use xtask::workdir::{Install, Workdir};

use super::median;
use crate::{cargo, local::Local, test};

const SDL: &str = include_str!("../../../examples/quickstart/web.yaml");

#[derive(Parser)]
pub(crate) struct Args {
    /// How many deployments, each with a lease
    #[arg(long, default_value_t = 1)]
    n: u32,
    /// The client's -parallelism
    #[arg(long, default_value_t = 10)]
    parallelism: u32,
    /// Time between blocks of the local network
    #[arg(long, default_value = "1s")]
    block_time: String,
    /// Uses unoptimised builds, which are there sooner; the output says so
    #[arg(long)]
    dev: bool,
}

/// Where it is measured.
struct Place {
    local: Option<Local>,
    endpoints: String,
    chain_id: String,
    mnemonic: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let client =
        test::clients().into_iter().next().context("neither terraform nor tofu: install one of them")?;
    let [provider, devnet] = cargo::build([cargo::PROVIDER, cargo::DEVNET], !args.dev)?;
    let place = place(args, &devnet)?;
    let mut dir = Workdir::new(&client, &provider, Install::Override)?;
    dir.set_env("AKASH_ENDPOINTS", Some(&place.endpoints));
    dir.set_env("AKASH_CHAIN_ID", Some(&place.chain_id));
    dir.set_env("AKASH_MNEMONIC", Some(&place.mnemonic));
    dir.write("web.yaml", SDL)?;
    dir.write("main.tf", &configuration(args.n))?;

    let measured = measure(args, &dir, &place);
    eprintln!("==> destroy");
    let destroyed = command(&dir, &["apply", "-destroy", "-json", "-auto-approve"]);
    let mut figures = measured?;
    let destroyed = destroyed?;
    figures.insert("destroy_seconds", seconds(destroyed.elapsed.as_millis()));
    figures.insert("client", json!(format!("{} {}", client.kind, client.version)));
    figures.insert("build", json!(if args.dev { "dev" } else { "release" }));
    println!("{}", serde_json::to_string(&figures)?);
    Ok(ExitCode::SUCCESS)
}

fn place(args: &Args, devnet: &Path) -> Result<Place> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(endpoints) = variable("AKASH_E2E_ENDPOINTS") {
        return Ok(Place {
            local: None,
            endpoints,
            chain_id: variable("AKASH_E2E_CHAIN_ID").context("AKASH_E2E_CHAIN_ID is not set")?,
            mnemonic: variable("AKASH_E2E_MNEMONIC").context("AKASH_E2E_MNEMONIC is not set")?,
        });
    }
    let local = Local::start(devnet, &["--block-time", &args.block_time])?;
    let (endpoints, chain_id) = (local.endpoint.clone(), local.chain_id.clone());
    Ok(Place { endpoints, chain_id, mnemonic: local.mnemonic.clone(), local: Some(local) })
}

fn configuration(n: u32) -> String {
    format!(
        r#"terraform {{
  required_providers {{
    akash = {{ source = "vaultmesh/akash" }}
  }}
}}

provider "akash" {{}}

resource "akash_deployment" "web" {{
  count = {n}
  sdl   = file("web.yaml")
}}

resource "akash_lease" "web" {{
  count      = {n}
  deployment = akash_deployment.web[count.index].id
  manifest   = akash_deployment.web[count.index].manifest
}}
"#
    )
}

type Figures = BTreeMap<&'static str, Value>;

fn measure(args: &Args, dir: &Workdir, place: &Place) -> Result<Figures> {
    let requests = || place.local.as_ref().map(Local::requests).transpose();
    let mut figures = Figures::from([("n", json!(args.n)), ("parallelism", json!(args.parallelism))]);
    if place.local.is_some() {
        figures.insert("block_time", json!(args.block_time));
    }
    eprintln!("==> apply");
    let before = requests()?;
    let parallelism = format!("-parallelism={}", args.parallelism);
    let applied = command(dir, &["apply", "-json", "-auto-approve", &parallelism])?;
    figures.insert("apply_seconds", seconds(applied.elapsed.as_millis()));
    figures.insert("apply_requests", difference(before, requests()?));
    figures.insert(
        "peak_rss_mb",
        match applied.peak_rss {
            0 => Value::Null,
            kib => json!(kib * 1024 / 1_000_000),
        },
    );
    let (receipts, state) = receipts(dir)?;
    on_chain(&receipts, &mut figures);
    phases(&applied.printed, &state, &mut figures)?;

    eprintln!("==> plan");
    let before = requests()?;
    let planned = command(dir, &["plan", "-json", "-detailed-exitcode"])?;
    figures.insert("plan_seconds", seconds(planned.elapsed.as_millis()));
    figures.insert("plan_requests", difference(before, requests()?));
    Ok(figures)
}

fn difference(before: Option<u64>, after: Option<u64>) -> Value {
    json!(after.zip(before).map(|(after, before)| after.saturating_sub(before)))
}

/// Milliseconds as seconds with two decimals, in integers; a number in JSON.
fn seconds(millis: u128) -> Value {
    let text = format!("{}.{:02}", millis / 1000, millis % 1000 / 10);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

struct Measured {
    elapsed: Duration,
    printed: Vec<Value>,
    /// Of any of the plugin's processes, in KiB; 0 where the system does not tell.
    peak_rss: u64,
}

fn command(dir: &Workdir, args: &[&str]) -> Result<Measured> {
    let begun = Instant::now();
    let mut child: Child = dir
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start it")?;
    let over = Arc::new(AtomicBool::new(false));
    let peak = Arc::new(AtomicU64::new(0));
    let watch = {
        let (over, peak) = (Arc::clone(&over), Arc::clone(&peak));
        let home = dir.path().parent().map(Path::to_owned).unwrap_or_default();
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(plugin_memory(&home), Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(50));
            }
        })
    };
    let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    let printed: Vec<Value> =
        lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
    let status = child.wait()?;
    let elapsed = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    watch.thread().unpark();
    let _ = watch.join();
    if !status.success() {
        let errors =
            printed.iter().filter(|line| line.get("@level").and_then(Value::as_str) == Some("error"));
        let errors: Vec<String> =
            errors.map(|line| line.get("diagnostic").unwrap_or(line).to_string()).collect();
        bail!("{} {} ended with {status}\n{}", dir.client().kind, args.join(" "), errors.join("\n"));
    }
    Ok(Measured { elapsed, printed, peak_rss: peak.load(Ordering::Relaxed) })
}

/// The largest peak of memory among the processes whose binary is in this directory, in KiB.
fn plugin_memory(home: &Path) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let ours = processes
        .flatten()
        .map(|process| process.path())
        .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe.starts_with(home)));
    let peak = |process: &Path| {
        let status = fs::read_to_string(process.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    ours.filter_map(|process| peak(&process)).max().unwrap_or_default()
}

/// All receipts in state, and the state's resources.
fn receipts(dir: &Workdir) -> Result<(Vec<Value>, Vec<Value>)> {
    let output = dir.command(&["show", "-json"]).output()?;
    let state: Value = serde_json::from_slice(&output.stdout).context("show -json")?;
    let resources =
        state.pointer("/values/root_module/resources").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut receipts = Vec::new();
    for resource in &resources {
        for receipt in resource.pointer("/values/receipts").and_then(Value::as_array).into_iter().flatten() {
            receipts.push(serde_json::from_str(receipt.as_str().unwrap_or_default())?);
        }
    }
    Ok((receipts, resources))
}

/// What the receipts tell of the chain: transactions, blocks, gas. A transaction of several messages counts once.
fn on_chain(receipts: &[Value], figures: &mut Figures) {
    let mut transactions = BTreeMap::new();
    for response in receipts.iter().filter_map(|receipt| receipt.get("response")) {
        let number = |key: &str| response.get(key).and_then(Value::as_u64);
        if let (Some(hash), Some(height)) =
            (response.get("tx_hash").and_then(Value::as_str), number("height"))
        {
            transactions.insert(hash.to_owned(), (height, number("gas_used").unwrap_or_default()));
        }
    }
    let heights = || transactions.values().map(|(height, _)| *height);
    let blocks = heights().max().zip(heights().min()).map(|(last, first)| last - first + 1);
    figures.insert("transactions", json!(transactions.len()));
    figures.insert("blocks_first_create_to_last_lease", json!(blocks));
    figures.insert("gas", json!(transactions.values().map(|(_, gas)| gas).sum::<u64>()));
}

/// Medians of what the resources spent their time on, in seconds: the deployment's create; from the lease's start to
/// the block that it is in (waiting for bids is there); from there to the manifest's upload; from there to ready.
fn phases(printed: &[Value], resources: &[Value], figures: &mut Figures) -> Result<()> {
    let mut events = BTreeMap::new();
    for line in printed {
        let kind = line.get("type").and_then(Value::as_str);
        let address = line.pointer("/hook/resource/addr").and_then(Value::as_str);
        if let (Some(kind), Some(address), Some(at)) =
            (kind, address, line.get("@timestamp").and_then(moment))
        {
            events.entry((kind, address)).or_insert(at);
        }
    }
    let mut phases: BTreeMap<&'static str, Vec<u128>> = BTreeMap::new();
    for resource in resources {
        let address = resource.get("address").and_then(Value::as_str).unwrap_or_default();
        let (Some(start), Some(end)) = (
            events.get(&("apply_start", address)).copied(),
            events.get(&("apply_complete", address)).copied(),
        ) else {
            continue;
        };
        let mut add = |name, from: OffsetDateTime, to: OffsetDateTime| {
            let millis = (to - from).whole_milliseconds().max(0).unsigned_abs();
            phases.entry(name).or_default().push(millis);
        };
        if address.starts_with("akash_deployment") {
            add("create_seconds", start, end);
            continue;
        }
        let mut at = BTreeMap::new();
        for receipt in resource.pointer("/values/receipts").and_then(Value::as_array).into_iter().flatten() {
            let receipt: Value = serde_json::from_str(receipt.as_str().unwrap_or_default())?;
            let action = receipt.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(time) = receipt.get("timestamp").and_then(moment) {
                at.insert(action, time);
            }
        }
        if let (Some(lease), Some(manifest)) = (at.get("lease.create"), at.get("lease.manifest")) {
            add("bids_and_lease_seconds", start, *lease);
            add("manifest_seconds", *lease, *manifest);
            add("ready_seconds", *manifest, end);
        }
    }
    for (name, mut millis) in phases {
        figures.insert(name, seconds(median(&mut millis)));
    }
    Ok(())
}

fn moment(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}
