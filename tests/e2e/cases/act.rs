//! `akash_act`: minting when the wallet runs low, waiting for the chain's queue, and what stands in the way. Each case
//! has a devnet of its own: the price of AKT and the epochs are the same for everyone on a chain.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::workdir::Install;

use crate::{
    cases,
    config::HEAD,
    network::{self, Fault, Local, Network},
    suite::Case,
    workspace::{Running, Workspace},
};

cases![
    minted_when_low,
    nothing_sent_when_enough,
    deposits_show_as_a_mint_in_the_next_plan,
    floor_and_too_little_akt,
    oracle_stale,
    circuit_breaker,
    cancelled_with_its_reason,
    group_while_waiting_for_the_epoch,
    client_while_waiting_for_the_epoch,
    client_while_sending,
    ended_while_nobody_looked,
    out_of_time,
    a_mint_of_others_counts,
    two_of_one_wallet,
    killed_before_it_was_sent,
    killed_while_it_was_on_its_way,
    killed_while_it_was_in_the_queue,
    killed_while_burning,
    import,
    burnt_on_destroy,
    burn_waits_out_a_stop,
    another_wallet,
    arguments,
];

const ACT: &str = "akash_act.wallet";
/// uakt: 1000 AKT.
const AKT: u128 = 1_000_000_000;

fn configuration(arguments: &str) -> String {
    format!("{HEAD}\nresource \"akash_act\" \"wallet\" {{\n{arguments}\n}}\n")
}

/// A devnet whose wallet holds 1000 AKT and this much uact, and a workspace with an `akash_act`.
async fn set_up(
    case: &Case,
    uact: u128,
    arguments: &str,
) -> Result<(Network, Local, std::sync::Arc<Workspace>)> {
    let network = case.devnet_with(network::funded(AKT, uact)).await?;
    let local = network.local()?.clone();
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("main.tf", &configuration(arguments));
    Ok((network, local, workspace))
}

const TWENTY: &str = "  minimum = \"20000000uact\"\n  target  = \"50000000uact\"";

async fn minted_when_low(case: Case) -> Result<()> {
    let (network, _, workspace) =
        set_up(&case, 5_000_000, &format!("{TWENTY}\n  reason = \"why not\"")).await?;
    let plan = workspace.plan().await?;
    plan.expect(ACT, "create")?;
    plan.output.expect_warning(&["are minted from", "holds 5 ACT", "45 ACT are missing", "1.25 USD"])?;
    workspace.apply_with(&["plan.bin"]).await?;

    let (held, ledger) = (network.act_balance().await?, network.ledger().await?);
    ensure!((50_000_000..52_000_000).contains(&held), "{held}");
    ensure!(ledger.len() == 1, "{ledger:?}");
    let state = workspace.state().await?;
    ensure!(state.text(ACT, "/balance")? == held.to_string());
    ensure!(state.text(ACT, "/id")? == network.owner() && state.text(ACT, "/owner")? == network.owner());
    let receipts = state.receipts(ACT)?;
    let receipt = receipts.first().cloned().unwrap_or_default();
    ensure!(receipts.len() == 1 && receipt["action"] == "act.mint", "{receipts:?}");
    ensure!(receipt["reason"] == "why not" && receipt["response"]["status"] == "executed", "{receipt}");
    ensure!(receipt["target"] == json!({ "owner": network.owner() }), "{receipt}");
    ensure!(receipt["request"]["wanted"] == json!({ "amount": "45000000", "denom": "uact" }), "{receipt}");
    let received = json!({ "amount": (held - 5_000_000).to_string(), "denom": "uact" });
    ensure!(receipt["response"]["received"] == received, "{receipt}");
    ensure!(receipt["response"]["akt_price"] == "1.25", "{receipt}");
    workspace.expect_no_changes().await?;

    // Without `burn_on_destroy` the balance stays.
    let fees = network.fee_balance().await?;
    workspace.destroy().await?.expect_no_warning()?;
    ensure!(network.act_balance().await? == held && network.fee_balance().await? == fees);
    Ok(())
}

