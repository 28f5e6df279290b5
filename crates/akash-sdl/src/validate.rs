//! The checks across a document: references between sections, limits, and what the manifest must hold.
//!
//! They are those of the network's parser after it has decoded (chain-sdk `go/sdl/v2.go` `validate`, the group limits of
//! `go/node/deployment/v1beta4`, `Manifest.Validate` of `go/manifest/v2beta3`), but all are made, not only up to the
//! first that fails. Services and profiles that `deployment` does not use are not checked, as there.

mod limits;
mod manifest;
mod service;

use std::collections::{BTreeMap, HashMap, HashSet};

use akash_proto::Dec;

use crate::cause::Cause;
use crate::decode::{Decoder, shown};
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::model::{self, Document};
use crate::yaml::{Content, NodeId};
use crate::{Version, names, shape, suggest, units};

/// Where the rules of this file come from.
mod rule {
    pub(super) const SDL: &str = "chain-sdk go/sdl/v2.go, v2_1.go (validate)";
    pub(super) const HTTP: &str = "chain-sdk go/sdl/v2.go (http_options)";
    pub(super) const TEE: &str = "chain-sdk go/sdl/tee.go";
    pub(super) const RECLAMATION: &str = "chain-sdk go/sdl/reclamation.go";
    pub(super) const STORAGE: &str = "chain-sdk go/sdl/storage.go";
    pub(super) const LIMITS: &str = "chain-sdk go/node/deployment/v1beta4/validation_config.go";
    pub(super) const GROUPS: &str = "chain-sdk go/node/deployment/v1beta4/group_validation.go";
    pub(super) const MANIFEST: &str = "chain-sdk go/manifest/v2beta3 (Validate)";
    pub(super) const BOUNDS: &str = "bounds of this program, far beyond what a deployment can be";
    pub(super) const PROTOCOL: &str = "chain-sdk go/manifest/v2beta3/parse.go";
}

/// Limits of one unit; a group may have 50 times as much (chain-sdk `validation_config.go`).
mod limit {
    pub(super) const CPU: (u64, u64) = (10, 384_000);
    pub(super) const GPU: u64 = 24;
    pub(super) const MEMORY: (u64, u64) = (1 << 20, 2 << 40);
    pub(super) const STORAGE: (u64, u64) = (5 << 20, 32 << 40);
    pub(super) const PRICE: u64 = 10_000_000;
    pub(super) const GROUP_FACTOR: u128 = 50;
}

/// Most services times placements that are looked at. The chain foresees 20 groups of 20 units.
const MAX_TARGETS: usize = 2000;

/// Where a problem is: the node to show, and the SDL path.
type Place = (NodeId, String);

/// What a verdict is drawn from. If an error is told about that, or a slip in a key keeps it from being known, the
/// verdict only follows.
enum Source {
    /// What is at this path.
    At(String),
    /// All that is at this path and below.
    Within(String),
}

/// Checks everything; errors go to the decoder's list.
pub(crate) fn document(d: &mut Decoder<'_, '_>, document: &Document<'_>, version: Version) {
    if d.halted {
        return;
    }
    let targets: usize = document.deployment.values().map(|targets| targets.value.len()).sum();
    if targets > MAX_TARGETS {
        let message = format!("`deployment` has more than {MAX_TARGETS} entries");
        let node = model::section_key(d.tree, "deployment").unwrap_or_default();
        d.error(Kind::Bounds, node, rule::BOUNDS, message, None);
        return;
    }
    let mut checker = Checker {
        d,
        document,
        version,
        told: HashSet::new(),
        service_missing: false,
        endpoint_missing: false,
        absent: HashSet::new(),
        unreachable: false,
    };
    checker.reclamation();
    checker.sections();
    checker.deployment();
    checker.manifest();
    checker.endpoints();
    checker.groups();
}

struct Checker<'c, 't, 'x, 'a> {
    d: &'c mut Decoder<'x, 'a>,
    document: &'c Document<'t>,
    version: Version,
    /// Errors already told: a service in two placements is checked twice.
    told: HashSet<(NodeId, String)>,
    /// Names of profiles that are not there and told: each is told once.
    absent: HashSet<(&'static str, &'c str)>,
    /// `deployment` names a service that is not there: what only that service may use is not told as missing.
    service_missing: bool,
    /// An `ip` names an endpoint that is not there: it may be one that is there by another name.
    endpoint_missing: bool,
    /// There is no way in at all.
    unreachable: bool,
}

