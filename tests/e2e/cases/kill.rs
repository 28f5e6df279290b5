//! The kill matrix: the plugin is killed at a named point (`src/kill.rs`) and the same configuration is applied again.
//! What is wanted is then active exactly once, in state, and no coin is missing.

use std::{io::Write as _, sync::Arc};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use xtask::workdir::Install;

use crate::{
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::{Network, local_config},
    suite::{Case, CaseDefinition},
    workspace::Workspace,
};

macro_rules! kills {
    ($($name:ident: $point:literal, $what:expr;)*) => {
        pub(crate) fn cases() -> Vec<CaseDefinition> {
            vec![$(CaseDefinition {
                name: concat!(module_path!(), "::", stringify!($name)),
                run: |case| Box::pin(killed(case, $point, $what)),
            }),*]
        }
    };
}

kills! {
    create_before_journal: "before-journal:create", What::Create(1);
    create_after_journal: "after-journal:create", What::Create(1);
    create_after_broadcast: "after-broadcast:create", What::Create(1);
    create_after_inclusion: "after-inclusion:create", What::Create(1);
    create_before_return: "before-return:create", What::Create(1);
    create_after_return: "after-return:create", What::Create(1);

    named_after_journal: "after-journal:create", What::Named;
    named_after_broadcast: "after-broadcast:create", What::Named;
    named_before_return: "before-return:create", What::Named;

    update_before_journal: "before-journal:update", What::Update;
    update_after_journal: "after-journal:update", What::Update;
    update_after_broadcast: "after-broadcast:update", What::Update;
    update_after_inclusion: "after-inclusion:update", What::Update;
    update_before_return: "before-return:update", What::Update;
    update_after_return: "after-return:update", What::Update;

    lease_before_journal: "before-journal:lease", What::Lease;
    lease_after_journal: "after-journal:lease", What::Lease;
    lease_after_broadcast: "after-broadcast:lease", What::Lease;
    lease_after_inclusion: "after-inclusion:lease", What::Lease;
    lease_before_return: "before-return:lease", What::Lease;
    lease_after_return: "after-return:lease", What::Lease;

    deposit_before_journal: "before-journal:deposit", What::Deposit;
    deposit_after_journal: "after-journal:deposit", What::Deposit;
    deposit_after_broadcast: "after-broadcast:deposit", What::Deposit;
    deposit_after_inclusion: "after-inclusion:deposit", What::Deposit;
    deposit_before_return: "before-return:update", What::Deposit;
    deposit_after_return: "after-return:update", What::Deposit;

    close_before_journal: "before-journal:close", What::Close;
    close_after_journal: "after-journal:close", What::Close;
    close_after_broadcast: "after-broadcast:close", What::Close;
    close_after_inclusion: "after-inclusion:close", What::Close;
    close_before_return: "before-return:close", What::Close;
    close_after_return: "after-return:close", What::Close;

    batch_after_journal: "after-journal:create", What::Create(5);
    batch_after_broadcast: "after-broadcast:create", What::Create(5);
    batch_after_inclusion: "after-inclusion:create", What::Create(5);
    batch_third_before_return: "before-return:create#3", What::Create(5);
    batch_third_after_return: "after-return:create#3", What::Create(5);
    batch_leases_after_broadcast: "after-broadcast:lease", What::Leases(3);
    batch_leases_second_before_return: "before-return:lease#2", What::Leases(3);
}

/// What is under way when the plugin is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// So many equal deployments without a name are created.
    Create(usize),
    /// One with a name is created.
    Named,
    /// Its image changes.
    Update,
    /// A lease is taken.
    Lease,
    /// So many at once.
    Leases(usize),
    /// The escrow is topped up.
    Deposit,
    /// The deployment is closed.
    Close,
}

const TOPPED_UP: &str = "  deposit = \"2000000uact\"\n";

