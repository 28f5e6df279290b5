//! The state file's JSON, by type. Attributes that the type does not have are dropped, missing ones are null: the
//! state may be of an older or a newer schema.

use super::{Hints, MAX_DEPTH, as_set};
use crate::schema::Type;
use crate::values::{Dynamic, Path, Step, ValueError};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Reads a value of a type. Remembers in `hints` the types of dynamically typed values.
pub(crate) fn from_state_json(
    json: &Json,
    value_type: &Type,
    hints: &mut Hints,
) -> Result<Dynamic, ValueError> {
    read(json, value_type, &Path::empty(), hints, 0)
}

fn read(
    json: &Json,
    value_type: &Type,
    path: &Path,
    hints: &mut Hints,
    depth: usize,
) -> Result<Dynamic, ValueError> {
    let refused =
        |wanted: &str| Err(ValueError::new(Path::empty(), format!("expected {wanted} in the saved state")));
    if depth > MAX_DEPTH {
        return refused("less nesting");
    }
    let depth = depth + 1;
    match (value_type, json) {
        (_, Json::Null) => Ok(Dynamic::Null),
        (Type::Bool, Json::Bool(value)) => Ok(Dynamic::Bool(*value)),
        (Type::Number, Json::Number(number)) => read_number(&number.to_string()),
        (Type::Number, Json::String(text)) => read_number(text),
        (Type::String, Json::String(text)) => Ok(Dynamic::String(text.clone())),
        (Type::List(element), Json::Array(items)) => {
            read_items(items, path, |_| Some(element), hints, depth).map(Dynamic::List)
        }
        (Type::Set(element), Json::Array(items)) => {
            read_items(items, path, |_| Some(element), hints, depth).map(|items| Dynamic::List(as_set(items)))
        }
        (Type::Tuple(elements), Json::Array(items)) => {
            read_items(items, path, |index| elements.get(index), hints, depth).map(Dynamic::List)
        }
        (Type::Map(element), Json::Object(members)) => {
            let members = members.iter().map(|(key, member)| {
                let member = read(member, element, &path.key(key), hints, depth);
                Ok((key.clone(), member.map_err(|error| error.below(Step::Key(key.clone())))?))
            });
            members.collect::<Result<_, _>>().map(Dynamic::Map)
        }
        (Type::Object(types), Json::Object(members)) => {
            let object = types.iter().map(|(name, member_type)| {
                let member = members.get(name).unwrap_or(&Json::Null);
                let member = read(member, member_type, &path.attr(name), hints, depth);
                Ok((name.clone(), member.map_err(|error| error.below(Step::Attribute(name.clone())))?))
            });
            object.collect::<Result<BTreeMap<_, _>, _>>().map(Dynamic::Map)
        }
        (Type::Dynamic, Json::Object(parts)) => {
            let real = parts.get("type").and_then(Type::from_json);
            let (Some(real), Some(value)) = (real, parts.get("value")) else {
                return refused("a value with its type");
            };
            let value = read(value, &real, path, hints, depth)?;
            hints.insert(path.clone(), real);
            Ok(value)
        }
        (Type::Bool, _) => refused("a bool"),
        (Type::Number, _) => refused("a number"),
        (Type::String, _) => refused("a string"),
        (Type::List(_) | Type::Set(_) | Type::Tuple(_), _) => refused("an array"),
        (Type::Map(_) | Type::Object(_) | Type::Dynamic, _) => refused("an object"),
    }
}

fn read_number(text: &str) -> Result<Dynamic, ValueError> {
    text.parse().map(Dynamic::Number).map_err(|error| ValueError::new(Path::empty(), format!("{error}")))
}

fn read_items<'t, T: AsRef<Type> + 't + ?Sized>(
    items: &[Json],
    path: &Path,
    type_of: impl Fn(usize) -> Option<&'t T>,
    hints: &mut Hints,
    depth: usize,
) -> Result<Vec<Dynamic>, ValueError> {
    let items = items.iter().enumerate().map(|(index, item)| {
        let item_type = type_of(index)
            .ok_or_else(|| ValueError::new(Path::empty(), "the saved state has too many elements"))?;
        let item = read(item, item_type.as_ref(), &path.index(index), hints, depth);
        item.map_err(|error| error.below(Step::Index(i64::try_from(index).unwrap_or(i64::MAX))))
    });
    items.collect()
}