async fn nothing_sent_when_enough(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 20_000_000, TWENTY).await?;
    workspace.apply().await?.expect_no_warning()?;
    let state = workspace.state().await?;
    ensure!(state.get(ACT, "/receipts")? == json!([]) && state.get(ACT, "/balance")? == json!("20000000"));
    workspace.expect_no_changes().await?;
    // Arguments alone send nothing either.
    workspace.write(
        "main.tf",
        &configuration(&format!("{TWENTY}\n  reason = \"new\"\n  burn_on_destroy = false")),
    );
    let plan = workspace.plan().await?;
    plan.expect(ACT, "update")?;
    plan.expect_unknown(ACT, &[])?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(network.ledger().await?.is_empty() && network.fee_balance().await? == AKT, "something was sent");
    workspace.expect_no_changes().await
}

/// What deployments of a run put into escrow is a mint in the next plan, at most, and no change where enough is left.
async fn deposits_show_as_a_mint_in_the_next_plan(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 21_000_000, TWENTY).await?;
    workspace.write("web.yaml", &crate::config::Sdl::default().text());
    let with_deposit = |uact: u32| {
        format!(
            "{}\nresource \"akash_deployment\" \"web\" {{\n  sdl = file(\"web.yaml\")\n  deposit = \"{uact}uact\"\n  \
             depends_on = [{ACT}]\n}}\n\noutput \"act\" {{ value = {ACT}.balance }}\n",
            configuration(TWENTY)
        )
    };
    workspace.write("main.tf", &with_deposit(1_000_000));
    workspace.apply().await?;
    ensure!(network.act_balance().await? == 20_000_000);
    // The output neither: the balance in state does not follow each deposit.
    workspace.expect_no_changes().await?;

    workspace.write("main.tf", &with_deposit(1_500_000));
    workspace.apply().await?;
    let plan = workspace.plan().await?;
    plan.expect(ACT, "update")?;
    plan.expect("akash_deployment.web", "no-op")?;
    plan.expect_unknown(ACT, &["balance", "receipts"])?;
    plan.output.expect_warning(&["are minted from", "holds 19.5 ACT", "30.5 ACT are missing"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(network.act_balance().await? >= 50_000_000 && network.ledger().await?.len() == 1);
    workspace.expect_no_changes().await
}

async fn floor_and_too_little_akt(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 19_000_000, "  minimum = \"20000000uact\"").await?;
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["no less than 10 ACT", "above `target`"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    let held = network.act_balance().await?;
    ensure!((29_000_000..29_300_000).contains(&held), "{held}");

    // More than the AKT there is: told in the plan, refused in apply, and the next plan still wants it.
    workspace.write("main.tf", &configuration("  minimum = \"2000000000uact\""));
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["holds only", "send it at least"])?;
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["not enough akt", "are missing", "nothing was sent"])?;
    ensure!(network.ledger().await?.len() == 1 && network.act_balance().await? == held);
    ensure!(workspace.state().await?.text(ACT, "/minimum")? == "20000000uact");
    workspace.plan().await?.expect(ACT, "update")
}

async fn oracle_stale(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.price(None);
    let plan = workspace.plan().await?;
    plan.output.expect_warning(&["not possible now", "oracle", "price stalled"])?;
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["no price of akt", "oracle", "nothing was sent", "again later"])?;
    ensure!(workspace.state().await?.addresses().is_empty() && network.fee_balance().await? == AKT);
    // Reads and destroys go on without a price.
    local.price(Some("1.25"));
    workspace.apply().await?;
    local.price(None);
    workspace.expect_no_changes().await?;
    workspace.destroy().await?;
    Ok(())
}

async fn circuit_breaker(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    // The vault's AKT is worth a third of the ACT there is.
    local.price(Some("0.01"));
    workspace.plan().await?.output.expect_warning(&[
        "not possible now",
        "circuit breaker is on",
        "0.3333 usd",
        "below 0.9",
    ])?;
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["circuit breaker stops minting", "below 0.9", "nothing was sent"])?;
    ensure!(network.fee_balance().await? == AKT && network.ledger().await?.is_empty());
    Ok(())
}

