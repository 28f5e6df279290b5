//! Why a text is no YAML to the network's parser, in words that name the fix.
//!
//! No text of the file goes into a message: where YAML breaks nobody knows what is secret.

use super::reader::Mark;
use crate::diagnostic::{Kind, Span};

/// Why a text is no tree.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure that has nothing to do with YAML's marks.
    pub(crate) fn new(kind: Kind, message: impl Into<String>, span: Option<Span>) -> Self {
        Self { kind, message: message.into(), span, hint: None }
    }

    /// Not YAML: `what` is wrong at `from`.
    pub(super) fn syntax(what: &str, from: Mark, to: Mark) -> Self {
        Self::new(Kind::Syntax, format!("not valid YAML: {what}"), Some(span(from, to)))
    }

    /// With what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The range between two marks.
pub(super) fn span(from: Mark, to: Mark) -> Span {
    Span {
        line: from.line.saturating_add(1),
        column: from.column.saturating_add(1),
        end_line: to.line.saturating_add(1),
        end_column: to.column.saturating_add(1),
    }
}
