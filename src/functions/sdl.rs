//! `sdl(object)`: SDL text from an HCL object with the SDL's own key names.

use serde_json::{Map, Value};
use tfplugin::{Dynamic, Function, FunctionDefinition, FunctionError, Parameter, Type};

/// The function.
pub(super) struct Sdl;

impl Function for Sdl {
    fn name(&self) -> &str {
        "sdl"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "SDL text from an object".into(),
            description: "Writes an object with the SDL's own key names as SDL text. Nulls are dropped, keys are sorted, lists \
                          keep their order, so equal objects give equal texts. The text is not validated here: \
                          `akash_deployment` and `sdl_validate` do that."
                .into(),
            parameters: vec![Parameter::new("object", Type::Dynamic, "`version`, `services`, `profiles`, `deployment` and so on.")],
            variadic: None,
            returns: Type::String,
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        match arguments.into_iter().next() {
            Some(object @ Dynamic::Map(_)) => Ok(Dynamic::String(akash_sdl::to_yaml(&json(object)?))),
            _ => Err(FunctionError::at(
                0,
                "an object is expected: `{ version = \"2.0\", services = { … }, … }`",
            )),
        }
    }
}

fn json(value: Dynamic) -> Result<Value, FunctionError> {
    Ok(match value {
        Dynamic::Null => Value::Null,
        Dynamic::Unknown => return Err(FunctionError::at(0, "a part of the object is not known yet")),
        Dynamic::Bool(value) => Value::Bool(value),
        // Exact: the number's digits, never a binary fraction.
        Dynamic::Number(number) => number
            .to_string()
            .parse()
            .map(Value::Number)
            .map_err(|_| FunctionError::at(0, format!("{number} can't be written as a number")))?,
        Dynamic::String(text) => Value::String(text),
        Dynamic::List(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Dynamic::Map(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| Ok((key, json(value)?)))
                .collect::<Result<Map<_, _>, FunctionError>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_and_without_nulls() {
        let object = Dynamic::Map(
            [
                ("version".to_owned(), Dynamic::String("2.0".into())),
                ("amount".to_owned(), Dynamic::Number("0.1".parse().unwrap())),
                ("gone".to_owned(), Dynamic::Null),
                (
                    "list".to_owned(),
                    Dynamic::List(vec![Dynamic::String("b".into()), Dynamic::String("a".into())]),
                ),
            ]
            .into(),
        );
        let Ok(Dynamic::String(text)) = Sdl.call(vec![object]) else { panic!("no text") };
        assert_eq!(text, "amount: 0.1\nlist:\n  - b\n  - a\nversion: \"2.0\"\n");
        assert!(Sdl.call(vec![Dynamic::String("x".into())]).is_err());
    }
}
