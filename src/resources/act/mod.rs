//! `akash_act`: ACT in the wallet, minted from AKT when it runs low.

mod amount;
mod apply;
mod burn;
mod ledger;
mod mint;
mod model;
mod plan;
mod read;

use akash_chain::is_address;
use tfplugin::{
    Create, Delete, Diagnostics, Import, NoIdentity, PlanCreate, PlanUpdate, Read, Saved, Update, Value,
    async_trait,
};

use super::tracked::{OnChain, Tracked};
use crate::clients::Clients;
use crate::duration::Timeouts;
use crate::op::{Failure, Op};
pub(crate) use model::Act;
use model::{Private, act};

/// The resource.
pub(crate) type ActResource = Tracked<Act>;

#[async_trait]
impl OnChain for Act {
    type Private = Private;
    type Identity = NoIdentity;

    const TYPE_NAME: &'static str = "akash_act";

    fn chain_id(&self) -> &Value<String> {
        &self.chain_id
    }

    fn owner(&self) -> Option<String> {
        self.owner.known().cloned()
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

    /// Nothing has been read yet, so all is unknown.
    fn plan_create(_: &mut PlanCreate<ActResource>, _: &mut Diagnostics) {}

    fn plan_update(plan: &mut PlanUpdate<ActResource>, diagnostics: &mut Diagnostics) {
        plan::update(plan, diagnostics);
    }

    fn plan_delete(&self, private: &Private, diagnostics: &mut Diagnostics) {
        if self.burn_on_destroy == Value::Known(true) && !private.unfinished {
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

    /// What the mint of a new one would take.
    async fn glance(&self, prior: Option<&Self>, clients: &Clients, diagnostics: &mut Diagnostics) {
        let (None, Some(goal), Some(owner)) = (prior, self.goal(), clients.owner.as_deref()) else { return };
        if let Ok(seen) = read::look(clients, owner).await {
            plan::tell_mint(&seen, goal, diagnostics);
        }
    }

    async fn create(op: &Op, create: Create<ActResource>) -> Result<Saved<ActResource>, Failure> {
        apply::create(op, create).await
    }

    async fn read(op: &Op, read: Read<ActResource>) -> Result<Option<Saved<ActResource>>, Failure> {
        read::read(op, read).await
    }

    async fn update(op: &Op, update: Update<ActResource>) -> Saved<ActResource> {
        apply::update(op, update).await
    }

    async fn delete(op: &Op, delete: Delete<ActResource>) -> Result<(), Failure> {
        apply::delete(op, delete).await
    }

    fn import(clients: &Clients, import: Import<NoIdentity>) -> Result<Self, Failure> {
        let Import::Id(owner) = import;
        if !is_address(&owner) {
            return Err(Failure::new(
                "Not the address of an account",
                format!(
                    "`{owner}` is not an account address (`akash1...`). An `akash_act` is imported by the wallet's address."
                ),
            ));
        }
        Ok(Self {
            id: owner.as_str().into(),
            owner: owner.into(),
            chain_id: clients.chain_id.as_str().into(),
            receipts: Value::Known(Vec::new()),
            ..Self::default()
        })
    }
}
