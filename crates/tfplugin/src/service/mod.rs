//! The RPCs of `tfplugin6.Provider`: decodes a request by the schema, lets the framework and the provider work,
//! checks and encodes the answer. Knows nothing of sockets.

mod panics;
mod schema;
mod tell;

pub(crate) use panics::install_hook;
#[cfg(test)]
pub(crate) use schema::schema as schema_message;

use crate::codec::{Hints, conform, decode, encode, from_state_json};
use crate::diagnostics::Diagnostics;
use crate::framework::{
    Answered, ClientInfo, Context, DynApply, DynDataSource, DynPlan, DynResource, DynSaved, Function,
    FunctionDefinition, Import, Provider, plan,
};
use crate::proto::tfplugin6::{self as proto, provider_server};
use crate::schema::{IdentitySchema, Schema, Type};
use crate::values::{Dynamic, Path, Step, ValueError, from_dynamic};
use panics::caught;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// A provider behind the protocol's RPCs.
pub(crate) struct Service<P: Provider>(Arc<Inner<P>>);

impl<P: Provider> Clone for Service<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<P> {
    provider: P,
    schema: Schema,
    config_type: Type,
    resources: BTreeMap<&'static str, Managed>,
    data_sources: BTreeMap<&'static str, Source>,
    functions: BTreeMap<String, Callable>,
    /// Cancelled and replaced at every StopProvider: it stops what runs, not what comes later.
    stop: Mutex<CancellationToken>,
}

struct Managed {
    resource: Box<dyn DynResource>,
    schema: Schema,
    value_type: Type,
    identity: Option<Identity>,
}

struct Identity {
    schema: IdentitySchema,
    value_type: Type,
}

struct Source {
    source: Box<dyn DynDataSource>,
    schema: Schema,
    value_type: Type,
}

struct Callable {
    function: Box<dyn Function>,
    definition: FunctionDefinition,
}

impl<P: Provider> Service<P> {
    /// Asks the provider for everything that it has.
    pub(crate) fn new(provider: P) -> Self {
        let schema = provider.schema();
        let resources = provider.resources().into_iter().map(|resource| {
            let schema = resource.schema();
            let identity =
                resource.identity_schema().map(|schema| Identity { value_type: schema.value_type(), schema });
            let managed = Managed { value_type: schema.value_type(), schema, identity, resource };
            (managed.resource.type_name(), managed)
        });
        let data_sources = provider.data_sources().into_iter().map(|source| {
            let schema = source.schema();
            let source = Source { value_type: schema.value_type(), schema, source };
            (source.source.type_name(), source)
        });
        let functions = provider.functions().into_iter().map(|function| {
            let definition = function.definition();
            (function.name().to_owned(), Callable { function, definition })
        });
        Self(Arc::new(Inner {
            config_type: schema.value_type(),
            resources: resources.collect(),
            data_sources: data_sources.collect(),
            functions: functions.collect(),
            stop: Mutex::new(CancellationToken::new()),
            schema,
            provider,
        }))
    }

    pub(crate) fn config_type(&self) -> Type {
        self.0.config_type.clone()
    }

    pub(crate) fn resource_schema(&self, type_name: &str) -> Option<&Schema> {
        self.0.resources.get(type_name).map(|managed| &managed.schema)
    }

    pub(crate) fn identity_type(&self, type_name: &str) -> Option<&Type> {
        self.0.resources.get(type_name)?.identity.as_ref().map(|identity| &identity.value_type)
    }

    pub(crate) fn data_source_schema(&self, type_name: &str) -> Option<&Schema> {
        self.0.data_sources.get(type_name).map(|source| &source.schema)
    }

    pub(crate) fn function(&self, name: &str) -> Option<&FunctionDefinition> {
        self.0.functions.get(name).map(|callable| &callable.definition)
    }

    /// Cancels everything that runs.
    pub(crate) fn stop(&self) {
        let running = std::mem::take(&mut *self.0.stop.lock().unwrap_or_else(PoisonError::into_inner));
        running.cancel();
    }
}

impl<P: Provider> Inner<P> {
    fn context<T>(&self, request: &Request<T>) -> Context {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Context::new(stop, request.extensions().get::<Answered>().cloned().unwrap_or_default())
    }

    fn managed(&self, type_name: &str) -> Result<&Managed, Status> {
        self.resources
            .get(type_name)
            .ok_or_else(|| Status::invalid_argument(format!("the provider has no resource {type_name:?}")))
    }

