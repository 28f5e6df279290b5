//! Managed resources: the typed trait and its twin without types.

use super::Context;
use crate::diagnostics::Diagnostics;
use crate::schema::{IdentitySchema, Schema};
use crate::values::{Dynamic, Path, ValueError, from_dynamic, to_dynamic};
use async_trait::async_trait;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The identity of a resource that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdentity {}

impl Serialize for NoIdentity {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("this resource has no identity"))
    }
}

impl<'de> Deserialize<'de> for NoIdentity {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("this resource has no identity"))
    }
}

/// A state with what the provider wants to remember beside it.
pub struct Saved<R: Resource> {
    /// What the user sees.
    pub state: R::Model,
    /// What only the provider sees; kept in the state file in the clear, shown nowhere.
    pub private: R::Private,
}

/// The plan of a resource that does not exist.
pub struct PlanCreate<R: Resource> {
    /// What the user wrote; write-only values are here and only here.
    pub config: R::Model,
    /// What the plan will say. Defaults are in, write-only values are null, every computed value that is not
    /// configured is unknown. Computed values may be changed, configured ones may not.
    pub planned: R::Model,
    /// Handed to `create`.
    pub private: R::Private,
}

/// The plan of a resource that exists. Also made when nothing changed.
pub struct PlanUpdate<R: Resource> {
    /// What the user wrote; write-only values are here and only here.
    pub config: R::Model,
    /// The state now.
    pub prior: R::Model,
    /// What the plan will say. Computed values that are not configured are the prior ones: the resource makes those
    /// unknown that will change.
    pub planned: R::Model,
    /// The prior private state; handed to `update`.
    pub private: R::Private,
    /// The attributes whose change needs a new resource. Terraform ignores a path whose planned value is the prior
    /// one, so the framework refuses it; make the value unknown, or plan another.
    pub replace: Vec<Path>,
}

/// What to create. Arguments are in `planned`: the configuration that Terraform hands to an apply is the raw one,
/// without `ignore_changes`, so that none of it but the write-only values gets here.
pub struct Create<R: Resource> {
    /// What was planned. Known values must come out as they are, unknown ones must become known or null. An optional
    /// and computed attribute that the user did not set is unknown, or what the plan made of it.
    pub planned: R::Model,
    /// The write-only values that the user wrote; all else is null. An object, list or map that may hold some has the
    /// configuration's elements.
    pub write_only: R::Model,
    /// From the plan.
    pub private: R::Private,
}

/// What to read again.
pub struct Read<R: Resource> {
    /// The state as last saved.
    pub state: R::Model,
    /// The private state as last saved.
    pub private: R::Private,
}

/// What to change. Arguments are in `planned`, as in [`Create`].
pub struct Update<R: Resource> {
    /// The state now.
    pub prior: R::Model,
    /// What was planned. Known values must come out as they are, unknown ones must become known or null. An optional
    /// and computed attribute that the user did not set is the prior one, or what the plan made of it.
    pub planned: R::Model,
    /// The write-only values that the user wrote; all else is null. As in [`Create::write_only`].
    pub write_only: R::Model,
    /// From the plan.
    pub private: R::Private,
}

/// What to delete.
pub struct Delete<R: Resource> {
    /// The state now.
    pub prior: R::Model,
    /// The private state.
    pub private: R::Private,
}

/// How the user names what is to be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import<I> {
    /// `terraform import ADDRESS ID` or `id = ...` in an `import` block.
    Id(String),
    /// `identity = { ... }` in an `import` block; parts that are not required may be null.
    Identity(I),
}

