//! What a changed SDL means for a deployment that exists: in place, a replacement, or a market change.
//!
//! The rules are the table of `reference/users.md` 3.3, over compiled groups: text, comments and key order play no part.
//! This file must not know YAML.

use crate::group::{Group, ResourceUnit};
use crate::resources::{Attribute, Endpoint, EndpointKind};
use crate::{Sdl, units};

/// Why something is not in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// SDL path, for example `profiles.compute.web.resources.cpu`; of the new SDL, or of what it no longer has.
    pub path: String,
    /// What changed, for example `CPU 500m -> 1000m`.
    pub detail: String,
}

/// What changing a deployment to another SDL takes. Both lists empty: in place (a new hash, if the manifest differs).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Needs a new deployment: resources, counts, endpoints, groups, confidential computing, reclamation.
    pub replace: Vec<Reason>,
    /// Price, `signedBy` or placement attributes: stored with the group at creation, the chain cannot change them.
    pub market: Vec<Reason>,
}

impl Change {
    fn replace(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.replace.push(Reason { path: path.into(), detail: detail.into() });
    }

    fn market(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.market.push(Reason { path: path.into(), detail: detail.into() });
    }
}

/// Compares the groups on chain with those of `next`. Services that change without changing groups are in place.
///
/// Endpoints are compared by kind and number, as providers do: the number of a leased IP is free to change.
pub fn diff(prior: &[Group], next: &Sdl) -> Change {
    let mut change = Change::default();
    for old in prior {
        if !next.groups.iter().any(|new| new.name == old.name) {
            change.replace(
                format!("profiles.placement.{}", old.name),
                format!("placement `{}` is no longer used", old.name),
            );
        }
    }
    for (index, new) in next.groups.iter().enumerate() {
        match prior.iter().find(|old| old.name == new.name) {
            None => {
                let path = format!("profiles.placement.{}", new.name);
                change.replace(path, format!("placement `{}` is new", new.name));
            }
            Some(old) => group(old, new, next, index, &mut change),
        }
    }
    change
}

/// [`diff`], and `reclamation` too, which is stored at creation.
pub fn diff_sdl(prior: &Sdl, next: &Sdl) -> Change {
    let mut change = diff(&prior.groups, next);
    if prior.reclamation != next.reclamation {
        let show = |window: Option<std::time::Duration>| {
            window.map_or("none".into(), |window| format!("{window:?}"))
        };
        let detail = format!("reclamation window {} -> {}", show(prior.reclamation), show(next.reclamation));
        change.replace("reclamation.min_window", detail);
    }
    change
}

fn group(old: &Group, new: &Group, next: &Sdl, index: usize, change: &mut Change) {
    let placement = format!("profiles.placement.{}", new.name);
    let split = |group: &Group| -> (Vec<Attribute>, Option<String>) {
        let attributes = group.requirements.attributes.clone().unwrap_or_default();
        let (tee, others): (Vec<_>, Vec<_>) =
            attributes.into_iter().partition(|attribute| attribute.key == "tee/type");
        (others, tee.into_iter().next().map(|attribute| attribute.value))
    };
    let ((old_attributes, old_tee), (new_attributes, new_tee)) = (split(old), split(new));
    if old_tee != new_tee {
        // Other nodes are needed, and the group that exists cannot ask for them.
        let show = |tee: &Option<String>| tee.clone().unwrap_or_else(|| "none".into());
        let detail = format!("confidential computing {} -> {}", show(&old_tee), show(&new_tee));
        change.replace(tee_path(next, &new.name), detail);
    }
    if old_attributes != new_attributes {
        let path = format!("{placement}.attributes");
        change.market(path, format!("attributes {} -> {}", list(&old_attributes), list(&new_attributes)));
    }
    let (old_signed, new_signed) = (&old.requirements.signed_by, &new.requirements.signed_by);
    for (field, old, new) in
        [("allOf", &old_signed.all_of, &new_signed.all_of), ("anyOf", &old_signed.any_of, &new_signed.any_of)]
    {
        // The chain does not keep null and empty apart.
        let (old, new) = (old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default());
        if old != new {
            let detail = format!("{field} [{}] -> [{}]", old.join(", "), new.join(", "));
            change.market(format!("{placement}.signedBy.{field}"), detail);
        }
    }
    if old.resources.len() != new.resources.len() {
        let detail = format!(
            "placement `{}` has {} resource units instead of {}: a service or profile was added or removed",
            new.name,
            new.resources.len(),
            old.resources.len()
        );
        change.replace("deployment", detail);
        return;
    }
    for (unit_index, (old_unit, new_unit)) in old.resources.iter().zip(&new.resources).enumerate() {
        let profile = next.profile(index, unit_index).unwrap_or_default();
        let services = services_of(next, &new.name, new_unit.resource.id);
        unit(old_unit, new_unit, Paths { placement: &new.name, profile, services: &services }, change);
    }
}

