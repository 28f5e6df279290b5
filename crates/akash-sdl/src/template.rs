//! Ready SDLs with variables.

use std::collections::BTreeMap;

/// A ready SDL.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Name, for example `web`.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// What can be set.
    pub variables: &'static [Variable],
}

/// A variable of a template.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Name, for example `image`.
    pub name: &'static str,
    /// What it is when not set.
    pub default: &'static str,
    /// One sentence, with the unit.
    pub description: &'static str,
}

/// Every template.
pub const TEMPLATES: &[Template] = &[];

/// Why a template can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// No template of that name.
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The template has no such variable.
    Variable {
        /// The template.
        name: &'static str,
        /// What was set.
        variable: String,
    },
    /// With these values the SDL is not valid.
    Invalid {
        /// The template.
        name: &'static str,
        /// Rendered errors.
        errors: String,
    },
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "there is no SDL template named `{name}`"),
            Self::Variable { name, variable } => write!(f, "template `{name}` has no variable `{variable}`"),
            Self::Invalid { name, errors } => {
                write!(f, "template `{name}` is not valid with these values:\n{errors}")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

/// The SDL of template `name` with `vars` filled in; a variable that is not set has its default.
pub fn template(name: &str, vars: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let _ = vars;
    Err(TemplateError::Unknown { name: name.into() })
}
