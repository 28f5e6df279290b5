//! Structs as schema and state at once. The traits here are what `#[derive(Model)]` implements and what its fields are
//! made of; a provider derives them and calls `schema`, `set_unknown` and `keep_unknown_from`.

use crate::schema::{Attribute, Nesting, Schema, Shape, Type};
use crate::values::{Dynamic, Number, Value};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

/// A struct that is a schema (its fields' attributes) and a value of it (configuration, plan and state).
///
/// Derived, together with serde's traits, for a struct that has `Default`:
///
/// ```
/// use tfplugin::{Model, Value};
///
/// /// A greeting.
/// #[derive(Default, Model)]
/// struct Greeting {
///     /// Who is greeted.
///     #[model(required, replace)]
///     name: Value<String>,
///     /// How often, at most 3 times.
///     #[model(default = 1, validate = at_most_three)]
///     times: Value<u32>,
///     /// What was said.
///     #[model(computed)]
///     text: Value<String>,
/// }
///
/// fn at_most_three(times: &tfplugin::Dynamic) -> Result<(), String> {
///     match times.as_number().and_then(tfplugin::Number::to_u64) {
///         Some(0..=3) => Ok(()),
///         _ => Err("say it once, twice or three times".into()),
///     }
/// }
///
/// let schema = Greeting::schema();
/// assert_eq!(schema.description(), "A greeting.");
/// ```
///
/// The doc comment is the description; lines that only wrap a paragraph are joined. The field's type decides the type in
/// Terraform: see [`Field`]. On a field `#[model(...)]` takes:
///
/// | option | meaning |
/// | --- | --- |
/// | `required`, `optional`, `computed`, `optional, computed` | who sets it; also on the struct, for the fields that do not say |
/// | `default = VALUE` | planned where nothing is set; makes it optional and computed |
/// | `sensitive`, `write_only`, `replace`, `deprecated = TEXT` | as the methods of [`Attribute`] |
/// | `secret` | it is read and never written: it is null in every state, as write-only values are and the provider's own are. For `SecretString`. Sensitive, unless it is write-only |
/// | `validate = FUNCTION` | a check of each known value; may be given several times |
/// | `description = TEXT` | instead of the doc comment, where it must be computed; also on the struct |
/// | `set` | a list in Rust is a set in Terraform |
/// | `plain` | objects in it are a plain object type, not a nested attribute |
/// | `value_type = TYPE` | the type in Terraform, for what is no [`Field`] by itself in the way wanted |
/// | `name = "NAME"` | the attribute's name, where it is not the field's |
/// | `attribute = ATTRIBUTE` | the whole attribute, instead of all other options |
/// | `flatten` | the attributes of this struct stand among the others: state in groups. Says nothing else |
///
/// The other methods are the derive's own.
pub trait Model: Serialize + serde::de::DeserializeOwned + Default + Send + Sync {
    /// How many attributes there are.
    #[doc(hidden)]
    const COUNT: usize;

    /// The struct's own description.
    fn description() -> String;

    /// Names and attributes, as they are written.
    fn attributes() -> Vec<(&'static str, Attribute)>;

    /// The schema of a resource, data source or provider with this model.
    fn schema() -> Schema {
        let attributes = Self::attributes().into_iter();
        attributes.fold(Schema::new(Self::description()), |schema, (name, attribute)| {
            schema.attribute(name, attribute)
        })
    }

    /// Puts prior values where this has unknown ones, also deep inside; null where there is no prior one. What an
    /// apply starts from: nothing is done yet.
    fn keep_unknown_from(&mut self, prior: &Self) {
        self.keep_unknown(Some(prior));
    }

    #[doc(hidden)]
    fn keep_unknown(&mut self, prior: Option<&Self>);

    #[doc(hidden)]
    fn write<Out: SerializeStruct>(&self, out: &mut Out) -> Result<(), Out::Error>;

    /// Takes the member's value if one of the attributes has this name.
    #[doc(hidden)]
    fn read<'de, Members: MapAccess<'de>>(
        &mut self,
        key: &str,
        members: &mut Members,
    ) -> Result<bool, Members::Error>;
}

/// A [`Model`] all of whose fields may be unknown ([`Value`] or [`Dynamic`]): a part of a state that a plan marks as a
/// whole. Derived with it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be unknown as a whole",
    note = "`#[derive(Model)]` gives `set_unknown` to structs whose fields are all `Value<_>` or `Dynamic`"
)]
pub trait Group: Model {
    /// Makes every field unknown.
    fn set_unknown(&mut self);
}