/// What SDL paths of one unit are made of.
#[derive(Clone, Copy)]
struct Paths<'p> {
    placement: &'p str,
    profile: &'p str,
    services: &'p [&'p str],
}

impl Paths<'_> {
    /// The service that a change of the unit is told about: the only one, or else `*`.
    fn service(&self) -> &str {
        match self.services {
            [service] => service,
            _ => "*",
        }
    }
}

fn unit(old: &ResourceUnit, new: &ResourceUnit, paths: Paths<'_>, change: &mut Change) {
    let (a, b) = (&old.resource, &new.resource);
    let resources = format!("profiles.compute.{}.resources", paths.profile);
    if a.cpu.units != b.cpu.units {
        change
            .replace(format!("{resources}.cpu"), format!("CPU {}m -> {}m", a.cpu.units.val, b.cpu.units.val));
    }
    if a.cpu.attributes != b.cpu.attributes {
        let detail = format!("CPU attributes {} -> {}", list(&a.cpu.attributes), list(&b.cpu.attributes));
        change.replace(format!("{resources}.cpu.attributes"), detail);
    }
    if a.memory != b.memory {
        let (old, new) = (units::show_bytes(a.memory.size.val), units::show_bytes(b.memory.size.val));
        change.replace(format!("{resources}.memory"), format!("memory {old} -> {new}"));
    }
    if a.gpu.units != b.gpu.units {
        change
            .replace(format!("{resources}.gpu"), format!("GPUs {} -> {}", a.gpu.units.val, b.gpu.units.val));
    }
    if a.gpu.attributes != b.gpu.attributes {
        let detail = format!("GPU {} -> {}", list(&a.gpu.attributes), list(&b.gpu.attributes));
        change.replace(format!("{resources}.gpu.attributes"), detail);
    }
    volumes(old, new, &format!("{resources}.storage"), change);
    if old.count != new.count {
        let path = format!("deployment.{}.{}.count", paths.service(), paths.placement);
        change.replace(path, format!("count {} -> {}", old.count, new.count));
    }
    for (kind, name) in [
        (EndpointKind::SharedHttp, "HTTP endpoints"),
        (EndpointKind::RandomPort, "port endpoints"),
        (EndpointKind::LeasedIp, "leased IPs"),
    ] {
        let count =
            |endpoints: &[Endpoint]| endpoints.iter().filter(|endpoint| endpoint.kind == kind).count();
        let (old, new) = (count(&a.endpoints), count(&b.endpoints));
        if old != new {
            change.replace(format!("services.{}.expose", paths.service()), format!("{name} {old} -> {new}"));
        }
    }
    if old.price != new.price {
        let path = format!("profiles.placement.{}.pricing.{}", paths.placement, paths.profile);
        change.market(path, format!("price {} -> {}", old.price, new.price));
    }
}

fn volumes(old: &ResourceUnit, new: &ResourceUnit, path: &str, change: &mut Change) {
    let (before, after) = (&old.resource.storage, &new.resource.storage);
    let found = change.replace.len();
    for volume in before {
        if !after.iter().any(|other| other.name == volume.name) {
            change.replace(path, format!("volume `{}` is gone", volume.name));
        }
    }
    for volume in after {
        match before.iter().find(|other| other.name == volume.name) {
            None => change.replace(path, format!("volume `{}` is new", volume.name)),
            Some(other) if other.size != volume.size => {
                let (old, new) = (units::show_bytes(other.size.val), units::show_bytes(volume.size.val));
                change.replace(path, format!("volume `{}` {old} -> {new}", volume.name));
            }
            Some(other) if other.attributes != volume.attributes => {
                let (old, new) = (list(&other.attributes), list(&volume.attributes));
                change.replace(path, format!("volume `{}` {old} -> {new}", volume.name));
            }
            Some(_) => {}
        }
    }
    // The provider compares volumes one by one in their order, so an order of its own (equal sizes) is a difference.
    if before != after && change.replace.len() == found {
        change.replace(path, "the volumes are in another order");
    }
}

