//! What the framework makes of values and what it refuses, over the RPCs in one process. The resource here does what
//! each test's script says, so that it can be as wrong as Terraform's core must never see.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tfplugin::testing::{InProcess, Plan, State, in_process};
use tfplugin::*;

type Step<T> = Box<dyn Fn(&mut T, &mut Diagnostics) + Send + Sync>;

/// A resource whose operations are what the fields say; without one they do what a good resource would.
#[derive(Default)]
struct Script {
    schema: Schema,
    identity: bool,
    plan_update: Option<Step<PlanUpdate<Self>>>,
    plan_create: Option<Step<PlanCreate<Self>>>,
    /// Changes the state that create and update return.
    apply: Option<Step<Dynamic>>,
    read: Option<Step<Dynamic>>,
    /// Create gives no state.
    nothing: bool,
    /// Create waits to be stopped.
    waits: bool,
    returned: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Dynamic>>>,
    /// Write-only values and plan of each create and update.
    applied: Arc<Mutex<Vec<(Dynamic, Dynamic)>>>,
}

#[async_trait]
impl Resource for Script {
    type Model = Dynamic;
    type Private = Vec<String>;
    type Identity = Dynamic;

    fn type_name(&self) -> &'static str {
        "test_thing"
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn identity_schema(&self) -> Option<IdentitySchema> {
        self.identity.then(|| IdentitySchema::new().required("id", "The id."))
    }

    fn identity(&self, state: &Dynamic) -> Option<Dynamic> {
        Some(Dynamic::object([("id", state.get("id")?.clone())]))
    }

    async fn plan_create(&self, _: &Context, plan: &mut PlanCreate<Self>, diagnostics: &mut Diagnostics) {
        self.seen.lock().unwrap().push(plan.config.clone());
        plan.private.push("planned".to_owned());
        if let Some(step) = &self.plan_create {
            step(plan, diagnostics);
        }
    }

    async fn plan_update(&self, _: &Context, plan: &mut PlanUpdate<Self>, diagnostics: &mut Diagnostics) {
        if let Some(step) = &self.plan_update {
            step(plan, diagnostics);
        }
    }

    async fn create(
        &self,
        cx: &Context,
        create: Create<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        self.seen.lock().unwrap().push(create.write_only.clone());
        self.applied.lock().unwrap().push((create.write_only, create.planned.clone()));
        if self.waits {
            cx.cancel().cancelled().await;
        }
        let returned = Arc::clone(&self.returned);
        cx.on_returned(move || returned.store(true, Ordering::SeqCst));
        if self.nothing {
            return None;
        }
        let mut state = decided(create.planned);
        if let Some(step) = &self.apply {
            step(&mut state, diagnostics);
        }
        assert!(!self.returned.load(Ordering::SeqCst), "the hook ran before the answer");
        Some(Saved { state, private: create.private })
    }

    async fn read(
        &self,
        _: &Context,
        mut read: Read<Self>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Saved<Self>> {
        read.private.push("read".to_owned());
        match &self.read {
            Some(step) => step(&mut read.state, diagnostics),
            None => return Some(Saved { state: read.state, private: read.private }),
        }
        if read.state.is_null() { None } else { Some(Saved { state: read.state, private: read.private }) }
    }

    async fn update(&self, _: &Context, update: Update<Self>, diagnostics: &mut Diagnostics) -> Saved<Self> {
        self.applied.lock().unwrap().push((update.write_only, update.planned.clone()));
        let mut state = decided(update.planned);
        if let Some(step) = &self.apply {
            step(&mut state, diagnostics);
        }
        Saved { state, private: update.private }
    }

    async fn delete(&self, _: &Context, _: Delete<Self>, _: &mut Diagnostics) {}
}

/// Every unknown becomes a text, but `costs` an object.
fn decided(value: Dynamic) -> Dynamic {
    match value {
        Dynamic::Unknown => "decided".into(),
        Dynamic::List(items) => Dynamic::List(items.into_iter().map(decided).collect()),
        Dynamic::Map(members) => {
            let decide = |(key, member): (String, Dynamic)| match (key.as_str(), &member) {
                ("costs", Dynamic::Unknown) => (key, object([("hour", 7.into())])),
                _ => (key, decided(member)),
            };
            Dynamic::object(members.into_iter().map(decide))
        }
        known => known,
    }
}

struct Holder(Mutex<Option<Script>>);

#[async_trait]
impl Provider for Holder {
    type Config = Dynamic;

