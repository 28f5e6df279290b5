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

use crate::decode::{Decoder, shown};
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::model::{self, Document};
use crate::yaml::NodeId;
use crate::{Version, names, suggest, units};

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

/// Checks everything; errors go to the decoder's list.
pub(crate) fn document(d: &mut Decoder<'_, '_>, document: &Document<'_>, version: Version) {
    let targets: usize = document.deployment.values().map(|targets| targets.value.len()).sum();
    if targets > MAX_TARGETS {
        let message = format!("`deployment` has more than {MAX_TARGETS} entries");
        d.error(Kind::Bounds, document.deployment_key.unwrap_or_default(), rule::BOUNDS, message, None);
        return;
    }
    let mut checker = Checker { d, document, version, told: HashSet::new(), service_missing: false };
    checker.reclamation();
    checker.deployment();
    checker.endpoints();
    checker.groups();
    checker.manifest();
}

struct Checker<'c, 't, 'x, 'a> {
    d: &'c mut Decoder<'x, 'a>,
    document: &'c Document<'t>,
    version: Version,
    /// Errors already told: a service in two placements is checked twice.
    told: HashSet<(NodeId, String)>,
    /// `deployment` names a service that is not there: what only that service may use is not told as missing.
    service_missing: bool,
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
        let (node, path) = place;
        // What decoding refused is not judged again.
        if self.d.failed.contains(&node) || !self.told.insert((node, message.clone())) {
            return;
        }
        let span = Some(self.d.span(node));
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
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

    fn is_unread(&self, section: &str) -> bool {
        self.document.unread.contains(&section)
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
                    Kind::Reclamation,
                    place,
                    rule::RECLAMATION,
                    "`min_window` is missing".into(),
                    hint,
                );
            }
            Err(_) => {
                let message = format!("`{}` is not a duration", shown(text));
                self.error(Kind::Reclamation, place, rule::RECLAMATION, message, hint);
            }
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
            match entry.value {
                "ip" => {}
                "" => {
                    let message = format!("the endpoint `{}` has no `kind`", shown(name));
                    self.error(Kind::Endpoint, place.clone(), rule::SDL, message, "write `kind: ip`");
                }
                other => {
                    let message = format!("`{}` is not a kind of endpoint", shown(other));
                    self.error(Kind::Endpoint, place.clone(), rule::SDL, message, "write `kind: ip`");
                }
            }
            let unread = self.is_unread("services") || self.is_unread("deployment") || self.service_missing;
            if !used.contains(name) && !unread {
                let message = format!("the endpoint `{}` is declared but never used", shown(name));
                let hint = format!("remove it, or write `ip: {name}` beside `global: true`");
                self.error(Kind::Endpoint, place, rule::SDL, message, hint);
            }
        }
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
                if compute.is_none() && !self.is_unread("compute") {
                    let (message, hint) = match profile {
                        "" => ("the compute profile is missing".into(), "write `profile: NAME`".into()),
                        _ => (
                            format!("there is no compute profile `{}`", shown(profile)),
                            self.missing(profile, &document.compute),
                        ),
                    };
                    let node = if profile.is_empty() { target_key } else { target.profile.0 };
                    self.error(Kind::Reference, (node, format!("{path}.profile")), rule::SDL, message, hint);
                }
                self.price(placement, profile, (target_key, &path), compute.is_some());
                let Some(entry) = document.services.get(name) else {
                    self.service_missing = true;
                    if !self.is_unread("services") {
                        let message = format!("there is no service `{}`", shown(name));
                        let hint = self.missing(name, &document.services);
                        let place = (targets.key, format!("deployment.{name}"));
                        self.error(Kind::Reference, place, rule::SDL, message, hint);
                    }
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

    fn price(&mut self, placement: &str, profile: &str, target: (NodeId, &str), profile_exists: bool) {
        let document = self.document;
        let Some(infra) = document.placement.get(placement) else {
            if !self.is_unread("placement") {
                let message = format!("there is no placement profile `{}`", shown(placement));
                let hint = self.missing(placement, &document.placement);
                self.error(Kind::Reference, (target.0, target.1.into()), rule::SDL, message, hint);
            }
            return;
        };
        let path = format!("profiles.placement.{placement}.pricing");
        match infra.value.pricing.get(profile) {
            None => {
                if profile_exists {
                    let message = format!(
                        "placement `{}` has no price for the profile `{}`",
                        shown(placement),
                        shown(profile)
                    );
                    let hint = format!("add `{profile}: {{denom: uact, amount: 10000}}` under `pricing`");
                    self.error(Kind::Reference, (infra.key, path), rule::SDL, message, hint);
                }
            }
            Some(entry) => match entry.value {
                None => {
                    let message = format!("the price for the profile `{}` is empty", shown(profile));
                    let hint = "write `denom: uact` and an `amount`";
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
