//! What diagnostics let out: whatever an operation says, of whatever RPC, nothing sensitive is pointed at and nothing
//! in the text is more than text. The provider here complains of what its configuration names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use tfplugin::testing::{InProcess, State, in_process};
use tfplugin::*;

const HOSTILE: &str = "a \u{1b}[2Jnode\u{202e} said\u{200b} so";

fn schema() -> Schema {
    let refuse = |_: &Dynamic| Err("not like this".to_owned());
    let account = || {
        [
            ("host", Attribute::string().optional().validate(refuse)),
            ("password", Attribute::string().optional().sensitive().validate(refuse)),
        ]
    };
    Schema::new("A test.")
        .attribute("open", Attribute::string().optional().validate(refuse))
        .attribute("number", Attribute::number().optional().sensitive())
        .attribute("words", Attribute::string().optional().sensitive().validate(refuse))
        .attribute("tokens", Attribute::map(Type::String).optional().sensitive())
        .attribute("once", Attribute::string().optional().write_only().validate(refuse))
        .attribute("one", Attribute::object(account()).optional())
        .attribute("list", Attribute::list_nested(account()).optional())
        .attribute("map", Attribute::map_nested(account()).optional())
        .attribute("plain", Attribute::list_nested([("host", Attribute::string().optional())]).optional())
}

/// Where the operations complain, and what is to be named and pointed at.
fn places() -> Vec<(Path, &'static str, bool)> {
    let root = Path::root;
    vec![
        (root("open"), "open", true),
        (root("plain").index(0).attr("host"), "plain[0].host", true),
        (root("words"), "words", false),
        (root("tokens").key("id-7"), "tokens", false),
        (root("once"), "once", false),
        (root("one"), "one", false),
        (root("one").attr("host"), "one.host", false),
        (root("list").index(1).attr("password"), "list[1].password", false),
        (root("map").key("a").attr("host"), "map[\"a\"].host", false),
    ]
}

fn complain(diagnostics: &mut Diagnostics) {
    for (path, _, _) in places() {
        diagnostics.error_at(&path, "Bad", HOSTILE);
        diagnostics.warning_at(&path, "Odd", HOSTILE);
    }
    diagnostics.error(HOSTILE, "x".repeat(20_000));
}

/// Everything that [`complain`] said, as it must arrive.
#[track_caller]
fn checked(told: &Diagnostics) {
    let told: Vec<_> = told.iter().filter(|one| one.summary == "Bad" || one.summary == "Odd").collect();
    assert_eq!(told.len(), 2 * places().len(), "{told:#?}");
    for (one, (path, name, pointed)) in
        told.chunks(2).flatten().zip(places().into_iter().flat_map(|p| [p.clone(), p]))
    {
        assert_eq!(one.path.is_some(), pointed, "{path}: {one:#?}");
        assert!(one.detail.starts_with("a node said so"), "{path}: {one:#?}");
        assert_eq!(one.detail.contains(&format!("This is about `{name}`.")), !pointed, "{path}: {one:#?}");
        assert!(!one.detail.contains("id-7"), "a key of something sensitive: {one:#?}");
    }
}

#[track_caller]
fn bounded(told: &Diagnostics) {
    let long = told.iter().find(|one| one.summary == "a node said so").unwrap();
    assert!(long.detail.len() <= 16 * 1024 && long.detail.ends_with("(20000 bytes, cut)"));
}

struct Complains;
struct Thing;
struct Data;
struct Quotes;

#[async_trait]
impl Provider for Complains {
    type Config = Dynamic;

    fn name(&self) -> &str {
        "test"
    }

    fn schema(&self) -> Schema {
        schema()
    }

    async fn validate(&self, _: &Context, _: &Dynamic, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn configure(&self, _: &Context, _: Dynamic, _: ClientInfo, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        vec![resource(Thing)]
    }

    fn data_sources(&self) -> Vec<Box<dyn DynDataSource>> {
        vec![data_source(Data)]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(Quotes)]
    }
}

#[async_trait]
impl Resource for Thing {
    type Model = Dynamic;
    type Private = ();
    type Identity = NoIdentity;

