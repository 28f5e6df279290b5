//! Between [`Dynamic`] and Rust structs by serde. Each error says at which attribute it happened.

use super::dynamic::{DYNAMIC, Dynamic};
use super::number::{NUMBER, Number};
use super::path::{Path, Step};
use super::value::{UNKNOWN, VALUE};
use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::ser::{self, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// serde_json writes a number of arbitrary precision as a struct of this name with one text field.
const JSON_NUMBER: &str = "$serde_json::private::Number";

/// A value that does not fit the Rust type it is read into (or the other way round).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ValueError {
    path: Path,
    message: String,
    is_unknown: bool,
}

impl ValueError {
    /// An error at a path.
    pub fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), is_unknown: false }
    }

    /// The attribute that does not fit.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, without the path.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the only fault of the value is that it is not known yet.
    pub const fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    pub(crate) fn below(self, step: Step) -> Self {
        Self { path: self.path.below(step), ..self }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.steps().is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Path::empty(), message.to_string())
    }
}

impl ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Path::empty(), message.to_string())
    }
}

fn error(message: impl Into<String>) -> ValueError {
    ValueError::new(Path::empty(), message)
}

/// A Rust value as a [`Dynamic`]. Fails, naming the attribute, on what Terraform has no form for (bytes, map keys
/// that are no strings).
pub fn to_dynamic<T: Serialize + ?Sized>(value: &T) -> Result<Dynamic, ValueError> {
    value.serialize(ToDynamic)
}

/// A [`Dynamic`] as a Rust value. Fails, naming the attribute, where the type differs and where an unknown meets a
/// type that has no place for it (anything but [`Value`](super::Value) and [`Dynamic`]). Missing members are null.
pub fn from_dynamic<T: DeserializeOwned>(value: &Dynamic) -> Result<T, ValueError> {
    T::deserialize(FromDynamic(value))
}

struct FromDynamic<'a>(&'a Dynamic);

impl<'a> FromDynamic<'a> {
    fn mismatch(&self, wanted: &str) -> ValueError {
        match self.0 {
            Dynamic::Unknown => {
                let error = error(format!("expected {wanted}, but the value is not known yet"));
                ValueError { is_unknown: true, ..error }
            }
            other => error(format!("expected {wanted}, got {}", other.kind())),
        }
    }

