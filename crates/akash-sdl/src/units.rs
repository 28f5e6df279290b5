//! Numbers written in an SDL: CPU, bytes, GPUs, prices and durations, by the rules of the network's parser.
//!
//! The parser is a Go program: quantities go through its float parser and are cut to integers in 64-bit floats, so this
//! file does the same in floats, on purpose (`reference/akash.md` 4.3, 4.5). It must not know YAML or SDL structure.

#![allow(
    clippy::float_arithmetic,
    reason = "the network cuts float products to integers; exact arithmetic would differ"
)]

use std::time::Duration;

/// Suffixes of byte quantities. No two of them end alike, so the order does not matter.
const SUFFIXES: [(&str, u64); 12] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

/// Why a quantity is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitError {
    /// Not a number of the expected form.
    Form,
    /// Below zero.
    Negative,
    /// Beyond the range of the number type.
    Range,
}

/// CPU in millicpu: `100m` (digits only), or a number of CPUs.
pub(crate) fn cpu(text: &str) -> Result<u32, UnitError> {
    if let Some(digits) = text.strip_suffix('m') {
        return unsigned(digits).and_then(|value| u32::try_from(value).map_err(|_| UnitError::Range));
    }
    let value = float(text)? * 1000.0;
    if value < 0.0 {
        return Err(UnitError::Negative);
    }
    Ok(low_32_bits(value))
}

/// Bytes: a number, optionally with one of k, Ki, M, Mi, G, Gi, T, Ti, P, Pi, E, Ei.
pub(crate) fn bytes(text: &str) -> Result<u64, UnitError> {
    with_suffix(text, &SUFFIXES)
}

/// GPU memory in bytes: like [`bytes`], but only the suffixes of powers of two.
pub(crate) fn gpu_ram(text: &str) -> Result<u64, UnitError> {
    with_suffix(text, SUFFIXES.get(..6).unwrap_or_default())
}

/// A number of GPUs: digits only.
pub(crate) fn unsigned(text: &str) -> Result<u64, UnitError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnitError::Form);
    }
    text.parse().map_err(|_| UnitError::Range)
}

fn with_suffix(text: &str, suffixes: &[(&str, u64)]) -> Result<u64, UnitError> {
    let (number, unit) = suffixes
        .iter()
        .find_map(|&(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    // The product of a 64-bit float and the unit as a float, cut towards zero.
    let value = float(number)? * unit as f64;
    if value < 0.0 { Err(UnitError::Negative) } else { Ok(cut(value)) }
}

/// Cut to 64 bits. What does not fit is 2^63 there (on amd64), and here.
fn cut(value: f64) -> u64 {
    if value < 2.0 * TWO_TO_63 { value as u64 } else { 1 << 63 }
}

const TWO_TO_63: f64 = (1_u64 << 63) as f64;

/// What the network's build (amd64) makes of a float too large for 32 bits: the low half of the 64-bit integer. So
/// 4294968 CPUs become 704 millicpu there, and here.
fn low_32_bits(value: f64) -> u32 {
    // Not-a-number and beyond: the processor gives 2^63, whose low half is 0.
    if value < TWO_TO_63 { (value as u64) as u32 } else { 0 }
}

/// A float as Go's `strconv.ParseFloat` reads it: decimal or hexadecimal, `_` between digits, `inf`, `infinity`, `nan`;
/// no surrounding space.
pub(crate) fn float(text: &str) -> Result<f64, UnitError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    match lower.as_str() {
        "nan" => return if unsigned.len() == text.len() { Ok(f64::NAN) } else { Err(UnitError::Form) },
        "inf" | "infinity" => {
            return Ok(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ => {}
    }
    if !underscores_between_digits(&lower) {
        return Err(UnitError::Form);
    }
    let digits = lower.replace('_', "");
    let magnitude = match digits.strip_prefix("0x") {
        Some(hex) => hexadecimal(hex)?,
        None if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            digits.parse().map_err(|_| UnitError::Form)?
        }
        None => return Err(UnitError::Form),
    };
    if magnitude.is_infinite() {
        return Err(UnitError::Range);
    }
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// An underscore must stand between digits, or between a base prefix and a digit. `text` is lower case, without sign.
fn underscores_between_digits(text: &str) -> bool {
    let (body, hex, mut previous) = match text.as_bytes() {
        [b'0', base @ (b'b' | b'o' | b'x'), ..] => (text.get(2..).unwrap_or_default(), *base == b'x', '0'),
        _ => (text, false, '!'),
    };
    for c in body.chars() {
        let digit = c.is_ascii_digit() || hex && c.is_ascii_hexdigit();
        match (c, previous) {
            _ if digit => previous = '0',
            ('_', '0') => previous = '_',
            ('_', _) | (_, '_') => return false,
            _ => previous = '!',
        }
    }
    previous != '_'
}

/// Hexadecimal mantissa with the exponent (`p`) that Go demands; `text` is lower case, without `0x`.
fn hexadecimal(text: &str) -> Result<f64, UnitError> {
    let (mantissa, exponent) = text.split_once('p').ok_or(UnitError::Form)?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnitError::Form);
    }
    // Exponents beyond these give zero or infinity whatever the mantissa.
    let exponent: i32 = digits.parse::<i32>().unwrap_or(100_000).min(100_000)
        * if exponent.starts_with('-') { -1 } else { 1 };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(UnitError::Form);
    }
    let (mut value, mut scale) = (0.0_f64, exponent);
    for (digit, in_fraction) in whole.chars().map(|c| (c, false)).chain(fraction.chars().map(|c| (c, true))) {
        value = value * 16.0 + f64::from(digit.to_digit(16).ok_or(UnitError::Form)?);
        scale -= if in_fraction { 4 } else { 0 };
    }
    // In two steps, so that a large mantissa with a small exponent does not underflow on the way.
    Ok(value * 2.0_f64.powi(scale / 2) * 2.0_f64.powi(scale - scale / 2))
}

