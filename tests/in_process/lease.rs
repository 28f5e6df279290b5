//! `akash_lease` beyond its first apply: interrupted, reclaimed, moved, refused.

use std::time::{Duration, Instant};

use akash_devnet::Fault;
use serde_json::{Value as Json, json};
use tfplugin::testing::State;
use tfplugin::{Diagnostics, Dynamic};

use crate::rig::{Rig, SDL, dynamic, get, lease_of, text};

/// The quickstart's service with a forwarded port beside its URI.
fn with_port() -> String {
    SDL.replace(
        "          - global: true\n",
        "          - global: true\n      - port: 53\n        proto: udp\n        to:\n          - global: true\n",
    )
}

/// The quickstart's SDL for providers that give a day's notice before they take a lease back.
fn with_notice() -> String {
    format!("{SDL}\nreclamation:\n  min_window: 24h\n")
}

fn actions(state: &State) -> Vec<String> {
    let receipts = get(state, "receipts");
    let receipts = receipts.as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    receipts
        .map(|text| serde_json::from_str::<Json>(text).unwrap()["action"].as_str().unwrap().to_owned())
        .collect()
}

/// The devnet's provider of that name.
fn address(rig: &Rig, name: &str) -> String {
    rig.devnet.providers().iter().find(|one| one.name == name).unwrap().address.clone()
}

/// Whether something told has all of these words.
fn says(told: &Diagnostics, words: &[&str]) -> bool {
    told.iter().any(|one| {
        let all = format!("{}\n{}", one.summary, one.detail);
        words.iter().all(|word| all.contains(word))
    })
}

/// Applies and stops the provider, as Ctrl-C does, once the chain has a lease.
async fn interrupted(rig: &Rig, config: &Json) -> (Option<State>, Diagnostics) {
    let leased = async {
        while !rig.devnet.state().leases.values().any(|lease| lease.price.is_some()) {
            rig.devnet.wait_blocks(1).await;
        }
        rig.devnet.wait_blocks(5).await;
        rig.provider.stop().await.unwrap();
    };
    let (applied, ()) = tokio::join!(rig.apply("akash_lease", None, config), leased);
    (applied.state, applied.told)
}

/// Stopped before the manifest was taken, no address is known. The apply that goes on fills them all in, and leaves
/// nothing for a later refresh to change.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_create_goes_on_with_every_address() {
    let mut rig = Rig::start().await;
    let deployment = rig.create("akash_deployment", &json!({ "sdl": with_port() })).await;
    let config = lease_of(&deployment, json!({}));
    let down = rig.devnet.faults().set(Fault::ProviderDown { provider: None });
    let (state, told) = interrupted(&rig, &config).await;
    assert!(!told.has_errors(), "{}", text(&told));
    let state = state.unwrap();
    assert_eq!((get(&state, "manifest_hash"), get(&state, "url")), (Json::Null, Json::Null));

    rig.devnet.faults().clear(down);
    rig.restart().await;
    let lease = rig.apply("akash_lease", Some(&state), &config).await.ok();
    assert_eq!((get(&lease, "oseq"), get(&lease, "ready")), (json!(1), json!(true)));
    assert!(get(&lease, "url").is_string(), "{}", get(&lease, "url"));
    assert_eq!(get(&lease, "services")["web"]["uris"].as_array().unwrap().len(), 1);
    assert!(get(&lease, "ports")["web"]["53/udp"]["external_port"].is_number(), "{}", get(&lease, "ports"));
    rig.nothing_to_do(&lease, &config).await;
}

