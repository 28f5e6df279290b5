//! Provider functions: `provider::akash::name(...)`.

use crate::schema::Type;
use crate::values::Dynamic;

/// A pure function. It must not read network, files, clock or environment: Terraform calls it at any time and
/// expects the same answer.
pub trait Function: Send + Sync {
    /// The name after `provider::NAME::`.
    fn name(&self) -> &str;

    /// Parameters, result and documentation.
    fn definition(&self) -> FunctionDefinition;

    /// Computes the result. Variadic arguments follow the others. Arguments are known unless the parameter allows
    /// unknowns.
    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError>;
}

/// What a function takes and gives.
#[derive(Clone, Debug)]
pub struct FunctionDefinition {
    /// One line.
    pub summary: String,
    /// Markdown.
    pub description: String,
    /// The parameters in order.
    pub parameters: Vec<Parameter>,
    /// The parameter that takes all further arguments.
    pub variadic: Option<Parameter>,
    /// The type of the result.
    pub returns: Type,
}

/// One parameter of a function.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name in messages and documentation.
    pub name: String,
    /// The type that arguments are converted to.
    pub value_type: Type,
    /// Markdown.
    pub description: String,
    /// Whether null reaches the function; else Terraform refuses it.
    pub allow_null: bool,
    /// Whether unknowns reach the function; else Terraform makes the result unknown without calling it.
    pub allow_unknown: bool,
}

impl Parameter {
    /// A parameter that takes neither null nor unknowns.
    pub fn new(name: impl Into<String>, value_type: Type, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value_type,
            description: description.into(),
            allow_null: false,
            allow_unknown: false,
        }
    }

    /// Lets null through.
    #[must_use]
    pub const fn allow_null(mut self) -> Self {
        self.allow_null = true;
        self
    }

    /// Lets unknowns through.
    #[must_use]
    pub const fn allow_unknown(mut self) -> Self {
        self.allow_unknown = true;
        self
    }
}

/// Why a function gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// The argument at fault, from 0.
    pub argument: Option<i64>,
    /// What is wrong and what would be right.
    pub text: String,
}

impl FunctionError {
    /// An error of the call as a whole.
    pub fn new(text: impl Into<String>) -> Self {
        Self { argument: None, text: text.into() }
    }

    /// An error of one argument, from 0.
    pub fn at(argument: i64, text: impl Into<String>) -> Self {
        Self { argument: Some(argument), text: text.into() }
    }
}
