//! Writes an SDL as YAML from a JSON-like object.
//!
//! This file must not know any rule of an SDL.

use serde_json::Value;

use crate::scalar::{self, Scalar};

/// The object as YAML text: keys sorted, lists in order, nulls dropped (those in lists too). The same object always
/// gives the same text, and the text reads back as the same object: texts that YAML would take for something else are
/// quoted, texts of several lines are written as blocks where they can be.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !is_empty(value) => block(value, 0, &mut out),
        other => {
            inline(other, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// One text as a YAML scalar on one line.
pub(crate) fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quote(text) }
}

/// One text in double quotes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quoted(text, &mut out);
    out
}

/// Nothing is left of it once nulls are dropped.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().all(Value::is_null),
        Value::Array(items) => items.iter().all(Value::is_null),
        _ => false,
    }
}

/// Lines of a collection that is not empty. The first line is written where the cursor is.
fn block(value: &Value, indent: usize, out: &mut String) {
    let mut first = true;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            for (name, value) in fields {
                begin(out);
                if is_plain(name) {
                    out.push_str(name);
                } else {
                    quoted(name, out);
                }
                out.push(':');
                if matches!(value, Value::Object(_) | Value::Array(_)) && !is_empty(value) {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent + 2));
                    block(value, indent + 2, out);
                } else {
                    out.push(' ');
                    inline(value, indent, out);
                    out.push('\n');
                }
            }
        }
        Value::Array(items) => {
            for item in items.iter().filter(|item| !item.is_null()) {
                begin(out);
                out.push_str("- ");
                if matches!(item, Value::Object(_) | Value::Array(_)) && !is_empty(item) {
                    block(item, indent + 2, out);
                } else {
                    inline(item, indent, out);
                    out.push('\n');
                }
            }
        }
        _ => {}
    }
}

/// A scalar or an empty collection, without a line break after it. Lines of a text block stand two deeper than `indent`.
fn inline(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Null | Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) if is_plain(text) => out.push_str(text),
        Value::String(text) if is_literal(text) => literal(text, indent + 2, out),
        Value::String(text) => quoted(text, out),
    }
}

/// Whether the text can stand without quotes and still be that text, wherever it stands.
fn is_plain(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./:@=+,%$ ".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/_$".contains(c))
        && text.chars().all(allowed)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && scalar::implicit(text) == Scalar::Text
}

/// Whether the text can be a block of lines: printable, begins with no blank, no line ends in one.
fn is_literal(text: &str) -> bool {
    let printable = |c: char| {
        c == '\n'
            || !(c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}'))
    };
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && text.chars().all(printable)
        && !text.lines().any(|line| line.ends_with(' '))
}

fn literal(text: &str, indent: usize, out: &mut String) {
    let body = text.trim_end_matches('\n');
    // How many line breaks end it: none, one, or all that are there.
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n').chain(std::iter::repeat_n("", (text.len() - body.len()).saturating_sub(1))) {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
    }
}

/// Double quotes, with escapes that YAML 1.1 and 1.2 share.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}') =>
            {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::yaml::{self, Content, NodeId, Tree};

    #[test]
    fn stable_form() {
        let value = json!({
            "version": "2.0",
            "services": {"web": {"image": "nginx:1.29.3", "env": ["A=b", null, "C=yes: x"], "args": [], "params": null,
                "command": ["sh", "-c", "set -e\nexec nginx\n"], "expose": [{"port": 80, "to": [{"global": true}]}]}},
        });
        insta::assert_snapshot!(to_yaml(&value), @r#"
        services:
          web:
            args: []
            command:
              - sh
              - "-c"
              - |
                set -e
                exec nginx
            env:
              - A=b
              - "C=yes: x"
            expose:
              - port: 80
                to:
                  - global: true
            image: nginx:1.29.3
        version: "2.0"
        "#);
    }

    /// The tree as JSON: numbers and bools by the network's rules.
    fn read(tree: &Tree<'_>, id: NodeId) -> Value {
        match &tree.node(id).content {
            Content::Sequence(_) => tree.children(id).iter().map(|&item| read(tree, item)).collect(),
            Content::Mapping(_) => {
                tree.pairs(id).map(|(key, value)| (tree.text(key).to_owned(), read(tree, value))).collect()
            }
            _ => match scalar::resolve(tree.node(id)) {
                Scalar::Bool(value) => value.into(),
                Scalar::Integer(_) | Scalar::Float(_) => serde_json::from_str(tree.text(id)).unwrap(),
                _ => tree.text(id).into(),
            },
        }
    }

    fn without_nulls(value: Value) -> Value {
        match value {
            Value::Object(fields) => fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
            Value::Array(items) => {
                items.into_iter().filter(|item| !item.is_null()).map(without_nulls).collect()
            }
            other => other,
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[a-z:#\\-\\n \"'\\\\]{0,12}",
            prop::sample::select(vec![
                "true", "on", "~", "", "80", "0x1", "1e3", "<<", "---", "a: b", "a #b", "\u{85}", "x\n\n"
            ])
            .prop_map(String::from),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_back(value in prop::collection::vec(value(), 1..4)) {
            let value = Value::from(value);
            let text = to_yaml(&value);
            prop_assert_eq!(&text, &to_yaml(&value));
            let tree = yaml::load(&text, None).map_err(|failure| TestCaseError::fail(format!("{failure:?}\n{text}")))?;
            prop_assert_eq!(read(&tree, tree.root.unwrap()), without_nulls(value), "{}", text);
        }
    }
}
