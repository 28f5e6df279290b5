//! Bytes to text, as the network's YAML reader does it: UTF-8, or UTF-16 announced by a byte order mark.

use std::borrow::Cow;

use crate::diagnostic::Kind;
use crate::yaml::{self, Failure, Fault, MAX_BYTES};

/// The text of the bytes, and what is wrong with what follows it: whether that matters is for the parser to say, which may
/// not read so far. Errors when they are too many or not UTF-16 as announced.
pub(crate) fn text(bytes: &[u8]) -> Result<(Cow<'_, str>, Option<Fault>), Failure> {
    if bytes.len() > 2 * MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Failure::new(Kind::Bounds, message, None));
    }
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            let fault = bytes.get(valid.len()).map(|first| {
                let width = match first.leading_ones() {
                    2 => 2,
                    3 => 3,
                    4 => 4,
                    _ => 1,
                };
                let failure = Failure::new(Kind::Syntax, "the file is not UTF-8", Some(yaml::end_of(valid)));
                Fault { bytes: valid.len()..valid.len() + width, total: bytes.len(), failure }
            });
            Ok((Cow::Borrowed(valid), fault))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<(Cow<'_, str>, Option<Fault>), Failure> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    // The mark stays, so that one behind it is not taken for it.
    let units = std::iter::once(0xFEFF).chain(pairs.iter().copied().map(unit));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok((Cow::Owned(text), None)),
        _ => Err(Failure::new(Kind::Syntax, "the file is not UTF-16", None)),
    }
}