async fn killed(case: Case, point: &'static str, what: What) -> Result<()> {
    let network = case.devnet_with(local_config()).await?;
    let workspace = workspace(&case, &network)?;
    let before = network.uact().await?;
    prepare(&workspace, what).await?;
    let destroy: &[&str] = if what == What::Close { &["-destroy"] } else { &[] };
    let output = workspace.kill(point, destroy).await?;
    // An answer that went out whole may be all that the client was waiting for.
    ensure!(output.code != Some(0) || point.contains("after-return"), "the kill went unnoticed: {output}");

    let output = workspace.try_apply(destroy).await?.succeeded()?;
    let wanted = match what {
        What::Create(n) | What::Leases(n) => n,
        What::Close => 0,
        _ => 1,
    };
    let active = network.active().await?;
    let known = match workspace.path().join("terraform.tfstate").is_file() {
        true => deployments(&workspace).await?,
        false => Vec::new(),
    };
    let orphans = active.iter().filter(|dseq| !known.contains(dseq)).count();
    let duplicates = active.len().saturating_sub(wanted);
    report(&format!("{point} {what:?}"), orphans, duplicates)?;
    ensure!(active.len() == wanted, "{active:?} are active, wanted {wanted}: {output}");
    ensure!(orphans == 0, "{active:?} are active, the state knows {known:?}: {output}");
    as_wanted(&workspace, &network, what).await?;
    if what != What::Close {
        workspace.expect_no_changes().await?;
    }

    // Every coin is in the wallet, in an escrow account or at a provider.
    ensure!(network.uact().await? == before, "{} uact are missing", before - network.uact().await?);
    Ok(())
}

/// A workspace whose transactions are dead soon if they were never sent.
fn workspace(case: &Case, network: &Network) -> Result<Arc<Workspace>> {
    let workspace = case.workspace_on(network, Install::Override)?;
    workspace.env("AKASH_TRANSACTION_TIMEOUT", Some("4s"));
    workspace.write("web.yaml", &Sdl::default().text());
    Ok(workspace)
}

fn many(n: usize, leases: bool) -> String {
    let lease = if leases {
        format!(
            "\nresource \"akash_lease\" \"web\" {{\n  count      = {n}\n  deployment = akash_deployment.web[count.index].id\n  \
             manifest   = akash_deployment.web[count.index].manifest\n}}\n"
        )
    } else {
        String::new()
    };
    format!("{}{lease}", config::deployment(&format!("  count = {n}\n")))
}

/// What is there before, and the configuration that the plugin is killed with.
async fn prepare(workspace: &Workspace, what: What) -> Result<()> {
    let (before, then) = match what {
        What::Create(n) => (None, many(n, false)),
        What::Named => (None, config::deployment("  name = \"killed\"\n")),
        What::Leases(n) => (Some(many(n, false)), many(n, true)),
        What::Lease => (Some(config::deployment("")), config::web("", "")),
        What::Deposit => (Some(config::deployment("")), config::deployment(TOPPED_UP)),
        What::Update | What::Close => (Some(config::deployment("")), config::deployment("")),
    };
    if let Some(before) = before {
        workspace.write("main.tf", &before);
        workspace.apply().await?;
    }
    workspace.write("main.tf", &then);
    if what == What::Update {
        workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    }
    Ok(())
}

/// The dseqs that the state has.
async fn deployments(workspace: &Workspace) -> Result<Vec<String>> {
    let state = workspace.state().await?;
    let addresses = state.addresses();
    let ours = addresses.iter().filter(|address| address.starts_with(DEPLOYMENT));
    ours.map(|address| state.text(address, "/dseq")).collect()
}

async fn as_wanted(workspace: &Workspace, network: &Network, what: What) -> Result<()> {
    if what == What::Close {
        return Ok(());
    }
    let state = workspace.state().await?;
    for dseq in network.active().await? {
        let deposit = if what == What::Deposit { 2_000_000 } else { 500_000 };
        ensure!(network.deposited(&dseq).await? == deposit, "{}", network.deposited(&dseq).await?);
        if matches!(what, What::Lease | What::Leases(_)) {
            // The first lease that was taken is the one that runs: none was given up for another.
            ensure!(network.lease_oseqs(&dseq).await? == [1], "{:?}", network.lease_oseqs(&dseq).await?);
        }
    }
    match what {
        What::Update => {
            let dseq = state.text(DEPLOYMENT, "/dseq")?;
            ensure!(state.text(DEPLOYMENT, "/hash")? == network.hash(&dseq).await?);
        }
        What::Deposit => ensure!(state.text(DEPLOYMENT, "/deposited")? == "2000000"),
        What::Lease => ensure!(state.get(LEASE, "/ready")? == json!(true)),
        _ => {}
    }
    Ok(())
}

/// Adds to the report of `cargo xtask kill-matrix`, which adds up.
fn report(point: &str, orphans: usize, duplicates: usize) -> Result<()> {
    let Ok(path) = std::env::var("AKASH_E2E_KILL_REPORT") else { return Ok(()) };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    let line = json!({ "point": point, "orphans": orphans, "duplicates": duplicates });
    file.write_all(format!("{line}\n").as_bytes()).context("the report can't be written")
}
