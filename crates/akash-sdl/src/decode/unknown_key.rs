//! Warnings about keys that the network ignores, and what was probably meant.
//!
//! What the keys are for is no concern of this file; of keys it knows what others call them, and where they belong.

use super::{Decoder, MAX_DIAGNOSTICS, shown};
use crate::cause::Cause;
use crate::diagnostic::Kind;
use crate::suggest::nearest;
use crate::yaml::NodeId;

const RULE: &str = "the network's parser ignores keys it does not know (chain-sdk go/sdl)";

/// Keys that are called otherwise in an SDL, and what to say if it is more than the name.
const SYNONYMS: &[(&str, &str, &str)] = &[
    ("environment", "env", "write `env`, a list of `NAME=value`"),
    ("ports", "expose", "write `expose: [{port: 80, as: 80, to: [{global: true}]}]`"),
    (
        "volumes",
        "params",
        "write `params: {storage: {NAME: {mount: /path}}}`, and give the compute profile a volume of that name",
    ),
    ("entrypoint", "command", ""),
    ("protocol", "proto", ""),
    ("hosts", "accept", ""),
    ("hostnames", "accept", ""),
    ("external", "as", ""),
    ("targetPort", "port", ""),
    ("mountPath", "mount", ""),
    ("path", "mount", ""),
    ("read_only", "readOnly", ""),
    ("ram", "memory", ""),
    ("mem", "memory", ""),
    ("disk", "storage", ""),
    ("cores", "units", ""),
    ("count", "units", ""),
    ("size", "units", ""),
    ("amount", "size", ""),
    ("units", "size", ""),
    ("signed_by", "signedBy", ""),
    ("price", "pricing", ""),
    ("prices", "pricing", ""),
    ("price", "amount", ""),
    ("value", "amount", ""),
    ("currency", "denom", ""),
    ("replicas", "count", ""),
    ("instances", "count", ""),
    ("registry", "host", ""),
    ("server", "host", ""),
    ("user", "username", ""),
    ("login", "username", ""),
    ("pass", "password", ""),
    ("token", "password", ""),
    ("type", "kind", ""),
];

/// Keys with the key that they belong under, and how that place is called.
const HOMES: [(&[&str], &str, &str); 6] = [
    (&["port", "as", "proto", "to", "accept", "http_options"], "expose", "in an item of `expose`"),
    (&["global", "service", "ip"], "to", "in an item of `to`"),
    (&["mount", "readOnly"], "storage", "under `storage.NAME`"),
    (&["cpu", "memory", "gpu", "storage"], "resources", "under `resources`"),
    (&["persistent", "class"], "attributes", "under `attributes`"),
    (&["denom", "amount"], "pricing", "under `pricing.PROFILE`"),
];

/// Warns that the key `name` of a mapping is not one of `known`. The decoder stands at the mapping.
pub(super) fn unknown_key<'t>(
    d: &mut Decoder<'t, '_>,
    name: &'t str,
    (mapping, key): (NodeId, NodeId),
    known: &[&str],
) {
    if d.diagnostics.len() >= MAX_DIAGNOSTICS {
        return;
    }
    if name == "depends_on" {
        let message = "`depends_on` is ignored: the network starts services in any order".into();
        let hint = "remove it, and let the service retry until what it needs is there".into();
        d.under(name, key, |d| d.warning(Kind::Dependency, key, RULE, message, Some(hint)));
        return;
    }
    let (meant, hint) = meaning(d, name, (mapping, key), known);
    let path = d.path();
    // Where secrets are, a key may be one that lost its place; what others call a known key is none.
    let is_told = !d.is_secret() || SYNONYMS.iter().any(|(other, ..)| *other == name);
    let warning = if !is_told {
        d.warning(Kind::UnknownKey, key, RULE, "a key is ignored".into(), Some(hint))
    } else {
        let message = format!("the key `{}` is ignored", shown(name));
        d.under(name, key, |d| d.warning(Kind::UnknownKey, key, RULE, message, Some(hint)))
    };
    if let (Some(meant), Some(warning)) = (meant, warning) {
        d.causes.add(format!("{path}.{meant}"), Cause::Slip(warning));
    }
}

/// The key that was probably meant, or that this one belongs under, and what to do.
fn meaning<'k>(
    d: &Decoder<'_, '_>,
    name: &str,
    (mapping, key): (NodeId, NodeId),
    known: &[&'k str],
) -> (Option<&'k str>, String) {
    let known_as = |meant: &str| known.iter().find(|known| **known == meant).copied();
    let synonym = SYNONYMS.iter().filter(|(other, ..)| *other == name);
    if let Some((meant, hint)) = synonym.filter_map(|(_, meant, hint)| Some((known_as(meant)?, *hint))).next()
    {
        let hint = if hint.is_empty() { format!("did you mean `{meant}`?") } else { hint.into() };
        return (Some(meant), hint);
    }
    if let Some(meant) = nearest(name, known) {
        return (Some(meant), format!("did you mean `{meant}`?"));
    }
    // The key above has nothing under it.
    let before = d.tree.pairs(mapping).take_while(|(other, _)| *other != key).last();
    if let Some((above, value)) = before
        && d.stands_for_null(value)
        && let Some(above) = known_as(d.tree.text(above))
    {
        return (Some(above), format!("if it belongs under `{above}`, indent it further"));
    }
    let home = HOMES.iter().filter(|(keys, ..)| keys.contains(&name));
    if let Some((above, place)) = home.filter_map(|(_, above, place)| Some((known_as(above)?, place))).next()
    {
        return (Some(above), format!("`{name}` belongs {place}"));
    }
    (None, format!("known here: {}", known.join(", ")))
}
