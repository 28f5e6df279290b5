//! Warnings about keys that the network ignores, and what was probably meant.
//!
//! This file must not know what the keys are for.

use crate::decode::{Decoder, shown};
use crate::diagnostic::Kind;
use crate::yaml::NodeId;

const RULE: &str = "the network's parser ignores keys it does not know (chain-sdk go/sdl)";

/// Keys from other formats that have another name in an SDL.
const SYNONYMS: [(&str, &str); 10] = [
    ("protocol", "proto"),
    ("environment", "env"),
    ("ports", "expose"),
    ("entrypoint", "command"),
    ("volumes", "params"),
    ("replicas", "count"),
    ("hosts", "accept"),
    ("hostnames", "accept"),
    ("signed_by", "signedBy"),
    ("read_only", "readOnly"),
];

/// Warns that `name` is not one of `known`. The decoder stands at the key.
pub(crate) fn unknown_key(d: &mut Decoder<'_, '_>, name: &str, key: NodeId, known: &[&str]) {
    if name == "depends_on" {
        let message = "`depends_on` is ignored: the network starts services in any order".into();
        let hint = "remove it, and let the service retry until what it needs is there".into();
        d.warning(Kind::Dependency, key, RULE, message, Some(hint));
        return;
    }
    let synonym =
        SYNONYMS.iter().find(|(other, meant)| *other == name && known.contains(meant)).map(|pair| pair.1);
    let hint = match synonym.or_else(|| nearest(name, known)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    d.warning(Kind::UnknownKey, key, RULE, format!("the key `{}` is ignored", shown(name)), Some(hint));
}

/// The candidate that `name` is most probably a slip of.
pub(crate) fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let most = (name.len() / 3).clamp(1, 3);
    let distance = |candidate: &str| strsim::osa_distance(&name.to_lowercase(), &candidate.to_lowercase());
    // A very long name is no slip of a short one; comparing costs the product of the lengths.
    let near = candidates
        .iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most && name.len() < 100);
    near.map(|candidate| (distance(candidate), *candidate)).filter(|(d, _)| *d <= most).min().map(|(_, c)| c)
}