    fn name(&self) -> &str {
        "test"
    }

    fn schema(&self) -> Schema {
        Schema::new("A test.")
    }

    async fn configure(&self, _: &Context, _: Dynamic, _: ClientInfo, _: &mut Diagnostics) {}

    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        self.0.lock().unwrap().take().into_iter().map(resource).collect()
    }
}

fn provider(script: Script) -> InProcess<Holder> {
    in_process(Holder(Mutex::new(Some(script))))
}

fn schema() -> Schema {
    let member = || {
        [
            ("port", Attribute::number().required()),
            ("address", Attribute::string().computed()),
            ("scheme", Attribute::string().default("http")),
        ]
    };
    Schema::new("A thing.")
        .attribute("id", Attribute::string().computed())
        .attribute("name", Attribute::string().required().requires_replace())
        .attribute("text", Attribute::string().optional())
        .attribute("either", Attribute::string().optional().computed())
        .attribute("size", Attribute::number().default(3))
        .attribute("secret", Attribute::string().optional().write_only())
        .attribute("one", Attribute::object(member()).optional())
        .attribute("list", Attribute::list_nested(member()).optional())
        .attribute("map", Attribute::map_nested(member()).optional())
        .attribute("set", Attribute::set_nested(member()).optional())
        .attribute("costs", Attribute::object([("hour", Attribute::number().computed())]).computed())
        .attribute("tags", Attribute::set(Type::String).optional())
        .attribute("any", Attribute::dynamic().optional())
}

fn script() -> Script {
    Script { schema: schema(), ..Script::default() }
}

/// `{ name = "n", ... }`.
fn config<const N: usize>(members: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::object(
        members.into_iter().chain([("name", "n".into())]).collect::<std::collections::BTreeMap<_, _>>(),
    )
}

fn object<const N: usize>(members: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::object(members)
}

/// A state as some apply has left it.
fn state<const N: usize>(members: [(&str, Dynamic); N]) -> State {
    let mut value = config(members);
    if let Dynamic::Map(members) = &mut value {
        members.entry("size".to_owned()).or_insert_with(|| 3.into());
        members.entry("id".to_owned()).or_insert_with(|| "i".into());
        members.entry("either".to_owned()).or_insert_with(|| "was".into());
    }
    State { type_name: "test_thing".to_owned(), value, private: b"[]".to_vec(), identity: None }
}

#[track_caller]
fn error(diagnostics: &Diagnostics, path: &str, text: &str) {
    let found = diagnostics.iter().any(|diagnostic| {
        let at = diagnostic.path.as_ref().map(ToString::to_string).unwrap_or_default();
        diagnostic.severity == Severity::Error && at == path && diagnostic.detail.contains(text)
    });
    assert!(found, "no error {text:?} at {path:?} in {diagnostics:#?}");
}

#[track_caller]
fn clean(diagnostics: &Diagnostics) {
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
}

async fn plan(provider: &InProcess<Holder>, prior: Option<&State>, config: &Dynamic) -> (Plan, Diagnostics) {
    provider.plan("test_thing", prior, config).await.unwrap()
}

