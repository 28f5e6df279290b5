//! Warnings about what the network accepts and what surely was not meant.
//!
//! Unknown keys are warned about where they are read (`suggest`); here is what needs the whole document. Nothing here
//! changes the verdict.

use std::collections::BTreeSet;

use crate::decode::{Decoder, Map, shown};
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::model::{Coin, Document, Service, section_key};
use crate::suggest::nearest;
use crate::validate::volume_path;
use crate::yaml::NodeId;

/// The only denomination that the chain takes for a deployment's price.
const DENOM: &str = "uact";
/// USDC on Akash. 1 ACT is 1 USD, and both count in millionths.
const USDC: &str = "ibc/170C677610AC31DF0904FFE09CD3B5C657492170E7E52372E48756B71E56F2F1";

/// Where the rules of this file come from.
mod rule {
    pub(super) const CHAIN: &str =
        "the chain: MsgCreateDeployment takes prices in uact only (deployment code 24)";
    pub(super) const PROVIDER: &str = "the provider daemon (bidengine/order.go)";
    pub(super) const CONFIG: &str =
        "chain-sdk go/node/deployment/v1beta4/validation_config.go (not enforced)";
    pub(super) const IMAGE: &str = "Kubernetes: a node does not pull a tag again that it has";
    pub(super) const UNUSED: &str = "the network reads only what `deployment` names";
    pub(super) const SERVICE: &str = "the network's parser does not look `to.service` up (chain-sdk go/sdl)";
    pub(super) const COUNT: &str = "chain-sdk go/sdl: a missing count is 0";
    pub(super) const COMMAND: &str = "Kubernetes: each item of `command` is one word";
}

/// Replicas, units of a group and groups of a deployment beyond which the chain's own constants say no.
const MOST_REPLICAS: u32 = 50;
const MOST_UNITS: usize = 20;
const MOST_GROUPS: usize = 20;
/// Volumes of one unit beyond which providers do not bid.
const MOST_VOLUMES: usize = 4;

/// Adds the warnings.
pub(crate) fn document(d: &mut Decoder<'_, '_>, document: &Document<'_>) {
    if d.diagnostics.iter().any(|diagnostic| diagnostic.kind == Kind::Bounds) {
        return;
    }
    let mut lint = Lint { d };
    lint.services(document);
    lint.profiles(document);
    lint.deployment(document);
}

struct Lint<'c, 't, 'a> {
    d: &'c mut Decoder<'t, 'a>,
}

