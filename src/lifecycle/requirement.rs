//! What a group asks of a provider, one requirement after another, and whether a provider meets it. Pure.
//!
//! The rules are the chain's for a bid (node `x/market/handler/server.go`, CreateBid), which are those of chain-sdk
//! `go/node/deployment/v1beta4/groupspec.go` (MatchRequirements, MatchResourcesRequirements) over
//! `go/node/types/attributes/v1/attribute.go`; and the daemon's, which also looks at the provider's own attributes where
//! signatures are asked for (provider `bidengine/order.go`, shouldBid).

use std::fmt;

use akash_proto::Int;
use akash_proto::akash::audit::v1::AuditedProvider;
use akash_proto::akash::base::{attributes::v1::Attribute, resources::v1beta4::Gpu};
use akash_proto::akash::deployment::v1beta4::GroupSpec;
use akash_proto::akash::provider::v1beta4::Provider;

/// A provider as it is registered, with what auditors have signed of it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) audits: Vec<&'a AuditedProvider>,
}

/// One thing that a provider must have to bid on a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Requirement {
    /// An attribute of its own.
    Attribute(Attribute),
    /// All attributes that are asked for, signed by this auditor (`signedBy.allOf`).
    SignedBy(String, Vec<Attribute>),
    /// The same, signed by any one of these (`signedBy.anyOf`).
    SignedByAny(Vec<String>, Vec<Attribute>),
    /// One of these GPUs.
    Gpu(Vec<Attribute>),
    /// Storage with all of these attributes.
    Storage(Vec<Attribute>),
}

impl Requirement {
    /// All that a group asks for, each once.
    pub(crate) fn of(group: &GroupSpec) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |one: Self| {
            if !all.contains(&one) {
                all.push(one);
            }
        };
        if let Some(asked) = &group.requirements {
            asked.attributes.iter().cloned().map(Self::Attribute).for_each(&mut add);
            if let Some(signed) = &asked.signed_by {
                let by = |auditor: &String| Self::SignedBy(auditor.clone(), asked.attributes.clone());
                signed.all_of.iter().map(by).for_each(&mut add);
                if !signed.any_of.is_empty() {
                    add(Self::SignedByAny(signed.any_of.clone(), asked.attributes.clone()));
                }
            }
        }
        for resource in group.resources.iter().filter_map(|unit| unit.resource.as_ref()) {
            if let Some(gpu) = resource.gpu.as_ref().filter(|gpu| asks(gpu)) {
                add(Self::Gpu(gpu.attributes.clone()));
            }
            let volumes = resource.storage.iter().filter(|volume| !volume.attributes.is_empty());
            volumes.map(|volume| Self::Storage(volume.attributes.clone())).for_each(&mut add);
        }
        all
    }

    /// Whether the provider meets it.
    pub(crate) fn met_by(&self, candidate: &Candidate<'_>) -> bool {
        let own = &candidate.provider.attributes;
        match self {
            Self::Attribute(wanted) => own.iter().any(|has| fits(wanted, has)),
            Self::SignedBy(auditor, wanted) => signed(candidate, auditor, wanted),
            Self::SignedByAny(auditors, wanted) => {
                auditors.iter().any(|auditor| signed(candidate, auditor, wanted))
            }
            Self::Gpu(wanted) => gpus(own).any(|has| wanted.iter().any(|wanted| fits(wanted, &has))),
            Self::Storage(wanted) => storages(own).iter().any(|has| subset(wanted, has)),
        }
    }
}

/// Whether there is a GPU at all in what a group calls one.
fn asks(gpu: &Gpu) -> bool {
    let none = gpu.units.as_ref().is_none_or(|units| Int::try_from(units) == Ok(Int(0)));
    !none && !gpu.attributes.is_empty()
}

/// Whether the auditor has signed all of these attributes. Of no attributes any signature does.
fn signed(candidate: &Candidate<'_>, auditor: &str, wanted: &[Attribute]) -> bool {
    candidate.audits.iter().any(|audit| audit.auditor == auditor && subset(wanted, &audit.attributes))
}