#[tokio::test]
async fn a_create_plans_defaults_and_unknowns() {
    let provider = provider(script());
    let port = |port: i32| object([("port", port.into())]);
    let config = config([
        ("secret", "hidden".into()),
        ("text", Dynamic::Unknown),
        ("one", port(1)),
        ("list", vec![port(2)].into()),
        ("map", object([("a", port(3))])),
        ("set", vec![port(4)].into()),
    ]);
    let (plan, told) = plan(&provider, None, &config).await;
    clean(&told);
    let planned =
        |port: i32| object([("port", port.into()), ("address", Dynamic::Unknown), ("scheme", "http".into())]);
    let expected = object([
        ("id", Dynamic::Unknown),
        ("name", "n".into()),
        ("text", Dynamic::Unknown),
        ("either", Dynamic::Unknown),
        ("size", 3.into()),
        ("secret", Dynamic::Null),
        ("one", planned(1)),
        ("list", vec![planned(2)].into()),
        ("map", object([("a", planned(3))])),
        ("set", vec![planned(4)].into()),
        ("costs", Dynamic::Unknown),
        ("tags", Dynamic::Null),
        ("any", Dynamic::Null),
    ]);
    assert_eq!(plan.planned, expected);
    assert_eq!(plan.private, br#"["planned"]"#);
    assert!(plan.replace.is_empty());
}

#[tokio::test]
async fn an_update_keeps_what_was() {
    let full = |port: i32, address: &str| {
        object([("port", port.into()), ("address", address.into()), ("scheme", "http".into())])
    };
    let port = |port: i32| object([("port", port.into())]);
    let prior = state([
        ("text", "old".into()),
        ("list", vec![full(1, "a")].into()),
        ("map", object([("a", full(2, "b")), ("gone", full(9, "z"))])),
        ("set", vec![full(3, "c"), full(4, "d")].into()),
        ("costs", object([("hour", 7.into())])),
    ]);
    let provider = provider(script());
    let config = config([
        ("text", "new".into()),
        ("size", 5.into()),
        ("list", vec![port(10), port(11)].into()),
        ("map", object([("a", port(2)), ("b", port(2))])),
        ("set", vec![port(4), port(5)].into()),
    ]);
    let (plan, told) = plan(&provider, Some(&prior), &config).await;
    clean(&told);
    let new =
        |port: i32| object([("port", port.into()), ("address", Dynamic::Unknown), ("scheme", "http".into())]);
    let planned = &plan.planned;
    assert_eq!(planned.get("id"), Some(&"i".into()), "a computed value stays");
    assert_eq!(planned.get("either"), Some(&"was".into()));
    assert_eq!(planned.get("costs"), Some(&object([("hour", 7.into())])));
    assert_eq!(planned.get("text"), Some(&"new".into()));
    assert_eq!(planned.get("size"), Some(&5.into()));
    assert_eq!(
        planned.get("list"),
        Some(&vec![full(10, "a"), new(11)].into()),
        "a new element's are unknown"
    );
    assert_eq!(planned.get("map"), Some(&object([("a", full(2, "b")), ("b", new(2))])));
    let Some(Dynamic::List(set)) = planned.get("set") else { panic!("{planned:?}") };
    assert!(set.contains(&full(4, "d")) && set.contains(&new(5)) && set.len() == 2, "{set:?}");
}

#[tokio::test]
async fn an_unchanged_configuration_plans_the_prior_state() {
    let provider = provider(script());
    let config = config([
        ("secret", "hidden".into()),
        ("tags", vec!["b", "a", "b"].into()),
        ("map", object([("a", object([("port", 1.into())]))])),
        ("any", vec![Dynamic::from(1), "x".into()].into()),
    ]);
    let (created, told) = provider.plan_and_apply("test_thing", None, &config).await.unwrap();
    clean(&told);
    let created = created.unwrap();
    assert_eq!(created.value.get("secret"), Some(&Dynamic::Null));
    assert_eq!(created.value.get("tags"), Some(&vec!["a", "b"].into()));
    let (plan, told) = plan(&provider, Some(&created), &config).await;
    clean(&told);
    assert_eq!(plan.planned, created.value);
}

#[tokio::test]
async fn write_only_values_are_in_the_configuration_alone() {
    let script = script();
    let seen = Arc::clone(&script.seen);
    let provider = provider(script);
    let config = config([("secret", "hidden".into())]);
    let (plan, _) = plan(&provider, None, &config).await;
    let (state, told) = provider.apply(&plan).await.unwrap();
    clean(&told);
    assert!(seen.lock().unwrap().iter().all(|config| config.get("secret") == Some(&"hidden".into())));
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(state.unwrap().value.get("secret"), Some(&Dynamic::Null));
    let told = provider.without_write_only().validate("test_thing", &config).await.unwrap();
    error(&told, "", "secret is write-only, which needs Terraform 1.11");
}

/// `ignore_changes` is Terraform's own affair: it plans with what is ignored left out, and hands the raw configuration
/// to the apply all the same.
#[tokio::test]
async fn an_apply_sees_the_plan_and_of_the_configuration_write_only_values_alone() {
    let member =
        || [("port", Attribute::number().optional()), ("key", Attribute::string().optional().write_only())];
    let open = || [("port", Attribute::number().optional())];
    let schema = Schema::new("A thing.")
        .attribute("name", Attribute::string().required())
        .attribute("text", Attribute::string().optional())
        .attribute("either", Attribute::string().optional().computed())
        .attribute("secret", Attribute::string().optional().write_only())
        .attribute("keys", Attribute::map(Type::String).optional().write_only())
        .attribute("one", Attribute::object(member()).optional())
        .attribute("list", Attribute::list_nested(member()).optional())
        .attribute("map", Attribute::map_nested(member()).optional())
        .attribute("absent", Attribute::object(member()).optional())
        .attribute("open", Attribute::list_nested(open()).optional());
    let script = Script { schema, ..Script::default() };
    let applied = Arc::clone(&script.applied);
    let provider = provider(script);
    let both = |port: i32, key: &str| object([("port", port.into()), ("key", key.into())]);
    let written = |text: &str| {
        config([
            ("text", text.into()),
            ("either", text.into()),
            ("secret", "s".into()),
            ("keys", object([("a", "b".into())])),
            ("one", both(1, "k1")),
            ("list", vec![object([("port", 2.into())]), both(3, "k3")].into()),
            ("map", object([("m", both(4, "k4"))])),
            ("open", vec![object([("port", 5.into())])].into()),
        ])
    };
    let nothing = || object([("port", Dynamic::Null), ("key", Dynamic::Null)]);
    let key = |key: &str| object([("port", Dynamic::Null), ("key", key.into())]);
    let write_only = object([
        ("name", Dynamic::Null),
        ("text", Dynamic::Null),
        ("either", Dynamic::Null),
        ("secret", "s".into()),
        ("keys", object([("a", "b".into())])),
        ("one", key("k1")),
        ("list", vec![nothing(), key("k3")].into()),
        ("map", object([("m", key("k4"))])),
        ("absent", Dynamic::Null),
        ("open", Dynamic::Null),
    ]);
    let (mut create, told) = plan(&provider, None, &written("agreed")).await;
    clean(&told);
    create.config = written("raw");
    let (state, told) = provider.apply(&create).await.unwrap();
    clean(&told);
    let state = state.unwrap();
    let (mut update, told) = plan(&provider, Some(&state), &written("agreed again")).await;
    clean(&told);
    update.config = written("raw");
    let (state, told) = provider.apply(&update).await.unwrap();
    clean(&told);
    let applied = applied.lock().unwrap();
    let [created, updated] = applied.as_slice() else { panic!("{applied:?}") };
    assert_eq!((&created.0, &updated.0), (&write_only, &write_only));
    assert_eq!((&created.1, &updated.1), (&create.planned, &update.planned));
    assert_eq!(state.unwrap().value.get("text"), Some(&"agreed again".into()));
}

#[tokio::test]
async fn invalid_plans_are_refused_by_name() {
    let set = |attribute: &'static str, value: Dynamic| -> Script {
        let step = move |plan: &mut PlanUpdate<Script>, _: &mut Diagnostics| {
            put(&mut plan.planned, attribute, value.clone());
        };
        Script { plan_update: Some(Box::new(step)), ..script() }
    };
    let prior = state([
        ("text", "old".into()),
        ("one", object([("port", 1.into()), ("scheme", "http".into()), ("address", "x".into())])),
    ]);
    let config = config([("text", "new".into()), ("one", object([("port", 1.into())]))]);
    let cases = [
        ("secret", "leak".into(), "", "secret: a write-only value must be null in a plan"),
        ("text", "other".into(), "text", "another value than the configured one"),
        ("text", Dynamic::Unknown, "text", "another value than the configured one"),
        ("tags", vec!["x"].into(), "tags", "none is configured and none is computed"),
        ("one", object([("port", 2.into())]), "one.port", "another value than the configured one"),
        ("size", "big".into(), "size", "expected a number, got a string"),
        ("typo", 1.into(), "typo", "no attribute of this name"),
    ];
    for (attribute, value, path, text) in cases {
        let provider = provider(set(attribute, value));
        let (_, told) = plan(&provider, Some(&prior), &config).await;
        error(&told, path, text);
    }
    // The prior value of what is configured is allowed: it means the same.
    let provider = provider(set("text", "old".into()));
    let (_, told) = plan(&provider, Some(&prior), &config).await;
    clean(&told);
}

