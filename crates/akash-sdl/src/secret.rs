//! Which lines of a file may hold a secret, and what of a diagnostic is kept back therefore.
//!
//! Secret is what lies under `env` and `credentials`, whichever way it gets there: in brackets, by an anchor, as a merge.
//! Where YAML is broken nobody knows what lies where; then a line is shown only if it surely is not a secret. This file
//! must not know a rule of an SDL, only the names of keys.

use std::collections::{BTreeMap, HashSet};

use crate::decode::shown;
use crate::diagnostic::Diagnostic;
use crate::yaml::{Content, NodeId, Tree};

/// What is in the name of a key that has secrets under it, in lower case. `env` and `credentials` are meant, and what
/// people write for them or put in the wrong place.
const SECRET_WORDS: [&str; 9] = ["env", "cred", "pass", "secret", "token", "auth", "user", "login", "mail"];
/// Keys below `credentials` and what others call them, which are no secrets themselves.
const FIELDS: [&str; 10] =
    ["host", "email", "username", "password", "registry", "server", "user", "login", "pass", "token"];

/// Keys whose line may be shown where YAML is broken. The keys of an SDL but for `command` and `args`, whose texts are
/// anything, and `host`, which is one of the credentials too.
const SECTIONS: [&str; 7] =
    ["version", "services", "profiles", "deployment", "endpoints", "reclamation", "include"];
const PUBLIC_KEYS: [&str; 51] = [
    "image",
    "expose",
    "port",
    "as",
    "proto",
    "to",
    "global",
    "service",
    "accept",
    "ip",
    "http_options",
    "max_body_size",
    "read_timeout",
    "send_timeout",
    "next_tries",
    "next_timeout",
    "next_cases",
    "proxy_buffer_size",
    "params",
    "storage",
    "mount",
    "readOnly",
    "permissions",
    "dependencies",
    "compute",
    "placement",
    "resources",
    "cpu",
    "memory",
    "gpu",
    "units",
    "size",
    "attributes",
    "arch",
    "persistent",
    "class",
    "vendor",
    "nvidia",
    "model",
    "ram",
    "interface",
    "pricing",
    "denom",
    "amount",
    "signedBy",
    "anyOf",
    "allOf",
    "profile",
    "count",
    "kind",
    "min_window",
];

const HIDDEN: &str = "(hidden)";
/// Most secrets on the lines of a diagnostic that are looked for in its words.
const MOST_TEXTS: usize = 200;

