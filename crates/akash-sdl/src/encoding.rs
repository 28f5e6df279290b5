//! Bytes to text, as the network's YAML reader does it: UTF-8, or UTF-16 announced by a byte order mark.

use std::borrow::Cow;

use crate::diagnostic::{Kind, Span};
use crate::yaml::{Failure, MAX_BYTES};

/// The text of the bytes. Errors when they are too many or not in the encoding.
pub(crate) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Failure> {
    if bytes.len() > 2 * MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Failure::new(Kind::Bounds, message, None));
    }
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line_start = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let line = number(valid.iter().filter(|byte| **byte == b'\n').count() + 1);
            let before = String::from_utf8_lossy(valid.get(line_start..).unwrap_or_default());
            let column = number(before.chars().count() + 1);
            let span = Span { line, column, end_line: line, end_column: column + 1 };
            Failure::new(Kind::Syntax, "the file is not UTF-8", Some(span))
        }),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Failure> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(unit);
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(Failure::new(Kind::Syntax, "the file is not UTF-16", None)),
    }
}
