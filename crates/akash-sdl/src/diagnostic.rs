//! Errors and warnings about an SDL, with where they are, what they break and what to do; and their rendering as text.
//!
//! This file must not know any rule.

use std::fmt;

/// An error means that the network's parser refuses the SDL; a warning that it takes it, and surely not as meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Refused.
    Error,
    /// Accepted, but not what was meant, or refused or ignored later on.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a diagnostic is about, for callers that treat some differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Not YAML, not UTF-8, or control characters.
    Syntax,
    /// Beyond this crate's own bounds on size, depth or aliases.
    Bounds,
    /// A value of the wrong shape: a list for a mapping, text for a number.
    Type,
    /// A key twice in one mapping.
    DuplicateKey,
    /// A key that the network does not know.
    UnknownKey,
    /// Missing or unsupported `version`.
    Version,
    /// A needed value is missing or empty.
    Missing,
    /// A value out of its form: a unit, a number, a name.
    Value,
    /// A name that nothing defines.
    Reference,
    /// Volumes and mounts.
    Storage,
    /// IP endpoints and ports.
    Endpoint,
    /// `http_options`.
    HttpOptions,
    /// GPUs.
    Gpu,
    /// Confidential computing.
    Tee,
    /// Amounts and the number of denominations.
    Price,
    /// A denomination other than `uact`: valid for the parser, refused by the chain (deployment code 24). A warning, and
    /// an error after [`crate::Compilation::for_chain`].
    Denom,
    /// Outside the chain's limits.
    Limit,
    /// Nothing is reachable from outside.
    NotGlobal,
    /// Image without a tag or with `:latest`.
    Image,
    /// Defined and never used.
    Unused,
    /// A command written as one text.
    Command,
    /// A dependency, which the network ignores.
    Dependency,
    /// `reclamation`.
    Reclamation,
}

impl Kind {
    /// A stable lower-case word, for example `unknown-key`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Bounds => "bounds",
            Self::Type => "type",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownKey => "unknown-key",
            Self::Version => "version",
            Self::Missing => "missing",
            Self::Value => "value",
            Self::Reference => "reference",
            Self::Storage => "storage",
            Self::Endpoint => "endpoint",
            Self::HttpOptions => "http-options",
            Self::Gpu => "gpu",
            Self::Tee => "tee",
            Self::Price => "price",
            Self::Denom => "denom",
            Self::Limit => "limit",
            Self::NotGlobal => "not-global",
            Self::Image => "image",
            Self::Unused => "unused",
            Self::Command => "command",
            Self::Dependency => "dependency",
            Self::Reclamation => "reclamation",
        }
    }
}

/// A range in the text. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column after the last character.
    pub end_column: u32,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// What is wrong, one sentence without a full stop. Never holds values of env or credentials.
    pub message: String,
    /// Where, if there is a place.
    pub span: Option<Span>,
    /// SDL path, for example `services.web.expose[0].to[0]`; empty for the whole file.
    pub path: String,
    /// Where the rule comes from, for example `chain-sdk go/sdl/v2.go`.
    pub rule: &'static str,
    /// What to do.
    pub hint: Option<String>,
    /// The line may hold a secret (env, credentials), so it is not to be shown.
    pub secret: bool,
}

impl fmt::Display for Diagnostic {
    /// `line 3, column 5: services.web: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = self.span {
            write!(f, "line {}, column {}: ", span.line, span.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// What stands for a source line that may hold a secret.
const HIDDEN: &str = "(hidden: may hold a secret)";
/// Longest part of a source line that is shown.
const MOST_SHOWN: usize = 100;

/// The diagnostic as text for humans: message, position and SDL path, source line with a caret, hint, source of the rule.
/// No colour, no trailing newline.
///
/// `text` is the SDL that was compiled. Lines that may hold a secret are not quoted, of a line that looks like
/// `- NAME=value` only the name is, and of a key that nobody knows only the key.
pub fn render(diagnostic: &Diagnostic, text: &str, file_name: &str) -> String {
    let mut out = format!("{}: {}\n", diagnostic.severity.as_str(), diagnostic.message);
    let number = diagnostic.span.map(|span| span.line.to_string()).unwrap_or_default();
    let margin = " ".repeat(number.len());
    out.push_str(&format!("{margin}--> {file_name}"));
    if let Some(span) = diagnostic.span {
        out.push_str(&format!(":{}:{}", span.line, span.column));
    }
    if !diagnostic.path.is_empty() {
        out.push_str(&format!(" ({})", diagnostic.path));
    }
    out.push('\n');
    if diagnostic.span.is_some() && diagnostic.secret {
        out.push_str(&format!("{margin} |\n{number} | {HIDDEN}\n"));
    } else if let Some(span) = diagnostic.span
        && let Some((source, carets)) =
            excerpt(text, span, matches!(diagnostic.kind, Kind::UnknownKey | Kind::DuplicateKey))
    {
        out.push_str(&format!("{margin} |\n{number} | {source}\n{margin} | {carets}\n"));
    }
    if let Some(hint) = &diagnostic.hint {
        out.push_str(&format!("{margin} = help: {hint}\n"));
    }
    out.push_str(&format!("{margin} = rule: {}", diagnostic.rule));
    out
}

/// The line of a span, and carets under it. Long lines are cut around the span. With `until_end` what stands behind the
/// span, a key, is left out: nobody knows what it is for.
fn excerpt(text: &str, span: Span, until_end: bool) -> Option<(String, String)> {
    let line = text.lines().nth(usize::try_from(span.line).ok()?.checked_sub(1)?)?;
    let shown = public_part(line.strip_prefix('\u{feff}').unwrap_or(line));
    // One column a character: tabs and what could garble a terminal become spaces.
    let mut characters: Vec<char> = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut column = usize::try_from(span.column).ok()?.saturating_sub(1);
    let end = if span.end_line == span.line {
        usize::try_from(span.end_column).ok()?.saturating_sub(1)
    } else {
        characters.len()
    };
    if until_end && characters.get(end..).is_some_and(|rest| rest.iter().any(|c| !matches!(c, ' ' | ':'))) {
        characters.truncate(end);
        characters.extend(": ...".chars());
    }
    let mut width = end.saturating_sub(column);
    if characters.len() > MOST_SHOWN {
        let start = column.saturating_sub(MOST_SHOWN / 2);
        characters = characters.into_iter().skip(start).take(MOST_SHOWN).collect();
        column -= start;
    }
    column = column.min(characters.len());
    width = width.min(characters.len() - column).max(1);
    let source: String = characters.into_iter().collect();
    Some((source.trim_end().to_owned(), format!("{}{}", " ".repeat(column), "^".repeat(width))))
}

/// The line without a comment, which may hold anything, and without the value of `- NAME=value`.
fn public_part(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .find(|&(at, _)| at > 0 && line.get(..at).is_some_and(|before| before.ends_with([' ', '\t'])));
    let line = comment.and_then(|(at, _)| line.get(..at + 1)).unwrap_or(line);
    let Some(item) = line.trim_start().strip_prefix('-') else { return line };
    let name = item.trim_start_matches([' ', '\t', '"', '\'']);
    let rest = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if rest.starts_with('=') { line.get(..line.len() - rest.len() + 1).unwrap_or_default() } else { line }
}
