//! Between protobuf messages and the JSON of a node's REST address, by descriptors.
//!
//! The JSON is proto3's with the proto's field names and two forms of its own (reference: akash 1.2): decimals have 18
//! digits after the point instead of being scaled by 10^18, and `ResourceValue.val` is digits instead of base64. This
//! file must not know paths or HTTP.

use std::sync::LazyLock;

use akash_proto::Dec;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor,
    SerializeOptions, Value as Reflected,
};
use serde_json::Value;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(akash_proto::DESCRIPTORS).ok());

/// The string fields that hold decimals.
const DECIMALS: [(&str, &str); 10] = [
    ("akash.bme.v1.CoinPrice", "price"),
    ("akash.escrow.types.v1.Balance", "amount"),
    ("akash.bme.v1.QueryStatusResponse", "collateral_ratio"),
    ("akash.bme.v1.QueryStatusResponse", "halt_threshold"),
    ("akash.bme.v1.QueryStatusResponse", "warn_threshold"),
    ("akash.oracle.v2.AggregatedPrice", "max_price"),
    ("akash.oracle.v2.AggregatedPrice", "median_price"),
    ("akash.oracle.v2.AggregatedPrice", "min_price"),
    ("akash.oracle.v2.AggregatedPrice", "twap"),
    ("cosmos.base.v1beta1.DecCoin", "amount"),
];

/// Fields that are left out: they hold messages of any type, and nobody reads them.
const IGNORED: [(&str, &str); 3] = [
    ("cosmos.base.abci.v1beta1.TxResponse", "tx"),
    ("cosmos.tx.v1beta1.GetTxResponse", "tx"),
    ("cosmos.tx.v1beta1.SimulateResponse", "result"),
];

/// The method of a path `/PACKAGE.SERVICE/METHOD`.
fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    POOL.as_ref()?.get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

/// Names and values of a query.
pub(crate) type Query = Vec<(String, String)>;

/// A request as query parameters: `filters.owner=akash1...`. Fields with default values are left out. `None` when the
/// path is not known or the message is not of its type.
pub(crate) fn query(path: &str, message: &[u8]) -> Option<Query> {
    let message = DynamicMessage::decode(method(path)?.input(), message).ok()?;
    let mut pairs = Vec::new();
    flatten("", &message, &mut pairs)?;
    Some(pairs)
}

fn flatten(prefix: &str, message: &DynamicMessage, pairs: &mut Query) -> Option<()> {
    for (field, value) in message.fields() {
        let name = format!("{prefix}{}", field.name());
        let values = match value {
            Reflected::List(values) => values.clone(),
            value => vec![value.clone()],
        };
        for value in values {
            let text = match value {
                Reflected::Message(message) => {
                    flatten(&format!("{name}."), &message, pairs)?;
                    continue;
                }
                Reflected::String(text) => text,
                Reflected::Bool(value) => value.to_string(),
                Reflected::I32(value) | Reflected::EnumNumber(value) => value.to_string(),
                Reflected::I64(value) => value.to_string(),
                Reflected::U32(value) => value.to_string(),
                Reflected::U64(value) => value.to_string(),
                Reflected::Bytes(bytes) => STANDARD.encode(bytes),
                _ => return None,
            };
            pairs.push((name.clone(), text));
        }
    }
    Some(())
}

/// A request as JSON body.
pub(crate) fn body(path: &str, message: &[u8]) -> Option<Value> {
    let message = DynamicMessage::decode(method(path)?.input(), message).ok()?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).ok()
}

/// The message that an answer's JSON stands for. The error says what does not fit.
pub(crate) fn answer(path: &str, mut json: Value) -> Result<Vec<u8>, String> {
    let descriptor = method(path).ok_or("an unknown method")?.output();
    mend(&descriptor, &mut json)?;
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(descriptor, json, &options);
    message.map(|message| message.encode_to_vec()).map_err(|error| error.to_string())
}

/// Brings the chain's own forms into proto3's.
fn mend(descriptor: &MessageDescriptor, json: &mut Value) -> Result<(), String> {
    let Value::Object(object) = json else { return Ok(()) };
    let owner = descriptor.full_name();
    object.retain(|name, _| !IGNORED.contains(&(owner, name.as_str())));
    for (name, value) in object.iter_mut() {
        let Some(field) = descriptor.get_field_by_name(name) else { continue };
        if let Value::String(text) = value {
            if owner == "akash.base.resources.v1beta4.ResourceValue" {
                *value = STANDARD.encode(text.as_bytes()).into();
            } else if DECIMALS.contains(&(owner, name.as_str())) {
                let decimal: Dec = text.parse().map_err(|error| format!("{name}: {error}"))?;
                *value = decimal.to_wire().into();
            }
            continue;
        }
        let Kind::Message(inner) = field.kind() else { continue };
        // Of any type: its JSON has the type's name in it.
        if inner.full_name() == "google.protobuf.Any" {
            continue;
        }
        match value {
            Value::Array(values) => values.iter_mut().try_for_each(|value| mend(&inner, value))?,
            value => mend(&inner, value)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_and_ignored_field_exists() {
        let pool = POOL.as_ref().unwrap();
        for (message, field) in DECIMALS.iter().chain(&IGNORED) {
            let message = pool.get_message_by_name(message).unwrap_or_else(|| panic!("{message}"));
            assert!(message.get_field_by_name(field).is_some(), "{} {field}", message.full_name());
        }
    }
}
