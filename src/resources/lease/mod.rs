//! `akash_lease`: a provider's bid taken, its manifest uploaded, its services ready.

mod apply;
pub(crate) mod model;
mod plan;
mod read;
mod ready;

use tfplugin::{
    Context, Create, Delete, Diagnostics, IdentitySchema, Import, PlanCreate, PlanUpdate, Read, Resource,
    Saved, Schema, Update, Value, async_trait,
};

use crate::clients::{Clients, Shared};
use crate::journal::Subject;
use crate::lifecycle::belongs::{same_chain, same_owner};
use crate::lifecycle::ids::{self, LeaseIdentity};
use model::{Lease, Private};

/// The resource.
#[derive(Debug)]
pub(crate) struct LeaseResource {
    shared: Shared,
}

impl LeaseResource {
    /// The resource over the provider's shared clients.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// A state has this lease: the journal must not give it to another create.
    async fn seen(&self, state: &Lease) {
        if let Some(clients) = self.shared.ready()
            && let Some(subject) = subject(&clients, state)
        {
            clients.journal.seen(subject).await;
        }
    }
}

/// What the journal calls the lease that a state has.
fn subject(clients: &Clients, state: &Lease) -> Option<Subject> {
    let id = ids::group(state.id.as_deref()?, None).ok()?;
    Some(clients.journal.subject(&id))
}

/// The journal's mark follows the answer.
fn answering(clients: &Clients, cx: &Context, what: &'static str, state: &Lease) {
    clients.journal.answering(cx, what, subject(clients, state));
}

/// The account that owns a lease, by its id.
fn owner(state: &Lease) -> Option<String> {
    ids::group(state.id.as_deref()?, None).ok().map(|id| id.owner().to_owned())
}

#[async_trait]
impl Resource for LeaseResource {
    type Model = Lease;
    type Private = Private;
    type Identity = LeaseIdentity;

    fn type_name(&self) -> &'static str {
        "akash_lease"
    }

    fn schema(&self) -> Schema {
        model::schema()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        let schema = IdentitySchema::new()
            .optional("owner", "The account that owns it; by default the wallet.")
            .required("dseq", "The deployment's sequence number.")
            .required_number("gseq", "The group's number, from 1.");
        Some(schema)
    }

    fn identity(&self, state: &Lease) -> Option<LeaseIdentity> {
        let id = ids::group(state.id.as_deref()?, None).ok()?;
        Some(LeaseIdentity {
            owner: id.owner().into(),
            dseq: id.dseq().to_string().into(),
            gseq: id.gseq().into(),
        })
    }

    async fn validate(&self, _: &Context, config: &Lease, diagnostics: &mut Diagnostics) {
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
            same_owner(&clients, owner(&plan.prior).as_deref(), diagnostics);
        }
    }

    async fn plan_delete(&self, _: &Context, prior: &Lease, _: &Private, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.ready() {
            let _ = same_chain(&clients, &prior.chain_id, diagnostics)
                && same_owner(&clients, owner(prior).as_deref(), diagnostics);
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
        answering(&clients, cx, "lease", &saved.state);
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
                answering(&clients, cx, "upload", &saved.state);
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
            answering(&clients, cx, "pause", &prior);
        }
    }

    async fn import(
        &self,
        _: &Context,
        import: Import<LeaseIdentity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let clients = self.shared.clients(diagnostics)?;
        let wallet = clients.owner.as_deref();
        let id = match &import {
            Import::Id(id) => ids::group(id, wallet),
            Import::Identity(identity) => {
                let dseq = identity.dseq.as_deref().unwrap_or_default();
                ids::deployment_of(identity.owner.as_deref(), dseq, wallet).and_then(|deployment| {
                    let gseq = identity.gseq.known().copied().unwrap_or_default();
                    deployment.group(gseq).map_err(|_| "gseq counts from 1".to_owned())
                })
            }
        };
        match id {
            Ok(id) => {
                let state = Lease {
                    id: id.to_string().into(),
                    deployment: id.deployment().to_string().into(),
                    chain_id: clients.chain_id.as_str().into(),
                    receipts: Value::Known(Vec::new()),
                    ..Lease::default()
                };
                Some(Saved { state, private: Private::default() })
            }
            Err(error) => {
                diagnostics.error(
                    "Not the id of a lease",
                    format!("{error}. A lease is imported by OWNER/DSEQ/GSEQ, DSEQ/GSEQ (of the wallet), or its identity."),
                );
                None
            }
        }
    }
}