fn put(object: &mut Dynamic, name: &str, value: Dynamic) {
    if let Dynamic::Map(members) = object {
        members.insert(name.to_owned(), value);
    }
}

#[tokio::test]
async fn replace_paths_are_checked_sorted_and_once() {
    let replace = |paths: Vec<Path>| {
        let step = move |plan: &mut PlanUpdate<Script>, _: &mut Diagnostics| {
            put(&mut plan.planned, "id", Dynamic::Unknown);
            plan.replace.extend(paths.clone());
        };
        provider(Script { plan_update: Some(Box::new(step)), identity: true, ..script() })
    };
    let prior = State { identity: Some(object([("id", "i".into())])), ..state([]) };
    let renamed = object([("name", "m".into()), ("text", "t".into())]);
    let given = vec![Path::root("text"), Path::root("id"), Path::root("text")];
    let (plan_, told) = plan(&replace(given), Some(&prior), &renamed).await;
    clean(&told);
    assert_eq!(plan_.replace, [Path::root("id"), Path::root("name"), Path::root("text")]);
    assert_eq!(plan_.identity, None, "the new one has another identity");
    for path in
        [Path::root("either"), Path::root("secret"), Path::root("nothing"), Path::root("one").attr("port")]
    {
        let (_, told) = plan(&replace(vec![path.clone()]), Some(&prior), &renamed).await;
        let at = if path == Path::root("secret") { String::new() } else { path.to_string() };
        error(
            &told,
            &at,
            &format!("{path} is said to force a replacement, but its planned value is the prior one"),
        );
    }
}

