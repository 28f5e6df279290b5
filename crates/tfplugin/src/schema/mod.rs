//! What a provider says about its resources: attributes, their types and behaviour. Builders only; what the
//! framework does by them is in `framework`.

mod types;

pub use types::Type;

use crate::values::{Dynamic, Path, Step};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A check of one known value; the error says what is wrong with it and what would be right.
pub type Validator = Arc<dyn Fn(&Dynamic) -> Result<(), String> + Send + Sync>;

/// The attributes of a resource, data source or provider.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(crate) description: String,
    pub(crate) version: u64,
    pub(crate) deprecated: Option<String>,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// Names that were given twice.
    pub(crate) twice: Vec<String>,
}

impl Schema {
    /// A schema without attributes. The description is Markdown and ends up in the generated documentation.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }

    /// The version of the state's form, 0 at first; a state of an older one goes through `Resource::upgrade`.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Marks the whole resource as deprecated; the message says what to use.
    #[must_use]
    pub fn deprecated(mut self, message: impl Into<String>) -> Self {
        self.deprecated = Some(message.into());
        self
    }

    /// Adds an attribute. A name that is there already is told as an error of the schema.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, attribute: Attribute) -> Self {
        let name = name.into();
        if self.attributes.insert(name.clone(), attribute).is_some() {
            self.twice.push(name);
        }
        self
    }

    /// The attributes in order of their names.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.attributes.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }

    /// The description given.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What to name instead of pointing at `path`, if its top-level attribute is sensitive (write-only values are) or
    /// holds what is: clients print a whole top-level attribute. Ends at the first that is sensitive, since keys and
    /// positions in it are too.
    pub(crate) fn secret_at(&self, path: &Path) -> Option<Path> {
        let Some(Step::Attribute(root)) = path.steps().first() else { return None };
        self.attributes.get(root).filter(|attribute| attribute.holds_secrets())?;
        let (mut named, mut members) = (Path::empty(), Some(&self.attributes));
        for step in path.steps() {
            named = match step {
                Step::Index(index) => named.index(usize::try_from(*index).unwrap_or_default()),
                Step::Key(key) => named.key(key),
                Step::Attribute(name) => {
                    named = named.attr(name);
                    let Some(attribute) = members.and_then(|members| members.get(name)) else { break };
                    if attribute.sensitive || attribute.write_only {
                        break;
                    }
                    members = match &attribute.shape {
                        Shape::Nested(_, members) => Some(members),
                        Shape::Plain(_) => None,
                    };
                    continue;
                }
            };
        }
        Some(named)
    }

    /// The type of the whole object.
    pub(crate) fn value_type(&self) -> Type {
        object_type(&self.attributes)
    }
}

pub(crate) fn object_type(attributes: &BTreeMap<String, Attribute>) -> Type {
    Type::Object(attributes.iter().map(|(name, attribute)| (name.clone(), attribute.value_type())).collect())
}

/// How the objects of a nested attribute are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// One object.
    Single,
    /// A list of objects.
    List,
    /// A set of objects.
    Set,
    /// A map of objects.
    Map,
}

/// The type of an attribute: a plain one, or objects whose members are attributes themselves.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Plain(Type),
    Nested(Nesting, BTreeMap<String, Attribute>),
}

/// One attribute. Says its type first, then by methods who sets it: [`required`](Self::required),
/// [`optional`](Self::optional), [`computed`](Self::computed), or optional and computed.
#[derive(Clone)]
pub struct Attribute {
    pub(crate) shape: Shape,
    pub(crate) description: String,
    pub(crate) required: bool,
    pub(crate) optional: bool,
    pub(crate) computed: bool,
    pub(crate) sensitive: bool,
    pub(crate) write_only: bool,
    pub(crate) requires_replace: bool,
    pub(crate) deprecated: Option<String>,
    pub(crate) default: Option<Dynamic>,
    pub(crate) validators: Vec<Validator>,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attribute").field("type", &self.value_type()).finish_non_exhaustive()
    }
}

impl Attribute {
    pub(crate) const fn with(shape: Shape) -> Self {
        Self {
            shape,
            description: String::new(),
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            write_only: false,
            requires_replace: false,
            deprecated: None,
            default: None,
            validators: Vec::new(),
        }
    }

