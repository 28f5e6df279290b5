//! What is wrong in the provider's configuration, the SDL or the wallet, and what is said about it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, DEPLOYMENT, HEAD, LEASE, Sdl},
    network,
    suite::Case,
    workspace::Workspace,
};

cases![
    invalid_sdl,
    wrong_denomination,
    without_a_wallet,
    wrong_chain_id,
    another_chain_than_in_state,
    dead_endpoint,
    endpoint_that_is_no_node,
    mnemonic_with_a_wrong_word,
    nothing_configured,
    read_only_wallet,
    too_little_uact,
    arguments_of_later,
    unknown_configuration,
    rest_address,
];

async fn prepared(case: &Case) -> Result<Arc<Workspace>> {
    let workspace = case.workspace().await?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    Ok(workspace)
}

async fn invalid_sdl(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    let text = Sdl { cpu: "lots", ..Sdl::default() }.text();
    let (index, line) = text.lines().enumerate().find(|(_, line)| line.contains("units:")).unwrap();
    let column = line.find("lots").unwrap() + 1;
    workspace.write("web.yaml", &text);
    let position = format!("sdl:{}:{column}", index + 1);
    workspace.try_plan(&[]).await?.expect_error(&[&position, "profiles.compute.web.resources.cpu"])?;
    Ok(())
}

async fn wrong_denomination(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    workspace.write("web.yaml", &Sdl { denom: "uakt", ..Sdl::default() }.text());
    workspace.try_plan(&[]).await?.expect_error(&["uakt", "uact"])?;
    Ok(())
}

async fn without_a_wallet(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    workspace.env("AKASH_MNEMONIC", None);
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "create")?;
    workspace.try_apply(&[]).await?.expect_error(&["AKASH_MNEMONIC"])?;
    ensure!(workspace.state().await?.addresses().is_empty());
    Ok(())
}

async fn wrong_chain_id(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    workspace.env("AKASH_CHAIN_ID", Some("another-7"));
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["chain_id", "another-7", &workspace.network().chain_id])?;
    ensure!(workspace.state().await?.addresses().is_empty());
    Ok(())
}

async fn another_chain_than_in_state(case: Case) -> Result<()> {
    let other = case.devnet_with(network::other_chain()).await?;
    let workspace = prepared(&case).await?;
    workspace.apply().await?;
    workspace.point_at(&other);
    let names = [workspace.network().chain_id.as_str(), &other.chain_id];
    workspace.try_plan(&[]).await?.expect_error(&names)?;
    workspace.try_plan(&["-refresh=false"]).await?.expect_error(&names)?;
    workspace.run(&["apply", "-destroy", "-json", "-auto-approve"]).await?.expect_error(&names)?;
    ensure!(workspace.state().await?.addresses().len() == 2, "another chain's answer was taken for `gone`");
    workspace.point_at(workspace.network());
    workspace.expect_no_changes().await
}

async fn dead_endpoint(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    // Taken and given up again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    workspace.env("AKASH_ENDPOINTS", Some(&format!("grpc://127.0.0.1:{port}")));
    workspace.try_apply(&[]).await?.expect_error(&[&format!("127.0.0.1:{port}")])?;
    ensure!(workspace.state().await?.addresses().is_empty());
    Ok(())
}

async fn endpoint_that_is_no_node(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = peer.read(&mut request).await;
                let page = "<html><body>It works!</body></html>";
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n",
                    page.len()
                );
                let _ = peer.write_all(format!("{head}connection: close\r\n\r\n{page}").as_bytes()).await;
            });
        }
    });
    workspace.env("AKASH_ENDPOINTS", Some(&address));
    let output = workspace.try_apply(&[]).await?;
    server.abort();
    output.expect_error(&[&address])?;
    Ok(())
}

