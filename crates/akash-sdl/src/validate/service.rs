//! One service of `deployment`: its own fields, its leased IPs, and its volumes against its compute profile.

use std::collections::{BTreeMap, HashMap};

use super::{Checker, Named, rule, volume_path};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::{Version, build, model, names, suggest};

impl<'c, 't> Checker<'c, 't, '_, '_> {
    pub(super) fn service(&mut self, service: Named<'c, 't>) {
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
    pub(super) fn ports(
        &mut self,
        service: Named<'c, 't>,
        ports: &mut HashMap<(&'t str, u32, &'t str), &'c str>,
    ) {
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
    pub(super) fn mounts(&mut self, service: Named<'c, 't>, profile: &str, resources: &model::Resources<'_>) {
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

    pub(super) fn tee(
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
}
