//! A value of any type, and its serde form.

use super::number::Number;
use super::path::{Path, Step};
use super::value::{NoForeignForm, UNKNOWN};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

pub(super) const DYNAMIC: &str = "$tfplugin::Dynamic";

/// A value of any type. Lists, sets and tuples are [`Dynamic::List`] (sets sorted and without duplicates), maps
/// and objects are [`Dynamic::Map`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dynamic {
    /// Not set.
    #[default]
    Null,
    /// Known only at apply.
    Unknown,
    /// true or false.
    Bool(bool),
    /// An exact decimal.
    Number(Number),
    /// Unicode text.
    String(String),
    /// List, set or tuple.
    List(Vec<Dynamic>),
    /// Map or object.
    Map(BTreeMap<String, Dynamic>),
}

impl Dynamic {
    /// An object or map from its members.
    pub fn object<K: Into<String>, V: Into<Self>>(members: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(members.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Whether the value is not set.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether the value itself is not known; members of a known list or map may still be.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The member of an object or map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.get(key),
            _ => None,
        }
    }

    /// The value at a path; `None` where the path leads nowhere.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |value, step| match (value, step) {
            (Self::Map(members), Step::Attribute(name) | Step::Key(name)) => members.get(name),
            (Self::List(items), Step::Index(index)) => {
                usize::try_from(*index).ok().and_then(|i| items.get(i))
            }
            _ => None,
        })
    }

    /// The path of the first unknown in the value, in order of names.
    pub fn first_unknown(&self) -> Option<Path> {
        match self {
            Self::Unknown => Some(Path::empty()),
            Self::List(items) => items.iter().enumerate().find_map(|(index, item)| {
                let step = Step::Index(i64::try_from(index).unwrap_or(i64::MAX));
                item.first_unknown().map(|path| path.below(step))
            }),
            Self::Map(members) => members.iter().find_map(|(key, member)| {
                member.first_unknown().map(|path| path.below(Step::Attribute(key.clone())))
            }),
            _ => None,
        }
    }

    /// The same value with every unknown made null.
    pub fn unknowns_to_null(self) -> Self {
        match self {
            Self::Unknown => Self::Null,
            Self::List(items) => Self::List(items.into_iter().map(Self::unknowns_to_null).collect()),
            Self::Map(members) => {
                Self::Map(members.into_iter().map(|(key, member)| (key, member.unknowns_to_null())).collect())
            }
            known => known,
        }
    }

    /// What the value is, for messages. Never its content.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Unknown => "an unknown value",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object or map",
        }
    }

    pub(crate) fn from_json(json: serde_json::Value) -> Result<Self, super::number::NumberError> {
        Ok(match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.to_string().parse()?),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::from_json).collect::<Result<_, _>>()?)
            }
            serde_json::Value::Object(members) => Self::Map(
                members
                    .into_iter()
                    .map(|(key, member)| Ok((key, Self::from_json(member)?)))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }
}

impl From<bool> for Dynamic {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Dynamic {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Dynamic {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Number> for Dynamic {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Dynamic {
            fn from(value: $integer) -> Self {
                Self::Number(Number::from(value))
            }
        }
    )*};
}
from_integers!(i32, i64, u32, u64);

impl<T: Into<Self>> From<Vec<T>> for Dynamic {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Dynamic {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Self>> From<BTreeMap<String, T>> for Dynamic {
    fn from(members: BTreeMap<String, T>) -> Self {
        Self::object(members)
    }
}

impl Serialize for Dynamic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Unknown => serializer.serialize_newtype_struct(UNKNOWN, &NoForeignForm),
            Self::Bool(value) => value.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => text.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(members) => members.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(DYNAMIC, DynamicVisitor)
    }
}

/// Our deserializer answers `visit_unit` for null, `visit_none` for unknown and `visit_bytes` with the text of a
/// number; any other deserializer hands itself over and is read as JSON would be.
struct DynamicVisitor;

impl<'de> Visitor<'de> for DynamicVisitor {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::Null)
    }

    fn visit_none<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::Unknown)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Dynamic, E> {
        Ok(Dynamic::Bool(value))
    }

    fn visit_bytes<E: serde::de::Error>(self, text: &[u8]) -> Result<Dynamic, E> {
        let text = std::str::from_utf8(text).map_err(E::custom)?;
        text.parse().map(Dynamic::Number).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<Dynamic, E> {
        Ok(Dynamic::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Dynamic::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Dynamic, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, member)) = members.next_entry()? {
            map.insert(key, member);
        }
        Ok(Dynamic::Map(map))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dynamic, D::Error> {
        Dynamic::from_json(serde_json::Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
