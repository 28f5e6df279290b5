//! `akash_deployment`: what is to run, and its escrow.

mod apply;
pub(crate) mod model;
mod place;
mod plan;
mod read;

use tfplugin::{
    Context, Create, Delete, Diagnostics, IdentitySchema, Import, PlanCreate, PlanUpdate, Read, Resource,
    Saved, Schema, Update, Value, async_trait,
};

use crate::clients::{Clients, Shared};
use akash_proto::id::DeploymentId;

use crate::journal::Subject;
use crate::lifecycle::belongs::{same_chain, same_owner};
use crate::lifecycle::ids::{self, DeploymentIdentity};
use model::{Deployment, Private};
pub(crate) use read::closed as is_closed;

/// The resource.
#[derive(Debug)]
pub(crate) struct DeploymentResource {
    shared: Shared,
}

impl DeploymentResource {
    /// The resource over the provider's shared clients.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// A state has this deployment: the journal must not give it to another create.
    async fn seen(&self, state: &Deployment) {
        if let Some(clients) = self.shared.ready()
            && let Some(subject) = subject(&clients, state)
        {
            clients.journal.seen(subject).await;
        }
    }
}

/// What the journal calls the deployment that a state has.
fn subject(clients: &Clients, state: &Deployment) -> Option<Subject> {
    let id = ids::deployment(state.id.as_deref()?, None).ok()?;
    Some(clients.journal.subject(&id))
}

/// The journal's mark follows the answer.
fn answering(clients: &Clients, cx: &Context, what: &'static str, state: &Deployment) {
    clients.journal.answering(cx, what, subject(clients, state));
}

#[async_trait]
impl Resource for DeploymentResource {
    type Model = Deployment;
    type Private = Private;
    type Identity = DeploymentIdentity;

    fn type_name(&self) -> &'static str {
        "akash_deployment"
    }

    fn schema(&self) -> Schema {
        model::schema()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        let schema = IdentitySchema::new()
            .optional("owner", "The account that owns it; by default the wallet.")
            .required("dseq", "The deployment's sequence number.");
        Some(schema)
    }

    fn identity(&self, state: &Deployment) -> Option<DeploymentIdentity> {
        let id = ids::deployment(state.id.as_deref()?, None).ok()?;
        Some(DeploymentIdentity { owner: id.owner().into(), dseq: id.dseq().to_string().into() })
    }

    async fn validate(&self, _: &Context, config: &Deployment, diagnostics: &mut Diagnostics) {
        plan::validate(config, diagnostics);
    }

    async fn plan_create(&self, _: &Context, plan: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        plan::create(plan, diagnostics);
    }

    async fn plan_update(&self, _: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.ready()
            && !same_chain(&clients, &plan.prior.chain_id, diagnostics)
        {
            return;
        }
        self.seen(&plan.prior).await;
        plan::update(plan, diagnostics);
        let changes = plan.planned != plan.prior || !plan.replace.is_empty();
        if let Some(clients) = self.shared.ready().filter(|_| changes) {
            same_owner(&clients, plan.prior.owner.as_deref(), diagnostics);
        }
    }

    async fn plan_delete(&self, _: &Context, prior: &Deployment, _: &Private, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.ready() {
            let _ = same_chain(&clients, &prior.chain_id, diagnostics)
                && same_owner(&clients, prior.owner.as_deref(), diagnostics);
        }
        self.seen(prior).await;
    }

    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let clients = self.shared.clients(diagnostics)?;
        let saved = apply::create(&clients, cx, create, diagnostics).await?;
        answering(&clients, cx, "create", &saved.state);
        Some(saved)
    }

    async fn read(
        &self,
        _: &Context,
        read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        if self.shared.is_unknown() {
            return Some(Saved { state: read.state, private: read.private });
        }
        let clients = self.shared.clients_at(read.private.height, diagnostics)?;
        self.seen(&read.state).await;
        read::read(&clients, read, diagnostics).await
    }

    async fn update(&self, cx: &Context, update: Update<Self>, diagnostics: &mut Diagnostics) -> Saved<Self> {
        match self.shared.clients_at(update.private.height, diagnostics) {
            Some(clients) => {
                self.seen(&update.prior).await;
                let mut saved = apply::update(&clients, cx, update, diagnostics).await;
                saved.private.height = Some(clients.chain.remembered_height());
                answering(&clients, cx, "update", &saved.state);
                saved
            }
            None => Saved { state: update.prior, private: update.private },
        }
    }

    async fn delete(&self, cx: &Context, delete: Delete<Self>, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.clients_at(delete.private.height, diagnostics) {
            self.seen(&delete.prior).await;
            let prior = delete.prior.clone();
            apply::delete(&clients, cx, delete, diagnostics).await;
            answering(&clients, cx, "close", &prior);
        }
    }

    async fn import(
        &self,
        _: &Context,
        import: Import<DeploymentIdentity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let clients = self.shared.clients(diagnostics)?;
        let wallet = clients.owner.as_deref();
        let id = match &import {
            Import::Id(id) => ids::deployment(id, wallet),
            Import::Identity(identity) => ids::deployment_of(
                identity.owner.as_deref(),
                identity.dseq.as_deref().unwrap_or_default(),
                wallet,
            ),
        };
        match id {
            Ok(id) => Some(Saved { state: imported(&id, &clients), private: Private::default() }),
            Err(error) => {
                diagnostics.error(
                    "Not the id of a deployment",
                    format!("{error}. A deployment is imported by DSEQ (of the wallet), OWNER/DSEQ, or its identity."),
                );
                None
            }
        }
    }
}

/// The state that Terraform's read after an import starts from.
fn imported(id: &DeploymentId, clients: &Clients) -> Deployment {
    Deployment {
        id: id.to_string().into(),
        owner: id.owner().into(),
        dseq: id.dseq().to_string().into(),
        chain_id: clients.chain_id.as_str().into(),
        receipts: Value::Known(Vec::new()),
        ..Deployment::default()
    }
}
