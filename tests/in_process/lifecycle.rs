//! The whole life of a deployment and its lease.

use serde_json::json;

use crate::rig::{Rig, SDL, get, lease_of};

#[tokio::test(flavor = "multi_thread")]
async fn from_sdl_to_ready_and_back() {
    let rig = Rig::start().await;
    let before = rig.devnet.balance(&rig.owner(), "uact");
    let (deployment, lease) = rig.leased(SDL).await;
    assert_eq!(get(&deployment, "state"), json!("active"));
    assert_eq!((get(&lease, "state"), get(&lease, "ready")), (json!("active"), json!(true)));
    rig.nothing_to_do(&deployment, &json!({ "sdl": SDL })).await;
    rig.nothing_to_do(&lease, &lease_of(&deployment, json!({}))).await;

    let changed = SDL.replace("1.27", "1.28");
    let updated = rig.apply("akash_deployment", Some(&deployment), &json!({ "sdl": changed })).await.ok();
    assert_eq!(
        (get(&updated, "id"), get(&updated, "dseq")),
        (get(&deployment, "id"), get(&deployment, "dseq"))
    );
    let uploaded = rig.apply("akash_lease", Some(&lease), &lease_of(&updated, json!({}))).await.ok();
    assert_ne!(get(&uploaded, "manifest_hash"), get(&lease, "manifest_hash"));

    rig.destroy(&uploaded).await;
    rig.destroy(&updated).await;
    assert!(rig.devnet.active_deployments(&rig.owner()).is_empty());
    // Blocks are short and the price is small: of the deposit only a few blocks' rent is gone.
    let spent = before - rig.devnet.balance(&rig.owner(), "uact");
    assert!(spent < 500_000, "{spent} uact were not refunded");
}
