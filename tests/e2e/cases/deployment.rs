//! `akash_deployment`: from the first apply to the refund, and what each kind of change is planned as.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, DEPLOYMENT, LEASE, Sdl},
    suite::Case,
    workspace::Workspace,
};

cases![
    quickstart,
    comment_is_no_change,
    image_changes_in_place,
    hosts_change_in_place,
    cpu_change_replaces,
    reason_alone_sends_nothing,
    price_change_is_kept,
    price_change_replaces_where_wanted,
    unknown_sdl_is_planned_in_place,
    deposit_is_topped_up,
    name_is_unique_in_the_wallet,
    name_changes,
    replaced_on_demand,
    five_at_once,
    unchanged_ten,
];

/// Applies the quickstart's pair of resources.
async fn running(case: &Case, deployment: &str, lease: &str) -> Result<Arc<Workspace>> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web(deployment, lease));
    workspace.apply().await?;
    Ok(workspace)
}

async fn quickstart(case: Case) -> Result<()> {
    let network = case.network().await?;
    let workspace = case.workspace_on(&network, Install::Mirror)?;
    let name = case.unique("quickstart");
    workspace.write("web.yaml", &Sdl::default().text());
    let deployment = format!("  name = \"{name}\"\n  reason = \"first deployment\"");
    workspace.write(
        "main.tf",
        &config::web(&deployment, "  select = { max_monthly_price = 4000, prefer = \"price\" }"),
    );
    workspace.init().await?;

    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "create")?;
    plan.expect(LEASE, "create")?;
    for (leaf, unknown) in [("/id", true), ("/dseq", true), ("/hash", false), ("/manifest", false)] {
        ensure!(
            plan.is_unknown(DEPLOYMENT, leaf)? == unknown,
            "{leaf} unknown is not {unknown}: {}",
            plan.changes()
        );
    }
    ensure!(plan.after(DEPLOYMENT, "/groups/anywhere/gseq")? == json!(1), "{}", plan.changes());
    ensure!(plan.after(DEPLOYMENT, "/cost/per_block")? == json!("1000"), "{}", plan.changes());
    workspace.apply_with(&["plan.bin"]).await?.expect_no_warning()?;

    let state = workspace.state().await?;
    let owner = state.text(DEPLOYMENT, "/owner")?;
    let dseq = state.text(DEPLOYMENT, "/dseq")?;
    ensure!(dseq.parse::<u64>().is_ok(), "dseq is {dseq}");
    ensure!(state.text(DEPLOYMENT, "/id")? == format!("{owner}/{dseq}"));
    ensure!(state.text(DEPLOYMENT, "/chain_id")? == network.chain_id);
    ensure!(state.text(DEPLOYMENT, "/state")? == "active");
    ensure!(state.text(DEPLOYMENT, "/hash")?.len() == 64);
    ensure!(state.text(DEPLOYMENT, "/created_height")?.parse::<u64>().is_ok());
    ensure!(state.get(LEASE, "/id")? == json!(format!("{owner}/{dseq}/1")));
    ensure!(state.text(LEASE, "/state")? == "active");
    ensure!(state.get(LEASE, "/oseq")? == json!(1));
    ensure!(state.text(LEASE, "/provider_address")?.starts_with("akash1"));
    ensure!(state.text(LEASE, "/manifest_hash")?.len() == 64);
    ensure!(state.get(LEASE, "/ready")? == json!(true));
    ensure!(state.get(LEASE, "/services/web")?.is_object());
    ensure!(state.get(LEASE, "/group")? == json!("anywhere"));
    // A provider need not report addresses; where one does the output has it.
    ensure!(state.output("url") == state.get(LEASE, "/url")?);
    let actions = |address| -> Result<Vec<Value>> {
        Ok(state.receipts(address)?.iter().map(|receipt| receipt["action"].clone()).collect())
    };
    ensure!(actions(DEPLOYMENT)? == [json!("deployment.create")], "{:?}", actions(DEPLOYMENT)?);
    ensure!(actions(LEASE)?.contains(&json!("lease.create")), "{:?}", actions(LEASE)?);
    let receipt = state.receipts(DEPLOYMENT)?.remove(0);
    ensure!(
        receipt["target"]["dseq"] == json!(dseq) && receipt["reason"] == json!("first deployment"),
        "{receipt}"
    );

    workspace.expect_no_changes().await?;
    ensure!(network.is_active(&dseq).await?, "the deployment is not active on chain");
    let output = workspace.destroy().await?;
    ensure!(output.says("uact came back"), "destroying reports no refund: {output}");
    ensure!(workspace.state().await?.addresses().is_empty());
    ensure!(!network.is_active(&dseq).await?, "the deployment is still active on chain");
    Ok(())
}

