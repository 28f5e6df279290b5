//! Who takes over what: only what an earlier run of this machine was cut off at, never what a state has or had.

use std::sync::Arc;

use anyhow::{Result, ensure};
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::{Fault, Network},
    suite::Case,
    workspace::Workspace,
};

cases![
    equal_ones_never_take_each_other,
    one_more_does_not_take_what_returned,
    one_more_without_refresh_does_not_take_what_returned,
    replaced_destroy_first,
    replaced_create_first,
    replaced_create_first_without_refresh,
    tainted_destroy_first,
    tainted_create_first,
    another_image_is_updated,
    other_groups_are_not_taken,
    cut_off_is_named_in_a_warning,
    cut_off_where_no_node_indexes,
    cut_off_is_not_forgotten_by_a_node_that_is_behind,
    two_machines_one_name,
    two_machines_one_wallet,
    adopt_takes_equal_groups,
    adopt_refuses_other_groups,
    named_with_create_before_destroy,
    names_move_along_a_list,
    lease_replaced_create_first,
    journal_that_cannot_be_written,
    journal_turned_off,
    journal_holds_no_secret,
];

async fn workspace(case: &Case, network: &Network) -> Result<Arc<Workspace>> {
    let workspace = case.workspace_on(network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    Ok(workspace)
}

fn counted(n: usize) -> String {
    config::deployment(&format!("  count = {n}\n"))
}

const CREATE_FIRST: &str = "  lifecycle {\n    create_before_destroy = true\n  }\n";

async fn equal_ones_never_take_each_other(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &counted(10));
    // Three at a time: the later ones find the earlier ones in the journal.
    workspace.apply_with(&["-parallelism=3"]).await?;
    ensure!(network.active().await?.len() == 10, "{:?}", network.active().await?);
    workspace.write("main.tf", &counted(12));
    workspace.apply().await?;
    ensure!(network.active().await?.len() == 12, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

async fn one_more_does_not_take_what_returned(case: Case) -> Result<()> {
    one_more(case, &[]).await
}

async fn one_more_without_refresh_does_not_take_what_returned(case: Case) -> Result<()> {
    one_more(case, &["-refresh=false"]).await
}

/// Killed between the answer and its mark: the state has it, the journal does not know that.
async fn one_more(case: Case, arguments: &[&str]) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &counted(1));
    workspace.kill("after-return:create", &[]).await?;
    let first = workspace.state().await?.text("akash_deployment.web[0]", "/dseq")?;
    workspace.write("main.tf", &counted(2));
    workspace.apply_with(arguments).await?;
    let state = workspace.state().await?;
    ensure!(state.text("akash_deployment.web[0]", "/dseq")? == first);
    ensure!(state.text("akash_deployment.web[1]", "/dseq")? != first, "one deployment is two resources");
    ensure!(network.active().await?.len() == 2, "{:?}", network.active().await?);
    Ok(())
}

async fn replaced_destroy_first(case: Case) -> Result<()> {
    replaced(case, "", false, &["-replace=akash_deployment.web"]).await
}

async fn replaced_create_first(case: Case) -> Result<()> {
    replaced(case, CREATE_FIRST, false, &["-replace=akash_deployment.web"]).await
}

async fn replaced_create_first_without_refresh(case: Case) -> Result<()> {
    replaced(case, CREATE_FIRST, false, &["-replace=akash_deployment.web", "-refresh=false"]).await
}

async fn tainted_destroy_first(case: Case) -> Result<()> {
    replaced(case, "", true, &[]).await
}

async fn tainted_create_first(case: Case) -> Result<()> {
    replaced(case, CREATE_FIRST, true, &[]).await
}

/// A replacement is a new deployment, though the journal does not know that the old one returned.
async fn replaced(case: Case, lifecycle: &str, taint: bool, arguments: &[&str]) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(lifecycle));
    workspace.kill("after-return:create", &[]).await?;
    let first = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    if taint {
        workspace.run(&["taint", DEPLOYMENT]).await?.succeeded()?;
    }
    workspace.apply_with(arguments).await?;
    let second = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    ensure!(second != first, "the replacement took what it replaces");
    ensure!(network.active().await? == [second], "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// The manifest changed after the run that was cut off: its deployment is taken over and gets the new hash.
async fn another_image_is_updated(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(""));
    workspace.kill("before-return:create", &[]).await?;
    let first = network.active().await?;
    workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    workspace.apply().await?.expect_warning(&["taken over", "new hash"])?;
    let state = workspace.state().await?;
    ensure!([state.text(DEPLOYMENT, "/dseq")?] == first[..], "{first:?}");
    ensure!(state.text(DEPLOYMENT, "/hash")? == network.hash(&state.text(DEPLOYMENT, "/dseq")?).await?);
    let actions: Vec<_> =
        state.receipts(DEPLOYMENT)?.iter().filter_map(|receipt| receipt.get("action").cloned()).collect();
    ensure!(actions == ["deployment.create", "deployment.update"], "{actions:?}");
    workspace.expect_no_changes().await
}

