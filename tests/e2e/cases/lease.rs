//! `akash_lease` and `akash_bids`: choosing, several groups, replacing, and a provider that refuses.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    network::Fault,
    suite::Case,
};
use xtask::workdir::Install;

cases![
    bids_are_listed,
    several_groups,
    replaced_alone,
    tainted,
    select_alone_sends_nothing,
    denied_providers_are_passed_over,
    chosen_provider,
    moved_to_another_provider,
    unfinished_move_goes_on,
    refused_manifest_goes_to_the_next,
    refused_lease_goes_to_the_next,
    late_manifest_is_retried,
    no_bids_in_time,
    never_ready_is_tainted,
    sparse_status_is_ready,
];

const BIDS: &str = r#"
data "akash_bids" "web" {
  deployment = akash_deployment.web.id
  wait       = "5m"
}
"#;

async fn bids_are_listed(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &(config::deployment("") + BIDS));
    workspace.apply().await?;
    let bids = |state: &crate::workspace::State| -> Result<Vec<Value>> {
        Ok(state.get("data.akash_bids.web", "/bids")?.as_array().cloned().unwrap_or_default())
    };
    let open = bids(&workspace.state().await?)?;
    if open.is_empty() && !workspace.network().is_local() {
        return Err(crate::suite::Skip("no bids for the deployment".to_owned()).into());
    }
    ensure!(!open.is_empty(), "no bids on the devnet");
    for bid in &open {
        ensure!(bid["provider"].as_str().is_some_and(|a| a.starts_with("akash1")), "{bid}");
        ensure!(bid["price"].is_string() && bid["monthly_price"].is_string(), "{bid}");
    }

    // Once there is a lease the winner alone is in `bids`, so the answer stands still.
    workspace.write("main.tf", &(config::web("", "") + BIDS));
    workspace.apply().await?;
    workspace.apply().await?;
    let state = workspace.state().await?;
    let won = bids(&state)?;
    ensure!(won.len() == 1, "{won:?}");
    ensure!(won[0]["provider"] == state.get(LEASE, "/provider_address")?, "{won:?}");
    workspace.expect_no_changes().await
}

async fn several_groups(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl { placements: &["east", "west"], ..Sdl::default() }.text());
    let lease = |name: &str, argument: &str| {
        format!(
            "\nresource \"akash_lease\" \"{name}\" {{\n  deployment = akash_deployment.web.id\n  \
             manifest = akash_deployment.web.manifest\n{argument}\n}}\n"
        )
    };
    workspace.write("main.tf", &(config::deployment("") + &lease("web", "")));
    // Without a group it is not said which; the names are.
    workspace.try_apply(&[]).await?.expect_error(&["group", "east", "west"])?;
    let both = lease("east", "  group = \"east\"") + &lease("west", "  group = \"west\"");
    workspace.write("main.tf", &(config::deployment("") + &both));
    workspace.apply().await?;
    let state = workspace.state().await?;
    let id = state.text(DEPLOYMENT, "/id")?;
    ensure!(state.get("akash_lease.east", "/id")? == json!(format!("{id}/1")));
    ensure!(state.get("akash_lease.west", "/id")? == json!(format!("{id}/2")));
    ensure!(state.get("akash_lease.east", "/services/web-east")?.is_object());
    ensure!(state.get("akash_lease.east", "/services/web-west")?.is_null());
    workspace.expect_no_changes().await?;
    // A lease that goes pauses its group and leaves the other alone.
    workspace.write("main.tf", &(config::deployment("") + &lease("west", "  group = \"west\"")));
    workspace.apply().await?;
    workspace.expect_no_changes().await?;
    // And one that comes back starts it.
    workspace.write("main.tf", &(config::deployment("") + &both));
    workspace.apply().await?;
    ensure!(workspace.state().await?.get("akash_lease.east", "/oseq")? == json!(2));
    workspace.expect_no_changes().await
}

async fn replaced_alone(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let before = workspace.state().await?;
    workspace.apply_with(&["-replace=akash_lease.web"]).await?;
    let after = workspace.state().await?;
    ensure!(after.get(DEPLOYMENT, "/id")? == before.get(DEPLOYMENT, "/id")?);
    ensure!(after.get(LEASE, "/oseq")? == json!(2), "no new order: oseq {}", after.get(LEASE, "/oseq")?);
    workspace.expect_no_changes().await
}

