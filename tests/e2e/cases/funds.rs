//! Who pays: fees and deposits from another account's grants, limits, and what is said when there is too little.

use std::sync::Arc;

use akash_chain::Wallet;
use akash_devnet::Operator;
use anyhow::{Result, ensure};
use xtask::workdir::Install;

use crate::{
    cases,
    config::{self, Sdl},
    network::Network,
    suite::Case,
    workspace::Workspace,
};

cases![
    fees_from_a_grant,
    deposits_from_a_grant,
    deposits_without_a_grant,
    each_shortfall_is_named,
    fee_limit
];

const GRANTER: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// A network on which another account has coins, and that account's address.
async fn with_granter(case: &Case) -> Result<(Network, Arc<Workspace>, String)> {
    let network = case.devnet().await?;
    let granter = Wallet::from_mnemonic(&GRANTER.to_owned().into(), 0)?.address().to_owned();
    for denom in ["uakt", "uact"] {
        fund(&network, &granter, denom, "100000000")?;
    }
    let workspace = case.workspace_on(&network, Install::Override)?;
    workspace.write("web.yaml", &Sdl::default().text());
    Ok((network, workspace, granter))
}

fn fund(network: &Network, address: &str, denom: &str, amount: &str) -> Result<()> {
    let (address, denom, amount) = (address.to_owned(), denom.to_owned(), amount.to_owned());
    network.local()?.operate(&Operator::Fund { address, denom, amount });
    Ok(())
}

/// The configuration with these arguments of the provider.
fn provider(arguments: &str) -> String {
    config::deployment("")
        .replace("provider \"akash\" {}", &format!("provider \"akash\" {{\n{arguments}\n}}"))
}

async fn fees_from_a_grant(case: Case) -> Result<()> {
    let (network, workspace, granter) = with_granter(&case).await?;
    workspace.write("main.tf", &provider(&format!("  fee_granter = \"{granter}\"")));
    workspace.try_apply(&[]).await?.expect_error(&["does not allow to pay fees"])?;
    let grantee = network.owner().to_owned();
    network.local()?.operate(&Operator::GrantFees { granter: granter.clone(), grantee, limit: None });
    let (own, granted) = (network.fee_balance().await?, network.balance_of(&granter, "uakt").await?);
    workspace.apply().await?;
    ensure!(network.fee_balance().await? == own, "the wallet paid");
    ensure!(network.balance_of(&granter, "uakt").await? < granted, "the granter did not pay");
    workspace.expect_no_changes().await
}

async fn deposits_from_a_grant(case: Case) -> Result<()> {
    let (network, workspace, granter) = with_granter(&case).await?;
    let (grantee, denom, limit) = (network.owner().to_owned(), "uact".to_owned(), "600000".to_owned());
    network.local()?.operate(&Operator::GrantDeposit { granter: granter.clone(), grantee, denom, limit });
    let before = (network.act_balance().await?, network.balance_of(&granter, "uact").await?);
    workspace.write("main.tf", &provider("  deposit_sources = [\"grant\", \"balance\"]"));
    workspace.apply().await?;
    let after = (network.act_balance().await?, network.balance_of(&granter, "uact").await?);
    ensure!(after == (before.0, before.1 - 500_000), "{before:?} {after:?}");
    workspace.expect_no_changes().await?;
    // What comes back goes to whom it came from.
    workspace.destroy().await?;
    ensure!((network.act_balance().await?, network.balance_of(&granter, "uact").await?) == before);
    Ok(())
}

async fn deposits_without_a_grant(case: Case) -> Result<()> {
    let (network, workspace, _) = with_granter(&case).await?;
    workspace.write("main.tf", &provider("  deposit_sources = [\"grant\"]"));
    workspace.try_apply(&[]).await?.expect_error(&["deposit"])?;
    ensure!(network.active().await?.is_empty());
    Ok(())
}

/// One diagnostic says what is missing of either coin, how much, and how to come by it.
async fn each_shortfall_is_named(case: Case) -> Result<()> {
    let (network, workspace, _) = with_granter(&case).await?;
    let poor = Wallet::from_mnemonic(&network.mnemonic.clone().into(), 7)?.address().to_owned();
    fund(&network, &poor, "uakt", "10")?;
    fund(&network, &poor, "uact", "400000")?;
    workspace.write("main.tf", &provider("  account_index = 7"));
    workspace.try_apply(&[]).await?.expect_error(&[
        "Not enough uact and uakt",
        "100000uact more",
        "uakt more",
        "mint",
        "Send AKT to this address",
        &poor,
    ])?;
    ensure!(network.balance_of(&poor, "uakt").await? == 10, "a fee was taken");
    Ok(())
}

async fn fee_limit(case: Case) -> Result<()> {
    let (network, workspace, _) = with_granter(&case).await?;
    workspace.write("main.tf", &provider("  max_fee = \"100uakt\""));
    workspace.try_apply(&[]).await?.expect_error(&["max_fee", "100uakt", "nothing was sent"])?;
    ensure!(network.active().await?.is_empty());
    workspace.write("main.tf", &provider("  max_fee = \"100000uakt\""));
    workspace.apply().await?;
    Ok(())
}
