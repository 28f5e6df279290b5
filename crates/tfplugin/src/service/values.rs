//! Values as they are in requests and answers.

use crate::codec::{Hints, decode, encode, from_state_json};
use crate::diagnostics::Diagnostics;
use crate::proto::tfplugin6 as proto;
use crate::schema::Type;
use crate::values::{Dynamic, Path, ValueError};

pub(super) fn read_value(
    value: Option<&proto::DynamicValue>,
    value_type: &Type,
    hints: &mut Hints,
) -> Result<Dynamic, ValueError> {
    match value {
        None => Ok(Dynamic::Null),
        Some(value) if !value.msgpack.is_empty() => decode(&value.msgpack, value_type, hints),
        Some(value) if !value.json.is_empty() => {
            let json = parse_json(&value.json)?;
            from_state_json(&json, value_type, hints)
        }
        Some(_) => Ok(Dynamic::Null),
    }
}

pub(super) fn write_value(
    value: &Dynamic,
    value_type: &Type,
    hints: &Hints,
    diagnostics: &mut Diagnostics,
) -> Option<proto::DynamicValue> {
    match encode(value, value_type, hints) {
        Ok(msgpack) => Some(proto::DynamicValue { msgpack: msgpack.into(), json: bytes::Bytes::new() }),
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    }
}

pub(super) fn parse_json(bytes: &[u8]) -> Result<serde_json::Value, ValueError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ValueError::new(Path::empty(), format!("the saved state is no JSON: {error}")))
}

/// The null of any type on the wire.
pub(super) fn null_value() -> proto::DynamicValue {
    proto::DynamicValue { msgpack: bytes::Bytes::from_static(&[0xc0]), json: bytes::Bytes::new() }
}

pub(super) fn bug(path: &Path, what: &str, diagnostics: &mut Diagnostics) {
    let detail =
        format!("{path}: {what}. This is a bug in the provider, which should be reported to its developers.");
    diagnostics.error_at(path, "The provider returned an invalid state", detail);
}