/// What a field of a [`Model`] can be: texts, bools, numbers, [`Dynamic`], models, and [`Value`], `Option`, lists, sets
/// and maps by text of them. A list or map of models is a nested attribute; models further inside are plain objects.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type that an attribute can have",
    note = "a struct needs `#[derive(Model)]`; anything else an implementation of `Field` that says its type in Terraform"
)]
pub trait Field {
    /// The type in Terraform.
    fn value_type() -> Type;

    /// The attributes of an object that may be nested.
    #[doc(hidden)]
    fn members() -> Option<Vec<(&'static str, Attribute)>> {
        None
    }

    /// The attribute, of which only the type is said.
    fn attribute() -> Attribute {
        Attribute::of_type(Self::value_type())
    }

    /// See [`Model::keep_unknown_from`].
    #[doc(hidden)]
    fn keep_unknown(&mut self, prior: Option<&Self>) {
        let _ = prior;
    }
}

macro_rules! fields {
    ($($value_type:ident: $($rust:ty),*;)*) => {$($(
        impl Field for $rust {
            fn value_type() -> Type {
                Type::$value_type
            }
        }
    )*)*};
}
fields! {
    String: String, SecretString;
    Bool: bool;
    Number: Number, i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, f32, f64;
}

impl Field for Dynamic {
    fn value_type() -> Type {
        Type::Dynamic
    }

    fn keep_unknown(&mut self, prior: Option<&Self>) {
        match self {
            Self::Unknown => *self = prior.cloned().unwrap_or_default(),
            Self::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.keep_unknown(match prior {
                        Some(Self::List(prior)) => prior.get(index),
                        _ => None,
                    });
                }
            }
            Self::Map(members) => {
                for (key, member) in members {
                    member.keep_unknown(prior.and_then(|prior| prior.get(key)));
                }
            }
            _ => {}
        }
    }
}

impl<T: Field + Clone> Field for Value<T> {
    fn value_type() -> Type {
        T::value_type()
    }

    fn members() -> Option<Vec<(&'static str, Attribute)>> {
        T::members()
    }

    fn attribute() -> Attribute {
        T::attribute()
    }

