//! What all resources on the chain share around their own work: the clients, whose chain and wallet is compared before
//! anything else; one operation for each call, bounded and stopped in one place; the journal's marks; import by id.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tfplugin::{
    Context, Create, Delete, Diagnostics, IdentitySchema, Import, Model, PlanCreate, PlanUpdate, Read,
    Resource, Saved, Schema, Update, Value, async_trait,
};

use crate::clients::{Clients, Shared};
use crate::duration::Timeouts;
use crate::journal::About;
use crate::op::{Failure, Op};

/// How long a read may take, all its tries together.
const READ: Duration = Duration::from_secs(60);
/// How long a plan may look at the chain for what it warns of.
const GLANCE: Duration = Duration::from_secs(10);

/// A resource's own part: implemented by its model.
#[async_trait]
pub(crate) trait OnChain: Model + Clone + PartialEq + Sized + 'static {
    /// What is remembered beside the state.
    type Private: Serialize + DeserializeOwned + Default + Send + Sync;
    /// What identifies it outside of Terraform.
    type Identity: Serialize + DeserializeOwned + Send + Sync;

    /// The whole name.
    const TYPE_NAME: &'static str;
    /// What the answers of create, update and delete are called where tests kill the plugin.
    const ANSWERS: [&'static str; 3] = ["create", "update", "delete"];

    /// The parts of the identity.
    fn identity_schema() -> Option<IdentitySchema> {
        None
    }

    /// The identity of this state, as far as it is known.
    fn identity(&self) -> Option<Self::Identity> {
        None
    }

    /// The chain that the state is of.
    fn chain_id(&self) -> &Value<String>;
    /// The account that it belongs to.
    fn owner(&self) -> Option<String>;

    /// What the journal calls it; nothing for what it does not keep.
    fn about(&self) -> Option<About> {
        None
    }

    /// How long its operations may take.
    fn timeouts(&self) -> &Value<Timeouts>;
    /// What its receipts give as reason.
    fn reason(&self) -> &Value<String>;
    /// The block height at which it was last read or changed: nothing older is believed.
    fn height(private: &mut Self::Private) -> &mut Option<u64>;

    /// Checks the configuration; values may be unknown.
    fn validate(&self, diagnostics: &mut Diagnostics);
    /// Plans a create: a function of its arguments alone.
    fn plan_create(plan: &mut PlanCreate<Tracked<Self>>, diagnostics: &mut Diagnostics);
    /// Plans an update: a function of its arguments alone.
    fn plan_update(plan: &mut PlanUpdate<Tracked<Self>>, diagnostics: &mut Diagnostics);

    /// What the plan of its end warns of.
    fn plan_delete(&self, _: &Self::Private, _: &mut Diagnostics) {}

    /// What the plan of it (of a change from `prior`) warns of by a look at the chain. Decides nothing.
    async fn glance(&self, _prior: Option<&Self>, _: &Clients, _: &mut Diagnostics) {}

    /// Creates. What was sent is in the state that comes back, also beside a failure that is told to `op`.
    async fn create(op: &Op, create: Create<Tracked<Self>>) -> Result<Saved<Tracked<Self>>, Failure>;
    /// Reads; may be dropped at any point. `None`: it is gone, and a warning says why.
    async fn read(op: &Op, read: Read<Tracked<Self>>) -> Result<Option<Saved<Tracked<Self>>>, Failure>;
    /// Changes. Returns what was really done, also beside a failure that is told to `op`.
    async fn update(op: &Op, update: Update<Tracked<Self>>) -> Saved<Tracked<Self>>;
    /// Ends it.
    async fn delete(op: &Op, delete: Delete<Tracked<Self>>) -> Result<(), Failure>;
    /// The state that Terraform's read after an import starts from.
    fn import(clients: &Clients, import: Import<Self::Identity>) -> Result<Self, Failure>;
}

/// The resource as Terraform's protocol has it.
#[derive(Debug)]
pub(crate) struct Tracked<R> {
    shared: Shared,
    own: PhantomData<fn() -> R>,
}

impl<R: OnChain> Tracked<R> {
    /// The resource over the provider's shared clients.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, own: PhantomData }
    }

    /// The clients, for what a state has: of its chain, and from then on knowing its height.
    fn clients_of(
        &self,
        state: &R,
        private: &mut R::Private,
        diagnostics: &mut Diagnostics,
    ) -> Option<Arc<Clients>> {
        let clients = self.shared.clients_at(state.chain_id(), *R::height(private));
        clients.map_err(|failure| failure.tell(diagnostics)).ok()
    }

    /// A state has this resource: the journal must not give it to another create.
    async fn seen(&self, clients: &Clients, state: &R) {
        if let Some(about) = state.about() {
            clients.journal.seen(clients.journal.subject(about)).await;
        }
    }

    /// What is planned for a resource of another chain is an error.
    async fn of_its_chain(&self, prior: &R) -> Result<(), Failure> {
        let Some(clients) = self.shared.ready() else { return Ok(()) };
        clients.same_chain(prior.chain_id())?;
        self.seen(&clients, prior).await;
        Ok(())
    }

    /// So is a change of what belongs to another wallet.
    fn of_its_wallet(&self, prior: &R, diagnostics: &mut Diagnostics) {
        let checked = self.shared.ready().map(|clients| clients.same_owner(prior.owner().as_deref()));
        if let Some(Err(failure)) = checked {
            failure.tell(diagnostics);
        }
    }

    /// What the chain says to a plan becomes warnings; it may take a moment, and its silence changes nothing.
    async fn glance(&self, cx: &Context, planned: &R, prior: Option<&R>, diagnostics: &mut Diagnostics) {
        let Some(clients) = self.shared.ready() else { return };
        let mut warnings = Diagnostics::new();
        let looked = tokio::select! {
            looked = tokio::time::timeout(GLANCE, planned.glance(prior, &clients, &mut warnings)) => looked.is_ok(),
            () = cx.cancel().cancelled() => false,
        };
        if looked {
            diagnostics.extend(warnings);
        }
    }
}

