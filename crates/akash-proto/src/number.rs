//! The chain's numbers: exact, and with the wire forms that the Cosmos SDK gives them.
//!
//! This file must not know any denomination's meaning or any price rule.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
    str::FromStr,
};

use crate::akash::base::resources::v1beta4::ResourceValue;
use crate::cosmos::base::v1beta1;

/// 10^18: what a [`Dec`] is scaled by on the wire.
const SCALE: i128 = 1_000_000_000_000_000_000;

/// A number or coin that is not in its form. The text names what was read and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a decimal number of at most 18 fractional digits.
    #[error("`{0}` is not a decimal number with at most 18 digits after the point")]
    Decimal(String),
    /// Not a whole number in range.
    #[error("`{0}` is not a whole number in range")]
    Integer(String),
    /// Not AMOUNT followed by DENOM.
    #[error("`{0}` is not a coin: write the amount and the denomination together, for example `500000uact`")]
    Coin(String),
}

/// A decimal with exactly 18 fractional digits (`LegacyDec` of the Cosmos SDK), exact in 128 bits.
///
/// On the protobuf wire it is the integer scaled by 10^18 in decimal digits ([`Dec::from_wire`], [`Dec::to_wire`]).
/// [`fmt::Display`] drops trailing zeros (`27.5`); [`Dec::to_json`] gives the 18 digits of REST answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dec(i128);

impl Dec {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The value of a wire string, for example `27500000000000000000` for 27.5. An empty string is zero, as an
    /// absent proto3 field is.
    pub fn from_wire(text: &str) -> Result<Self, NumberError> {
        if text.is_empty() {
            return Ok(Self::ZERO);
        }
        text.parse().map(Self).map_err(|_| NumberError::Decimal(text.into()))
    }

    /// The wire string: the integer scaled by 10^18.
    pub fn to_wire(self) -> String {
        self.0.to_string()
    }

    /// The form of REST answers and of group JSON: always 18 fractional digits, `27.500000000000000000`.
    pub fn to_json(self) -> String {
        let (sign, whole, fraction) = self.parts();
        format!("{sign}{whole}.{fraction:018}")
    }

    /// `self` × `factor`, or `None` on overflow.
    pub fn checked_mul(self, factor: u128) -> Option<Self> {
        self.0.checked_mul(i128::try_from(factor).ok()?).map(Self)
    }

    /// `self` + `other`, or `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The whole part, towards zero (the chain's `TruncateInt`).
    pub fn trunc(self) -> i128 {
        self.0 / SCALE
    }

    /// The smallest whole number not below `self`.
    pub fn ceil(self) -> i128 {
        self.0 / SCALE + i128::from(self.0 % SCALE > 0)
    }

    /// The integer scaled by 10^18 itself.
    pub fn scaled(self) -> i128 {
        self.0
    }

    /// From the integer scaled by 10^18.
    pub fn from_scaled(scaled: i128) -> Self {
        Self(scaled)
    }

    fn parts(self) -> (&'static str, u128, u128) {
        let magnitude = self.0.unsigned_abs();
        let scale = SCALE.unsigned_abs();
        (if self.0 < 0 { "-" } else { "" }, magnitude / scale, magnitude % scale)
    }
}

impl From<u64> for Dec {
    fn from(whole: u64) -> Self {
        // 2^64 × 10^18 is below 2^127.
        Self(i128::from(whole) * SCALE)
    }
}

impl FromStr for Dec {
    type Err = NumberError;

