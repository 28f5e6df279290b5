//! A provider that has one of everything, and misbehaves when asked to. The tests drive it by real clients.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tfplugin::*;

struct Fixture;

/// One of everything.
#[derive(Default, Model)]
struct Config {
    /// Where.
    #[model(optional, validate = somewhere)]
    region: Value<String>,
}

fn somewhere(region: &Dynamic) -> Result<(), String> {
    match region.as_str() {
        Some("nowhere") => Err("nowhere is no region".to_owned()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Provider for Fixture {
    type Config = Config;

    fn name(&self) -> &str {
        "fixture"
    }

    fn schema(&self) -> Schema {
        Config::schema()
    }

    async fn configure(
        &self,
        _: &Context,
        config: Config,
        client: ClientInfo,
        diagnostics: &mut Diagnostics,
    ) {
        tracing::info!(terraform = client.terraform_version, "configured");
        if config.region.as_deref() == Some("broken") {
            diagnostics.error_at(&Path::root("region"), "The region is broken", "Choose another one.");
        }
    }

    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        vec![resource(Thing)]
    }

    fn data_sources(&self) -> Vec<Box<dyn DynDataSource>> {
        vec![data_source(Echo)]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(Double), Box::new(Describe)]
    }
}

struct Thing;

#[derive(Clone, Default, Model)]
struct Select {
    /// The highest price.
    #[model(optional)]
    max_price: Value<Number>,
    #[model(default = "price")]
    prefer: Value<String>,
}

#[derive(Clone, Default, Model)]
struct Port {
    #[model(required)]
    number: Value<u16>,
    #[model(computed)]
    address: Value<String>,
}

/// A thing.
#[derive(Clone, Default, Model)]
struct ThingModel {
    #[model(flatten)]
    arguments: Arguments,
    #[model(flatten)]
    reported: Reported,
}

#[derive(Clone, Default, Model)]
#[model(optional)]
struct Arguments {
    #[model(required, replace, validate = not_empty)]
    name: Value<String>,
    /// What is done: `ok`, `panic`, `slow`, `partial`, ...
    mode: Value<String>,
    #[model(deprecated = "Use select instead.", validate = polite)]
    note: Value<String>,
    payload: Value<String>,
    select: Value<Select>,
    ports: Value<BTreeMap<String, Value<Port>>>,
    #[model(set)]
    tags: Value<Vec<Value<String>>>,
    any: Dynamic,
    #[model(write_only, validate = polite)]
    secret: Value<String>,
    secret_version: Value<i64>,
}

/// What only the provider knows.
#[derive(Clone, Default, Model)]
#[model(computed)]
struct Reported {
    id: Value<String>,
    secret_length: Value<u64>,
    #[model(sensitive)]
    token: Value<String>,
    done: Value<bool>,
}

fn not_empty(name: &Dynamic) -> Result<(), String> {
    match name.as_str() {
        Some("") => Err("a name is not empty".to_owned()),
        _ => Ok(()),
    }
}

fn polite(text: &Dynamic) -> Result<(), String> {
    match text.as_str() {
        Some(text) if text.ends_with("bad") => Err("badness is not taken".to_owned()),
        _ => Ok(()),
    }
}

#[derive(Serialize, Deserialize, Default, Clone)]
#[serde(default)]
struct Private {
    reads: u64,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    name: Option<String>,
    region: Option<String>,
}

impl ThingModel {
    /// Fills in what only the provider knows.
    fn finish(&mut self, secret: &Value<String>, done: bool) {
        let name = self.arguments.name.as_deref().unwrap_or_default().to_owned();
        self.reported = Reported {
            id: format!("thing-{name}").into(),
            token: "very secret".into(),
            done: done.into(),
            secret_length: secret.known().map(|secret| secret.chars().count() as u64).into(),
        };
        for port in self.arguments.ports.known_mut().into_iter().flat_map(|ports| ports.values_mut()) {
            if let Some(port) = port.known_mut() {
                port.address = port.number.clone().map(|number| format!("{name}:{number}"));
            }
        }
    }
}

#[async_trait]
impl Resource for Thing {
    type Model = ThingModel;
    type Private = Private;
    type Identity = Identity;

    fn type_name(&self) -> &'static str {
        "fixture_thing"
    }

    fn schema(&self) -> Schema {
        ThingModel::schema().version(2)
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        Some(IdentitySchema::new().required("name", "The thing's name.").optional("region", "Its region."))
    }

    fn identity(&self, state: &ThingModel) -> Option<Identity> {
        state
            .arguments
            .name
            .known()
            .map(|name| Identity { name: Some(name.clone()), region: Some("here".to_owned()) })
    }

    async fn plan_update(&self, _: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        let (planned, prior) = (&mut plan.planned, &plan.prior);
        if planned.arguments.secret_version != prior.arguments.secret_version {
            planned.reported.secret_length = Value::Unknown;
        }
        if planned.reported.done != Value::Known(true) {
            planned.reported.done = Value::Unknown;
        }
        let (mode, before) = (planned.arguments.mode.as_deref(), prior.arguments.mode.as_deref());
        if mode == Some("replaced") && before != Some("replaced") {
            plan.replace.push(Path::root("mode"));
            diagnostics.warning_at(&Path::root("mode"), "Replaced", "The mode asks for it.");
        }
        if mode == Some("bad-replace") {
            plan.replace.push(Path::root("token"));
        }
    }

    async fn plan_delete(&self, _: &Context, prior: &ThingModel, _: &Private, diagnostics: &mut Diagnostics) {
        diagnostics.warning(
            "A thing ends",
            format!("{} is destroyed.", prior.reported.id.as_deref().unwrap_or("?")),
        );
    }

    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let mut state = create.planned;
        let mode = state.arguments.mode.as_deref().unwrap_or("ok").to_owned();
        if let (Ok(file), "slow") = (std::env::var("FIXTURE_STARTED"), mode.as_str()) {
            let _ = std::fs::write(file, "started");
        }
        let mut done = true;
        match mode.as_str() {
            "panic" => {
                #[allow(clippy::panic, reason = "what happens then is what is tested")]
                {
                    panic!("the fixture was asked to panic")
                }
            }
            "slow" => tokio::select! {
                () = cx.cancel().cancelled() => {
                    diagnostics.warning("Interrupted", "The thing is there but not done.");
                    done = false;
                }
                () = tokio::time::sleep(Duration::from_secs(60)) => {}
            },
            "partial" => {
                diagnostics.error("Half done", "The thing exists but is broken.");
                done = false;
            }
            "refused" => {
                diagnostics.error_at(&Path::root("select").attr("max_price"), "Too cheap", "Nobody bids.");
                return None;
            }
            _ => {}
        }
        state.finish(&create.write_only.arguments.secret, done);
        if let (Ok(file), Some(name)) =
            (std::env::var("FIXTURE_RETURNED"), state.arguments.name.known().cloned())
        {
            cx.on_returned(move || drop(std::fs::write(file, name)));
        }
        Some(Saved { state, private: Private::default() })
    }

    async fn read(
        &self,
        _: &Context,
        read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        if std::env::var("FIXTURE_GONE").is_ok() {
            diagnostics.warning("The thing is gone", "Somebody took it.");
            return None;
        }
        Some(Saved { state: read.state, private: Private { reads: read.private.reads + 1 } })
    }

    async fn update(&self, _: &Context, update: Update<Self>, _: &mut Diagnostics) -> Saved<Self> {
        let mut state = update.planned;
        let length = state.reported.secret_length.clone();
        state.finish(&update.write_only.arguments.secret, true);
        if !length.is_unknown() {
            state.reported.secret_length = length;
        }
        Saved { state, private: update.private }
    }

    async fn delete(&self, _: &Context, delete: Delete<Self>, diagnostics: &mut Diagnostics) {
        if std::env::var("FIXTURE_STUCK").is_ok() {
            diagnostics
                .error("Cannot delete", format!("{:?} is stuck.", delete.prior.arguments.name.as_deref()));
        }
    }

    async fn import(
        &self,
        _: &Context,
        import: Import<Identity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        let name = match import {
            Import::Id(id) => match id.strip_prefix("thing-") {
                Some(name) => name.to_owned(),
                None => {
                    diagnostics.error("Not an id", format!("{id:?} is not of the form thing-NAME."));
                    return None;
                }
            },
            Import::Identity(identity) => identity.name?,
        };
        let mut state = ThingModel::default();
        state.arguments.name = name.into();
        state.finish(&Value::Null, true);
        Some(Saved { state, private: Private::default() })
    }

    fn upgrade(&self, version: u64, mut state: serde_json::Value) -> Result<serde_json::Value, String> {
        match (version, state.as_object_mut()) {
            (1, Some(state)) => {
                let title = state.remove("title").unwrap_or_default();
                state.insert("name".to_owned(), title);
            }
            _ => return Err("nothing of that version was ever released".to_owned()),
        }
        Ok(state)
    }
}

