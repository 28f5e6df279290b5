//! The rules of YAML, each with what the network's own parser (gopkg.in/yaml.v3 v3.0.1) makes of it, and where faults are
//! said to be.

use serde_json::Value;

use super::{Content, NodeId, Tree, load};
use crate::encoding;

/// `{rule, text, tree}`, the trees written by a program on the network's parser.
const CASES: &str = include_str!("../../tests/data/yaml.jsonl");

/// Plain scalars have a `=`, others quotes alone, tags are in `<>`, and of an alias what it stands for follows a `*`.
fn written(tree: &Tree<'_>, id: NodeId) -> String {
    let node = tree.node(id);
    let list = |open: &str, parts: Vec<String>, close: &str| format!("{open}{}{close}", parts.join(", "));
    let content = match &node.content {
        Content::Alias(target) => format!("*{}", written(tree, *target)),
        Content::Scalar { text, plain } => {
            // The way the other program escapes.
            let text = Value::from(text.as_ref()).to_string();
            let text = text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            format!("{}{text}", if *plain { "=" } else { "" })
        }
        Content::Sequence(_) => {
            list("[", tree.children(id).iter().map(|&item| written(tree, item)).collect(), "]")
        }
        Content::Mapping(_) => {
            let pair = |(key, value)| format!("{}: {}", written(tree, key), written(tree, value));
            list("{", tree.pairs(id).map(pair).collect(), "}")
        }
    };
    format!("{}{content}", node.tag.as_ref().map(|tag| format!("<{tag}>")).unwrap_or_default())
}

#[test]
fn trees_are_the_networks() {
    let mut count = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (rule, text) = (case["rule"].as_str().unwrap(), case["text"].as_str().unwrap());
        let tree = match load(text, None) {
            Err(_) => "refused".into(),
            Ok(tree) => tree.root.map_or("nothing".into(), |root| written(&tree, root)),
        };
        assert_eq!(tree, case["tree"].as_str().unwrap(), "{rule}: {text:?}");
        count += 1;
    }
    assert_eq!(count, 123);
}

/// Bytes that are no UTF-8 count where the network's parser reads them, as control characters do.
#[test]
fn what_is_not_read_does_not_count() {
    let reads = |bytes: &[u8]| match encoding::text(bytes) {
        Ok((text, fault)) => load(&text, fault).is_ok(),
        Err(_) => false,
    };
    let far = [b"a: b\n---\nc: d\n#".as_slice(), &[b'x'; 600], b"\xff\n"].concat();
    assert!(reads(&far));
    assert!(!reads(b"a: b\n---\nc: d\n#\xff\n"));
    assert!(!reads(b"a: \xff\n"));
}

/// Text, line and column of the fault, and a part of what is said.
const FAULTS: [(&str, u32, u32, &str); 14] = [
    ("a: b\nc: \"d\ne: f\n", 2, 4, "this quote is never closed"),
    ("a: 'b\nc: 'd'\n", 1, 4, "the quote that is opened here closes only in line 2"),
    ("a: \"b\nc: \"d\"\ne: f\n", 1, 4, "the quote that is opened here closes only in line 2"),
    ("a: [b,\n  c\n", 1, 4, "this `[` is never closed"),
    ("a: [b, c\nd: e\n", 1, 4, "this `[` is not closed, or a comma is missing before line 2, column 2"),
    ("a: {b: c\n\nd: [e]\n", 1, 4, "this `{` is not closed"),
    ("a:\n\tb: c\n", 2, 1, "a tab can't be used for indentation"),
    ("a:\n  b: c\n  \t\nd: e\n", 3, 3, "a tab can't be used for indentation"),
    ("a: |\n  b\n \tc\n", 3, 2, "a tab can't be used for indentation"),
    ("a: b: c\n", 1, 5, "a `:` with a space behind it can't stand here"),
    ("a:\n  b: c\n d: e\n", 3, 2, "the indentation fits neither the mapping that begins in line 1"),
    ("a:\n  - b\n  c: d\n", 3, 3, "this is no item of the list that begins in line 2"),
    ("a: \"\\d\"\n", 1, 5, "in double quotes a backslash begins an escape, and this is none"),
    ("é: [ü,\n  *x]\n", 2, 3, "no anchor (`&name`) of this name stands before this alias"),
];

#[test]
fn faults_are_told_where_they_are() {
    for (text, line, column, words) in FAULTS {
        let failure = load(text, None).unwrap_err();
        let span = failure.span.unwrap();
        assert!(failure.message.contains(words), "{text:?}: {}", failure.message);
        assert_eq!((span.line, span.column), (line, column), "{text:?}: {}", failure.message);
        assert!(failure.hint.is_some(), "{text:?}");
    }
}
