//! The `version` of an SDL: tolerant semantic versions, as the network's parser reads them.
//!
//! `2`, `2.0`, `02.0`, `v2.0` are 2.0; 2.1 and everything above are 2.1; all else is refused
//! (chain-sdk `go/sdl/sdl.go`, which uses blang/semver `ParseTolerant`). This file must not know what follows from it.

use crate::Version;
use crate::decode::{Decoder, shown};
use crate::diagnostic::Kind;
use crate::suggest;
use crate::yaml::NodeId;

const RULE: &str = "chain-sdk go/sdl/sdl.go";
const HINT: &str = "write `version: \"2.0\"` or `version: \"2.1\"`";

/// Finds and reads `version`. The network takes what follows the first `version` among the root's keys *and values*.
pub(crate) fn read(d: &mut Decoder<'_, '_>, root: NodeId) -> Option<Version> {
    let tree = d.tree;
    let children = tree.children(root);
    let Some(at) = children.iter().position(|&node| tree.text(node) == "version") else {
        let mut keys = tree.pairs(root).map(|(key, _)| key);
        let slip = keys.find(|&key| suggest::nearest(tree.text(key), &["version"]).is_some());
        let hint = slip.map_or(HINT, |_| "did you mean `version`?");
        d.error(
            Kind::Version,
            slip.unwrap_or(root),
            RULE,
            "the SDL has no `version`".into(),
            Some(hint.into()),
        );
        return None;
    };
    let value = children.get(at + 1).copied().unwrap_or(root);
    // An alias is not followed: its text is empty here, the name of the anchor there.
    let text = tree.text(value);
    let parsed = parse(text);
    let version = match &parsed {
        Some(version) if version.is(2, 0) => Some(Version::V2_0),
        Some(version) if version.is_2_1_or_above() => Some(Version::V2_1),
        _ => None,
    };
    if let (Some(parsed), Some(Version::V2_1)) = (&parsed, version)
        && (parsed.major, parsed.minor) != (2, 1)
    {
        let message =
            format!("there is no SDL of version `{}`: the network reads it by the rules of 2.1", shown(text));
        let hint =
            format!("{HINT}{}", if parsed.major == 3 { "; 3.x are versions of Compose files" } else { "" });
        d.under("version", value, |d| d.warning(Kind::Version, value, RULE, message, Some(hint)));
    }
    if version.is_none() {
        let message = format!("`{}` is not a supported version", shown(text));
        d.under("version", value, |d| d.error(Kind::Version, value, RULE, message, Some(HINT.into())));
    }
    version
}

struct Semver {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: bool,
}

impl Semver {
    fn is(&self, major: u64, minor: u64) -> bool {
        (self.major, self.minor, self.patch, self.prerelease) == (major, minor, 0, false)
    }

    /// A pre-release of 2.1.0 comes before it; one of any later version does not.
    fn is_2_1_or_above(&self) -> bool {
        let numbers = (self.major, self.minor, self.patch);
        numbers > (2, 1, 0) || numbers == (2, 1, 0) && !self.prerelease
    }
}

fn parse(text: &str) -> Option<Semver> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts = text.splitn(3, '.').map(without_leading_zeros);
    let (major, minor, patch) = (parts.next()?, parts.next(), parts.next());
    let last = patch.as_ref().or(minor.as_ref()).unwrap_or(&major);
    if patch.is_none() && last.contains(['+', '-']) {
        return None;
    }
    let (patch, build) = split(patch.as_deref().unwrap_or("0"), '+');
    let (patch, prerelease) = split(patch, '-');
    let identifiers_fit = build.is_none_or(|build| build.split('.').all(is_identifier))
        && prerelease.is_none_or(|prerelease| prerelease.split('.').all(is_prerelease));
    let version = Semver {
        major: number(&major)?,
        minor: number(minor.as_deref().unwrap_or("0"))?,
        patch: number(patch)?,
        prerelease: prerelease.is_some(),
    };
    identifiers_fit.then_some(version)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// `00` is `0`, `02` is `2`, `0-rc` stays.
fn without_leading_zeros(part: &str) -> String {
    if part.len() < 2 {
        return part.into();
    }
    match part.trim_start_matches('0') {
        trimmed if trimmed.starts_with(|c: char| c.is_ascii_digit()) => trimmed.into(),
        trimmed => format!("0{trimmed}"),
    }
}

/// Digits without a leading zero.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_prerelease(text: &str) -> bool {
    is_identifier(text) && (text.bytes().any(|byte| !byte.is_ascii_digit()) || number(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerant_versions() {
        for (text, is_2_0, is_2_1) in [
            ("2", true, false),
            ("2.0", true, false),
            ("2.00", true, false),
            ("v2.0", true, false),
            (" 2.0.0 ", true, false),
            ("2.0.0+build", true, false),
            ("2.1", false, true),
            ("2.5", false, true),
            ("3", false, true),
            ("2.1.1-rc1", false, true),
            ("2.0.1", false, false),
            ("2.1.0-rc1", false, false),
            ("2.0.0-rc1", false, false),
            ("2.0-rc1", false, false),
            ("1.9", false, false),
            ("", false, false),
            ("two", false, false),
            ("2.1.0.0", false, false),
        ] {
            let version = parse(text);
            let found = version.as_ref().is_some_and(|version| version.is(2, 0));
            assert_eq!(
                (found, version.is_some_and(|version| version.is_2_1_or_above())),
                (is_2_0, is_2_1),
                "{text}"
            );
        }
    }
}
