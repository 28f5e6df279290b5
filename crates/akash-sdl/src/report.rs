//! One JSON object a file: the verdict and everything compiled, for `cargo xtask sdl` and for comparing with a corpus.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Compilation, Diagnostic};

/// `{path, valid, hash, groups, manifest, reclamation, errors, warnings}`; errors and warnings as
/// `{line, column, path, message, kind, rule, hint}`. `hash`, `groups` and `manifest` are null for an SDL that is not
/// valid; so is `reclamation`, and for one that has none: else it is `{min_window}` in nanoseconds, as the network's parser
/// has it. The manifest holds env values and credentials as they are: keep the object out of logs.
pub fn report(path: &str, compilation: &Compilation) -> Value {
    let errors: Vec<Value> = compilation.errors().map(diagnostic).collect();
    let warnings: Vec<Value> = compilation.warnings().map(diagnostic).collect();
    let sdl = compilation.sdl.as_ref();
    json!({
        "path": path,
        "valid": sdl.is_some(),
        "hash": sdl.map(crate::Sdl::hash_hex),
        "groups": sdl.map(|sdl| &sdl.groups),
        "manifest": sdl.map(|sdl| &sdl.manifest),
        "reclamation": sdl.and_then(|sdl| sdl.reclamation).map(|window| json!({ "min_window": nanoseconds(window) })),
        "errors": errors,
        "warnings": warnings,
    })
}

/// The parser's durations are nanoseconds in 64 bits.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    json!({
        "line": diagnostic.span.map(|span| span.line),
        "column": diagnostic.span.map(|span| span.column),
        "path": diagnostic.path,
        "message": diagnostic.message,
        "kind": diagnostic.kind.as_str(),
        "rule": diagnostic.rule,
        "hint": diagnostic.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reclamation_is_in_the_report() {
        let text = crate::template("web", &Default::default()).unwrap();
        assert_eq!(report("x", &crate::compile(&text))["reclamation"], Value::Null);
        for (window, expected) in [("1h30m", 5_400_000_000_000_u64), ("1s1ns", 1_000_000_001)] {
            let text = format!("{text}reclamation:\n  min_window: {window}\n");
            let report = report("x", &crate::compile(&text));
            assert_eq!(report["reclamation"], json!({ "min_window": expected }), "{window}: {report}");
        }
    }
}
