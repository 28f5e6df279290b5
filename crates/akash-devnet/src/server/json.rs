//! Protobuf messages as the JSON of a node's REST answers, and query arguments as protobuf messages.
//!
//! Field names are those of the .proto files, 64-bit numbers are text, enums are names, empty bytes and absent
//! messages are `null`. Two kinds of value differ from their wire form: decimals (scaled integers there, 18 digits
//! after the point here) and resource values (ASCII digits there, text here). This file must not know any path.

use akash_proto::Dec;
use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    Value as Field,
};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// Every message the devnet speaks.
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(akash_proto::DESCRIPTORS).unwrap_or_default());

/// Fields that are decimals, by full name.
const DECIMALS: &[&str] = &[
    "cosmos.base.v1beta1.DecCoin.amount",
    "akash.escrow.types.v1.Balance.amount",
    "akash.bme.v1.QueryStatusResponse.collateral_ratio",
    "akash.bme.v1.QueryStatusResponse.warn_threshold",
    "akash.bme.v1.QueryStatusResponse.halt_threshold",
    "akash.bme.v1.CoinPrice.price",
    "akash.oracle.v2.AggregatedPrice.twap",
    "akash.oracle.v2.AggregatedPrice.median_price",
    "akash.oracle.v2.AggregatedPrice.min_price",
    "akash.oracle.v2.AggregatedPrice.max_price",
    "akash.oracle.v2.PriceDataState.price",
];

/// The field that is bytes of ASCII digits.
const DIGITS: &str = "akash.base.resources.v1beta4.ResourceValue.val";

/// The request and response types of a method, by gRPC path (`PACKAGE.SERVICE/METHOD`).
pub(crate) fn method(path: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
    let (service, method) = path.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    let method = service.methods().find(|found| found.name() == method)?;
    Some((method.input(), method.output()))
}

/// Encoded `bytes` of a type as JSON. `None` when they are not of it.
pub(crate) fn to_json(descriptor: MessageDescriptor, bytes: &[u8]) -> Option<Value> {
    DynamicMessage::decode(descriptor, bytes).ok().map(|message| object(&message))
}

fn object(message: &DynamicMessage) -> Value {
    match message.descriptor().full_name() {
        "google.protobuf.Any" => return any(message),
        "google.protobuf.Timestamp" => return Value::String(timestamp(message)),
        "google.protobuf.Duration" => return Value::String(duration(message)),
        _ => {}
    }
    let mut map = Map::new();
    for field in message.descriptor().fields() {
        let set = message.has_field(&field);
        if field.containing_oneof().is_some() && !set {
            continue;
        }
        let value = if !set && matches!(field.kind(), Kind::Message(_)) && !field.is_list() {
            Value::Null
        } else {
            value(&field, &message.get_field(&field))
        };
        map.insert(field.name().to_owned(), value);
    }
    Value::Object(map)
}

