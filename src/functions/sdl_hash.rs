//! `sdl_hash(text)`: the hash that a deployment of this SDL has on chain.

use tfplugin::{Dynamic, Function, FunctionDefinition, FunctionError, Parameter, Type};

use super::text;

/// The function.
pub(super) struct SdlHash;

impl Function for SdlHash {
    fn name(&self) -> &str {
        "sdl_hash"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "The hash of an SDL on chain".into(),
            description: "SHA-256 of the manifest's canonical JSON in lower-case hex: what the chain keeps for a deployment of this \
                          SDL. An SDL that is not valid is an error with its positions."
                .into(),
            parameters: vec![Parameter::new("text", Type::String, "SDL text.")],
            variadic: None,
            returns: Type::String,
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        let text = text(&arguments, 0)?;
        let compilation = akash_sdl::compile(text);
        match &compilation.sdl {
            Some(sdl) => Ok(Dynamic::String(sdl.hash_hex())),
            None => {
                let errors = compilation.errors().map(|error| akash_sdl::render(error, text, "sdl"));
                Err(FunctionError::at(
                    0,
                    format!("The SDL is not valid:\n{}", errors.collect::<Vec<_>>().join("\n\n")),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_or_positions() {
        let call = |text: &str| SdlHash.call(vec![Dynamic::String(text.into())]);
        let text = include_str!("../../examples/quickstart/web.yaml");
        let hash = akash_sdl::compile(text).sdl.unwrap().hash_hex();
        assert_eq!(call(text), Ok(Dynamic::String(hash)));
        assert!(call("version: 2.0\nservices: 1\n").unwrap_err().text.contains("sdl:2:"));
    }
}
