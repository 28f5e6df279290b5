//! What a YAML scalar means to the network's YAML parser (gopkg.in/yaml.v3): null, bool, number or text.
//!
//! These are YAML 1.1 rules with exceptions: `on` is text unless a bool is asked for, `0777` is octal, `0o17` too, `1_000`
//! is a number. This file must not know where a scalar stands.

use crate::units;
use crate::yaml::{Content, Node};

/// A scalar's meaning. The text itself is the node's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    /// Any whole number from -2^63 to 2^64 - 1.
    Integer(i128),
    Float(f64),
    /// Text, also dates and what has an unknown tag.
    Text,
    /// An explicit tag that the text does not fit, for example `!!int x`.
    Misfit,
    /// `!!binary`: text in base64.
    Binary,
}

/// The meaning of a scalar node; other nodes are text.
pub(crate) fn resolve(node: &Node<'_>) -> Scalar {
    let Content::Scalar { text, plain } = &node.content else { return Scalar::Text };
    let Some(tag) = node.tag.as_deref() else {
        return if *plain { implicit(text) } else { Scalar::Text };
    };
    let meaning = implicit(text);
    match (tag, meaning) {
        ("!!str", _) => Scalar::Text,
        ("!!binary", _) => Scalar::Binary,
        ("!!null", Scalar::Null)
        | ("!!bool", Scalar::Bool(_))
        | ("!!int", Scalar::Integer(_))
        | ("!!float", Scalar::Float(_)) => meaning,
        // Whole numbers fit a float; only those of the signed range are converted.
        ("!!float", Scalar::Integer(value)) if i64::try_from(value).is_ok() => Scalar::Float(value as f64),
        ("!!timestamp", Scalar::Text) if text.as_bytes().get(4) == Some(&b'-') => Scalar::Text,
        ("!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp", _) => Scalar::Misfit,
        _ => Scalar::Text,
    }
}

/// Whether the node is null: written as `~`, `null`, or nothing at all.
pub(crate) fn is_null(node: &Node<'_>) -> bool {
    match &node.content {
        Content::Scalar { text, plain: true } if node.tag.is_none() => null_text(text),
        Content::Scalar { .. } => node.tag.as_deref() == Some("!!null"),
        _ => false,
    }
}

/// The key `<<`, unquoted or tagged as what it is.
pub(crate) fn is_merge(node: &Node<'_>) -> bool {
    match &node.content {
        Content::Scalar { text, plain } if text == "<<" => match node.tag.as_deref() {
            None => *plain,
            Some(tag) => tag == "!!merge",
        },
        _ => false,
    }
}

fn null_text(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The meaning of an unquoted text without a tag.
pub(crate) fn implicit(text: &str) -> Scalar {
    match text.as_bytes().first() {
        None => return Scalar::Null,
        Some(b'+' | b'-' | b'0'..=b'9' | b'.' | b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F') => {}
        Some(_) => return Scalar::Text,
    }
    match text {
        _ if null_text(text) => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ if text.starts_with('.') => units::float(text).map_or(Scalar::Text, Scalar::Float),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') => number(text),
        _ => Scalar::Text,
    }
}

/// A text that starts with a digit or a sign.
fn number(text: &str) -> Scalar {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if let Some(value) = integer(digits) {
        let value = if negative { -value } else { value };
        let signed = plain.len() > digits.len();
        let most = if signed { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
        if (i128::from(i64::MIN)..=most).contains(&value) {
            return Scalar::Integer(value);
        }
    }
    if is_float(digits) {
        return units::float(&plain).map_or(Scalar::Text, Scalar::Float);
    }
    Scalar::Text
}

/// Unsigned: decimal, `0x`, `0o`, `0b`, or octal with a leading zero.
fn integer(digits: &str) -> Option<i128> {
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match lower.as_deref() {
        Some("0x") => (digits.get(2..)?, 16),
        Some("0o") => (digits.get(2..)?, 8),
        Some("0b") => (digits.get(2..)?, 2),
        Some(two) if two.starts_with('0') => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // `from_str_radix` would take a second sign.
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    valid.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
}

/// `.5`, `1`, `1.`, `1.5`, each with an optional exponent. Hexadecimal floats are text here.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (digits.get(..at).unwrap_or_default(), digits.get(at + 1..)),
        None => (digits, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implicit_meanings() {
        for (text, meaning) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("null", Scalar::Null),
            ("nULL", Scalar::Text),
            ("True", Scalar::Bool(true)),
            ("on", Scalar::Text),
            ("80", Scalar::Integer(80)),
            ("0x50", Scalar::Integer(80)),
            ("0o120", Scalar::Integer(80)),
            ("0120", Scalar::Integer(80)),
            ("08", Scalar::Float(8.0)),
            ("8_0", Scalar::Integer(80)),
            ("0b1010000", Scalar::Integer(80)),
            ("-5", Scalar::Integer(-5)),
            ("80.0", Scalar::Float(80.0)),
            (".5", Scalar::Float(0.5)),
            ("1e3", Scalar::Float(1000.0)),
            ("18446744073709551615", Scalar::Integer(18_446_744_073_709_551_615)),
            ("1.10.0", Scalar::Text),
            ("2001-01-01", Scalar::Text),
            ("+", Scalar::Text),
            ("--5", Scalar::Text),
            ("0x", Scalar::Text),
            ("1e", Scalar::Text),
        ] {
            assert_eq!(implicit(text), meaning, "{text}");
        }
    }
}
