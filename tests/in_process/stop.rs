//! Ctrl-C ends what only looks at the chain at once, however long a node keeps silent.

use std::time::{Duration, Instant};

use akash_devnet::Fault;
use serde_json::json;

use crate::rig::{Rig, SDL, dynamic, get, lease_of, text};

/// A node that answers nothing for a minute.
fn silent() -> Fault {
    Fault::DelayAnswer { path: String::new(), millis: 60_000 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_reads_and_data_sources() {
    let rig = Rig::start().await;
    let (deployment, lease) = rig.leased(SDL).await;
    rig.devnet.faults().set(silent());
    let bids = dynamic(&json!({ "deployment": get(&deployment, "id") }));
    let begun = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.provider.stop().await.unwrap();
    };
    let (of_deployment, of_lease, of_bids, ()) = tokio::join!(
        rig.provider.read(&deployment),
        rig.provider.read(&lease),
        rig.provider.read_data("akash_bids", &bids),
        stop
    );
    // The node is silent for a minute, and a request to it lasts ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for told in [of_deployment.unwrap().1, of_lease.unwrap().1, of_bids.unwrap().1] {
        assert!(told.has_errors() && text(&told).contains("Stopped"), "{}", text(&told));
    }
    rig.devnet.faults().clear_all();
    rig.nothing_to_do(&lease, &lease_of(&deployment, json!({}))).await;
}
