//! The generated messages, clients and servers of the plugin protocol.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    rust_2018_idioms,
    reason = "generated code"
)]

pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

pub mod plugin {
    tonic::include_proto!("plugin");
}

pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

/// Our .proto files against the protocol's own numbers, where the reference is at hand.
#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FileDescriptorSet};
    use serde_json::Value;

    fn fields(name: &str, message: &DescriptorProto, reference: &Value, compared: &mut usize) {
        let known = reference["messages"][name].as_array().unwrap_or_else(|| panic!("{name} is no message"));
        for field in &message.field {
            let wanted = known.iter().find(|known| known["name"] == field.name());
            let wanted = wanted.unwrap_or_else(|| panic!("{name} has no field {}", field.name()));
            assert_eq!(wanted["number"], field.number(), "{name}.{}", field.name());
            let is_repeated = wanted["repeated"].as_bool().unwrap_or_default();
            assert_eq!(field.label() == Label::Repeated, is_repeated, "{name}.{}", field.name());
            let kind = match field.r#type() {
                Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
                plain => format!("{plain:?}").to_lowercase(),
            };
            assert_eq!(wanted["type"], kind.as_str(), "{name}.{}", field.name());
            *compared += 1;
        }
        for nested in &message.nested_type {
            fields(&format!("{name}.{}", nested.name()), nested, reference, compared);
        }
        for kind in &message.enum_type {
            for value in &kind.value {
                let known = &reference["enums"][format!("{name}.{}", kind.name())];
                assert_eq!(known[value.name()], value.number(), "{name}.{}.{}", kind.name(), value.name());
            }
        }
    }

    #[test]
    fn names_numbers_and_types_are_the_protocols() {
        let reference: Value =
            serde_json::from_str(include_str!("../../../testdata/wire-tfplugin6.json")).unwrap();
        let ours = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
        let ours = FileDescriptorSet::decode(ours.as_slice()).unwrap();
        let (mut compared, mut calls) = (0, 0);
        for file in ours.file.iter().filter(|file| file.package() != "google.protobuf") {
            for message in &file.message_type {
                let name = format!("{}.{}", file.package(), message.name());
                fields(&name, message, &reference, &mut compared);
            }
            for service in &file.service {
                let known = &reference["services"][format!("{}.{}", file.package(), service.name())];
                for method in &service.method {
                    let known = &known[method.name()];
                    let name = method.name();
                    assert_eq!(known["request"], method.input_type().trim_start_matches('.'), "{name}");
                    assert_eq!(known["response"], method.output_type().trim_start_matches('.'), "{name}");
                    assert_eq!(
                        known["client_streaming"].as_bool().unwrap_or_default(),
                        method.client_streaming()
                    );
                    assert_eq!(
                        known["server_streaming"].as_bool().unwrap_or_default(),
                        method.server_streaming()
                    );
                    calls += 1;
                }
            }
        }
        assert!(compared > 150 && calls > 20, "{compared} fields and {calls} calls compared");
    }
}
