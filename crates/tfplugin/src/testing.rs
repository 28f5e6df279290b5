//! A provider in the same process, for unit tests: every call goes through the RPCs, with values encoded and decoded
//! as between processes, but without a socket. It plays Terraform's part only as far as a test needs; what Terraform
//! itself makes of an answer is tested with Terraform itself.

use crate::codec::{Hints, decode, encode};
use crate::diagnostics::Diagnostics;
use crate::framework::{Answered, Import, Provider};
use crate::proto::tfplugin6::{
    self as proto, attribute_path::step::Selector, diagnostic::Severity, provider_server::Provider as Rpcs,
};
use crate::schema::{Schema, Type};
use crate::service::Service;
use crate::values::{Dynamic, Path, ValueError};
use tonic::{Request, Response, Status};

/// Puts a provider behind its RPCs.
pub fn in_process<P: Provider>(provider: P) -> InProcess<P> {
    InProcess { service: Service::new(provider), writes_write_only: true }
}

/// A provider behind its RPCs.
pub struct InProcess<P: Provider> {
    service: Service<P>,
    writes_write_only: bool,
}

/// What Terraform keeps of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The resource's type.
    pub type_name: String,
    /// The visible state.
    pub value: Dynamic,
    /// The private state.
    pub private: Vec<u8>,
    /// The identity, if the answer had one.
    pub identity: Option<Dynamic>,
}

/// A planned change of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The resource's type.
    pub type_name: String,
    /// What is there now; `None` in a create.
    pub prior: Option<State>,
    /// The configuration.
    pub config: Dynamic,
    /// The planned state; null in a destroy.
    pub planned: Dynamic,
    /// The planned private state.
    pub private: Vec<u8>,
    /// What forces a replacement.
    pub replace: Vec<Path>,
    /// The planned identity, if the answer had one.
    pub identity: Option<Dynamic>,
}

/// Why a call gave nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The provider has no such type or function.
    #[error("the provider has no {0:?}")]
    NoSuch(String),
    /// A value that the test gave is not of the schema's type, or one that came back.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The RPC failed as such.
    #[error("the call failed: {0}")]
    Status(#[from] Status),
    /// A function's own error.
    #[error("{text} (argument {argument:?})")]
    Function {
        /// The argument at fault, from 0.
        argument: Option<i64>,
        /// The text.
        text: String,
    },
}

impl<P: Provider> InProcess<P> {
    /// Makes it a client that does not know write-only attributes (before Terraform 1.11).
    #[must_use]
    pub const fn without_write_only(mut self) -> Self {
        self.writes_write_only = false;
        self
    }

    /// Asks the running operations to stop, as Ctrl-C does.
    pub async fn stop(&self) -> Result<(), CallError> {
        self.service.stop_provider(Request::new(proto::stop_provider::Request {})).await?;
        Ok(())
    }

    /// Errors of the schemas themselves.
    pub async fn schema_problems(&self) -> Result<Diagnostics, CallError> {
        let answer =
            self.service.get_provider_schema(Request::new(proto::get_provider_schema::Request {})).await?;
        Ok(diagnostics(answer.into_inner().diagnostics))
    }

    /// Checks the `provider` block.
    pub async fn validate_provider(&self, config: &Dynamic) -> Result<Diagnostics, CallError> {
        let config = Some(value(config, &self.service.config_type())?);
        let request = proto::validate_provider_config::Request { config };
        let answer = self.service.validate_provider_config(Request::new(request)).await?;
        Ok(diagnostics(answer.into_inner().diagnostics))
    }

    /// Configures the provider.
    pub async fn configure(&self, config: &Dynamic) -> Result<Diagnostics, CallError> {
        let request = proto::configure_provider::Request {
            terraform_version: "1.11.4".to_owned(),
            config: Some(value(config, &self.service.config_type())?),
            client_capabilities: self.capabilities(),
        };
        let answer = self.service.configure_provider(Request::new(request)).await?;
        Ok(diagnostics(answer.into_inner().diagnostics))
    }

    /// Checks a resource's configuration.
    pub async fn validate(&self, type_name: &str, config: &Dynamic) -> Result<Diagnostics, CallError> {
        let request = proto::validate_resource_config::Request {
            type_name: type_name.to_owned(),
            config: Some(value(config, &self.resource(type_name)?)?),
            client_capabilities: self.capabilities(),
        };
        let answer = self.service.validate_resource_config(Request::new(request)).await?;
        Ok(diagnostics(answer.into_inner().diagnostics))
    }

