//! One JSON object a file: the verdict and everything compiled, for `cargo xtask sdl` and for comparing with a corpus.

use serde_json::{Value, json};

use crate::{Compilation, Diagnostic};

/// `{path, valid, hash, groups, manifest, errors, warnings}`; errors and warnings as
/// `{line, column, path, message, kind, rule, hint}`. `hash`, `groups` and `manifest` are null for an SDL that is not
/// valid. The manifest holds env values and credentials as they are: keep the object out of logs.
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
        "errors": errors,
        "warnings": warnings,
    })
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