    fn keep_unknown(&mut self, prior: Option<&Self>) {
        match self {
            Self::Unknown => *self = prior.cloned().unwrap_or_default(),
            Self::Known(value) => value.keep_unknown(prior.and_then(Self::known)),
            Self::Null => {}
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn value_type() -> Type {
        T::value_type()
    }

    fn members() -> Option<Vec<(&'static str, Attribute)>> {
        T::members()
    }

    fn attribute() -> Attribute {
        T::attribute()
    }

    fn keep_unknown(&mut self, prior: Option<&Self>) {
        if let Some(value) = self {
            value.keep_unknown(prior.and_then(Self::as_ref));
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn value_type() -> Type {
        Type::list(T::value_type())
    }

    fn attribute() -> Attribute {
        T::members().map_or_else(|| Attribute::list(T::value_type()), Attribute::list_nested)
    }

    fn keep_unknown(&mut self, prior: Option<&Self>) {
        for (index, item) in self.iter_mut().enumerate() {
            item.keep_unknown(prior.and_then(|prior| prior.get(index)));
        }
    }
}

/// Elements of a set have no place, so that none of them is kept by itself.
impl<T: Field> Field for BTreeSet<T> {
    fn value_type() -> Type {
        Type::set(T::value_type())
    }

    fn attribute() -> Attribute {
        T::members().map_or_else(|| Attribute::set(T::value_type()), Attribute::set_nested)
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn value_type() -> Type {
        Type::map(T::value_type())
    }

    fn attribute() -> Attribute {
        T::members().map_or_else(|| Attribute::map(T::value_type()), Attribute::map_nested)
    }

    fn keep_unknown(&mut self, prior: Option<&Self>) {
        for (key, member) in self.iter_mut() {
            member.keep_unknown(prior.and_then(|prior| prior.get(key)));
        }
    }
}

impl Attribute {
    /// An attribute of a plain type.
    pub const fn of_type(value_type: Type) -> Self {
        Self::with(Shape::Plain(value_type))
    }

    /// The same attribute with a set in place of a list.
    #[must_use]
    pub fn as_set(mut self) -> Self {
        self.shape = match self.shape {
            Shape::Plain(Type::List(element)) => Shape::Plain(Type::Set(element)),
            Shape::Nested(Nesting::List, members) => Shape::Nested(Nesting::Set, members),
            other => other,
        };
        self
    }
}

/// What the derived code is made of.
#[doc(hidden)]
pub mod derive {
    use super::{IgnoredAny, Model, PhantomData, Type, Visitor, fmt};
    pub use serde::de::MapAccess;
    pub use serde::ser::SerializeStruct;
    pub use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[must_use]
    pub fn object_type<M: Model>() -> Type {
        let members = M::attributes().into_iter();
        Type::Object(members.map(|(name, attribute)| (name.to_owned(), attribute.value_type())).collect())
    }

    pub fn serialize<M: Model, Out: Serializer>(
        model: &M,
        name: &'static str,
        out: Out,
    ) -> Result<Out::Ok, Out::Error> {
        let mut out = out.serialize_struct(name, M::COUNT)?;
        model.write(&mut out)?;
        out.end()
    }

    pub fn deserialize<'de, M: Model, In: Deserializer<'de>>(
        name: &'static str,
        input: In,
    ) -> Result<M, In::Error> {
        input.deserialize_struct(name, &[], Members(PhantomData))
    }

    struct Members<M>(PhantomData<M>);

    impl<'de, M: Model> Visitor<'de> for Members<M> {
        type Value = M;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<M, A::Error> {
            let mut model = M::default();
            while let Some(key) = members.next_key::<String>()? {
                if !model.read(&key, &mut members)? {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(model)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::schema_message;
    use crate::{Path, ValueError, from_dynamic, to_dynamic};
    use secrecy::ExposeSecret;
    use tfplugin_derive::Model;

    fn refuse(_: &Dynamic) -> Result<(), String> {
        Err("no".into())
    }

    type Ports = BTreeMap<String, Value<Port>>;

    /// Arguments, terms and what is reported: three groups of one flat state.
    #[derive(Clone, Debug, Default, PartialEq, Model)]
    struct Lease {
        #[model(flatten)]
        arguments: Arguments,
        #[model(flatten)]
        terms: Terms,
        /// Forwarded ports by service.
        #[model(computed)]
        ports: Value<BTreeMap<String, Value<Ports>>>,
        /// Addresses.
        #[model(computed)]
        ips: Value<BTreeMap<String, Vec<Port>>>,
        /// Services
        /// by name.
        #[model(computed)]
        services: Value<BTreeMap<String, Value<Service>>>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(optional)]
    struct Arguments {
        /// The SDL.
        #[model(required, validate = refuse, validate = refuse)]
        sdl: Value<String>,
        /// By default the only one.
        #[model(optional, computed, replace)]
        group: Value<String>,
        #[model(sensitive, deprecated = "Use another.", description = format!("{} words", 12))]
        words: Value<String>,
        /// Never stored.
        #[model(write_only)]
        secrets: Value<BTreeMap<String, Value<String>>>,
        /// How often.
        #[model(default = 3)]
        times: Value<u32>,
        #[model(set)]
        tags: Value<Vec<Value<String>>>,
        #[model(set)]
        rules: Value<Vec<Value<Rule>>>,
        #[model(plain)]
        objects: Value<Vec<Rule>>,
        /// One rule.
        one: Value<Rule>,
        #[model(name = "type")]
        kind: Value<String>,
        r#in: Dynamic,
        #[model(value_type = Type::Tuple(vec![Type::Bool]))]
        pair: Dynamic,
        #[model(attribute = Attribute::bool().optional().description("Whole."))]
        whole: Option<bool>,
        list: Option<Vec<Number>>,
        names: BTreeSet<String>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(optional)]
    struct Rule {
        name: Value<String>,
    }

    /// What was agreed.
    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(computed)]
    struct Terms {
        /// uact per block.
        price: Value<String>,
        oseq: Value<u32>,
        extra: Dynamic,
    }

    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(computed)]
    struct Port {
        host: Value<String>,
        external_port: Value<u16>,
    }

    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(computed)]
    struct Service {
        /// Host names.
        uris: Value<Vec<String>>,
    }

    #[test]
    fn a_struct_is_the_schema_that_one_would_write() {
        let string = Attribute::string;
        let port = || Type::object([("host", Type::String), ("external_port", Type::Number)]);
        let rule = || [("name", string().optional())];
        let written = Schema::new("Arguments, terms and what is reported: three groups of one flat state.")
            .attribute("sdl", string().required().validate(refuse).validate(refuse).description("The SDL."))
            .attribute(
                "group",
                string().optional().computed().requires_replace().description("By default the only one."),
            )
            .attribute(
                "words",
                string().optional().sensitive().deprecated("Use another.").description("12 words"),
            )
            .attribute(
                "secrets",
                Attribute::map(Type::String).optional().write_only().description("Never stored."),
            )
            .attribute("times", Attribute::number().default(3).description("How often."))
            .attribute("tags", Attribute::set(Type::String).optional())
            .attribute("rules", Attribute::set_nested(rule()).optional())
            .attribute("objects", Attribute::list(Type::object([("name", Type::String)])).optional())
            .attribute("one", Attribute::object(rule()).optional().description("One rule."))
            .attribute("type", string().optional())
            .attribute("in", Attribute::dynamic().optional())
            .attribute("pair", Attribute::of_type(Type::Tuple(vec![Type::Bool])).optional())
            .attribute("whole", Attribute::bool().optional().description("Whole."))
            .attribute("list", Attribute::list(Type::Number).optional())
            .attribute("names", Attribute::set(Type::String).optional())
            .attribute("price", string().computed().description("uact per block."))
            .attribute("oseq", Attribute::number().computed())
            .attribute("extra", Attribute::dynamic().computed())
            .attribute(
                "ports",
                Attribute::map(Type::map(port())).computed().description("Forwarded ports by service."),
            )
            .attribute("ips", Attribute::map(Type::list(port())).computed().description("Addresses."))
            .attribute(
                "services",
                Attribute::map_nested([(
                    "uris",
                    Attribute::list(Type::String).computed().description("Host names."),
                )])
                .computed()
                .description("Services by name."),
            );
        let derived = Lease::schema();
        assert_eq!(schema_message(&derived), schema_message(&written));
        let of = |schema: &Schema, name: &str| {
            let attribute = &schema.attributes[name];
            (attribute.validators.len(), attribute.requires_replace, attribute.default.clone())
        };
        for name in written.attributes.keys() {
            assert_eq!(of(&derived, name), of(&written, name), "{name}");
        }
        assert_eq!(Lease::COUNT, written.attributes.len());
        assert!(derived.twice.is_empty());
    }

    fn leased() -> Lease {
        let port = Value::Known(Port { host: "h".into(), external_port: 31022.into() });
        Lease {
            arguments: Arguments {
                sdl: "text".into(),
                times: Value::Unknown,
                kind: "k".into(),
                r#in: vec![1, 2].into(),
                one: Value::Known(Rule { name: Value::Unknown }),
                ..Arguments::default()
            },
            terms: Terms { price: "1.5".into(), oseq: 7.into(), extra: Dynamic::Null },
            ports: Value::Known(BTreeMap::from([(
                "web".into(),
                Value::Known(BTreeMap::from([("22/tcp".into(), port)])),
            )])),
            ips: Value::Unknown,
            services: Value::Null,
        }
    }

    #[test]
    fn a_value_is_flat_and_comes_back_whole() {
        let lease = leased();
        let value = to_dynamic(&lease).unwrap();
        assert_eq!(value.get("sdl"), Some(&"text".into()));
        assert_eq!(value.get("type"), Some(&"k".into()));
        assert_eq!(value.get("oseq"), Some(&7.into()));
        assert_eq!(
            (value.get("ips"), value.get("times")),
            (Some(&Dynamic::Unknown), Some(&Dynamic::Unknown))
        );
        let Dynamic::Map(members) = &value else { panic!("{value:?}") };
        assert_eq!(members.len(), Lease::COUNT, "no member is held by a group");
        let back: Lease = from_dynamic(&value).unwrap();
        assert_eq!(back.arguments.r#in, vec![1, 2].into());
        assert_eq!(back, lease);

        let few = Dynamic::object([("sdl", "x"), ("of a later version", "y")]);
        let sparse: Lease = from_dynamic(&few).unwrap();
        let arguments = Arguments { sdl: "x".into(), ..Arguments::default() };
        assert_eq!(sparse, Lease { arguments, ..Lease::default() });

        let json = serde_json::to_string(&Lease {
            arguments: Arguments::default(),
            ips: Value::Null,
            ..lease.clone()
        });
        let json = json.unwrap();
        assert!(json.contains(r#""oseq":7"#), "{json}");
        let again: Lease = serde_json::from_str(&json).unwrap();
        assert_eq!((again.terms, again.ports), (lease.terms, lease.ports));
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_path_also_in_groups() {
        let error = |value: Dynamic| -> ValueError { from_dynamic::<Lease>(&value).unwrap_err() };
        assert_eq!(error(Dynamic::object([("oseq", "x")])).path(), &Path::root("oseq"));
        let one = Dynamic::object([("one", Dynamic::object([("name", 1)]))]);
        assert_eq!(error(one).path(), &Path::root("one").attr("name"));
    }

    #[test]
    fn a_group_is_made_unknown_and_kept_in_one_call() {
        let prior = Lease { arguments: Arguments { times: 2.into(), ..leased().arguments }, ..leased() };
        let prior = Lease {
            services: Value::Known(BTreeMap::from([(
                "web".into(),
                Value::Known(Service { uris: Value::Known(vec!["a".into()]) }),
            )])),
            ips: Value::Known(BTreeMap::new()),
            ..prior
        };
        let mut planned = prior.clone();
        planned.terms.set_unknown();
        assert_eq!(
            planned.terms,
            Terms { price: Value::Unknown, oseq: Value::Unknown, extra: Dynamic::Unknown }
        );
        let services = planned.services.known_mut().unwrap();
        services.get_mut("web").unwrap().known_mut().unwrap().set_unknown();
        services.insert("new".into(), Value::Known(Service { uris: Value::Unknown }));
        planned.ips = Value::Unknown;
        planned.arguments.sdl = "changed".into();

        let mut kept = planned.clone();
        kept.keep_unknown_from(&prior);
        assert_eq!((&kept.terms, &kept.ips), (&prior.terms, &prior.ips));
        assert_eq!(kept.arguments.sdl, "changed".into(), "what is planned stays planned");
        let services = kept.services.known().unwrap();
        assert_eq!(services.get("web"), prior.services.known().unwrap().get("web"));
        assert_eq!(services.get("new"), Some(&Value::Known(Service { uris: Value::Null })), "there is none");
        assert_eq!(
            kept.arguments.one,
            Value::Known(Rule { name: Value::Unknown }),
            "the prior one is unknown too"
        );
    }

    #[derive(Clone, Debug, Default, Model)]
    #[model(optional)]
    struct Wallet {
        #[model(secret)]
        words: Value<SecretString>,
        #[model(secret, write_only)]
        tokens: Value<BTreeMap<String, Value<SecretString>>>,
        file: Value<String>,
    }

    #[test]
    fn secrets_are_read_and_never_written() {
        let token = Dynamic::object([("a", "t0ken")]);
        let config = Dynamic::object([("words", "w0rds".into()), ("tokens", token), ("file", "f".into())]);
        let wallet: Wallet = from_dynamic(&config).unwrap();
        assert_eq!(wallet.words.known().map(SecretString::expose_secret), Some("w0rds"));
        assert!(wallet.tokens.known().unwrap()["a"].is_known());
        let text = format!(
            "{wallet:?} {:?} {}",
            to_dynamic(&wallet).unwrap(),
            serde_json::to_string(&wallet).unwrap()
        );
        assert!(!text.contains("w0rds") && !text.contains("t0ken") && text.contains('f'), "{text}");
        let schema = Wallet::schema();
        let flags = |name: &str| (schema.attributes[name].sensitive, schema.attributes[name].write_only);
        assert_eq!(
            (flags("words"), flags("tokens"), flags("file")),
            ((true, false), (false, true), (false, false))
        );
    }

    #[derive(Clone, Debug, Default, PartialEq, Model)]
    #[model(computed)]
    struct Doubled {
        price: Value<String>,
        #[model(flatten)]
        terms: Terms,
    }

    #[test]
    fn a_name_that_is_there_twice_is_told() {
        assert_eq!(Doubled::schema().twice, ["price"]);
    }
}