/// Whether each of the wanted ones is there.
fn subset(wanted: &[Attribute], has: &[Attribute]) -> bool {
    wanted.iter().all(|wanted| has.iter().any(|has| fits(wanted, has)))
}

/// The values are equal, and the wanted key, in which `*` stands for anything but `/`, matches (Go's `filepath.Match`; a
/// key can have a `*` at its end only, and none of the other characters that have a meaning there).
fn fits(wanted: &Attribute, has: &Attribute) -> bool {
    let key = match wanted.key.strip_suffix('*') {
        Some(start) => has.key.strip_prefix(start).is_some_and(|rest| !rest.contains('/')),
        None => wanted.key == has.key,
    };
    key && wanted.value == has.value
}

/// What follows `capabilities/NAME/` in a provider's keys, with the value. As the network reads them, NAME is only how
/// that part begins.
fn capabilities<'a>(own: &'a [Attribute], name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    own.iter().filter_map(move |attribute| {
        let rest = attribute.key.strip_prefix("capabilities/").filter(|rest| rest.starts_with(name))?;
        Some((rest.split_once('/')?.1, attribute.value.as_str()))
    })
}

/// The GPUs that a provider says it has, keyed as a group asks for them: `vendor/nvidia/model/a100`.
pub(super) fn gpus(own: &[Attribute]) -> impl Iterator<Item = Attribute> {
    capabilities(own, "gpu")
        .filter(|(key, _)| key.contains('/'))
        .map(|(key, value)| Attribute { key: key.into(), value: value.into() })
}

/// The kinds of storage that a provider says it has, each with its attributes: of `capabilities/storage/1/class` the
/// number tells them apart.
pub(super) fn storages(own: &[Attribute]) -> Vec<Vec<Attribute>> {
    let mut kinds: Vec<(&str, Vec<Attribute>)> = Vec::new();
    for (key, value) in capabilities(own, "storage") {
        let Some((number, name)) = key.split_once('/').filter(|(_, name)| !name.contains('/')) else {
            continue;
        };
        let attribute = Attribute { key: name.into(), value: value.into() };
        match kinds.iter_mut().find(|(known, _)| *known == number) {
            Some((_, attributes)) => attributes.push(attribute),
            None => kinds.push((number, vec![attribute])),
        }
    }
    kinds.into_iter().map(|(_, attributes)| attributes).collect()
}

