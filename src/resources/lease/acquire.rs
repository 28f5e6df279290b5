//! From a group to a lease that runs: takes a bid, hands over the manifest, and goes on to the next provider when one
//! refuses. Used by create and move.

use std::time::Duration;

use akash_chain::{OpenReason, SubmitError};
use akash_proto::Dec;
use akash_proto::id::{GroupId, LeaseId};
use tfplugin::{Saved, Value};

use super::LeaseResource;
use super::model::{Lease, Private, Terms};
use super::receipt;
use super::upload::{Delivered, deliver};
use super::wanted::Wanted;
use crate::duration;
use crate::lifecycle::{
    cost::Cost,
    market::{self, NoLease, Patience, Taken},
    selection::Policy,
};
use crate::op::{self, Failure, Op};
use crate::receipts;

/// How long to wait for an acceptable bid, by default.
const BID_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long tidying up after a failed create may take.
const TIDY: Duration = Duration::from_secs(2 * 60);

/// The taking of a lease.
pub(super) struct Acquisition<'a> {
    pub(super) op: &'a Op,
    pub(super) planned: &'a Lease,
    pub(super) wanted: &'a Wanted,
}

impl Acquisition<'_> {
    /// Takes a bid, unless a lease is `taken` already, uploads the manifest and waits. `Ok`: there is a lease, or may be,
    /// and `op` has been told what is missing. The receipts of leases that were ended on the way are in `saved` in any
    /// case.
    pub(super) async fn run(
        &self,
        mut taken: Option<Taken>,
        saved: &mut Saved<LeaseResource>,
    ) -> Result<(), Failure> {
        let Self { op, planned, wanted } = self;
        let _leasing = op.clients.leasing.begin();
        let mut policy = Policy::new(planned.select.known(), planned.provider_address.as_deref());
        let mut refusals: Vec<String> = Vec::new();
        loop {
            let next = match taken.take() {
                Some(taken) => Ok(taken),
                None => market::take(op, &wanted.id, &mut policy, self.patience()).await,
            };
            let taken = match next {
                Ok(taken) => taken,
                Err(NoLease::Submit(error, Some((lease, price)))) if op::pending(&error).is_some() => {
                    self.pending(saved, &lease, price, *error);
                    return Ok(());
                }
                Err(no_lease) => {
                    let in_vain =
                        matches!(no_lease, NoLease::Ended(_) | NoLease::NoBids(..) | NoLease::Submit(..));
                    if in_vain && !op.limit.stopped() {
                        self.tidy().await;
                    }
                    return Err(self.failure(no_lease, &refusals));
                }
            };
            self.record(&mut saved.state, &taken.id, taken.price);
            receipts::add(&mut saved.state.receipts, receipt::taken(op, planned, &taken));
            saved.private = Private { height: Some(taken.outcome.height), ..Private::default() };
            let Delivered::Refused(why) = deliver(op, planned, wanted, saved, &taken.id).await else {
                return Ok(());
            };
            let provider = taken.id.provider();
            tracing::warn!(provider, why, "the provider does not take the manifest");
            policy.refuse(provider, "it refused the manifest in this apply");
            refusals.push(format!("- {provider}: {why}"));
            match market::pause_within(op, &op.limit.anew(TIDY), &wanted.id).await {
                Ok(outcome) => {
                    let closed = outcome.map(|outcome| receipt::closed(op, &taken.id, &outcome));
                    receipts::add(&mut saved.state.receipts, closed);
                }
                // The lease could not be ended, so it is recorded: nothing is lost.
                Err(error) => {
                    op.fail(op.unsent("Ending the lease of a provider that refused the manifest")(error));
                    return Ok(());
                }
            }
        }
    }

    fn patience(&self) -> Patience {
        let select = self.planned.select.known();
        Patience {
            settle: select.and_then(|select| duration::parse_from_zero(select.settle.as_deref()?).ok()),
            timeout: select.map_or(BID_TIMEOUT, |select| duration::or(&select.timeout, BID_TIMEOUT)),
        }
    }

    /// Leaves no order open for providers to bid on.
    async fn tidy(&self) {
        let limit = self.op.limit.anew(TIDY);
        if let Err(error) = market::pause_within(self.op, &limit, &self.wanted.id).await {
            self.op.warn(
                "The group could not be paused",
                format!(
                    "{error}. Its order stays open; that costs nothing, and the next apply goes on with it."
                ),
            );
        }
    }

    /// A lease that was asked for, and of which it is not known whether the chain took it.
    fn pending(&self, saved: &mut Saved<LeaseResource>, lease: &LeaseId, price: Dec, error: SubmitError) {
        self.record(&mut saved.state, lease, price);
        saved.state.terms.state = "pending".into();
        let Some((pending, why)) = op::pending(&error) else { return };
        saved.private.pending = Some(pending.clone());
        match why {
            OpenReason::Stopped => self.op.warn(
                format!("The lease of {} is pending", self.wanted.id),
                format!("{error}. It is recorded in state, so nothing is lost either way."),
            ),
            OpenReason::EndpointsLost | OpenReason::Broken => {
                self.op.fail(self.op.unsent("Taking a lease")(error));
            }
        }
    }

    /// Fills in what a lease just taken decides. Nothing is delivered yet.
    fn record(&self, state: &mut Lease, lease: &LeaseId, price: Dec) {
        state.provider_address = lease.provider().into();
        state.terms = Terms {
            oseq: lease.oseq().into(),
            price: price.to_string().into(),
            cost: Value::Known(Cost::of(price)),
            state: "active".into(),
            ..Terms::default()
        };
        state.reported.ready = false.into();
        state.reported.manifest_hash = Value::Null;
        if let Some(group) = self.wanted.group() {
            state.group = group.name.as_str().into();
            state.set_promised(group);
        }
    }

    /// Why there is no lease.
    fn failure(&self, no_lease: NoLease, refusals: &[String]) -> Failure {
        let id: &GroupId = &self.wanted.id;
        let refused = if refusals.is_empty() {
            String::new()
        } else {
            format!(
                "\n\nThese providers were leased and did not take the manifest; their leases are closed:\n{}",
                refusals.join("\n")
            )
        };
        match no_lease {
            NoLease::Leased(lease) => Failure::new(
                format!("Group {} of deployment {} has a lease already", id.gseq(), id.dseq()),
                format!(
                    "It is order {} with provider {}. To manage it here, import it: `terraform import ADDRESS {id}`; or \
                     close it first.",
                    lease.oseq(),
                    lease.provider()
                ),
            ),
            NoLease::Group(why) => Failure::new(
                format!("Group {} of deployment {} can't be leased", id.gseq(), id.dseq()),
                format!("No lease was taken: {why}.{refused}"),
            ),
            NoLease::NoBids(bids, waited) => Failure::at(
                "select",
                "No acceptable bid",
                format!(
                    "No acceptable bid came within {} s. {}{refused}\n\nThe group is paused, so that nobody bids in vain; \
                     the deployment stays and keeps its escrow. Loosen `select` or the SDL's prices and requirements and \
                     apply again, or destroy the deployment to get the escrow back.",
                    waited.as_secs(),
                    market::list(&bids)
                ),
            ),
            NoLease::Ended(bids) => Failure::new(
                format!("{} while waiting for bids", self.op.end_word()),
                format!("No lease was taken. {}{refused}", market::list(&bids)),
            ),
            NoLease::Query(error) => Failure::new(
                "The chain can't be asked for bids",
                format!("{error}. No lease was taken.{refused}"),
            ),
            NoLease::Submit(error, _) => self.op.unsent("Taking a lease")(*error),
        }
    }
}
