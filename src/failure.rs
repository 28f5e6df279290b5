//! Why something could not be done, until the user is told.

use tfplugin::{Diagnostics, Path};

/// What the user is to be told: as a rule one error with what happened, what it means and what to do. Passed on by `?`,
/// told once, at the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(Box<Diagnostics>);

impl Failure {
    /// About the whole resource.
    pub(crate) fn new(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut told = Diagnostics::new();
        told.error(summary, detail);
        Self::from(told)
    }

    /// About one attribute.
    pub(crate) fn at(attribute: &str, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut told = Diagnostics::new();
        told.error_at(&Path::root(attribute), summary, detail);
        Self::from(told)
    }

    /// Says it to the user.
    pub(crate) fn tell(self, diagnostics: &mut Diagnostics) {
        diagnostics.extend(*self.0);
    }
}

impl From<Diagnostics> for Failure {
    fn from(told: Diagnostics) -> Self {
        Self(Box::new(told))
    }
}