    /// `[+-]digits[.digits]` with at most 18 fractional digits.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let error = || NumberError::Decimal(text.into());
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(error()),
            None => (unsigned, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
            return Err(error());
        }
        let whole: i128 = whole.parse().map_err(|_| error())?;
        let fraction: i128 = format!("{fraction:0<18}").parse().map_err(|_| error())?;
        let magnitude =
            whole.checked_mul(SCALE).and_then(|scaled| scaled.checked_add(fraction)).ok_or_else(error)?;
        Ok(Self(if text.starts_with('-') { -magnitude } else { magnitude }))
    }
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, fraction) = self.parts();
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:018}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Add for Dec {
    type Output = Self;

    /// Saturates; use [`Dec::checked_add`] where an overflow must be told.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Dec {
    type Output = Self;

    /// Saturates.
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Dec {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// A whole number as a `ResourceValue` holds it: ASCII decimal digits in a `bytes` field (millicpu, bytes, or a
/// count of GPUs). Absent or empty bytes are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int(pub u64);

impl Int {
    /// The value of the field's bytes. Errors when they are not digits or exceed 64 bits.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NumberError> {
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            return Ok(Self(0));
        }
        text.parse().map(Self).map_err(|_| NumberError::Integer(text.into_owned()))
    }

    /// The bytes of the field.
    pub fn to_wire(self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

impl From<Int> for ResourceValue {
    fn from(value: Int) -> Self {
        Self { val: value.to_wire() }
    }
}

impl TryFrom<&ResourceValue> for Int {
    type Error = NumberError;

    fn try_from(value: &ResourceValue) -> Result<Self, NumberError> {
        Self::from_wire(&value.val)
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A whole amount of one denomination, written `500000uact`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coin {
    /// Smallest units (uakt, uact).
    pub amount: u128,
    /// The denomination, for example `uact`.
    pub denom: String,
}

impl Coin {
    /// A coin of `amount` smallest units.
    pub fn new(amount: u128, denom: impl Into<String>) -> Self {
        Self { amount, denom: denom.into() }
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.amount, self.denom)
    }
}

impl FromStr for Coin {
    type Err = NumberError;

    /// Digits, then a denomination of the Cosmos SDK's form: a letter, then 2 to 127 of letters, digits, `/:._-`.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let error = || NumberError::Coin(text.into());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (amount, denom) = text.split_at(digits);
        let valid = denom.starts_with(|c: char| c.is_ascii_alphabetic())
            && (3..=128).contains(&denom.len())
            && denom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte));
        if !valid {
            return Err(error());
        }
        Ok(Self { amount: amount.parse().map_err(|_| error())?, denom: denom.into() })
    }
}

impl From<Coin> for v1beta1::Coin {
    fn from(coin: Coin) -> Self {
        Self { denom: coin.denom, amount: coin.amount.to_string() }
    }
}

impl TryFrom<&v1beta1::Coin> for Coin {
    type Error = NumberError;

    fn try_from(coin: &v1beta1::Coin) -> Result<Self, NumberError> {
        let amount = coin.amount.parse().map_err(|_| NumberError::Integer(coin.amount.clone()))?;
        Ok(Self { amount, denom: coin.denom.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dec_forms() {
        for (text, wire, json) in [
            ("0", "0", "0.000000000000000000"),
            ("1000", "1000000000000000000000", "1000.000000000000000000"),
            ("27.5", "27500000000000000000", "27.500000000000000000"),
            ("-0.000000000000000001", "-1", "-0.000000000000000001"),
        ] {
            let dec: Dec = text.parse().unwrap();
            assert_eq!((dec.to_wire().as_str(), dec.to_json().as_str()), (wire, json));
            assert_eq!(Dec::from_wire(wire), Ok(dec));
            assert_eq!(dec.to_string(), text);
        }
        assert_eq!("27.50".parse::<Dec>().unwrap().to_string(), "27.5");
        assert_eq!("27.5".parse::<Dec>().unwrap().ceil(), 28);
        assert_eq!("27.5".parse::<Dec>().unwrap().trunc(), 27);
    }

    #[test]
    fn dec_refuses() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "0x1",
            "1_0",
            "+-1",
            " 1",
            "1.0000000000000000000",
            "9".repeat(40).as_str(),
        ] {
            assert!(text.parse::<Dec>().is_err(), "{text}");
        }
    }

    #[test]
    fn int_is_ascii_digits() {
        assert_eq!(Int(500).to_wire(), b"500");
        assert_eq!(Int::from_wire(b"18446744073709551615"), Ok(Int(u64::MAX)));
        assert_eq!(Int::from_wire(b""), Ok(Int(0)));
        assert!(Int::from_wire(b"-1").is_err());
    }

    #[test]
    fn coin_text() {
        assert_eq!("500000uact".parse(), Ok(Coin::new(500_000, "uact")));
        assert_eq!(Coin::new(1, "ibc/AB").to_string(), "1ibc/AB");
        for text in ["uact", "5", "5.0uact", "-5uact", "5 uact", "5ua", ""] {
            assert!(text.parse::<Coin>().is_err(), "{text}");
        }
    }
}