/// A GPU's key in words: `nvidia a100 80Gi sxm`.
pub(super) fn gpu_in_words(key: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut parts = key.split('/');
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        match (name, value) {
            ("model", "*") => words.insert(0, "any"),
            _ => words.push(value),
        }
    }
    words.join(" ")
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |list: Vec<String>, word: &str| list.join(word);
        match self {
            Self::Attribute(one) => write!(f, "attribute `{}` = `{}`", one.key, one.value),
            Self::SignedBy(auditor, _) => write!(f, "attributes signed by {auditor} (`signedBy.allOf`)"),
            Self::SignedByAny(auditors, _) => {
                write!(f, "attributes signed by {} (`signedBy.anyOf`)", listed(auditors.clone(), " or "))
            }
            Self::Gpu(models) => {
                let models = models.iter().map(|one| gpu_in_words(&one.key)).collect();
                write!(f, "GPU {}", listed(models, " or "))
            }
            Self::Storage(attributes) => {
                let attributes = attributes.iter().map(|one| format!("`{}` = `{}`", one.key, one.value));
                write!(f, "storage with {}", listed(attributes.collect(), ", "))
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use akash_proto::akash::base::resources::v1beta4::Storage;

    use super::*;

    pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<Attribute> {
        pairs.iter().map(|(key, value)| Attribute { key: (*key).into(), value: (*value).into() }).collect()
    }

    /// The group `g` of the only placement of an SDL with these GPUs and this placement; it has a volume more where
    /// attributes of one are given.
    pub(crate) fn group(gpu: &str, volume: &[(&str, &str)], placement: &str) -> GroupSpec {
        let text = format!(
            "version: \"2.0\"\nservices:\n  web:\n    image: nginx\n    expose: [{{port: 80, to: [{{global: true}}]}}]\n\
             profiles:\n  compute:\n    web:\n      resources:\n        cpu: {{units: 1}}\n        memory: {{size: 1Gi}}\n        \
             storage: [{{size: 1Gi}}]\n        gpu: {gpu}\n  placement:\n    g: {{{placement} pricing: {{web: {{denom: uact, \
             amount: 1000}}}}}}\ndeployment:\n  web: {{g: {{profile: web, count: 1}}}}\n"
        );
        let compilation = akash_sdl::compile(&text);
        let sdl = compilation.sdl.unwrap_or_else(|| panic!("{text}\n{:?}", compilation.diagnostics));
        let mut group = sdl.groups[0].to_proto();
        if let Some(resource) = &mut group.resources[0].resource
            && !volume.is_empty()
        {
            resource.storage.push(Storage { attributes: attributes(volume), ..Storage::default() });
        }
        group
    }

    pub(crate) const NO_GPU: &str = "{units: 0}";

    /// `{units: 1, ...}` of these models, as they are written in an SDL.
    pub(crate) fn gpu(models: &str) -> String {
        format!("{{units: 1, attributes: {{vendor: {{nvidia: [{models}]}}}}}}")
    }

    fn meets(group: &GroupSpec, own: &[(&str, &str)], audits: &[(&str, &[(&str, &str)])]) -> bool {
        let provider = Provider { attributes: attributes(own), ..Provider::default() };
        let audits: Vec<_> = audits
            .iter()
            .map(|(auditor, signed)| AuditedProvider {
                auditor: (*auditor).into(),
                attributes: attributes(signed),
                ..AuditedProvider::default()
            })
            .collect();
        let candidate = Candidate { provider: &provider, audits: audits.iter().collect() };
        Requirement::of(group).iter().all(|one| one.met_by(&candidate))
    }

    #[test]
    fn attributes_must_be_there_with_their_values() {
        let wanted = group(NO_GPU, &[], "attributes: {region: us-west, tier: community},");
        for (own, fits) in [
            (&[("region", "us-west"), ("tier", "community"), ("x", "y")][..], true),
            // Of a key that is there twice either value does.
            (&[("region", "eu"), ("region", "us-west"), ("tier", "community")], true),
            (&[("region", "us-west")], false),
            (&[("region", "us-west-2"), ("tier", "community")], false),
            (&[], false),
        ] {
            assert_eq!(meets(&wanted, own, &[]), fits, "{own:?}");
        }
        let star = group(NO_GPU, &[], "attributes: {\"feat/*\": \"true\"},");
        for (own, fits) in [("feat/a", true), ("feat/", true), ("feat/a/b", false), ("feat", false)] {
            assert_eq!(meets(&star, &[(own, "true")], &[]), fits, "{own}");
        }
    }

    #[test]
    fn signatures_are_for_what_is_asked_for() {
        let own = [("region", "us-west"), ("tier", "community")];
        let signed =
            |by: &str| group(NO_GPU, &[], &format!("attributes: {{region: us-west}}, signedBy: {{{by}}},"));
        let (all, any, both) =
            (signed("allOf: [a, b]"), signed("anyOf: [a, b]"), signed("allOf: [a], anyOf: [b, c]"));
        let (region, tier) = (&own[..1], &own[1..]);
        for (wanted, audits, fits) in [
            (&all, &[("a", region), ("b", &own[..])][..], true),
            (&all, &[("a", region)], false),
            (&all, &[("a", region), ("b", tier)], false),
            (&any, &[("b", region)], true),
            (&any, &[("b", tier)], false),
            (&any, &[("c", region)], false),
            (&any, &[], false),
            (&both, &[("a", region), ("c", region)], true),
            (&both, &[("a", region)], false),
            (&both, &[("b", region), ("c", region)], false),
        ] {
            assert_eq!(meets(wanted, &own, audits), fits, "{audits:?}");
        }
        // The chain would take the signature alone; the daemon does not bid without the attribute.
        assert!(!meets(&any, tier, &[("a", region)]));
        // Nothing is asked for but a signature.
        let bare = group(NO_GPU, &[], "signedBy: {anyOf: [a]},");
        assert!(meets(&bare, &[], &[("a", &[])]) && !meets(&bare, &[], &[]));
    }

    #[test]
    fn one_of_the_gpus_is_enough() {
        let a100 = "capabilities/gpu/vendor/nvidia/model/a100";
        for (models, own, fits) in [
            ("{model: a100}", &[(a100, "true")][..], true),
            ("{model: a100}", &[(a100, "false")], false),
            ("{model: h100}, {model: a100}", &[(a100, "true")], true),
            ("{model: h100}", &[(a100, "true")], false),
            ("", &[(a100, "true")], true),
            ("", &[], false),
            // `*` is one part of the key: a provider that names its GPU with its memory alone has no such key.
            ("", &[("capabilities/gpu/vendor/nvidia/model/a100/ram/80Gi", "true")], false),
            (
                "{model: a100, ram: 80Gi}",
                &[("capabilities/gpu/vendor/nvidia/model/a100/ram/80Gi", "true")],
                true,
            ),
            ("{model: a100, ram: 80Gi}", &[(a100, "true")], false),
            (
                "{model: a100, ram: 80Gi, interface: sxm}",
                &[("capabilities/gpu/vendor/nvidia/model/a100/ram/80Gi/interface/sxm", "true")],
                true,
            ),
            ("{model: a100}", &[("capabilities/gpu/vendor/amd/model/a100", "true")], false),
        ] {
            assert_eq!(meets(&group(&gpu(models), &[], ""), own, &[]), fits, "{models} {own:?}");
        }
        assert!(meets(&group(NO_GPU, &[], ""), &[], &[]));
    }

    #[test]
    fn storage_is_of_one_kind() {
        let volume = &[("class", "beta3"), ("persistent", "true")];
        let wanted = group(NO_GPU, volume, "");
        let kinds = |one: &'static str, other: &'static str| {
            [
                ("capabilities/storage/1/class", one),
                ("capabilities/storage/1/persistent", "true"),
                ("capabilities/storage/2/class", other),
                ("capabilities/storage/2/persistent", "false"),
            ]
        };
        assert!(meets(&wanted, &kinds("beta3", "beta2"), &[]));
        assert!(!meets(&wanted, &kinds("beta2", "beta3"), &[]), "class and persistence are of two kinds");
        assert!(!meets(&wanted, &[], &[]));
        // Shared memory is asked for like any other kind.
        let ram = &[("class", "ram"), ("persistent", "false")];
        assert!(!meets(&group(NO_GPU, ram, ""), &kinds("beta3", "beta2"), &[]));
        assert!(meets(&group(NO_GPU, ram, ""), &kinds("beta3", "ram"), &[]));
    }

    #[test]
    fn in_words() {
        let volume = &[("class", "beta3"), ("persistent", "true")];
        let models = gpu("{model: a100, ram: 80Gi, interface: sxm}, {model: h100}");
        let all = group(&models, volume, "attributes: {region: eu}, signedBy: {allOf: [a], anyOf: [b, c]},");
        let words: Vec<_> = Requirement::of(&all).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "attribute `region` = `eu`",
                "attributes signed by a (`signedBy.allOf`)",
                "attributes signed by b or c (`signedBy.anyOf`)",
                "GPU nvidia a100 80Gi sxm or nvidia h100",
                "storage with `class` = `beta3`, `persistent` = `true`",
            ]
        );
        assert_eq!(gpu_in_words("vendor/nvidia/model/*"), "any nvidia");
    }
}
