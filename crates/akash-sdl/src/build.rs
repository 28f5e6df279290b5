//! Groups and manifest from a valid document, in the network's order and with its numbering.
//!
//! Everything has been checked (`validate`); what is missing all the same becomes a zero value, as in the network's own
//! builder (chain-sdk `go/sdl/groupBuilder_v2.go`, `groupBuilder_v2_1.go`).

use std::collections::BTreeMap;

use akash_proto::Dec;

use crate::group::{Group, Price, Requirements, ResourceUnit, SignedBy};
use crate::manifest::{
    Credentials, Expose, HttpOptions, Manifest, ManifestGroup, Params, Permissions, Service, StorageParams,
    Tee,
};
use crate::model::{self, Document};
use crate::resources::{Attribute, Cpu, Endpoint, EndpointKind, Gpu, Memory, Resources, Storage};
use crate::{Sdl, Version, go_sort, units};

/// A group under construction.
#[derive(Default)]
struct Draft {
    group: Group,
    manifest: ManifestGroup,
    /// Compute profile of each unit.
    profiles: Vec<String>,
    has_tee: bool,
}

/// Compiles the document. Services are visited by name, and within one the placements by name.
pub(crate) fn sdl(document: &Document<'_>, version: Version) -> Sdl {
    let numbers = sequence_numbers(document);
    let mut drafts: BTreeMap<&str, Draft> = BTreeMap::new();
    for (&name, targets) in &document.deployment {
        let Some(service) = document.services.get(name).map(|entry| &entry.value) else { continue };
        let exposes = exposes(service, &numbers);
        for (&placement, target) in &targets.value {
            let draft = drafts.entry(placement).or_insert_with(|| new_draft(document, placement));
            add_service(draft, document, version, (name, service), &exposes, (placement, &target.value));
        }
    }
    let mut sdl = Sdl {
        version,
        groups: Vec::with_capacity(drafts.len()),
        manifest: Manifest::default(),
        reclamation: document.reclamation.and_then(|(_, text)| units::positive(units::duration(text).ok()?)),
        profiles: Vec::new(),
    };
    for draft in drafts.into_values() {
        sdl.groups.push(draft.group);
        sdl.manifest.0.push(draft.manifest);
        sdl.profiles.push(draft.profiles);
    }
    sdl
}

fn new_draft(document: &Document<'_>, name: &str) -> Draft {
    let mut draft = Draft::default();
    draft.group.name = name.into();
    draft.manifest.name = name.into();
    if let Some(placement) = document.placement.get(name).map(|entry| &entry.value) {
        let attributes = placement.attributes.iter().map(|(&key, entry)| Attribute::new(key, entry.value));
        // An empty mapping is null, unlike an empty list: the parser appends to a list that starts as null.
        let attributes = (!placement.attributes.is_empty()).then(|| attributes.collect());
        let signed_by = SignedBy { all_of: owned(&placement.all_of), any_of: owned(&placement.any_of) };
        draft.group.requirements = Requirements { attributes, signed_by };
    }
    draft
}

