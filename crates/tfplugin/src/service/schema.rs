//! Schemas, functions and paths as messages of the protocol.

use crate::framework::{FunctionDefinition, Parameter};
use crate::proto::tfplugin6::{self as proto, attribute_path::step::Selector};
use crate::schema::{Attribute, IdentitySchema, Nesting, Schema, Shape};
use crate::values::{Path, Step};
use std::collections::BTreeMap;

const MARKDOWN: i32 = proto::StringKind::Markdown as i32;

pub(crate) fn schema(schema: &Schema) -> proto::Schema {
    let version = i64::try_from(schema.version).unwrap_or(i64::MAX);
    proto::Schema {
        version,
        block: Some(proto::schema::Block {
            version,
            attributes: attributes(&schema.attributes),
            description: schema.description.clone(),
            description_kind: MARKDOWN,
            deprecated: schema.deprecated.is_some(),
            deprecation_message: schema.deprecated.clone().unwrap_or_default(),
        }),
    }
}

fn attributes(attributes: &BTreeMap<String, Attribute>) -> Vec<proto::schema::Attribute> {
    attributes.iter().map(|(name, attribute)| message(name, attribute)).collect()
}

fn message(name: &str, attribute: &Attribute) -> proto::schema::Attribute {
    let (value_type, nested_type) = match &attribute.shape {
        Shape::Plain(value_type) => (value_type.to_bytes().into(), None),
        Shape::Nested(nesting, members) => {
            let nesting = match nesting {
                Nesting::Single => proto::schema::object::NestingMode::Single,
                Nesting::List => proto::schema::object::NestingMode::List,
                Nesting::Set => proto::schema::object::NestingMode::Set,
                Nesting::Map => proto::schema::object::NestingMode::Map,
            };
            let object = proto::schema::Object { attributes: attributes(members), nesting: nesting.into() };
            (bytes::Bytes::new(), Some(object))
        }
    };
    proto::schema::Attribute {
        name: name.to_owned(),
        r#type: value_type,
        nested_type,
        description: attribute.description.clone(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        description_kind: MARKDOWN,
        deprecated: attribute.deprecated.is_some(),
        write_only: attribute.write_only,
        deprecation_message: attribute.deprecated.clone().unwrap_or_default(),
    }
}

pub(super) fn identity_schema(schema: &IdentitySchema) -> proto::ResourceIdentitySchema {
    let parts =
        schema.attributes.iter().map(|(name, part)| proto::resource_identity_schema::IdentityAttribute {
            name: name.clone(),
            r#type: part.value_type.to_bytes().into(),
            required_for_import: part.required,
            optional_for_import: !part.required,
            description: part.description.clone(),
        });
    proto::ResourceIdentitySchema {
        version: i64::try_from(schema.version).unwrap_or(i64::MAX),
        identity_attributes: parts.collect(),
    }
}

pub(super) fn function(definition: &FunctionDefinition) -> proto::Function {
    proto::Function {
        parameters: definition.parameters.iter().map(parameter).collect(),
        variadic_parameter: definition.variadic.as_ref().map(parameter),
        r#return: Some(proto::function::Return { r#type: definition.returns.to_bytes().into() }),
        summary: definition.summary.clone(),
        description: definition.description.clone(),
        description_kind: MARKDOWN,
        deprecation_message: String::new(),
    }
}

fn parameter(parameter: &Parameter) -> proto::function::Parameter {
    proto::function::Parameter {
        name: parameter.name.clone(),
        r#type: parameter.value_type.to_bytes().into(),
        allow_null_value: parameter.allow_null,
        allow_unknown_values: parameter.allow_unknown,
        description: parameter.description.clone(),
        description_kind: MARKDOWN,
    }
}

pub(super) fn path(path: &Path) -> proto::AttributePath {
    let steps = path.steps().iter().map(|step| proto::attribute_path::Step {
        selector: Some(match step {
            Step::Attribute(name) => Selector::AttributeName(name.clone()),
            Step::Index(index) => Selector::ElementKeyInt(*index),
            Step::Key(key) => Selector::ElementKeyString(key.clone()),
        }),
    });
    proto::AttributePath { steps: steps.collect() }
}