/// A managed resource.
///
/// A plan must be a function of its arguments alone: Terraform plans again during apply and refuses another answer.
#[async_trait]
pub trait Resource: Send + Sync + Sized + 'static {
    /// The resource's value as a struct of [`Value`](crate::Value)s, with `#[serde(default)]`.
    type Model: Serialize + DeserializeOwned + Send + Sync;
    /// What the provider remembers beside the state. Give it `#[serde(default)]`, so that an older form still reads.
    type Private: Serialize + DeserializeOwned + Default + Send + Sync;
    /// What identifies it outside of Terraform, or [`NoIdentity`].
    type Identity: Serialize + DeserializeOwned + Send + Sync;

    /// The whole name, such as `akash_lease`.
    fn type_name(&self) -> &'static str;

    /// The attributes.
    fn schema(&self) -> Schema;

    /// The parts of the identity.
    fn identity_schema(&self) -> Option<IdentitySchema> {
        None
    }

    /// The identity of a state, as far as it is known. Must never change while the resource lives. The framework
    /// puts it into every answer.
    fn identity(&self, state: &Self::Model) -> Option<Self::Identity> {
        let _ = state;
        None
    }

    /// Checks the configuration; values may be unknown. No I/O.
    async fn validate(&self, cx: &Context, config: &Self::Model, diagnostics: &mut Diagnostics) {
        let _ = (cx, config, diagnostics);
    }

    /// Plans a new resource.
    async fn plan_create(&self, cx: &Context, plan: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        let _ = (cx, plan, diagnostics);
    }

    /// Plans a change or a replacement, or that nothing changes.
    async fn plan_update(&self, cx: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        let _ = (cx, plan, diagnostics);
    }

    /// Plans the end: the place to warn of what it means.
    async fn plan_delete(
        &self,
        cx: &Context,
        prior: &Self::Model,
        private: &Self::Private,
        diagnostics: &mut Diagnostics,
    ) {
        let _ = (cx, prior, private, diagnostics);
    }

    /// Creates. A state with an error is saved and replaced at the next apply; a state with a warning is just saved;
    /// no state (which needs an error) means that nothing was created.
    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>>;

    /// Reads what is there now. `None` without an error: it is gone. With an error the old state stays. By default there
    /// is nothing but the state.
    async fn read(
        &self,
        cx: &Context,
        read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let _ = (cx, diagnostics);
        Some(Saved { state: read.state, private: read.private })
    }

    /// Changes. Returns what was really done, also beside an error.
    async fn update(&self, cx: &Context, update: Update<Self>, diagnostics: &mut Diagnostics) -> Saved<Self>;

    /// Deletes. With an error the state stays.
    async fn delete(&self, cx: &Context, delete: Delete<Self>, diagnostics: &mut Diagnostics);

    /// Takes in what exists already. `None` needs an error. Terraform reads it right after.
    async fn import(
        &self,
        cx: &Context,
        import: Import<Self::Identity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let _ = (cx, import);
        diagnostics
            .error(format!("{} cannot be imported", self.type_name()), "The provider has no import for it.");
        None
    }

    /// Brings a state that an older version of the schema wrote into today's form. Both are the JSON of the state
    /// file. Attributes that today's schema does not have are dropped afterwards, missing ones are null.
    fn upgrade(&self, version: u64, state: serde_json::Value) -> Result<serde_json::Value, String> {
        let _ = version;
        Ok(state)
    }
}

/// A state and its private bytes, without types.
#[derive(Clone, Debug, Default)]
pub struct DynSaved {
    /// The state.
    pub state: Dynamic,
    /// The private state as JSON.
    pub private: Vec<u8>,
}

/// A plan, without types. `prior` is null in a create.
#[derive(Clone, Debug, Default)]
pub struct DynPlan {
    /// What the user wrote.
    pub config: Dynamic,
    /// The state now.
    pub prior: Dynamic,
    /// What the plan will say.
    pub planned: Dynamic,
    /// The private state as JSON.
    pub private: Vec<u8>,
    /// The paths that force a replacement.
    pub replace: Vec<Path>,
}

/// An apply, without types. `prior` is null in a create.
#[derive(Clone, Debug, Default)]
pub struct DynApply {
    /// The state now.
    pub prior: Dynamic,
    /// What was planned.
    pub planned: Dynamic,
    /// The write-only values; all else is null.
    pub write_only: Dynamic,
    /// The planned private state as JSON.
    pub private: Vec<u8>,
}

