//! `cargo xtask demo`: one apply takes an SDL to a running lease, on a local network that it starts; then a plan
//! without changes, an update in place, and the end with its refund.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::Value;
use xtask::{
    client::{self, Client, Kind},
    workdir::{Install, Workdir},
};

use crate::{cargo, local::Local};

const SDL: &str = include_str!("../../examples/quickstart/web.yaml");
const IMAGES: [&str; 2] = ["nginx:1.27-alpine", "nginx:1.28-alpine"];

#[derive(Parser)]
pub(crate) struct Args {
    /// Leaves network and lease running, and says how to go on by hand
    #[arg(long)]
    keep: bool,
    /// The terraform or tofu binary to use
    #[arg(long, value_name = "PATH")]
    tf: Option<PathBuf>,
    /// Uses optimised builds
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let client = choose(args.tf.as_deref())?;
    eprintln!("==> using {client}");
    eprintln!("==> building the provider and the local network");
    let [provider, devnet] = cargo::build([cargo::PROVIDER, cargo::DEVNET], args.release)?;

    let begun = Instant::now();
    eprintln!("==> starting the local network: a chain and three providers");
    let mut network = Local::start(&devnet, &[])?;
    println!("network    chain {} at {}", network.chain_id, network.endpoint);

    let mut dir = Workdir::new(&client, &provider, Install::Mirror)?;
    dir.set_env("AKASH_MNEMONIC", Some(&network.mnemonic));
    dir.write("main.tf", &configuration(&network))?;
    dir.write("web.yaml", SDL)?;

    let result = story(&dir, args.keep, begun);
    if args.keep {
        instructions(&mut dir, &network);
        network.wait()?;
    } else if result.is_err() {
        eprintln!("==> destroying what was created");
        let _ = step(&dir, "destroy", &["destroy", "-auto-approve"], &[0]);
    }
    result
}

fn story(dir: &Workdir, keep: bool, begun: Instant) -> Result<ExitCode> {
    step(dir, "init", &["init"], &[0])?;
    let plan = step(dir, "plan", &["plan", "-out=plan.bin"], &[0])?;
    println!("plan       {}", summary(&plan, "Plan: ")?);
    step(dir, "apply", &["apply", "plan.bin"], &[0])?;
    report(dir)?;

    // With -detailed-exitcode 0 means no changes, 2 means changes.
    step(dir, "plan again", &["plan", "-detailed-exitcode"], &[0])?;
    println!("again      no changes");

    dir.write("web.yaml", &SDL.replace(IMAGES[0], IMAGES[1]))?;
    let plan = step(dir, "plan with another image", &["plan", "-out=plan.bin", "-detailed-exitcode"], &[2])?;
    println!("update     {} to {}: {}", IMAGES[0], IMAGES[1], summary(&plan, "Plan: ")?);
    if actions(dir)?.iter().any(|actions| actions.iter().any(|a| a != "update" && a != "no-op")) {
        bail!("a change of image must be an update in place");
    }
    step(dir, "apply", &["apply", "plan.bin"], &[0])?;
    report(dir)?;

    if !keep {
        let destroyed = step(dir, "destroy", &["destroy", "-auto-approve"], &[0])?;
        println!("destroy    {}", summary(&destroyed, "Destroy complete!")?);
        println!("refund     {}", refund(&destroyed)?);
    }
    let elapsed = begun.elapsed();
    println!("wall time  {}.{} s after the build", elapsed.as_secs(), elapsed.subsec_millis() / 100);
    Ok(ExitCode::SUCCESS)
}

/// The client to use: the one asked for, else one that is here, else OpenTofu built from its Go module.
fn choose(path: Option<&Path>) -> Result<Client> {
    if let Some(path) = path {
        return Client::at(path);
    }
    for kind in Kind::ALL {
        if let Some(client) = Client::find(kind)? {
            return Ok(client);
        }
    }
    match client::build_tofu()? {
        Some(path) => Client::at(&path),
        None => bail!(
            "neither terraform nor tofu is on PATH: install Terraform (1.8 or later) or OpenTofu (1.7 or later), \
             or Go, from whose modules OpenTofu is then built; or name a binary with --tf"
        ),
    }
}

/// The quickstart's configuration, on this network.
fn configuration(network: &Local) -> String {
    format!(
        r#"terraform {{
  required_providers {{
    akash = {{ source = "vaultmesh/akash" }}
  }}
}}

provider "akash" {{
  endpoints = ["{endpoint}"]
  chain_id  = "{chain_id}" # wallet from AKASH_MNEMONIC
}}

resource "akash_deployment" "web" {{
  name   = "web"
  sdl    = file("web.yaml")
  reason = "first deployment"
}}

resource "akash_lease" "web" {{
  deployment = akash_deployment.web.id
  manifest   = akash_deployment.web.manifest
  select = {{
    max_monthly_price = 60 # USD
    prefer            = "price"
  }}
}}

output "url" {{ value = akash_lease.web.url }}
"#,
        endpoint = network.endpoint,
        chain_id = network.chain_id,
    )
}

