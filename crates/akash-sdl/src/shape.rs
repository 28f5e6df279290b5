//! What to write where something of another shape stands, and what was left unfilled. Worked out for errors only.

use crate::yaml::{Content, NodeId, Tree};

/// What to write at a place of an SDL. `*` is any name, `[]` any item, `@` the text that stands there.
const SHAPES: &[(&str, &str)] = &[
    ("services", "write each service under its name: `web: {image: ..., expose: [...]}`"),
    ("services.*", "write `image`, `expose` and the other keys of the service under its name"),
    ("services.*.image", "write the name of one image, for example `image: nginx:1.29.3`"),
    ("services.*.env", "write a list, one variable a line: `- NAME=value`"),
    (
        "services.*.env.[]",
        "write `- NAME=value`, with `=`; put the whole item in quotes if the value has a `: ` in it",
    ),
    ("services.*.command", "write a list, one item a word: `- sh`, `- -c`, `- \"...\"`"),
    ("services.*.command.[]", "put the whole item in quotes: without them, a `: ` in it makes it a mapping"),
    ("services.*.args", "write a list, one item a word: `- --port`, `- \"80\"`"),
    ("services.*.args.[]", "put the whole item in quotes: without them, a `: ` in it makes it a mapping"),
    (
        "services.*.expose",
        "write a list with a `-` for each port: `- port: 80`, and under `port` its `as` and `to`",
    ),
    ("services.*.expose.[]", "write `- port: 80`, and under `port` its `as: 80` and `to: [{global: true}]`"),
    ("services.*.expose.[].accept", "write a list: `accept: [@]`"),
    (
        "services.*.expose.[].to",
        "write a list: `- global: true` for everybody, or `- service: NAME` for one service",
    ),
    (
        "services.*.expose.[].to.[]",
        "write `- global: true` for everybody, or `- service: NAME` for one service",
    ),
    ("services.*.expose.[].to.[].global", "write `global: true`"),
    ("services.*.expose.[].http_options", "write the options under it, for example `max_body_size: 1048576`"),
    ("services.*.params", "write `params: {storage: {NAME: {mount: /path}}}`"),
    ("services.*.params.storage", "write the name of the volume and its mount: `data: {mount: /path}`"),
    ("services.*.params.storage.*", "write `{mount: /path}` after the name of the volume"),
    ("services.*.credentials", "write `host`, `username` and `password` under it"),
    ("profiles", "write `compute` and `placement` under it"),
    ("profiles.compute", "write each profile under its name: `web: {resources: ...}`"),
    ("profiles.compute.*", "write `resources` under the name of the profile"),
    ("profiles.compute.*.resources", "write `cpu`, `memory` and `storage` under it"),
    ("profiles.compute.*.resources.cpu", "write `cpu: {units: @}`"),
    ("profiles.compute.*.resources.memory", "write `memory: {size: @}`"),
    ("profiles.compute.*.resources.storage.[]", "write `- size: @`"),
    (
        "profiles.compute.*.resources.gpu.attributes.vendor",
        "write `vendor: {nvidia: }` for any model of nvidia",
    ),
    ("profiles.compute.*.resources.gpu.attributes.vendor.nvidia", "write a list of models: `- model: a100`"),
    ("profiles.compute.*.resources.gpu.attributes.vendor.nvidia.[]", "write `- model: @`"),
    ("profiles.placement.*.attributes", "write each attribute as `key: value`, without a `-`"),
    ("profiles.placement.*.signedBy", "write `signedBy: {anyOf: [akash1...]}`"),
    (
        "profiles.placement.*.pricing",
        "write a price for each compute profile: `web: {denom: uact, amount: N}`",
    ),
    (
        "deployment",
        "write each service under its name, and under that the placement: `web: {dcloud: {profile: web, count: 1}}`",
    ),
    ("deployment.*", "write the placement under the service: `dcloud: {profile: NAME, count: 1}`"),
    ("deployment.*.*", "write `profile: NAME` and `count: 1` under the placement"),
    (
        "services.*.expose.[].port",
        "write the number alone on which the container listens, for example `port: 80`; `as` is the port outside",
    ),
    ("services.*.expose.[].as", "write a number, for example `as: 80`"),
    ("deployment.*.*.count", "write a number, for example `count: 1`"),
    ("reclamation", "write `reclamation: {min_window: @}`"),
    ("endpoints", "write the name of the endpoint and its kind: `myip: {kind: ip}`"),
    ("endpoints.*", "write `{kind: ip}` after the name of the endpoint"),
];

