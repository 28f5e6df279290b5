//! YAML text to a tree of nodes with positions, as the network's YAML parser (gopkg.in/yaml.v3) reads it.
//!
//! That parser is libyaml's, with changes of its own: YAML 1.1 tokens, not YAML 1.2. The first document only is read;
//! aliases are kept as such; work and depth are bounded. This module must not know what a scalar means (`scalar`) or
//! what an SDL is.

mod failure;
mod parser;
mod reader;
mod scan_name;
mod scan_scalar;
mod scanner;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod window;

pub(crate) use failure::Failure;
pub(crate) use tree::{Content, Node, NodeId, Tree};
pub(crate) use window::Fault;

use crate::diagnostic::{Kind, Span};
use parser::Parser;
use reader::Reader;
use scanner::Scanner;
use window::Window;

/// Largest text. Beyond it nothing is looked at.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Reads the first document of `text`. `fault` is what stands behind it, if it was cut there; that counts only if the
/// network's parser would read so far.
pub(crate) fn load(text: &str, fault: Option<Fault>) -> Result<Tree<'_>, Failure> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Failure::new(Kind::Bounds, message, None));
    }
    let is_plain = |byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E);
    let window = if text.bytes().all(is_plain) && fault.is_none() {
        None
    } else {
        Window::new(text, not_allowed(text).or(fault))
    };
    let scanner = Scanner::new(Reader::new(text, window));
    Parser::new(scanner, text.len()).document()
}

/// The place behind a text.
pub(crate) fn end_of(text: &str) -> Span {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let line_start = text.rfind('\n').map_or(0, |newline| newline + 1);
    let line = number(text.matches('\n').count() + 1);
    let column = number(text.get(line_start..).unwrap_or_default().chars().count() + 1);
    Span { line, column, end_line: line, end_column: column + 1 }
}

/// The first character that the network's YAML reader does not take: it takes tab, line breaks, and what is printable.
fn not_allowed(text: &str) -> Option<Fault> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\x20'..='\x7E' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
    let (at, c) = text.char_indices().find(|&(_, c)| !allowed(c))?;
    let place = end_of(text.get(..at).unwrap_or_default());
    let message = format!("not valid YAML: the character U+{:04X} is not allowed", u32::from(c));
    let failure = Failure::new(Kind::Syntax, message, Some(place));
    Some(Fault { bytes: at..at + c.len_utf8(), total: text.len(), failure })
}
