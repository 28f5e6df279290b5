//! Taking in what runs already: the first plan is one update in place that sends nothing, the second is empty.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::{client::Kind, workdir::Install};

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::Network,
    suite::{Case, only},
    workspace::Workspace,
};

cases![by_id, by_dseq_alone, by_identity, by_command, with_another_sdl, what_does_not_exist, malformed];

/// A running pair, and a second workspace with the same configuration and nothing in its state.
async fn pair(case: &Case, network: &Network) -> Result<(Arc<Workspace>, Arc<Workspace>)> {
    let first = case.workspace_on(network, Install::Override)?;
    let second = case.workspace_on(network, Install::Override)?;
    for workspace in [&first, &second] {
        workspace.write("web.yaml", &Sdl::default().text());
        workspace.write("main.tf", &config::web("  reason = \"taken in\"", ""));
    }
    first.apply().await?;
    Ok((first, second))
}

fn import(deployment: &str, lease: &str) -> String {
    format!(
        "import {{\n  to = {DEPLOYMENT}\n  {deployment}\n}}\n\nimport {{\n  to = {LEASE}\n  {lease}\n}}\n"
    )
}

/// Plans and applies an import that must send nothing.
async fn taken_in(first: &Workspace, second: &Workspace) -> Result<()> {
    let before = first.state().await?;
    let plan = second.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect(LEASE, "update")?;
    let balance = second.network().fee_balance().await?;
    second.apply_with(&["plan.bin"]).await?;
    if second.network().is_local() && second.network().is_own() {
        ensure!(second.network().fee_balance().await? == balance, "the import sent something");
    }
    let after = second.state().await?;
    for (address, leaf) in [
        (DEPLOYMENT, "/id"),
        (DEPLOYMENT, "/hash"),
        (DEPLOYMENT, "/manifest"),
        (DEPLOYMENT, "/groups"),
        (DEPLOYMENT, "/deposited"),
        (LEASE, "/id"),
        (LEASE, "/oseq"),
        (LEASE, "/provider_address"),
        (LEASE, "/price"),
        (LEASE, "/manifest_hash"),
        (LEASE, "/services"),
    ] {
        let (was, is) = (before.get(address, leaf)?, after.get(address, leaf)?);
        ensure!(was == is, "{address}{leaf} is {is}, was {was}");
    }
    ensure!(after.get(DEPLOYMENT, "/reason")? == json!("taken in"));
    second.expect_no_changes().await
}

async fn by_id(case: Case) -> Result<()> {
    let network = case.network().await?;
    let (first, second) = pair(&case, &network).await?;
    let id = first.state().await?.text(DEPLOYMENT, "/id")?;
    second.write("import.tf", &import(&format!("id = \"{id}\""), &format!("id = \"{id}/1\"")));
    taken_in(&first, &second).await
}

/// On a devnet of its own, where it can be counted that nothing is sent.
async fn by_dseq_alone(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let (first, second) = pair(&case, &network).await?;
    let state = first.state().await?;
    let dseq = state.text(DEPLOYMENT, "/dseq")?;
    let lease = state.text(LEASE, "/id")?;
    second.write("import.tf", &import(&format!("id = \"{dseq}\""), &format!("id = \"{lease}\"")));
    taken_in(&first, &second).await
}

async fn by_identity(case: Case) -> Result<()> {
    only(&case, Kind::Tofu, "of this version has no identity")?;
    let network = case.network().await?;
    let (first, second) = pair(&case, &network).await?;
    let dseq = first.state().await?.text(DEPLOYMENT, "/dseq")?;
    let deployment = format!("identity = {{ dseq = \"{dseq}\" }}");
    let lease = format!("identity = {{ dseq = \"{dseq}\", gseq = 1 }}");
    second.write("import.tf", &import(&deployment, &lease));
    taken_in(&first, &second).await
}

async fn by_command(case: Case) -> Result<()> {
    let network = case.network().await?;
    let (first, second) = pair(&case, &network).await?;
    let id = first.state().await?.text(DEPLOYMENT, "/id")?;
    second.run(&["import", "-no-color", DEPLOYMENT, &id]).await?.succeeded()?;
    second.run(&["import", "-no-color", LEASE, &format!("{id}/1")]).await?.succeeded()?;
    // What is known of the provider's manifest may hold secrets and is not in state.
    let state = second.state().await?;
    ensure!(state.get(DEPLOYMENT, "/manifest")?.is_null() && state.get(LEASE, "/manifest")?.is_null());
    taken_in(&first, &second).await
}

/// Where the SDL is not what runs the plan is an honest update, and apply makes it run.
async fn with_another_sdl(case: Case) -> Result<()> {
    let network = case.network().await?;
    let (first, second) = pair(&case, &network).await?;
    let id = first.state().await?.text(DEPLOYMENT, "/id")?;
    second.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    second.write("import.tf", &import(&format!("id = \"{id}\""), &format!("id = \"{id}/1\"")));
    let plan = second.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    second.apply_with(&["plan.bin"]).await?;
    let (before, after) = (first.state().await?, second.state().await?);
    ensure!(after.get(DEPLOYMENT, "/hash")? != before.get(DEPLOYMENT, "/hash")?, "the hash is not sent");
    second.expect_no_changes().await
}

async fn what_does_not_exist(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::deployment(""));
    let output = workspace.run(&["import", "-no-color", DEPLOYMENT, "1"]).await?;
    ensure!(output.code != Some(0), "{output}");
    ensure!(output.stderr.contains("non-existent"), "{output}");
    ensure!(workspace.state().await?.addresses().is_empty());
    Ok(())
}

async fn malformed(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    for (address, id, form) in
        [(DEPLOYMENT, "nonsense", "owner/dseq"), (LEASE, "nonsense", "owner/dseq/gseq")]
    {
        let output = workspace.run(&["import", "-no-color", address, id]).await?;
        ensure!(output.code != Some(0) && output.stderr.to_lowercase().contains(form), "{output}");
    }
    Ok(())
}