fn has_secret_word(text: &str) -> bool {
    let is = |word: &str| {
        text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    SECRET_WORDS.iter().any(|word| is(word))
}

/// A key that what lies under is secret. `host` alone counts too: it may be one of the credentials, indented wrongly.
fn is_secret_key(name: &str) -> bool {
    has_secret_word(name) || name == "host" || name.contains('=')
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

// -- in a tree

/// The secrets of a tree.
#[derive(Debug, Default)]
pub(crate) struct Secrets<'t> {
    /// What stands on each line that has some.
    lines: BTreeMap<u32, Vec<&'t str>>,
}

impl<'t> Secrets<'t> {
    /// Finds what is secret.
    pub(crate) fn of(tree: &'t Tree<'_>) -> Self {
        let mut secrets = Self::default();
        let mut seen = HashSet::new();
        let mut left = Vec::new();
        for id in tree.ids() {
            match &tree.node(id).content {
                Content::Mapping(_) => {
                    for (key, value) in tree.pairs(id) {
                        let name = tree.text(tree.target(key));
                        if is_secret_key(name) {
                            left.push(value);
                            // Not a key, but a text that was taken for one.
                            left.extend((!is_name(name)).then_some(key));
                        }
                    }
                }
                // A text that has swallowed what was meant as a key: `env:A=b`.
                Content::Scalar { text, .. } if text.contains([':', '=']) && has_secret_word(text) => {
                    left.push(id);
                }
                _ => {}
            }
        }
        while let Some(id) = left.pop() {
            if seen.insert(id) {
                secrets.add(tree, id);
                left.extend(tree.children(id));
                left.extend(Some(tree.target(id)).filter(|&target| target != id));
            }
        }
        // What an alias carries to another place.
        for id in tree.ids().filter(|&id| tree.target(id) != id && seen.contains(&tree.target(id))) {
            secrets.add(tree, id);
        }
        secrets
    }

    fn add(&mut self, tree: &'t Tree<'_>, id: NodeId) {
        let node = tree.node(id);
        // An empty value has no place of its own.
        if matches!(&node.content, Content::Scalar { text, plain: true } if text.is_empty()) {
            return;
        }
        let text = tree.text(tree.target(id));
        let value = text.split_once('=').map(|(_, value)| value);
        // Scalars alone have more than one line, and no two share more than one of them.
        for line in node.span.line..=node.span.end_line {
            let texts = self.lines.entry(line).or_default();
            if !FIELDS.contains(&text) {
                texts.extend(
                    [Some(text), value, tree.binary(tree.target(id))]
                        .into_iter()
                        .flatten()
                        .filter(|text| !text.is_empty()),
                );
            }
        }
    }

    /// Takes what is secret out of a diagnostic, and notes if its line is not to be shown.
    pub(crate) fn keep_back(&self, diagnostic: &mut Diagnostic) {
        let in_path = shorten(&mut diagnostic.path);
        let lines = diagnostic.span.map_or(0..=0, |span| span.line..=span.end_line);
        let mut texts = self.lines.range(lines).peekable();
        diagnostic.secret |= in_path || texts.peek().is_some();
        for (count, text) in texts.flat_map(|(_, texts)| texts).enumerate() {
            if count >= MOST_TEXTS {
                diagnostic.message = "something is wrong where a secret may be".into();
                diagnostic.hint = None;
                return;
            }
            redact(&mut diagnostic.message, text);
            if let Some(hint) = &mut diagnostic.hint {
                redact(hint, text);
            }
        }
    }
}

/// Cuts an SDL path behind a key that has secrets under it, but for what is known to be none. True if there is one.
fn shorten(path: &mut String) -> bool {
    let mut start = 0;
    while let Some(rest) = path.get(start..).filter(|rest| !rest.is_empty()) {
        let end = start + rest.find('.').unwrap_or(rest.len());
        let step = path.get(start..end).unwrap_or_default();
        let indices = |c: char| c.is_ascii_digit() || c == '[' || c == ']';
        let name = if step.ends_with(']') { step.trim_end_matches(indices) } else { step };
        if is_secret_key(name) && name != "host" {
            if !is_name(name) {
                path.replace_range(start.., HIDDEN);
            } else if !FIELDS.iter().any(|field| path.get(end + 1..) == Some(field)) {
                path.truncate(end);
            }
            return true;
        }
        start = end + 1;
    }
    false
}

/// Takes a secret out of words about it, in which it may be shortened. A short one counts only if it is quoted.
fn redact(words: &mut String, secret: &str) {
    const SHORT: usize = 4;
    let shown = shown(secret);
    let shown = shown.strip_suffix("...").unwrap_or(&shown);
    for form in [secret, shown] {
        if form.len() >= SHORT {
            if words.contains(form) {
                *words = words.replace(form, HIDDEN);
            }
        } else if words.contains('`') {
            *words = words.replace(&format!("`{form}`"), HIDDEN);
        }
    }
}

// -- in a text that is no tree

/// Whether a line (counted from 1) of a text that is no YAML surely holds no secret.
///
/// It has a public key, no secret word, no anchor or alias, and what lies under the last secret word before it has surely
/// ended: by a public key in the same column or a section at the left, with nothing left open in between.
pub(crate) fn is_public(text: &str, line: u32) -> bool {
    let Some(index) = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)) else { return false };
    // Where the part ends that may be secret: its indentation, and whether something is open for good.
    let mut open: Option<(usize, bool)> = None;
    // Other line breaks of YAML end no line that is shown, and so they are not public.
    for (at, line) in text.lines().enumerate() {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let key = public_key(line);
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some((secret_indent, false)) = open
            && (key == Key::Section && indent == 0 || key == Key::Known && indent == secret_indent)
            && line.get(indent..).is_some_and(|rest| !rest.starts_with(['-', '\t']))
        {
            open = None;
        }
        let begins = is_suspect(line);
        open = match open {
            Some((secret_indent, unclosed)) => Some((secret_indent, unclosed || !is_closed(line))),
            None if begins => Some((indent, !is_closed(line))),
            None => None,
        };
        if at == index {
            return is_bare(line) || open.is_none() && key != Key::None;
        }
    }
    false
}

/// Whether a line has nothing but a known key, or the mark of a document.
fn is_bare(line: &str) -> bool {
    let name = line.trim().strip_suffix(':').unwrap_or_default();
    line == "---" || SECTIONS.contains(&name) || PUBLIC_KEYS.contains(&name)
}

#[derive(PartialEq, Eq)]
enum Key {
    /// A key of an SDL, at its top or elsewhere.
    Section,
    Known,
    /// Any name with nothing behind it, such as a service's.
    Alone,
    None,
}

/// Which key the line begins with, behind dashes of lists.
fn public_key(line: &str) -> Key {
    let mut rest = line.trim();
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start();
    }
    let Some((name, value)) = rest.split_once(':') else { return Key::None };
    let separated = value.is_empty() || value.starts_with([' ', '\t']);
    if separated && SECTIONS.contains(&name) {
        Key::Section
    } else if separated && PUBLIC_KEYS.contains(&name) {
        Key::Known
    } else if separated && !name.is_empty() && is_name(name) && value.trim().is_empty() {
        Key::Alone
    } else {
        Key::None
    }
}

/// Whether a line may begin what is secret: it has a secret word, an anchor or alias by which something may come to be
/// under one, an escape in which one may hide, or it begins a block of text.
fn is_suspect(line: &str) -> bool {
    let host = line.trim_start().trim_start_matches(['-', ' ', '"', '\'', '{']).starts_with("host");
    let mark = |mark: char| {
        line.match_indices(mark).any(|(at, _)| {
            line.get(at + 1..)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c)))
        })
    };
    has_secret_word(line)
        || host
        || mark('&')
        || mark('*')
        || line.contains("<<")
        || begins_block(line)
        || ["\\x", "\\u", "\\U", "\u{85}", "\u{2028}", "\u{2029}"].iter().any(|part| line.contains(part))
}

/// Whether the line ends in `|` or `>`, with what may follow them.
fn begins_block(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    line.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c)).ends_with(['|', '>'])
}

/// Whether quotes and brackets of a line are closed in it, however it is read.
fn is_closed(line: &str) -> bool {
    let (mut quote, mut depth) = (None, 0_i64);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some('"'), '\\') => {
                characters.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, _) => {}
        }
    }
    let even = |quote: char| line.matches(quote).count().is_multiple_of(2);
    quote.is_none() && depth == 0 && even('"') && even('\'')
}