#[tokio::test]
async fn a_create_never_sees_the_private_state_of_what_it_replaces() {
    let provider = provider(script());
    let prior = State { private: br#"["old"]"#.to_vec(), ..state([]) };
    let (state, told) =
        provider.plan_and_apply("test_thing", Some(&prior), &object([("name", "m".into())])).await.unwrap();
    clean(&told);
    assert_eq!(state.unwrap().private, br#"["planned"]"#);
}

#[tokio::test]
async fn invalid_states_are_refused_by_name_and_kept() {
    let set = |attribute: &'static str, value: Dynamic| {
        let step = move |state: &mut Dynamic, _: &mut Diagnostics| put(state, attribute, value.clone());
        provider(Script { apply: Some(Box::new(step)), ..script() })
    };
    let cases = [
        ("id", Dynamic::Unknown, "id", "still unknown", Dynamic::Null),
        ("text", "other".into(), "text", "another one than was planned", "other".into()),
        ("size", 4.into(), "size", "another one than was planned", 4.into()),
        ("secret", "leak".into(), "", "secret: a write-only value", Dynamic::Null),
        ("size", "big".into(), "size", "expected a number", Dynamic::Null),
    ];
    for (attribute, value, path, text, kept) in cases {
        let provider = set(attribute, value);
        let config = config([("text", "t".into())]);
        let (state, told) = provider.plan_and_apply("test_thing", None, &config).await.unwrap();
        error(&told, path, text);
        let state = state.expect("what was created is never forgotten");
        assert_eq!(state.value.get(attribute), Some(&kept));
        assert_eq!(state.value.get("name"), Some(&"n".into()));
        assert_eq!(state.private, br#"["planned"]"#);
    }
}

#[tokio::test]
async fn a_failed_operation_may_leave_things_open() {
    let step = |state: &mut Dynamic, diagnostics: &mut Diagnostics| {
        put(state, "id", Dynamic::Unknown);
        put(state, "text", "not reached".into());
        diagnostics.error("Half done", "It exists.");
    };
    let failing = provider(Script { apply: Some(Box::new(step)), ..script() });
    let config = config([("text", "t".into())]);
    let (state, told) = failing.plan_and_apply("test_thing", None, &config).await.unwrap();
    assert_eq!(told.iter().count(), 1, "{told:?}");
    let state = state.unwrap();
    assert_eq!(state.value.get("id"), Some(&Dynamic::Null));
    assert_eq!(state.value.get("text"), Some(&"not reached".into()));

    let (state, told) = provider(Script { nothing: true, ..script() })
        .plan_and_apply("test_thing", None, &config)
        .await
        .unwrap();
    assert!(state.is_none());
    error(&told, "", "neither a state nor an error");
}

#[tokio::test]
async fn identities_are_in_every_answer_and_never_change() {
    let identity = |id: &str| Some(object([("id", id.into())]));
    let provider_ = provider(Script { identity: true, ..script() });
    let (plan_, told) = plan(&provider_, None, &config([])).await;
    clean(&told);
    assert_eq!(plan_.identity, None, "not known yet");
    let (created, told) = provider_.apply(&plan_).await.unwrap();
    clean(&told);
    let created = created.unwrap();
    assert_eq!(created.identity, identity("decided"));
    let (read, told) = provider_.read(&created).await.unwrap();
    clean(&told);
    assert_eq!(read.unwrap().identity, identity("decided"));
    let older = State { identity: None, ..created.clone() };
    let (update, told) = plan(&provider_, Some(&older), &config([("text", "t".into())])).await;
    clean(&told);
    assert_eq!(update.identity, identity("decided"), "also for a state of an older client");

    let renames = |state: &mut Dynamic, _: &mut Diagnostics| put(state, "id", "other".into());
    let script_ = Script { identity: true, read: Some(Box::new(renames)), ..script() };
    let (state, told) = provider(script_).read(&created).await.unwrap();
    error(&told, "", "id of the identity of this test_thing differs");
    assert!(state.is_some());
    let renames =
        |plan: &mut PlanUpdate<Script>, _: &mut Diagnostics| put(&mut plan.planned, "id", "other".into());
    let script_ = Script { identity: true, plan_update: Some(Box::new(renames)), ..script() };
    let (_, told) = plan(&provider(script_), Some(&created), &config([("text", "t".into())])).await;
    error(&told, "", "id of the identity of this test_thing differs");
    let forgets = |state: &mut Dynamic, _: &mut Diagnostics| put(state, "id", Dynamic::Null);
    let script_ = Script { identity: true, apply: Some(Box::new(forgets)), ..script() };
    let (_, told) = provider(script_).plan_and_apply("test_thing", None, &config([])).await.unwrap();
    error(&told, "", "has no identity");
}

#[tokio::test]
async fn reading_finds_drift_or_nothing_and_survives_errors() {
    let drift = |state: &mut Dynamic, _: &mut Diagnostics| put(state, "text", "drifted".into());
    let read = |step: Step<Dynamic>| provider(Script { read: Some(step), ..script() });
    let before = state([("text", "t".into())]);
    let (after, told) = read(Box::new(drift)).read(&before).await.unwrap();
    clean(&told);
    let after = after.unwrap();
    assert_eq!(after.value.get("text"), Some(&"drifted".into()));
    assert_eq!(after.private, br#"["read"]"#);

    let gone = |state: &mut Dynamic, diagnostics: &mut Diagnostics| {
        *state = Dynamic::Null;
        diagnostics.warning("Gone", "It was closed.");
    };
    let (after, told) = read(Box::new(gone)).read(&before).await.unwrap();
    assert!(after.is_none() && !told.has_errors());

    let broken = |state: &mut Dynamic, diagnostics: &mut Diagnostics| {
        *state = Dynamic::Null;
        diagnostics.error("Down", "No endpoint answers.");
    };
    let (after, told) = read(Box::new(broken)).read(&before).await.unwrap();
    assert!(told.has_errors());
    let after = after.expect("the old state stays");
    assert_eq!((after.value.get("text"), after.private), (Some(&"t".into()), before.private.clone()));
}

#[tokio::test]
async fn a_panic_is_an_error_and_loses_nothing() {
    let panics = |_: &mut Dynamic, _: &mut Diagnostics| panic!("out of luck");
    let provider_ =
        provider(Script { read: Some(Box::new(panics)), apply: Some(Box::new(panics)), ..script() });
    let before = state([("text", "t".into())]);
    let (after, told) = provider_.read(&before).await.unwrap();
    error(&told, "", "out of luck");
    assert_eq!(after.unwrap().value.get("text"), Some(&"t".into()));
    let config_ = config([("text", "u".into())]);
    let (after, told) = provider_.plan_and_apply("test_thing", Some(&before), &config_).await.unwrap();
    error(&told, "", "out of luck");
    assert_eq!(after.unwrap().value.get("text"), Some(&"t".into()), "a failed update keeps what was");
    let (after, told) = provider_.plan_and_apply("test_thing", None, &config_).await.unwrap();
    error(&told, "", "out of luck");
    assert!(after.is_none());
}

#[tokio::test]
async fn a_stop_cancels_what_runs_and_not_what_comes() {
    let provider_ = provider(Script { waits: true, ..script() });
    let (plan_, _) = plan(&provider_, None, &config([])).await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        provider_.stop().await.unwrap();
    };
    let ((state, told), ()) = tokio::join!(async { provider_.apply(&plan_).await.unwrap() }, stop);
    clean(&told);
    assert!(state.is_some());
    let again = tokio::time::timeout(Duration::from_millis(50), provider_.apply(&plan_)).await;
    assert!(again.is_err(), "the next operation is not cancelled from the start");
}

#[tokio::test]
async fn the_returned_hook_runs_after_the_answer() {
    let script = script();
    let returned = Arc::clone(&script.returned);
    let provider = provider(script);
    let (state, _) = provider.plan_and_apply("test_thing", None, &config([])).await.unwrap();
    assert!(state.is_some() && returned.load(Ordering::SeqCst));
}

#[tokio::test]
async fn configurations_are_checked() {
    let even = |value: &Dynamic| match value.as_number().and_then(Number::to_u64) {
        Some(number) if number % 2 == 0 => Ok(()),
        _ => Err("give an even number".to_owned()),
    };
    let nested = || {
        [
            ("number", Attribute::number().optional().validate(even)),
            ("mine", Attribute::string().computed()),
            ("old", Attribute::string().optional().deprecated("Use number.")),
        ]
    };
    let schema = Schema::new("A thing.")
        .attribute("mine", Attribute::string().computed())
        .attribute("number", Attribute::number().optional().validate(even))
        .attribute("one", Attribute::object(nested()).optional())
        .attribute("list", Attribute::list_nested(nested()).optional())
        .attribute("map", Attribute::map_nested(nested()).optional())
        .attribute("set", Attribute::set_nested(nested()).optional());
    let provider_ = provider(Script { schema, ..Script::default() });
    let bad = || object([("number", 1.into()), ("mine", "x".into()), ("old", "x".into())]);
    let config = object([
        ("mine", "x".into()),
        ("number", 3.into()),
        ("one", bad()),
        ("list", vec![object([("number", 2.into())]), bad()].into()),
        ("map", object([("k", bad())])),
        ("set", vec![bad()].into()),
    ]);
    let told = provider_.validate("test_thing", &config).await.unwrap();
    for above in ["", "one.", "list[1].", "map[\"k\"].", "set."] {
        error(&told, &format!("{above}mine"), "cannot be set");
        error(&told, &format!("{above}number"), "give an even number");
    }
    let warnings = told.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning);
    assert_eq!(warnings.map(|warning| warning.detail.as_str()).collect::<Vec<_>>(), ["Use number."; 4]);
    let unknown = object([("number", Dynamic::Unknown), ("one", Dynamic::Unknown)]);
    clean(&provider_.validate("test_thing", &unknown).await.unwrap());
}

#[tokio::test]
async fn a_required_null_is_refused_by_path() {
    let member = || [("port", Attribute::number().required()), ("note", Attribute::string().optional())];
    let schema = Schema::new("A thing.")
        .attribute("name", Attribute::string().required())
        .attribute("hidden", Attribute::string().required().write_only())
        .attribute("needed", Attribute::object(member()).required())
        .attribute("one", Attribute::object(member()).optional())
        .attribute("list", Attribute::list_nested(member()).optional())
        .attribute("map", Attribute::map_nested(member()).optional())
        .attribute("set", Attribute::set_nested(member()).optional());
    let validated = async |config: Dynamic| {
        provider(Script { schema: schema.clone(), ..Script::default() })
            .validate("test_thing", &config)
            .await
            .unwrap()
    };
    let null = || object([("port", Dynamic::Null), ("note", "x".into())]);
    let told = validated(object([
        ("one", null()),
        ("list", vec![object([("port", 1.into())]), null()].into()),
        ("map", object([("k", null())])),
        ("set", vec![null()].into()),
    ]))
    .await;
    for path in ["name", "needed", "one.port", "list[1].port", "map[\"k\"].port", "set.port"] {
        error(&told, path, "is required, and here it is null");
    }
    error(&told, "", "hidden is required");
    assert_eq!(told.iter().count(), 7, "{told:#?}");
    let unknown = || object([("port", Dynamic::Unknown)]);
    let told = validated(object([
        ("name", Dynamic::Unknown),
        ("hidden", Dynamic::Unknown),
        ("needed", unknown()),
        ("one", Dynamic::Unknown),
        ("list", vec![unknown(), Dynamic::Unknown].into()),
        ("map", Dynamic::Unknown),
    ]))
    .await;
    clean(&told);
}

#[tokio::test]
async fn states_are_read_by_name() {
    let provider_ = provider(script());
    let json = r#"{"id":"i","name":"n","size":0.1,"dropped":[1],"tags":["b","a"],"secret":"old",
        "map":{"a":{"port":12345678901234567890}},"any":{"value":[1],"type":["list","number"]}}"#;
    let (state, told) = provider_.upgrade("test_thing", 0, json).await.unwrap();
    clean(&told);
    assert_eq!(state.get("size"), Some(&Dynamic::Number("0.1".parse().unwrap())));
    assert_eq!(state.get("tags"), Some(&vec!["a", "b"].into()));
    assert_eq!(state.get("secret"), Some(&Dynamic::Null));
    assert_eq!(state.get("any"), Some(&vec![1].into()));
    let port = state.at(&Path::root("map").key("a").attr("port"));
    assert_eq!(port, Some(&Dynamic::from(12_345_678_901_234_567_890_u64)));
    for (json, path, text) in [
        (r#"{"size":"x"}"#, "size", "is not a decimal number"),
        (r#"{"map":{"a":{"port":true}}}"#, "map[\"a\"].port", "expected a number"),
        ("{", "", "no JSON"),
    ] {
        let (_, told) = provider_.upgrade("test_thing", 0, json).await.unwrap();
        error(&told, path, text);
    }
}

#[tokio::test]
async fn broken_schemas_are_told_when_they_are_asked_for() {
    let schema = Schema::new("Broken.")
        .attribute("count", Attribute::string().optional())
        .attribute("nobody", Attribute::string())
        .attribute("Upper", Attribute::string().optional())
        .attribute("both", Attribute::string().required().computed())
        .attribute("always", Attribute::string().optional().write_only().requires_replace())
        .attribute(
            "set",
            Attribute::set_nested([("wo", Attribute::string().optional().write_only())]).optional(),
        );
    let told = provider(Script { schema, ..Script::default() }).schema_problems().await.unwrap();
    for (name, text) in [
        ("count", "reserved"),
        ("nobody", "must be required, optional or computed"),
        ("Upper", "lower-case"),
        ("both", "neither optional nor computed"),
        ("always", "at every plan"),
        ("set", "a set cannot hold write-only"),
    ] {
        let found = told.iter().any(|d| {
            d.detail.contains(&format!("Attribute {name} of test_thing")) && d.detail.contains(text)
        });
        assert!(found, "{name}: {told:#?}");
    }
    assert_eq!(told.iter().count(), 6);
    clean(&provider(script()).schema_problems().await.unwrap());
}
