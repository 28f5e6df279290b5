//! Provider functions: under a client, and the templates as real deployments.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{cases, config, suite::Case};

cases![answers, every_template_deploys];

async fn answers(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    let text = config::Sdl::default().text();
    workspace.write("web.yaml", &text);
    workspace.write("bad.yaml", &text.replace("- port: 80", "- port: eighty"));
    let functions = r#"
output "hash" { value = provider::akash::sdl_hash(file("web.yaml")) }
output "verdict" { value = provider::akash::sdl_validate(file("bad.yaml")) }
output "price" { value = provider::akash::monthly_price("100") }
output "text" { value = provider::akash::sdl({ version = "2.0", gone = null, services = { web = { image = "nginx:1.27" } } }) }
output "template" { value = provider::akash::sdl_validate(provider::akash::sdl_template("web", { image = "nginx:1.27.1" })).valid }
"#;
    workspace.write("main.tf", &(config::deployment("") + functions));
    workspace.apply().await?;
    let state = workspace.state().await?;
    ensure!(state.output("hash") == state.get(config::DEPLOYMENT, "/hash")?, "{}", state.output("hash"));
    ensure!(state.output("price") == json!(43.83), "{}", state.output("price"));
    ensure!(state.output("template") == json!(true), "{}", state.output("template"));
    let verdict = state.output("verdict");
    ensure!(verdict["valid"] == json!(false), "{verdict}");
    ensure!(verdict["errors"][0]["line"].is_u64() && verdict["errors"][0]["path"].is_string(), "{verdict}");
    let expected = "services:\n  web:\n    image: nginx:1.27\nversion: \"2.0\"\n";
    ensure!(state.output("text") == json!(expected), "{}", state.output("text"));
    workspace.expect_no_changes().await?;
    workspace.write(
        "main.tf",
        &(config::HEAD.to_owned() + "output \"x\" { value = provider::akash::sdl_template(\"nope\", {}) }\n"),
    );
    workspace.try_apply(&[]).await?.expect_error(&["nope", "postgres"])?;
    Ok(())
}

async fn every_template_deploys(case: Case) -> Result<()> {
    // GPUs and storage classes are not what every real provider has.
    let network = case.devnet().await?;
    let workspace = case.workspace_on(&network, xtask::workdir::Install::Override)?;
    let names = ["web", "gpu", "postgres", "redis", "wordpress", "ssh", "llm-inference"];
    let resources = r#"
resource "akash_deployment" "each" {
  for_each = toset(local.names)
  sdl      = replace(provider::akash::sdl_template(each.key, {}), "/[$][{]secret[.][A-Z_]+[}]/", "filled-in")
  deposit  = "5000000uact"
}

resource "akash_lease" "each" {
  for_each   = toset(local.names)
  deployment = akash_deployment.each[each.key].id
  manifest   = akash_deployment.each[each.key].manifest
}
"#;
    let locals = format!("locals {{ names = {} }}\n", json!(names));
    workspace.write("main.tf", &(config::HEAD.to_owned() + &locals + resources));
    workspace.apply().await?;
    let state = workspace.state().await?;
    for name in names {
        let lease = format!("akash_lease.each[\"{name}\"]");
        ensure!(state.get(&lease, "/ready")? == Value::Bool(true), "{name} is not ready");
    }
    workspace.expect_no_changes().await
}
