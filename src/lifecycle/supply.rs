//! Who could bid: the providers on chain, with attributes and audits, held against what a group asks for. One index for
//! the plan's warning and for what an apply says when nobody bid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use akash_chain::Registry;
use akash_proto::akash::audit::v1::AuditedProvider;
use akash_proto::akash::deployment::v1beta4::GroupSpec;
use akash_sdl::Group;
use tfplugin::{Diagnostics, Path};

use super::requirement::{Candidate, Requirement, gpu_in_words, gpus, storages};
use crate::clients::Clients;

/// How long a plan waits for the look. It goes without where the chain is slower.
const IN_PLAN: Duration = Duration::from_secs(4);
/// How long an apply that got no bid waits for it.
const AFTER_WAITING: Duration = Duration::from_secs(15);
/// So many of what there is instead are named.
const NAMED: usize = 8;

/// The providers on chain at one height.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    candidates: Vec<Candidate<'a>>,
}

impl<'a> Index<'a> {
    /// Puts each provider's audits beside it.
    pub(crate) fn new(registry: &'a Registry) -> Self {
        let mut audits: BTreeMap<&str, Vec<&AuditedProvider>> = BTreeMap::new();
        for audit in &registry.audits {
            audits.entry(&audit.owner).or_default().push(audit);
        }
        let candidate = |provider| -> Candidate<'a> {
            let provider: &akash_proto::akash::provider::v1beta4::Provider = provider;
            Candidate { provider, audits: audits.get(provider.owner.as_str()).cloned().unwrap_or_default() }
        };
        Self { candidates: registry.providers.iter().map(candidate).collect() }
    }

    /// Those that meet all of it.
    pub(crate) fn fitting(&self, wanted: &[Requirement]) -> impl Iterator<Item = &Candidate<'a>> {
        self.candidates.iter().filter(|candidate| wanted.iter().all(|one| one.met_by(candidate)))
    }

    /// What the providers have in place of what none of them has, for a typing error to be seen: values, models, auditors.
    fn instead_of(&self, requirement: &Requirement) -> String {
        let own = || self.candidates.iter().map(|candidate| &candidate.provider.attributes);
        let found: BTreeSet<String> = match requirement {
            Requirement::Attribute(wanted) => {
                let same = own().flatten().filter(|has| has.key == wanted.key);
                same.map(|has| has.value.clone()).collect()
            }
            Requirement::SignedBy(..) | Requirement::SignedByAny(..) => {
                let audits = self.candidates.iter().flat_map(|candidate| &candidate.audits);
                audits.map(|audit| audit.auditor.clone()).collect()
            }
            Requirement::Gpu(_) => {
                own().flat_map(|own| gpus(own)).map(|has| gpu_in_words(&has.key)).collect()
            }
            Requirement::Storage(_) => {
                let kinds = own().flat_map(|own| storages(own)).flatten();
                kinds.filter(|has| has.key == "class").map(|has| has.value).collect()
            }
        };
        let more = found.len().saturating_sub(NAMED);
        let mut named = found.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            named.push_str(&format!(" and {more} more"));
        }
        if named.is_empty() { "no provider has any".into() } else { format!("there is: {named}") }
    }

    /// How many providers meet each of a group's requirements, in lines; and how many meet all.
    pub(crate) fn survey(&self, group: &GroupSpec) -> (usize, String) {
        let wanted = Requirement::of(group);
        let all = self.candidates.len();
        let fitting = self.fitting(&wanted).count();
        let mut text = match fitting {
            0 => format!(
                "Of the {all} providers on chain, none meets all that group `{}` asks for",
                group.name
            ),
            some => format!(
                "Of the {all} providers on chain, {some} meet all that group `{}` asks for",
                group.name
            ),
        };
        text.push_str(if wanted.is_empty() { "." } else { ":" });
        for one in &wanted {
            match self.fitting(std::slice::from_ref(one)).count() {
                0 => text.push_str(&format!("\n- {one}: none ({})", self.instead_of(one))),
                some => text.push_str(&format!("\n- {one}: {some}")),
            }
        }
        (fitting, text)
    }
}