/// A resource without its Rust types; made by [`resource`].
#[async_trait]
pub trait DynResource: Send + Sync {
    /// The whole name.
    fn type_name(&self) -> &'static str;
    /// The attributes.
    fn schema(&self) -> Schema;
    /// The parts of the identity.
    fn identity_schema(&self) -> Option<IdentitySchema>;
    /// See [`Resource::identity`].
    fn identity(&self, state: &Dynamic) -> Result<Option<Dynamic>, ValueError>;
    /// See [`Resource::upgrade`].
    fn upgrade(&self, version: u64, state: serde_json::Value) -> Result<serde_json::Value, String>;
    /// See [`Resource::validate`].
    async fn validate(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics);
    /// See [`Resource::plan_create`] and [`Resource::plan_update`]. Changes the plan in place.
    async fn plan(&self, cx: &Context, plan: &mut DynPlan, diagnostics: &mut Diagnostics);
    /// See [`Resource::plan_delete`].
    async fn plan_delete(&self, cx: &Context, prior: &DynSaved, diagnostics: &mut Diagnostics);
    /// See [`Resource::create`].
    async fn create(&self, cx: &Context, apply: DynApply, diagnostics: &mut Diagnostics) -> Option<DynSaved>;
    /// See [`Resource::read`].
    async fn read(&self, cx: &Context, saved: DynSaved, diagnostics: &mut Diagnostics) -> Option<DynSaved>;
    /// See [`Resource::update`]. `None` where the values could not even be read: the prior state stays.
    async fn update(&self, cx: &Context, apply: DynApply, diagnostics: &mut Diagnostics) -> Option<DynSaved>;
    /// See [`Resource::delete`].
    async fn delete(&self, cx: &Context, saved: DynSaved, diagnostics: &mut Diagnostics);
    /// See [`Resource::import`].
    async fn import(
        &self,
        cx: &Context,
        import: Import<Dynamic>,
        diagnostics: &mut Diagnostics,
    ) -> Option<DynSaved>;
}

/// A resource for [`Provider::resources`](crate::Provider::resources).
pub fn resource<R: Resource>(resource: R) -> Box<dyn DynResource> {
    Box::new(Typed(resource))
}

struct Typed<R>(R);

/// Puts the error of a conversion among the diagnostics.
trait OrTell<T> {
    fn or_tell(self, diagnostics: &mut Diagnostics) -> Option<T>;
}

impl<T> OrTell<T> for Result<T, ValueError> {
    fn or_tell(self, diagnostics: &mut Diagnostics) -> Option<T> {
        self.map_err(|error| diagnostics.value_error(&error)).ok()
    }
}

fn read_private<P: DeserializeOwned + Default>(bytes: &[u8]) -> Result<P, ValueError> {
    if bytes.is_empty() {
        return Ok(P::default());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        ValueError::new(
            Path::empty(),
            format!("the provider's private data of this resource cannot be read: {error}"),
        )
    })
}

fn write_private<P: Serialize>(private: &P) -> Result<Vec<u8>, ValueError> {
    serde_json::to_vec(private).map_err(|error| {
        ValueError::new(Path::empty(), format!("the private data cannot be written: {error}"))
    })
}

impl<R: Resource> Typed<R> {
    /// A state that was really reached is never dropped because its private data cannot be written.
    fn write(saved: &Saved<R>, diagnostics: &mut Diagnostics) -> Option<DynSaved> {
        let private = write_private(&saved.private).or_tell(diagnostics).unwrap_or_default();
        let state = to_dynamic(&saved.state).or_tell(diagnostics)?;
        Some(DynSaved { state, private })
    }

    async fn plan_create(
        &self,
        cx: &Context,
        plan: &mut DynPlan,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), ValueError> {
        let mut typed: PlanCreate<R> = PlanCreate {
            config: from_dynamic(&plan.config)?,
            planned: from_dynamic(&plan.planned)?,
            private: read_private(&plan.private)?,
        };
        self.0.plan_create(cx, &mut typed, diagnostics).await;
        plan.planned = to_dynamic(&typed.planned)?;
        plan.private = write_private(&typed.private)?;
        Ok(())
    }