impl<'c, 't> Checker<'c, 't, '_, '_> {
    fn error(
        &mut self,
        kind: Kind,
        place: Place,
        rule: &'static str,
        message: String,
        hint: impl Into<String>,
    ) {
        self.error_from(&[], kind, place, rule, message, hint);
    }

    fn error_from(
        &mut self,
        sources: &[Source],
        kind: Kind,
        place: Place,
        rule: &'static str,
        message: String,
        hint: impl Into<String>,
    ) {
        let hint = shape::unfilled(self.d.tree, place.0).unwrap_or_else(|| hint.into());
        self.tell(sources, kind, place, rule, message, hint);
    }

    fn tell(
        &mut self,
        sources: &[Source],
        kind: Kind,
        (node, path): Place,
        rule: &'static str,
        message: String,
        hint: String,
    ) {
        // What decoding refused is not judged again.
        if self.d.failed.contains(&node) || !self.told.insert((node, message.clone())) {
            return;
        }
        let causes = &self.d.causes;
        let sources = sources.iter().filter_map(|source| match source {
            Source::At(path) => causes.at(path),
            Source::Within(path) => causes.within(path),
        });
        if let Some(cause) = causes.at(&path).into_iter().chain(sources).min() {
            self.d.blame(cause, kind, &message);
            return;
        }
        // Nothing more is to be said about what is not there.
        if kind == Kind::Missing {
            self.d.causes.add(path.clone(), Cause::Told);
        }
        let span = Some(self.d.span(node));
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.d.push(Diagnostic {
            severity: Severity::Error,
            kind,
            message,
            span,
            path,
            rule,
            hint,
            secret: false,
        });
    }

    /// Whether a value is written there: neither null nor a collection.
    fn is_given(&self, node: NodeId) -> bool {
        matches!(self.d.tree.node(node).content, Content::Scalar { .. } | Content::Alias(_))
            && !self.d.stands_for_null(node)
    }

    /// What was probably meant by a name that is not defined. Few names are looked at: comparing costs time.
    fn missing<T>(&self, name: &str, defined: &crate::decode::Map<'_, T>) -> String {
        let names: Vec<&str> = defined.keys().copied().take(20).collect();
        match suggest::nearest(name, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if names.is_empty() => String::new(),
            None => format!("defined: {}", names.join(", ")),
        }
    }

    fn reclamation(&mut self) {
        let Some((node, text)) = self.document.reclamation else { return };
        let place = (node, "reclamation.min_window".to_string());
        let hint = "write a duration in hours, minutes and seconds, for example `24h`";
        match units::duration(text) {
            Ok(window) if window > 0 => {}
            Ok(_) => self.error(
                Kind::Reclamation,
                place,
                rule::RECLAMATION,
                "`min_window` must be above 0".into(),
                hint,
            ),
            Err(_) if text.is_empty() => {
                self.error(
                    Kind::Missing,
                    place,
                    rule::RECLAMATION,
                    "`reclamation` has no `min_window`".into(),
                    hint,
                );
            }
            Err(_) => {
                let message = format!("`{}` is not a duration", shown(text));
                self.error(Kind::Reclamation, place, rule::RECLAMATION, message, hint);
            }
        }
    }

    /// Sections that are empty or not there: what is missing in them is not told one by one.
    fn sections(&mut self) {
        let document = self.document;
        let place = |section: &str| {
            let key = |section| model::section_key(self.d.tree, section);
            let key = key(section).or_else(|| key("deployment")).or(self.d.tree.root);
            key.unwrap_or_default()
        };
        let (services, profiles, deployment) = (place("services"), place("profiles"), place("deployment"));
        let has_targets = document.deployment.values().any(|targets| !targets.value.is_empty());
        let (no_compute, no_placement) = (document.compute.is_empty(), document.placement.is_empty());
        let absent = [
            (
                !has_targets,
                (deployment, "deployment"),
                rule::GROUPS,
                match model::section_key(self.d.tree, "deployment") {
                    Some(_) => "`deployment` names no service with a placement",
                    None => "the SDL has no `deployment`",
                },
                "write `deployment: {SERVICE: {PLACEMENT: {profile: NAME, count: 1}}}`",
            ),
            (
                has_targets && document.services.is_empty(),
                (services, "services"),
                rule::SDL,
                "the SDL has no services",
                "write `services: {NAME: {image: ..., expose: [...]}}`",
            ),
            (
                has_targets && no_compute && no_placement,
                (profiles, "profiles"),
                rule::SDL,
                "the SDL has no profiles",
                "write `profiles`, and under it `compute` and `placement`",
            ),
            (
                has_targets && no_compute,
                (profiles, "profiles.compute"),
                rule::SDL,
                "the SDL has no compute profiles",
                "write `compute: {NAME: {resources: {cpu: ..., memory: ..., storage: ...}}}` under `profiles`",
            ),
            (
                has_targets && no_placement,
                (profiles, "profiles.placement"),
                rule::SDL,
                "the SDL has no placement profiles",
                "write `placement: {NAME: {pricing: {PROFILE: {denom: uact, amount: N}}}}` under `profiles`",
            ),
        ];
        for (_, (node, path), rule, message, hint) in absent.into_iter().filter(|(absent, ..)| *absent) {
            let sources = [Source::Within(path.into())];
            self.error_from(&sources, Kind::Missing, (node, path.into()), rule, message.into(), hint);
        }
    }

