//! YAML 1.1 texts that the network's parser (yaml.v3, of libyaml's line) takes and the YAML 1.2 event parser does not,
//! rewritten into what both take with the same meaning.
//!
//! The event parser says where it stops; the place is mended and it is asked again. Only texts that it refuses come
//! here. Lines stay as they are; a column may move by the spaces that are put in. This file must not know any rule of
//! an SDL.

use std::borrow::Cow;

use crate::yaml::{self, Failure};

/// Most places that are mended in one text, and most bytes that are read again for it in all.
const MAX_MENDED: usize = 100;
const MAX_REREAD: usize = 16 << 20;

/// NEL is a line break to YAML 1.1, as good as a newline. (So are U+2028 and U+2029, which stay what they are: to the
/// event parser they are text. Where one of them ends a line, this crate differs from the network.)
pub(crate) fn line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains('\u{85}') { Cow::Owned(text.replace('\u{85}', "\n")) } else { Cow::Borrowed(text) }
}

/// The text mended, or `None` if that does not make it YAML. `failure` is why `text` was refused.
pub(crate) fn mended(text: &str, failure: &Failure) -> Option<String> {
    let mut text = mend(text, failure)?;
    let mut reread = text.len();
    for _ in 0..MAX_MENDED {
        match yaml::load(&text) {
            Ok(_) => return Some(text),
            Err(failure) => text = mend(&text, &failure)?,
        }
        reread += text.len();
        if reread > MAX_REREAD {
            return None;
        }
    }
    None
}

fn mend(text: &str, failure: &Failure) -> Option<String> {
    let (reason, index) = failure.parser.as_ref()?;
    let at = text.char_indices().nth(*index).map_or(text.len(), |(at, _)| at);
    let (before, after) = text.split_at_checked(at)?;
    match reason.as_str() {
        // `"x"#comment`
        "comments must be separated from other tokens by whitespace" => Some(format!("{before} {after}")),
        // `key:<TAB>value`
        "':' must be followed by a valid YAML whitespace" => {
            let colon = before.trim_end_matches([' ', '\t']);
            let blanks = before.len() - colon.len();
            (blanks > 0).then(|| format!("{colon}{:blanks$}{after}", ""))
        }
        // Further lines of a quoted text may stand further left than what it belongs to.
        "invalid indentation in quoted scalar" => {
            let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
            let end = quoted_end(after)?;
            let (quoted, rest) = after.split_at_checked(end)?;
            let indented = indent(quoted, column + 1);
            (indented.len() > quoted.len()).then(|| format!("{before}{indented}{rest}"))
        }
        _ => None,
    }
}

/// Where the quoted text that `text` begins with ends.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.bytes().next()?;
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        let escape = match quote {
            b'"' => byte == b'\\',
            _ => byte == quote && bytes.peek().is_some_and(|&(_, next)| next == quote),
        };
        if escape {
            bytes.next();
        } else if byte == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Puts spaces before each further line; a quoted text drops them again. A line that would be a document's mark stays.
fn indent(quoted: &str, spaces: usize) -> String {
    let mut lines = quoted.split_inclusive('\n');
    let mut indented: String = lines.next().unwrap_or_default().into();
    for line in lines {
        let is_mark = ["---", "..."].iter().any(|mark| {
            line.strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        });
        let has_indent = line.bytes().take_while(|byte| *byte == b' ').count() >= spaces;
        if !is_mark && !has_indent {
            indented.extend(std::iter::repeat_n(' ', spaces));
        }
        indented.push_str(line);
    }
    indented
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        let failure = yaml::load(text).err()?;
        let mended = mended(text, &failure)?;
        let tree = yaml::load(&mended).ok()?;
        let (_, value) = tree.pairs(tree.root?).next()?;
        Some(tree.text(value).to_owned())
    }

    /// Breaks if the event parser words its errors in another way, or takes these texts itself.
    #[test]
    fn what_yaml_1_2_refuses() {
        for (text, expected) in [
            ("a: \"x\"#comment\n", Some("x")),
            ("a:\tx\n", Some("x")),
            ("a: \"x\ny\"\n", Some("x y")),
            ("a: 'it''s\n\n  so'\nb: c\n", Some("it's\nso")),
            ("a: \"x\n--- y\"\n", None),
            ("a: [\n", None),
        ] {
            // The first of them may be taken by the event parser in nested places only.
            let nested = format!("k:\n  {}", text.replace("\nb:", "\n  b:"));
            assert_eq!(value(text).or_else(|| nested_value(&nested)).as_deref(), expected, "{text:?}");
        }
    }

    fn nested_value(text: &str) -> Option<String> {
        let failure = yaml::load(text).err()?;
        let mended = mended(text, &failure)?;
        let tree = yaml::load(&mended).ok()?;
        let (_, inner) = tree.pairs(tree.root?).next()?;
        let (_, value) = tree.pairs(inner).next()?;
        Some(tree.text(value).to_owned())
    }
}
