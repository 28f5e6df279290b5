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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Number;
    use proptest::prelude::*;

    fn number(text: &str) -> Dynamic {
        Dynamic::Number(text.parse().unwrap())
    }

    /// What Terraform's own encoder writes, byte for byte.
    #[test]
    fn numbers_arrive_in_three_forms() {
        let cases: [(&[u8], &str); 9] = [
            (&[0x05], "5"),
            (&[0xff], "-1"),
            (&[0xcd, 0x01, 0x00], "256"),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "18446744073709551615"),
            (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
            (&[0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], "0.5"),
            (&[0xca, 0x3e, 0x80, 0, 0], "0.25"),
            (&[0xa3, b'0', b'.', b'1'], "0.1"),
            // An exact double that is not a short decimal: all its digits count.
            (
                &[0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a],
                "0.1000000000000000055511151231257827021181583404541015625",
            ),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode(bytes, &Type::Number, &mut Hints::new()).unwrap(), number(text), "{bytes:x?}");
        }
    }

    #[test]
    fn numbers_leave_as_integers_or_texts() {
        let encoded = |text| encode(&number(text), &Type::Number, &Hints::new()).unwrap();
        assert_eq!(encoded("5"), [0x05]);
        assert_eq!(encoded("5.0"), [0x05]);
        assert_eq!(encoded("0.10"), b"\xa30.1");
        assert_eq!(encoded("-0.5"), b"\xa4-0.5");
        assert_eq!(encoded("18446744073709551615"), b"\xb418446744073709551615");
        assert_eq!(encoded("1e30"), b"\xbf1000000000000000000000000000000");
    }

    #[test]
    fn unknowns_come_plain_and_refined_and_leave_plain() {
        // Extension type 0 with one byte, and type 12 with a map {1: false} (not null).
        for bytes in [&b"\xd4\x00\x00"[..], b"\xc7\x03\x0c\x81\x01\xc2"] {
            for value_type in [Type::String, Type::Dynamic, Type::list(Type::Bool)] {
                assert_eq!(decode(bytes, &value_type, &mut Hints::new()).unwrap(), Dynamic::Unknown);
            }
        }
        assert_eq!(encode(&Dynamic::Unknown, &Type::String, &Hints::new()).unwrap(), b"\xd4\x00\x00");
    }

    #[test]
    fn dynamic_values_keep_their_types() {
        let value_type = Type::object([("any", Type::Dynamic)]);
        let list = b"\x81\xa3any\x92\xc4\x11[\"list\",\"string\"]\x91\xa1a";
        let mut hints = Hints::new();
        let value = decode(list, &value_type, &mut hints).unwrap();
        assert_eq!(value, Dynamic::object([("any", vec!["a"])]));
        assert_eq!(encode(&value, &value_type, &hints).unwrap(), list);
        let tuple = encode(&value, &value_type, &Hints::new()).unwrap();
        assert!(
            String::from_utf8_lossy(&tuple).contains(r#"["tuple",["string"]]"#),
            "without a hint it is a literal"
        );
        // A hint that no longer fits is no hint.
        let other = Dynamic::object([("any", vec![1])]);
        assert!(String::from_utf8_lossy(&encode(&other, &value_type, &hints).unwrap()).contains("tuple"));
    }

    #[test]
    fn sets_have_one_form() {
        let set = Type::set(Type::String);
        let bytes = b"\x93\xa1b\xa1a\xa1b";
        assert_eq!(decode(bytes, &set, &mut Hints::new()).unwrap(), vec!["a", "b"].into());
        assert_eq!(encode(&vec!["b", "a", "b"].into(), &set, &Hints::new()).unwrap(), b"\x92\xa1a\xa1b");
        let unknowns = Dynamic::List(vec![Dynamic::Unknown, Dynamic::Unknown]);
        assert_eq!(conform(unknowns.clone(), &set).unwrap(), unknowns, "two unknowns may be two values");
    }

    #[test]
    fn malformed_bytes_are_errors() {
        let value_type = Type::object([("a", Type::list(Type::Number)), ("any", Type::Dynamic)]);
        let deep = [&b"\x81\xa3any"[..], &b"\x92\xc4\x12[\"tuple\",[\"dynamic\"]]\x91".repeat(1000)].concat();
        let cases: [&[u8]; 9] = [
            b"",
            b"\x81",
            b"\x81\xa1b\x01",
            b"\x81\xa1a\xdd\xff\xff\xff\xff\x01",
            b"\x81\xa1a\x91\xa1x",
            b"\x81\xa1a\x91\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
            b"\x80\x80",
            b"\x81\xa3any\x92\xa1x\x01",
            &deep,
        ];
        for bytes in cases {
            assert!(decode(bytes, &value_type, &mut Hints::new()).is_err(), "{bytes:x?}");
        }
        let error = decode(b"\x81\xa1a\x92\x01\xa1x", &value_type, &mut Hints::new()).unwrap_err();
        assert_eq!(error.to_string(), r#"a[1]: "x" is not a decimal number"#);
    }

    /// Types, and values of them in their one form.
    fn typed() -> impl Strategy<Value = (Type, Dynamic)> {
        let texts = || "[a-z\u{e9}\"]{0,40}";
        let numbers = prop_oneof![
            any::<i64>().prop_map(Number::from),
            any::<u64>().prop_map(Number::from),
            "-?[0-9]{1,30}\\.[0-9]{1,30}".prop_map(|text| text.parse().unwrap()),
        ];
        let leaf = prop_oneof![
            any::<bool>().prop_map(|value| (Type::Bool, value.into())),
            texts().prop_map(|value| (Type::String, value.into())),
            numbers.prop_map(|value| (Type::Number, value.into())),
            Just((Type::String, Dynamic::Null)),
            Just((Type::Bool, Dynamic::Unknown)),
        ];
        leaf.prop_recursive(4, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::btree_map(texts(), inner.clone(), 0..6).prop_map(|members| {
                    let types =
                        members.iter().map(|(name, (member_type, _))| (name.clone(), member_type.clone()));
                    let object = Type::Object(types.collect());
                    (object, Dynamic::object(members.into_iter().map(|(name, (_, member))| (name, member))))
                }),
                prop::collection::vec(inner.clone(), 0..6).prop_map(|items| {
                    let (types, items) = items.into_iter().unzip();
                    (Type::Tuple(types), Dynamic::List(items))
                }),
                (inner.clone(), 0..40_usize).prop_map(|((element, item), count)| {
                    (Type::list(element), Dynamic::List(vec![item; count]))
                }),
                (inner.clone(), texts()).prop_map(|((element, item), key)| {
                    (Type::map(element), Dynamic::object([(key, item)]))
                }),
                inner.prop_map(|(element, item)| (Type::set(element), Dynamic::List(vec![item]))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((value_type, value) in typed()) {
            let bytes = encode(&value, &value_type, &Hints::new()).unwrap();
            prop_assert_eq!(decode(&bytes, &value_type, &mut Hints::new()).unwrap(), value);
        }

        #[test]
        fn types_have_a_json_form((value_type, _) in typed()) {
            prop_assert_eq!(Type::from_json(&value_type.to_json()), Some(value_type));
        }

        #[test]
        fn no_bytes_break_the_reader((value_type, value) in typed(), noise in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
            let _ = decode(&noise, &value_type, &mut Hints::new());
            let mut bytes = encode(&value, &value_type, &Hints::new()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= noise.first().copied().unwrap_or(1);
            let _ = decode(&bytes, &value_type, &mut Hints::new());
        }
    }
}
