//! What is to run in a lease: its arguments, and whether they fit the deployment as it is now.

use std::time::Instant;

use akash_gateway::LeaseRef;
use akash_proto::id::{GroupId, IdError, LeaseId};
use akash_sdl::ManifestGroup;
use sha2::{Digest, Sha256};

use super::model::Lease;
use super::plan;
use crate::lifecycle::{earlier, ids, manifest::ManifestAttribute};
use crate::op::{Failure, Op};
use crate::resources::deployment::is_closed;

/// What is to run, read and checked.
pub(super) struct Wanted {
    pub(super) id: GroupId,
    pub(super) manifest: ManifestAttribute,
}

impl Wanted {
    /// Reads the arguments. The deployment must be active and have this manifest's hash.
    pub(super) async fn look(op: &Op, planned: &Lease) -> Result<Self, Failure> {
        let manifest = ManifestAttribute::read(planned.manifest.as_deref().unwrap_or_default())
            .map_err(|error| Failure::at("manifest", "Not a manifest", format!("{error}.")))?;
        let (gseq, _) = plan::group(&manifest, planned.group.as_deref())
            .map_err(|error| Failure::at("group", "No such group", error))?;
        let deployment = planned.deployment.as_deref().unwrap_or_default();
        let deployment = ids::deployment(deployment, op.clients.owner.as_deref())
            .map_err(|error| Failure::at("deployment", "Not the id of a deployment", format!("{error}.")))?;
        op.same_owner(Some(deployment.owner()))?;
        earlier::settle(op, &deployment).await?;
        let dseq = deployment.dseq();
        let found =
            op.clients.chain.deployment_since(&deployment, Instant::now()).await.map_err(|error| {
                let detail = format!("{error}. Nothing was sent.");
                Failure::at("deployment", format!("Deployment {dseq} can't be read"), detail)
            })?;
        let closed = found.as_ref().map_or_else(|| Some("The chain does not have it.".into()), is_closed);
        if let Some(reason) = closed {
            let detail = format!("{reason} Plan again.");
            return Err(Failure::at("deployment", format!("Deployment {dseq} is not active"), detail));
        }
        let hash =
            found.and_then(|found| found.deployment).map(|deployment| deployment.hash).unwrap_or_default();
        if hash != manifest.groups.hash() {
            return Err(Failure::at(
                "manifest",
                "The manifest is not the deployment's",
                format!(
                    "The chain has hash {} for deployment {dseq}, this manifest has {}; a provider would refuse it. \
                     Nothing was sent. Set `manifest` to the same deployment's, and plan again.",
                    hex::encode(&hash),
                    hex::encode(manifest.groups.hash())
                ),
            ));
        }
        let id = deployment
            .group(gseq)
            .map_err(|error| Failure::at("deployment", "No such group", format!("{error}.")))?;
        Ok(Self { id, manifest })
    }

    /// This group's part of the manifest.
    pub(super) fn group(&self) -> Option<&ManifestGroup> {
        self.manifest.groups.0.get(usize::try_from(self.id.gseq()).ok()?.checked_sub(1)?)
    }

    /// What the gateway calls the lease of this order.
    pub(super) fn lease(&self, oseq: u32) -> LeaseRef {
        LeaseRef { dseq: self.id.dseq(), gseq: self.id.gseq(), oseq }
    }
}

/// The lease's id as state has it. The error says what is missing.
pub(super) fn lease_id(id: &GroupId, state: &Lease) -> Result<LeaseId, IdError> {
    let order = id.order(state.terms.oseq.known().copied().unwrap_or_default())?;
    order.lease(state.provider_address.as_deref().unwrap_or_default())
}

/// SHA-256 of a group's part in the form in which it can be compared with what a provider reads back.
pub(super) fn digest(group: &ManifestGroup) -> String {
    hex::encode(Sha256::digest(akash_sdl::common_form(group).to_string()))
}
