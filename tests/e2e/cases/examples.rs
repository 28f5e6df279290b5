//! Every configuration in `examples/` is valid under each client.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::{cases, config::HEAD, suite::Case, workspace::Output};

cases![examples_are_valid, quickstart_example];

async fn examples_are_valid(case: Case) -> Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sdl = fs::read_to_string(examples.join("quickstart/web.yaml"))?;
    let mut seen = 0;
    for kind in ["provider", "resources", "data-sources", "functions"] {
        for directory in directories(&examples.join(kind))? {
            for file in ["provider.tf", "resource.tf", "data-source.tf", "function.tf"] {
                let Ok(text) = fs::read_to_string(directory.join(file)) else { continue };
                let workspace = case.workspace().await?;
                // An example shows its own part; the rest stands here.
                let head = if text.contains("required_providers") { "" } else { HEAD };
                workspace.write("main.tf", &format!("{head}\n{text}"));
                workspace.write("web.yaml", &sdl);
                let output = workspace.validate().await?;
                ensure!(output.code == Some(0), "{}: {output}", directory.join(file).display());
                seen += 1;
            }
        }
    }
    ensure!(seen >= 9, "only {seen} examples found");
    Ok(())
}

/// `examples/provider` itself, and the directories in the others.
fn directories(path: &Path) -> Result<Vec<std::path::PathBuf>> {
    if path.ends_with("provider") {
        return Ok(vec![path.to_owned()]);
    }
    let Ok(entries) = fs::read_dir(path) else { return Ok(Vec::new()) };
    let mut directories = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            directories.push(path);
        }
    }
    Ok(directories)
}

/// The whole configuration of the README, applied as it stands but for the network.
async fn quickstart_example(case: Case) -> Result<()> {
    let workspace = case.workspace().await?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    let text = fs::read_to_string(examples.join("main.tf"))?;
    let text = text.replace("  network = var.network # wallet from AKASH_MNEMONIC\n", "");
    ensure!(!text.contains("= var.network"), "the example's provider block is not what this case expects");
    let name = case.unique("example");
    let text = text.replace("name   = \"web\"", &format!("name   = \"{name}\""));
    ensure!(text.contains(&name), "the example's name is not where this case expects it");
    workspace.write("main.tf", &text);
    workspace.write("web.yaml", &fs::read_to_string(examples.join("web.yaml")).context("web.yaml")?);
    workspace.validate().await?.succeeded()?;
    is_short(&workspace.run(&["plan", "-no-color"]).await?.succeeded()?, 125)?;
    workspace.apply().await?;
    workspace.expect_no_changes().await?;
    // A change, with the whole SDL around it; receipts and manifest take one line each, here and in the destroy.
    let sdl = fs::read_to_string(examples.join("web.yaml"))?;
    workspace.write("web.yaml", &sdl.replace("nginx:1.27", "nginx:1.28"));
    is_short(&workspace.run(&["plan", "-no-color"]).await?.succeeded()?, 60)?;
    is_short(&workspace.run(&["destroy", "-no-color", "-auto-approve"]).await?.succeeded()?, 160)
}

/// What a person has to read, from the client's first word about the plan on.
fn is_short(output: &Output, lines: usize) -> Result<()> {
    let begins = |line: &str| line.starts_with("Terraform used") || line.starts_with("OpenTofu used");
    let text = format!("{}{}", output.stdout, output.stderr);
    let printed = text.lines().skip_while(|line| !begins(line)).count();
    ensure!(printed > 10, "the plan is not where this case expects it:\n{text}");
    ensure!(printed < lines, "{printed} lines, not below {lines}:\n{text}");
    Ok(())
}
