//! What a provider checks of a manifest before it takes it (`reference/akash.md` 4.4, 6.1). Pure.

use std::collections::BTreeMap;

use akash_proto::{
    Int,
    akash::{
        base::resources::v1beta4::{ResourceValue, Resources as ChainResources, endpoint::Kind},
        deployment::v1beta4::{Group, ResourceUnit},
    },
};
use akash_sdl::{Expose, Manifest, ManifestGroup, Resources, Service};

/// A manifest from a request's body; the error is the text of a 422 without its newline.
pub(super) fn decode(body: &[u8]) -> Result<Manifest, String> {
    // Go reads the whole JSON value before it looks at types.
    serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|error| {
        if error.is_eof() {
            "unexpected EOF".to_owned()
        } else {
            format!("invalid character in JSON at offset {}", error.column())
        }
    })?;
    serde_json::from_slice(body)
        .map_err(|_| "json: cannot unmarshal value into Go value of type manifest".to_owned())
}

/// What is wrong with the manifest as such.
pub(super) fn validate(manifest: &Manifest) -> Result<(), String> {
    let invalid = |what: String| Err(format!("invalid manifest: {what}"));
    if manifest.0.is_empty() {
        return invalid("manifest is empty".into());
    }
    let mut hosts: Vec<&String> = Vec::new();
    for group in &manifest.0 {
        if group.services.is_empty() {
            return invalid(format!("group {:?} contains no services", group.name));
        }
        if !group.services.is_sorted_by(|a, b| a.name < b.name) {
            return invalid(format!("group {:?}: services are not sorted", group.name));
        }
        for service in &group.services {
            if service.image.is_empty() {
                return invalid(format!("service {:?} has empty image name", service.name));
            }
            for expose in &service.expose {
                if expose.port == 0 || expose.port > 65_535 {
                    return invalid(format!(
                        "service {:?}: port value must be 0 < value <= 65535",
                        service.name
                    ));
                }
                hosts.extend(expose.hosts.iter().flatten());
            }
        }
    }
    if !manifest.0.iter().flat_map(|g| &g.services).flat_map(|s| &s.expose).any(|e| e.global) {
        return invalid("zero global services".into());
    }
    let count = hosts.len();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.len() != count {
        return invalid("hostname is duplicated".into());
    }
    Ok(())
}

/// Whether the manifest asks for exactly what the deployment's groups are.
pub(super) fn cross_validate<'a>(
    manifest: &Manifest,
    groups: impl Iterator<Item = &'a Group>,
) -> Result<(), String> {
    let specs: BTreeMap<&str, &[ResourceUnit]> = groups
        .filter_map(|group| group.group_spec.as_ref())
        .map(|spec| (spec.name.as_str(), spec.resources.as_slice()))
        .collect();
    let failed = |what: String| format!("manifest cross-validation error: {what}");
    if specs.len() != manifest.0.len() {
        let counts = (manifest.0.len(), specs.len());
        return Err(failed(format!(
            "group count mismatch: manifest {} != deployment {}",
            counts.0, counts.1
        )));
    }
    for group in &manifest.0 {
        let units = specs
            .get(group.name.as_str())
            .ok_or_else(|| failed(format!("group {:?} is not in the deployment", group.name)))?;
        cross_validate_group(group, units)
            .map_err(|what| failed(format!("group {:?}: {what}", group.name)))?;
    }
    Ok(())
}

/// Replicas and endpoints (HTTP, PORT, IP) that are left of a unit.
struct Left {
    count: u64,
    endpoints: [u64; 3],
}

const KINDS: [&str; 3] = ["HTTP", "PORT", "IP"];

