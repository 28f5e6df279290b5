//! The RPCs of `tfplugin6.Provider`: each finds whom it is for and answers also after a panic. What it does is in the
//! file of its family. Knows nothing of sockets.

mod data_source;
mod function;
mod panics;
mod resource;
mod schema;
mod tell;
mod values;

pub(crate) use panics::install_hook;
#[cfg(test)]
pub(crate) use schema::schema as schema_message;

use crate::codec::Hints;
use crate::diagnostics::Diagnostics;
use crate::framework::{Answered, ClientInfo, Context, FunctionDefinition, Provider, plan};
use crate::proto::tfplugin6::{self as proto, provider_server};
use crate::schema::{Schema, Type};
use crate::values::from_dynamic;
use data_source::Source;
use function::Callable;
use panics::caught;
use resource::Managed;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use values::read_value;

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

impl<P: Provider> Service<P> {
    /// Asks the provider for everything that it has.
    pub(crate) fn new(provider: P) -> Self {
        let schema = provider.schema();
        let resources = provider.resources().into_iter();
        let resources = resources.map(|resource| (resource.type_name(), Managed::new(resource)));
        let data_sources = provider.data_sources().into_iter();
        let data_sources = data_sources.map(|source| (source.type_name(), Source::new(source)));
        let functions = provider.functions().into_iter();
        let functions = functions.map(|function| (function.name().to_owned(), Callable::new(function)));
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
        let cx = self.0.context(&request);
        let respond = |diagnostics| proto::validate_resource_config::Response {
            diagnostics: tell::messages(diagnostics, &managed.schema),
        };
        let work = async { respond(resource::validate(managed, &cx, request.into_inner()).await) };
        answered("ValidateResourceConfig", work, respond).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<proto::validate_data_resource_config::Request>,
    ) -> Answer<proto::validate_data_resource_config::Response> {
        let source = self.0.source(&request.get_ref().type_name)?;
        let cx = self.0.context(&request);
        let respond = |diagnostics| proto::validate_data_resource_config::Response {
            diagnostics: tell::messages(diagnostics, &source.schema),
        };
        let work = async { respond(data_source::validate(source, &cx, request.into_inner()).await) };
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
            let (state, diagnostics) = resource::upgrade(managed, request.get_ref());
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
        let (upgraded_identity, diagnostics) = resource::upgrade_identity(identity, request.into_inner());
        Ok(Response::new(proto::upgrade_resource_identity::Response {
            upgraded_identity,
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
        let work = resource::read(managed, &cx, request, stays.clone());
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
        answered("PlanResourceChange", resource::plan_change(managed, &cx, request.into_inner()), failed)
            .await
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
        let work = resource::apply(managed, &cx, request, stays.clone());
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
        answered("ImportResourceState", resource::import(managed, &cx, request.into_inner()), failed).await
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
        answered("ReadDataSource", data_source::read(source, &cx, request.into_inner()), failed).await
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
        let work = async { function::call(callable, &request.arguments) };
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
