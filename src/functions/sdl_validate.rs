//! `sdl_validate(text)`: errors and warnings of an SDL as data.

use akash_sdl::Diagnostic;
use tfplugin::{Dynamic, Function, FunctionDefinition, FunctionError, Number, Parameter, Type};

use super::text;

/// The function.
pub(super) struct SdlValidate;

impl Function for SdlValidate {
    fn name(&self) -> &str {
        "sdl_validate"
    }

    fn definition(&self) -> FunctionDefinition {
        let diagnostics = Type::list(Type::object([
            ("message", Type::String),
            ("path", Type::String),
            ("line", Type::Number),
            ("column", Type::Number),
            ("kind", Type::String),
            ("hint", Type::String),
        ]));
        FunctionDefinition {
            summary: "Errors and warnings of an SDL as data".into(),
            description: "Gives `valid` (the network's own verdict), `errors` and `warnings`, each with `message`, SDL `path`, \
                          `line`, `column`, `kind` and `hint`. A denomination other than uact is a warning here, and an error in \
                          an `akash_deployment`, since the chain refuses it."
                .into(),
            parameters: vec![Parameter::new("text", Type::String, "SDL text.")],
            variadic: None,
            returns: Type::object([("valid", Type::Bool), ("errors", diagnostics.clone()), ("warnings", diagnostics)]),
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        let compilation = akash_sdl::compile(text(&arguments, 0)?);
        let list = |diagnostics: &mut dyn Iterator<Item = &Diagnostic>| {
            Dynamic::List(diagnostics.map(data).collect())
        };
        let members = [
            ("valid", Dynamic::Bool(compilation.sdl.is_some())),
            ("errors", list(&mut compilation.errors())),
            ("warnings", list(&mut compilation.warnings())),
        ];
        Ok(object(members))
    }
}

fn object<const N: usize>(members: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn data(diagnostic: &Diagnostic) -> Dynamic {
    let number = |number: u32| Dynamic::Number(Number::from(number));
    object([
        ("message", Dynamic::String(diagnostic.message.clone())),
        ("path", Dynamic::String(diagnostic.path.clone())),
        ("line", diagnostic.span.map_or(Dynamic::Null, |span| number(span.line))),
        ("column", diagnostic.span.map_or(Dynamic::Null, |span| number(span.column))),
        ("kind", Dynamic::String(diagnostic.kind.as_str().into())),
        ("hint", diagnostic.hint.clone().map_or(Dynamic::Null, Dynamic::String)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_positions() {
        let Ok(Dynamic::Map(answer)) =
            SdlValidate.call(vec![Dynamic::String("version: 2.0\nservices: 1\n".into())])
        else {
            panic!("no object")
        };
        assert_eq!(answer.get("valid"), Some(&Dynamic::Bool(false)));
        let Some(Dynamic::List(errors)) = answer.get("errors") else { panic!("no errors") };
        let second_line = Dynamic::Number(Number::from(2_u32));
        let at_services = |error: &Dynamic| match error {
            Dynamic::Map(error) => error.get("line") == Some(&second_line),
            _ => false,
        };
        assert!(errors.iter().any(at_services), "{errors:?}");
    }
}
