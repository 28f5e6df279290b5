//! The provider's schemas and its block: state of earlier versions, and arguments that are not there.

use serde_json::{Value as Json, json};
use terraform_provider_akash::AkashProvider;
use tfplugin::testing::{State, in_process};

use crate::rig::{Rig, SDL, dynamic, lease_of, text};

/// The state file's JSON of a resource as an earlier version wrote it: what this one has, and `more`.
fn written_earlier(state: &State, more: &[(&str, Json)]) -> String {
    let mut json = serde_json::to_value(&state.value).unwrap();
    for (pointer, value) in more {
        let (object, name) = pointer.rsplit_once('/').unwrap();
        let object = json.pointer_mut(object).and_then(Json::as_object_mut).unwrap();
        assert!(object.insert(name.to_owned(), value.clone()).is_none(), "{pointer} is in the schema");
    }
    json.to_string()
}

/// Arguments that were in the schema before they were built: state that has them loads, and nothing is planned for it.
#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_version_before_loads() {
    let rig = Rig::start().await;
    let deployment_config = json!({ "sdl": SDL });
    let deployment = rig.create("akash_deployment", &deployment_config).await;
    let lease_config = lease_of(&deployment, json!({ "select": { "prefer": "price" } }));
    let lease = rig.create("akash_lease", &lease_config).await;
    let of_the_deployment = [
        ("/escrow", json!({ "min_runway": "72h", "target_runway": null })),
        ("/secrets", Json::Null),
        ("/secrets_version", json!("1")),
    ];
    let of_the_lease = [
        ("/on_lost", json!("repair")),
        ("/blue_green", Json::Null),
        ("/secrets", Json::Null),
        ("/select/attributes", json!({ "region": "us-west" })),
        ("/select/audited_by", Json::Null),
        ("/select/region", Json::Null),
        ("/select/weights", json!({ "price": 1 })),
    ];
    for (state, config, more) in [
        (&deployment, &deployment_config, &of_the_deployment[..]),
        (&lease, &lease_config, &of_the_lease[..]),
    ] {
        let json = written_earlier(state, more);
        let (value, told) = rig.provider.upgrade(&state.type_name, 0, &json).await.unwrap();
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(value, state.value);
        rig.nothing_to_do(&State { value, ..state.clone() }, config).await;
    }
}

/// Nothing is in a schema that the provider does not act on.
#[tokio::test]
async fn what_is_not_built_is_not_in_the_schema() {
    let provider = in_process(AkashProvider::default());
    assert!(provider.schema_problems().await.unwrap().is_empty());
    for (type_name, argument) in [
        ("akash_deployment", json!({ "escrow": {} })),
        ("akash_deployment", json!({ "secrets": {} })),
        ("akash_deployment", json!({ "secrets_version": "1" })),
        ("akash_lease", json!({ "secrets": {} })),
        ("akash_lease", json!({ "blue_green": true })),
        ("akash_lease", json!({ "on_lost": "ignore" })),
        ("akash_lease", json!({ "select": { "attributes": {} } })),
        ("akash_lease", json!({ "select": { "audited_by": [] } })),
        ("akash_lease", json!({ "select": { "region": "us-west" } })),
        ("akash_lease", json!({ "select": { "weights": {} } })),
    ] {
        let answer = provider.validate(type_name, &dynamic(&argument)).await;
        assert!(answer.is_err(), "{type_name} has {argument}");
    }
    assert!(provider.validate_provider(&dynamic(&json!({ "receipts": {} }))).await.is_err());
}

/// The same resource in the state of another chain, which is far longer.
fn elsewhere(state: &State) -> State {
    let mut value = serde_json::to_value(&state.value).unwrap();
    value["chain_id"] = json!("longer-1");
    let mut private: Json = serde_json::from_slice(&state.private).unwrap();
    private["height"] = json!(1_000_000_000);
    State { value: dynamic(&value), private: serde_json::to_vec(&private).unwrap(), ..state.clone() }
}

/// The height in state of another chain must not become the least that nodes of this one have to be at.
#[tokio::test(flavor = "multi_thread")]
async fn state_of_a_longer_chain_makes_no_node_behind() {
    let rig = Rig::start().await;
    let deployment_config = json!({ "sdl": SDL });
    let deployment = rig.create("akash_deployment", &deployment_config).await;
    let lease_config = lease_of(&deployment, json!({}));
    let lease = rig.create("akash_lease", &lease_config).await;
    let act_config = json!({ "minimum": "1uact" });
    let act = rig.create("akash_act", &act_config).await;
    let changed = SDL.replace("1.27", "1.28");
    for (state, config, change) in [
        (&act, &act_config, json!({ "minimum": "2uact" })),
        (&lease, &lease_config, lease_of(&deployment, json!({ "reason": "another" }))),
        (&deployment, &deployment_config, json!({ "sdl": changed })),
    ] {
        let foreign = elsewhere(state);
        let refused = |told: &tfplugin::Diagnostics, what: &str| {
            let told = text(told);
            assert!(told.contains("error: The resource is on another chain"), "{what}: {told}");
            assert!(told.contains("longer-1") && told.contains(rig.devnet.chain_id()), "{what}: {told}");
        };
        let (read, told) = rig.provider.read(&foreign).await.unwrap();
        refused(&told, "read");
        assert_eq!(read.map(|read| read.value).as_ref(), Some(&foreign.value));
        refused(&rig.plan(&foreign, config).await.1, "plan");
        refused(&rig.provider.plan_delete(&foreign).await.unwrap().1, "plan of a delete");
        // Terraform would stop at these plans; apply must not rely on it.
        let (update, _) = rig.plan(state, &change).await;
        let (delete, _) = rig.provider.plan_delete(state).await.unwrap();
        for (mut plan, what) in [(update, "update"), (delete, "delete")] {
            plan.prior = Some(foreign.clone());
            plan.private.clone_from(&foreign.private);
            let (left, told) = rig.provider.apply(&plan).await.unwrap();
            refused(&told, what);
            assert_eq!(left.map(|left| left.value).as_ref(), Some(&foreign.value), "{what}");
        }
        rig.nothing_to_do(state, config).await;
    }
}