impl Lint<'_, '_, '_> {
    fn warn(
        &mut self,
        kind: Kind,
        node: NodeId,
        path: String,
        rule: &'static str,
        message: String,
        hint: &str,
    ) {
        // What an error keeps from being used is not unused.
        if self.d.failed.contains(&node) || kind == Kind::Unused && self.d.has_errors {
            return;
        }
        let span = Some(self.d.span(node));
        // Nor is anything more said where an error stands.
        let is_error = |other: &Diagnostic| other.severity == Severity::Error && other.span == span;
        if self.d.has_errors && (self.d.causes.at(&path).is_some() || self.d.diagnostics.iter().any(is_error))
        {
            return;
        }
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        self.d.push(Diagnostic {
            severity: Severity::Warning,
            kind,
            message,
            span,
            path,
            rule,
            hint,
            secret: false,
        });
    }

    fn unused<T>(&mut self, what: &str, path: &str, defined: &Map<'_, T>, used: &BTreeSet<&str>) {
        for (name, entry) in defined.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("the {what} `{}` is not used", shown(name));
            let hint = "remove it, or name it under `deployment`";
            self.warn(Kind::Unused, entry.key, format!("{path}.{name}"), rule::UNUSED, message, hint);
        }
    }

    fn services(&mut self, document: &Document<'_>) {
        let (used, idle): (Vec<_>, Vec<_>) =
            document.deployment.iter().partition(|(_, targets)| !targets.value.is_empty());
        for (name, targets) in &idle {
            let message = format!("`{}` has no placement here, so it does not run", shown(name));
            let hint = "write the placement under it: `dcloud: {profile: NAME, count: 1}`";
            let path = format!("deployment.{name}");
            self.warn(Kind::Unused, targets.key, path, rule::UNUSED, message, hint);
        }
        let named: BTreeSet<&str> = document.deployment.keys().copied().collect();
        self.unused("service", "services", &document.services, &named);
        let used: BTreeSet<&str> = used.into_iter().map(|(name, _)| *name).collect();
        for (name, entry) in document.services.iter().filter(|(name, _)| used.contains(*name)) {
            self.image(name, &entry.value);
            self.command(name, &entry.value);
            self.neighbours(name, &entry.value, document);
        }
    }

    fn image(&mut self, name: &str, service: &Service<'_>) {
        let (node, image) = service.image;
        // A digest pins the image; a tag follows the last colon, unless that belongs to the registry's port.
        if image.is_empty() || image.contains('@') {
            return;
        }
        let last = image.rsplit('/').next().unwrap_or(image);
        let message = match last.split_once(':').map(|(_, tag)| tag) {
            None | Some("") => format!("the image `{}` has no tag, so it means `latest`", shown(image)),
            Some("latest") => format!("the image `{}` has the tag `latest`", shown(image)),
            Some(_) => return,
        };
        let hint = "providers keep images: name a version, so that an update really runs another image";
        self.warn(Kind::Image, node, format!("services.{name}.image"), rule::IMAGE, message, hint);
    }

    /// `to.service` that names no service.
    fn neighbours(&mut self, name: &str, service: &Service<'_>, document: &Document<'_>) {
        for expose in &service.expose {
            for to in &expose.to {
                let (node, other) = to.service;
                // That `deployment` names a service that is not there is an error.
                let is_told = document.deployment.contains_key(other);
                if other.is_empty() || document.services.contains_key(other) || is_told {
                    continue;
                }
                let names: Vec<&str> = document.services.keys().copied().take(20).collect();
                let hint = match nearest(other, &names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("defined: {}", names.join(", ")),
                };
                let message =
                    format!("`to` opens this port to the service `{}`, which is not there", shown(other));
                let path = format!("services.{name}.expose[{}].to[{}].service", expose.index, to.index);
                self.warn(Kind::Reference, node, path, rule::SERVICE, message, &hint);
            }
        }
    }

    fn command(&mut self, name: &str, service: &Service<'_>) {
        if let Some(&[word]) = service.command.as_deref()
            && word.trim().contains([' ', '\t', '\n'])
        {
            let message = "`command` is one word with spaces in it: no program has that name".into();
            let hint = "write one item a word, for example `- sh`, `- -c`, `- \"...\"`";
            self.warn(
                Kind::Command,
                service.command_node,
                format!("services.{name}.command"),
                rule::COMMAND,
                message,
                hint,
            );
        }
    }

    fn profiles(&mut self, document: &Document<'_>) {
        let targets = || document.deployment.values().flat_map(|targets| &targets.value);
        let compute: BTreeSet<&str> = targets().map(|(_, target)| target.value.profile.1).collect();
        let placement: BTreeSet<&str> = targets().map(|(name, _)| *name).collect();
        self.unused("compute profile", "profiles.compute", &document.compute, &compute);
        self.unused("placement profile", "profiles.placement", &document.placement, &placement);
        for (&name, entry) in document.placement.iter().filter(|(name, _)| placement.contains(*name)) {
            let pricing = &entry.value.pricing;
            let here: BTreeSet<&str> = targets()
                .filter(|(placement, _)| **placement == name)
                .map(|(_, target)| target.value.profile.1)
                .collect();
            for (&profile, price) in pricing {
                let path = format!("profiles.placement.{name}.pricing.{profile}");
                match price.value {
                    Some(coin) if here.contains(profile) => self.denom(&coin, &path),
                    _ if !here.contains(profile) => {
                        let message = format!("the price for `{}` is not used", shown(profile));
                        self.warn(Kind::Unused, price.key, path, rule::UNUSED, message, "remove it");
                    }
                    _ => {}
                }
            }
        }
        for (&name, entry) in document.compute.iter().filter(|(name, _)| compute.contains(*name)) {
            self.volumes(document, name, entry.key, &entry.value);
        }
    }

    fn denom(&mut self, coin: &Coin<'_>, path: &str) {
        let (node, denom) = coin.denom;
        if denom == DENOM || denom.is_empty() {
            return;
        }
        let hint = match (denom, coin.amount) {
            (USDC, Some(amount)) => format!("1 USDC is 1 ACT: write `denom: uact` and `amount: {amount}`"),
            ("uakt" | "akt", _) => {
                "write `denom: uact`; the amount is in millionths of a USD: multiply the amount in \
                                    uakt by the price of AKT in USD"
                    .into()
            }
            _ => "write `denom: uact`, and the amount in millionths of a USD".into(),
        };
        let message = format!("the price is in `{}`, which the chain refuses", shown(denom));
        self.warn(Kind::Denom, node, format!("{path}.denom"), rule::CHAIN, message, &hint);
    }

    fn volumes(
        &mut self,
        document: &Document<'_>,
        profile: &str,
        key: NodeId,
        compute: &crate::model::Compute<'_>,
    ) {
        let Some(resources) = &compute.resources else { return };
        if resources.storage.len() > MOST_VOLUMES {
            let message = format!(
                "{} volumes: providers do not bid on more than {MOST_VOLUMES}",
                resources.storage.len()
            );
            let path = format!("profiles.compute.{profile}.resources.storage");
            self.warn(Kind::Storage, key, path, rule::PROVIDER, message, "use fewer volumes");
        }
        let users = document
            .deployment
            .iter()
            .filter(|(_, targets)| targets.value.values().any(|target| target.value.profile.1 == profile));
        let services: Vec<_> = users.filter_map(|(name, _)| document.services.get(name)).collect();
        let is_mounted = |name: &str| {
            let params = services.iter().filter_map(|service| service.value.params.as_ref());
            params.into_iter().any(|params| params.storage.contains_key(name))
        };
        // The volume `default` is the container's own disk and needs no mount.
        for volume in
            resources.storage.iter().filter(|volume| volume.name != "default" && !is_mounted(volume.name))
        {
            let message = format!("the volume `{}` is not mounted by any service", shown(volume.name));
            let hint = format!("add `{}: {{mount: /path}}` to `params.storage` of the service", volume.name);
            self.warn(Kind::Unused, volume.node, volume_path(profile, volume), rule::UNUSED, message, &hint);
        }
    }

    fn deployment(&mut self, document: &Document<'_>) {
        let mut groups = std::collections::BTreeMap::<&str, usize>::new();
        for (service, targets) in &document.deployment {
            for (&placement, target) in &targets.value {
                *groups.entry(placement).or_default() += 1;
                let (node, count) = target.value.count;
                if count == 0 {
                    let (node, message) = match self.d.tree.text(self.d.tree.target(node)) {
                        "" => {
                            (target.key, format!("`{}` has no `count`, so it does not run", shown(service)))
                        }
                        _ => (node, format!("the count of `{}` is 0, so it does not run", shown(service))),
                    };
                    let path = format!("deployment.{service}.{placement}.count");
                    self.warn(Kind::Limit, node, path, rule::COUNT, message, "write `count: 1`");
                }
                if count > MOST_REPLICAS {
                    let message =
                        format!("{count} replicas are more than the {MOST_REPLICAS} that the chain foresees");
                    let path = format!("deployment.{service}.{placement}.count");
                    self.warn(Kind::Limit, node, path, rule::CONFIG, message, "");
                }
            }
        }
        let node = section_key(self.d.tree, "deployment").unwrap_or_default();
        if groups.len() > MOST_GROUPS {
            let message = format!(
                "{} placements are more than the {MOST_GROUPS} that the chain foresees",
                groups.len()
            );
            self.warn(Kind::Limit, node, "deployment".into(), rule::CONFIG, message, "");
        }
        for (placement, units) in groups.into_iter().filter(|(_, units)| *units > MOST_UNITS) {
            let message = format!(
                "placement `{}` has {units} services, more than the {MOST_UNITS} that the chain foresees",
                shown(placement)
            );
            self.warn(Kind::Limit, node, "deployment".into(), rule::CONFIG, message, "");
        }
    }
}