/// A duration as Go's `time.ParseDuration` reads it (`1h30m`, `24h`, `1.5h`, `-1s`, `0`), in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, UnitError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(UnitError::Form);
    }
    let mut rest = unsigned;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(UnitError::Form);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(UnitError::Form),
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| UnitError::Range)? };
        let part = whole.checked_mul(unit).and_then(|part| part.checked_add(fraction_of(fraction, unit)));
        total = part.and_then(|part| total.checked_add(part)).ok_or(UnitError::Range)?;
        if total > 1 << 63 {
            return Err(UnitError::Range);
        }
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (true, Ok(total)) => Ok(-total),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Ok(total)) => Ok(total),
        (false, Err(_)) => Err(UnitError::Range),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.fraction` × `unit` as Go computes it: in a float, from as many digits as 63 bits hold.
fn fraction_of(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
            Some(next) if next < 1 << 63 => (value, scale) = (next, scale * 10.0),
            _ => break,
        }
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// A `min_window`, if it is a positive duration.
pub(crate) fn positive(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().filter(|&nanoseconds| nanoseconds > 0).map(Duration::from_nanos)
}

/// Bytes for people: the largest power-of-two unit that divides them.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let units = SUFFIXES.get(..6).unwrap_or_default().iter().rev();
    match units.copied().find(|&(_, unit)| bytes >= unit && bytes.is_multiple_of(unit)) {
        Some((suffix, unit)) => format!("{}{suffix}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_forms() {
        for (text, value) in [
            ("100m", Ok(100)),
            ("0.5", Ok(500)),
            ("1", Ok(1000)),
            ("1e0", Ok(1000)),
            ("0x1p-1", Ok(500)),
            ("1_0", Ok(10_000)),
            ("0.0299", Ok(29)), // 29.9 cut
            ("4294968", Ok(704)),
            ("-1", Err(UnitError::Negative)),
            ("1.5m", Err(UnitError::Form)),
            ("+5m", Err(UnitError::Form)),
            ("", Err(UnitError::Form)),
            ("1 ", Err(UnitError::Form)),
            ("1_", Err(UnitError::Form)),
            ("1e400", Err(UnitError::Range)),
            ("0x1", Err(UnitError::Form)),
        ] {
            assert_eq!(cpu(text), value, "{text}");
        }
    }

    #[test]
    fn byte_forms() {
        for (text, value) in [
            ("512Mi", Ok(536_870_912)),
            ("1.5Gi", Ok(1_610_612_736)),
            ("1k", Ok(1000)),
            ("1E", Ok(1_000_000_000_000_000_000)),
            (".5Ki", Ok(512)),
            ("1.Ki", Ok(1024)),
            ("100", Ok(100)),
            ("16GB", Err(UnitError::Form)),
            ("512mi", Err(UnitError::Form)),
            ("Gi", Err(UnitError::Form)),
            ("1 Gi", Err(UnitError::Form)),
            ("-1Gi", Err(UnitError::Negative)),
        ] {
            assert_eq!(bytes(text), value, "{text}");
        }
        assert_eq!(gpu_ram("80Gi"), Ok(80 << 30));
        assert_eq!(gpu_ram("80G"), Err(UnitError::Form));
        assert_eq!(show_bytes(3 << 29), "1536Mi");
    }

    #[test]
    fn durations() {
        const HOUR: i64 = 3_600_000_000_000;
        for (text, value) in [
            ("24h", Ok(24 * HOUR)),
            ("1h30m", Ok(HOUR + HOUR / 2)),
            ("1.5h", Ok(HOUR + HOUR / 2)),
            ("0", Ok(0)),
            ("-1h", Ok(-HOUR)),
            ("1µs", Ok(1000)),
            ("24", Err(UnitError::Form)),
            ("1d", Err(UnitError::Form)),
            ("", Err(UnitError::Form)),
            ("abc", Err(UnitError::Form)),
            ("9999999999h", Err(UnitError::Range)),
        ] {
            assert_eq!(duration(text), value, "{text}");
        }
    }
}
