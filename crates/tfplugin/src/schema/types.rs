//! Terraform's types and their JSON form on the wire.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A type of Terraform's language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// true or false.
    Bool,
    /// An exact decimal.
    Number,
    /// A text.
    String,
    /// Any type, chosen by each value.
    Dynamic,
    /// A list of one type.
    List(Box<Type>),
    /// A set of one type.
    Set(Box<Type>),
    /// A map of one type.
    Map(Box<Type>),
    /// Named members of their own types.
    Object(BTreeMap<String, Type>),
    /// Elements of their own types.
    Tuple(Vec<Type>),
}

impl Type {
    /// A list of `element`.
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    /// A set of `element`.
    pub fn set(element: Self) -> Self {
        Self::Set(Box::new(element))
    }

    /// A map of `element`.
    pub fn map(element: Self) -> Self {
        Self::Map(Box::new(element))
    }

    /// An object of members.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, member)| (name.to_owned(), member)).collect())
    }

    /// The form in which the protocol carries types: `"string"`, `["list","string"]`, `["object",{"a":"bool"}]`.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Bool => json!("bool"),
            Self::Number => json!("number"),
            Self::String => json!("string"),
            Self::Dynamic => json!("dynamic"),
            Self::List(element) => json!(["list", element.to_json()]),
            Self::Set(element) => json!(["set", element.to_json()]),
            Self::Map(element) => json!(["map", element.to_json()]),
            Self::Object(members) => {
                let members: serde_json::Map<_, _> =
                    members.iter().map(|(name, member)| (name.clone(), member.to_json())).collect();
                json!(["object", members])
            }
            Self::Tuple(elements) => json!(["tuple", elements.iter().map(Self::to_json).collect::<Vec<_>>()]),
        }
    }

    /// The same form as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// Reads that form. `None` for anything else. The third part of an object (names of optional members) plays no
    /// role in values.
    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::String(name) => match name.as_str() {
                "bool" => Some(Self::Bool),
                "number" => Some(Self::Number),
                "string" => Some(Self::String),
                "dynamic" => Some(Self::Dynamic),
                _ => None,
            },
            Json::Array(parts) => {
                let inner = parts.get(1)?;
                match parts.first()?.as_str()? {
                    "list" => Self::from_json(inner).map(Self::list),
                    "set" => Self::from_json(inner).map(Self::set),
                    "map" => Self::from_json(inner).map(Self::map),
                    "object" => {
                        let members = inner.as_object()?.iter();
                        members
                            .map(|(name, member)| Some((name.clone(), Self::from_json(member)?)))
                            .collect::<Option<_>>()
                            .map(Self::Object)
                    }
                    "tuple" => {
                        let elements = inner.as_array()?.iter();
                        elements.map(Self::from_json).collect::<Option<_>>().map(Self::Tuple)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl AsRef<Self> for Type {
    fn as_ref(&self) -> &Self {
        self
    }
}
