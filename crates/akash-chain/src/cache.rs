//! Answers that readers share: one snapshot of everything an owner runs (SCHEMA.md, "State and plan", rule 13), and what
//! hardly ever changes.
//!
//! A create, update or delete asks with the instant since which an answer counts ([`Chain::listing_since`]); those that
//! ask at the same time share one. This file must not know what is done with any of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use akash_proto::{
    akash::{
        audit::v1::AuditedProvider,
        deployment::v1beta4::{Params, QueryDeploymentResponse},
        market::v1::LeaseFilters,
        market::v1beta5::QueryLeaseResponse,
        provider::v1beta4::Provider,
    },
    id::DeploymentId,
};
use futures::{FutureExt as _, future::BoxFuture};
use time::OffsetDateTime;

use crate::{Block, Chain, QueryError};

/// For how long after it was taken a snapshot is given out.
const LIFETIME: Duration = Duration::from_secs(5);
/// For how long what a provider has on chain is given out again, and parameters: they hardly ever change.
const PROVIDER_LIFETIME: Duration = Duration::from_secs(60);
/// How long a question of an operation waits for those of others, as its message does later.
const BATCH_WINDOW: Duration = Duration::from_millis(50);
/// A block's time never changes.
const FOR_EVER: Duration = Duration::MAX;

/// What an owner has on chain at one height.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The height at which every query was answered.
    pub height: u64,
    /// That block's time (UTC).
    pub time: OffsetDateTime,
    /// The active deployments, with groups and escrow.
    pub deployments: BTreeMap<DeploymentId, QueryDeploymentResponse>,
    /// The leases in the states `active` and `reclaiming`, in the chain's order. Others are history: ask for them by id.
    pub leases: Vec<QueryLeaseResponse>,
}

/// All providers that are registered, and what auditors have signed of them, at one height. Whether a provider is online
/// is not on chain.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The height at which every query was answered.
    pub height: u64,
    /// In the chain's order.
    pub providers: Vec<Provider>,
    /// One for each provider and auditor, in the chain's order.
    pub audits: Vec<AuditedProvider>,
}

/// The snapshots of one [`Chain`].
#[derive(Default)]
pub(crate) struct Cache {
    owners: Shared<Arc<Listing>>,
    providers: Shared<Option<Provider>>,
    registry: Shared<Arc<Registry>>,
    certificates: Shared<Vec<Vec<u8>>>,
    params: Shared<Params>,
    block_times: Shared<OffsetDateTime>,
    /// Grows whenever a transaction of this wallet is sent or included: older snapshots are dropped.
    generation: AtomicU64,
}

impl Cache {
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
    answer: Result<T, QueryError>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// One question to the chain, boxed: with an `AsyncFn` callers could not show that their own futures are `Send`.
type Ask<'a, T> = dyn Fn() -> BoxFuture<'a, Result<T, QueryError>> + Send + Sync + 'a;

impl<T: Clone> Shared<T> {
    fn slot(&self, key: &str) -> Slot<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().clone()
    }

    /// The answer for `key`: one that is younger than `lifetime` and of the current generation, else a new one.
    async fn get(
        &self,
        key: &str,
        lifetime: Duration,
        generation: &AtomicU64,
        ask: &Ask<'_, T>,
    ) -> Result<T, QueryError> {
        let since = Instant::now();
        let slot = self.slot(key);
        // Held while it is asked for, so that concurrent askers wait for one answer.
        let mut slot = slot.lock().await;
        loop {
            let current = generation.load(Ordering::Acquire);
            if let Some(taken) = slot.as_ref().filter(|taken| taken.generation == current) {
                // A failure is for those alone that waited for it.
                let counts =
                    if taken.answer.is_ok() { taken.at.elapsed() < lifetime } else { taken.at >= since };
                if counts {
                    return taken.answer.clone();
                }
            }
            let answer = Taken::take(&mut slot, current, ask).await;
            if answer.is_err() || generation.load(Ordering::Acquire) == current {
                // Given out even if it took longer than its lifetime: it is newer than the question.
                return answer;
            }
        }
    }

    /// The answer for `key`: one that was asked for after `since`, else a new one.
    async fn get_since(
        &self,
        key: &str,
        since: Instant,
        generation: &AtomicU64,
        ask: &Ask<'_, T>,
    ) -> Result<T, QueryError> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if let Some(taken) = slot.as_ref().filter(|taken| taken.at >= since) {
            return taken.answer.clone();
        }
        // Operations that begin one after another within a moment share it too.
        tokio::time::sleep(BATCH_WINDOW).await;
        Taken::take(&mut slot, generation.load(Ordering::Acquire), ask).await
    }
}