async fn cancelled_with_its_reason(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 19_000_000, "  minimum = \"20000000uact\"").await?;
    local.epoch(10_000);
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    network.until_queued(1).await?;
    // Ten percent less than when it was sent: under the floor.
    local.price(Some("1.125"));
    local.epoch(1);
    let output = apply.end().await?;
    output.expect_error(&["cancelled by the chain", "minimum_mint", "came back", "apply again", "8.18"])?;
    ensure!(workspace.state().await?.addresses().is_empty());
    ensure!(AKT - network.fee_balance().await? < 100_000, "the AKT did not come back");

    // The next one reckons with the new price.
    workspace.apply().await?;
    ensure!(network.ledger().await?.len() == 2 && network.act_balance().await? >= 29_000_000);
    workspace.expect_no_changes().await?;

    // In an update the receipt says so too, and the arguments stay what they were.
    local.epoch(10_000);
    workspace.write("main.tf", &configuration("  minimum = \"30000000uact\"\n  reason  = \"more\""));
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    network.until_queued(3).await?;
    local.price(Some("1"));
    local.epoch(1);
    apply.end().await?.expect_error(&["cancelled by the chain", "minimum_mint"])?;
    let state = workspace.state().await?;
    ensure!(state.text(ACT, "/minimum")? == "20000000uact" && state.text(ACT, "/reason")? == "more");
    let receipts = state.receipts(ACT)?;
    let last = receipts.last().cloned().unwrap_or_default();
    ensure!(receipts.len() == 2 && last["response"]["status"] == "canceled", "{receipts:?}");
    ensure!(last["response"]["cancel_reason"] == "minimum_mint", "{last}");
    ensure!(last["response"]["refund"]["denom"] == "uakt", "{last}");
    workspace.apply().await?;
    workspace.expect_no_changes().await
}

type Interrupt = fn(&Running) -> Result<()>;

async fn group_while_waiting_for_the_epoch(case: Case) -> Result<()> {
    waiting_for_the_epoch(case, Running::interrupt_group).await
}

async fn client_while_waiting_for_the_epoch(case: Case) -> Result<()> {
    waiting_for_the_epoch(case, Running::interrupt_client).await
}

/// Stopped while the mint is in the queue: recorded, and the next apply waits for the same one.
async fn waiting_for_the_epoch(case: Case, interrupt: Interrupt) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.epoch(10_000);
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    network.until_queued(1).await?;
    local.wait_blocks(2).await;
    interrupt(&apply)?;
    let output = apply.end().await?;
    ensure!(!output.says("plugin did not respond"), "{output}");
    output.expect_warning(&["in the chain's queue", "same mint"])?;
    let state = workspace.state().await?;
    ensure!(state.addresses() == [ACT] && !state.is_tainted(ACT)?, "{output}");
    ensure!(state.get(ACT, "/receipts")? == json!([]), "a receipt of what has not come about");

    let plan = workspace.plan().await?;
    plan.expect(ACT, "update")?;
    plan.output.expect_warning(&["a mint is on its way"])?;
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.epoch(1);
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "a second mint was sent");
    let state = workspace.state().await?;
    ensure!(state.text(ACT, "/balance")? == network.act_balance().await?.to_string());
    ensure!(state.receipts(ACT)?.len() == 1);
    workspace.expect_no_changes().await
}

/// Stopped while the transaction is on its way: it is looked up, and none is sent while it may still happen.
async fn client_while_sending(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.set(Fault::HoldTransactions);
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.until_broadcast().await?;
    apply.interrupt_client()?;
    let output = apply.end().await?;
    output.expect_warning(&["the mint is pending", "same mint"])?;
    ensure!(!workspace.state().await?.is_tainted(ACT)?, "{output}");
    let plan = workspace.plan().await?;
    plan.expect(ACT, "update")?;
    plan.output.expect_warning(&["still pending"])?;
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(4).await;
    local.clear();
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "a second mint was sent");
    ensure!(network.act_balance().await? >= 50_000_000);
    workspace.expect_no_changes().await
}

/// What was carried out after the stop is found by the next refresh: nothing is left to do.
async fn ended_while_nobody_looked(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.epoch(10_000);
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    network.until_queued(1).await?;
    local.wait_blocks(2).await;
    apply.interrupt_client()?;
    apply.end().await?.expect_warning(&["in the chain's queue"])?;
    local.epoch(1);
    local.wait_blocks(3).await;
    workspace.expect_no_changes().await?;
    workspace.apply().await?.expect_no_warning()?;
    let state = workspace.state().await?;
    ensure!(state.text(ACT, "/balance")? == network.act_balance().await?.to_string());
    let receipts = state.receipts(ACT)?;
    ensure!(receipts.len() == 1 && receipts.iter().all(|r| r["response"]["status"] == "executed"));
    ensure!(network.ledger().await?.len() == 1);
    Ok(())
}