/// The provider has begun to take its lease back.
async fn reclaimed(rig: &Rig) -> (State, State) {
    let (deployment, lease) = rig.leased(&with_notice()).await;
    rig.reclaim(&lease).await;
    (deployment, lease)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_reclaimed_is_told_with_its_deadline() {
    let rig = Rig::start().await;
    let (deployment, lease) = reclaimed(&rig).await;
    let provider = get(&lease, "provider_address").as_str().unwrap().to_owned();
    let read = rig.refresh(&lease).await;
    let state = read.state.unwrap();
    let deadline = get(&state, "reclaim_deadline").as_str().unwrap().to_owned();
    assert_eq!((get(&state, "state"), get(&state, "ready")), (json!("reclaiming"), json!(true)));
    let words = [provider.as_str(), deadline.as_str(), "provider_address", "-replace", "lost"];
    assert!(says(&read.told, &words), "{}", text(&read.told));
    assert!(says(&read.told, &["decommission"]), "{}", text(&read.told));

    let config = lease_of(&deployment, json!({}));
    let (plan, told) = rig.plan(&state, &config).await;
    assert!(says(&told, &words) && !told.has_errors(), "{}", text(&told));
    assert_eq!(plan.planned, state.value, "there is nothing to change");
    let (_, told) = rig.plan(&state, &lease_of(&deployment, json!({ "reason": "x" }))).await;
    assert!(says(&told, &words) && !told.has_errors(), "{}", text(&told));
}

/// The real daemon answers an upload for such a lease with 404, and the new hash would have been paid for by then.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_uploaded_while_it_is_reclaimed() {
    let rig = Rig::start().await;
    let (deployment, lease) = reclaimed(&rig).await;
    let deployment = rig.refresh(&deployment).await.state.unwrap();
    let lease = rig.refresh(&lease).await.state.unwrap();
    let changed = json!({ "sdl": with_notice().replace("1.27", "1.28") });
    let (plan, told) = rig.plan(&deployment, &changed).await;
    let deadline = get(&lease, "reclaim_deadline").as_str().unwrap().to_owned();
    assert!(says(&told, &["reclaim", &deadline]) && !told.has_errors(), "{}", text(&told));
    let new =
        json!({ "deployment": get(&deployment, "id"), "manifest": plan.planned.get("manifest").unwrap() });
    let before = rig.devnet.tx_count(&rig.owner());
    let (_, told) = rig.plan(&lease, &new).await;
    assert!(
        told.has_errors() && says(&told, &["manifest", "provider_address", &deadline]),
        "{}",
        text(&told)
    );
    // Elsewhere it runs with the new manifest in the same apply.
    let elsewhere = ["europe", "west", "east"].map(|name| address(&rig, name));
    let elsewhere = elsewhere.iter().find(|one| json!(one) != get(&lease, "provider_address")).unwrap();
    let moved = |deployment: &State| lease_of(deployment, json!({ "provider_address": elsewhere }));
    assert_eq!(rig.devnet.tx_count(&rig.owner()), before);
    let deployment = rig.apply("akash_deployment", Some(&deployment), &changed).await.ok();
    let lease = rig.apply("akash_lease", Some(&lease), &moved(&deployment)).await.ok();
    assert_eq!((get(&lease, "state"), get(&lease, "ready")), (json!("active"), json!(true)));
    assert_eq!(get(&lease, "reclaim_deadline"), Json::Null);
    rig.nothing_to_do(&lease, &moved(&deployment)).await;
    let told =
        rig.plan(&rig.refresh(&deployment).await.state.unwrap(), &json!({ "sdl": with_notice() })).await.1;
    assert!(!says(&told, &["reclaim"]), "{}", text(&told));
}