    /// Plans a create (no prior) or an update. The plan is null where it could not be made.
    pub async fn plan(
        &self,
        type_name: &str,
        prior: Option<&State>,
        config: &Dynamic,
    ) -> Result<(Plan, Diagnostics), CallError> {
        let wire_type = self.resource(type_name)?;
        let wire_config = value(config, &wire_type)?;
        self.plan_with(type_name, prior, config, wire_config.clone(), wire_config).await
    }

    /// Plans the end of a resource.
    pub async fn plan_delete(&self, prior: &State) -> Result<(Plan, Diagnostics), CallError> {
        let null = value(&Dynamic::Null, &self.resource(&prior.type_name)?)?;
        self.plan_with(&prior.type_name, Some(prior), &Dynamic::Null, null.clone(), null).await
    }

    async fn plan_with(
        &self,
        type_name: &str,
        prior: Option<&State>,
        config: &Dynamic,
        wire_config: proto::DynamicValue,
        proposed: proto::DynamicValue,
    ) -> Result<(Plan, Diagnostics), CallError> {
        let wire_type = self.resource(type_name)?;
        let request = proto::plan_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(value(prior.map_or(&Dynamic::Null, |prior| &prior.value), &wire_type)?),
            proposed_new_state: Some(proposed),
            config: Some(wire_config),
            prior_private: prior.map(|prior| prior.private.clone()).unwrap_or_default().into(),
            provider_meta: None,
            client_capabilities: self.capabilities(),
            prior_identity: self.identity(type_name, prior.and_then(|prior| prior.identity.as_ref()))?,
        };
        let answer = self.service.plan_resource_change(Request::new(request)).await?.into_inner();
        let plan = Plan {
            type_name: type_name.to_owned(),
            prior: prior.cloned(),
            config: config.clone(),
            planned: read(answer.planned_state.as_ref(), &wire_type)?,
            private: answer.planned_private.to_vec(),
            replace: answer.requires_replace.iter().map(path).collect(),
            identity: self.read_identity(type_name, answer.planned_identity.as_ref())?,
        };
        Ok((plan, diagnostics(answer.diagnostics)))
    }

    /// Does what was planned. No state: nothing is there.
    pub async fn apply(&self, plan: &Plan) -> Result<(Option<State>, Diagnostics), CallError> {
        let wire_type = self.resource(&plan.type_name)?;
        let prior = plan.prior.as_ref();
        let request = proto::apply_resource_change::Request {
            type_name: plan.type_name.clone(),
            prior_state: Some(value(prior.map_or(&Dynamic::Null, |prior| &prior.value), &wire_type)?),
            planned_state: Some(value(&plan.planned, &wire_type)?),
            config: Some(value(&plan.config, &wire_type)?),
            planned_private: plan.private.clone().into(),
            provider_meta: None,
            planned_identity: self.identity(&plan.type_name, plan.identity.as_ref())?,
        };
        let (request, answered) = with_answered(request);
        let answer = finish(self.service.apply_resource_change(request).await?, &answered);
        let new = answer.new_state.as_ref();
        let state =
            self.state(&plan.type_name, new, answer.private.to_vec(), answer.new_identity.as_ref())?;
        Ok((state, diagnostics(answer.diagnostics)))
    }

    /// Plans and applies. An update that needs a replacement is planned and applied as Terraform does it: delete, then
    /// create. Stops at the first error.
    pub async fn plan_and_apply(
        &self,
        type_name: &str,
        prior: Option<&State>,
        config: &Dynamic,
    ) -> Result<(Option<State>, Diagnostics), CallError> {
        let (mut plan, mut told) = self.plan(type_name, prior, config).await?;
        if told.has_errors() {
            return Ok((prior.cloned(), told));
        }
        if let (false, Some(prior)) = (plan.replace.is_empty(), prior) {
            let (end, more) = self.plan_delete(prior).await?;
            let (left, yet_more) = self.apply(&end).await?;
            told.extend(more);
            told.extend(yet_more);
            if told.has_errors() {
                return Ok((left, told));
            }
            let (create, more) = self.plan(type_name, None, config).await?;
            told.extend(more);
            if told.has_errors() {
                return Ok((left, told));
            }
            plan = create;
        }
        let (state, more) = self.apply(&plan).await?;
        told.extend(more);
        Ok((state, told))
    }

    /// Reads a resource again. No state: it is gone.
    pub async fn read(&self, state: &State) -> Result<(Option<State>, Diagnostics), CallError> {
        let request = proto::read_resource::Request {
            type_name: state.type_name.clone(),
            current_state: Some(value(&state.value, &self.resource(&state.type_name)?)?),
            private: state.private.clone().into(),
            provider_meta: None,
            client_capabilities: self.capabilities(),
            current_identity: self.identity(&state.type_name, state.identity.as_ref())?,
        };
        let (request, answered) = with_answered(request);
        let answer = finish(self.service.read_resource(request).await?, &answered);
        let new = answer.new_state.as_ref();
        let state =
            self.state(&state.type_name, new, answer.private.to_vec(), answer.new_identity.as_ref())?;
        Ok((state, diagnostics(answer.diagnostics)))
    }

    /// Imports a resource (without the read that Terraform does next).
    pub async fn import(
        &self,
        type_name: &str,
        what: Import<Dynamic>,
    ) -> Result<(Option<State>, Diagnostics), CallError> {
        let (id, identity) = match what {
            Import::Id(id) => (id, None),
            Import::Identity(identity) => (String::new(), self.identity(type_name, Some(&identity))?),
        };
        let request = proto::import_resource_state::Request {
            type_name: type_name.to_owned(),
            id,
            client_capabilities: self.capabilities(),
            identity,
        };
        let answer = self.service.import_resource_state(Request::new(request)).await?.into_inner();
        let imported = answer.imported_resources.first().map(|imported| {
            self.state(
                type_name,
                imported.state.as_ref(),
                imported.private.to_vec(),
                imported.identity.as_ref(),
            )
        });
        Ok((imported.transpose()?.flatten(), diagnostics(answer.diagnostics)))
    }

    /// Reads a state file's JSON of some version.
    pub async fn upgrade(
        &self,
        type_name: &str,
        version: i64,
        json: &str,
    ) -> Result<(Dynamic, Diagnostics), CallError> {
        let raw = proto::RawState { json: json.to_owned().into(), ..Default::default() };
        let request = proto::upgrade_resource_state::Request {
            type_name: type_name.to_owned(),
            version,
            raw_state: Some(raw),
        };
        let answer = self.service.upgrade_resource_state(Request::new(request)).await?.into_inner();
        let state = read(answer.upgraded_state.as_ref(), &self.resource(type_name)?)?;
        Ok((state, diagnostics(answer.diagnostics)))
    }

    /// Checks a data source's configuration and reads it, if the check found no error.
    pub async fn read_data(
        &self,
        type_name: &str,
        config: &Dynamic,
    ) -> Result<(Dynamic, Diagnostics), CallError> {
        let no_such = || CallError::NoSuch(type_name.to_owned());
        let wire_type = self.service.data_source_schema(type_name).ok_or_else(no_such)?.value_type();
        let config = Some(value(config, &wire_type)?);
        let check = proto::validate_data_resource_config::Request {
            type_name: type_name.to_owned(),
            config: config.clone(),
        };
        let answer = self.service.validate_data_resource_config(Request::new(check)).await?;
        let mut told = diagnostics(answer.into_inner().diagnostics);
        if told.has_errors() {
            return Ok((Dynamic::Null, told));
        }
        let request = proto::read_data_source::Request {
            type_name: type_name.to_owned(),
            config,
            provider_meta: None,
            client_capabilities: self.capabilities(),
        };
        let answer = self.service.read_data_source(Request::new(request)).await?.into_inner();
        told.extend(diagnostics(answer.diagnostics));
        Ok((read(answer.state.as_ref(), &wire_type)?, told))
    }

    /// Calls a function.
    pub async fn call(&self, name: &str, arguments: &[Dynamic]) -> Result<Dynamic, CallError> {
        let no_such = || CallError::NoSuch(name.to_owned());
        let definition = self.service.function(name).ok_or_else(no_such)?;
        let arguments = arguments.iter().enumerate().map(|(index, argument)| {
            let parameter = definition.parameters.get(index).or(definition.variadic.as_ref());
            value(argument, parameter.map_or(&Type::Dynamic, |parameter| &parameter.value_type))
        });
        let request = proto::call_function::Request {
            name: name.to_owned(),
            arguments: arguments.collect::<Result<_, _>>()?,
        };
        let answer = self.service.call_function(Request::new(request)).await?.into_inner();
        match answer.error {
            Some(error) => Err(CallError::Function { argument: error.function_argument, text: error.text }),
            None => Ok(read(answer.result.as_ref(), &definition.returns)?),
        }
    }

    fn capabilities(&self) -> Option<proto::ClientCapabilities> {
        Some(proto::ClientCapabilities {
            deferral_allowed: false,
            write_only_attributes_allowed: self.writes_write_only,
        })
    }

    fn resource(&self, type_name: &str) -> Result<Type, CallError> {
        let schema = self.service.resource_schema(type_name);
        schema.map(Schema::value_type).ok_or_else(|| CallError::NoSuch(type_name.to_owned()))
    }

    fn identity(
        &self,
        type_name: &str,
        identity: Option<&Dynamic>,
    ) -> Result<Option<proto::ResourceIdentityData>, CallError> {
        let Some((identity, identity_type)) = identity.zip(self.service.identity_type(type_name)) else {
            return Ok(None);
        };
        Ok(Some(proto::ResourceIdentityData { identity_data: Some(value(identity, identity_type)?) }))
    }

    fn read_identity(
        &self,
        type_name: &str,
        identity: Option<&proto::ResourceIdentityData>,
    ) -> Result<Option<Dynamic>, CallError> {
        let Some((identity, identity_type)) = identity.zip(self.service.identity_type(type_name)) else {
            return Ok(None);
        };
        Ok(Some(read(identity.identity_data.as_ref(), identity_type)?))
    }

    fn state(
        &self,
        type_name: &str,
        state: Option<&proto::DynamicValue>,
        private: Vec<u8>,
        identity: Option<&proto::ResourceIdentityData>,
    ) -> Result<Option<State>, CallError> {
        let value = read(state, &self.resource(type_name)?)?;
        let identity = self.read_identity(type_name, identity)?;
        let state = State { type_name: type_name.to_owned(), value, private, identity };
        Ok(Some(state).filter(|state| !state.value.is_null()))
    }
}