fn cross_validate_group(group: &ManifestGroup, units: &[ResourceUnit]) -> Result<(), String> {
    let mut left: BTreeMap<u32, (Left, &ChainResources)> = BTreeMap::new();
    for unit in units {
        let Some(resource) = &unit.resource else { continue };
        let of = |kind: Kind| resource.endpoints.iter().filter(|e| e.kind() == kind).count() as u64;
        let endpoints = [of(Kind::SharedHttp), of(Kind::RandomPort), of(Kind::LeasedIp)];
        left.insert(resource.id, (Left { count: u64::from(unit.count), endpoints }, resource));
    }
    for service in &group.services {
        let (left, resource) = left.get_mut(&service.resources.id).ok_or_else(|| {
            format!("service {:?}: resources ID {} not found", service.name, service.resources.id)
        })?;
        same_resources(&service.resources, resource)
            .map_err(|what| format!("service {:?}: {what}", service.name))?;
        left.count = left
            .count
            .checked_sub(u64::from(service.count))
            .ok_or_else(|| format!("service {:?}: over-utilized replicas", service.name))?;
        for ((used, left), kind) in endpoints(service).into_iter().zip(&mut left.endpoints).zip(KINDS) {
            *left = left
                .checked_sub(used)
                .ok_or_else(|| format!("service {:?}: over-utilized {kind} endpoints", service.name))?;
        }
    }
    for (left, resource) in left.values() {
        if let Some((_, kind)) = left.endpoints.iter().zip(KINDS).find(|(n, _)| **n > 0) {
            return Err(format!("resources ID {}: under-utilized {kind} endpoints", resource.id));
        }
        if left.count > 0 {
            return Err(format!("resources ID {}: under-utilized resources", resource.id));
        }
    }
    Ok(())
}

/// How many HTTP, PORT and IP endpoints a service's exposes take.
fn endpoints(service: &Service) -> [u64; 3] {
    let global = || service.expose.iter().filter(|e| e.global);
    let http = global().filter(|e| e.is_ingress()).count();
    let ip = global().filter(|e: &&Expose| !e.ip.is_empty()).count();
    [http as u64, (global().count() - http) as u64, ip as u64]
}

fn same_resources(manifest: &Resources, chain: &ChainResources) -> Result<(), String> {
    let number = |value: Option<&ResourceValue>| value.and_then(|v| Int::try_from(v).ok()).map_or(0, |n| n.0);
    let differs = |what: &str| Err(format!("resources differ from the deployment's: {what}"));
    if manifest.cpu.units.val != number(chain.cpu.as_ref().and_then(|c| c.units.as_ref())) {
        return differs("cpu");
    }
    if manifest.memory.size.val != number(chain.memory.as_ref().and_then(|m| m.quantity.as_ref())) {
        return differs("memory");
    }
    if manifest.gpu.units.val != number(chain.gpu.as_ref().and_then(|g| g.units.as_ref())) {
        return differs("gpu");
    }
    let ours = manifest.storage.iter().map(|s| (s.name.as_str(), s.size.val));
    let theirs = chain.storage.iter().map(|s| (s.name.as_str(), number(s.quantity.as_ref())));
    if ours.eq(theirs) { Ok(()) } else { differs("storage") }
}

/// The group as a provider reads it back, lossy as recorded: no endpoints, no `tee`, `params.storage` `[]` for null, and null
/// for every other empty list.
pub(super) fn read_back(group: &ManifestGroup) -> serde_json::Value {
    let mut value = serde_json::to_value(vec![group]).unwrap_or_default();
    let services = value.pointer_mut("/0/services").and_then(serde_json::Value::as_array_mut);
    for service in services.into_iter().flatten() {
        for list in ["command", "args", "env"] {
            null_if_empty(service.get_mut(list));
        }
        for expose in
            service.get_mut("expose").and_then(serde_json::Value::as_array_mut).into_iter().flatten()
        {
            null_if_empty(expose.get_mut("hosts"));
        }
        if let Some(resources) = service.get_mut("resources").and_then(serde_json::Value::as_object_mut) {
            resources.insert("endpoints".into(), serde_json::Value::Null);
        }
        if let Some(params) = service.get_mut("params").and_then(serde_json::Value::as_object_mut) {
            params.remove("tee");
            if params.get("storage").is_some_and(serde_json::Value::is_null) {
                params.insert("storage".into(), serde_json::Value::Array(vec![]));
            }
        }
    }
    value
}

fn null_if_empty(value: Option<&mut serde_json::Value>) {
    if let Some(value) = value
        && value.as_array().is_some_and(Vec::is_empty)
    {
        *value = serde_json::Value::Null;
    }
}
