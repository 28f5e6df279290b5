//! Every message, enum and method that `proto/` declares is compared with the network's own list, `testdata/wire.json`:
//! names, numbers, types. Fields that are not read may be left out; none may differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use serde_json::Value;

struct Declared {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    methods: BTreeMap<String, (String, String)>,
}

fn declared() -> Declared {
    let set: FileDescriptorSet = akash_proto::Message::decode(akash_proto::DESCRIPTORS).unwrap();
    let mut found = Declared { messages: BTreeMap::new(), enums: BTreeMap::new(), methods: BTreeMap::new() };
    for file in set.file.into_iter().filter(|file| !file.package().starts_with("google.")) {
        for message in &file.message_type {
            add_message(&mut found, file.package(), message);
        }
        for one in &file.enum_type {
            found.enums.insert(format!("{}.{}", file.package(), one.name()), one.clone());
        }
        for service in &file.service {
            for method in &service.method {
                let types = (method.input_type()[1..].to_owned(), method.output_type()[1..].to_owned());
                found
                    .methods
                    .insert(format!("{}.{}/{}", file.package(), service.name(), method.name()), types);
            }
        }
    }
    found
}

fn add_message(found: &mut Declared, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        add_message(found, &name, nested);
    }
    for one in &message.enum_type {
        found.enums.insert(format!("{name}.{}", one.name()), one.clone());
    }
    found.messages.insert(name, message.clone());
}

fn scalar(kind: Type) -> &'static str {
    match kind {
        Type::Int32 => "int32",
        Type::Int64 => "int64",
        Type::Uint32 => "uint32",
        Type::Uint64 => "uint64",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        other => panic!("{other:?} is not used on the chain"),
    }
}

#[test]
fn all_that_is_declared_is_on_the_network() {
    let wire: Value = serde_json::from_str(include_str!("../../../testdata/wire.json")).unwrap();
    let declared = declared();
    assert!(declared.messages.len() > 200 && declared.enums.len() > 10 && declared.methods.len() > 30);

    for (name, message) in &declared.messages {
        let known =
            wire["messages"][name].as_array().unwrap_or_else(|| panic!("{name} is not on the network"));
        for field in &message.field {
            let what = format!("{name}.{}", field.name());
            let real = known
                .iter()
                .find(|real| real["number"] == field.number())
                .unwrap_or_else(|| panic!("{what}: no such number"));
            let kind = match field.type_name() {
                "" => scalar(field.r#type()),
                named => &named[1..],
            };
            let oneof =
                field.oneof_index.map(|index| message.oneof_decl[usize::try_from(index).unwrap()].name());
            assert_eq!(real["name"], field.name(), "{what}");
            assert_eq!(real["type"], kind, "{what}");
            assert_eq!(real["repeated"] == true, field.label() == Label::Repeated, "{what}");
            assert_eq!(real["oneof"].as_str(), oneof, "{what}");
        }
    }
    for (name, one) in &declared.enums {
        let values: BTreeMap<&str, i32> =
            one.value.iter().map(|value| (value.name(), value.number())).collect();
        assert_eq!(wire["enums"][name], serde_json::to_value(values).unwrap(), "{name}");
    }
    for (name, (input, output)) in &declared.methods {
        let (service, method) = name.split_once('/').unwrap();
        let real = &wire["services"][service][method];
        assert_eq!(
            (real["request"].as_str(), real["response"].as_str()),
            (Some(&**input), Some(&**output)),
            "{name}"
        );
    }
}
