//! Faults by name: what the devnet does wrong on purpose, for how often, and who asks for it.
//!
//! A fault is a standing order that the place it concerns looks up ([`Faults::take`]); this file must not know how
//! any of them is carried out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// One of the addresses at which the devnet's node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// gRPC over HTTP/2.
    Grpc,
    /// REST JSON and gRPC-Web.
    Rest,
    /// CometBFT JSON-RPC.
    Rpc,
}

/// What goes wrong. In JSON `{"fault":"delay_answer","path":"Simulate","millis":500}`.
///
/// `path` is matched as a part of the gRPC path that a request means, whatever carrier it came over; an empty one
/// matches every request. `provider` is a provider's configured name; absent, the fault concerns every provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, its answer never leaves: the stream or connection is broken instead.
    DropAnswer {
        /// Part of the gRPC path.
        path: String,
    },
    /// The answer waits.
    DelayAnswer {
        /// Part of the gRPC path.
        path: String,
        /// How long, in milliseconds.
        millis: u64,
    },
    /// The request is answered with a gRPC status (over REST: HTTP 503 with an HTML body, as proxies do) and not carried out.
    Unavailable {
        /// Part of the gRPC path.
        path: String,
    },
    /// A broadcast is answered as accepted and then forgotten.
    LoseBroadcast,
    /// Blocks are made, transactions wait in the mempool (until their timeout throws them out).
    HoldTransactions,
    /// The endpoint does not listen, and its connections are cut.
    StopEndpoint {
        /// Which one.
        endpoint: Endpoint,
    },
    /// Queries see the chain as it was so many blocks ago.
    StaleHeight {
        /// Blocks behind.
        blocks: u64,
    },
    /// The next transaction of more than an account's own ante costs runs out of gas at delivery.
    OutOfGas,
    /// The node does not index transactions: looking one up is an error.
    IndexingDisabled,
    /// The node refuses unordered transactions, as a chain without them does.
    NoUnordered,
    /// No provider bids.
    NoBids,
    /// Estimating a transaction that leases a bid of this provider is refused, as by a chain on which the provider is
    /// not registered any more.
    RefuseLease {
        /// The provider's address.
        provider: String,
    },
    /// A provider's gateway does not listen.
    ProviderDown {
        /// The provider's name.
        provider: Option<String>,
    },
    /// A provider's gateway shows a certificate that is not the one on chain.
    WrongCertificate {
        /// The provider's name.
        provider: Option<String>,
    },
    /// A manifest upload is answered with this HTTP status.
    ManifestStatus {
        /// The provider's name.
        provider: Option<String>,
        /// 404, 422, 500 or 503.
        status: u16,
    },
    /// A lease status request is answered with this HTTP status.
    LeaseStatus {
        /// The provider's name.
        provider: Option<String>,
        /// For example 500 or 503.
        status: u16,
    },
    /// Services never become available.
    NeverReady {
        /// The provider's name.
        provider: Option<String>,
    },
    /// Lease status reports no addresses.
    NoUris {
        /// The provider's name.
        provider: Option<String>,
    },
}

/// Names one injected fault, to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Entry {
    fault: Fault,
    /// `None` is without end.
    remaining: Option<u32>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: BTreeMap<FaultId, Entry>,
}

/// The faults in force. A cheap handle on one shared table.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    table: Arc<Mutex<Table>>,
    changes: watch::Sender<u64>,
}

impl Faults {
    /// Puts a fault in force until it is cleared.
    pub fn set(&self, fault: Fault) -> FaultId {
        self.insert(fault, None)
    }

    /// Puts a fault in force for its next `times` uses.
    pub fn times(&self, fault: Fault, times: u32) -> FaultId {
        self.insert(fault, Some(times))
    }

    /// Takes back one fault. Nothing happens when it is used up already.
    pub fn clear(&self, id: FaultId) {
        self.table().entries.remove(&id);
        self.changed();
    }

    /// Takes back all faults.
    pub fn clear_all(&self) {
        self.table().entries.clear();
        self.changed();
    }

    /// Changes its value whenever the faults in force change: for a place that a fault starts and stops.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The faults in force, oldest first.
    pub fn active(&self) -> Vec<(FaultId, Fault)> {
        self.table().entries.iter().map(|(id, entry)| (*id, entry.fault.clone())).collect()
    }

    /// Whether a fault that `matches` is in force; uses nothing up.
    pub fn is_active(&self, matches: impl Fn(&Fault) -> bool) -> bool {
        self.table().entries.values().any(|entry| matches(&entry.fault))
    }

    /// The oldest fault in force that `matches`, and one use of it.
    pub fn take(&self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut table = self.table();
        let id = table.entries.iter().find(|(_, entry)| matches(&entry.fault)).map(|(id, _)| *id)?;
        let entry = table.entries.get_mut(&id)?;
        let fault = entry.fault.clone();
        match &mut entry.remaining {
            Some(remaining) if *remaining > 1 => *remaining -= 1,
            Some(_) => drop(table.entries.remove(&id)),
            None => return Some(fault),
        }
        drop(table);
        self.changed();
        Some(fault)
    }

    fn insert(&self, fault: Fault, remaining: Option<u32>) -> FaultId {
        let mut table = self.table();
        table.next += 1;
        let id = FaultId(table.next);
        if remaining != Some(0) {
            table.entries.insert(id, Entry { fault, remaining });
        }
        drop(table);
        self.changed();
        id
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_run_out() {
        let faults = Faults::default();
        faults.times(Fault::LoseBroadcast, 2);
        let standing = faults.set(Fault::NoBids);
        assert_eq!(faults.take(|fault| *fault == Fault::LoseBroadcast), Some(Fault::LoseBroadcast));
        assert!(faults.is_active(|fault| *fault == Fault::LoseBroadcast));
        assert!(faults.take(|fault| *fault == Fault::LoseBroadcast).is_some());
        assert!(faults.take(|fault| *fault == Fault::LoseBroadcast).is_none());
        assert!(faults.take(|fault| *fault == Fault::NoBids).is_some());
        faults.clear(standing);
        assert!(faults.active().is_empty());
    }

    #[test]
    fn names_in_json() {
        let text = r#"{"fault":"stop_endpoint","endpoint":"grpc"}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::StopEndpoint { endpoint: Endpoint::Grpc });
        assert_eq!(serde_json::to_string(&fault).unwrap(), text);
    }
}
