//! Exact decimal numbers, as Terraform has them.

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

pub(super) const NUMBER: &str = "$tfplugin::Number";

/// Longest text and largest power of ten that is read. Terraform computes with 512 bits; anything longer is not a
/// number that somebody meant, and printing it would fill memory.
const MAX_DIGITS: usize = 16 * 1024;

/// An exact decimal number. `0.1` is a tenth here, never the nearest binary fraction.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(BigDecimal);

/// A text that is no number.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a decimal number")]
pub struct NumberError(String);

impl Number {
    /// The number as an unsigned integer, if it is a whole one and fits.
    pub fn to_u64(&self) -> Option<u64> {
        if self.0.is_integer() { self.0.to_u64() } else { None }
    }

    /// The number as a signed integer, if it is a whole one and fits.
    pub fn to_i64(&self) -> Option<i64> {
        if self.0.is_integer() { self.0.to_i64() } else { None }
    }

    /// The nearest double. For showing and for formats that have nothing better, never for money.
    pub fn to_f64(&self) -> Option<f64> {
        self.0.to_f64()
    }

    /// The number as an arbitrary-precision decimal.
    pub const fn as_decimal(&self) -> &BigDecimal {
        &self.0
    }

    /// Whether the number is 0.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// The exact value of a double. `None` for infinities and NaN.
    pub(crate) fn from_exact_f64(value: f64) -> Option<Self> {
        BigDecimal::try_from(value).ok().map(|number| Self(number.normalized()))
    }

    /// The shortest decimal that reads back as this double, which is what a person who wrote it meant.
    pub(super) fn from_short_f64(value: f64) -> Option<Self> {
        value.to_string().parse().ok()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let refused = || NumberError(text.chars().take(40).collect());
        if text.len() > MAX_DIGITS || text.contains('_') {
            return Err(refused());
        }
        let number = BigDecimal::from_str(text).map_err(|_| refused())?;
        let (_, scale) = number.as_bigint_and_exponent();
        if usize::try_from(scale.unsigned_abs()).map_or(true, |scale| scale > MAX_DIGITS) {
            return Err(refused());
        }
        Ok(Self(number))
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Number {
            fn from(value: $integer) -> Self {
                Self(BigDecimal::from(value))
            }
        }
    )*};
}
from_integers!(i32, i64, u32, u64, u128);

impl From<BigDecimal> for Number {
    fn from(value: BigDecimal) -> Self {
        Self(value)
    }
}

impl From<Number> for BigDecimal {
    fn from(value: Number) -> Self {
        value.0
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: serde_json::Number = self.to_string().parse().map_err(S::Error::custom)?;
        serializer.serialize_newtype_struct(NUMBER, &json)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NUMBER, NumberVisitor)
    }
}

/// Our deserializer answers with the number's text; any other hands itself over and may hold a number or a text.
struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Number, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.parse().map_err(de::Error::custom),
            serde_json::Value::Number(number) => number.to_string().parse().map_err(de::Error::custom),
            _ => Err(de::Error::custom("expected a number")),
        }
    }
}
