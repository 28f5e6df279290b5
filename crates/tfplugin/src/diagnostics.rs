//! Errors and warnings that Terraform shows to the user, with the attribute they are about. A text may quote what came
//! from outside: clean it with [`plain_line`](crate::plain_line) or [`plain_text`](crate::plain_text) so that it stays
//! short; what moves cursors or hides goes from every text on its way out.

use crate::values::{Path, ValueError};

/// The summary of [`Diagnostics::value_error`].
pub(crate) const WRONG_TYPE: &str = "Value of the wrong type";

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation went on.
    Warning,
}

/// One message to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One line that says what happened.
    pub summary: String,
    /// What it means and what to do; may have several lines.
    pub detail: String,
    /// The attribute it is about, if one. Clients print its lines; where it is sensitive, or holds what is, the service
    /// names it in the text and points at nothing.
    pub path: Option<Path>,
}

/// What an operation has to tell, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No messages.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an error about the whole object.
    pub fn error(&mut self, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Error, None, summary.into(), detail.into());
    }

    /// Adds an error about an attribute.
    pub fn error_at(&mut self, path: &Path, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Error, Some(path.clone()), summary.into(), detail.into());
    }

    /// Adds a warning about the whole object.
    pub fn warning(&mut self, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Warning, None, summary.into(), detail.into());
    }

    /// Adds a warning about an attribute.
    pub fn warning_at(&mut self, path: &Path, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Warning, Some(path.clone()), summary.into(), detail.into());
    }

    /// Adds an error for a value that does not fit the Rust type it is read into.
    pub fn value_error(&mut self, error: &ValueError) {
        let path = Some(error.path().clone()).filter(|path| !path.steps().is_empty());
        let detail = path
            .as_ref()
            .map_or_else(|| error.message().to_owned(), |path| format!("{path}: {}", error.message()));
        self.push(Severity::Error, path, WRONG_TYPE.to_owned(), detail);
    }

    /// Whether one of the messages is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all messages of another operation.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The messages in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    fn push(&mut self, severity: Severity, path: Option<Path>, summary: String, detail: String) {
        self.0.push(Diagnostic { severity, summary, detail, path });
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
