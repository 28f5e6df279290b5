//! Durations as arguments: `90s`, `5m`, `72h`, `14d`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tfplugin::{Attribute, Dynamic, Value};

/// Reads a duration: a whole number above 0 and a unit (`s`, `m`, `h`, `d`). The error says what the form is.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let form = || {
        format!("`{text}` is not a duration: a whole number and a unit, such as `90s`, `5m`, `72h` or `14d`")
    };
    let seconds = match text.char_indices().last() {
        Some((_, 's')) => 1,
        Some((_, 'm')) => 60,
        Some((_, 'h')) => 3_600,
        Some((_, 'd')) => 86_400,
        _ => return Err(form()),
    };
    let digits = text.get(..text.len() - 1).unwrap_or_default();
    let count: u64 = Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(form)?;
    match count.checked_mul(seconds) {
        Some(total) if (1..=10 * 365 * 86_400).contains(&total) => Ok(Duration::from_secs(total)),
        _ => Err(format!("`{text}` is out of range: more than 0, at most ten years")),
    }
}

/// The check of an attribute that holds a duration.
pub(crate) fn check(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) => parse(text).map(drop),
        _ => Ok(()),
    }
}

/// The value of a checked attribute, or `default` where it is not set.
pub(crate) fn or(value: &Value<String>, default: Duration) -> Duration {
    value.known().and_then(|text| parse(text).ok()).unwrap_or(default)
}

/// The `timeouts` attribute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Timeouts {
    create: Value<String>,
    update: Value<String>,
    delete: Value<String>,
}

impl Timeouts {
    /// The schema of the attribute.
    pub(crate) fn attribute() -> Attribute {
        let one = |what: &str, default: &str| {
            Attribute::string().optional().validate(check).description(format!(
                "How long a {what} may take, for example `90s` or `1h`. Default `{default}`."
            ))
        };
        Attribute::object([
            ("create", one("create", "20m")),
            ("update", one("update", "20m")),
            ("delete", one("delete", "10m")),
        ])
        .optional()
        .description("Limits on how long operations may take.")
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
        for (text, seconds) in [("90s", 90), ("5m", 300), ("72h", 259_200), ("14d", 1_209_600)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "s",
            "5",
            "0s",
            "-5m",
            "1.5h",
            "5 m",
            "+5m",
            "5M",
            "1w",
            "99999999999999999999d",
            "5m30s",
            "ü",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