#[async_trait]
impl<R: OnChain> Resource for Tracked<R> {
    type Model = R;
    type Private = R::Private;
    type Identity = R::Identity;

    fn type_name(&self) -> &'static str {
        R::TYPE_NAME
    }

    fn schema(&self) -> Schema {
        <R as Model>::schema()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        R::identity_schema()
    }

    fn identity(&self, state: &R) -> Option<R::Identity> {
        state.identity()
    }

    async fn validate(&self, _: &Context, config: &R, diagnostics: &mut Diagnostics) {
        config.validate(diagnostics);
    }

    async fn plan_create(&self, cx: &Context, plan: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        R::plan_create(plan, diagnostics);
        self.glance(cx, &plan.planned, None, diagnostics).await;
    }

    async fn plan_update(&self, cx: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        if let Err(failure) = self.of_its_chain(&plan.prior).await {
            return failure.tell(diagnostics);
        }
        R::plan_update(plan, diagnostics);
        if plan.planned != plan.prior || !plan.replace.is_empty() {
            self.of_its_wallet(&plan.prior, diagnostics);
            self.glance(cx, &plan.planned, Some(&plan.prior), diagnostics).await;
        }
    }

    async fn plan_delete(&self, _: &Context, prior: &R, private: &R::Private, diagnostics: &mut Diagnostics) {
        match self.of_its_chain(prior).await {
            Ok(()) => self.of_its_wallet(prior, diagnostics),
            Err(failure) => failure.tell(diagnostics),
        }
        if !diagnostics.has_errors() {
            prior.plan_delete(private, diagnostics);
        }
    }

    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let planned = &create.planned;
        let clients = self.shared.clients().map_err(|failure| failure.tell(diagnostics)).ok()?;
        let op = Op::start(clients.clone(), cx, Timeouts::create(planned.timeouts()), planned.reason());
        let result = R::create(&op, create).await;
        let saved = op.finish(result, diagnostics)?;
        let [create, ..] = R::ANSWERS;
        answering(&clients, cx, create, saved.state.about());
        Some(saved)
    }

    async fn read(
        &self,
        cx: &Context,
        mut read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        if self.shared.is_unknown() {
            return Some(Saved { state: read.state, private: read.private });
        }
        let clients = self.clients_of(&read.state, &mut read.private, diagnostics)?;
        self.seen(&clients, &read.state).await;
        let op = Op::start(clients, cx, READ, read.state.reason());
        let result = op.run(<R as OnChain>::read(&op, read)).await;
        op.finish(result, diagnostics).flatten()
    }

    async fn update(
        &self,
        cx: &Context,
        mut update: Update<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Saved<Self> {
        let Some(clients) = self.clients_of(&update.prior, &mut update.private, diagnostics) else {
            return Saved { state: update.prior, private: update.private };
        };
        self.seen(&clients, &update.prior).await;
        let planned = &update.planned;
        let op = Op::start(clients.clone(), cx, Timeouts::update(planned.timeouts()), planned.reason());
        let mut saved = R::update(&op, update).await;
        *R::height(&mut saved.private) = Some(clients.chain.remembered_height());
        op.finish(Ok(()), diagnostics);
        let [_, update, _] = R::ANSWERS;
        answering(&clients, cx, update, saved.state.about());
        saved
    }

    async fn delete(&self, cx: &Context, mut delete: Delete<Self>, diagnostics: &mut Diagnostics) {
        let prior = &delete.prior;
        let Some(clients) = self.clients_of(prior, &mut delete.private, diagnostics) else { return };
        self.seen(&clients, prior).await;
        let about = prior.about();
        let op = Op::start(clients.clone(), cx, Timeouts::delete(prior.timeouts()), prior.reason());
        let _closing = clients.closing.begin();
        let result = match op.same_owner(prior.owner().as_deref()) {
            Ok(()) => R::delete(&op, delete).await,
            Err(failure) => Err(failure),
        };
        op.finish(result, diagnostics);
        let [.., delete] = R::ANSWERS;
        answering(&clients, cx, delete, about);
    }

    async fn import(
        &self,
        _: &Context,
        import: Import<R::Identity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let state = self.shared.clients().and_then(|clients| R::import(&clients, import));
        let state = state.map_err(|failure| failure.tell(diagnostics)).ok()?;
        Some(Saved { state, private: R::Private::default() })
    }
}

/// The journal's mark follows the answer.
fn answering(clients: &Clients, cx: &Context, what: &'static str, about: Option<About>) {
    clients.journal.answering(cx, what, about.map(|about| clients.journal.subject(about)));
}