    fn endpoints(&mut self) {
        let document = self.document;
        let deployed = document.deployment.iter().filter(|(_, targets)| !targets.value.is_empty());
        let services = deployed.filter_map(|(name, _)| document.services.get(name));
        let to = services.flat_map(|service| &service.value.expose).flat_map(|expose| &expose.to);
        let used: HashSet<&str> = to.map(|to| to.ip.1).collect();
        for (name, entry) in &document.endpoints {
            let place = (entry.key, format!("endpoints.{name}"));
            if !names::is_endpoint(name) {
                let message = format!("`{}` is not a valid endpoint name", shown(name));
                let hint =
                    "use at least two lower-case letters, digits, `-` and `_`, and begin with a letter";
                self.error(Kind::Endpoint, place.clone(), rule::SDL, message, hint);
            }
            let (node, kind) = entry.value;
            let path = format!("endpoints.{name}.kind");
            if kind.is_empty() {
                let message = format!("the endpoint `{}` has no `kind`", shown(name));
                self.error(Kind::Missing, (entry.key, path), rule::SDL, message, "write `kind: ip`");
            } else if kind != "ip" {
                let message = format!("`{}` is not a kind of endpoint", shown(kind));
                self.error(Kind::Endpoint, (node, path), rule::SDL, message, "write `kind: ip`");
            }
            let may_be_used = self.service_missing || self.endpoint_missing || self.unreachable;
            if !used.contains(name) && !may_be_used {
                let message = format!("the endpoint `{}` is declared but never used", shown(name));
                let hint = format!("remove it, or write `ip: {name}` beside `global: true`");
                let sources = self.ways_in();
                self.error_from(&sources, Kind::Endpoint, place, rule::SDL, message, hint);
            }
        }
    }

    /// Where services say by which way they are reached.
    fn ways_in(&self) -> Vec<Source> {
        let mut sources: Vec<Source> =
            self.document.services.keys().map(|name| Source::At(format!("deployment.{name}"))).collect();
        for (name, _) in self.document.deployment.iter().filter(|(_, targets)| !targets.value.is_empty()) {
            sources.push(Source::Within(format!("services.{name}.expose")));
            for expose in self.document.services.get(name).iter().flat_map(|service| &service.value.expose) {
                let path = format!("services.{name}.expose[{}].to", expose.index);
                sources.extend(expose.to.iter().map(|to| Source::At(format!("{path}[{}].global", to.index))));
                sources.push(Source::At(path));
            }
        }
        sources
    }

