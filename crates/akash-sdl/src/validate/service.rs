//! One service of `deployment`: its own fields, its leased IPs, and its volumes against its compute profile.

use std::collections::{BTreeMap, HashMap};

use super::{Checker, Named, Place, Source, rule, volume_path};
use crate::cause::Cause;
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::{Version, build, model, names, shape, suggest, units};

impl<'c, 't> Checker<'c, 't, '_, '_> {
    pub(super) fn service(&mut self, service: Named<'c, 't>) {
        let Named { name, key, value } = service;
        let path = format!("services.{name}");
        if !names::is_service(name) {
            let message = format!("`{}` is not a valid service name", shown(name));
            let hint = "use lower-case letters, digits and `-`, begin with a letter and do not end with `-`";
            self.error(Kind::Value, (key, path.clone()), rule::MANIFEST, message, hint);
        }
        // Null or `{}`; or an error that is told.
        if value.node == 0 || self.d.tree.children(self.d.tree.target(value.node)).is_empty() {
            let message = format!("the service `{}` is empty", shown(name));
            let hint = "write `image`, `expose` and the other keys of the service under its name";
            self.error(Kind::Missing, (key, path.clone()), rule::MANIFEST, message, hint);
        }
        if value.image.1.is_empty() {
            let node = if value.image.0 == 0 { key } else { value.image.0 };
            let message = "the service has no image".into();
            let place = (node, format!("{path}.image"));
            self.error(Kind::Missing, place, rule::MANIFEST, message, "write `image: NAME:TAG`");
        }
        self.credentials(&path, value.credentials.as_ref());
        for (index, &(node, text)) in value.env.iter().flatten().enumerate() {
            self.env((node, format!("{path}.env[{index}]")), text);
        }
        for expose in &value.expose {
            self.expose(&format!("{path}.expose[{}]", expose.index), expose);
        }
    }

    fn credentials(&mut self, path: &str, credentials: Option<&model::Credentials<'_>>) {
        let Some(credentials) = credentials else { return };
        let fields = [
            ("host", credentials.host),
            ("username", credentials.username),
            ("password", credentials.password),
        ];
        let absent: Vec<&str> =
            fields.into_iter().filter(|(_, text)| text.trim().is_empty()).map(|(field, _)| field).collect();
        let path = format!("{path}.credentials");
        if absent.len() == fields.len() {
            let message = "the credentials have no `host`, `username` and `password`".into();
            self.error(Kind::Missing, (credentials.node, path), rule::SDL, message, "write all three");
            return;
        }
        for field in absent {
            let message = format!("the credentials have no `{field}`");
            let place = (credentials.node, format!("{path}.{field}"));
            let hint = "`host`, `username` and `password` are needed, and none of them may be empty";
            self.error(Kind::Missing, place, rule::SDL, message, hint);
        }
    }