/// What [`Context::on_returned`](crate::Context::on_returned) collects for a call.
fn with_answered<T>(message: T) -> (Request<T>, Answered) {
    let answered = Answered::default();
    let mut request = Request::new(message);
    request.extensions_mut().insert(answered.clone());
    (request, answered)
}

/// Here the answer has gone out when the call has returned.
fn finish<T>(response: Response<T>, answered: &Answered) -> T {
    answered.run();
    response.into_inner()
}

fn value(value: &Dynamic, value_type: &Type) -> Result<proto::DynamicValue, ValueError> {
    let msgpack = encode(value, value_type, &Hints::new())?;
    Ok(proto::DynamicValue { msgpack: msgpack.into(), json: bytes::Bytes::new() })
}

fn read(value: Option<&proto::DynamicValue>, value_type: &Type) -> Result<Dynamic, ValueError> {
    value.map_or(Ok(Dynamic::Null), |value| decode(&value.msgpack, value_type, &mut Hints::new()))
}

fn path(message: &proto::AttributePath) -> Path {
    let mut path = Path::empty();
    for step in message.steps.iter().filter_map(|step| step.selector.as_ref()) {
        path = match step {
            Selector::AttributeName(name) => path.attr(name),
            Selector::ElementKeyString(key) => path.key(key),
            Selector::ElementKeyInt(index) => path.index(usize::try_from(*index).unwrap_or(usize::MAX)),
        };
    }
    path
}

fn diagnostics(messages: Vec<proto::Diagnostic>) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for message in messages {
        let severity = message.severity();
        let proto::Diagnostic { summary, detail, attribute, .. } = message;
        match (severity, attribute) {
            (Severity::Warning, Some(at)) => diagnostics.warning_at(&path(&at), summary, detail),
            (Severity::Warning, None) => diagnostics.warning(summary, detail),
            (_, Some(at)) => diagnostics.error_at(&path(&at), summary, detail),
            (_, None) => diagnostics.error(summary, detail),
        }
    }
    diagnostics
}
