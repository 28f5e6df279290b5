//! `akash_deployment`: what is to run, and its escrow.

mod close;
mod create;
mod messages;
pub(crate) mod model;
mod place;
mod plan;
mod read;
mod update;

use akash_proto::id::DeploymentId;
use tfplugin::{
    Create, Delete, Diagnostics, IdentitySchema, Import, PlanCreate, PlanUpdate, Read, Saved, Update, Value,
    async_trait,
};

use super::tracked::{OnChain, Tracked};
use crate::clients::Clients;
use crate::duration::Timeouts;
use crate::journal::About;
use crate::lifecycle::ids::{self, DeploymentIdentity};
use crate::lifecycle::supply;
use crate::op::{Failure, Op};
use model::{Deployment, Private};
pub(crate) use read::closed as is_closed;

/// The resource.
pub(crate) type DeploymentResource = Tracked<Deployment>;

/// The deployment that a state is of.
fn id(state: &Deployment) -> Option<DeploymentId> {
    ids::deployment(state.id.as_deref()?, None).ok()
}

#[async_trait]
impl OnChain for Deployment {
    type Private = Private;
    type Identity = DeploymentIdentity;

    const TYPE_NAME: &'static str = "akash_deployment";
    const ANSWERS: [&'static str; 3] = ["create", "update", "close"];

    fn identity_schema() -> Option<IdentitySchema> {
        let schema = IdentitySchema::new()
            .optional("owner", "The account that owns it; by default the wallet.")
            .required("dseq", "The deployment's sequence number.");
        Some(schema)
    }

    fn identity(&self) -> Option<DeploymentIdentity> {
        let id = id(self)?;
        Some(DeploymentIdentity { owner: id.owner().into(), dseq: id.dseq().to_string().into() })
    }

    fn chain_id(&self) -> &Value<String> {
        &self.chain_id
    }

    fn owner(&self) -> Option<String> {
        self.owner.known().cloned()
    }

    fn about(&self) -> Option<About> {
        id(self).as_ref().map(About::from)
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

    fn plan_create(plan: &mut PlanCreate<DeploymentResource>, diagnostics: &mut Diagnostics) {
        plan::create(plan, diagnostics);
    }

    fn plan_update(plan: &mut PlanUpdate<DeploymentResource>, diagnostics: &mut Diagnostics) {
        plan::update(plan, diagnostics);
    }

    async fn glance(&self, prior: Option<&Self>, clients: &Clients, diagnostics: &mut Diagnostics) {
        // What is there already is not asked of providers again; a replacement is planned as a create, too.
        if let (None, Value::Known(text)) = (prior, &self.sdl)
            && let Ok(sdl) = plan::compiled(text)
        {
            supply::warn(clients, &sdl.groups, diagnostics).await;
        }
    }

    async fn create(
        op: &Op,
        create: Create<DeploymentResource>,
    ) -> Result<Saved<DeploymentResource>, Failure> {
        create::create(op, create).await
    }

    async fn read(
        op: &Op,
        read: Read<DeploymentResource>,
    ) -> Result<Option<Saved<DeploymentResource>>, Failure> {
        read::read(op, read).await
    }

    async fn update(op: &Op, update: Update<DeploymentResource>) -> Saved<DeploymentResource> {
        update::update(op, update).await
    }

    async fn delete(op: &Op, delete: Delete<DeploymentResource>) -> Result<(), Failure> {
        close::delete(op, delete).await
    }

    fn import(clients: &Clients, import: Import<DeploymentIdentity>) -> Result<Self, Failure> {
        let wallet = clients.owner.as_deref();
        let id = match &import {
            Import::Id(id) => ids::deployment(id, wallet),
            Import::Identity(identity) => ids::deployment_of(
                identity.owner.as_deref(),
                identity.dseq.as_deref().unwrap_or_default(),
                wallet,
            ),
        };
        let id = id.map_err(|error| {
            let forms = "A deployment is imported by DSEQ (of the wallet), OWNER/DSEQ, or its identity.";
            Failure::new("Not the id of a deployment", format!("{error}. {forms}"))
        })?;
        Ok(Self {
            id: id.to_string().into(),
            owner: id.owner().into(),
            dseq: id.dseq().to_string().into(),
            chain_id: clients.chain_id.as_str().into(),
            receipts: Value::Known(Vec::new()),
            ..Self::default()
        })
    }
}