    fn type_name(&self) -> &'static str {
        "test_thing"
    }

    fn schema(&self) -> Schema {
        schema()
    }

    async fn validate(&self, _: &Context, _: &Dynamic, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn plan_create(&self, _: &Context, _: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn plan_update(&self, _: &Context, _: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn plan_delete(&self, _: &Context, _: &Dynamic, (): &(), diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn create(
        &self,
        _: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        complain(diagnostics);
        Some(Saved { state: create.planned, private: () })
    }

    async fn read(
        &self,
        _: &Context,
        read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        complain(diagnostics);
        Some(Saved { state: read.state, private: () })
    }

    async fn update(&self, _: &Context, update: Update<Self>, diagnostics: &mut Diagnostics) -> Saved<Self> {
        complain(diagnostics);
        Saved { state: update.planned, private: () }
    }

    async fn delete(&self, _: &Context, _: Delete<Self>, diagnostics: &mut Diagnostics) {
        complain(diagnostics);
    }

    async fn import(
        &self,
        _: &Context,
        _: Import<NoIdentity>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        complain(diagnostics);
        None
    }
}

#[async_trait]
impl DataSource for Data {
    type Model = Dynamic;

    fn type_name(&self) -> &'static str {
        "test_data"
    }

    fn schema(&self) -> Schema {
        schema()
    }

    async fn validate(&self, _: &Context, config: &Dynamic, diagnostics: &mut Diagnostics) {
        if config.get("open").is_some_and(|open| !open.is_null()) {
            complain(diagnostics);
        }
    }

    async fn read(&self, _: &Context, config: Dynamic, diagnostics: &mut Diagnostics) -> Option<Dynamic> {
        complain(diagnostics);
        Some(config)
    }
}

impl Function for Quotes {
    fn name(&self) -> &str {
        "quotes"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "Fails.".to_owned(),
            description: "Quotes a node.".to_owned(),
            parameters: vec![Parameter::new("text", Type::String, "Any.")],
            variadic: None,
            returns: Type::String,
        }
    }

    fn call(&self, _: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        Err(FunctionError::at(0, HOSTILE))
    }
}

fn provider() -> InProcess<Complains> {
    in_process(Complains)
}

fn nothing() -> Dynamic {
    Dynamic::object::<&str, Dynamic>([])
}

#[tokio::test]
async fn no_answer_points_at_what_is_sensitive() {
    let provider = provider();
    let nothing = nothing();
    let state = State {
        type_name: "test_thing".to_owned(),
        value: nothing.clone(),
        private: Vec::new(),
        identity: None,
    };
    let (create, told_create) = provider.plan("test_thing", None, &nothing).await.unwrap();
    let (update, told_update) = provider.plan("test_thing", Some(&state), &nothing).await.unwrap();
    let (delete, told_delete) = provider.plan_delete(&state).await.unwrap();
    for told in [
        provider.validate_provider(&nothing).await.unwrap(),
        provider.configure(&nothing).await.unwrap(),
        provider.validate("test_thing", &nothing).await.unwrap(),
        told_create,
        told_update,
        told_delete,
        provider.apply(&create).await.unwrap().1,
        provider.apply(&update).await.unwrap().1,
        provider.apply(&delete).await.unwrap().1,
        provider.read(&state).await.unwrap().1,
        provider.import("test_thing", Import::Id("x".to_owned())).await.unwrap().1,
        provider.read_data("test_data", &Dynamic::object([("open", "x")])).await.unwrap().1,
        provider.read_data("test_data", &nothing).await.unwrap().1,
    ] {
        checked(&told);
        bounded(&told);
    }
    let error = provider.call("quotes", &["x".into()]).await.unwrap_err();
    assert_eq!(error.to_string(), "a node said so (argument Some(0))");
}

#[tokio::test]
async fn what_the_framework_finds_is_not_pointed_at_either() {
    let account = || Dynamic::object([("host", "h"), ("password", "p")]);
    let config = Dynamic::object([
        ("open", "o".into()),
        ("words", "w".into()),
        ("once", "s".into()),
        ("one", account()),
        ("list", vec![account()].into()),
        ("map", Dynamic::object([("a", account())])),
    ]);
    let told = provider().validate("test_thing", &config).await.unwrap();
    let refused: Vec<_> = told.iter().filter(|one| one.detail.starts_with("not like this")).collect();
    assert_eq!(refused.len(), 9, "{refused:#?}");
    for one in refused {
        assert_eq!(
            one.path.as_ref().map(ToString::to_string),
            one.summary.ends_with("open").then(|| "open".into())
        );
    }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Low,
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Leveled {
    level: Value<Level>,
}

struct Levels;

#[async_trait]
impl DataSource for Levels {
    type Model = Leveled;

    fn type_name(&self) -> &'static str {
        "test_levels"
    }

    fn schema(&self) -> Schema {
        Schema::new("Levels.").attribute("level", Attribute::string().required().sensitive())
    }

    async fn read(&self, _: &Context, config: Leveled, _: &mut Diagnostics) -> Option<Leveled> {
        Some(config)
    }
}

struct OnlyLevels;

#[async_trait]
impl Provider for OnlyLevels {
    type Config = ();

    fn name(&self) -> &str {
        "test"
    }

    fn schema(&self) -> Schema {
        Schema::new("A test.")
    }

    async fn configure(&self, _: &Context, (): (), _: ClientInfo, _: &mut Diagnostics) {}

    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        Vec::new()
    }

    fn data_sources(&self) -> Vec<Box<dyn DynDataSource>> {
        vec![data_source(Levels)]
    }
}

/// An error of conversion quotes what does not fit.
#[tokio::test]
async fn a_sensitive_value_of_the_wrong_type_is_not_quoted() {
    let config = Dynamic::object([("level", "hunter2")]);
    let (_, told) = in_process(OnlyLevels).read_data("test_levels", &config).await.unwrap();
    let text = format!("{told:?}");
    assert!(told.has_errors() && text.contains("level") && !text.contains("hunter2"), "{text}");
}
