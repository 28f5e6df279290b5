//! The checks across a document: references between sections, limits, and what the manifest must hold.
//!
//! They are those of the network's parser after it has decoded (chain-sdk `go/sdl/v2.go` `validate`, the group limits of
//! `go/node/deployment/v1beta4`, `Manifest.Validate` of `go/manifest/v2beta3`), but all are made, not only up to the
//! first that fails. Services and profiles that `deployment` does not use are not checked, as there.

use std::collections::{BTreeMap, HashMap, HashSet};

use akash_proto::Dec;

use crate::decode::{Decoder, shown};
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::model::{self, Document};
use crate::yaml::NodeId;
use crate::{Version, build, names, suggest, units};

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
        self.d.push(Diagnostic { severity: Severity::Error, kind, message, span, path, rule, hint });
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

    // -- one service

    fn service(&mut self, service: Named<'c, 't>) {
        let Named { name, key, value } = service;
        let path = format!("services.{name}");
        if !names::is_service(name) {
            let message = format!("`{}` is not a valid service name", shown(name));
            let hint = "use lower-case letters, digits and `-`, begin with a letter and do not end with `-`";
            self.error(Kind::Value, (key, path.clone()), rule::MANIFEST, message, hint);
        }
        if value.image.1.is_empty() && !self.d.failed.contains(&value.node) {
            let node = if value.image.0 == 0 { key } else { value.image.0 };
            self.error(
                Kind::Missing,
                (node, format!("{path}.image")),
                rule::MANIFEST,
                "the service has no image".into(),
                "",
            );
        }
        if let Some(credentials) = &value.credentials {
            let fields = [
                ("host", credentials.host),
                ("username", credentials.username),
                ("password", credentials.password),
            ];
            for (field, text) in fields {
                if text.trim().is_empty() {
                    let message = format!("the credentials have no `{field}`");
                    let place = (credentials.node, format!("{path}.credentials.{field}"));
                    self.error(
                        Kind::Missing,
                        place,
                        rule::SDL,
                        message,
                        "host, username and password are needed",
                    );
                }
            }
        }
        for (index, (node, text)) in value.env.iter().flatten().enumerate() {
            let variable = text.split('=').next().unwrap_or_default();
            if !names::is_env(variable) {
                // Neither the value nor, if there is no name, anything of the item is shown: it may be a secret.
                let message = match text.contains('=') {
                    true => format!("`{}` is not a valid name of an env variable", shown(variable)),
                    false => "this is not a valid name of an env variable".into(),
                };
                let hint = "write `NAME=value`; a name has letters, digits, `_`, `-` and `.`, and does not begin with a digit";
                self.error(
                    Kind::Value,
                    (*node, format!("{path}.env[{index}]")),
                    rule::MANIFEST,
                    message,
                    hint,
                );
            }
        }
        for expose in &value.expose {
            self.expose(&format!("{path}.expose[{}]", expose.index), expose);
        }
    }

    fn expose(&mut self, path: &str, expose: &model::Expose<'_>) {
        if !(1..=65_535).contains(&expose.port.1) {
            let message = match expose.port.1 {
                0 => "`port` is missing or 0".into(),
                port => format!("the port {port} is above 65535"),
            };
            let place = (expose.port.0, format!("{path}.port"));
            self.error(Kind::Value, place, rule::MANIFEST, message, "write a port from 1 to 65535");
        }
        if build::protocol(expose.proto.1).is_none() {
            let message = format!("`{}` is not a protocol", shown(expose.proto.1));
            let hint = match expose.proto.1.to_ascii_lowercase().as_str() {
                "http" | "https" | "grpc" | "ws" => {
                    "write `tcp`; port 80 is served as HTTP, with TLS in front of it"
                }
                _ => "write `tcp` or `udp`",
            };
            self.error(Kind::Value, (expose.proto.0, format!("{path}.proto")), rule::PROTOCOL, message, hint);
        }
        for (index, (node, host)) in expose.accept.iter().flatten().enumerate() {
            if !names::is_host(host) {
                let message = format!("`{}` is not a host name", shown(host));
                let hint = "write a lower-case DNS name without scheme, port, path or wildcard";
                self.error(
                    Kind::Value,
                    (*node, format!("{path}.accept[{index}]")),
                    rule::MANIFEST,
                    message,
                    hint,
                );
            }
        }
        self.http_options(&format!("{path}.http_options"), &expose.http);
    }

    fn http_options(&mut self, path: &str, options: &model::HttpOptions<'_>) {
        let limits = [
            ("max_body_size", options.max_body_size, 104_857_600, "bytes"),
            ("proxy_buffer_size", options.proxy_buffer_size, 1_048_576, "bytes"),
            ("read_timeout", options.read_timeout, 60_000, "milliseconds"),
            ("send_timeout", options.send_timeout, 60_000, "milliseconds"),
        ];
        for (field, (node, value), most, unit) in limits {
            if value > most {
                let message = format!("`{field}` is above {most} {unit}");
                self.error(Kind::HttpOptions, (node, format!("{path}.{field}")), rule::HTTP, message, "");
            }
        }
        const CASES: [&str; 10] =
            ["error", "timeout", "500", "502", "503", "504", "403", "404", "429", "off"];
        for (index, (node, case)) in options.next_cases.iter().enumerate() {
            let place = (*node, format!("{path}.next_cases[{index}]"));
            if !CASES.contains(case) {
                let message = format!("`{}` is not a case for trying the next replica", shown(case));
                self.error(
                    Kind::HttpOptions,
                    place,
                    rule::HTTP,
                    message,
                    format!("known here: {}", CASES.join(", ")),
                );
            } else if *case == "off" && options.next_cases.len() > 1 {
                self.error(Kind::HttpOptions, place, rule::HTTP, "`off` must stand alone".into(), "");
            }
        }
    }

    /// Leased IPs: rules of each `to`, and no port of an endpoint twice.
    fn ports(&mut self, service: Named<'c, 't>, ports: &mut HashMap<(&'t str, u32, &'t str), &'c str>) {
        let document = self.document;
        for expose in &service.value.expose {
            for to in &expose.to {
                let (node, ip) = to.ip;
                if ip.is_empty() {
                    continue;
                }
                let place =
                    (node, format!("services.{}.expose[{}].to[{}].ip", service.name, expose.index, to.index));
                if !to.global.1 && !self.d.failed.contains(&to.global.0) {
                    let message = "an IP endpoint needs `global: true` beside it".into();
                    self.error(Kind::Endpoint, place.clone(), rule::SDL, message, "");
                }
                if !document.endpoints.contains_key(ip) && !self.is_unread("endpoints") {
                    let message = format!("there is no endpoint `{}`", shown(ip));
                    let hint = match self.missing(ip, &document.endpoints) {
                        hint if hint.is_empty() => format!("add `endpoints: {{{ip}: {{kind: ip}}}}`"),
                        hint => hint,
                    };
                    self.error(Kind::Reference, place.clone(), rule::SDL, message, hint);
                }
                // By `as` and the protocol as they are written, and again for each placement of one service.
                if let Some(other) = ports.insert((ip, expose.external, expose.proto.1), service.name) {
                    let message = format!(
                        "port {} of the endpoint `{}` is already in use by the service `{other}`",
                        if expose.external == 0 { expose.port.1 } else { expose.external },
                        shown(ip),
                    );
                    self.error(
                        Kind::Endpoint,
                        place,
                        rule::SDL,
                        message,
                        "give each its own `as`, protocol or endpoint",
                    );
                }
            }
        }
    }

    /// `params.storage` against the volumes of the compute profile.
    fn mounts(&mut self, service: Named<'c, 't>, profile: &str, resources: &model::Resources<'_>) {
        let params = service.value.params.as_ref();
        let mut mounted: BTreeMap<&str, &str> = BTreeMap::new();
        for (&name, entry) in params.iter().flat_map(|params| &params.storage) {
            let path = format!("services.{}.params.storage.{name}", service.name);
            let Some(volume) = resources.storage.iter().find(|volume| volume.name == name) else {
                let names: Vec<&str> = resources.storage.iter().map(|volume| volume.name).collect();
                let hint = match suggest::nearest(name, &names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => {
                        format!("add a volume `name: {name}` to profiles.compute.{profile}.resources.storage")
                    }
                };
                let message =
                    format!("the compute profile `{}` has no volume `{}`", shown(profile), shown(name));
                self.error(Kind::Storage, (entry.key, path), rule::SDL, message, hint);
                continue;
            };
            let (node, mount) = entry.value.mount;
            let node = if mount.is_empty() { entry.key } else { node };
            let place = (node, format!("{path}.mount"));
            if !mount.starts_with('/') {
                let message = match mount {
                    "" => format!("the volume `{}` has no `mount`", shown(name)),
                    _ => format!("the mount `{}` is not an absolute path", shown(mount)),
                };
                self.error(Kind::Storage, place, rule::SDL, message, "write a path that begins with `/`");
            } else if let Some(other) = mounted.insert(mount, name) {
                let message = format!(
                    "the mount `{}` is already in use by the volume `{}`",
                    shown(mount),
                    shown(other)
                );
                self.error(Kind::Storage, place, rule::STORAGE, message, "");
            }
            let is_ram = volume.attribute("class") == Some("ram");
            if self.version == Version::V2_1 && is_ram && entry.value.read_only {
                let message = "a volume of class `ram` can't be read-only".into();
                self.error(
                    Kind::Storage,
                    (entry.key, format!("{path}.readOnly")),
                    rule::SDL,
                    message,
                    "remove `readOnly`",
                );
            }
        }
        // In 2.0 the mount of any volume counts for all of them, because the network's loop keeps its values: refused
        // only without a single mount. In 2.1 only volumes that are mounted are looked at.
        let without_mounts = params.is_none_or(|params| params.storage.is_empty());
        if self.version == Version::V2_0 && without_mounts {
            for volume in resources.storage.iter().filter(|volume| volume.is_persistent()) {
                let message = format!("the persistent volume `{}` is not mounted", shown(volume.name));
                let place = (volume.node, volume_path(profile, volume));
                let hint = format!(
                    "add `params: {{storage: {{{}: {{mount: /data}}}}}}` to services.{}",
                    volume.name, service.name
                );
                self.error(Kind::Storage, place, rule::SDL, message, hint);
            }
        }
    }

    fn tee(
        &mut self,
        service: Named<'c, 't>,
        placement: &'t str,
        resources: Option<&model::Resources<'_>>,
        types: &mut BTreeMap<&'t str, &'t str>,
    ) {
        let Some((node, tee)) = service.value.params.as_ref().map(|params| params.tee) else { return };
        if tee.is_empty() {
            return;
        }
        let place = (node, format!("services.{}.params.tee", service.name));
        let has_gpu = resources.and_then(|resources| resources.gpu.as_ref()).is_some_and(|gpu| gpu.value > 0);
        if !matches!(tee, "cpu" | "cpu-gpu") {
            let message = format!("`{}` is not a type of confidential computing", shown(tee));
            self.error(Kind::Tee, place, rule::TEE, message, "write `cpu` or `cpu-gpu`");
        } else if tee == "cpu-gpu" && !has_gpu {
            let message = "`cpu-gpu` needs a GPU in the compute profile".into();
            self.error(Kind::Tee, place, rule::TEE, message, "add a GPU, or write `cpu`");
        } else if *types.entry(placement).or_insert(tee) != tee {
            let message = format!("services of placement `{}` ask for different types", shown(placement));
            self.error(Kind::Tee, place, rule::TEE, message, "use one type in a placement");
        }
    }

    // -- limits

    /// Limits of one replica.
    fn resources(&mut self, profile: &str, key: NodeId, resources: Option<&model::Resources<'_>>) {
        let path = format!("profiles.compute.{profile}.resources");
        let Some(resources) = resources else {
            let message = format!("the compute profile `{}` has no `resources`", shown(profile));
            self.error(
                Kind::Missing,
                (key, path),
                rule::SDL,
                message,
                "add `resources` with cpu, memory and storage",
            );
            return;
        };
        let cpu = resources.cpu.as_ref().map(|cpu| (cpu.node, u64::from(cpu.value)));
        self.amount(("cpu", "units"), key, cpu, limit::CPU, &path, |value| format!("{value}m"));
        let memory = resources.memory.as_ref().map(|memory| (memory.node, memory.value));
        self.amount(("memory", "size"), key, memory, limit::MEMORY, &path, units::show_bytes);
        if let Some(gpu) = &resources.gpu {
            let place = (gpu.node, format!("{path}.gpu"));
            if gpu.value > limit::GPU {
                let message = format!("{} GPUs are above the {} of one replica", gpu.value, limit::GPU);
                self.error(Kind::Limit, place.clone(), rule::LIMITS, message, "");
            }
            if gpu.value == 0 && !gpu.attributes.is_empty() {
                let message = "GPU attributes can't be there when units are 0".into();
                self.error(Kind::Gpu, place, rule::LIMITS, message, "remove `gpu`, or set `units`");
            }
        }
        if resources.storage.is_empty() {
            let node = resources.storage_node.unwrap_or(key);
            let message = "the compute profile has no storage".into();
            let hint = "add `storage: {size: 1Gi}`";
            self.error(Kind::Missing, (node, format!("{path}.storage")), rule::LIMITS, message, hint);
        }
        for volume in &resources.storage {
            let (least, most) = limit::STORAGE;
            if !(least..=most).contains(&volume.size) {
                let message = format!(
                    "a volume of {} is not from {} to {}",
                    units::show_bytes(volume.size),
                    units::show_bytes(least),
                    units::show_bytes(most)
                );
                let place = (volume.node, format!("{}.size", volume_path(profile, volume)));
                self.error(Kind::Limit, place, rule::LIMITS, message, "");
            }
        }
    }

    fn amount(
        &mut self,
        (name, field): (&str, &str),
        key: NodeId,
        amount: Option<(NodeId, u64)>,
        (least, most): (u64, u64),
        path: &str,
        show: impl Fn(u64) -> String,
    ) {
        let Some((node, value)) = amount else {
            let message = format!("the compute profile has no `{name}`");
            let hint = format!("add `{name}: {{{field}: ...}}`");
            self.error(Kind::Missing, (key, format!("{path}.{name}")), rule::LIMITS, message, hint);
            return;
        };
        if !(least..=most).contains(&value) {
            let message = format!("{name} of {} is not from {} to {}", show(value), show(least), show(most));
            self.error(Kind::Limit, (node, format!("{path}.{name}.{field}")), rule::LIMITS, message, "");
        }
    }

    /// Totals of each group, and one denomination in all.
    fn groups(&mut self) {
        let document = self.document;
        let mut groups: BTreeMap<&str, Vec<(&str, NodeId, &model::Target<'_>)>> = BTreeMap::new();
        for (&service, targets) in &document.deployment {
            for (&placement, target) in &targets.value {
                groups.entry(placement).or_default().push((service, target.key, &target.value));
            }
        }
        if groups.is_empty() {
            if !self.is_unread("deployment") {
                let node = document.deployment_key.or(self.d.tree.root).unwrap_or_default();
                let message = "`deployment` names no service with a placement".into();
                let hint = "add `deployment: {SERVICE: {PLACEMENT: {profile: NAME, count: 1}}}`";
                self.error(Kind::Missing, (node, "deployment".into()), rule::GROUPS, message, hint);
            }
            return;
        }
        let mut denom: Option<&str> = None;
        for (&placement, units) in &groups {
            if placement.is_empty()
                && let Some((service, node, _)) = units.first()
            {
                let message = "the placement has an empty name".into();
                let place = (*node, format!("deployment.{service}"));
                self.error(Kind::Value, place, rule::GROUPS, message, "");
            }
            self.totals(placement, units);
            for &(_, _, target) in units {
                let pricing = document.placement.get(placement).map(|infra| &infra.value.pricing);
                let coin = pricing.and_then(|pricing| pricing.get(target.profile.1)?.value);
                let Some(coin) = coin else { continue };
                match denom {
                    Some(first) if first != coin.denom.1 => {
                        let message =
                            format!("prices are in `{}` and in `{}`", shown(first), shown(coin.denom.1));
                        let path =
                            format!("profiles.placement.{placement}.pricing.{}.denom", target.profile.1);
                        let hint = "use one denomination in the whole SDL: `uact`";
                        self.error(Kind::Price, (coin.denom.0, path), rule::GROUPS, message, hint);
                    }
                    Some(_) => {}
                    None => denom = Some(coin.denom.1),
                }
            }
        }
    }

    fn totals(&mut self, placement: &str, units: &[(&str, NodeId, &model::Target<'_>)]) {
        let document = self.document;
        let (mut cpu, mut gpu, mut memory) = (0_u128, 0_u128, 0_u128);
        // In 2.1 the counts of services that share a profile are added in 32 bits first.
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for &(_, _, target) in units {
            let resources =
                document.compute.get(target.profile.1).and_then(|entry| entry.value.resources.as_ref());
            let Some(resources) = resources else { return };
            let count = match self.version {
                Version::V2_0 => u128::from(target.count.1),
                Version::V2_1 => {
                    let sum = counts.entry(target.profile.1).or_default();
                    let before = *sum;
                    *sum = sum.wrapping_add(target.count.1);
                    // The difference that this service makes, modulo 2^128: the total is right at the end.
                    u128::from(*sum).wrapping_sub(u128::from(before))
                }
            };
            let add = |total: &mut u128, value: u64| {
                *total = total.wrapping_add(count.wrapping_mul(u128::from(value)));
            };
            add(&mut cpu, resources.cpu.as_ref().map_or(0, |cpu| u64::from(cpu.value)));
            add(&mut gpu, resources.gpu.as_ref().map_or(0, |gpu| gpu.value));
            add(&mut memory, resources.memory.as_ref().map_or(0, |memory| memory.value));
        }
        let Some(&(service, key, target)) = units.first() else { return };
        let path = format!("deployment.{service}.{placement}.count");
        if cpu == 0 || memory == 0 {
            // Zero CPU or memory of one replica has its own error; so it is the count.
            if units.iter().all(|(_, _, target)| target.count.1 == 0) {
                let node = if self.d.tree.text(target.count.0).is_empty() { key } else { target.count.0 };
                let message =
                    format!("the count of every service in placement `{}` is 0 or missing", shown(placement));
                self.error(Kind::Limit, (node, path), rule::LIMITS, message, "write `count: 1`");
            } else {
                let message = format!("the total of CPU or memory in placement `{}` is 0", shown(placement));
                self.error(Kind::Limit, (key, path), rule::LIMITS, message, "");
            }
            return;
        }
        let totals = [
            ("CPU", cpu, u128::from(limit::CPU.1)),
            ("GPU", gpu, u128::from(limit::GPU)),
            ("memory", memory, u128::from(limit::MEMORY.1)),
        ];
        for (name, total, most) in totals {
            if total > most * limit::GROUP_FACTOR {
                let message = format!(
                    "the total of {name} in placement `{}` is above what a group may have",
                    shown(placement)
                );
                self.error(
                    Kind::Limit,
                    (key, path.clone()),
                    rule::LIMITS,
                    message,
                    "lower the counts, or use several deployments",
                );
            }
        }
    }

    // -- manifest

    /// At least one way in from outside, and no host twice. A host stands in the manifest once for each `to` of its
    /// expose and for each placement of its service.
    fn manifest(&mut self) {
        let document = self.document;
        let mut hosts: HashSet<&str> = HashSet::new();
        let mut global = false;
        let mut any = false;
        for (&name, targets) in &document.deployment {
            let Some(service) = document.services.get(name) else { continue };
            any |= !targets.value.is_empty();
            let exposes = service.value.expose.iter().filter(|_| !targets.value.is_empty());
            for expose in exposes {
                global |= expose.to.iter().any(|to| to.global.1);
                let repeated = targets.value.len() > 1 || expose.to.len() > 1;
                for (index, &(node, host)) in expose.accept.iter().flatten().enumerate() {
                    let place = (node, format!("services.{name}.expose[{}].accept[{index}]", expose.index));
                    if !hosts.insert(host) {
                        let message = format!("the host `{}` is there twice", shown(host));
                        self.error(
                            Kind::Value,
                            place,
                            rule::MANIFEST,
                            message,
                            "a host may lead to one port only",
                        );
                    } else if repeated {
                        let message = format!("the host `{}` would lead to several places", shown(host));
                        let hint = "an expose with `accept` may have one `to`, and its service one placement";
                        self.error(Kind::Value, place, rule::MANIFEST, message, hint);
                    }
                }
            }
        }
        if any && !global && !self.is_unread("services") && !self.service_missing {
            let has_failed =
                document.services.values().any(|service| self.d.failed.contains(&service.value.node));
            if !has_failed && !self.expose_failed() {
                let node = document.deployment_key.unwrap_or_default();
                let message = "no service is reachable from outside".into();
                let hint = "add `to: [{global: true}]` to an item of `expose`";
                self.error(Kind::NotGlobal, (node, "services".into()), rule::MANIFEST, message, hint);
            }
        }
    }

    /// Whether something about exposes was refused already, so that a missing global one says nothing new.
    fn expose_failed(&self) -> bool {
        let errors = self.d.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
        errors.into_iter().any(|error| error.path.starts_with("services.") && error.path.contains(".expose"))
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