    fn source(&self, type_name: &str) -> Result<&Source, Status> {
        self.data_sources
            .get(type_name)
            .ok_or_else(|| Status::invalid_argument(format!("the provider has no data source {type_name:?}")))
    }

    fn schema_problems(&self) -> Diagnostics {
        let mut diagnostics = Diagnostics::new();
        plan::check_schema("the provider block", &self.schema, &mut diagnostics);
        for (name, managed) in &self.resources {
            plan::check_schema(name, &managed.schema, &mut diagnostics);
        }
        for (name, source) in &self.data_sources {
            plan::check_schema(name, &source.schema, &mut diagnostics);
        }
        diagnostics
    }

    fn function_messages(&self) -> HashMap<String, proto::Function> {
        let functions = self.functions.iter();
        functions.map(|(name, callable)| (name.clone(), schema::function(&callable.definition))).collect()
    }
}

const CAPABILITIES: proto::ServerCapabilities = proto::ServerCapabilities {
    plan_destroy: true,
    get_provider_schema_optional: false,
    move_resource_state: false,
    generate_resource_config: false,
};

fn read_value(
    value: Option<&proto::DynamicValue>,
    value_type: &Type,
    hints: &mut Hints,
) -> Result<Dynamic, ValueError> {
    match value {
        None => Ok(Dynamic::Null),
        Some(value) if !value.msgpack.is_empty() => decode(&value.msgpack, value_type, hints),
        Some(value) if !value.json.is_empty() => {
            let json = parse_json(&value.json)?;
            from_state_json(&json, value_type, hints)
        }
        Some(_) => Ok(Dynamic::Null),
    }
}

fn write_value(
    value: &Dynamic,
    value_type: &Type,
    hints: &Hints,
    diagnostics: &mut Diagnostics,
) -> Option<proto::DynamicValue> {
    match encode(value, value_type, hints) {
        Ok(msgpack) => Some(proto::DynamicValue { msgpack: msgpack.into(), json: bytes::Bytes::new() }),
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    }
}

fn parse_json(bytes: &[u8]) -> Result<serde_json::Value, ValueError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ValueError::new(Path::empty(), format!("the saved state is no JSON: {error}")))
}

/// The null of any type on the wire.
fn null_value() -> proto::DynamicValue {
    proto::DynamicValue { msgpack: bytes::Bytes::from_static(&[0xc0]), json: bytes::Bytes::new() }
}

fn bug(path: &Path, what: &str, diagnostics: &mut Diagnostics) {
    let detail =
        format!("{path}: {what}. This is a bug in the provider, which should be reported to its developers.");
    diagnostics.error_at(path, "The provider returned an invalid state", detail);
}

impl Managed {
    /// Checks a state that the resource returned and brings it into the form that may be saved. What was really
    /// reached is never thrown away: what is wrong with it becomes null and an error.
    fn finish(&self, state: Dynamic, planned: Option<&Dynamic>, diagnostics: &mut Diagnostics) -> Dynamic {
        let failed = diagnostics.has_errors();
        let mut state = self.salvage(state, diagnostics);
        for path in plan::take_write_only(&self.schema, &mut state) {
            bug(&path, "a write-only value must be null in a state", diagnostics);
        }
        if let Some(path) = state.first_unknown() {
            // A failed operation need not have decided everything.
            if !failed {
                bug(&path, "the value is still unknown after the operation", diagnostics);
            }
            state = state.unknowns_to_null();
        } else if let (false, Some(planned)) = (failed, planned) {
            for path in plan::broken_promises(&self.value_type, planned, &state) {
                bug(&path, "the value is another one than was planned", diagnostics);
            }
        }
        state
    }

    /// The state in the form of its type, without the attributes that do not fit.
    fn salvage(&self, state: Dynamic, diagnostics: &mut Diagnostics) -> Dynamic {
        let (Dynamic::Map(mut members), Type::Object(types)) = (state, &self.value_type) else {
            let problem = ValueError::new(Path::empty(), "the provider returned a state that is no object");
            diagnostics.value_error(&problem);
            return Dynamic::Null;
        };
        let kept: BTreeMap<_, _> = types
            .iter()
            .map(|(name, member_type)| {
                let member = conform(members.remove(name).unwrap_or_default(), member_type);
                let member = member.unwrap_or_else(|error| {
                    diagnostics.value_error(&error.below(Step::Attribute(name.clone())));
                    Dynamic::Null
                });
                (name.clone(), member)
            })
            .collect();
        for name in members.into_keys() {
            let problem = ValueError::new(Path::root(name), "the schema has no attribute of this name");
            diagnostics.value_error(&problem);
        }
        Dynamic::Map(kept)
    }

