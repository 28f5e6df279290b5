//! Orders and who bids on them; names that pass from one deployment to another; what a wallet lacks.

use std::time::Duration;

use akash_devnet::{DevnetConfig, Fault, Operator};
use serde_json::json;

use crate::rig::{Rig, SDL, dynamic, get, lease_of, quick, text};

/// The quickstart's SDL with a GPU of this model.
fn with_gpu(model: &str) -> String {
    let gpu = format!(
        "        gpu:\n          units: 1\n          attributes:\n            vendor:\n              nvidia:\n                - model: \
         {model}\n"
    );
    let sdl = SDL
        .replace("        storage:", &format!("{gpu}        storage:"))
        .replace("amount: 1000", "amount: 9000");
    assert!(sdl.contains(model));
    sdl
}

fn in_region(region: &str) -> String {
    SDL.replace(
        "    anywhere:\n      pricing:",
        &format!("    anywhere:\n      attributes: {{region: {region}}}\n      pricing:"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_bids_and_it_is_told_why() {
    let rig = Rig::start().await;
    let sdl = in_region("mars");
    let deployment = rig.create("akash_deployment", &json!({ "sdl": sdl })).await;
    let waiting = lease_of(&deployment, json!({ "select": { "timeout": "2s" } }));
    let told = text(&rig.apply("akash_lease", None, &waiting).await.told);
    for part in [
        "Nobody bid. An order costs nothing while it is open",
        "Of the 3 providers on chain, none meets all that group `anywhere` asks for:",
        "- attribute `region` = `mars`: none (there is: eu-central, us-east, us-west)",
    ] {
        assert!(told.contains(part), "{told}");
    }

    // All have what is asked for, and none bids.
    rig.devnet.faults().set(Fault::NoBids);
    let deployment = rig.create("akash_deployment", &json!({ "sdl": SDL })).await;
    let waiting = lease_of(&deployment, json!({ "select": { "timeout": "2s" } }));
    let told = text(&rig.apply("akash_lease", None, &waiting).await.told);
    for part in ["3 meet all that group", "may ask more (the group pays 1000uact per block at the most)"] {
        assert!(told.contains(part), "{told}");
    }
}

/// What no provider has is told before anything is spent, and what is there costs no look.
#[tokio::test(flavor = "multi_thread")]
async fn a_gpu_that_nobody_has_is_a_warning_in_the_plan() {
    let rig = Rig::start().await;
    let plan = async |sdl: &str| {
        let config = dynamic(&json!({ "sdl": sdl }));
        let (_, told) = rig.provider.plan("akash_deployment", None, &config).await.unwrap();
        assert!(!told.has_errors());
        text(&told)
    };
    let told = plan(&with_gpu("a1000")).await;
    for part in ["warning at sdl: No provider can bid", "GPU nvidia a1000: none (there is: nvidia a100)"] {
        assert!(told.contains(part), "{told}");
    }
    let requests = rig.devnet.request_count();
    assert_eq!(plan(&with_gpu("a100")).await, "");
    assert_eq!(plan(SDL).await, "");
    assert!(plan(&in_region("mars")).await.contains("region"));
    assert_eq!(rig.devnet.request_count(), requests, "one look is enough for all");

    let deployment = rig.create("akash_deployment", &json!({ "sdl": SDL })).await;
    let requests = rig.devnet.request_count();
    let changed = SDL.replace("1.27", "1.28");
    for sdl in [SDL, &changed] {
        let (_, told) = rig.plan(&deployment, &json!({ "sdl": sdl })).await;
        assert_eq!(text(&told), "");
    }
    assert_eq!(rig.devnet.request_count(), requests, "a plan of what is there looks nothing up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_without_the_look_where_the_chain_is_slow() {
    let rig = Rig::start().await;
    rig.devnet.faults().set(Fault::DelayAnswer { path: "AllProvidersAttributes".into(), millis: 60_000 });
    let config = dynamic(&json!({ "sdl": in_region("mars") }));
    let begun = std::time::Instant::now();
    for _ in 0..5 {
        let (plan, told) = rig.provider.plan("akash_deployment", None, &config).await.unwrap();
        assert!(told.is_empty() && !plan.planned.is_null(), "{}", text(&told));
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "five plans waited {:?}", begun.elapsed());
}

/// Terraform destroys the one that has the name and creates the next at the same time, in any order.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_passes_from_one_to_the_other() {
    let rig = Rig::start().await;
    let named = |adopt: bool| json!({ "sdl": SDL, "name": "web", "adopt": adopt });
    let mut holder = rig.create("akash_deployment", &named(false)).await;
    for (adopt, late) in [(false, 0), (false, 1500), (true, 200)] {
        let config = named(adopt);
        let (created, _) = tokio::join!(rig.create("akash_deployment", &config), async {
            tokio::time::sleep(Duration::from_millis(late)).await;
            rig.destroy(&holder).await
        });
        assert_ne!(get(&created, "dseq"), get(&holder, "dseq"));
        holder = created;
    }
    assert_eq!(rig.devnet.active_deployments(&rig.owner()).len(), 1);

    // Nothing is being closed: it is told who has it.
    let told = text(&rig.apply("akash_deployment", None, &named(false)).await.told);
    let dseq = get(&holder, "dseq");
    for part in
        ["is active already", dseq.as_str().unwrap(), "in block", "Another resource of this very apply"]
    {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_wallet_is_told_of_both_coins() {
    let sandbox = DevnetConfig { chain_id: "sandbox-2".into(), ..quick() };
    let rig = Rig::with(sandbox, json!({ "account_index": 9 })).await;
    let create = async || text(&rig.apply("akash_deployment", None, &json!({ "sdl": SDL })).await.told);
    let told = create().await;
    for part in [
        "Not enough uact and uakt",
        "500000uact are needed",
        "akash_act",
        "has never received anything",
        "http://faucet.sandbox-2.aksh.pw/",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let address = akash_chain::Wallet::from_mnemonic(&rig.devnet.mnemonic().to_owned().into(), 9).unwrap();
    let (address, denom, amount) = (address.address().to_owned(), "uakt".to_owned(), "5000000".to_owned());
    rig.devnet.operate(&Operator::Fund { address, denom, amount });
    let told = create().await;
    assert!(told.contains("Not enough uact for") && told.contains("akash_act"), "{told}");
    assert!(!told.contains("Not enough uakt"), "{told}");
}
