//! `akash_act`: ACT in the wallet, minted from AKT when it runs low.

mod amount;
mod apply;
mod ledger;
mod model;
mod plan;
mod read;

use std::time::Duration;

use akash_chain::is_address;
use tfplugin::{
    Context, Create, Delete, Diagnostics, Import, NoIdentity, PlanCreate, PlanUpdate, Read, Resource, Saved,
    Schema, Update, Value, async_trait,
};

use crate::clients::Shared;
use crate::lifecycle::belongs::{same_chain, same_owner};
use model::{Act, Private, act};

/// How long the plan of a new one may look at the chain, for what it says of the mint.
const GLANCE: Duration = Duration::from_secs(10);

/// The resource.
#[derive(Debug)]
pub(crate) struct ActResource {
    shared: Shared,
}

impl ActResource {
    /// The resource over the provider's shared clients.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

#[async_trait]
impl Resource for ActResource {
    type Model = Act;
    type Private = Private;
    type Identity = NoIdentity;

    fn type_name(&self) -> &'static str {
        "akash_act"
    }

    fn schema(&self) -> Schema {
        model::schema()
    }

    async fn validate(&self, _: &Context, config: &Act, diagnostics: &mut Diagnostics) {
        plan::validate(config, diagnostics);
    }

    /// Nothing has been read yet, so all is unknown. What the chain says now only becomes a warning.
    async fn plan_create(&self, cx: &Context, plan: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        let Some(clients) = self.shared.ready() else { return };
        let (Some(goal), Some(owner)) = (plan.config.goal(), clients.owner.as_deref()) else { return };
        let looked = tokio::select! {
            looked = tokio::time::timeout(GLANCE, read::look(&clients, owner)) => looked,
            () = cx.cancel().cancelled() => return,
        };
        if let Ok(Ok(seen)) = looked {
            plan::tell_mint(&seen, goal, diagnostics);
        }
    }

    async fn plan_update(&self, _: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.ready()
            && !same_chain(&clients, &plan.prior.chain_id, diagnostics)
        {
            return;
        }
        plan::update(plan, diagnostics);
        let changes = plan.planned != plan.prior;
        if let Some(clients) = self.shared.ready().filter(|_| changes) {
            same_owner(&clients, plan.prior.owner.as_deref(), diagnostics);
        }
    }

    async fn plan_delete(&self, _: &Context, prior: &Act, private: &Private, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.ready()
            && (!same_chain(&clients, &prior.chain_id, diagnostics)
                || !same_owner(&clients, prior.owner.as_deref(), diagnostics))
        {
            return;
        }
        if prior.burn_on_destroy == Value::Known(true) && !private.unfinished {
            let held = private.seen.as_ref().map_or_else(String::new, |seen| {
                format!(" It held {} when it was last read.", act(seen.balance))
            });
            diagnostics.warning(
                "All ACT of the wallet is converted back to AKT",
                format!(
                    "`burn_on_destroy` is set: whatever the wallet then holds is burnt, deposits that came back \
                     included.{held}"
                ),
            );
        }
    }

    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let clients = self.shared.clients(diagnostics)?;
        apply::create(&clients, cx, create, diagnostics).await
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
        read::read(&clients, read, diagnostics).await
    }

    async fn update(&self, cx: &Context, update: Update<Self>, diagnostics: &mut Diagnostics) -> Saved<Self> {
        match self.shared.clients_at(update.private.height, diagnostics) {
            Some(clients) => {
                let mut saved = apply::update(&clients, cx, update, diagnostics).await;
                saved.private.height = Some(clients.chain.remembered_height());
                saved
            }
            None => Saved { state: update.prior, private: update.private },
        }
    }

    async fn delete(&self, cx: &Context, delete: Delete<Self>, diagnostics: &mut Diagnostics) {
        if let Some(clients) = self.shared.clients_at(delete.private.height, diagnostics) {
            apply::delete(&clients, cx, delete, diagnostics).await;
        }
    }

    async fn import(
        &self,
        _: &Context,
        import: Import<NoIdentity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let clients = self.shared.clients(diagnostics)?;
        let Import::Id(owner) = import;
        if !is_address(&owner) {
            diagnostics.error(
                "Not the address of an account",
                format!("`{owner}` is not an account address (`akash1...`). An `akash_act` is imported by the wallet's address."),
            );
            return None;
        }
        let state = Act {
            id: owner.as_str().into(),
            owner: owner.into(),
            chain_id: clients.chain_id.as_str().into(),
            receipts: Value::Known(Vec::new()),
            ..Act::default()
        };
        Some(Saved { state, private: Private::default() })
    }
}