    /// The identity of a state for an answer; `before` is what the client has. An identity must not change.
    fn identity_of(
        &self,
        state: &Dynamic,
        before: Option<&proto::ResourceIdentityData>,
        diagnostics: &mut Diagnostics,
    ) -> Option<proto::ResourceIdentityData> {
        let identity = self.identity.as_ref()?;
        let before_value = before
            .and_then(|before| {
                read_value(before.identity_data.as_ref(), &identity.value_type, &mut Hints::new()).ok()
            })
            .filter(|value| !value.is_null() && value.first_unknown().is_none() && !all_null(value));
        let now = self
            .resource
            .identity(state)
            .and_then(|value| value.map(|value| conform(value, &identity.value_type)).transpose());
        let now = match now {
            Ok(now) => now.filter(|value| value.first_unknown().is_none() && !all_null(value)),
            Err(error) => {
                diagnostics.value_error(&error);
                None
            }
        };
        match (before_value, now) {
            (Some(before), Some(now)) if before != now => {
                let parts: Vec<_> = identity
                    .schema
                    .attributes
                    .keys()
                    .filter(|name| before.get(name) != now.get(name))
                    .map(String::as_str)
                    .collect();
                diagnostics.error(
                    "The provider changed an identity",
                    format!(
                        "{} of the identity of this {} differs from what it was. An identity never changes while a \
                         resource lives. This is a bug in the provider, which should be reported to its developers.",
                        parts.join(", "),
                        self.resource.type_name()
                    ),
                );
                None
            }
            (_, Some(now)) => write_value(&now, &identity.value_type, &Hints::new(), diagnostics)
                .map(|data| proto::ResourceIdentityData { identity_data: Some(data) }),
            (Some(_), None) => before.cloned(),
            (None, None) => None,
        }
    }
}

fn all_null(value: &Dynamic) -> bool {
    matches!(value, Dynamic::Map(members) if members.values().all(Dynamic::is_null))
}

/// Refuses write-only values from a client that would save them.
fn check_write_only(
    schema: &Schema,
    config: &Dynamic,
    client: Option<&proto::ClientCapabilities>,
    diagnostics: &mut Diagnostics,
) {
    if client.is_some_and(|client| client.write_only_attributes_allowed) {
        return;
    }
    for path in plan::take_write_only(schema, &mut config.clone()) {
        let detail = format!("{path} is write-only, which needs Terraform 1.11 or OpenTofu 1.11 or newer.");
        diagnostics.error_at(&path, "Write-only attribute cannot be used", detail);
    }
}

