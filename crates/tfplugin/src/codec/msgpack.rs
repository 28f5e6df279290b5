//! The wire's msgpack: null is nil, unknown is any extension type, numbers are integers, doubles or decimal texts,
//! a dynamically typed value is `[type, value]`.

use super::{Hints, MAX_DEPTH, as_set, conform};
use crate::schema::Type;
use crate::values::{Dynamic, Number, Path, Step, ValueError};
use rmp::Marker;
use rmp::decode::{self, RmpRead};
use std::collections::BTreeMap;

/// Reads a value of a type. Remembers in `hints` the types of dynamically typed values.
pub(crate) fn decode(bytes: &[u8], value_type: &Type, hints: &mut Hints) -> Result<Dynamic, ValueError> {
    let mut reader = Reader { rest: bytes, hints, depth: 0 };
    let value = reader.value(value_type, &Path::empty())?;
    if reader.rest.is_empty() { Ok(value) } else { Err(broken("bytes are left over")) }
}

fn broken(what: &str) -> ValueError {
    ValueError::new(Path::empty(), format!("malformed msgpack: {what}"))
}

fn cut_off<E>(_: E) -> ValueError {
    broken("it ends early or has another type than the schema says")
}

struct Reader<'a, 'h> {
    rest: &'a [u8],
    hints: &'h mut Hints,
    depth: usize,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ValueError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| cut_off(()))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next value. Errors carry the path below this value; `path` is where it is, for the hints.
    fn value(&mut self, value_type: &Type, path: &Path) -> Result<Dynamic, ValueError> {
        if self.depth > MAX_DEPTH {
            return Err(broken("it is nested too deeply"));
        }
        self.depth += 1;
        let value = self.value_inside(value_type, path);
        self.depth -= 1;
        value
    }

    fn value_inside(&mut self, value_type: &Type, path: &Path) -> Result<Dynamic, ValueError> {
        let marker = Marker::from_u8(*self.rest.first().ok_or_else(|| cut_off(()))?);
        match marker {
            Marker::Null => {
                self.take(1)?;
                return Ok(Dynamic::Null);
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {
                // Type 0 is a plain unknown, 12 one with refinements, which are hints that a reader may ignore.
                let meta = decode::read_ext_meta(&mut self.rest).map_err(cut_off)?;
                self.take(usize::try_from(meta.size).map_err(cut_off)?)?;
                return Ok(Dynamic::Unknown);
            }
            _ => {}
        }
        match value_type {
            Type::Bool => decode::read_bool(&mut self.rest).map(Dynamic::Bool).map_err(cut_off),
            Type::Number => self.number(marker).map(Dynamic::Number),
            Type::String => self.text().map(Dynamic::String),
            Type::List(element) => self.list(path, |_| Some(element)).map(Dynamic::List),
            Type::Set(element) => {
                self.list(path, |_| Some(element)).map(|items| Dynamic::List(as_set(items)))
            }
            Type::Tuple(elements) => self.list(path, |index| elements.get(index)).map(Dynamic::List),
            Type::Map(element) => {
                let mut members = BTreeMap::new();
                for _ in 0..decode::read_map_len(&mut self.rest).map_err(cut_off)? {
                    let key = self.text()?;
                    let member = self.value(element, &path.key(&key));
                    let member = member.map_err(|error| error.below(Step::Key(key.clone())))?;
                    members.insert(key, member);
                }
                Ok(Dynamic::Map(members))
            }
            Type::Object(types) => {
                let mut members: BTreeMap<_, _> =
                    types.keys().map(|name| (name.clone(), Dynamic::Null)).collect();
                for _ in 0..decode::read_map_len(&mut self.rest).map_err(cut_off)? {
                    let name = self.text()?;
                    let member_type = types.get(&name).ok_or_else(|| {
                        ValueError::new(Path::root(&name), "the schema has no attribute of this name")
                    })?;
                    let member = self.value(member_type, &path.attr(&name));
                    let member = member.map_err(|error| error.below(Step::Attribute(name.clone())))?;
                    members.insert(name, member);
                }
                Ok(Dynamic::Map(members))
            }
            Type::Dynamic => {
                if decode::read_array_len(&mut self.rest).map_err(cut_off)? != 2 {
                    return Err(broken("a dynamic value has two parts"));
                }
                let length = match Marker::from_u8(*self.rest.first().ok_or_else(|| cut_off(()))?) {
                    Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                        decode::read_bin_len(&mut self.rest).map_err(cut_off)?
                    }
                    _ => decode::read_str_len(&mut self.rest).map_err(cut_off)?,
                };
                let json = self.take(usize::try_from(length).map_err(cut_off)?)?;
                let real = serde_json::from_slice(json).ok().as_ref().and_then(Type::from_json);
                let real = real.ok_or_else(|| broken("a dynamic value has no readable type"))?;
                let value = self.value(&real, path)?;
                self.hints.insert(path.clone(), real);
                Ok(value)
            }
        }
    }

    fn list<'t, T: AsRef<Type> + 't + ?Sized>(
        &mut self,
        path: &Path,
        type_of: impl Fn(usize) -> Option<&'t T>,
    ) -> Result<Vec<Dynamic>, ValueError> {
        let length =
            usize::try_from(decode::read_array_len(&mut self.rest).map_err(cut_off)?).map_err(cut_off)?;
        // No more elements than bytes: a false length must not reserve memory.
        let mut items = Vec::with_capacity(length.min(self.rest.len()));
        for index in 0..length {
            let item_type = type_of(index).ok_or_else(|| broken("a tuple has too many elements"))?;
            let item = self.value(item_type.as_ref(), &path.index(index));
            items.push(
                item.map_err(|error| error.below(Step::Index(i64::try_from(index).unwrap_or(i64::MAX))))?,
            );
        }
        Ok(items)
    }

    fn text(&mut self) -> Result<String, ValueError> {
        let length = decode::read_str_len(&mut self.rest).map_err(cut_off)?;
        let bytes = self.take(usize::try_from(length).map_err(cut_off)?)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| broken("a text is not UTF-8"))
    }

    fn number(&mut self, marker: Marker) -> Result<Number, ValueError> {
        match marker {
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let text = self.text()?;
                text.parse().map_err(|error| ValueError::new(Path::empty(), format!("{error}")))
            }
            Marker::F32 => {
                let value = f64::from(decode::read_f32(&mut self.rest).map_err(cut_off)?);
                Number::from_exact_f64(value).ok_or_else(|| broken("a number is infinite"))
            }
            Marker::F64 => {
                let value = decode::read_f64(&mut self.rest).map_err(cut_off)?;
                Number::from_exact_f64(value).ok_or_else(|| broken("a number is infinite"))
            }
            Marker::U64 => {
                self.take(1)?;
                Ok(Number::from(self.rest.read_data_u64().map_err(cut_off)?))
            }
            _ => decode::read_int::<i64, _>(&mut self.rest).map(Number::from).map_err(cut_off),
        }
    }
}

