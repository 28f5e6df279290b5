//! The RPCs of functions.

use super::values::read_value;
use crate::codec::{Hints, encode};
use crate::framework::{Function, FunctionDefinition, FunctionError};
use crate::proto::tfplugin6 as proto;

pub(super) struct Callable {
    pub(super) function: Box<dyn Function>,
    pub(super) definition: FunctionDefinition,
}

impl Callable {
    pub(super) fn new(function: Box<dyn Function>) -> Self {
        Self { definition: function.definition(), function }
    }
}

pub(super) fn call(
    callable: &Callable,
    arguments: &[proto::DynamicValue],
) -> Result<proto::DynamicValue, proto::FunctionError> {
    let definition = &callable.definition;
    let at = |index: usize, text: String| proto::FunctionError {
        text,
        function_argument: i64::try_from(index).ok(),
    };
    let values = arguments.iter().enumerate().map(|(index, argument)| {
        let parameter = definition.parameters.get(index).or(definition.variadic.as_ref());
        let parameter = parameter.ok_or_else(|| at(index, "one argument too many".to_owned()))?;
        read_value(Some(argument), &parameter.value_type, &mut Hints::new())
            .map_err(|error| at(index, error.to_string()))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    if values.len() < definition.parameters.len() {
        return Err(at(values.len(), "an argument is missing".to_owned()));
    }
    let failed = |error: FunctionError| proto::FunctionError {
        text: plain_text::shown(&error.text).into_owned(),
        function_argument: error.argument,
    };
    let result = callable.function.call(values).map_err(failed)?;
    encode(&result, &definition.returns, &Hints::new())
        .map(|msgpack| proto::DynamicValue { msgpack: msgpack.into(), json: bytes::Bytes::new() })
        .map_err(|error| proto::FunctionError {
            text: format!("the provider returned a result of another type, which is a bug in it: {error}"),
            function_argument: None,
        })
}