fn value(field: &FieldDescriptor, content: &Field) -> Value {
    match content {
        Field::Bool(value) => (*value).into(),
        Field::I32(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::I64(value) => value.to_string().into(),
        Field::U64(value) => value.to_string().into(),
        Field::String(text) if DECIMALS.contains(&field.full_name()) => {
            Dec::from_wire(text).unwrap_or_default().to_json().into()
        }
        Field::String(text) => text.clone().into(),
        Field::Bytes(bytes) if field.full_name() == DIGITS => String::from_utf8_lossy(bytes).into(),
        Field::Bytes(bytes) if bytes.is_empty() => Value::Null,
        Field::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Field::EnumNumber(number) => match field.kind() {
            Kind::Enum(names) => {
                names.get_value(*number).map_or_else(|| (*number).into(), |value| value.name().into())
            }
            _ => (*number).into(),
        },
        Field::Message(message) => object(message),
        Field::List(list) => list.iter().map(|item| value(field, item)).collect(),
        // No message here has floats or maps.
        Field::F32(_) | Field::F64(_) | Field::Map(_) => Value::Null,
    }
}

fn text_of(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A packed message: its type under `@type`, its fields beside it.
fn any(message: &DynamicMessage) -> Value {
    let url = text_of(message, "type_url");
    let bytes =
        message.get_field_by_name("value").and_then(|value| value.as_bytes().cloned()).unwrap_or_default();
    let name = url.rsplit('/').next().unwrap_or_default();
    let mut map = Map::from_iter([("@type".to_owned(), Value::String(url.clone()))]);
    if let Some(Value::Object(fields)) =
        POOL.get_message_by_name(name).and_then(|descriptor| to_json(descriptor, &bytes))
    {
        map.extend(fields);
    }
    Value::Object(map)
}

fn seconds_nanos(message: &DynamicMessage) -> (i64, i32) {
    let seconds = message.get_field_by_name("seconds").and_then(|value| value.as_i64()).unwrap_or(0);
    let nanos = message.get_field_by_name("nanos").and_then(|value| value.as_i32()).unwrap_or(0);
    (seconds, nanos)
}

fn timestamp(message: &DynamicMessage) -> String {
    let (seconds, nanos) = seconds_nanos(message);
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
}

fn duration(message: &DynamicMessage) -> String {
    let (seconds, nanos) = seconds_nanos(message);
    if nanos == 0 {
        return format!("{seconds}s");
    }
    let digits = format!("{:09}", nanos.unsigned_abs());
    format!("{seconds}.{}s", digits.trim_end_matches('0'))
}

/// A request built from query arguments (`filters.owner=...`) and path parts. Names the argument that is not one of
/// the request's, or not of its type.
pub(crate) fn from_arguments(
    descriptor: MessageDescriptor,
    arguments: &[(String, String)],
) -> Result<Vec<u8>, String> {
    use prost_reflect::prost::Message as _;
    let mut message = DynamicMessage::new(descriptor);
    for (path, text) in arguments {
        set(&mut message, path, text)
            .ok_or_else(|| format!("parsing field {path:?}: {text:?} does not fit"))?;
    }
    Ok(message.encode_to_vec())
}

fn set(message: &mut DynamicMessage, path: &str, text: &str) -> Option<()> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = message.descriptor().get_field_by_name(name)?;
    if let Some(rest) = rest {
        return set(message.get_field_mut(&field).as_message_mut()?, rest, text);
    }
    let content = match field.kind() {
        Kind::Bool => Field::Bool(text.parse().ok()?),
        Kind::String => Field::String(text.to_owned()),
        Kind::Bytes => Field::Bytes(STANDARD.decode(text.replace(' ', "+")).ok()?.into()),
        Kind::Uint64 => Field::U64(text.parse().ok()?),
        Kind::Uint32 => Field::U32(text.parse().ok()?),
        Kind::Int64 => Field::I64(text.parse().ok()?),
        Kind::Int32 => Field::I32(text.parse().ok()?),
        Kind::Enum(names) => Field::EnumNumber(match names.get_value_by_name(text) {
            Some(value) => value.number(),
            None => text.parse().ok()?,
        }),
        _ => return None,
    };
    if field.is_list() {
        message.get_field_mut(&field).as_list_mut()?.push(content);
    } else {
        message.set_field(&field, content);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every recorded answer, transcoded, is the recorded JSON; its request is the recorded request.
    #[test]
    fn recorded_queries() {
        let recordings: Value =
            serde_json::from_str(include_str!("../../../../testdata/recordings.json")).unwrap();
        let mut compared = 0;
        for query in recordings["queries"].as_array().unwrap() {
            let (Some(json), Some(bytes)) = (query.get("rest_json"), query["response_b64"].as_str()) else {
                continue;
            };
            let (_, output) = method(query["path"].as_str().unwrap().trim_start_matches('/')).unwrap();
            assert_eq!(
                &to_json(output, &STANDARD.decode(bytes).unwrap()).unwrap(),
                json,
                "{}",
                query["name"]
            );
            compared += 1;
        }
        assert!(compared > 10);
    }

    #[test]
    fn arguments() {
        let (input, _) = method("akash.deployment.v1beta4.Query/Deployments").unwrap();
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let bytes = from_arguments(
            input.clone(),
            &pairs(&[("filters.owner", "akash1x"), ("filters.dseq", "7"), ("pagination.limit", "2")]),
        );
        let expected = akash_proto::akash::deployment::v1beta4::QueryDeploymentsRequest {
            filters: Some(akash_proto::akash::deployment::v1beta4::DeploymentFilters {
                owner: "akash1x".to_owned(),
                dseq: 7,
                state: String::new(),
            }),
            pagination: Some(akash_proto::cosmos::base::query::v1beta1::PageRequest {
                limit: 2,
                ..Default::default()
            }),
        };
        assert_eq!(bytes, Ok(akash_proto::Message::encode_to_vec(&expected)));
        assert!(from_arguments(input.clone(), &pairs(&[("filters.dseq", "x")])).is_err());
        assert!(from_arguments(input, &pairs(&[("filter.dseq", "1")])).is_err());
    }
}
