//! `akash_lease`: a provider's bid taken, its manifest uploaded, its services ready.

mod acquire;
mod create;
mod delete;
mod keep;
pub(crate) mod model;
mod plan;
mod read;
mod ready;
mod receipt;
mod update;
mod upload;
mod wanted;

use akash_proto::id::GroupId;
use tfplugin::{
    Create, Delete, Diagnostics, IdentitySchema, Import, PlanCreate, PlanUpdate, Read, Saved, Update, Value,
    async_trait,
};

use super::tracked::{OnChain, Tracked};
use crate::clients::Clients;
use crate::duration::Timeouts;
use crate::journal::About;
use crate::lifecycle::ids::{self, LeaseIdentity};
use crate::op::{Failure, Op};
use model::{Lease, Private};

/// The resource.
pub(crate) type LeaseResource = Tracked<Lease>;

/// The group that a state is a lease of.
fn group(state: &Lease) -> Option<GroupId> {
    ids::group(state.id.as_deref()?, None).ok()
}

#[async_trait]
impl OnChain for Lease {
    type Private = Private;
    type Identity = LeaseIdentity;

    const TYPE_NAME: &'static str = "akash_lease";
    const ANSWERS: [&'static str; 3] = ["lease", "upload", "pause"];

    fn identity_schema() -> Option<IdentitySchema> {
        let schema = IdentitySchema::new()
            .optional("owner", "The account that owns it; by default the wallet.")
            .required("dseq", "The deployment's sequence number.")
            .required_number("gseq", "The group's number, from 1.");
        Some(schema)
    }

    fn identity(&self) -> Option<LeaseIdentity> {
        let id = group(self)?;
        Some(LeaseIdentity {
            owner: id.owner().into(),
            dseq: id.dseq().to_string().into(),
            gseq: id.gseq().into(),
        })
    }

    fn chain_id(&self) -> &Value<String> {
        &self.chain_id
    }

    fn owner(&self) -> Option<String> {
        group(self).map(|id| id.owner().to_owned())
    }

    fn about(&self) -> Option<About> {
        group(self).as_ref().map(About::from)
    }

    fn timeouts(&self) -> &Value<Timeouts> {
        &self.timeouts
    }

    fn reason(&self) -> &Value<String> {
        &self.reason
    }

    fn height(private: &mut Private) -> &mut Option<u64> {
        &mut private.height
    }

    fn validate(&self, diagnostics: &mut Diagnostics) {
        plan::validate(self, diagnostics);
    }

    fn plan_create(plan: &mut PlanCreate<LeaseResource>, diagnostics: &mut Diagnostics) {
        plan::create(plan, diagnostics);
    }

    fn plan_update(plan: &mut PlanUpdate<LeaseResource>, diagnostics: &mut Diagnostics) {
        plan::update(plan, diagnostics);
    }

    async fn create(op: &Op, create: Create<LeaseResource>) -> Result<Saved<LeaseResource>, Failure> {
        create::create(op, create).await
    }

    async fn read(op: &Op, read: Read<LeaseResource>) -> Result<Option<Saved<LeaseResource>>, Failure> {
        read::read(op, read).await
    }

    async fn update(op: &Op, update: Update<LeaseResource>) -> Saved<LeaseResource> {
        update::update(op, update).await
    }

    async fn delete(op: &Op, delete: Delete<LeaseResource>) -> Result<(), Failure> {
        delete::delete(op, delete).await
    }

    fn import(clients: &Clients, import: Import<LeaseIdentity>) -> Result<Self, Failure> {
        let wallet = clients.owner.as_deref();
        let id = match &import {
            Import::Id(id) => ids::group(id, wallet),
            Import::Identity(identity) => ids::group_of(identity, wallet),
        };
        let id = id.map_err(|error| {
            let forms = "A lease is imported by OWNER/DSEQ/GSEQ, DSEQ/GSEQ (of the wallet), or its identity.";
            Failure::new("Not the id of a lease", format!("{error}. {forms}"))
        })?;
        Ok(Self {
            id: id.to_string().into(),
            deployment: id.deployment().to_string().into(),
            chain_id: clients.chain_id.as_str().into(),
            receipts: Value::Known(Vec::new()),
            ..Self::default()
        })
    }
}