/// Runs one command of the client and shows what it prints, on stderr, as it comes. Fails unless it ends with one
/// of these exit codes. Returns what it printed.
fn step(dir: &Workdir, name: &str, args: &[&str], codes: &[i32]) -> Result<String> {
    eprintln!("==> {name}");
    let begun = Instant::now();
    let mut args = args.to_vec();
    args.insert(1, "-no-color");
    let mut command = dir.command(&args);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start it")?;
    let errors = child.stderr.take().context("no stderr")?;
    let errors = thread::spawn(move || echo(errors));
    let mut printed = echo(child.stdout.take().context("no stdout")?);
    printed.push_str(&errors.join().unwrap_or_default());
    let status = child.wait()?;
    let took: Duration = begun.elapsed();
    eprintln!("    {name} took {}.{} s", took.as_secs(), took.subsec_millis() / 100);
    match status.code() {
        Some(code) if codes.contains(&code) => Ok(printed),
        _ => bail!("{} {} ended with {status}", dir.client().kind, args.join(" ")),
    }
}

fn echo(from: impl Read) -> String {
    let mut printed = String::new();
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        eprintln!("    {line}");
        printed.push_str(&line);
        printed.push('\n');
    }
    printed
}

/// The line of a client's output that starts like this.
fn summary<'a>(printed: &'a str, start: &str) -> Result<&'a str> {
    let line = printed.lines().find(|line| line.starts_with(start));
    line.with_context(|| format!("the client did not print a line {start:?}"))
}

fn show(dir: &Workdir, args: &[&str]) -> Result<Value> {
    let output = dir.command(&[&["show", "-json"], args].concat()).output()?;
    if !output.status.success() {
        bail!("show: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The actions of each resource in the saved plan.
fn actions(dir: &Workdir) -> Result<Vec<Vec<String>>> {
    let plan = show(dir, &["plan.bin"])?;
    let changes = plan.get("resource_changes").and_then(Value::as_array).cloned().unwrap_or_default();
    let actions = changes.iter().filter_map(|change| change.pointer("/change/actions").cloned());
    actions.map(|value| Ok(serde_json::from_value(value)?)).collect()
}

/// What is in state now: address, provider, price, receipts.
fn report(dir: &Workdir) -> Result<()> {
    let state = show(dir, &[])?;
    let resources =
        state.pointer("/values/root_module/resources").and_then(Value::as_array).cloned().unwrap_or_default();
    let values = |kind: &str| {
        let resource = resources.iter().find(|r| r.get("type").and_then(Value::as_str) == Some(kind));
        resource.and_then(|r| r.get("values")).with_context(|| format!("no {kind} in state"))
    };
    let (deployment, lease) = (values("akash_deployment")?, values("akash_lease")?);
    let text = |value: &Value, pointer: &str| match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "not reported".to_owned(),
        Some(other) => other.to_string(),
    };
    println!("deployment {} (hash {})", text(deployment, "/id"), text(deployment, "/hash"));
    println!("address    {}", text(lease, "/url"));
    println!("provider   {} at {}", text(lease, "/provider_address"), text(lease, "/provider_host"));
    println!(
        "price      {} uact a block, {} USD a month",
        text(lease, "/price"),
        text(lease, "/cost/per_month")
    );
    for resource in [deployment, lease] {
        for receipt in resource.get("receipts").and_then(Value::as_array).into_iter().flatten() {
            println!("receipt    {}", receipt_line(receipt.as_str().unwrap_or_default()));
        }
    }
    Ok(())
}

/// A receipt in one line: what, where on chain, its hash.
fn receipt_line(json: &str) -> String {
    let receipt: Value = serde_json::from_str(json).unwrap_or_default();
    let text = |pointer: &str| match receipt.pointer(pointer) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    };
    let mut line = text("/action").unwrap_or_else(|| json.to_owned());
    for (name, pointer) in [("block", "/response/height"), ("tx", "/response/tx_hash"), ("", "/sha256")] {
        if let Some(value) = text(pointer) {
            line.push_str(&format!("  {name}{}{value}", if name.is_empty() { "" } else { " " }));
        }
    }
    line
}

/// What came back, as the provider says when it closes the deployment.
fn refund(printed: &str) -> Result<&str> {
    let lines = printed.lines().map(|line| line.trim_start_matches(['│', '╷', ' ']));
    lines
        .map(|line| line.trim_start_matches("Warning: "))
        .find(|line| line.contains("came back"))
        .context("destroying said nothing of a refund")
}

fn instructions(dir: &mut Workdir, network: &Local) {
    let client = dir.client().path.display().to_string();
    println!("\nThe network runs until this command is stopped with Ctrl-C. In another terminal:\n");
    println!("  cd {}", dir.path().display());
    for (name, value) in dir.environment() {
        if matches!(name.as_str(), "TF_CLI_CONFIG_FILE" | "AKASH_MNEMONIC") {
            println!("  export {name}='{value}'");
        }
    }
    println!("  {client} show        # what runs");
    println!("  {client} plan        # after a change in web.yaml or main.tf");
    println!("  {client} destroy     # closes the lease and the deployment\n");
    println!(
        "Chain {} at {}. The mnemonic is the local network's own and worth nothing.",
        network.chain_id, network.endpoint
    );
    dir.keep();
}
