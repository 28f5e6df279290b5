//! One snapshot of everything an owner runs, shared by all readers (SCHEMA.md, "State and plan", rule 13).
//!
//! This file must not know what readers do with it. A create, update or delete asks the chain directly.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use akash_proto::akash::{
    deployment::v1beta4::QueryDeploymentResponse, market::v1::LeaseFilters,
    market::v1beta5::QueryLeaseResponse, provider::v1beta4::Provider,
};
use futures::{FutureExt as _, future::BoxFuture};
use time::OffsetDateTime;

use crate::{Block, Chain, QueryError};

/// For how long after it was taken a snapshot is given out.
const LIFETIME: Duration = Duration::from_secs(5);
/// For how long what a provider has on chain is given out again: it hardly ever changes.
const PROVIDER_LIFETIME: Duration = Duration::from_secs(60);

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
    owners: Shared<Arc<Listing>>,
    providers: Shared<Option<Provider>>,
    certificates: Shared<Vec<Vec<u8>>>,
    /// Grows whenever a transaction of this wallet is sent or included: older snapshots are dropped.
    generation: AtomicU64,
}

impl Listings {
    /// Drops every snapshot of an owner.
    pub(crate) fn drop_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// Answers that concurrent askers of the same key share, and that are given out again for a while.
struct Shared<T>(Mutex<HashMap<String, Slot<T>>>);

type Slot<T> = Arc<tokio::sync::Mutex<Option<Taken<T>>>>;

struct Taken<T> {
    at: Instant,
    generation: u64,
    answer: T,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// One question to the chain, boxed: with an `AsyncFn` callers could not show that their own futures are `Send`.
type Ask<'a, T> = dyn Fn() -> BoxFuture<'a, Result<T, QueryError>> + Send + Sync + 'a;

impl<T: Clone> Shared<T> {
    /// The answer for `key`: one that is younger than `lifetime` and of the current generation, else a new one.
    async fn get(
        &self,
        key: &str,
        lifetime: Duration,
        generation: &AtomicU64,
        ask: &Ask<'_, T>,
    ) -> Result<T, QueryError> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(key.to_owned()).or_default().clone()
        };
        // Held while it is asked for, so that concurrent askers wait for one answer.
        let mut slot = slot.lock().await;
        loop {
            let current = generation.load(Ordering::Acquire);
            if let Some(taken) = slot.as_ref().filter(|taken| taken.generation == current)
                && taken.at.elapsed() < lifetime
            {
                return Ok(taken.answer.clone());
            }
            let at = Instant::now();
            let answer = ask().await?;
            *slot = Some(Taken { at, generation: current, answer: answer.clone() });
            if generation.load(Ordering::Acquire) == current {
                // Given out even if it took longer than its lifetime: it is newer than the question.
                return Ok(answer);
            }
        }
    }
}

impl Chain {
    /// The owner's listing: one snapshot at one height, shared by concurrent readers and given out for up to 5 s.
    /// It is dropped when this wallet sends a transaction and when one is included.
    pub async fn listing(&self, owner: &str) -> Result<Arc<Listing>, QueryError> {
        let listings = &self.inner().listings;
        let take = || async move { self.take_listing(owner).await.map(Arc::new) }.boxed();
        listings.owners.get(owner, LIFETIME, &listings.generation, &take).await
    }

    /// [`Chain::provider`], at most a minute old: for reads of many leases.
    pub async fn recent_provider(&self, address: &str) -> Result<Option<Provider>, QueryError> {
        let ask = || async move { self.provider(address).await }.boxed();
        self.inner().listings.providers.get(address, PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
    }

    /// [`Chain::certificates`], at most a minute old: for reads of many leases. Where a connection is refused because
    /// of its certificate, ask anew: it may have been renewed.
    pub async fn recent_certificates(&self, owner: &str) -> Result<Vec<Vec<u8>>, QueryError> {
        let ask = || async move { self.certificates(owner).await }.boxed();
        self.inner().listings.certificates.get(owner, PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
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
