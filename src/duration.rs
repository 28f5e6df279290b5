//! Durations as arguments: `90s`, `5m`, `1h30m`, `14d`.

use std::time::Duration;

use tfplugin::{Attribute, Dynamic, Field, Model, Value};

/// Ten years, in seconds: longer is a mistake.
const MOST: u64 = 10 * 365 * 86_400;

/// Reads a duration above 0: whole numbers with units (`s`, `m`, `h`, `d`), the larger unit first. The error says what the
/// form is.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    parse_from_zero(text).and_then(|duration| {
        if duration.is_zero() { Err(format!("`{text}` is out of range: more than 0")) } else { Ok(duration) }
    })
}

/// Reads a duration that may be none at all, such as `0s`.
pub(crate) fn parse_from_zero(text: &str) -> Result<Duration, String> {
    let form = || {
        format!(
            "`{text}` is not a duration: whole numbers and their units, such as `90s`, `5m`, `1h30m` or `14d`, the larger \
             unit first"
        )
    };
    let too_long = || format!("`{text}` is out of range: at most ten years");
    let mut rest = text;
    let mut larger = u64::MAX;
    let mut total = 0_u64;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0).ok_or_else(form)?;
        let (digits, tail) = rest.split_at(end);
        let mut tail = tail.chars();
        let unit = match tail.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(form()),
        };
        if unit >= larger {
            return Err(form());
        }
        larger = unit;
        let count: u64 = digits.parse().map_err(|_| too_long())?;
        total = count
            .checked_mul(unit)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MOST)
            .ok_or_else(too_long)?;
        rest = tail.as_str();
        if rest.is_empty() {
            return Ok(Duration::from_secs(total));
        }
    }
}

/// The check of an attribute that holds a duration.
pub(crate) fn check(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) => parse(text).map(drop),
        _ => Ok(()),
    }
}

/// The check of an attribute that holds a duration or none at all.
pub(crate) fn check_from_zero(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) => parse_from_zero(text).map(drop),
        _ => Ok(()),
    }
}

/// The value of a checked attribute, or `default` where it is not set.
pub(crate) fn or(value: &Value<String>, default: Duration) -> Duration {
    value.known().and_then(|text| parse(text).ok()).unwrap_or(default)
}

/// The `timeouts` attribute.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(optional)]
pub(crate) struct Timeouts {
    /// How long a create may take, for example `90s` or `1h`. Default `20m`.
    #[model(validate = check)]
    create: Value<String>,
    /// How long a update may take, for example `90s` or `1h`. Default `20m`.
    #[model(validate = check)]
    update: Value<String>,
    /// How long a delete may take, for example `90s` or `1h`. Default `10m`.
    #[model(validate = check)]
    delete: Value<String>,
}

impl Timeouts {
    /// The schema of the attribute.
    pub(crate) fn attribute() -> Attribute {
        <Self as Field>::attribute().optional().description("Limits on how long operations may take.")
    }

    /// The limit of a create, by default 20 minutes.
    pub(crate) fn create(timeouts: &Value<Self>) -> Duration {
        timeouts
            .known()
            .map_or(Duration::from_secs(20 * 60), |set| or(&set.create, Duration::from_secs(20 * 60)))
    }

    /// The limit of an update, by default 20 minutes.
    pub(crate) fn update(timeouts: &Value<Self>) -> Duration {
        timeouts
            .known()
            .map_or(Duration::from_secs(20 * 60), |set| or(&set.update, Duration::from_secs(20 * 60)))
    }

    /// The limit of a delete, by default 10 minutes.
    pub(crate) fn delete(timeouts: &Value<Self>) -> Duration {
        timeouts
            .known()
            .map_or(Duration::from_secs(10 * 60), |set| or(&set.delete, Duration::from_secs(10 * 60)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, seconds) in [
            ("90s", 90),
            ("5m", 300),
            ("72h", 259_200),
            ("14d", 1_209_600),
            ("1h30m", 5_400),
            ("5m30s", 330),
            ("1d2h3m4s", 93_784),
            ("1d30s", 86_430),
            ("0h5m", 300),
            ("90m", 5_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "5",
            "0s",
            "0h0m",
            "-5m",
            "1.5h",
            "5 m",
            "+5m",
            "5M",
            "1w",
            "99999999999999999999d",
            "3651d",
            "3650d1s",
            "30m1h",
            "1h1h",
            "1h30",
            "1hm",
            "1h 30m",
            "1h-30m",
            "ü",
            "5ü",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse_from_zero("0s"), Ok(Duration::ZERO));
        assert!(parse_from_zero("0").is_err());
    }
}