/// Why nobody bid on a group, as far as the chain tells: which requirement no provider meets.
pub(crate) async fn explain(clients: &Clients, group: &GroupSpec) -> String {
    let registry = match tokio::time::timeout(AFTER_WAITING, clients.chain.recent_registry()).await {
        Ok(Ok(registry)) => registry,
        Ok(Err(error)) => return format!("Who could have can't be told: {error}."),
        Err(_) => return "Who could have can't be told: the chain does not answer.".into(),
    };
    let (fitting, mut text) = Index::new(&registry).survey(group);
    if fitting > 0 {
        let most = Group::from_proto(group).ok().and_then(|group| group.max_price());
        let most =
            most.map_or_else(String::new, |most| format!(" (the group pays {most} per block at the most)"));
        text.push_str(&format!(
            "\nThose that meet it may ask more{most}, have too little free, or be offline: the chain does not know."
        ));
    }
    text
}

/// Warns in a plan of groups that no provider on chain can bid on. Says nothing where the chain does not answer soon.
pub(crate) async fn warn(clients: &Clients, groups: &[Group], diagnostics: &mut Diagnostics) {
    if clients.supply.given_up.load(Ordering::Relaxed) {
        return;
    }
    let Ok(Ok(registry)) = tokio::time::timeout(IN_PLAN, clients.chain.recent_registry()).await else {
        tracing::info!("the providers can't be looked up, so the plan does not say who could bid");
        return clients.supply.given_up.store(true, Ordering::Relaxed);
    };
    let index = Index::new(&registry);
    for group in groups.iter().map(Group::to_proto) {
        let (fitting, text) = index.survey(&group);
        if fitting == 0 {
            diagnostics.warning_at(
                &Path::root("sdl"),
                format!("No provider can bid on group `{}`", group.name),
                format!(
                    "{text}\n\nA lease of it would wait in vain. Ask for less, or wait for a provider that has it; what is \
                     on chain was looked at now."
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::provider::v1beta4::Provider;

    use super::super::requirement::tests::{NO_GPU, attributes, gpu, group};
    use super::*;

    fn registry() -> Registry {
        let provider = |owner: &str, own: &[(&str, &str)]| Provider {
            owner: owner.into(),
            attributes: attributes(own),
            ..Provider::default()
        };
        let gpu = "capabilities/gpu/vendor/nvidia/model/a100";
        Registry {
            height: 1,
            providers: vec![
                provider("p1", &[("region", "us-west"), (gpu, "true")]),
                provider("p2", &[("region", "us-east")]),
            ],
            audits: vec![AuditedProvider {
                owner: "p2".into(),
                auditor: "auditor".into(),
                attributes: attributes(&[("region", "us-east")]),
            }],
        }
    }

    #[test]
    fn what_nobody_has_is_told_with_what_there_is() {
        let registry = registry();
        let index = Index::new(&registry);
        let (fitting, text) = index.survey(&group(
            &gpu("{model: a1000}"),
            &[],
            "attributes: {region: us-west, tier: x}, signedBy: {anyOf: [me]},",
        ));
        assert_eq!(fitting, 0);
        let lines = [
            "Of the 2 providers on chain, none meets all that group `g` asks for:",
            "- attribute `region` = `us-west`: 1",
            "- attribute `tier` = `x`: none (no provider has any)",
            "- attributes signed by me (`signedBy.anyOf`): none (there is: auditor)",
            "- GPU nvidia a1000: none (there is: nvidia a100)",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    /// Each for itself is met by somebody, all together by nobody.
    #[test]
    fn all_at_once_counts() {
        let registry = registry();
        let index = Index::new(&registry);
        let (fitting, text) = index.survey(&group(&gpu(""), &[], "attributes: {region: us-east},"));
        assert_eq!(fitting, 0);
        assert!(text.contains("- attribute `region` = `us-east`: 1\n- GPU any nvidia: 1"), "{text}");
        assert_eq!(index.survey(&group(NO_GPU, &[], "")).0, 2);
        let signed = group(NO_GPU, &[], "attributes: {region: us-east}, signedBy: {allOf: [auditor]},");
        assert_eq!(index.fitting(&Requirement::of(&signed)).next().unwrap().provider.owner, "p2");
    }
}