    /// Every service of `deployment` in every placement.
    fn deployment(&mut self) {
        let document = self.document;
        // Which service holds a port of an IP endpoint.
        let mut ports: HashMap<(&str, u32, &str), &str> = HashMap::new();
        let mut tee: BTreeMap<&str, &str> = BTreeMap::new();
        for (&name, targets) in &document.deployment {
            for (&placement, target) in &targets.value {
                let path = format!("deployment.{name}.{placement}");
                let target_key = target.key;
                let target = &target.value;
                let profile = target.profile.1;
                let compute = document.compute.get(profile);
                if compute.is_none() {
                    let at = [Source::At("profiles.compute".into())];
                    let place = |node| (node, format!("{path}.profile"));
                    if profile.is_empty() {
                        let own = document.compute.keys().find(|other| **other == name);
                        let other = own.or(document.compute.keys().next()).map_or("NAME", |name| name);
                        let hint = format!("write `profile: {other}`");
                        let message = format!("the service `{}` has no `profile`", shown(name));
                        self.error_from(&at, Kind::Missing, place(target_key), rule::SDL, message, hint);
                    } else if self.absent.insert(("compute", profile)) {
                        let message = format!("there is no compute profile `{}`", shown(profile));
                        let hint = self.missing(profile, &document.compute);
                        self.error_from(
                            &at,
                            Kind::Reference,
                            place(target.profile.0),
                            rule::SDL,
                            message,
                            hint,
                        );
                    }
                }
                self.price(placement, profile, (target_key, &path), compute.is_some());
                let Some(entry) = document.services.get(name) else {
                    self.service_missing = true;
                    let message = format!("there is no service `{}`", shown(name));
                    let hint = self.missing(name, &document.services);
                    let place = (targets.key, format!("deployment.{name}"));
                    let at = [Source::At("services".into())];
                    self.error_from(&at, Kind::Reference, place, rule::SDL, message, hint);
                    continue;
                };
                let service = Named { name, key: entry.key, value: &entry.value };
                self.service(service);
                self.ports(service, &mut ports);
                if let Some(compute) = compute {
                    let resources = compute.value.resources.as_ref();
                    self.resources(profile, compute.key, resources);
                    if let Some(resources) = resources {
                        self.mounts(service, profile, resources);
                    }
                    self.tee(service, placement, resources, &mut tee);
                }
            }
        }
    }

    fn price(&mut self, placement: &'c str, profile: &str, target: (NodeId, &str), profile_exists: bool) {
        let document = self.document;
        let Some(infra) = document.placement.get(placement) else {
            if !self.absent.insert(("placement", placement)) {
                return;
            }
            let message = format!("there is no placement profile `{}`", shown(placement));
            let hint = self.missing(placement, &document.placement);
            let at = [Source::At("profiles.placement".into())];
            self.error_from(&at, Kind::Reference, (target.0, target.1.into()), rule::SDL, message, hint);
            return;
        };
        let path = format!("profiles.placement.{placement}.pricing");
        let pricing = &infra.value.pricing;
        match pricing.get(profile) {
            None if pricing.is_empty() => {
                let message = format!("the placement profile `{}` has no prices", shown(placement));
                let hint =
                    "write `pricing`, and under it for each compute profile `NAME: {denom: uact, amount: N}`";
                self.error(Kind::Missing, (infra.key, path), rule::SDL, message, hint);
            }
            None if profile_exists => {
                let message = format!(
                    "placement `{}` has no price for the profile `{}`",
                    shown(placement),
                    shown(profile)
                );
                // A price that is for no profile is probably this one's.
                let others = pricing.iter().filter(|(name, _)| !document.compute.contains_key(*name));
                let others: Vec<&str> = others.map(|(name, _)| *name).take(20).collect();
                let slip = suggest::nearest(profile, &others).and_then(|name| pricing.get(name));
                let (node, hint) = match slip {
                    Some(entry) => (entry.key, format!("did you mean `{profile}`?")),
                    None => {
                        (infra.key, format!("write `{profile}: {{denom: uact, amount: N}}` under `pricing`"))
                    }
                };
                let path = format!("{path}.{profile}");
                self.error(Kind::Reference, (node, path), rule::SDL, message, hint);
            }
            None => {}
            Some(entry) => match entry.value {
                None => {
                    let message = format!("the price for the profile `{}` is empty", shown(profile));
                    let hint = "write `denom: uact` and an `amount` under it";
                    self.error(
                        Kind::Price,
                        (entry.key, format!("{path}.{profile}")),
                        rule::SDL,
                        message,
                        hint,
                    );
                }
                Some(coin) => {
                    if coin.amount.is_none_or(|amount| amount > Dec::from(limit::PRICE)) {
                        let message = format!("the price is above {} per unit and block", limit::PRICE);
                        let place = (coin.node, format!("{path}.{profile}.amount"));
                        self.error(
                            Kind::Limit,
                            place,
                            rule::LIMITS,
                            message,
                            "the amount is in uact: 1 ACT is 1000000 uact",
                        );
                    }
                }
            },
        }
    }
}

/// SDL path of a volume.
pub(crate) fn volume_path(profile: &str, volume: &model::Volume<'_>) -> String {
    let path = format!("profiles.compute.{profile}.resources.storage");
    volume.index.map_or(path.clone(), |index| format!("{path}[{index}]"))
}

/// A service with its name and the node of the name.
#[derive(Clone, Copy)]
struct Named<'c, 't> {
    name: &'c str,
    key: NodeId,
    value: &'c model::Service<'t>,
}