async fn comment_is_no_change(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let commented = Sdl { comment: "what it is for", ..Sdl::default() }.text();
    workspace.write("web.yaml", &commented.replace("version: \"2.0\"", "version: '2.0' # quoted otherwise"));
    workspace.expect_no_changes().await
}

async fn image_changes_in_place(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?;
    workspace.write("web.yaml", &Sdl { image: "nginx:1.28-alpine", ..Sdl::default() }.text());
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect(LEASE, "update")?;
    plan.expect_unknown(DEPLOYMENT, &["receipts"])?;
    plan.expect_unknown(LEASE, &["manifest_hash", "ready", "receipts"])?;
    let hash = plan.after(DEPLOYMENT, "/hash")?;
    ensure!(hash != before.get(DEPLOYMENT, "/hash")?, "the planned hash is the prior one");
    workspace.apply_with(&["plan.bin"]).await?;

    let after = workspace.state().await?;
    ensure!(after.get(DEPLOYMENT, "/hash")? == hash);
    for (address, leaf) in
        [(DEPLOYMENT, "/id"), (LEASE, "/id"), (LEASE, "/oseq"), (LEASE, "/provider_address")]
    {
        ensure!(after.get(address, leaf)? == before.get(address, leaf)?, "{address}{leaf} changed");
    }
    ensure!(after.get(LEASE, "/manifest_hash")? != before.get(LEASE, "/manifest_hash")?);
    ensure!(
        after.receipts(DEPLOYMENT)?.len() == 2
            && after.receipts(LEASE)?.len() > before.receipts(LEASE)?.len()
    );
    workspace.expect_no_changes().await
}

async fn hosts_change_in_place(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let host: &'static [&'static str] = match case.client().kind {
        xtask::client::Kind::Terraform => &["terraform.e2e.example.com"],
        xtask::client::Kind::Tofu => &["tofu.e2e.example.com"],
    };
    workspace.write("web.yaml", &Sdl { accept: host, ..Sdl::default() }.text());
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect(LEASE, "update")?;
    for leaf in ["/url", "/services/web/uris", "/services/web/custom_hosts", "/ports/web", "/ready"] {
        ensure!(plan.is_unknown(LEASE, leaf)?, "{leaf} must be unknown: {}", plan.changes());
    }
    // A service without IPs has no key in `ips`; then the whole map is unknown.
    ensure!(plan.is_unknown(LEASE, "/ips")? || plan.is_unknown(LEASE, "/ips/web")?, "{}", plan.changes());
    ensure!(!plan.is_unknown(LEASE, "/price")? && !plan.is_unknown(LEASE, "/id")?);
    workspace.apply_with(&["plan.bin"]).await?;
    workspace.expect_no_changes().await
}

