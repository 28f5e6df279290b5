//! Many resources of one wallet: how few transactions and requests they take. What is counted is counted on a devnet
//! with one endpoint; how long it takes is the benchmark's matter.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use xtask::{client, workdir::Install};

use crate::{
    cases,
    config::{self, Sdl},
    network::{self, Local, Network},
    suite::{Case, only},
    workspace::{State, Workspace},
};

cases![hundred_at_once, hundred_by_ten];

/// How many deployments, each with a lease.
const COUNT: usize = 100;
/// Calls that run at once to one provider's gateway.
const GATEWAY_AT_ONCE: u64 = 8;

/// All at once: the creates in two transactions, the leases in no more than there are blocks with bids.
async fn hundred_at_once(case: Case) -> Result<()> {
    let (network, workspace) = prepared(&case).await?;
    workspace.apply_with(&["-parallelism=100"]).await?;
    let state = workspace.state().await?;
    let (creates, leases) = transactions(&state)?;
    let blocks = network.local()?.blocks_with_bids();
    println!("{creates} transactions for the creates, {leases} for the leases, {blocks} blocks with bids");
    ensure!(creates <= 2, "{creates} transactions for the creates");
    ensure!(leases <= blocks, "{leases} transactions for the leases, {blocks} blocks with bids");
    destroyed(&network, &workspace, &["-parallelism=100"], 6).await
}

/// At Terraform's default of ten at a time; then a plan of all of it, unchanged.
async fn hundred_by_ten(case: Case) -> Result<()> {
    let (network, workspace) = prepared(&case).await?;
    workspace.apply().await?;
    let state = workspace.state().await?;
    let (creates, leases) = transactions(&state)?;
    println!("{creates} transactions for the creates, {leases} for the leases");
    ensure!(creates <= 12 && leases <= 12, "{creates} transactions for the creates, {leases} for the leases");
    planned(network.local()?, &workspace).await?;
    destroyed(&network, &workspace, &[], 30).await
}

/// A network of its own and a workspace with the configuration.
async fn prepared(case: &Case) -> Result<(Network, Arc<Workspace>)> {
    only(case, client::Kind::Terraform, "does the same")?;
    let blocks = akash_devnet::DevnetConfig { block_time: Duration::from_secs(1), ..network::local_config() };
    let network = case.devnet_with(blocks).await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &configuration());
    Ok((network, workspace))
}

fn configuration() -> String {
    format!(
        r#"{}
resource "akash_deployment" "web" {{
  count = {COUNT}
  sdl   = file("web.yaml")
}}

resource "akash_lease" "web" {{
  count      = {COUNT}
  deployment = akash_deployment.web[count.index].id
  manifest   = akash_deployment.web[count.index].manifest
}}
"#,
        config::HEAD
    )
}

/// How many transactions created the deployments, and the leases: by the receipts in state.
fn transactions(state: &State) -> Result<(usize, usize)> {
    let count = |kind: &str, action: &str| -> Result<usize> {
        let mut hashes = BTreeSet::new();
        for index in 0..COUNT {
            for receipt in state.receipts(&format!("{kind}.web[{index}]"))? {
                if receipt.pointer("/action").and_then(|found| found.as_str()) == Some(action) {
                    hashes.insert(receipt.pointer("/response/tx_hash").map(ToString::to_string));
                }
            }
        }
        ensure!(!hashes.is_empty() && !hashes.contains(&None), "no transaction for {action}");
        Ok(hashes.len())
    };
    Ok((count("akash_deployment", "deployment.create")?, count("akash_lease", "lease.create")?))
}

/// A plan without changes: few requests to the chain, two a lease to the gateways, over connections that are kept.
async fn planned(local: &Local, workspace: &Workspace) -> Result<()> {
    // What configuring takes.
    let before = local.request_count();
    workspace.run(&["plan", "-refresh=false", "-json"]).await?.succeeded()?;
    let configure = local.request_count() - before;
    let before = local.request_count();
    let (connections, requests) = local.gateway_counts();
    let plan = workspace.run(&["plan", "-json", "-detailed-exitcode"]).await?;
    ensure!(plan.code == Some(0), "expected no changes: {plan}");
    let asked = local.request_count() - before - configure;
    let (now_connections, now_requests) = local.gateway_counts();
    let (connections, requests) = (now_connections - connections, now_requests - requests);
    println!(
        "a plan: {asked} requests to the chain after {configure} to configure, {requests} over {connections} connections"
    );
    ensure!(asked <= 10, "{asked} requests to the chain");
    ensure!(requests <= 2 * COUNT as u64, "{requests} requests to the gateways");
    // A connection may be given up while the provider's identity is found out.
    let most = 2 * GATEWAY_AT_ONCE * local.provider_count();
    ensure!(connections <= most, "{connections} connections to the gateways");
    Ok(())
}

/// Destroying shares its questions too: far fewer requests than resources.
async fn destroyed(network: &Network, workspace: &Workspace, args: &[&str], most: usize) -> Result<()> {
    let local = network.local()?;
    let before = local.transactions(network.owner());
    let requests = local.request_count();
    let command = [&["apply", "-destroy", "-refresh=false", "-json", "-auto-approve"], args].concat();
    workspace.run(&command).await?.succeeded()?;
    let transactions = local.transactions(network.owner()) - before;
    let requests = local.request_count() - requests;
    println!("a destroy: {transactions} transactions, {requests} requests");
    ensure!(network.active().await?.is_empty());
    ensure!(transactions <= most, "{transactions} transactions to destroy");
    // A transaction takes some fifteen, and what is destroyed with it one or two listings of four.
    ensure!(requests <= 30 * transactions as u64, "{requests} requests to destroy: {:?}", local.requests());
    Ok(())
}
