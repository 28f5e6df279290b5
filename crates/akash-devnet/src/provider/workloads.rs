//! What a provider runs: the manifest of each lease, and since when.
//!
//! In memory: a devnet that starts again from a file has lost it, and answers 404 for the lease until it is sent again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use akash_proto::akash::market::v1::LeaseId;
use akash_sdl::ManifestGroup;

/// A lease at this provider: owner, dseq, gseq, oseq.
pub(super) type Key = (String, u64, u32, u32);

pub(super) fn key(id: &LeaseId) -> Key {
    (id.owner.clone(), id.dseq, id.gseq, id.oseq)
}

/// One lease's manifest.
#[derive(Clone)]
pub(super) struct Workload {
    pub(super) group: ManifestGroup,
    /// Height at which the first manifest came.
    pub(super) since: u64,
    /// Height at which this manifest came.
    pub(super) updated: u64,
    /// How many different manifests came.
    pub(super) generation: i64,
}

/// All leases with a manifest. Each method takes the lock for itself.
#[derive(Default)]
pub(super) struct Workloads(Mutex<BTreeMap<Key, Workload>>);

impl Workloads {
    /// Takes a manifest, new or again.
    pub(super) fn put(&self, key: Key, group: ManifestGroup, height: u64) {
        let mut all = self.all();
        match all.get_mut(&key) {
            Some(workload) if workload.group == group => {}
            Some(workload) => {
                workload.group = group;
                workload.updated = height;
                workload.generation += 1;
            }
            None => {
                all.insert(key, Workload { group, since: height, updated: height, generation: 1 });
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Workload> {
        self.all().get(key).cloned()
    }

    pub(super) fn keep(&self, wanted: impl Fn(&Key) -> bool) {
        self.all().retain(|key, _| wanted(key));
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.all().keys().cloned().collect()
    }

    /// A lease of another deployment that serves one of the hosts of `group`.
    pub(super) fn host_in_use(&self, owner: &str, dseq: u64, group: &ManifestGroup) -> Option<String> {
        let all = self.all();
        let others = all.iter().filter(|((o, d, ..), _)| (o.as_str(), *d) != (owner, dseq));
        let taken: Vec<&String> = others.flat_map(|(_, workload)| hosts(&workload.group)).collect();
        hosts(group).find(|host| taken.contains(host)).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Workload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The custom hosts of a group.
fn hosts(group: &ManifestGroup) -> impl Iterator<Item = &String> {
    let exposes = group.services.iter().flat_map(|service| &service.expose);
    exposes.filter_map(|expose| expose.hosts.as_ref()).flatten()
}