async fn cpu_change_replaces(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    workspace.write("web.yaml", &Sdl { cpu: "0.6", ..Sdl::default() }.text());
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "delete create")?;
    plan.expect(LEASE, "delete create")?;
    ensure!(!plan.replace_paths(DEPLOYMENT)?.is_empty(), "no replace path: {}", plan.changes());
    plan.output.expect_warning(&["profiles.compute.web.resources.cpu"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/dseq")? != before);
    ensure!(!workspace.network().is_active(&before).await?, "the replaced deployment is still active");
    workspace.expect_no_changes().await
}

async fn reason_alone_sends_nothing(case: Case) -> Result<()> {
    let network = case.network().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    let before = workspace.state().await?;
    workspace.write(
        "main.tf",
        &config::web("  reason = \"audit\"", "  reason = \"audit\"\n  timeouts = { update = \"9m\" }"),
    );
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect(LEASE, "update")?;
    plan.expect_unknown(DEPLOYMENT, &[])?;
    plan.expect_unknown(LEASE, &[])?;
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    for address in [DEPLOYMENT, LEASE] {
        ensure!(
            after.get(address, "/receipts")? == before.get(address, "/receipts")?,
            "{address} has a new receipt"
        );
        ensure!(after.get(address, "/reason")? == json!("audit"));
    }
    workspace.expect_no_changes().await
}

async fn price_change_is_kept(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?;
    workspace.write("web.yaml", &Sdl { price: 2000, ..Sdl::default() }.text());
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect_unknown(DEPLOYMENT, &[])?;
    plan.expect(LEASE, "no-op")?;
    plan.output.expect_warning(&["on_market_change"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    let after = workspace.state().await?;
    for leaf in ["/groups", "/cost", "/receipts", "/id"] {
        ensure!(after.get(DEPLOYMENT, leaf)? == before.get(DEPLOYMENT, leaf)?, "{leaf} changed");
    }
    ensure!(
        after.get(DEPLOYMENT, "/sdl")? != before.get(DEPLOYMENT, "/sdl")?,
        "the new text is not recorded"
    );
    workspace.expect_no_changes().await
}

async fn price_change_replaces_where_wanted(case: Case) -> Result<()> {
    let workspace = running(&case, "  on_market_change = \"replace\"", "").await?;
    workspace.write("web.yaml", &Sdl { price: 2000, ..Sdl::default() }.text());
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "delete create")?;
    plan.output.expect_warning(&["profiles.placement.anywhere.pricing"])?;
    Ok(())
}

async fn unknown_sdl_is_planned_in_place(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    let text = |image: &str| {
        let deployment = config::HEAD.to_owned()
            + r#"
variable "image" { type = string }

resource "terraform_data" "sdl" { input = replace(file("web.yaml"), "nginx:1.27-alpine", var.image) }

resource "akash_deployment" "web" { sdl = terraform_data.sdl.output }

resource "akash_lease" "web" {
  deployment = akash_deployment.web.id
  manifest   = akash_deployment.web.manifest
}
"#;
        (deployment, format!("image = \"{image}\"\n"))
    };
    workspace.write("web.yaml", &Sdl::default().text());
    let (configuration, variables) = text("nginx:1.27-alpine");
    workspace.write("main.tf", &configuration);
    workspace.write("terraform.tfvars", &variables);
    workspace.apply().await?;
    let before = workspace.state().await?.text(DEPLOYMENT, "/id")?;
    workspace.write("terraform.tfvars", &text("nginx:1.28-alpine").1);
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect_unknown(DEPLOYMENT, &["sdl", "manifest", "hash", "receipts"])?;
    plan.output.expect_warning(&["sdl"])?;
    plan.expect(LEASE, "update")?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/id")? == before);
    workspace.expect_no_changes().await
}

async fn deposit_is_topped_up(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?;
    let deposited: u64 = before.text(DEPLOYMENT, "/deposited")?.parse()?;
    let wanted = deposited + 1_234;
    workspace.write("main.tf", &config::web(&format!("  deposit = \"{wanted}uact\""), ""));
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect_unknown(DEPLOYMENT, &["deposited", "receipts"])?;
    plan.expect(LEASE, "no-op")?;
    workspace.apply_with(&["plan.bin"]).await?;
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/deposited")? == wanted.to_string());
    workspace.expect_no_changes().await
}

async fn name_is_unique_in_the_wallet(case: Case) -> Result<()> {
    let name = case.unique("one");
    let named = format!("  name = \"{name}\"");
    let first = case.workspace().await?;
    first.write("web.yaml", &Sdl::default().text());
    first.write("main.tf", &config::deployment(&named));
    first.apply().await?;
    let dseq = first.state().await?.text(DEPLOYMENT, "/dseq")?;
    let second = case.workspace().await?;
    second.write("web.yaml", &Sdl::default().text());
    second.write("main.tf", &config::deployment(&named));
    second.try_apply(&[]).await?.expect_error(&[&dseq, "import"])?;
    ensure!(second.state().await?.addresses().is_empty());
    // Once the first is closed the name is free for a new generation.
    first.destroy().await?;
    second.apply().await?;
    ensure!(second.state().await?.text(DEPLOYMENT, "/dseq")? != dseq, "a dseq is used twice");
    Ok(())
}

async fn name_changes(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?.text(DEPLOYMENT, "/dseq")?;
    let first = format!("  name = \"{}\"", case.unique("given"));
    workspace.write("main.tf", &config::web(&first, ""));
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "update")?;
    plan.expect_unknown(DEPLOYMENT, &[])?;
    plan.output.expect_warning(&["name"])?;
    workspace.apply_with(&["plan.bin"]).await?;
    workspace.expect_no_changes().await?;
    workspace.write("main.tf", &config::web(&format!("  name = \"{}\"", case.unique("other")), ""));
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "delete create")?;
    ensure!(
        plan.replace_paths(DEPLOYMENT)?.contains(&"name".to_owned()),
        "{:?}",
        plan.replace_paths(DEPLOYMENT)?
    );
    ensure!(workspace.state().await?.text(DEPLOYMENT, "/dseq")? == before);
    Ok(())
}