    fn number(&self, wanted: &str) -> Result<&'a Number, ValueError> {
        match self.0 {
            Dynamic::Number(number) => Ok(number),
            _ => Err(self.mismatch(wanted)),
        }
    }

    fn list<'de, V: Visitor<'de>>(items: &[Dynamic], visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_seq(Items { items: items.iter().enumerate() })
    }

    fn map<'de, V: Visitor<'de>>(
        members: &BTreeMap<String, Dynamic>,
        is_object: bool,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_map(Members { members: members.iter(), next: None, is_object })
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $integer:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let number = self.number("a whole number")?;
            let text = number.to_string();
            let value = text.parse::<$integer>().map_err(|_| {
                error(format!("expected a whole number from {} to {}, got {text}", <$integer>::MIN, <$integer>::MAX))
            })?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for FromDynamic<'_> {
    type Error = ValueError;

    integers!(deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
              deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128, deserialize_u8 visit_u8 u8,
              deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
              deserialize_u128 visit_u128 u128);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::Null => visitor.visit_unit(),
            Dynamic::Unknown => Err(self.mismatch("a value")),
            Dynamic::Bool(value) => visitor.visit_bool(*value),
            Dynamic::Number(number) => match (number.to_u64(), number.to_i64(), number.to_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, Some(value)) => visitor.visit_f64(value),
                _ => visitor.visit_string(number.to_string()),
            },
            Dynamic::String(text) => visitor.visit_str(text),
            Dynamic::List(items) => Self::list(items, visitor),
            Dynamic::Map(members) => Self::map(members, false, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.mismatch("a bool")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.number("a number")?.to_f64() {
            Some(value) => visitor.visit_f64(value),
            None => Err(error("the number is too large")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::String(text) => visitor.visit_str(text),
            _ => Err(self.mismatch("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(error("Terraform has no bytes"))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(error("Terraform has no bytes"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::Null => visitor.visit_none(),
            Dynamic::Unknown => Err(self.mismatch("a value or null")),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            // `()` is also the model of a block without attributes.
            Dynamic::Null | Dynamic::Map(_) => visitor.visit_unit(),
            _ => Err(self.mismatch("null")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match (name, self.0) {
            (VALUE, Dynamic::Null) => visitor.visit_none(),
            (VALUE, Dynamic::Unknown) => visitor.visit_unit(),
            (VALUE, _) => visitor.visit_some(self),
            (NUMBER, _) => visitor.visit_str(&self.number("a number")?.to_string()),
            (DYNAMIC, Dynamic::Unknown) => visitor.visit_none(),
            (DYNAMIC, Dynamic::Number(number)) => visitor.visit_bytes(number.to_string().as_bytes()),
            (DYNAMIC, _) => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::List(items) => Self::list(items, visitor),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::Map(members) => Self::map(members, false, visitor),
            _ => Err(self.mismatch("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::Map(members) => Self::map(members, true, visitor),
            _ => Err(self.mismatch("an object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Dynamic::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(self.mismatch("a string")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Dynamic>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        let step = Step::Index(i64::try_from(index).unwrap_or(i64::MAX));
        seed.deserialize(FromDynamic(item)).map(Some).map_err(|error| error.below(step))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Members<'a> {
    members: std::collections::btree_map::Iter<'a, String, Dynamic>,
    next: Option<(&'a String, &'a Dynamic)>,
    is_object: bool,
}

impl<'de> de::MapAccess<'de> for Members<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.next = self.members.next();
        let Some((key, _)) = self.next else { return Ok(None) };
        let key: StringDeserializer<ValueError> = key.clone().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        let (key, member) = self.next.take().ok_or_else(|| error("a value was read before its key"))?;
        let step = if self.is_object { Step::Attribute(key.clone()) } else { Step::Key(key.clone()) };
        seed.deserialize(FromDynamic(member)).map_err(|error| error.below(step))
    }
}

struct ToDynamic;

impl ser::Serializer for ToDynamic {
    type Ok = Dynamic;
    type Error = ValueError;
    type SerializeSeq = ListOut;
    type SerializeTuple = ListOut;
    type SerializeTupleStruct = ListOut;
    type SerializeTupleVariant = ListOut;
    type SerializeMap = MapOut;
    type SerializeStruct = MapOut;
    type SerializeStructVariant = MapOut;

    fn serialize_bool(self, value: bool) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Result<Dynamic, ValueError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Dynamic, ValueError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Dynamic, ValueError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Number(value.into()))
    }
    fn serialize_i128(self, value: i128) -> Result<Dynamic, ValueError> {
        value.to_string().parse().map(Dynamic::Number).map_err(ser::Error::custom)
    }
    fn serialize_u8(self, value: u8) -> Result<Dynamic, ValueError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Dynamic, ValueError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Dynamic, ValueError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Number(value.into()))
    }
    fn serialize_u128(self, value: u128) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Number(value.into()))
    }
    fn serialize_f32(self, value: f32) -> Result<Dynamic, ValueError> {
        value.to_string().parse().map(Dynamic::Number).map_err(ser::Error::custom)
    }
    fn serialize_f64(self, value: f64) -> Result<Dynamic, ValueError> {
        Number::from_short_f64(value)
            .map(Dynamic::Number)
            .ok_or_else(|| error("Terraform has no infinity or NaN"))
    }
    fn serialize_char(self, value: char) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::String(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::String(value.to_owned()))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Dynamic, ValueError> {
        Err(error("Terraform has no bytes"))
    }
    fn serialize_none(self) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Dynamic, ValueError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::Map(BTreeMap::new()))
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::String(variant.to_owned()))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Dynamic, ValueError> {
        match name {
            UNKNOWN => Ok(Dynamic::Unknown),
            _ => value.serialize(self),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Dynamic, ValueError> {
        Ok(Dynamic::object([(variant, value.serialize(self)?)]))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<ListOut, ValueError> {
        Ok(ListOut { variant: None, items: Vec::with_capacity(length.unwrap_or(0)) })
    }
    fn serialize_tuple(self, length: usize) -> Result<ListOut, ValueError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<ListOut, ValueError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<ListOut, ValueError> {
        Ok(ListOut { variant: Some(variant), items: Vec::with_capacity(length) })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<MapOut, ValueError> {
        Ok(MapOut::default())
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<MapOut, ValueError> {
        Ok(MapOut { is_json_number: name == JSON_NUMBER, ..MapOut::default() })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MapOut, ValueError> {
        Ok(MapOut { variant: Some(variant), ..MapOut::default() })
    }
}

/// A list being written.
struct ListOut {
    variant: Option<&'static str>,
    items: Vec<Dynamic>,
}

impl ListOut {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        let step = Step::Index(i64::try_from(self.items.len()).unwrap_or(i64::MAX));
        self.items.push(item.serialize(ToDynamic).map_err(|error| error.below(step))?);
        Ok(())
    }

    fn finish(self) -> Dynamic {
        let list = Dynamic::List(self.items);
        match self.variant {
            Some(variant) => Dynamic::object([(variant, list)]),
            None => list,
        }
    }
}

macro_rules! list_out {
    ($($part:ident $method:ident),*) => {$(
        impl ser::$part for ListOut {
            type Ok = Dynamic;
            type Error = ValueError;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
                self.push(item)
            }
            fn end(self) -> Result<Dynamic, ValueError> {
                Ok(self.finish())
            }
        }
    )*};
}
list_out!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
          SerializeTupleVariant serialize_field);

/// A map or object being written.
#[derive(Default)]
struct MapOut {
    variant: Option<&'static str>,
    is_json_number: bool,
    key: Option<String>,
    members: BTreeMap<String, Dynamic>,
}

impl MapOut {
    fn insert<T: Serialize + ?Sized>(&mut self, key: &str, step: Step, member: &T) -> Result<(), ValueError> {
        let member = member.serialize(ToDynamic).map_err(|error| error.below(step))?;
        self.members.insert(key.to_owned(), member);
        Ok(())
    }

    fn finish(self) -> Result<Dynamic, ValueError> {
        if self.is_json_number {
            let text = self.members.values().next().and_then(Dynamic::as_str).unwrap_or_default();
            return text.parse().map(Dynamic::Number).map_err(ser::Error::custom);
        }
        let map = Dynamic::Map(self.members);
        Ok(match self.variant {
            Some(variant) => Dynamic::object([(variant, map)]),
            None => map,
        })
    }
}

impl ser::SerializeMap for MapOut {
    type Ok = Dynamic;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        match key.serialize(ToDynamic)? {
            Dynamic::String(key) => self.key = Some(key),
            Dynamic::Number(key) => self.key = Some(key.to_string()),
            other => return Err(error(format!("a map's key must be a string, not {}", other.kind()))),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self.key.take().ok_or_else(|| error("a value was written before its key"))?;
        self.insert(&key, Step::Key(key.clone()), value)
    }

    fn end(self) -> Result<Dynamic, ValueError> {
        self.finish()
    }
}

impl ser::SerializeStruct for MapOut {
    type Ok = Dynamic;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.insert(key, Step::Attribute(key.to_owned()), value)
    }

    fn end(self) -> Result<Dynamic, ValueError> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for MapOut {
    type Ok = Dynamic;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.insert(key, Step::Attribute(key.to_owned()), value)
    }

    fn end(self) -> Result<Dynamic, ValueError> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Lost {
        Repair,
        Ignore,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        port: Value<u16>,
        name: Option<String>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        text: Value<String>,
        price: Value<Number>,
        count: Value<i64>,
        flag: Value<bool>,
        lost: Value<Lost>,
        one: Value<Inner>,
        many: Value<Vec<Value<Inner>>>,
        named: Value<BTreeMap<String, Value<Inner>>>,
        any: Dynamic,
        rest: serde_json::Value,
    }

    fn full() -> Outer {
        let inner = || Value::Known(Inner { port: 80.into(), name: Some("x".to_owned()) });
        Outer {
            text: "t".into(),
            price: Value::Known("0.1".parse().unwrap()),
            count: (-3).into(),
            flag: Value::Unknown,
            lost: Value::Known(Lost::Repair),
            one: inner(),
            many: Value::Known(vec![inner(), Value::Unknown, Value::Null]),
            named: Value::Known(BTreeMap::from([("a".to_owned(), inner())])),
            any: Dynamic::List(vec![Dynamic::Unknown, Dynamic::Null, "x".into(), 1.into(), true.into()]),
            rest: serde_json::json!({"a": [1, null, "b"]}),
        }
    }

    #[test]
    fn structs_go_there_and_back() {
        for outer in [full(), Outer::default()] {
            let value = to_dynamic(&outer).unwrap();
            assert_eq!(from_dynamic::<Outer>(&value).unwrap(), outer);
        }
        let value = to_dynamic(&full()).unwrap();
        assert_eq!(value.get("flag"), Some(&Dynamic::Unknown));
        assert_eq!(value.get("price"), Some(&Dynamic::Number("0.1".parse().unwrap())));
        assert_eq!(value.get("lost"), Some(&"repair".into()));
        assert_eq!(value.at(&Path::root("named").key("a").attr("port")), Some(&80.into()));
    }

    #[test]
    fn errors_name_the_attribute() {
        let inner = |name: &str, value: Dynamic| Dynamic::object([(name, value)]);
        let cases = [
            (inner("text", 1.into()), "text: expected a string, got a number"),
            (
                inner("count", Dynamic::Number("0.5".parse().unwrap())),
                "count: expected a whole number from -9223372036854775808 to 9223372036854775807, got 0.5",
            ),
            (
                inner("one", inner("port", 70_000.into())),
                "one.port: expected a whole number from 0 to 65535, got 70000",
            ),
            (
                inner("one", inner("name", Dynamic::Unknown)),
                "one.name: expected a value or null, but the value is not known yet",
            ),
            (
                inner("many", vec![inner("port", 1.into()), inner("port", "x".into())].into()),
                "many[1].port: expected a whole number, got a string",
            ),
            (
                inner("named", inner("a b", inner("port", true.into()))),
                "named[\"a b\"].port: expected a whole number, got a bool",
            ),
            (
                inner("lost", "replace".into()),
                "lost: unknown variant `replace`, expected `repair` or `ignore`",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(from_dynamic::<Outer>(&value).unwrap_err().to_string(), expected);
        }
    }

    /// Private state is JSON, and holds the same types.
    #[test]
    fn values_have_a_json_form_unless_unknown() {
        let outer = Outer { flag: Value::Null, many: Value::Null, any: vec![1, 2].into(), ..full() };
        let json = serde_json::to_string(&outer).unwrap();
        assert_eq!(serde_json::from_str::<Outer>(&json).unwrap(), outer);
        let error = serde_json::to_string(&full()).unwrap_err();
        assert!(error.to_string().contains("unknown value"), "{error}");
    }

    #[test]
    fn numbers_are_exact_and_bounded() {
        for (text, shown) in [
            ("0.10", "0.1"),
            ("1e3", "1000"),
            ("-5.00", "-5"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ] {
            assert_eq!(text.parse::<Number>().unwrap().to_string(), shown);
        }
        for text in ["", "x", "1e99999999", "1e-99999999", "0x1", "1_000", "inf", "NaN", &"9".repeat(20_000)]
        {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
        let number: Number = "1.5".parse().unwrap();
        assert_eq!((number.to_u64(), number.to_i64(), number.to_f64()), (None, None, Some(1.5)));
        assert_eq!(to_dynamic(&0.1_f64).unwrap(), Dynamic::Number("0.1".parse().unwrap()));
        assert_eq!(from_dynamic::<f64>(&Dynamic::Number("0.1".parse().unwrap())).unwrap(), 0.1);
    }
}