/// Writes a value of a type. Fails, naming the attribute, where the value is not of it.
pub(crate) fn encode(value: &Dynamic, value_type: &Type, hints: &Hints) -> Result<Vec<u8>, ValueError> {
    let value = conform(value.clone(), value_type)?;
    let mut writer = Writer { out: Vec::new(), hints };
    writer.value(&value, value_type, &Path::empty())?;
    Ok(writer.out)
}

struct Writer<'h> {
    out: Vec<u8>,
    hints: &'h Hints,
}

fn too_long<E>(_: E) -> ValueError {
    ValueError::new(Path::empty(), "the value is too long for the wire")
}

impl Writer<'_> {
    fn value(&mut self, value: &Dynamic, value_type: &Type, path: &Path) -> Result<(), ValueError> {
        let out = &mut self.out;
        match (value_type, value) {
            (_, Dynamic::Unknown) => out.extend_from_slice(&[0xd4, 0, 0]),
            (_, Dynamic::Null) => out.push(0xc0),
            (Type::Dynamic, value) => {
                let hinted = self.hints.get(path).filter(|hint| conform(value.clone(), hint).is_ok());
                let real = hinted.cloned().unwrap_or_else(|| infer(value));
                let json = real.to_bytes();
                rmp::encode::write_array_len(out, 2).map_err(too_long)?;
                rmp::encode::write_bin_len(out, u32::try_from(json.len()).map_err(too_long)?)
                    .map_err(too_long)?;
                out.extend_from_slice(&json);
                let value = conform(value.clone(), &real)?;
                self.value(&value, &real, path)?;
            }
            (_, Dynamic::Bool(value)) => rmp::encode::write_bool(out, *value).map_err(too_long)?,
            (_, Dynamic::Number(number)) => match number.to_i64() {
                Some(value) => rmp::encode::write_sint(out, value).map(drop).map_err(too_long)?,
                None => rmp::encode::write_str(out, &number.to_string()).map_err(too_long)?,
            },
            (_, Dynamic::String(text)) => rmp::encode::write_str(out, text).map_err(too_long)?,
            (_, Dynamic::List(items)) => {
                rmp::encode::write_array_len(out, u32::try_from(items.len()).map_err(too_long)?)
                    .map_err(too_long)?;
                for (index, item) in items.iter().enumerate() {
                    let item_type = match value_type {
                        Type::List(element) | Type::Set(element) => element.as_ref(),
                        Type::Tuple(elements) => elements.get(index).unwrap_or(&Type::Dynamic),
                        _ => &Type::Dynamic,
                    };
                    self.value(item, item_type, &path.index(index))?;
                }
            }
            (_, Dynamic::Map(members)) => {
                rmp::encode::write_map_len(out, u32::try_from(members.len()).map_err(too_long)?)
                    .map_err(too_long)?;
                for (key, member) in members {
                    rmp::encode::write_str(&mut self.out, key).map_err(too_long)?;
                    match value_type {
                        Type::Map(element) => self.value(member, element, &path.key(key))?,
                        Type::Object(types) => {
                            let member_type = types.get(key).unwrap_or(&Type::Dynamic);
                            self.value(member, member_type, &path.attr(key))?;
                        }
                        _ => self.value(member, &Type::Dynamic, &path.attr(key))?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// The type of a value that has none from elsewhere: lists are tuples, maps are objects, as literals are in
/// Terraform's language.
fn infer(value: &Dynamic) -> Type {
    match value {
        Dynamic::Null | Dynamic::Unknown => Type::Dynamic,
        Dynamic::Bool(_) => Type::Bool,
        Dynamic::Number(_) => Type::Number,
        Dynamic::String(_) => Type::String,
        Dynamic::List(items) => Type::Tuple(items.iter().map(infer).collect()),
        Dynamic::Map(members) => {
            Type::Object(members.iter().map(|(name, member)| (name.clone(), infer(member))).collect())
        }
    }
}
