//! The JSON text that hashes are of.
//!
//! Go's encoder writes compact JSON and escapes `<`, `>`, `&`, U+2028 and U+2029 (`reference/akash.md` 4.1); the
//! network then sorts the keys bytewise. Types of this crate declare their fields in that order, so one pass is enough;
//! a test compares it with sorting. This file must not know what it writes.

use std::io;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Serializes a value of this crate. Texts and numbers only: it can't fail.
pub(crate) fn to_string<T: Serialize>(value: &T) -> String {
    let mut out = Vec::with_capacity(2048);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoFormatter);
    // Writing to memory does not fail, and none of our types refuses to serialize.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
}

/// SHA-256 of a text.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// serde_json already writes control characters as Go does (`\b \f \n \r \t`, else `\u00xx`); the HTML escapes are
/// what it lacks.
struct GoFormatter;

impl serde_json::ser::Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let (escape, len): (&[u8], usize) = match byte {
                b'<' => (b"\\u003c", 1),
                b'>' => (b"\\u003e", 1),
                b'&' => (b"\\u0026", 1),
                0xE2 => match bytes.get(at..at + 3) {
                    Some([0xE2, 0x80, 0xA8]) => (b"\\u2028", 3),
                    Some([0xE2, 0x80, 0xA9]) => (b"\\u2029", 3),
                    _ => continue,
                },
                _ => continue,
            };
            writer.write_all(bytes.get(written..at).unwrap_or_default())?;
            writer.write_all(escape)?;
            written = at + len;
        }
        writer.write_all(bytes.get(written..).unwrap_or_default())
    }
}