async fn tainted(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    workspace.run(&["taint", LEASE]).await?.succeeded()?;
    let plan = workspace.plan().await?;
    plan.expect(LEASE, "delete create")?;
    plan.expect(DEPLOYMENT, "no-op")?;
    workspace.apply_with(&["plan.bin"]).await?;
    workspace.expect_no_changes().await
}

async fn select_alone_sends_nothing(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let balance = network.fee_balance().await?;
    workspace.write(
        "main.tf",
        &config::web("  reason = \"audit\"", "  select = { max_price = 5000, settle = \"1s\" }"),
    );
    let plan = workspace.plan().await?;
    plan.expect(LEASE, "update")?;
    plan.expect_unknown(LEASE, &[])?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(network.fee_balance().await? == balance, "a fee was paid: something was sent");
    workspace.expect_no_changes().await
}

/// Providers of the devnet, cheapest first, as the first bids show them.
async fn bidders(workspace: &crate::workspace::Workspace) -> Result<Vec<String>> {
    workspace.write("main.tf", &(config::deployment("") + BIDS));
    workspace.apply().await?;
    let bids = workspace.state().await?.get("data.akash_bids.web", "/bids")?;
    let bids = bids.as_array().cloned().unwrap_or_default();
    Ok(bids.iter().filter_map(|bid| bid["provider"].as_str().map(str::to_owned)).collect())
}

async fn denied_providers_are_passed_over(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    ensure!(bidders.len() == 3, "{bidders:?}");
    let list = |addresses: &[String]| format!("{addresses:?}");
    let select = |deny: &[String]| {
        config::web("", &format!("  select = {{ deny = {}, timeout = \"8s\" }}", list(deny)))
    };
    workspace.write("main.tf", &select(&bidders));
    let output = workspace.try_apply(&[]).await?;
    for bidder in &bidders {
        output.expect_error(&[bidder, "deny"])?;
    }
    ensure!(
        workspace.state().await?.addresses() == [DEPLOYMENT],
        "{:?}",
        workspace.state().await?.addresses()
    );
    workspace.write("main.tf", &select(&bidders[..1]));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.text(LEASE, "/provider_address")? == bidders[1], "not the cheapest of the others");
    workspace.expect_no_changes().await
}

async fn chosen_provider(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    let last = bidders.last().cloned().unwrap_or_default();
    workspace.write("main.tf", &config::web("", &format!("  provider_address = \"{last}\"")));
    workspace.apply().await?;
    ensure!(workspace.state().await?.text(LEASE, "/provider_address")? == last);
    workspace.expect_no_changes().await
}

