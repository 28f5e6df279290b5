//! Diagnostics as they leave the provider, whatever RPC they answer. The last step before a terminal: what is sensitive
//! is not pointed at, and nothing in a text is more than text.

use super::schema;
use crate::diagnostics::{Diagnostic, Diagnostics, Severity, WRONG_TYPE};
use crate::proto::tfplugin6 as proto;
use crate::schema::Schema;

/// The messages of an answer about values of this schema.
pub(super) fn messages(diagnostics: Diagnostics, schema: &Schema) -> Vec<proto::Diagnostic> {
    diagnostics.into_iter().map(|diagnostic| message(&unpointed(diagnostic, schema))).collect()
}

/// Of an attribute that a diagnostic points at, clients print every line of its expression: a word of a mnemonic that
/// is spelled wrong would show all the others, and a nested attribute all its siblings. Such a diagnostic names the
/// attribute in its text instead.
fn unpointed(mut diagnostic: Diagnostic, schema: &Schema) -> Diagnostic {
    let Some(named) = diagnostic.path.as_ref().and_then(|path| schema.secret_at(path)) else {
        return diagnostic;
    };
    diagnostic.path = None;
    // What does not fit its type may be quoted.
    if diagnostic.summary == WRONG_TYPE {
        diagnostic.detail = format!("{named} has a value of the wrong type.");
    }
    diagnostic.detail.push_str(&format!(
        "\n\nThis is about `{named}`. Its lines are not shown, because it is sensitive or holds what is."
    ));
    diagnostic
}

fn message(diagnostic: &Diagnostic) -> proto::Diagnostic {
    proto::Diagnostic {
        severity: match diagnostic.severity {
            Severity::Error => proto::diagnostic::Severity::Error.into(),
            Severity::Warning => proto::diagnostic::Severity::Warning.into(),
        },
        summary: plain_text::line(&diagnostic.summary),
        detail: plain_text::shown(&diagnostic.detail).into_owned(),
        attribute: diagnostic.path.as_ref().map(schema::path),
    }
}
