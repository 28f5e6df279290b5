//! What others do to a deployment, and providers and nodes that are not there.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::{client::Kind, workdir::Install};

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::{Fault, Network},
    suite::{Case, only},
    workspace::Workspace,
};

cases![
    deployment_closed_by_hand,
    lease_closed_by_hand,
    lease_closed_by_the_provider,
    provider_down,
    lost_broadcast,
    lost_answer,
    held_beyond_its_timeout,
    destroying_what_is_gone,
    node_that_is_behind,
];

async fn running_on(case: &Case, network: &Network) -> Result<Arc<Workspace>> {
    let workspace = case.workspace_on(network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    Ok(workspace)
}

async fn deployment_closed_by_hand(case: Case) -> Result<()> {
    let network = case.network().await?;
    let workspace = running_on(&case, &network).await?;
    let dseq = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    network.close_deployment(&dseq).await?;
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["closed", &dseq])?;
    plan.expect(DEPLOYMENT, "create")?;
    plan.expect(LEASE, "create")?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/dseq")? != dseq);
    workspace.expect_no_changes().await
}

/// The tenant's own close of a lease opens a new order at once; what is planned is nothing, with a warning.
async fn lease_closed_by_hand(case: Case) -> Result<()> {
    let network = case.network().await?;
    let workspace = running_on(&case, &network).await?;
    let state = workspace.state().await?;
    network.close_lease(&state.text(DEPLOYMENT, "/dseq")?, &state.text(LEASE, "/provider_address")?).await?;
    lost(&workspace).await
}

async fn lease_closed_by_the_provider(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = running_on(&case, &network).await?;
    let dseq = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    network.local()?.close_lease_as_provider(network.owner(), &dseq).await?;
    lost(&workspace).await
}

/// A lost lease is told in a warning and planned as no change; it can be replaced and destroyed.
async fn lost(workspace: &Workspace) -> Result<()> {
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["lease", "closed"])?;
    plan.expect(LEASE, "no-op")?;
    plan.expect(DEPLOYMENT, "no-op")?;
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.text(LEASE, "/state")? == "closed", "{}", state.text(LEASE, "/state")?);
    ensure!(state.get(LEASE, "/closed_reason")?.is_string());
    workspace.apply_with(&["-replace=akash_lease.web"]).await?;
    ensure!(workspace.state().await?.text(LEASE, "/state")? == "active");
    workspace.expect_no_changes().await
}

async fn provider_down(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = running_on(&case, &network).await?;
    let before = workspace.state().await?;
    network.local()?.set(Fault::ProviderDown { provider: None });
    let plan = workspace.plan().await?;
    ensure!(plan.output.code == Some(0), "a provider that is down is a change: {}", plan.changes());
    workspace.apply_with(&["-refresh-only"]).await?;
    let after = workspace.state().await?;
    for leaf in ["/services", "/ports", "/url", "/ready", "/manifest_hash", "/provider_host"] {
        ensure!(after.get(LEASE, leaf)? == before.get(LEASE, leaf)?, "{leaf} changed");
    }
    workspace.destroy().await?;
    ensure!(network.active().await?.is_empty());
    Ok(())
}

/// A broadcast that is answered as accepted and forgotten: either it is found out and sent again, or what is open is
/// recorded; in no case are there two.
async fn lost_answer(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    network.local()?.times(Fault::DropAnswer { path: "BroadcastTx".to_owned() }, 1);
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::deployment(""));
    workspace.apply().await?;
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/state")? == "active");
    ensure!(network.active().await?.len() == 1, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// A broadcast that is answered as accepted and then forgotten. After its timeout it is provably dead: the create
/// says that it did not happen, or is tried again. In no case are there two.
async fn lost_broadcast(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    network.local()?.times(Fault::LoseBroadcast, 1);
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::deployment("  timeouts = { create = \"3m\" }"));
    let output = workspace.try_apply(&[]).await?;
    if output.code != Some(0) {
        ensure!(network.active().await?.is_empty(), "{output}");
        ensure!(workspace.state().await?.addresses().is_empty(), "what did not happen is in state: {output}");
        workspace.apply().await?;
    }
    ensure!(network.active().await?.len() == 1, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// A transaction that waits in the mempool until its time has run out never comes into a block; the client says that it
/// did not happen, and the next apply creates one.
async fn held_beyond_its_timeout(case: Case) -> Result<()> {
    only(&case, Kind::Terraform, "waits as long")?;
    let network = case.devnet().await?;
    let local = network.local()?;
    local.set(Fault::HoldTransactions);
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::deployment("  timeouts = { create = \"3m\" }"));
    let failed = workspace.try_apply(&[]).await?;
    ensure!(failed.code != Some(0), "{failed}");
    ensure!(workspace.state().await?.addresses().is_empty(), "what did not happen is in state: {failed}");
    local.clear();
    local.wait_blocks(3).await;
    ensure!(network.active().await?.is_empty(), "it came into a block after all: {failed}");
    workspace.apply().await?;
    ensure!(network.active().await?.len() == 1, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

async fn destroying_what_is_gone(case: Case) -> Result<()> {
    let network = case.network().await?;
    let workspace = running_on(&case, &network).await?;
    let dseq = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    network.close_deployment(&dseq).await?;
    // Without a refresh the deletes themselves find that there is nothing left to do.
    workspace.run(&["apply", "-destroy", "-refresh=false", "-json", "-auto-approve"]).await?.succeeded()?;
    ensure!(workspace.state().await?.addresses().is_empty());
    ensure!(workspace.state().await?.output("url") == json!(null));
    Ok(())
}

/// A node that has not seen the deployment yet is no reason to forget it: the next run would pay for a second one.
async fn node_that_is_behind(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let local = network.local()?;
    local.wait_blocks(32).await;
    let workspace = running_on(&case, &network).await?;
    local.set(Fault::StaleHeight { blocks: 30 });
    let output = workspace.try_plan(&[]).await?;
    local.clear();
    // An error; on a slow machine the node may have come up to the deployment meanwhile, and nothing changes.
    ensure!(matches!(output.code, Some(0 | 1)), "planned as changed: {}", output.stdout);
    if output.code == Some(1) {
        output.expect_error(&["behind"])?;
    }
    workspace.expect_no_changes().await
}