    /// The name of one variable. Neither the name nor the value is told: a secret may have got anywhere in it.
    fn env(&mut self, place: Place, text: &str) {
        let (name, assigned) = text.split_once('=').map_or((text, false), |(name, _)| (name, true));
        if names::is_env(name) {
            return;
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let (what, hint) = if name.is_empty() {
            ("an item of `env` has no name", "write `NAME=value`")
        } else if name.trim_start().starts_with("export ") {
            ("an item of `env` begins with `export`", "write `NAME=value` alone")
        } else if name.contains(": ") || !assigned && name.contains(':') {
            ("an item of `env` has a `:` in its name", "write `NAME=value`, with `=`")
        } else if assigned && name.ends_with(char::is_whitespace) {
            (
                "an item of `env` has a space before its `=`",
                "write `NAME=value` without spaces around the `=`",
            )
        } else if name.contains(char::is_whitespace) {
            ("the name of an env variable has a space in it", "write `NAME=value`")
        } else if name.contains(|c| !allowed(c)) {
            (
                "the name of an env variable has a character that can't be in it",
                "write `NAME=value`; a name has letters, digits, `_`, `-` and `.` only",
            )
        } else if name.starts_with('.') {
            ("the name of an env variable can't be `.` or begin with `..`", "write `NAME=value`")
        } else {
            ("the name of an env variable begins with a digit", "put a letter or `_` in front")
        };
        let hint = shape::unfilled_text(name).unwrap_or_else(|| hint.into());
        self.tell(&[], Kind::Value, place, rule::MANIFEST, what.into(), hint);
    }

    fn expose(&mut self, path: &str, expose: &model::Expose<'_>) {
        if !(1..=65_535).contains(&expose.port.1) {
            let place = (expose.port.0, format!("{path}.port"));
            let hint = "write a port from 1 to 65535";
            if self.is_given(expose.port.0) {
                let message = format!("{} is not a port", expose.port.1);
                self.error(Kind::Value, place, rule::MANIFEST, message, hint);
            } else {
                let message = "an item of `expose` has no `port`".into();
                self.error(
                    Kind::Missing,
                    place,
                    rule::MANIFEST,
                    message,
                    "write `port: N`: where the container listens",
                );
            }
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
                let hint = names::host_hint(host);
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
                if !to.global.1 {
                    let path =
                        format!("services.{}.expose[{}].to[{}].global", service.name, expose.index, to.index);
                    let message = "an IP endpoint needs `global: true` beside it".into();
                    let hint = "write `global: true` above `ip`, in the same item";
                    let at = [Source::At(path)];
                    self.error_from(&at, Kind::Endpoint, place.clone(), rule::SDL, message, hint);
                    // That nothing is reachable may only follow.
                    let [Source::At(path) | Source::Within(path)] = at;
                    self.d.causes.add(path, Cause::Told);
                }
                if !document.endpoints.contains_key(ip) {
                    let message = format!("there is no endpoint `{}`", shown(ip));
                    let hint = match self.missing(ip, &document.endpoints) {
                        hint if hint.is_empty() => {
                            format!("add `endpoints: {{{ip}: {{kind: ip}}}}` to the SDL")
                        }
                        hint => hint,
                    };
                    self.endpoint_missing = true;
                    let at = [Source::At("endpoints".into())];
                    self.error_from(&at, Kind::Reference, place.clone(), rule::SDL, message, hint);
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
                let message =
                    format!("the compute profile `{}` has no volume `{}`", shown(profile), shown(name));
                let hint = self.where_volume(name, profile, resources);
                let storage = [Source::Within(format!("profiles.compute.{profile}.resources.storage"))];
                self.error_from(&storage, Kind::Storage, (entry.key, path), rule::SDL, message, hint);
                continue;
            };
            let (node, mount) = entry.value.mount;
            let node = if mount.is_empty() { entry.key } else { node };
            let place = (node, format!("{path}.mount"));
            if !mount.starts_with('/') {
                let hint = "write a path that begins with `/`";
                if mount.is_empty() {
                    let message = format!("the volume `{}` has no `mount`", shown(name));
                    self.error(Kind::Missing, place, rule::SDL, message, hint);
                } else {
                    let message = format!("the mount `{}` is not an absolute path", shown(mount));
                    self.error(Kind::Storage, place, rule::SDL, message, hint);
                }
            } else if let Some(other) = mounted.insert(mount, name) {
                let message = format!(
                    "the mount `{}` is already in use by the volume `{}`",
                    shown(mount),
                    shown(other)
                );
                let hint = "mount each volume at a path of its own";
                self.error(Kind::Storage, place, rule::STORAGE, message, hint);
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
            let persistent = resources.storage.iter().filter(|volume| volume.is_persistent());
            for volume in persistent {
                if self.is_mounted_in_vain(volume.name) {
                    continue;
                }
                let message = format!("the persistent volume `{}` is not mounted", shown(volume.name));
                let place = (volume.node, volume_path(profile, volume));
                let hint = format!(
                    "add `params: {{storage: {{{}: {{mount: /data}}}}}}` to services.{}",
                    volume.name, service.name
                );
                let params = format!("services.{}.params", service.name);
                let params = [Source::At(format!("{params}.storage")), Source::Within(params)];
                self.error_from(&params, Kind::Storage, place, rule::SDL, message, hint);
            }
        }
    }

    /// What to do about a mount whose volume the profile does not have.
    fn where_volume(&self, name: &str, profile: &str, resources: &model::Resources<'_>) -> String {
        let has =
            |resources: &model::Resources<'_>| resources.storage.iter().any(|volume| volume.name == name);
        let mut others = self.document.compute.iter();
        let other = others.find(|(_, entry)| entry.value.resources.as_ref().is_some_and(has));
        let names: Vec<&str> = resources.storage.iter().map(|volume| volume.name).collect();
        if let Some((other, _)) = other {
            return format!("the compute profile `{other}` has it: is the service in the right profile?");
        }
        match suggest::nearest(name, &names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            // As a mapping, `storage` is always the one volume `default`.
            None if let Some(only) = resources.storage.iter().find(|volume| volume.index.is_none()) => {
                format!(
                    "write profiles.compute.{profile}.resources.storage as a list: `- size: {}` and `- {{name: {name}, size: 1Gi}}`",
                    units::show_bytes(only.size)
                )
            }
            None => {
                format!("add `- {{name: {name}, size: 1Gi}}` to profiles.compute.{profile}.resources.storage")
            }
        }
    }

    /// Whether a service mounts a volume of this name that its own profile does not have: then that is told.
    fn is_mounted_in_vain(&self, volume: &str) -> bool {
        self.document.deployment.iter().any(|(name, targets)| {
            let params = self.document.services.get(name).and_then(|service| service.value.params.as_ref());
            let lacks = |target: &model::Target<'_>| {
                let compute = self.document.compute.get(target.profile.1);
                let resources = compute.and_then(|compute| compute.value.resources.as_ref());
                resources.is_some_and(|resources| !resources.storage.iter().any(|other| other.name == volume))
            };
            params.is_some_and(|params| params.storage.contains_key(volume))
                && targets.value.values().any(|target| lacks(&target.value))
        })
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
