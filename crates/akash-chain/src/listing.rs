//! One snapshot of everything an owner runs, shared by all readers (SCHEMA.md, "State and plan", rule 13).
//!
//! This file must not know what readers do with it. A create, update or delete asks the chain directly.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use akash_proto::akash::{
    deployment::v1beta4::QueryDeploymentResponse, market::v1::LeaseFilters,
    market::v1beta5::QueryLeaseResponse,
};
use time::OffsetDateTime;

use crate::{Block, Chain, QueryError};

/// For how long after it was taken a snapshot is given out.
const LIFETIME: Duration = Duration::from_secs(5);

/// What an owner has on chain at one height.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The height at which every query was answered.
    pub height: u64,
    /// That block's time (UTC).
    pub time: OffsetDateTime,
    /// The active deployments by dseq, with groups and escrow.
    pub deployments: BTreeMap<u64, QueryDeploymentResponse>,
    /// The leases in the states `active` and `reclaiming`, in the chain's order. Others are history: ask for them by id.
    pub leases: Vec<QueryLeaseResponse>,
}

/// The snapshots of one [`Chain`].
#[derive(Default)]
pub(crate) struct Listings {
    owners: std::sync::Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Taken>>>>>,
    /// Grows whenever a transaction of this wallet is sent or included: older snapshots are dropped.
    generation: AtomicU64,
}

struct Taken {
    at: Instant,
    generation: u64,
    listing: Arc<Listing>,
}

impl Listings {
    /// Drops every snapshot.
    pub(crate) fn drop_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Chain {
    /// The owner's listing: one snapshot at one height, shared by concurrent readers and given out for up to 5 s.
    /// It is dropped when this wallet sends a transaction and when one is included.
    pub async fn listing(&self, owner: &str) -> Result<Arc<Listing>, QueryError> {
        let listings = &self.inner().listings;
        let slot = {
            let mut owners = listings.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.entry(owner.to_owned()).or_default().clone()
        };
        // Held while it is taken, so that concurrent readers wait for one snapshot.
        let mut slot = slot.lock().await;
        loop {
            let generation = listings.generation.load(Ordering::Acquire);
            if let Some(taken) = &*slot
                && taken.generation == generation
                && taken.at.elapsed() < LIFETIME
            {
                return Ok(taken.listing.clone());
            }
            let at = Instant::now();
            let listing = Arc::new(self.take_listing(owner).await?);
            *slot = Some(Taken { at, generation, listing });
            if listings.generation.load(Ordering::Acquire) == generation {
                // Given out even if taking it took longer than its lifetime: it is newer than the reader's question.
                return slot.as_ref().map(|taken| taken.listing.clone()).ok_or(QueryError::Malformed {
                    what: "the listing",
                    endpoint: String::new(),
                    missing: "a snapshot",
                });
            }
        }
    }

    async fn take_listing(&self, owner: &str) -> Result<Listing, QueryError> {
        let Block { height, time } = self.latest_block().await?;
        let leases = |state: &str| {
            let filters = LeaseFilters { owner: owner.into(), state: state.into(), ..Default::default() };
            self.leases_at(filters, Some(height))
        };
        let (deployments, active, reclaiming) = futures::try_join!(
            self.deployments_at(owner, Some("active"), Some(height)),
            leases("active"),
            leases("reclaiming"),
        )?;
        let deployments = deployments
            .into_iter()
            .filter_map(|row| Some((row.deployment.as_ref()?.id.as_ref()?.dseq, row)))
            .collect();
        Ok(Listing { height, time, deployments, leases: active.into_iter().chain(reclaiming).collect() })
    }
}