/// Runs the body of an RPC whose answer holds nothing but diagnostics on failure.
async fn answered<T>(
    rpc: &'static str,
    work: impl Future<Output = T>,
    failed: impl FnOnce(Diagnostics) -> T,
) -> Result<Response<T>, Status> {
    let started = std::time::Instant::now();
    let answer = caught(work).await.unwrap_or_else(|panic| {
        let mut diagnostics = Diagnostics::new();
        diagnostics.error("The provider crashed", panic);
        failed(diagnostics)
    });
    tracing::debug!(
        rpc,
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    Ok(Response::new(answer))
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<P: Provider> provider_server::Provider for Service<P> {
    async fn get_metadata(
        &self,
        _: Request<proto::get_metadata::Request>,
    ) -> Answer<proto::get_metadata::Response> {
        use proto::get_metadata::{DataSourceMetadata, FunctionMetadata, ResourceMetadata};
        let names = |name: &&'static str| (*name).to_owned();
        Ok(Response::new(proto::get_metadata::Response {
            server_capabilities: Some(CAPABILITIES),
            diagnostics: Vec::new(),
            data_sources: self
                .0
                .data_sources
                .keys()
                .map(|n| DataSourceMetadata { type_name: names(n) })
                .collect(),
            resources: self.0.resources.keys().map(|n| ResourceMetadata { type_name: names(n) }).collect(),
            functions: self.0.functions.keys().map(|name| FunctionMetadata { name: name.clone() }).collect(),
        }))
    }

    async fn get_provider_schema(
        &self,
        _: Request<proto::get_provider_schema::Request>,
    ) -> Answer<proto::get_provider_schema::Response> {
        let inner = &self.0;
        let resources = inner.resources.iter();
        let sources = inner.data_sources.iter();
        Ok(Response::new(proto::get_provider_schema::Response {
            provider: Some(schema::schema(&inner.schema)),
            resource_schemas: resources
                .map(|(name, managed)| ((*name).to_owned(), schema::schema(&managed.schema)))
                .collect(),
            data_source_schemas: sources
                .map(|(name, source)| ((*name).to_owned(), schema::schema(&source.schema)))
                .collect(),
            diagnostics: tell::messages(inner.schema_problems(), &Schema::default()),
            provider_meta: None,
            server_capabilities: Some(CAPABILITIES),
            functions: inner.function_messages(),
        }))
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<proto::get_resource_identity_schemas::Request>,
    ) -> Answer<proto::get_resource_identity_schemas::Response> {
        let schemas = self.0.resources.iter().filter_map(|(name, managed)| {
            let identity = managed.identity.as_ref()?;
            Some(((*name).to_owned(), schema::identity_schema(&identity.schema)))
        });
        Ok(Response::new(proto::get_resource_identity_schemas::Response {
            identity_schemas: schemas.collect(),
            diagnostics: Vec::new(),
        }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<proto::validate_provider_config::Request>,
    ) -> Answer<proto::validate_provider_config::Response> {
        let respond = |diagnostics| proto::validate_provider_config::Response {
            diagnostics: tell::messages(diagnostics, &self.0.schema),
        };
        let work = async {
            let (cx, request) = (self.0.context(&request), request.into_inner());
            let mut diagnostics = Diagnostics::new();
            match read_value(request.config.as_ref(), &self.0.config_type, &mut Hints::new()) {
                Ok(config) => {
                    plan::check_config(&self.0.schema, &config, &mut diagnostics);
                    match from_dynamic(&config) {
                        Ok(config) => self.0.provider.validate(&cx, &config, &mut diagnostics).await,
                        Err(error) => diagnostics.value_error(&error),
                    }
                }
                Err(error) => diagnostics.value_error(&error),
            }
            respond(diagnostics)
        };
        answered("ValidateProviderConfig", work, respond).await
    }

    async fn validate_resource_config(
        &self,
        request: Request<proto::validate_resource_config::Request>,
    ) -> Answer<proto::validate_resource_config::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let respond = |diagnostics| proto::validate_resource_config::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
        };
        let work = async {
            let (cx, request) = (self.0.context(&request), request.into_inner());
            let mut diagnostics = Diagnostics::new();
            match read_value(request.config.as_ref(), &managed.value_type, &mut Hints::new()) {
                Ok(config) => {
                    plan::check_config(&managed.schema, &config, &mut diagnostics);
                    let client = request.client_capabilities.as_ref();
                    check_write_only(&managed.schema, &config, client, &mut diagnostics);
                    managed.resource.validate(&cx, &config, &mut diagnostics).await;
                }
                Err(error) => diagnostics.value_error(&error),
            }
            respond(diagnostics)
        };
        answered("ValidateResourceConfig", work, respond).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<proto::validate_data_resource_config::Request>,
    ) -> Answer<proto::validate_data_resource_config::Response> {
        let source = self.0.source(&request.get_ref().type_name)?;
        let respond = |diagnostics| proto::validate_data_resource_config::Response {
            diagnostics: tell::messages(diagnostics, &source.schema),
        };
        let work = async {
            let (cx, request) = (self.0.context(&request), request.into_inner());
            let mut diagnostics = Diagnostics::new();
            match read_value(request.config.as_ref(), &source.value_type, &mut Hints::new()) {
                Ok(config) => {
                    plan::check_config(&source.schema, &config, &mut diagnostics);
                    source.source.validate(&cx, &config, &mut diagnostics).await;
                }
                Err(error) => diagnostics.value_error(&error),
            }
            respond(diagnostics)
        };
        answered("ValidateDataResourceConfig", work, respond).await
    }

    async fn configure_provider(
        &self,
        request: Request<proto::configure_provider::Request>,
    ) -> Answer<proto::configure_provider::Response> {
        let respond = |diagnostics| proto::configure_provider::Response {
            diagnostics: tell::messages(diagnostics, &self.0.schema),
        };
        let work = async {
            let (cx, request) = (self.0.context(&request), request.into_inner());
            let mut diagnostics = Diagnostics::new();
            let config = read_value(request.config.as_ref(), &self.0.config_type, &mut Hints::new())
                .and_then(|config| from_dynamic(&config));
            match config {
                Ok(config) => {
                    let client = ClientInfo { terraform_version: request.terraform_version };
                    self.0.provider.configure(&cx, config, client, &mut diagnostics).await;
                }
                Err(error) => diagnostics.value_error(&error),
            }
            respond(diagnostics)
        };
        answered("ConfigureProvider", work, respond).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<proto::upgrade_resource_state::Request>,
    ) -> Answer<proto::upgrade_resource_state::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let respond = |upgraded_state: Option<proto::DynamicValue>, diagnostics| {
            proto::upgrade_resource_state::Response {
                upgraded_state,
                diagnostics: tell::messages(diagnostics, &managed.schema),
            }
        };
        let work = async {
            let request = request.into_inner();
            let mut diagnostics = Diagnostics::new();
            let mut hints = Hints::new();
            let state = upgrade(managed, &request, &mut hints)
                .map_err(|error| diagnostics.value_error(&error))
                .ok()
                .and_then(|state| write_value(&state, &managed.value_type, &hints, &mut diagnostics));
            respond(state, diagnostics)
        };
        answered("UpgradeResourceState", work, |diagnostics| respond(None, diagnostics)).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<proto::upgrade_resource_identity::Request>,
    ) -> Answer<proto::upgrade_resource_identity::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let identity = managed
            .identity
            .as_ref()
            .ok_or_else(|| Status::invalid_argument("the resource has no identity"))?;
        let request = request.into_inner();
        let mut diagnostics = Diagnostics::new();
        let json = request.raw_identity.map(|raw| raw.json).unwrap_or_default();
        let data = parse_json(&json)
            .and_then(|json| from_state_json(&json, &identity.value_type, &mut Hints::new()))
            .map_err(|error| diagnostics.value_error(&error))
            .ok()
            .and_then(|value| write_value(&value, &identity.value_type, &Hints::new(), &mut diagnostics));
        Ok(Response::new(proto::upgrade_resource_identity::Response {
            upgraded_identity: data.map(|data| proto::ResourceIdentityData { identity_data: Some(data) }),
            diagnostics: tell::messages(diagnostics, &managed.schema),
        }))
    }

    async fn read_resource(
        &self,
        request: Request<proto::read_resource::Request>,
    ) -> Answer<proto::read_resource::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let request = request.into_inner();
        // What is not read again stays as it is.
        let stays = proto::read_resource::Response {
            new_state: request.current_state.clone(),
            diagnostics: Vec::new(),
            private: request.private.clone(),
            new_identity: request.current_identity.clone(),
        };
        let work = read(managed, &cx, request, stays.clone());
        let failed = |diagnostics| proto::read_resource::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
            ..stays
        };
        answered("ReadResource", work, failed).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<proto::plan_resource_change::Request>,
    ) -> Answer<proto::plan_resource_change::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let failed = |diagnostics| proto::plan_resource_change::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
            ..Default::default()
        };
        answered("PlanResourceChange", plan_change(managed, &cx, request.into_inner()), failed).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<proto::apply_resource_change::Request>,
    ) -> Answer<proto::apply_resource_change::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let request = request.into_inner();
        // After a failure nothing is known better than what was there before: null in a create.
        let stays = proto::apply_resource_change::Response {
            new_state: request.prior_state.clone(),
            private: request.planned_private.clone(),
            diagnostics: Vec::new(),
            new_identity: request.planned_identity.clone(),
        };
        let work = apply(managed, &cx, request, stays.clone());
        let failed = |diagnostics| proto::apply_resource_change::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
            ..stays
        };
        answered("ApplyResourceChange", work, failed).await
    }

    async fn import_resource_state(
        &self,
        request: Request<proto::import_resource_state::Request>,
    ) -> Answer<proto::import_resource_state::Response> {
        let managed = self.0.managed(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let failed = |diagnostics| proto::import_resource_state::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
            ..Default::default()
        };
        answered("ImportResourceState", import(managed, &cx, request.into_inner()), failed).await
    }

    async fn move_resource_state(
        &self,
        request: Request<proto::move_resource_state::Request>,
    ) -> Answer<proto::move_resource_state::Response> {
        let request = request.into_inner();
        let mut diagnostics = Diagnostics::new();
        diagnostics.error(
            "Resource cannot be moved",
            format!(
                "This provider cannot turn a {} into a {}. Remove the moved block and import the resource instead.",
                request.source_type_name, request.target_type_name
            ),
        );
        Ok(Response::new(proto::move_resource_state::Response {
            diagnostics: tell::messages(diagnostics, &Schema::default()),
            ..Default::default()
        }))
    }

    async fn read_data_source(
        &self,
        request: Request<proto::read_data_source::Request>,
    ) -> Answer<proto::read_data_source::Response> {
        let source = self.0.source(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let failed = |diagnostics| proto::read_data_source::Response {
            diagnostics: tell::messages(diagnostics, &source.schema),
            ..Default::default()
        };
        answered("ReadDataSource", read_source(source, &cx, request.into_inner()), failed).await
    }

    async fn get_functions(
        &self,
        _: Request<proto::get_functions::Request>,
    ) -> Answer<proto::get_functions::Response> {
        Ok(Response::new(proto::get_functions::Response {
            functions: self.0.function_messages(),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(
        &self,
        request: Request<proto::call_function::Request>,
    ) -> Answer<proto::call_function::Response> {
        let request = request.into_inner();
        let callable = self.0.functions.get(&request.name).ok_or_else(|| {
            Status::invalid_argument(format!("the provider has no function {:?}", request.name))
        })?;
        let work = async { call(callable, &request.arguments) };
        let failed = |text| Err(proto::FunctionError { text, function_argument: None });
        let answer = match caught(work).await.unwrap_or_else(failed) {
            Ok(result) => proto::call_function::Response { result: Some(result), error: None },
            Err(error) => proto::call_function::Response { result: None, error: Some(error) },
        };
        Ok(Response::new(answer))
    }

    async fn stop_provider(
        &self,
        _: Request<proto::stop_provider::Request>,
    ) -> Answer<proto::stop_provider::Response> {
        tracing::info!("asked to stop");
        self.stop();
        Ok(Response::new(proto::stop_provider::Response::default()))
    }
}

fn upgrade(
    managed: &Managed,
    request: &proto::upgrade_resource_state::Request,
    hints: &mut Hints,
) -> Result<Dynamic, ValueError> {
    let refused = |message: String| ValueError::new(Path::empty(), message);
    let raw = request.raw_state.as_ref().map(|raw| raw.json.as_ref()).unwrap_or_default();
    if raw.is_empty() {
        return Err(refused(
            "the saved state is from before Terraform 0.12, which cannot be read".to_owned(),
        ));
    }
    let mut json = parse_json(raw)?;
    let version = u64::try_from(request.version)
        .map_err(|_| refused(format!("the saved state has the version {}", request.version)))?;
    if version != managed.schema.version {
        json = managed.resource.upgrade(version, json).map_err(|problem| {
            refused(format!("the state of version {version} cannot be brought to today's form: {problem}"))
        })?;
    }
    let mut state = from_state_json(&json, &managed.value_type, hints)?;
    plan::take_write_only(&managed.schema, &mut state);
    Ok(state)
}

async fn read(
    managed: &Managed,
    cx: &Context,
    request: proto::read_resource::Request,
    stays: proto::read_resource::Response,
) -> proto::read_resource::Response {
    let mut diagnostics = Diagnostics::new();
    let mut hints = Hints::new();
    let state = match read_value(request.current_state.as_ref(), &managed.value_type, &mut hints) {
        Ok(state) => state,
        Err(error) => {
            diagnostics.value_error(&error);
            return proto::read_resource::Response {
                diagnostics: tell::messages(diagnostics, &managed.schema),
                ..stays
            };
        }
    };
    let saved = DynSaved { state, private: request.private.to_vec() };
    let answer = match managed.resource.read(cx, saved, &mut diagnostics).await {
        None if diagnostics.has_errors() => stays,
        None => proto::read_resource::Response { new_state: Some(null_value()), ..Default::default() },
        Some(saved) => {
            let state = managed.finish(saved.state, None, &mut diagnostics);
            let new_identity =
                managed.identity_of(&state, request.current_identity.as_ref(), &mut diagnostics);
            match write_value(&state, &managed.value_type, &hints, &mut diagnostics) {
                Some(new_state) => proto::read_resource::Response {
                    new_state: Some(new_state),
                    private: saved.private.into(),
                    new_identity,
                    diagnostics: Vec::new(),
                },
                None => stays,
            }
        }
    };
    proto::read_resource::Response { diagnostics: tell::messages(diagnostics, &managed.schema), ..answer }
}

async fn plan_change(
    managed: &Managed,
    cx: &Context,
    request: proto::plan_resource_change::Request,
) -> proto::plan_resource_change::Response {
    let mut diagnostics = Diagnostics::new();
    let answer = plan_change_or_tell(managed, cx, request, &mut diagnostics).await;
    let answer = answer.unwrap_or_else(|error| {
        diagnostics.value_error(&error);
        proto::plan_resource_change::Response::default()
    });
    proto::plan_resource_change::Response {
        diagnostics: tell::messages(diagnostics, &managed.schema),
        ..answer
    }
}

async fn plan_change_or_tell(
    managed: &Managed,
    cx: &Context,
    request: proto::plan_resource_change::Request,
    diagnostics: &mut Diagnostics,
) -> Result<proto::plan_resource_change::Response, ValueError> {
    let mut hints = Hints::new();
    let value_type = &managed.value_type;
    let prior = read_value(request.prior_state.as_ref(), value_type, &mut hints)?;
    let proposed = read_value(request.proposed_new_state.as_ref(), value_type, &mut hints)?;
    let config = read_value(request.config.as_ref(), value_type, &mut hints)?;
    if proposed.is_null() {
        let prior = DynSaved { state: prior, private: request.prior_private.to_vec() };
        managed.resource.plan_delete(cx, &prior, diagnostics).await;
        return Ok(proto::plan_resource_change::Response {
            planned_state: Some(null_value()),
            planned_private: request.prior_private,
            planned_identity: request.prior_identity,
            ..Default::default()
        });
    }
    let creates = prior.is_null();
    let mut planned = DynPlan {
        planned: conform(plan::propose(&managed.schema, &config, &prior), value_type)?,
        // In the second half of a replacement Terraform hands over what the first half planned, and when it plans
        // again in apply it does not; a create starts from nothing both times.
        private: if creates { Vec::new() } else { request.prior_private.to_vec() },
        config,
        prior,
        replace: Vec::new(),
    };
    managed.resource.plan(cx, &mut planned, diagnostics).await;
    let DynPlan { config, prior, planned, private, replace } = planned;
    let planned = conform(planned, value_type)?;
    plan::check_planned(&managed.schema, &config, &prior, &planned, diagnostics);
    let replace = if creates {
        Vec::new()
    } else {
        plan::replace_paths(&managed.schema, replace, &prior, &planned, diagnostics)
    };
    let planned_identity = if replace.is_empty() {
        managed.identity_of(&planned, request.prior_identity.as_ref(), diagnostics)
    } else {
        None
    };
    Ok(proto::plan_resource_change::Response {
        planned_state: write_value(&planned, value_type, &hints, diagnostics),
        requires_replace: replace.iter().map(schema::path).collect(),
        planned_private: private.into(),
        planned_identity,
        diagnostics: Vec::new(),
    })
}

async fn apply(
    managed: &Managed,
    cx: &Context,
    request: proto::apply_resource_change::Request,
    stays: proto::apply_resource_change::Response,
) -> proto::apply_resource_change::Response {
    let mut diagnostics = Diagnostics::new();
    let answer = apply_or_tell(managed, cx, request, &mut diagnostics).await.unwrap_or_else(|error| {
        diagnostics.value_error(&error);
        None
    });
    proto::apply_resource_change::Response {
        diagnostics: tell::messages(diagnostics, &managed.schema),
        ..answer.unwrap_or(stays)
    }
}

/// `None`: the prior state stays.
async fn apply_or_tell(
    managed: &Managed,
    cx: &Context,
    request: proto::apply_resource_change::Request,
    diagnostics: &mut Diagnostics,
) -> Result<Option<proto::apply_resource_change::Response>, ValueError> {
    let mut hints = Hints::new();
    let value_type = &managed.value_type;
    let prior = read_value(request.prior_state.as_ref(), value_type, &mut hints)?;
    let planned = read_value(request.planned_state.as_ref(), value_type, &mut hints)?;
    // The raw configuration, without `ignore_changes`: what was agreed is the planned state alone.
    let config = read_value(request.config.as_ref(), value_type, &mut hints)?;
    let write_only = plan::write_only_part(&managed.schema, &config);
    let private = request.planned_private.to_vec();
    if planned.is_null() {
        managed.resource.delete(cx, DynSaved { state: prior, private }, diagnostics).await;
        let gone =
            proto::apply_resource_change::Response { new_state: Some(null_value()), ..Default::default() };
        return Ok(if diagnostics.has_errors() { None } else { Some(gone) });
    }
    let creates = prior.is_null();
    let change = DynApply { prior, planned: planned.clone(), write_only, private };
    let saved = if creates {
        managed.resource.create(cx, change, diagnostics).await
    } else {
        managed.resource.update(cx, change, diagnostics).await
    };
    let Some(saved) = saved else {
        if !diagnostics.has_errors() {
            let detail = format!(
                "Creating this {} gave neither a state nor an error. This is a bug in the provider, which should be \
                 reported to its developers.",
                managed.resource.type_name()
            );
            diagnostics.error("The provider returned no state", detail);
        }
        return Ok(None);
    };
    let state = managed.finish(saved.state, Some(&planned), diagnostics);
    let before = request.planned_identity.as_ref();
    let new_identity = managed.identity_of(&state, before, diagnostics);
    if new_identity.is_none() && managed.identity.is_some() && !diagnostics.has_errors() {
        let detail = format!(
            "The new {} has no identity. This is a bug in the provider, which should be reported to its developers.",
            managed.resource.type_name()
        );
        diagnostics.error("The provider returned no identity", detail);
    }
    Ok(Some(proto::apply_resource_change::Response {
        new_state: write_value(&state, value_type, &hints, diagnostics),
        private: saved.private.into(),
        new_identity,
        diagnostics: Vec::new(),
    }))
}

async fn import(
    managed: &Managed,
    cx: &Context,
    request: proto::import_resource_state::Request,
) -> proto::import_resource_state::Response {
    let mut diagnostics = Diagnostics::new();
    let identity_data = request.identity.as_ref().and_then(|identity| identity.identity_data.as_ref());
    let what = match (&managed.identity, identity_data) {
        (Some(identity), Some(data)) => {
            read_value(Some(data), &identity.value_type, &mut Hints::new()).map(Import::Identity)
        }
        _ => Ok(Import::Id(request.id)),
    };
    let saved = match what {
        Ok(what) => managed.resource.import(cx, what, &mut diagnostics).await,
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    };
    let imported = saved.and_then(|saved| {
        let state = managed.finish(saved.state, None, &mut diagnostics);
        // The user may leave out parts of the identity, so that what was asked for is no identity to compare with.
        let identity = managed.identity_of(&state, None, &mut diagnostics);
        let state = write_value(&state, &managed.value_type, &Hints::new(), &mut diagnostics)?;
        Some(proto::import_resource_state::ImportedResource {
            type_name: request.type_name,
            state: Some(state),
            private: saved.private.into(),
            identity,
        })
    });
    if imported.is_none() && !diagnostics.has_errors() {
        diagnostics.error("The provider returned no state", "The import gave neither a state nor an error.");
    }
    proto::import_resource_state::Response {
        imported_resources: imported.into_iter().collect(),
        diagnostics: tell::messages(diagnostics, &managed.schema),
    }
}

async fn read_source(
    source: &Source,
    cx: &Context,
    request: proto::read_data_source::Request,
) -> proto::read_data_source::Response {
    let mut diagnostics = Diagnostics::new();
    let mut hints = Hints::new();
    let state = match read_value(request.config.as_ref(), &source.value_type, &mut hints) {
        Ok(config) => source.source.read(cx, &config, &mut diagnostics).await,
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    };
    if state.is_none() && !diagnostics.has_errors() {
        diagnostics.error("The provider returned no data", "Reading gave neither a value nor an error.");
    }
    if let Some(path) = state.as_ref().and_then(Dynamic::first_unknown) {
        bug(&path, "the value is still unknown after reading", &mut diagnostics);
    }
    let state = state.and_then(|state| write_value(&state, &source.value_type, &hints, &mut diagnostics));
    proto::read_data_source::Response { state, diagnostics: tell::messages(diagnostics, &source.schema) }
}

fn call(
    callable: &Callable,
    arguments: &[proto::DynamicValue],
) -> Result<proto::DynamicValue, proto::FunctionError> {
    let definition = &callable.definition;
    let at = |index: usize, text: String| proto::FunctionError {
        text,
        function_argument: i64::try_from(index).ok(),
    };
    let values = arguments.iter().enumerate().map(|(index, argument)| {
        let parameter = definition.parameters.get(index).or(definition.variadic.as_ref());
        let parameter = parameter.ok_or_else(|| at(index, "one argument too many".to_owned()))?;
        read_value(Some(argument), &parameter.value_type, &mut Hints::new())
            .map_err(|error| at(index, error.to_string()))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    if values.len() < definition.parameters.len() {
        return Err(at(values.len(), "an argument is missing".to_owned()));
    }
    let failed = |error: crate::framework::FunctionError| proto::FunctionError {
        text: plain_text::shown(&error.text).into_owned(),
        function_argument: error.argument,
    };
    let result = callable.function.call(values).map_err(failed)?;
    encode(&result, &definition.returns, &Hints::new())
        .map(|msgpack| proto::DynamicValue { msgpack: msgpack.into(), json: bytes::Bytes::new() })
        .map_err(|error| proto::FunctionError {
            text: format!("the provider returned a result of another type, which is a bug in it: {error}"),
            function_argument: None,
        })
}
