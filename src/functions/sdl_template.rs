//! `sdl_template(name, vars)`: ready SDLs.

use std::collections::BTreeMap;

use tfplugin::{Dynamic, Function, FunctionDefinition, FunctionError, Parameter, Type};

use super::text;

/// The function.
pub(super) struct SdlTemplate;

impl Function for SdlTemplate {
    fn name(&self) -> &str {
        "sdl_template"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "A ready SDL".into(),
            description: format!("Gives one of these SDLs, with variables filled in.\n\n{}", templates()),
            parameters: vec![
                Parameter::new("name", Type::String, "The template's name."),
                Parameter::new(
                    "vars",
                    Type::map(Type::String),
                    "Variables; `{}` takes the defaults. Nulls count as not set.",
                ),
            ],
            variadic: None,
            returns: Type::String,
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        let name = text(&arguments, 0)?;
        let Some(Dynamic::Map(members)) = arguments.get(1) else {
            return Err(FunctionError::at(1, "an object of variables is expected; `{}` takes the defaults"));
        };
        let vars: BTreeMap<String, String> = members
            .iter()
            .filter_map(|(key, value)| match value {
                Dynamic::String(text) => Some((key.clone(), text.clone())),
                _ => None,
            })
            .collect();
        akash_sdl::template(name, &vars).map(Dynamic::String).map_err(|error| {
            let at = i64::from(!matches!(error, akash_sdl::TemplateError::Unknown { .. }));
            FunctionError::at(at, error.to_string())
        })
    }
}

/// Every template with its variables, as Markdown.
fn templates() -> String {
    let one = |template: &akash_sdl::Template| {
        let variables = template.variables.iter().map(|variable| {
            let default = if variable.default.is_empty() {
                "empty".to_owned()
            } else {
                format!("`{}`", variable.default.replace('\n', " "))
            };
            format!("  - `{}`: {} Default: {default}.", variable.name, variable.description)
        });
        format!(
            "- `{}`: {}\n{}",
            template.name,
            template.description,
            variables.collect::<Vec<_>>().join("\n")
        )
    };
    akash_sdl::TEMPLATES.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles_without_a_word() {
        for template in akash_sdl::TEMPLATES {
            let arguments = vec![Dynamic::String(template.name.into()), Dynamic::Map(BTreeMap::new())];
            let Ok(Dynamic::String(text)) = SdlTemplate.call(arguments) else { panic!("{}", template.name) };
            let compilation = akash_sdl::compile(&text);
            assert!(
                compilation.sdl.is_some() && compilation.diagnostics.is_empty(),
                "{}: {compilation:?}",
                template.name
            );
        }
    }

    #[test]
    fn errors_name_the_argument() {
        let call = |name: &str, key: &str| {
            let vars = Dynamic::Map([(key.to_owned(), Dynamic::String("x".into()))].into());
            SdlTemplate.call(vec![Dynamic::String(name.into()), vars]).unwrap_err().argument
        };
        assert_eq!(call("nope", "image"), Some(0));
        assert_eq!(call("web", "nope"), Some(1));
    }
}