async fn replaced_on_demand(case: Case) -> Result<()> {
    let workspace = running(&case, "", "").await?;
    let before = workspace.state().await?;
    workspace.apply_with(&["-replace=akash_deployment.web"]).await?;
    let after = workspace.state().await?;
    ensure!(after.text(DEPLOYMENT, "/dseq")? != before.text(DEPLOYMENT, "/dseq")?);
    ensure!(!workspace.network().is_active(&before.text(DEPLOYMENT, "/dseq")?).await?);
    workspace.expect_no_changes().await
}

fn many(count: usize) -> String {
    format!(
        r#"{}
resource "akash_deployment" "web" {{
  count = {count}
  sdl   = file("web.yaml")
}}

resource "akash_lease" "web" {{
  count      = {count}
  deployment = akash_deployment.web[count.index].id
  manifest   = akash_deployment.web[count.index].manifest
}}
"#,
        config::HEAD
    )
}

async fn five_at_once(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &many(5));
    workspace.apply().await?;
    let state = workspace.state().await?;
    let mut dseqs = Vec::new();
    for i in 0..5 {
        dseqs.push(state.text(&format!("akash_deployment.web[{i}]"), "/dseq")?);
        ensure!(state.text(&format!("akash_lease.web[{i}]"), "/state")? == "active");
    }
    dseqs.sort();
    dseqs.dedup();
    ensure!(dseqs.len() == 5, "equal deployments share a dseq: {dseqs:?}");
    workspace.expect_no_changes().await?;
    workspace.destroy().await?;
    for dseq in dseqs {
        ensure!(!workspace.network().is_active(&dseq).await?, "{dseq} is still active");
    }
    Ok(())
}

/// One listing serves all resources: a plan of ten deployments and leases asks the chain little more than a plan of
/// one (SCHEMA.md, rule 13). Counted on a devnet of the case's own.
async fn unchanged_ten(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &many(10));
    workspace.apply().await?;
    let before = network.local()?.request_count();
    workspace.expect_no_changes().await?;
    let requests = network.local()?.request_count() - before;
    ensure!(requests <= 12, "a plan of ten unchanged deployments and leases made {requests} requests");
    Ok(())
}
