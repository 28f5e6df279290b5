//! Handing a lease's manifest to its provider, and waiting until the services are ready.

use akash_gateway::{ManifestError, ProviderTarget};
use akash_proto::id::LeaseId;
use secrecy::SecretString;
use tfplugin::{Saved, Value};

use super::LeaseResource;
use super::model::Lease;
use super::ready::{self, Readiness};
use super::receipt;
use super::wanted::{Wanted, digest};
use crate::lifecycle::providers;
use crate::op::{Failure, Op};
use crate::receipts;

/// How a delivery ended.
pub(super) enum Delivered {
    /// As far as it goes; `op` has been told what is missing.
    Done,
    /// The provider does not take the manifest.
    Refused(String),
}

/// Hands the manifest to the provider of a lease just taken and waits until it is ready.
pub(super) async fn deliver(
    op: &Op,
    planned: &Lease,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    lease: &LeaseId,
) -> Delivered {
    let provider = match op.clients.chain.recent_provider(lease.provider()).await {
        Ok(Some(provider)) => provider,
        Ok(None) => return Delivered::Refused("the chain does not have this provider any more".into()),
        Err(error) => {
            op.fail(Failure::new(
                "The provider can't be looked up",
                format!("{error}. The lease is taken and recorded; the next apply uploads the manifest."),
            ));
            return Delivered::Done;
        }
    };
    saved.state.terms.provider_host = providers::host(&provider).into();
    saved.state.terms.provider_attributes = Value::Known(providers::attributes(&provider));
    let target = providers::target(&provider);
    match upload(op, wanted, saved, &target, lease).await {
        Ok(()) => {}
        Err(ManifestError::Cancelled { .. }) => {
            outstanding(op, "The manifest is not uploaded yet");
            return Delivered::Done;
        }
        // Without a signer or a usable client no other provider would do better.
        Err(error @ ManifestError::Call(_)) if !error.is_permanent() => {
            op.fail(Failure::new("The manifest could not be uploaded", format!("{error}.")));
            return Delivered::Done;
        }
        Err(_) if op.limit.ended() => {
            outstanding(op, "The manifest is not uploaded yet");
            return Delivered::Done;
        }
        Err(error) => return Delivered::Refused(error.to_string()),
    }
    await_ready(op, planned, wanted, saved, &target, lease).await;
    Delivered::Done
}

/// Uploads the manifest and records it.
pub(super) async fn upload(
    op: &Op,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    target: &ProviderTarget,
    lease: &LeaseId,
) -> Result<(), ManifestError> {
    let body = SecretString::from(wanted.manifest.groups.canonical_json());
    let deadline = Some(op.limit.deadline());
    op.clients.gateway.put_manifest(target, lease.dseq(), &body, deadline, op.limit.token()).await?;
    let Some(group) = wanted.group() else { return Ok(()) };
    let hash = hex::encode(group.hash());
    receipts::add(&mut saved.state.receipts, receipt::uploaded(op, lease, wanted, &hash));
    saved.state.reported.manifest_hash = hash.into();
    saved.state.reported.ready = false.into();
    saved.private.digest = Some(digest(group));
    Ok(())
}

/// Waits until the services are ready, where that is asked for. What is outstanding when the user stops is a warning;
/// when time runs out, an error.
pub(super) async fn await_ready(
    op: &Op,
    planned: &Lease,
    wanted: &Wanted,
    saved: &mut Saved<LeaseResource>,
    target: &ProviderTarget,
    lease: &LeaseId,
) {
    if planned.wait_for_ready.known() == Some(&false) {
        return;
    }
    let Some(group) = wanted.group() else { return };
    let reference = wanted.lease(lease.oseq());
    match ready::wait(&op.clients, target, reference, group, &mut saved.state, &op.limit).await {
        Readiness::Ready(missing) => {
            saved.state.reported.ready = true.into();
            if !missing.is_empty() {
                op.warn(
                    "The provider does not report every address",
                    format!(
                        "The services are ready, but these are not known; they are taken over when the provider reports \
                         them:\n- {}",
                        missing.join("\n- ")
                    ),
                );
            }
        }
        Readiness::Ended(_) if op.limit.stopped() => outstanding(op, "The services are not ready yet"),
        Readiness::Ended(last) => {
            let more = ready::why_not(&op.clients, target, reference).await;
            op.fail(Failure::new(
                "The services are not ready in time",
                format!(
                    "The lease is taken, the manifest is uploaded, and both are recorded. The provider says:\n{last}{more}\n\n\
                     After a failed create the next apply takes a new lease with the same deployment; `terraform untaint ADDRESS` \
                     keeps this one, and the next apply waits for it again. `timeouts` sets how long."
                ),
            ));
        }
    }
}

/// Tells that an operation ended with something left to do: a warning when the user stopped it.
fn outstanding(op: &Op, what: &str) {
    if op.limit.stopped() {
        op.warn(
            format!("{what}: stopped"),
            "The lease is taken and recorded. The next plan is an update in place that goes on from there.",
        );
    } else {
        op.fail(Failure::new(
            format!("{what}: out of time"),
            "The lease is taken and recorded. After a failed create the next apply takes a new lease with the same \
             deployment; `terraform untaint ADDRESS` keeps this one, and the next apply goes on from there, as after a \
             failed update. `timeouts` sets how long an operation may take.",
        ));
    }
}
