//! `lifecycle.ignore_changes` under the real clients: what is ignored and changed beside another change does not happen.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    suite::Case,
};

cases![sdl_beside_a_reason, deposit_beside_an_image, provider_beside_an_image];

fn lifecycle(argument: &str) -> String {
    format!("  lifecycle {{\n    ignore_changes = [{argument}]\n  }}")
}

async fn sdl_beside_a_reason(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    let with = |reason: &str| config::web(&format!("  reason = \"{reason}\"\n{}", lifecycle("sdl")), "");
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &with("first"));
    workspace.apply().await?;
    let before = (workspace.state().await?, network.fee_balance().await?);
    workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    workspace.write("main.tf", &with("second"));
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect(LEASE, "no-op")?;
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    ensure!(after.get(DEPLOYMENT, "/reason")? == json!("second"));
    for leaf in ["/sdl", "/hash", "/manifest", "/receipts"] {
        ensure!(after.get(DEPLOYMENT, leaf)? == before.0.get(DEPLOYMENT, leaf)?, "{leaf} changed");
    }
    ensure!(network.fee_balance().await? == before.1, "a fee was paid: something was sent");
    workspace.expect_no_changes().await
}

async fn deposit_beside_an_image(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    let with =
        |deposit: &str| config::web(&format!("  deposit = \"{deposit}\"\n{}", lifecycle("deposit")), "");
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &with("500000uact"));
    workspace.apply().await?;
    workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    workspace.write("main.tf", &with("5000000uact"));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.get(DEPLOYMENT, "/deposit")? == json!("500000uact"));
    ensure!(state.get(DEPLOYMENT, "/deposited")? == json!("500000"), "it was topped up");
    ensure!(state.text(DEPLOYMENT, "/sdl")?.contains("1.28"));
    workspace.expect_no_changes().await
}

async fn provider_beside_an_image(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    let [west, europe] = [network.local()?.address_of("west")?, network.local()?.address_of("europe")?];
    let with = |provider: &str| {
        config::web("", &format!("  provider_address = \"{provider}\"\n{}", lifecycle("provider_address")))
    };
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &with(&west));
    workspace.apply().await?;
    let before = workspace.state().await?;
    workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    workspace.write("main.tf", &with(&europe));
    workspace.apply().await?;
    let after = workspace.state().await?;
    ensure!(after.text(LEASE, "/provider_address")? == west, "it was moved");
    ensure!(after.get(LEASE, "/oseq")? == json!(1));
    ensure!(after.get(LEASE, "/manifest_hash")? != before.get(LEASE, "/manifest_hash")?);
    workspace.expect_no_changes().await
}