/// What to write at `place`, where a node of another shape stands.
pub(crate) fn hint(place: &[&str], node: &Content<'_>) -> Option<String> {
    let text = match node {
        Content::Scalar { text, .. } if text.len() <= 20 => text.as_ref(),
        _ => "...",
    };
    if let ["profiles", "placement", _, "pricing", _] = place {
        return Some(price(text));
    }
    let fits = |pattern: &str| {
        let mut parts = pattern.split('.');
        place.iter().all(|step| parts.next().is_some_and(|part| part == "*" || part == *step))
            && parts.next().is_none()
    };
    let shape = SHAPES.iter().find(|(pattern, _)| fits(pattern));
    shape.map(|(_, hint)| hint.replace('@', &text.escape_debug().to_string()))
}

/// A price in another form, of which old pages have many: `50uakt`, `1000`.
fn price(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((amount, "" | "uact")) if !amount.is_empty() => format!("write `{{denom: uact, amount: {amount}}}`"),
        Some((_, "uakt" | "akt")) => {
            "write `{denom: uact, amount: N}`, N in millionths of a USD: the chain takes no price in uakt".into()
        }
        _ => "write `{denom: uact, amount: N}`; N is the most that one replica may cost a block, in millionths of a USD"
            .into(),
    }
}

/// Whether what lies at `place` may be a secret. Then no text of the SDL may be told.
pub(crate) fn is_secret(place: &[&str]) -> bool {
    matches!(place, ["services", _, "env" | "credentials", ..])
}

/// The hint for a text in which something was to be filled in: `{{x}}`, `${X}`, `$X`, `<x>`. It never holds the text.
pub(crate) fn unfilled(tree: &Tree<'_>, node: NodeId) -> Option<String> {
    match &tree.node(node).content {
        Content::Scalar { text, .. } => unfilled_text(text),
        // `{{x}}` by itself is a mapping whose key is a mapping.
        Content::Mapping(_) => {
            let key = *tree.children(node).first()?;
            matches!(tree.node(key).content, Content::Mapping(_)).then(|| unfilled_hint("{{...}}"))
        }
        _ => None,
    }
}

/// [`unfilled`] for a part of a text.
pub(crate) fn unfilled_text(text: &str) -> Option<String> {
    form(text).map(unfilled_hint)
}

fn unfilled_hint(form: &str) -> String {
    let how = if form == "${...}" { " (Terraform's `templatefile` does)" } else { "" };
    format!("`{form}` was not filled in: put the value in its place{how}")
}

fn form(text: &str) -> Option<&'static str> {
    let between = |open: &str, close: char| {
        text.split_once(open)
            .and_then(|(_, rest)| rest.split_once(close))
            .is_some_and(|(inner, _)| !inner.is_empty())
    };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if text.contains("}}") && between("{{", '}') {
        Some("{{...}}")
    } else if between("${", '}') {
        Some("${...}")
    } else if text.strip_prefix('$').is_some_and(is_name) {
        Some("$...")
    } else if between("<", '>') {
        Some("<...>")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfilled_forms() {
        let table = [
            ("nginx:{{ tag }}", Some("{{...}}")),
            ("${TAG:-1}", Some("${...}")),
            ("$COUNT", Some("$...")),
            ("<your host>.com", Some("<...>")),
            ("$5", None),
            ("${}", None),
            ("a > b < c", None),
            ("{{", None),
            ("1Gi", None),
        ];
        for (text, expected) in table {
            assert_eq!(form(text), expected, "{text}");
        }
    }

    #[test]
    fn patterns_are_whole_paths() {
        let text = Content::Scalar { text: "1".into(), plain: true };
        let at = |place: &[&str]| hint(place, &text);
        assert_eq!(at(&["profiles", "compute", "x", "resources", "cpu"]).unwrap(), "write `cpu: {units: 1}`");
        assert_eq!(at(&["profiles", "compute", "x", "resources", "cpu", "units"]), None);
        assert_eq!(at(&[]), None);
        assert_eq!(
            at(&["profiles", "placement", "x", "pricing", "web"]).unwrap(),
            "write `{denom: uact, amount: 1}`"
        );
    }
}