fn list(attributes: &[Attribute]) -> String {
    let attributes: Vec<String> =
        attributes.iter().map(|attribute| format!("{}={}", attribute.key, attribute.value)).collect();
    format!("[{}]", attributes.join(", "))
}

fn services_of<'s>(sdl: &'s Sdl, group: &str, id: u32) -> Vec<&'s str> {
    let services = sdl.manifest.group(group).into_iter().flat_map(|group| &group.services);
    services.filter(|service| service.resources.id == id).map(|service| service.name.as_str()).collect()
}

/// Where the confidential computing of a group is asked for, or was.
fn tee_path(sdl: &Sdl, group: &str) -> String {
    let services = sdl.manifest.group(group).into_iter().flat_map(|group| &group.services);
    let mut with_tee =
        services.filter(|service| service.params.as_ref().is_some_and(|params| params.tee.is_some()));
    match with_tee.next() {
        Some(service) => format!("services.{}.params.tee", service.name),
        None => format!("profiles.placement.{group}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compile, template};

    fn sdl(edit: impl Fn(String) -> String) -> Sdl {
        let text = edit(template("web", &Default::default()).unwrap());
        let compilation = compile(&text);
        assert!(compilation.sdl.is_some(), "{:?}\n{text}", compilation.diagnostics);
        compilation.sdl.unwrap()
    }

    /// One row of the table of `reference/users.md` 3.3 each: what is replaced in the text, and the paths.
    #[test]
    fn the_table() {
        let prior = sdl(|text| text);
        let rows: &[(&str, &str, &[&str], &[&str])] = &[
            // In place.
            ("image: nginx:1.29.3", "image: nginx:1.29.4", &[], &[]),
            ("    image:", "    env: [A=b]\n    command: [x]\n    args: [y]\n    image:", &[], &[]),
            ("port: 80\n", "port: 8080\n", &[], &[]),
            ("port: 80\n", "port: 80\n        accept: [example.com]\n", &[], &[]),
            ("port: 80\n", "port: 80\n        http_options: {next_tries: 5}\n", &[], &[]),
            ("- global: true", "- global: true\n          - service: web", &[], &[]),
            ("services:", "# a comment\nservices:", &[], &[]),
            // Replace.
            ("as: 80", "as: 8081", &["services.web.expose", "services.web.expose"], &[]),
            ("units: \"0.5\"", "units: 2", &["profiles.compute.web.resources.cpu"], &[]),
            ("size: 512Mi", "size: 1Gi", &["profiles.compute.web.resources.memory"], &[]),
            ("size: 1Gi", "size: 2Gi", &["profiles.compute.web.resources.storage"], &[]),
            ("count: 1", "count: 2", &["deployment.web.dcloud.count"], &[]),
            (
                "      resources:",
                "      resources:\n        gpu: {units: 1, attributes: {vendor: {nvidia: }}}",
                &["profiles.compute.web.resources.gpu", "profiles.compute.web.resources.gpu.attributes"],
                &[],
            ),
            ("    image:", "    params: {tee: cpu}\n    image:", &["services.web.params.tee"], &[]),
            ("services:", "reclamation: {min_window: 24h}\nservices:", &["reclamation.min_window"], &[]),
            ("dcloud:", "other:", &["profiles.placement.dcloud", "profiles.placement.other"], &[]),
            // Market.
            ("amount: 10000", "amount: 20000", &[], &["profiles.placement.dcloud.pricing.web"]),
            (
                "      pricing:",
                "      signedBy: {anyOf: [akash1x]}\n      pricing:",
                &[],
                &["profiles.placement.dcloud.signedBy.anyOf"],
            ),
            (
                "      pricing:",
                "      attributes: {host: akash}\n      pricing:",
                &[],
                &["profiles.placement.dcloud.attributes"],
            ),
        ];
        for (from, to, replace, market) in rows {
            let next = sdl(|text| {
                assert!(text.contains(from), "{from}\n{text}");
                text.replace(from, to)
            });
            let change = diff_sdl(&prior, &next);
            let paths =
                |reasons: &[Reason]| reasons.iter().map(|reason| reason.path.clone()).collect::<Vec<_>>();
            assert_eq!(
                (paths(&change.replace), paths(&change.market)),
                (
                    replace.iter().map(ToString::to_string).collect(),
                    market.iter().map(ToString::to_string).collect()
                ),
                "{from} -> {to}"
            );
        }
    }
}
