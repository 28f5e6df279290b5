//! Log lines that Terraform understands: one JSON object a line on stderr, in the form of its hclog library.

use serde_json::{Map, Value, json};
use std::fmt;
use std::io::Write;
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Terraform splits longer lines, which breaks their JSON.
const LONGEST_TEXT: usize = 48 * 1024;

/// The level that the user asks for: the provider's own variable, else that of all providers, else the general one.
/// Nothing set: only errors.
pub(super) fn level(provider: &str, variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let own = format!("TF_LOG_PROVIDER_{}", provider.to_uppercase().replace('-', "_"));
    let wanted = [own.as_str(), "TF_LOG_PROVIDER", "TF_LOG"].into_iter().find_map(variable);
    match wanted.map(|wanted| wanted.to_uppercase()).as_deref() {
        Some("TRACE" | "JSON") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("INFO") => LevelFilter::INFO,
        Some("WARN") => LevelFilter::WARN,
        Some("OFF") => LevelFilter::OFF,
        _ => LevelFilter::ERROR,
    }
}

/// Sends everything that is traced to stderr. A second call changes nothing.
pub(super) fn start(provider: &str) {
    let level = level(provider, |name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    // The libraries below trace headers and frames, which may hold tokens.
    let quiet = LevelFilter::WARN.min(level);
    let libraries = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tonic", "tower", "tokio"];
    let targets = Targets::new().with_default(level).with_targets(libraries.map(|library| (library, quiet)));
    let registry =
        tracing_subscriber::registry().with(Hclog { module: provider.to_owned() }.with_filter(targets));
    // Fails only where a subscriber is set already, as in a test.
    let _ = registry.try_init();
}

struct Hclog {
    module: String,
}

impl<S: Subscriber> Layer<S> for Hclog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = line(&self.module, event, OffsetDateTime::now_utc());
        line.push('\n');
        // One write, so that lines of several threads do not mix. Nobody is told when stderr is closed.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The three `@` members that Terraform reads without a check must be texts.
fn line(module: &str, event: &Event<'_>, now: OffsetDateTime) -> String {
    let metadata = event.metadata();
    let mut fields = Fields::default();
    event.record(&mut fields);
    let level = match *metadata.level() {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    };
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let mut members = fields.members;
    members.insert("@level".to_owned(), json!(level));
    members.insert("@message".to_owned(), json!(fields.message));
    members.insert("@module".to_owned(), json!(format!("{module}.{}", metadata.target().replace("::", "."))));
    members.insert("@timestamp".to_owned(), json!(now.format(format).unwrap_or_default()));
    let text = Value::Object(members).to_string();
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let short = json!({
        "@level": level,
        "@message": cut(&fields.message),
        "@module": module,
        "@timestamp": now.format(format).unwrap_or_default(),
    });
    short.to_string()
}

/// Escapes may make a text six times as long in JSON.
fn cut(text: &str) -> String {
    let mut end = text.len().min(LONGEST_TEXT / 8);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}... (cut)", text.get(..end).unwrap_or_default())
}

#[derive(Default)]
struct Fields {
    message: String,
    members: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            // Names with @ are hclog's own.
            name => drop(self.members.insert(name.trim_start_matches('@').to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(plain_text::shown(&format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(plain_text::shown(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_nearest_variable_decides_the_level() {
        let cases = [
            (&[][..], LevelFilter::ERROR),
            (&[("TF_LOG", "trace")], LevelFilter::TRACE),
            (&[("TF_LOG", "JSON")], LevelFilter::TRACE),
            (&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "WARN")], LevelFilter::WARN),
            (
                &[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "WARN"), ("TF_LOG_PROVIDER_MY_CLOUD", "off")],
                LevelFilter::OFF,
            ),
            (&[("TF_LOG_PROVIDER_MY_CLOUD", "Debug")], LevelFilter::DEBUG),
            (&[("TF_LOG_PROVIDER_OTHER", "DEBUG")], LevelFilter::ERROR),
        ];
        for (variables, expected) in cases {
            let find = |name: &str| {
                variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(level("my-cloud", find), expected, "{variables:?}");
        }
    }

    struct Collect(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Collect {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(line("hello", event, OffsetDateTime::UNIX_EPOCH));
        }
    }

    #[test]
    fn lines_are_hclog() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Collect(Arc::clone(&lines)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(count = 3, name = "x\u{1b}[2J", error = %"\u{202e}y", "two\nlines\u{1b}]0;title\u{7}");
            tracing::info!("{}", "\"".repeat(60_000));
            tracing::info!(a = "\"".repeat(60_000), b = "\"".repeat(60_000), "{}", "\"".repeat(60_000));
        });
        let lines = lines.lock().unwrap();
        let first: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["@level"], "warn");
        assert_eq!(first["@message"], "two\nlines");
        assert_eq!(first["@timestamp"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(first["count"], 3);
        assert_eq!((&first["name"], &first["error"]), (&json!("x"), &json!("y")));
        assert!(!lines[0].contains('\n'));
        for (line, end) in [(&lines[1], "(60000 bytes, cut)"), (&lines[2], "(cut)")] {
            assert!(line.len() < 64 * 1024, "{}", line.len());
            let read: Value = serde_json::from_str(line).unwrap();
            assert!(read["@message"].as_str().unwrap().ends_with(end));
        }
    }
}