fn add_service(
    draft: &mut Draft,
    document: &Document<'_>,
    version: Version,
    (name, service): (&str, &model::Service<'_>),
    exposes: &[Expose],
    (placement, target): (&str, &model::Target<'_>),
) {
    let params = service.params.as_ref();
    if let Some((_, tee)) =
        params.map(|params| params.tee).filter(|(_, tee)| !tee.is_empty() && !draft.has_tee)
    {
        draft.has_tee = true;
        let attributes = draft.group.requirements.attributes.get_or_insert_default();
        attributes.push(Attribute::new("tee/type", tee));
        go_sort::sort(attributes, |a, b| a.key < b.key);
    }
    let profile = target.profile.1;
    let count = target.count.1;
    let endpoints: Vec<Endpoint> = exposes.iter().flat_map(endpoints_of).collect();
    let compute = document.compute.get(profile).and_then(|entry| entry.value.resources.as_ref());
    let mut resources = compute.map(resources).unwrap_or_default();
    resources.endpoints = endpoints;

    let units = &mut draft.group.resources;
    // 2.1: services of a placement with the same profile share one unit. 2.0: each has its own.
    let shared = match version {
        Version::V2_0 => None,
        Version::V2_1 => draft.profiles.iter().position(|bound| bound == profile),
    };
    if let Some(unit) = shared.and_then(|index| units.get_mut(index)) {
        resources.id = unit.resource.id;
        // The network's counter wraps.
        unit.count = unit.count.wrapping_add(count);
        unit.resource.endpoints.extend(resources.endpoints.iter().cloned());
        go_sort::sort(&mut unit.resource.endpoints, |a, b| a.sequence_number < b.sequence_number);
    } else {
        resources.id = u32::try_from(units.len() + 1).unwrap_or(u32::MAX);
        let price =
            document.placement.get(placement).and_then(|entry| entry.value.pricing.get(profile)?.value);
        let price =
            price.map(|coin| Price { amount: coin.amount.unwrap_or(Dec::ZERO), denom: coin.denom.1.into() });
        units.push(ResourceUnit { count, price: price.unwrap_or_default(), resource: resources.clone() });
        draft.profiles.push(profile.into());
    }
    let credentials = service.credentials.as_ref().map(|credentials| credentials_of(credentials, version));
    draft.manifest.services.push(Service {
        args: owned(&service.args),
        command: owned(&service.command),
        count,
        credentials,
        env: service.env.as_ref().map(|env| env.iter().map(|(_, text)| (*text).into()).collect()),
        expose: exposes.to_vec(),
        image: service.image.1.into(),
        name: name.into(),
        params: params.map(params_of),
        resources,
    });
}

fn owned(texts: &Option<Vec<&str>>) -> Option<Vec<String>> {
    texts.as_ref().map(|texts| texts.iter().map(|text| (*text).into()).collect())
}

/// 2.0 takes credentials as written and drops `email`; 2.1 trims all four.
fn credentials_of(credentials: &model::Credentials<'_>, version: Version) -> Credentials {
    let form = |text: &str| if version == Version::V2_1 { text.trim().to_owned() } else { text.to_owned() };
    Credentials {
        email: if version == Version::V2_1 { form(credentials.email) } else { String::new() },
        host: form(credentials.host),
        password: form(credentials.password),
        username: form(credentials.username),
    }
}

fn params_of(params: &model::Params<'_>) -> Params {
    let storage = params.storage.iter().map(|(&name, entry)| StorageParams {
        mount: entry.value.mount.1.into(),
        name: name.into(),
        read_only: entry.value.read_only,
    });
    Params {
        permissions: params
            .permissions
            .as_ref()
            .map(|read| Permissions { read: owned(read).unwrap_or_default() }),
        storage: (!params.storage.is_empty()).then(|| storage.collect()),
        tee: (!params.tee.1.is_empty()).then(|| Tee { attestation: true, kind: params.tee.1.into() }),
    }
}

fn resources(compute: &model::Resources<'_>) -> Resources {
    fn attributes<T>(amount: &model::Amount<'_, T>) -> Vec<Attribute> {
        amount.attributes.iter().map(|(key, value)| Attribute::new(key.as_ref(), *value)).collect()
    }
    let storage = compute.storage.iter().map(|volume| Storage {
        attributes: volume.attributes.iter().map(|&(key, value)| Attribute::new(key, value)).collect(),
        name: volume.name.into(),
        size: volume.size.into(),
    });
    let cpu = compute.cpu.as_ref();
    let gpu = compute.gpu.as_ref();
    Resources {
        cpu: cpu
            .map(|cpu| Cpu { attributes: attributes(cpu), units: u64::from(cpu.value).into() })
            .unwrap_or_default(),
        endpoints: Vec::new(),
        gpu: gpu.map(|gpu| Gpu { attributes: attributes(gpu), units: gpu.value.into() }).unwrap_or_default(),
        id: 0,
        memory: Memory {
            attributes: Vec::new(),
            size: compute.memory.as_ref().map_or(0, |memory| memory.value).into(),
        },
        storage: storage.collect(),
    }
}

/// One entry for each `to`, or one that reaches nobody outside where there is none; then sorted.
fn exposes(service: &model::Service<'_>, numbers: &BTreeMap<&str, u32>) -> Vec<Expose> {
    let mut exposes: Vec<Expose> = Vec::new();
    for expose in &service.expose {
        let base = Expose {
            external_port: expose.external,
            hosts: expose.accept.as_ref().map(|hosts| hosts.iter().map(|(_, host)| (*host).into()).collect()),
            http_options: http_options(&expose.http),
            port: expose.port.1,
            proto: protocol(expose.proto.1).unwrap_or_default().into(),
            ..Expose::default()
        };
        exposes.extend(expose.to.iter().map(|to| Expose {
            service: to.service.1.into(),
            global: to.global.1,
            ip: to.ip.1.into(),
            endpoint_sequence_number: match to.ip.1 {
                ip if to.global.1 && !ip.is_empty() => numbers.get(ip).copied().unwrap_or(0),
                _ => 0,
            },
            ..base.clone()
        }));
        if expose.to.is_empty() {
            exposes.push(base);
        }
    }
    fn key(expose: &Expose) -> (&str, u32, &str, bool) {
        (&expose.service, expose.port, &expose.proto, !expose.global)
    }
    go_sort::sort(&mut exposes, |a, b| key(a) < key(b));
    exposes
}

/// `TCP` or `UDP`, in any case; nothing is TCP.
pub(crate) fn protocol(text: &str) -> Option<&'static str> {
    match text.to_uppercase().as_str() {
        "" | "TCP" => Some("TCP"),
        "UDP" => Some("UDP"),
        _ => None,
    }
}

fn http_options(options: &model::HttpOptions<'_>) -> HttpOptions {
    let defaults = HttpOptions::default();
    let or = |given: u32, default: u32| if given == 0 { default } else { given };
    HttpOptions {
        max_body_size: or(options.max_body_size.1, defaults.max_body_size),
        next_cases: if options.next_cases.is_empty() {
            defaults.next_cases
        } else {
            options.next_cases.iter().map(|(_, case)| (*case).into()).collect()
        },
        next_timeout: options.next_timeout,
        next_tries: or(options.next_tries, defaults.next_tries),
        proxy_buffer_size: options.proxy_buffer_size.1,
        read_timeout: or(options.read_timeout.1, defaults.read_timeout),
        send_timeout: or(options.send_timeout.1, defaults.send_timeout),
    }
}

/// HTTP or a random port for each global expose, then its leased IP.
fn endpoints_of(expose: &Expose) -> impl Iterator<Item = Endpoint> {
    let kind = if expose.is_ingress() { EndpointKind::SharedHttp } else { EndpointKind::RandomPort };
    let port = Endpoint { kind, sequence_number: 0 };
    let ip = Endpoint { kind: EndpointKind::LeasedIp, sequence_number: expose.endpoint_sequence_number };
    let global = expose.global;
    global.then_some(port).into_iter().chain((global && !expose.ip.is_empty()).then_some(ip))
}

/// Numbers of the IP endpoints (Quirk A of `reference/akash.md`).
///
/// The network collects `ip` of every `to` but those that are global without one: so each `to` that is not global adds
/// an empty name, and an endpoint that is used twice stands there twice. The list is sorted, and a name's number is the
/// position of its last occurrence, from 1. One endpoint beside one `to: [{service: x}]` has number 2.
fn sequence_numbers<'t>(document: &Document<'t>) -> BTreeMap<&'t str, u32> {
    let services = document.deployment.keys().filter_map(|name| document.services.get(name));
    let to = services.flat_map(|service| &service.value.expose).flat_map(|expose| &expose.to);
    let mut names: Vec<&str> =
        to.filter(|to| !to.global.1 || !to.ip.1.is_empty()).map(|to| to.ip.1).collect();
    names.sort_unstable();
    (1..).zip(names).map(|(number, name)| (name, number)).collect()
}