impl<T: Clone> Taken<T> {
    async fn take(slot: &mut Option<Self>, generation: u64, ask: &Ask<'_, T>) -> Result<T, QueryError> {
        let at = Instant::now();
        let answer = ask().await;
        *slot = Some(Self { at, generation, answer: answer.clone() });
        answer
    }
}

impl Chain {
    /// The owner's listing: one snapshot at one height, shared by concurrent readers and given out for up to 5 s.
    /// It is dropped when this wallet sends a transaction and when one is included.
    pub async fn listing(&self, owner: &str) -> Result<Arc<Listing>, QueryError> {
        let cache = &self.inner().cache;
        let take = || async move { self.take_listing(owner).await.map(Arc::new) }.boxed();
        cache.owners.get(owner, LIFETIME, &cache.generation, &take).await
    }

    /// The owner's listing as of after `since`, for a create, update or delete that began then. Those that ask while one
    /// is taken share the next one, so that any number of them costs two at most.
    pub async fn listing_since(&self, owner: &str, since: Instant) -> Result<Arc<Listing>, QueryError> {
        let cache = &self.inner().cache;
        let take = || async move { self.take_listing(owner).await.map(Arc::new) }.boxed();
        cache.owners.get_since(owner, since, &cache.generation, &take).await
    }

    /// [`Chain::deployment`] as of after `since`: from [`Chain::listing_since`] while it is active, and only what is
    /// not is asked for by itself.
    pub async fn deployment_since(
        &self,
        id: &DeploymentId,
        since: Instant,
    ) -> Result<Option<QueryDeploymentResponse>, QueryError> {
        match self.listing_since(id.owner(), since).await?.deployments.get(id) {
            Some(found) => Ok(Some(found.clone())),
            None => self.deployment(id).await,
        }
    }

    /// [`Chain::deployment_params`], at most a minute old. They change by the network's vote.
    pub async fn recent_deployment_params(&self) -> Result<Params, QueryError> {
        let ask = || async move { self.deployment_params().await }.boxed();
        self.inner().cache.params.get("", PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
    }

    /// [`Chain::block_time`], asked for once for each height.
    pub async fn known_block_time(&self, height: u64) -> Result<OffsetDateTime, QueryError> {
        let ask = || async move { self.block_time(height).await }.boxed();
        let times = &self.inner().cache.block_times;
        times.get(&height.to_string(), FOR_EVER, &AtomicU64::new(0), &ask).await
    }

    /// [`Chain::provider`], at most a minute old: for reads of many leases.
    pub async fn recent_provider(&self, address: &str) -> Result<Option<Provider>, QueryError> {
        let ask = || async move { self.provider(address).await }.boxed();
        self.inner().cache.providers.get(address, PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
    }

    /// All providers with their audits, in one snapshot that is at most a minute old. As many requests as there are pages
    /// of either, and one for the height.
    pub async fn recent_registry(&self) -> Result<Arc<Registry>, QueryError> {
        let ask = || async move { self.take_registry().await.map(Arc::new) }.boxed();
        self.inner().cache.registry.get("", PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
    }

    async fn take_registry(&self) -> Result<Registry, QueryError> {
        let Block { height, .. } = self.latest_block().await?;
        let (providers, audits) =
            futures::try_join!(self.providers_at(Some(height)), self.all_audits_at(Some(height)))?;
        Ok(Registry { height, providers, audits })
    }

    /// [`Chain::certificates`], at most a minute old: for reads of many leases. Where a connection is refused because
    /// of its certificate, ask anew: it may have been renewed.
    pub async fn recent_certificates(&self, owner: &str) -> Result<Vec<Vec<u8>>, QueryError> {
        let ask = || async move { self.certificates(owner).await }.boxed();
        self.inner().cache.certificates.get(owner, PROVIDER_LIFETIME, &AtomicU64::new(0), &ask).await
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
            .filter_map(|row| Some((row.deployment.as_ref()?.id.as_ref()?.try_into().ok()?, row)))
            .collect();
        Ok(Listing { height, time, deployments, leases: active.into_iter().chain(reclaiming).collect() })
    }
}