async fn mnemonic_with_a_wrong_word(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    // Words of the list whose checksum is wrong.
    let words = ["abandon"; 12].join(" ");
    workspace.env("AKASH_MNEMONIC", Some(&words));
    let output = workspace.try_apply(&[]).await?;
    output.expect_error(&["AKASH_MNEMONIC", "checksum"])?;
    let all = format!("{}{}", output.stdout, output.stderr);
    ensure!(!all.contains("abandon"), "the mnemonic is printed");
    Ok(())
}

async fn nothing_configured(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    workspace.env("AKASH_ENDPOINTS", None);
    workspace.env("AKASH_CHAIN_ID", None);
    workspace.try_plan(&[]).await?.expect_error(&["network"])?;
    Ok(())
}

async fn read_only_wallet(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    workspace.apply().await?;
    let owner = workspace.state().await?.text(DEPLOYMENT, "/owner")?;
    workspace.env("AKASH_MNEMONIC", None);
    workspace.env("AKASH_WALLET_ADDRESS", Some(&owner));
    workspace.expect_no_changes().await?;
    // With a wallet the address must be the wallet's.
    workspace.point_at(workspace.network());
    workspace.env("AKASH_WALLET_ADDRESS", Some("akash1g4ksw7rvm3jegyt7j4rrxyutpg82jh2nkhsvdh"));
    workspace.try_plan(&[]).await?.expect_error(&["wallet_address"])?;
    workspace.env("AKASH_WALLET_ADDRESS", None);
    Ok(())
}

async fn too_little_uact(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    let need = "900000000000000000";
    workspace.write("main.tf", &config::web(&format!("  deposit = \"{need}uact\""), ""));
    workspace.try_apply(&[]).await?.expect_error(&["uact", need, "mint"])?;
    ensure!(workspace.state().await?.addresses().is_empty(), "something was sent");
    Ok(())
}

/// What this version does not do has no argument: the client itself says so, and names it. (Of an object's attributes
/// clients drop what the schema does not have without a word, so `select` can't be tested here.)
async fn arguments_of_later(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    for (words, deployment, lease) in [
        (["unsupported", "secrets"], "secrets = { A = \"b\" }", ""),
        (["unsupported", "secrets_version"], "secrets_version = \"1\"", ""),
        (["unsupported", "escrow"], "escrow = { min_runway = \"72h\" }", ""),
        (["unsupported", "blue_green"], "", "blue_green = true"),
        (["unsupported", "secrets"], "", "secrets = { A = \"b\" }"),
        (["unsupported", "on_lost"], "", "on_lost = \"replace\""),
        (["adopt", "name"], "adopt = true", ""),
        (["preference", "uptime"], "", "select = { prefer = \"uptime\" }"),
    ] {
        workspace.write("main.tf", &config::web(deployment, lease));
        workspace.validate().await?.expect_error(&words)?;
    }
    Ok(())
}

async fn unknown_configuration(case: Case) -> Result<()> {
    let workspace = prepared(&case).await?;
    let configuration = HEAD.replace(
        "provider \"akash\" {}",
        "provider \"akash\" {\n  chain_id = terraform_data.chain.output\n}",
    ) + &format!(
        "\nresource \"terraform_data\" \"chain\" {{ input = \"{}\" }}\n",
        workspace.network().chain_id
    ) + config::web("", "").trim_start_matches(HEAD);
    workspace.write("main.tf", &configuration);
    workspace.env("AKASH_CHAIN_ID", None);
    let plan = workspace.plan().await?;
    plan.expect(DEPLOYMENT, "create")?;
    workspace.apply_with(&["plan.bin"]).await?;
    workspace.expect_no_changes().await
}

async fn rest_address(case: Case) -> Result<()> {
    let network = case.devnet().await?;
    let rest = network.at(network.local()?.rest_endpoint());
    let workspace = case.workspace_on(&rest, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    workspace.write("main.tf", &config::web("", ""));
    workspace.apply().await?;
    ensure!(workspace.state().await?.text(LEASE, "/state")? == "active");
    workspace.expect_no_changes().await
}