/// Out of time there is no state, but the chain's queue is looked at before anything is sent.
async fn out_of_time(case: Case) -> Result<()> {
    let (network, local, workspace) =
        set_up(&case, 0, &format!("{TWENTY}\n  timeouts = {{ create = \"12s\" }}")).await?;
    local.epoch(10_000);
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["out of time", "waits for the next epoch", "sends no other"])?;
    ensure!(workspace.state().await?.addresses().is_empty());
    workspace.write("main.tf", &configuration(TWENTY));
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.epoch(1);
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "a second mint was sent");
    workspace.expect_no_changes().await
}

/// What somebody else has minted for this wallet is on its way too.
async fn a_mint_of_others_counts(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.epoch(10_000);
    network.mint(20_000_000).await?;
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.epoch(1);
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "minted beside one that was enough");
    ensure!(workspace.state().await?.text(ACT, "/balance")? == "24937500");
    workspace.expect_no_changes().await
}

/// Two resources of one wallet take turns: the second finds what the first has minted.
async fn two_of_one_wallet(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 0, TWENTY).await?;
    let second = format!("{}\nresource \"akash_act\" \"again\" {{\n{TWENTY}\n}}\n", configuration(TWENTY));
    workspace.write("main.tf", &second);
    workspace.apply().await?;
    ensure!(network.ledger().await?.len() == 1, "both minted");
    workspace.expect_no_changes().await
}

/// Applies (or destroys) until the plugin is killed at this point, which the client must notice.
async fn kill(workspace: &Workspace, point: &str, args: &[&str]) -> Result<()> {
    let output = workspace.kill(point, args).await?;
    ensure!(output.code != Some(0), "the kill went unnoticed: {output}");
    Ok(())
}

/// In the journal and never sent: the next apply waits until it can't happen any more, and mints.
async fn killed_before_it_was_sent(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 0, TWENTY).await?;
    workspace.env("AKASH_TRANSACTION_TIMEOUT", Some("4s"));
    kill(&workspace, "after-journal:mint", &[]).await?;
    workspace.apply().await?;
    ensure!(network.ledger().await?.len() == 1 && network.act_balance().await? < 52_000_000);
    workspace.expect_no_changes().await
}

/// Sent and in no block yet, so that neither ledger nor balance shows it: the journal does.
async fn killed_while_it_was_on_its_way(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.set(Fault::HoldTransactions);
    kill(&workspace, "after-broadcast:mint", &[]).await?;
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    ensure!(network.ledger().await?.is_empty());
    local.clear();
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "a second mint was sent");
    ensure!(network.act_balance().await? >= 50_000_000);
    workspace.expect_no_changes().await
}