async fn moved_to_another_provider(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    workspace.write("main.tf", &config::web("", &format!("  provider_address = \"{}\"", bidders[0])));
    workspace.apply().await?;
    let before = workspace.state().await?;
    workspace.write("main.tf", &config::web("", &format!("  provider_address = \"{}\"", bidders[1])));
    let plan = workspace.plan().await?;
    plan.expect(LEASE, "update")?;
    plan.output.expect_warning(&["data", "lost"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    ensure!(after.get(LEASE, "/id")? == before.get(LEASE, "/id")?);
    ensure!(after.text(LEASE, "/provider_address")? == bidders[1]);
    ensure!(after.get(LEASE, "/oseq")? == json!(2));
    workspace.expect_no_changes().await
}

/// The old lease is gone and nobody has taken its place: the next apply goes on, to wherever it is to go then.
async fn unfinished_move_goes_on(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    let lease = |provider: &str| {
        config::web("", &format!("  provider_address = \"{provider}\"\n  select = {{ timeout = \"3s\" }}"))
    };
    workspace.write("main.tf", &lease(&bidders[0]));
    workspace.apply().await?;
    let before = workspace.state().await?;
    // The wallet is no provider, so it never bids.
    workspace.write("main.tf", &lease(&before.text(DEPLOYMENT, "/owner")?));
    workspace.try_apply(&[]).await?.expect_error(&["No acceptable bid"])?;
    ensure!(workspace.state().await?.text(LEASE, "/state")? == "closed");

    workspace.write("main.tf", &lease(&bidders[1]).replace("3s", "1m"));
    let plan = workspace.plan().await?;
    plan.expect(LEASE, "update")?;
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    ensure!(after.get(LEASE, "/id")? == before.get(LEASE, "/id")?);
    ensure!(after.text(LEASE, "/provider_address")? == bidders[1]);
    ensure!(after.text(LEASE, "/state")? == "active");
    workspace.expect_no_changes().await
}

async fn refused_manifest_goes_to_the_next(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    let cheapest = network.local()?.provider_name(&bidders[0])?;
    network.local()?.set(Fault::ManifestStatus { provider: Some(cheapest), status: 400 });
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(
        state.text(LEASE, "/provider_address")? == bidders[1],
        "{}",
        state.text(LEASE, "/provider_address")?
    );
    ensure!(state.get(LEASE, "/ready")? == json!(true));
    workspace.expect_no_changes().await
}

/// A lease message that the chain refuses because of the bid is followed by one for the next best; what was refused is
/// listed if nothing is left.
async fn refused_lease_goes_to_the_next(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let local = network.local()?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let bidders = bidders(&workspace).await?;
    for provider in &bidders {
        local.set(Fault::RefuseLease { provider: provider.clone() });
    }
    workspace.write("main.tf", &config::web("", "  select = { timeout = \"10s\" }"));
    let failed = workspace.try_apply(&[]).await?;
    for provider in &bidders {
        failed.expect_error(&[provider, "the chain refused its lease", "unknown provider"])?;
    }
    local.clear();
    local.set(Fault::RefuseLease { provider: bidders[0].clone() });
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.text(LEASE, "/provider_address")? == bidders[1]);
    ensure!(state.get(LEASE, "/ready")? == json!(true));
    workspace.expect_no_changes().await
}

async fn late_manifest_is_retried(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    for status in [404, 503] {
        network.local()?.times(Fault::ManifestStatus { provider: None, status }, 1);
    }
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.get(LEASE, "/oseq")? == json!(1), "the provider was given up");
    ensure!(state.get(LEASE, "/ready")? == json!(true));
    workspace.expect_no_changes().await
}

async fn no_bids_in_time(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    network.local()?.set(Fault::NoBids);
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", "  select = { timeout = \"5s\" }"));
    workspace.try_apply(&[]).await?.expect_error(&["bid", "5 s"])?;
    let state = workspace.state().await?;
    ensure!(state.addresses() == [DEPLOYMENT], "{:?}", state.addresses());
    let dseq = state.text(DEPLOYMENT, "/dseq")?;
    ensure!(network.is_active(&dseq).await?);
    // What is recorded can be gone on from, and destroyed.
    workspace.destroy().await?;
    ensure!(!network.is_active(&dseq).await?);
    Ok(())
}

async fn never_ready_is_tainted(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    network.local()?.set(Fault::NeverReady { provider: None });
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", "  timeouts = { create = \"20s\" }"));
    workspace.try_apply(&[]).await?.expect_error(&["ready", "untaint"])?;
    let state = workspace.state().await?;
    ensure!(state.is_tainted(LEASE)?, "the lease is not tainted");
    ensure!(state.get(LEASE, "/ready")? == json!(false));
    // Kept on purpose, it is planned as an update that waits for what is outstanding.
    workspace.run(&["untaint", LEASE]).await?.succeeded()?;
    network.local()?.clear();
    workspace.apply().await?;
    ensure!(workspace.state().await?.get(LEASE, "/ready")? == json!(true));
    workspace.expect_no_changes().await
}

/// One provider of the devnet answers as a real daemon was seen to: `available` and `total`, no URIs, no counters.
async fn sparse_status_is_ready(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let sparse = network.local()?.address_of("east")?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    let output = "\noutput \"uris\" { value = akash_lease.web.services[\"web\"].uris }\n";
    workspace.write("main.tf", &(config::web("", &format!("  provider_address = \"{sparse}\"")) + output));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.get(LEASE, "/ready")? == json!(true));
    ensure!(state.output("uris") == json!([]), "{}", state.output("uris"));
    workspace.expect_no_changes().await
}