    async fn plan_update(
        &self,
        cx: &Context,
        plan: &mut DynPlan,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), ValueError> {
        let mut typed: PlanUpdate<R> = PlanUpdate {
            config: from_dynamic(&plan.config)?,
            prior: from_dynamic(&plan.prior)?,
            planned: from_dynamic(&plan.planned)?,
            private: read_private(&plan.private)?,
            replace: std::mem::take(&mut plan.replace),
        };
        self.0.plan_update(cx, &mut typed, diagnostics).await;
        plan.planned = to_dynamic(&typed.planned)?;
        plan.private = write_private(&typed.private)?;
        plan.replace = typed.replace;
        Ok(())
    }
}

#[async_trait]
impl<R: Resource> DynResource for Typed<R> {
    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn schema(&self) -> Schema {
        self.0.schema()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        self.0.identity_schema()
    }

    fn identity(&self, state: &Dynamic) -> Result<Option<Dynamic>, ValueError> {
        self.0.identity(&from_dynamic(state)?).as_ref().map(to_dynamic).transpose()
    }

    fn upgrade(&self, version: u64, state: serde_json::Value) -> Result<serde_json::Value, String> {
        self.0.upgrade(version, state)
    }

    async fn validate(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics) {
        if let Some(config) = from_dynamic(config).or_tell(diagnostics) {
            self.0.validate(cx, &config, diagnostics).await;
        }
    }

    async fn plan(&self, cx: &Context, plan: &mut DynPlan, diagnostics: &mut Diagnostics) {
        let outcome = if plan.prior.is_null() {
            self.plan_create(cx, plan, diagnostics).await
        } else {
            self.plan_update(cx, plan, diagnostics).await
        };
        outcome.or_tell(diagnostics);
    }

    async fn plan_delete(&self, cx: &Context, prior: &DynSaved, diagnostics: &mut Diagnostics) {
        let Some(state) = from_dynamic(&prior.state).or_tell(diagnostics) else { return };
        let Some(private) = read_private(&prior.private).or_tell(diagnostics) else { return };
        self.0.plan_delete(cx, &state, &private, diagnostics).await;
    }

    async fn create(&self, cx: &Context, apply: DynApply, diagnostics: &mut Diagnostics) -> Option<DynSaved> {
        let create = Create {
            planned: from_dynamic(&apply.planned).or_tell(diagnostics)?,
            write_only: from_dynamic(&apply.write_only).or_tell(diagnostics)?,
            private: read_private(&apply.private).or_tell(diagnostics)?,
        };
        let saved = self.0.create(cx, create, diagnostics).await?;
        Self::write(&saved, diagnostics)
    }

    async fn read(&self, cx: &Context, saved: DynSaved, diagnostics: &mut Diagnostics) -> Option<DynSaved> {
        let read = Read {
            state: from_dynamic(&saved.state).or_tell(diagnostics)?,
            private: read_private(&saved.private).or_tell(diagnostics)?,
        };
        let saved = self.0.read(cx, read, diagnostics).await?;
        Self::write(&saved, diagnostics)
    }

    async fn update(&self, cx: &Context, apply: DynApply, diagnostics: &mut Diagnostics) -> Option<DynSaved> {
        let update = Update {
            prior: from_dynamic(&apply.prior).or_tell(diagnostics)?,
            planned: from_dynamic(&apply.planned).or_tell(diagnostics)?,
            write_only: from_dynamic(&apply.write_only).or_tell(diagnostics)?,
            private: read_private(&apply.private).or_tell(diagnostics)?,
        };
        let saved = self.0.update(cx, update, diagnostics).await;
        Self::write(&saved, diagnostics)
    }

    async fn delete(&self, cx: &Context, saved: DynSaved, diagnostics: &mut Diagnostics) {
        let Some(prior) = from_dynamic(&saved.state).or_tell(diagnostics) else { return };
        let Some(private) = read_private(&saved.private).or_tell(diagnostics) else { return };
        self.0.delete(cx, Delete { prior, private }, diagnostics).await;
    }

    async fn import(
        &self,
        cx: &Context,
        import: Import<Dynamic>,
        diagnostics: &mut Diagnostics,
    ) -> Option<DynSaved> {
        let import = match import {
            Import::Id(id) => Import::Id(id),
            Import::Identity(identity) => Import::Identity(from_dynamic(&identity).or_tell(diagnostics)?),
        };
        let saved = self.0.import(cx, import, diagnostics).await?;
        Self::write(&saved, diagnostics)
    }
}
