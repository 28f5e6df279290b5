//! Changing an `akash_lease`: nothing, an upload, or a move. An argument has its new value only if all that it stands for
//! happened.

use std::time::Instant;

use akash_gateway::ProviderTarget;
use akash_proto::akash::market::v1 as market_v1;
use akash_proto::id::LeaseId;
use tfplugin::{Model as _, Saved, Update, Value};

use super::LeaseResource;
use super::acquire::Acquisition;
use super::keep::{only_planned, restore_reported};
use super::model::{Lease, Private};
use super::plan::{self, Step};
use super::upload::{await_ready, upload};
use super::wanted::{Wanted, digest, lease_id};
use super::{read, receipt};
use crate::lifecycle::{lease_end::Reclaim, market, providers};
use crate::op::{Failure, Op};
use crate::receipts;

/// What is changed, and what it is changed from.
struct Change<'a> {
    op: &'a Op,
    prior: &'a Lease,
    planned: &'a Lease,
}

/// Does what the plan said, or less.
pub(super) async fn update(op: &Op, update: Update<LeaseResource>) -> Saved<LeaseResource> {
    let Update { prior, planned, private, .. } = update;
    let step = plan::step(&planned, &prior, &private);
    if step == Step::Record {
        return Saved { state: planned, private };
    }
    // What is planned unknown, and what stands for something to be done, is what it was until that is done.
    let mut state = planned.clone();
    state.keep_unknown_from(&prior);
    state.manifest = prior.manifest.clone();
    state.provider_address = prior.provider_address.clone();
    let mut saved = Saved { state, private };
    let change = Change { op, prior: &prior, planned: &planned };
    let changed = match Wanted::look(op, &planned).await {
        Ok(wanted) if step == Step::Move => change.relocate(&wanted, &mut saved).await,
        Ok(wanted) => change.upload(&wanted, &mut saved).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = changed {
        op.fail(failure);
    }
    saved
}

impl Change<'_> {
    /// Uploads what is planned, unless the provider has it already, and waits until it is ready. Where it can't be
    /// uploaded nothing is changed.
    async fn upload(&self, wanted: &Wanted, saved: &mut Saved<LeaseResource>) -> Result<(), Failure> {
        let Self { op, prior, planned } = self;
        let lease = lease_id(&wanted.id, prior).map_err(|error| {
            Failure::new("The state has no usable lease", format!("{error}. Nothing was sent."))
        })?;
        let uploads = plan::uploads(planned, prior);
        if uploads {
            self.takes_manifest(&lease).await?;
        }
        let provider = op.clients.chain.recent_provider(lease.provider()).await.map_err(|error| {
            Failure::new("The provider can't be looked up", format!("{error}. Nothing was sent."))
        })?;
        let provider = provider.ok_or_else(|| {
            let detail = "The chain does not have the lease's provider any more. Plan again.";
            Failure::new("The provider is gone", detail)
        })?;
        let target = providers::target(&provider);
        if uploads && !self.recorded_by(&target, wanted, &lease, saved).await {
            upload(op, wanted, saved, &target, &lease).await.map_err(|error| {
                Failure::new(
                    "The manifest was not uploaded",
                    format!("{error}. What ran before still runs; the next plan shows the upload again."),
                )
            })?;
        }
        saved.state.manifest = planned.manifest.clone();
        if let Some(group) = wanted.group() {
            saved.state.set_promised(group);
            restore_reported(&mut saved.state, prior);
        }
        await_ready(op, planned, wanted, saved, &target, &lease).await;
        if saved.state.reported.ready.is_null() {
            saved.state.reported.ready = false.into();
        }
        only_planned(&mut saved.state, planned);
        Ok(())
    }

    /// The lease must still run, and its provider take a manifest for it: else plan again.
    async fn takes_manifest(&self, lease: &LeaseId) -> Result<(), Failure> {
        let id = lease.group();
        let running = market::running_lease(self.op, id, Instant::now()).await.map_err(|error| {
            Failure::new(format!("Lease {id} can't be read"), format!("{error}. Nothing was sent."))
        })?;
        let same = |found: &market_v1::LeaseId| LeaseId::try_from(found).is_ok_and(|found| found == *lease);
        let found = running.and_then(|row| row.lease).filter(|found| found.id.as_ref().is_some_and(same));
        match found {
            Some(found) => Reclaim::of(&found).map_or(Ok(()), |reclaim| Err(plan::refused_upload(&reclaim))),
            None => Err(Failure::new(
                format!("Lease {id} is not the one of the plan any more"),
                "It ended, or the group was leased anew. Nothing was sent. Plan again.",
            )),
        }
    }

    /// Whether the provider holds this very manifest already, as after an import: then it is only recorded.
    async fn recorded_by(
        &self,
        target: &ProviderTarget,
        wanted: &Wanted,
        lease: &LeaseId,
        saved: &mut Saved<LeaseResource>,
    ) -> bool {
        let Some(group) = wanted.group() else { return false };
        let held = self.op.clients.gateway.manifest(target, wanted.lease(lease.oseq())).await.ok();
        let held = held.and_then(|held| read::held_digest(&held, &group.name));
        if held.as_deref() != Some(digest(group).as_str()) {
            return false;
        }
        saved.state.reported.manifest_hash = hex::encode(group.hash()).into();
        saved.private.digest = held;
        true
    }

    /// Moves the lease to `provider_address`: pauses the group, which ends the lease, and takes that provider's bid.
    async fn relocate(&self, wanted: &Wanted, saved: &mut Saved<LeaseResource>) -> Result<(), Failure> {
        let Self { op, prior, planned } = self;
        let ended = market::pause(op, &wanted.id)
            .await
            .map_err(op.unsent("Ending the lease at the present provider"))?;
        // An earlier apply has ended it already, where it was cut off in a move.
        let ended = ended.filter(|_| !saved.private.moving);
        let lease = lease_id(&wanted.id, prior).ok();
        let closed = lease.zip(ended).map(|(lease, outcome)| receipt::closed(op, &lease, &outcome));
        receipts::add(&mut saved.state.receipts, closed);

        let state = Lease { manifest: planned.manifest.clone(), ..saved.state.clone() };
        let mut moved = Saved { state, private: Private::default() };
        let acquired = Acquisition { op, planned, wanted }.run(None, &mut moved).await;
        if acquired.is_ok() {
            *saved = moved;
            return acquired;
        }
        // The old lease is gone and there is no new one: state says so, and the next read tells.
        saved.state.terms.state = "closed".into();
        saved.state.terms.closed_reason = "owner".into();
        saved.state.terms.reclaim_deadline = Value::Null;
        saved.state.receipts = moved.state.receipts;
        saved.private.lost = Some("It was closed to move it, and no other lease could be taken.".to_owned());
        saved.private.moving = true;
        saved.private.reclaim = None;
        acquired
    }
}