struct Echo;

/// Repeats.
#[derive(Default, Model)]
struct EchoModel {
    #[model(required)]
    text: String,
    #[model(optional)]
    times: Option<u32>,
    #[model(computed)]
    echo: Value<String>,
}

#[async_trait]
impl DataSource for Echo {
    type Model = EchoModel;

    fn type_name(&self) -> &'static str {
        "fixture_echo"
    }

    fn schema(&self) -> Schema {
        EchoModel::schema()
    }

    async fn read(&self, _: &Context, config: EchoModel, _: &mut Diagnostics) -> Option<EchoModel> {
        let echo = config.text.repeat(config.times.unwrap_or(2) as usize);
        Some(EchoModel { echo: echo.into(), ..config })
    }
}

struct Double;

impl Function for Double {
    fn name(&self) -> &str {
        "double"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "Doubles.".to_owned(),
            description: "Adds a number to itself.".to_owned(),
            parameters: vec![Parameter::new("number", Type::Number, "The number.")],
            variadic: None,
            returns: Type::Number,
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        let number = arguments
            .first()
            .and_then(Dynamic::as_number)
            .ok_or_else(|| FunctionError::at(0, "no number"))?;
        if number.is_zero() {
            return Err(FunctionError::at(0, "zero has no double worth asking for"));
        }
        Ok(Number::from(number.as_decimal() * 2).into())
    }
}

struct Describe;

impl Function for Describe {
    fn name(&self) -> &str {
        "describe"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "Describes values.".to_owned(),
            description: "Says of which kind each value is.".to_owned(),
            parameters: vec![],
            variadic: Some(Parameter::new("values", Type::Dynamic, "The values.").allow_null()),
            returns: Type::list(Type::String),
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        Ok(Dynamic::List(arguments.iter().map(|argument| argument.kind().into()).collect()))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    serve(Fixture, ServeOptions { source: "test/fixture".to_owned(), version: "0.0.1".to_owned() }).await
}