/// Other resources were asked for: that is another deployment, and the one that was cut off stays named.
async fn other_groups_are_not_taken(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(""));
    workspace.kill("before-return:create", &[]).await?;
    let first = network.active().await?.remove(0);
    workspace.write("web.yaml", &Sdl { cpu: "1", ..Sdl::default() }.text());
    workspace.apply().await?.expect_warning(&["cut off", &first])?;
    ensure!(network.active().await?.len() == 2);
    // Closed by hand, it is forgotten.
    network.close_deployment(&first).await?;
    let plan = workspace.plan().await?;
    ensure!(!plan.output.says("cut off"), "{}", plan.output);
    Ok(())
}

async fn cut_off_is_named_in_a_warning(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment("  name = \"web\"\n"));
    workspace.kill("after-inclusion:create", &[]).await?;
    let dseq = network.active().await?.remove(0);
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["cut off", &dseq, "name \"web\""])?;
    workspace.apply().await?.expect_warning(&["taken over", &dseq])?;
    let plan = workspace.plan().await?;
    ensure!(!plan.output.says("cut off"), "{}", plan.output);
    ensure!(network.active().await? == [dseq]);
    Ok(())
}

/// No node can show the transaction: its effect is on chain, and that is enough.
async fn cut_off_where_no_node_indexes(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.env("AKASH_TRANSACTION_TIMEOUT", Some("3s"));
    workspace.write("main.tf", &config::web("", ""));
    workspace.kill("after-broadcast:create", &[]).await?;
    network.local()?.wait_blocks(2).await;
    let dseq = network.active().await?;
    network.local()?.times(Fault::IndexingDisabled, 12);
    workspace.apply().await?.expect_warning(&["taken over", &dseq[0]])?;
    ensure!(network.active().await? == dseq, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// A node that has not seen the deployment's block yet must not make the journal forget it.
async fn cut_off_is_not_forgotten_by_a_node_that_is_behind(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(""));
    workspace.kill("before-return:create", &[]).await?;
    let dseq = network.active().await?;
    network.local()?.set(Fault::StaleHeight { blocks: 8 });
    workspace.try_plan(&[]).await?;
    network.local()?.clear();
    workspace.apply().await?.expect_warning(&["taken over", &dseq[0]])?;
    ensure!(network.active().await? == dseq, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// Two machines, which share a wallet and no journal, apply the same named configuration at once.
async fn two_machines_one_name(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let (one, other) = (workspace(&case, &network).await?, workspace(&case, &network).await?);
    for workspace in [&one, &other] {
        workspace.write("main.tf", &config::deployment("  name = \"shared\"\n"));
    }
    let (first, second) = tokio::join!(one.try_apply(&[]), other.try_apply(&[]));
    let (first, second) = (first?, second?);
    let (winner, loser) = if first.code == Some(0) { (&first, &second) } else { (&second, &first) };
    ensure!(winner.code == Some(0), "nobody created it: {first} {second}");
    let dseq = network.active().await?;
    ensure!(dseq.len() == 1, "{dseq:?}");
    loser.expect_error(&["shared", "active already", "import {", &dseq[0]])?;
    // Nor does the other machine take it later: its journal does not have it.
    let late = if first.code == Some(0) { &other } else { &one };
    late.try_apply(&[]).await?.expect_error(&["active already", "created in block"])?;
    ensure!(network.active().await? == dseq);
    Ok(())
}

/// Another program that uses the wallet at the same time disturbs nothing, and nobody takes the other's deployments.
async fn two_machines_one_wallet(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let (one, other) = (workspace(&case, &network).await?, workspace(&case, &network).await?);
    // One journal for both, as on one machine.
    let journal = one.path().join("../journal");
    for workspace in [&one, &other] {
        workspace.env("AKASH_JOURNAL_DIR", Some(&journal.to_string_lossy()));
        workspace.write("main.tf", &counted(5));
    }
    let (first, second) = tokio::join!(one.apply(), other.apply());
    first?.expect_no_warning()?;
    second?.expect_no_warning()?;
    ensure!(network.active().await?.len() == 10, "{:?}", network.active().await?);
    one.expect_no_changes().await?;
    other.expect_no_changes().await
}

async fn adopt_takes_equal_groups(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let (one, other) = (workspace(&case, &network).await?, workspace(&case, &network).await?);
    one.write("main.tf", &config::deployment("  name = \"moving\"\n"));
    one.apply().await?;
    other.write("main.tf", &config::deployment("  name = \"moving\"\n  adopt = true\n"));
    other.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    other.apply().await?.expect_warning(&["taken over", "`adopt` is set", "new hash"])?;
    let dseq = other.state().await?.text(DEPLOYMENT, "/dseq")?;
    ensure!(network.active().await? == [dseq]);
    other.expect_no_changes().await
}

async fn adopt_refuses_other_groups(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let (one, other) = (workspace(&case, &network).await?, workspace(&case, &network).await?);
    one.write("main.tf", &config::deployment("  name = \"moving\"\n"));
    one.apply().await?;
    other.write("main.tf", &config::deployment("  name = \"moving\"\n  adopt = true\n"));
    other.write("web.yaml", &Sdl { memory: "512Mi", ..Sdl::default() }.text());
    other.try_apply(&[]).await?.expect_error(&["other groups", "memory", "import {"])?;
    ensure!(network.active().await?.len() == 1);
    Ok(())
}

/// A named deployment can't be created before it is destroyed: told in create, before anything is sent.
async fn named_with_create_before_destroy(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(&format!("  name = \"web\"\n{CREATE_FIRST}")));
    workspace.apply().await?;
    let dseq = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    let before = network.fee_balance().await?;
    let output = workspace.try_apply(&["-replace=akash_deployment.web"]).await?;
    output.expect_error(&["create_before_destroy", "leave `name` unset"])?;
    ensure!(network.active().await? == [dseq] && network.fee_balance().await? == before);
    workspace.expect_no_changes().await
}

/// One more at the head of a list moves each name to the next resource, which is created beside the destroy of the one
/// that had it.
async fn names_move_along_a_list(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    let list = |names: &str| {
        format!(
            r#"{}
locals {{
  names = [{names}]
}}

resource "akash_deployment" "web" {{
  count = length(local.names)
  name  = local.names[count.index]
  sdl   = file("web.yaml")
}}

resource "akash_lease" "web" {{
  count      = length(local.names)
  deployment = akash_deployment.web[count.index].id
  manifest   = akash_deployment.web[count.index].manifest
}}
"#,
            config::HEAD
        )
    };
    workspace.write("main.tf", &list(r#""a", "b", "c""#));
    workspace.apply().await?;
    workspace.write("main.tf", &list(r#""new", "a", "b", "c""#));
    workspace.apply().await?;
    ensure!(network.active().await?.len() == 4, "{:?}", network.active().await?);
    workspace.expect_no_changes().await
}

/// The lease that is replaced is in a state, whatever the journal knows: it is not taken over.
async fn lease_replaced_create_first(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::web("", CREATE_FIRST));
    workspace.kill("after-return:lease", &[]).await?;
    ensure!(workspace.state().await?.addresses().len() == 2);
    let output = workspace.try_apply(&["-replace=akash_lease.web"]).await?;
    output.expect_error(&["has a lease already"])?;
    // Destroyed first, it is taken anew.
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply_with(&["-replace=akash_lease.web"]).await?;
    ensure!(workspace.state().await?.get(LEASE, "/oseq")? == 2);
    workspace.expect_no_changes().await
}

async fn journal_that_cannot_be_written(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("main.tf", &config::deployment(""));
    workspace.write("file", "");
    let below = workspace.path().join("file/journal");
    workspace.env("AKASH_JOURNAL_DIR", Some(&below.to_string_lossy()));
    let before = network.fee_balance().await?;
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["journal", "file/journal", "AKASH_JOURNAL_DIR", "nothing was sent"])?;
    ensure!(network.active().await?.is_empty() && network.fee_balance().await? == before);
    Ok(())
}

async fn journal_turned_off(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    let off = config::deployment("")
        .replace("provider \"akash\" {}", "provider \"akash\" {\n  journal_directory = \"\"\n}");
    workspace.write("main.tf", &off);
    workspace.apply().await?.expect_warning(&["journal is off"])?;
    ensure!(!workspace.path().join("../home/.local").exists(), "a journal was written");
    workspace.expect_no_changes().await
}

/// What the service's environment holds is not in the journal, nor is the wallet.
async fn journal_holds_no_secret(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = workspace(&case, &network).await?;
    workspace.write("web.yaml", &Sdl { env: &["TOKEN=do-not-write-me-down"], ..Sdl::default() }.text());
    workspace.write("main.tf", &config::web("", ""));
    let journal = workspace.path().join("../journal");
    workspace.env("AKASH_JOURNAL_DIR", Some(&journal.to_string_lossy()));
    workspace.apply().await?;
    let mut written = String::new();
    for entry in std::fs::read_dir(&journal)? {
        written.push_str(&std::fs::read_to_string(entry?.path())?);
    }
    ensure!(written.contains("MsgCreateDeployment") && written.contains("MsgCreateLease"), "{written}");
    ensure!(written.contains("\"returned\""), "{written}");
    for secret in ["do-not-write-me-down", &network.mnemonic] {
        ensure!(!written.contains(secret), "{secret} is in the journal");
    }
    Ok(())
}
