//! Values in bytes: msgpack on the wire, JSON in the state file, both read by the type that the schema gives. Knows
//! nothing of messages and RPCs.

mod json;
mod msgpack;

pub(crate) use json::from_state_json;
pub(crate) use msgpack::{decode, encode};

use crate::schema::Type;
use crate::values::{Dynamic, Path, Step, ValueError};
use std::collections::BTreeMap;

/// Deepest nesting that is read. Terraform itself has no limit; a deeper value is an attack on our stack.
const MAX_DEPTH: usize = 128;

/// The types that the values of dynamically typed attributes had when they were read. [`Dynamic`] does not tell a
/// list from a tuple, and Terraform takes the one for a change of the other.
pub(crate) type Hints = BTreeMap<Path, Type>;

/// Brings a value into the one form of its type: members of objects that are missing become null, sets are sorted
/// and without duplicates. Fails, naming the attribute, where the value is not of the type.
pub(crate) fn conform(value: Dynamic, value_type: &Type) -> Result<Dynamic, ValueError> {
    let refused = |value: &Dynamic, wanted: &str| {
        Err(ValueError::new(Path::empty(), format!("expected {wanted}, got {}", value.kind())))
    };
    match (value_type, value) {
        (_, value @ (Dynamic::Null | Dynamic::Unknown))
        | (Type::Dynamic, value)
        | (Type::Bool, value @ Dynamic::Bool(_))
        | (Type::Number, value @ Dynamic::Number(_))
        | (Type::String, value @ Dynamic::String(_)) => Ok(value),
        (Type::List(element), Dynamic::List(items)) => {
            conform_items(items, |_| Some(element)).map(Dynamic::List)
        }
        (Type::Set(element), Dynamic::List(items)) => {
            conform_items(items, |_| Some(element)).map(|items| Dynamic::List(as_set(items)))
        }
        (Type::Tuple(elements), Dynamic::List(items)) => {
            if items.len() != elements.len() {
                let message = format!("expected {} elements, got {}", elements.len(), items.len());
                return Err(ValueError::new(Path::empty(), message));
            }
            conform_items(items, |index| elements.get(index)).map(Dynamic::List)
        }
        (Type::Map(element), Dynamic::Map(members)) => {
            let members = members.into_iter().map(|(key, member)| {
                let member = conform(member, element).map_err(|error| error.below(Step::Key(key.clone())))?;
                Ok((key, member))
            });
            members.collect::<Result<_, _>>().map(Dynamic::Map)
        }
        (Type::Object(types), Dynamic::Map(mut members)) => {
            let object = types.iter().map(|(name, member_type)| {
                let member = members.remove(name).unwrap_or_default();
                let member = conform(member, member_type)
                    .map_err(|error| error.below(Step::Attribute(name.clone())))?;
                Ok((name.clone(), member))
            });
            let object = object.collect::<Result<_, _>>()?;
            match members.into_iter().next() {
                None => Ok(Dynamic::Map(object)),
                Some((name, _)) => {
                    Err(ValueError::new(Path::root(name), "the schema has no attribute of this name"))
                }
            }
        }
        (Type::Bool, value) => refused(&value, "a bool"),
        (Type::Number, value) => refused(&value, "a number"),
        (Type::String, value) => refused(&value, "a string"),
        (Type::List(_), value) => refused(&value, "a list"),
        (Type::Set(_), value) => refused(&value, "a set"),
        (Type::Tuple(_), value) => refused(&value, "a tuple"),
        (Type::Map(_), value) => refused(&value, "a map"),
        (Type::Object(_), value) => refused(&value, "an object"),
    }
}

fn conform_items<'a, T: AsRef<Type> + 'a + ?Sized>(
    items: Vec<Dynamic>,
    type_of: impl Fn(usize) -> Option<&'a T>,
) -> Result<Vec<Dynamic>, ValueError> {
    let items = items.into_iter().enumerate().map(|(index, item)| {
        let step = Step::Index(i64::try_from(index).unwrap_or(i64::MAX));
        match type_of(index) {
            Some(item_type) => conform(item, item_type.as_ref()).map_err(|error| error.below(step)),
            None => Ok(item),
        }
    });
    items.collect()
}

/// Sets have no order; sorting makes equal ones equal. Unknown elements are never duplicates.
fn as_set(mut items: Vec<Dynamic>) -> Vec<Dynamic> {
    items.sort();
    items.dedup_by(|a, b| a == b && a.first_unknown().is_none());
    items
}