/// Reclaimed after the plan: apply looks again, and does not wait for the provider to give in.
#[tokio::test(flavor = "multi_thread")]
async fn reclaimed_between_plan_and_apply() {
    let rig = Rig::start().await;
    let (deployment, lease) = rig.leased(&with_notice()).await;
    let changed = json!({ "sdl": with_notice().replace("1.27", "1.28") });
    let deployment = rig.apply("akash_deployment", Some(&deployment), &changed).await.ok();
    let (plan, told) = rig.plan(&lease, &lease_of(&deployment, json!({}))).await;
    assert!(!told.has_errors(), "{}", text(&told));
    rig.reclaim(&lease).await;
    let begun = Instant::now();
    let (state, told) = rig.provider.apply(&plan).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for the provider");
    assert!(told.has_errors() && says(&told, &["reclaim"]), "{}", text(&told));
    let state = state.unwrap();
    assert_eq!(get(&state, "manifest"), get(&lease, "manifest"));
    assert_eq!(get(&state, "manifest_hash"), get(&lease, "manifest_hash"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_keeps_receipts() {
    let rig = Rig::start().await;
    let (deployment, lease) = rig.leased(SDL).await;
    assert_eq!(actions(&lease), ["lease.create", "lease.manifest"]);
    let to = |provider: &str| {
        lease_of(&deployment, json!({ "provider_address": provider, "select": { "timeout": "2s" } }))
    };
    let moved = rig.apply("akash_lease", Some(&lease), &to(&address(&rig, "west"))).await.ok();
    let all = ["lease.create", "lease.manifest", "lease.close", "lease.create", "lease.manifest"];
    assert_eq!(actions(&moved), all);

    // A move that ends without a lease: what it ended is told. The tenant is no provider, so it never bids.
    let applied = rig.apply("akash_lease", Some(&moved), &to(&rig.owner())).await;
    assert!(applied.told.has_errors());
    let closed = applied.state.unwrap();
    assert_eq!(get(&closed, "state"), json!("closed"));
    assert_eq!(
        actions(&closed),
        ["lease.manifest", "lease.close", "lease.create", "lease.manifest", "lease.close"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_manifest_keeps_receipts() {
    let rig = Rig::start().await;
    let refuse = |provider: &str| Fault::ManifestStatus { provider: Some(provider.to_owned()), status: 400 };
    rig.devnet.faults().set(refuse("europe"));
    let (deployment, lease) = rig.leased(SDL).await;
    assert_eq!(get(&lease, "provider_address"), json!(address(&rig, "west")));
    assert_eq!(actions(&lease), ["lease.create", "lease.close", "lease.create", "lease.manifest"]);

    // Moved to one that refuses: nothing is left of it but what it cost.
    let to = lease_of(
        &deployment,
        json!({ "provider_address": address(&rig, "europe"), "select": { "timeout": "2s" } }),
    );
    let applied = rig.apply("akash_lease", Some(&lease), &to).await;
    assert!(applied.told.has_errors());
    let closed = applied.state.unwrap();
    assert_eq!(
        actions(&closed),
        ["lease.create", "lease.manifest", "lease.close", "lease.create", "lease.close"]
    );
}

/// `settle = "0s"` takes the first acceptable bid, at the block that shows it.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_acceptable_bid() {
    let rig = Rig::start().await;
    let deployment = rig.create("akash_deployment", &json!({ "sdl": SDL })).await;
    // All have bid by now; the cheapest of what may be taken is.
    rig.devnet.wait_blocks(5).await;
    let config =
        lease_of(&deployment, json!({ "select": { "settle": "0s", "deny": [address(&rig, "europe")] } }));
    let lease = rig.create("akash_lease", &config).await;
    assert_eq!(get(&lease, "provider_address"), json!(address(&rig, "west")));
    let told = rig
        .apply("akash_lease", None, &lease_of(&deployment, json!({ "select": { "timeout": "0s" } })))
        .await
        .told;
    assert!(says(&told, &["0s"]) && told.has_errors(), "{}", text(&told));
}

/// What can never match is refused before a lease is given up for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_can_never_match() {
    let rig = Rig::start().await;
    let [a, b] = ["west", "east"].map(|name| address(&rig, name));
    for (more, at) in [
        (json!({ "select": { "allow": [] } }), "select.allow"),
        (json!({ "select": { "allow": [a, b], "deny": [b, a] } }), "select.allow"),
        (json!({ "provider_address": a, "select": { "deny": [b, a] } }), "provider_address"),
        (json!({ "provider_address": a, "select": { "allow": [b] } }), "provider_address"),
    ] {
        let mut config =
            json!({ "deployment": format!("{}/1", rig.owner()), "manifest": r#"{"groups":[]}"# });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = rig.provider.validate("akash_lease", &dynamic(&config)).await.unwrap();
        let paths: Vec<String> =
            told.iter().filter_map(|one| one.path.as_ref().map(ToString::to_string)).collect();
        assert!(told.has_errors() && paths == [at], "{more}: {}", text(&told));
    }
    for more in [
        json!({ "select": { "allow": [a, b], "deny": [b] } }),
        json!({ "select": { "deny": [] } }),
        json!({ "provider_address": a, "select": { "allow": [a], "deny": [b] } }),
    ] {
        let mut config =
            json!({ "deployment": format!("{}/1", rig.owner()), "manifest": r#"{"groups":[]}"# });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = rig.provider.validate("akash_lease", &dynamic(&config)).await.unwrap();
        assert!(!told.has_errors(), "{more}: {}", text(&told));
    }
}

/// An address that is only not known yet moves nothing by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_provider_may_move_it() {
    let rig = Rig::start().await;
    let (deployment, lease) = rig.leased(SDL).await;
    let here = get(&lease, "provider_address");
    let known = lease_of(&deployment, json!({ "provider_address": here }));
    let Dynamic::Map(mut config) = dynamic(&known) else { panic!("an object") };
    config.insert("provider_address".into(), Dynamic::Unknown);
    let (_, told) = rig.provider.plan("akash_lease", Some(&lease), &Dynamic::Map(config)).await.unwrap();
    assert!(!told.has_errors(), "{}", text(&told));
    assert!(says(&told, &["may move", here.as_str().unwrap()]), "{}", text(&told));
    assert!(!says(&told, &["The lease moves"]), "{}", text(&told));
    let (plan, told) = rig.plan(&lease, &known).await;
    assert!(told.is_empty() && plan.planned == lease.value, "{}", text(&told));
}
