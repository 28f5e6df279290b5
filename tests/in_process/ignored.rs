//! `lifecycle.ignore_changes`: an argument that is ignored and changed, beside another change. Terraform plans with what
//! state has of it and applies with the raw configuration, and nothing of the ignored change may happen: not on chain, not
//! at the provider, not in state. A case for each argument of each resource.

use std::time::Duration;

use akash_devnet::{DevnetConfig, Fault};
use serde_json::{Value as Json, json};
use tfplugin::testing::State;

use crate::rig::{Rig, SDL, dynamic, get, lease_of, quick, text};

/// `config` with these arguments.
fn with(config: &Json, more: &Json) -> Json {
    let mut config = config.clone();
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// Applies `wanted` beside `ignored`, as Terraform does with the names of `ignored` in `ignore_changes`.
async fn apply(rig: &Rig, prior: &State, config: &Json, wanted: &Json, ignored: &Json) -> State {
    let wanted = with(config, wanted);
    let raw = with(&wanted, ignored);
    let told = rig.provider.validate(&prior.type_name, &dynamic(&raw)).await.unwrap();
    assert!(!told.has_errors(), "{}", text(&told));
    let before = ignored.as_object().unwrap().keys().map(|name| (name.clone(), get(prior, name)));
    let effective = with(&wanted, &Json::Object(before.collect()));
    let (mut plan, told) = rig.plan(prior, &effective).await;
    assert!(!told.has_errors() && plan.replace.is_empty(), "{ignored}: {}", text(&told));
    plan.config = dynamic(&raw);
    let (state, told) = rig.provider.apply(&plan).await.unwrap();
    assert!(!told.has_errors(), "{ignored}: {}", text(&told));
    let state = state.unwrap();
    for name in ignored.as_object().unwrap().keys() {
        assert_eq!(get(&state, name), get(prior, name), "{name} is ignored");
    }
    // The same configuration has nothing more to do.
    rig.nothing_to_do(&state, &effective).await;
    state
}

/// The reasons that the receipts give, oldest first.
fn reasons(state: &State) -> Vec<Json> {
    let receipts = get(state, "receipts");
    let receipts = receipts.as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    receipts.map(|text| serde_json::from_str::<Json>(text).unwrap()["reason"].clone()).collect()
}

fn another_image() -> String {
    SDL.replace("1.27", "1.28")
}

/// While `change` runs no transaction gets into a block for two seconds.
async fn slowly<T>(rig: &Rig, fault: Fault, change: impl Future<Output = T>) -> T {
    let held = rig.devnet.faults().set(fault);
    let (done, ()) = tokio::join!(change, async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        rig.devnet.faults().clear(held);
    });
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_a_deployment() {
    let rig = Rig::start().await;
    let config = json!({ "sdl": SDL, "name": "web", "deposit": "500000uact", "reason": "first" });
    let first = rig.create("akash_deployment", &config).await;
    let reason = json!({ "reason": "changed" });
    let sent = || rig.devnet.tx_count(&rig.owner());

    // Beside an argument that is only recorded nothing is sent.
    for ignored in [
        json!({ "sdl": another_image() }),
        json!({ "sdl": SDL.replace("512Mi", "1Gi") }),
        json!({ "deposit": "5000000uact" }),
        json!({ "name": "other" }),
        json!({ "adopt": true }),
        json!({ "on_market_change": "replace" }),
        json!({ "timeouts": { "update": "1s" } }),
    ] {
        let before = sent();
        let state = apply(&rig, &first, &config, &reason, &ignored).await;
        assert_eq!(sent(), before, "{ignored}: something was sent");
        assert_eq!(get(&state, "reason"), json!("changed"));
        for computed in ["id", "hash", "manifest", "deposited", "receipts"] {
            assert_eq!(get(&state, computed), get(&first, computed), "{ignored}: {computed}");
        }
    }

    // Beside a new hash that alone is sent.
    let mut state = first;
    let mut images = (28..).map(|minor| json!({ "sdl": SDL.replace("1.27", &format!("1.{minor}")) }));
    for ignored in [
        json!({ "deposit": "5000000uact" }),
        json!({ "name": "other" }),
        json!({ "adopt": true }),
        json!({ "on_market_change": "replace" }),
        json!({ "reason": "ignored" }),
    ] {
        let before = (sent(), get(&state, "deposited"), get(&state, "id"));
        let wanted = images.next().unwrap();
        state = apply(&rig, &state, &config, &wanted, &ignored).await;
        assert_eq!((sent(), get(&state, "deposited"), get(&state, "id")), (before.0 + 1, before.1, before.2));
        assert_eq!(get(&state, "sdl"), wanted["sdl"]);
        assert_eq!(reasons(&state).last(), Some(&json!("first")));
    }
    let wanted = images.next().unwrap();
    let ignored = json!({ "timeouts": { "update": "1s" } });
    state = slowly(&rig, Fault::HoldTransactions, apply(&rig, &state, &config, &wanted, &ignored)).await;

    // A deposit beside an ignored SDL: the hash stays.
    let before = (sent(), get(&state, "hash"));
    let more = json!({ "deposit": "600000uact" });
    let state = apply(&rig, &state, &config, &more, &json!({ "sdl": another_image() })).await;
    assert_eq!((sent(), get(&state, "hash")), (before.0 + 1, before.1));
    assert_eq!(get(&state, "deposited"), json!("600000"));
}

/// A price beside `on_market_change`: what is kept is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_is_ignored() {
    let rig = Rig::start().await;
    let config = json!({ "sdl": SDL });
    let first = rig.create("akash_deployment", &config).await;
    let price = json!({ "sdl": SDL.replace("amount: 1000", "amount: 2000") });
    let state = apply(&rig, &first, &config, &price, &json!({ "on_market_change": "replace" })).await;
    assert_eq!(get(&state, "id"), get(&first, "id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_a_lease() {
    let rig = Rig::start().await;
    let (deployment, first) = rig.leased(SDL).await;
    let other = rig.create("akash_deployment", &json!({ "sdl": another_image() })).await;
    let config = lease_of(&deployment, json!({}));
    let reason = json!({ "reason": "changed" });
    let [west, east] = [0, 1].map(|index| rig.devnet.providers()[index].address.clone());
    assert!(get(&first, "provider_address") != json!(west) && get(&first, "provider_address") != json!(east));
    let sent = || rig.devnet.tx_count(&rig.owner());

    for ignored in [
        json!({ "provider_address": west }),
        json!({ "manifest": get(&other, "manifest") }),
        json!({ "deployment": get(&other, "id") }),
        json!({ "deployment": get(&other, "id"), "manifest": get(&other, "manifest") }),
        json!({ "group": "elsewhere" }),
        json!({ "select": { "allow": [west] } }),
        json!({ "wait_for_ready": false }),
        json!({ "timeouts": { "update": "1s" } }),
    ] {
        let before = sent();
        let state = apply(&rig, &first, &config, &reason, &ignored).await;
        assert_eq!(sent(), before, "{ignored}: something was sent");
        for computed in ["id", "oseq", "provider_address", "manifest_hash", "receipts"] {
            assert_eq!(get(&state, computed), get(&first, computed), "{ignored}: {computed}");
        }
    }

    // Beside an upload that alone happens, with one transaction of the deployment's.
    let (mut deployment, mut state) = (deployment, first);
    let mut images = (28..).map(|minor| json!({ "sdl": SDL.replace("1.27", &format!("1.{minor}")) }));
    for ignored in [
        json!({ "provider_address": west }),
        json!({ "deployment": get(&other, "id") }),
        json!({ "group": "elsewhere" }),
        json!({ "select": { "allow": [west] } }),
        json!({ "wait_for_ready": false }),
        json!({ "reason": "ignored" }),
        json!({ "timeouts": { "update": "1s" } }),
    ] {
        deployment = rig.apply("akash_deployment", Some(&deployment), &images.next().unwrap()).await.ok();
        let before = (sent(), get(&state, "oseq"), get(&state, "provider_address"));
        let wanted = json!({ "manifest": get(&deployment, "manifest") });
        let applied = apply(&rig, &state, &config, &wanted, &ignored);
        state = match ignored.get("timeouts") {
            Some(_) => slowly(&rig, Fault::ProviderDown { provider: None }, applied).await,
            None => applied.await,
        };
        assert_eq!((sent(), get(&state, "oseq"), get(&state, "provider_address")), before, "{ignored}");
        assert_eq!(
            (get(&state, "ready"), get(&state, "manifest")),
            (json!(true), wanted["manifest"].clone())
        );
        assert!(reasons(&state).iter().all(Json::is_null), "{ignored}");
    }

    // Beside a move: the same manifest, and the one provider whatever `select` says now.
    let config = lease_of(&deployment, json!({}));
    for (to, ignored) in [
        (&west, json!({ "manifest": get(&other, "manifest") })),
        (&east, json!({ "select": { "max_price": 1, "timeout": "1s" } })),
    ] {
        let hash = get(&state, "manifest_hash");
        state = apply(&rig, &state, &config, &json!({ "provider_address": to }), &ignored).await;
        assert_eq!((get(&state, "provider_address"), get(&state, "manifest_hash")), (json!(to), hash));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_act() {
    let poor = DevnetConfig { tenant_funds: [("uakt".to_owned(), 1_000_000_000)].into(), ..quick() };
    let rig = Rig::with(poor, json!({})).await;
    let config = json!({ "minimum": "20000000uact", "reason": "first" });
    let first = rig.create("akash_act", &config).await;
    let sent = || rig.devnet.tx_count(&rig.owner());
    let held = || rig.devnet.balance(&rig.owner(), "uact");
    for ignored in [
        json!({ "minimum": "90000000uact" }),
        json!({ "minimum": "90000000uact", "target": "95000000uact" }),
        json!({ "target": "90000000uact" }),
        json!({ "burn_on_destroy": true }),
        json!({ "timeouts": { "update": "1s" } }),
    ] {
        let before = (sent(), held());
        let state = apply(&rig, &first, &config, &json!({ "reason": "changed" }), &ignored).await;
        assert_eq!((sent(), held()), before, "{ignored}: something was sent");
        assert_eq!(
            (get(&state, "balance"), get(&state, "receipts")),
            (get(&first, "balance"), get(&first, "receipts"))
        );
    }

    // Beside a mint: no more than that.
    let mut state = first;
    let mut goals = (1_u128..).map(|step| 20_000_000 + step * 15_000_000);
    for ignored in [
        json!({ "target": "500000000uact" }),
        json!({ "reason": "ignored" }),
        json!({ "burn_on_destroy": true }),
        json!({ "timeouts": { "update": "1s" } }),
    ] {
        let (goal, before) = (goals.next().unwrap(), sent());
        let wanted = json!({ "minimum": format!("{goal}uact") });
        state = apply(&rig, &state, &config, &wanted, &ignored).await;
        assert_eq!(sent(), before + 1, "{ignored}");
        assert!((goal..goal + 14_000_000).contains(&held()), "{ignored}: {} of {goal}", held());
        assert_eq!(reasons(&state).last(), Some(&json!("first")));
    }
    // What is destroyed goes by state.
    let before = held();
    rig.destroy(&state).await;
    assert_eq!(held(), before, "it was burnt");
}
