//! A doc comment as the Markdown of a description.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comment on an item, if it has one. Lines that only wrap a paragraph are joined, as Markdown reads them; all
/// else (blank lines, lists, tables, headings, code) stays as it is written.
pub(crate) fn description(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    let lines: Vec<&str> = lines.iter().flat_map(|text| text.split('\n')).collect();
    // A space after `///` belongs to the comment.
    let lines = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    let mut text = String::new();
    let (mut fenced, mut open) = (false, false);
    for line in lines {
        let fence = line.trim_start().starts_with("```");
        let block = fenced || fence || line.is_empty() || starts_block(line);
        let joined = open && !block;
        if !text.is_empty() {
            text.push(if joined { ' ' } else { '\n' });
        }
        text.push_str(if joined { line.trim_start() } else { line });
        fenced ^= fence;
        open = !fenced && !fence && !line.is_empty() && !line.starts_with(['#', '|']);
    }
    let text = text.trim_matches('\n');
    (!text.is_empty()).then(|| text.to_owned())
}

fn line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(doc) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &doc.value else { return None };
    doc.path.is_ident("doc").then(|| text.value())
}

/// Whether a line begins something of its own instead of going on with the paragraph before it.
fn starts_block(line: &str) -> bool {
    let list = ["- ", "* ", "+ ", "> ", "#", "|"].iter().any(|start| line.starts_with(start));
    let number = line.split_once([' ']).is_some_and(|(number, _)| {
        number
            .strip_suffix(['.', ')'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    list || number || line.starts_with("    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{ItemStruct, parse_str};

    fn of(comment: &str) -> Option<String> {
        let item: ItemStruct = parse_str(&format!("{comment}\nstruct S;")).unwrap();
        description(&item.attrs)
    }

    #[test]
    fn markdown_is_kept_and_wrapped_lines_are_joined() {
        for (comment, text) in [
            ("", None),
            ("/// One line, with `code` and  two blanks.", Some("One line, with `code` and  two blanks.")),
            ("/// A paragraph\n/// that is wrapped.", Some("A paragraph that is wrapped.")),
            ("/// One.\n///\n/// Two,\n/// wrapped.", Some("One.\n\nTwo, wrapped.")),
            ("/// A list:\n/// - one\n///   more\n/// - two", Some("A list:\n- one more\n- two")),
            ("/// 1. one\n/// 2. two", Some("1. one\n2. two")),
            (
                "/// Code:\n/// ```hcl\n/// a = 1\n///   b\n/// ```\n/// After.",
                Some("Code:\n```hcl\na = 1\n  b\n```\nAfter."),
            ),
            ("/// # Head\n/// Text.", Some("# Head\nText.")),
            ("/** Block. */", Some("Block.")),
        ] {
            assert_eq!(of(comment).as_deref(), text, "{comment}");
        }
    }
}