    fn nested<'a>(nesting: Nesting, members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let members = members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect();
        Self::with(Shape::Nested(nesting, members))
    }

    /// A text.
    pub fn string() -> Self {
        Self::with(Shape::Plain(Type::String))
    }

    /// true or false.
    pub fn bool() -> Self {
        Self::with(Shape::Plain(Type::Bool))
    }

    /// An exact decimal.
    pub fn number() -> Self {
        Self::with(Shape::Plain(Type::Number))
    }

    /// A value whose type the user chooses.
    pub fn dynamic() -> Self {
        Self::with(Shape::Plain(Type::Dynamic))
    }

    /// A list.
    pub fn list(element: Type) -> Self {
        Self::with(Shape::Plain(Type::list(element)))
    }

    /// A set: no order, no duplicates.
    pub fn set(element: Type) -> Self {
        Self::with(Shape::Plain(Type::set(element)))
    }

    /// A map by string keys.
    pub fn map(element: Type) -> Self {
        Self::with(Shape::Plain(Type::map(element)))
    }

    /// One object, written `name = { ... }`.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::nested(Nesting::Single, members)
    }

    /// A list of objects.
    pub fn list_nested<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::nested(Nesting::List, members)
    }

    /// A set of objects.
    pub fn set_nested<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::nested(Nesting::Set, members)
    }

    /// A map of objects.
    pub fn map_nested<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::nested(Nesting::Map, members)
    }

    /// The user must set it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The user may set it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The provider sets it; with [`optional`](Self::optional), where the user did not.
    #[must_use]
    pub const fn computed(mut self) -> Self {
        self.computed = true;
        self
    }

    /// Terraform hides it in its output. It is in state in the clear all the same.
    #[must_use]
    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// It is never stored: readable in a plan's `config` and an apply's `write_only` only, null everywhere else. Since
    /// Terraform 1.11 and OpenTofu 1.11.
    #[must_use]
    pub const fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }

    /// Using it is a warning; the message says what to use.
    #[must_use]
    pub fn deprecated(mut self, message: impl Into<String>) -> Self {
        self.deprecated = Some(message.into());
        self
    }

    /// What is planned where the user sets nothing. Makes the attribute optional and computed, as Terraform's core
    /// asks of attributes whose planned value differs from the configuration.
    #[must_use]
    pub fn default(mut self, value: impl Into<Dynamic>) -> Self {
        self.default = Some(value.into());
        self.optional = true;
        self.computed = true;
        self
    }

    /// Checks each known value that a user sets. May be given several times. Of a sensitive attribute the text must not
    /// quote the value.
    #[must_use]
    pub fn validate(
        mut self,
        check: impl Fn(&Dynamic) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.validators.push(Arc::new(check));
        self
    }

    /// A change of it replaces the resource. Not for write-only attributes, which would replace at every plan.
    #[must_use]
    pub const fn requires_replace(mut self) -> Self {
        self.requires_replace = true;
        self
    }

    /// What it means, as Markdown for the generated documentation.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The type of the attribute's value.
    pub fn value_type(&self) -> Type {
        match &self.shape {
            Shape::Plain(value_type) => value_type.clone(),
            Shape::Nested(nesting, members) => {
                let object = object_type(members);
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::list(object),
                    Nesting::Set => Type::set(object),
                    Nesting::Map => Type::map(object),
                }
            }
        }
    }

    /// Whether it or an attribute in it must not be shown.
    fn holds_secrets(&self) -> bool {
        self.sensitive
            || self.write_only
            || matches!(&self.shape, Shape::Nested(_, members) if members.values().any(Self::holds_secrets))
    }

    /// The members of a nested attribute, and how its objects are held.
    pub fn members(&self) -> Option<(Nesting, impl Iterator<Item = (&str, &Self)>)> {
        match &self.shape {
            Shape::Plain(_) => None,
            Shape::Nested(nesting, members) => {
                Some((*nesting, members.iter().map(|(name, member)| (name.as_str(), member))))
            }
        }
    }
}

/// What identifies a resource outside of Terraform (Terraform and OpenTofu 1.12): for `import` blocks with
/// `identity = { ... }`.
#[derive(Clone, Debug, Default)]
pub struct IdentitySchema {
    pub(crate) version: u64,
    pub(crate) attributes: BTreeMap<String, IdentityAttribute>,
}

/// One part of an identity.
#[derive(Clone, Debug)]
pub(crate) struct IdentityAttribute {
    pub(crate) value_type: Type,
    pub(crate) required: bool,
    pub(crate) description: String,
}

impl IdentitySchema {
    /// An identity without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The version of the identity's form, 0 at first.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// A text that an import must give.
    #[must_use]
    pub fn required(self, name: &str, description: &str) -> Self {
        self.part(name, Type::String, true, description)
    }

    /// A text that an import may leave out.
    #[must_use]
    pub fn optional(self, name: &str, description: &str) -> Self {
        self.part(name, Type::String, false, description)
    }

    /// A number that an import must give.
    #[must_use]
    pub fn required_number(self, name: &str, description: &str) -> Self {
        self.part(name, Type::Number, true, description)
    }

    /// A number that an import may leave out.
    #[must_use]
    pub fn optional_number(self, name: &str, description: &str) -> Self {
        self.part(name, Type::Number, false, description)
    }

    fn part(mut self, name: &str, value_type: Type, required: bool, description: &str) -> Self {
        let attribute = IdentityAttribute { value_type, required, description: description.to_owned() };
        self.attributes.insert(name.to_owned(), attribute);
        self
    }

    pub(crate) fn value_type(&self) -> Type {
        Type::Object(
            self.attributes.iter().map(|(name, part)| (name.clone(), part.value_type.clone())).collect(),
        )
    }
}
