//! Ctrl-C in the middle of an apply: what happened is in state, the next apply goes on from there, and nothing is
//! created twice.

use std::time::Duration;

use akash_devnet::DevnetConfig;
use anyhow::{Result, ensure};
use serde_json::json;
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::{self, Fault},
    suite::Case,
    workspace::Running,
};

cases![
    group_while_waiting_for_bids,
    client_while_waiting_for_bids,
    group_while_creating,
    client_while_creating,
    client_while_waiting_to_be_ready,
];

type Interrupt = fn(&Running) -> Result<()>;

async fn group_while_waiting_for_bids(case: Case) -> Result<()> {
    waiting_for_bids(case, Running::interrupt_group).await
}

async fn client_while_waiting_for_bids(case: Case) -> Result<()> {
    waiting_for_bids(case, Running::interrupt_client).await
}

async fn waiting_for_bids(case: Case, interrupt: Interrupt) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", "  select = { settle = \"4m\" }"));
    let mut apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    apply.until("\"akash_lease.web: Creating").await?;
    network.local()?.wait_blocks(4).await;
    interrupt(&apply)?;
    let output = apply.end().await?;
    output.expect_error(&["stopped"])?;
    ensure!(!output.says("plugin did not respond"), "{output}");
    let state = workspace.state().await?;
    ensure!(state.addresses() == [DEPLOYMENT], "{:?}", state.addresses());
    let dseq = state.text(DEPLOYMENT, "/dseq")?;

    // The order and its bids are still there.
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.text(DEPLOYMENT, "/dseq")? == dseq);
    ensure!(state.get(LEASE, "/oseq")? == json!(1), "the order was given up");
    ensure!(network.active().await? == [dseq], "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

async fn group_while_creating(case: Case) -> Result<()> {
    creating(case, Running::interrupt_group).await
}

async fn client_while_creating(case: Case) -> Result<()> {
    creating(case, Running::interrupt_client).await
}

/// Stopped while the deployment's transaction is on its way: with blocks this slow it is not in one yet.
async fn creating(case: Case, interrupt: Interrupt) -> Result<()> {
    let slow = DevnetConfig { block_time: Duration::from_secs(4), ..network::local_config() };
    let network = case.devnet_with(slow).await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    let mut apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    apply.until("\"akash_deployment.web: Creating").await?;
    network.local()?.until_broadcast().await?;
    interrupt(&apply)?;
    let output = apply.end().await?;
    ensure!(!output.says("plugin did not respond"), "{output}");
    let state = workspace.state().await?;
    ensure!(state.addresses() == [DEPLOYMENT], "what was sent is not recorded: {output}");
    ensure!(!state.is_tainted(DEPLOYMENT)?, "a create that was only stopped is tainted");
    let dseq = state.text(DEPLOYMENT, "/dseq")?;

    network.local()?.wait_blocks(1).await;
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.text(DEPLOYMENT, "/dseq")? == dseq, "a second deployment was created");
    ensure!(state.text(DEPLOYMENT, "/state")? == "active");
    ensure!(network.active().await? == [dseq], "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// Stopped when the lease is in a block and its services are not ready: no error, and the next plan goes on.
async fn client_while_waiting_to_be_ready(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    network.local()?.set(Fault::NeverReady { provider: None });
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    let mut apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    apply.until("\"akash_lease.web: Creating").await?;
    network.until_leased().await?;
    network.local()?.wait_blocks(8).await;
    apply.interrupt_client()?;
    let output = apply.end().await?;
    ensure!(!output.says("plugin did not respond"), "{output}");
    let state = workspace.state().await?;
    ensure!(state.addresses().len() == 2, "the lease is not recorded: {output}");
    ensure!(!state.is_tainted(LEASE)?, "a lease that was only stopped is tainted: {output}");
    ensure!(state.get(LEASE, "/ready")? == json!(false));

    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "no-op")?;
    plan.expect(LEASE, "update")?;
    network.local()?.clear();
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    ensure!(after.get(LEASE, "/ready")? == json!(true));
    ensure!(after.get(LEASE, "/oseq")? == json!(1), "a second lease was taken");
    workspace.expect_no_changes().await
}