/// In the queue, and no state knows of it: the ledger does.
async fn killed_while_it_was_in_the_queue(case: Case) -> Result<()> {
    let (network, local, workspace) = set_up(&case, 0, TWENTY).await?;
    local.epoch(10_000);
    kill(&workspace, "after-inclusion:mint", &[]).await?;
    let apply = workspace.start(&["apply", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.epoch(1);
    apply.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1, "a second mint was sent");
    workspace.expect_no_changes().await
}

async fn killed_while_burning(case: Case) -> Result<()> {
    let arguments = format!("{TWENTY}\n  burn_on_destroy = true");
    let (network, local, workspace) = set_up(&case, 25_000_000, &arguments).await?;
    workspace.apply().await?;
    local.set(Fault::HoldTransactions);
    kill(&workspace, "after-broadcast:burn", &["-destroy"]).await?;
    let destroy = workspace.start(&["apply", "-destroy", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.clear();
    destroy.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1 && network.act_balance().await? == 0);
    Ok(())
}

async fn import(case: Case) -> Result<()> {
    let (network, _, workspace) = set_up(&case, 25_000_000, TWENTY).await?;
    let bad = workspace.run(&["import", "-no-color", ACT, "nonsense"]).await?;
    ensure!(bad.code != Some(0) && bad.stderr.contains("wallet's address"), "{bad}");
    workspace.run(&["import", "-no-color", ACT, network.owner()]).await?.succeeded()?;
    let plan = workspace.plan().await?;
    plan.expect(ACT, "update")?;
    plan.expect_unknown(ACT, &[])?;
    plan.output.expect_warning(&["sends nothing"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(network.ledger().await?.is_empty() && network.fee_balance().await? == AKT);
    ensure!(workspace.state().await?.text(ACT, "/balance")? == "25000000");
    workspace.expect_no_changes().await
}

async fn burnt_on_destroy(case: Case) -> Result<()> {
    let arguments = format!("{TWENTY}\n  burn_on_destroy = true");
    let (network, local, workspace) = set_up(&case, 25_000_000, &arguments).await?;
    workspace.apply().await?;
    // Without a price neither way is open, and the way out is named.
    local.price(None);
    let output = workspace.run(&["apply", "-destroy", "-json", "-auto-approve"]).await?;
    output.expect_error(&["no price of akt", "nothing was burnt", "burn_on_destroy = false"])?;
    local.price(Some("1.25"));
    let plan = workspace.plan_with(&["-destroy"]).await?;
    plan.output.expect_warning(&["converted back to akt", "25 act"])?;
    let output = workspace.destroy().await?;
    output.expect_warning(&["25 act are burnt", "20 akt came back"])?;
    ensure!(network.act_balance().await? == 0);
    let akt = network.fee_balance().await?;
    ensure!((AKT + 19_900_000..AKT + 20_000_000).contains(&akt), "{akt}");

    // Nothing to burn is no trouble.
    workspace.write("main.tf", &configuration("  minimum = \"1uact\"\n  burn_on_destroy = true"));
    workspace.apply().await?;
    workspace.destroy().await?;
    ensure!(network.act_balance().await? == 0 && network.ledger().await?.len() == 3);
    Ok(())
}

/// A destroy that is stopped after the burn was sent: the next one waits for the same burn.
async fn burn_waits_out_a_stop(case: Case) -> Result<()> {
    let arguments = format!("{TWENTY}\n  burn_on_destroy = true");
    let (network, local, workspace) = set_up(&case, 25_000_000, &arguments).await?;
    workspace.apply().await?;
    local.epoch(10_000);
    let destroy = workspace.start(&["apply", "-destroy", "-json", "-auto-approve"])?;
    network.until_queued(1).await?;
    local.wait_blocks(2).await;
    destroy.interrupt_client()?;
    destroy.end().await?.expect_error(&["stopped while waiting for the burn", "destroy again"])?;
    let destroy = workspace.start(&["apply", "-destroy", "-json", "-auto-approve"])?;
    local.wait_blocks(8).await;
    local.epoch(1);
    destroy.end().await?.succeeded()?;
    ensure!(network.ledger().await?.len() == 1 && network.act_balance().await? == 0);
    Ok(())
}

async fn another_wallet(case: Case) -> Result<()> {
    let (_, _, workspace) = set_up(&case, 25_000_000, TWENTY).await?;
    workspace.apply().await?;
    workspace.env("AKASH_ACCOUNT_INDEX", Some("1"));
    workspace.expect_no_changes().await?;
    workspace.write("main.tf", &configuration("  minimum = \"30000000uact\""));
    workspace.try_plan(&[]).await?.expect_error(&["belongs to another wallet"])?;
    workspace.env("AKASH_ACCOUNT_INDEX", None);
    Ok(())
}

async fn arguments(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    for (arguments, words) in [
        ("  minimum = \"20000000uakt\"", ["uact", "minimum"]),
        ("  minimum = \"20\"", ["not a coin", "minimum"]),
        ("  minimum = \"0uact\"", ["more than 0uact", "minimum"]),
        ("  minimum = \"2uact\"\n  target = \"1uact\"", ["below `minimum`", "every plan would mint again"]),
    ] {
        workspace.write("main.tf", &configuration(arguments));
        let output = workspace.validate().await?;
        output.expect_error(&words)?;
    }
    let schema: Value =
        serde_json::from_str(&workspace.run(&["providers", "schema", "-json"]).await?.succeeded()?.stdout)?;
    let found = schema.pointer("/provider_schemas").and_then(Value::as_object).into_iter().flatten();
    let found = found.filter(|(_, provider)| provider.pointer("/resource_schemas/akash_act").is_some());
    ensure!(found.count() == 1, "the schema has no akash_act");
    Ok(())
}
