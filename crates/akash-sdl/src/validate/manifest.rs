//! What the manifest as a whole must hold: a way in from outside, and no host twice.

use std::collections::HashSet;

use super::{Checker, rule};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::model;

impl Checker<'_, '_, '_, '_> {
    /// At least one way in from outside, and no host twice. A host stands in the manifest once for each `to` of its
    /// expose and for each placement of its service.
    pub(super) fn manifest(&mut self) {
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
        if any && !global && !self.service_missing {
            self.unreachable = true;
            self.nothing_is_reachable();
        }
    }

    /// The place is the first service, in the order of the text, that listens at all, or else the first.
    fn nothing_is_reachable(&mut self) {
        let document = self.document;
        let sources = self.ways_in();
        let is_deployed =
            |name| document.deployment.get(name).is_some_and(|targets| !targets.value.is_empty());
        let has_global = |service: &model::Service<'_>| {
            service.expose.iter().flat_map(|expose| &expose.to).any(|to| to.global.1)
        };
        let mut idle = document.services.iter().filter(|(name, _)| !is_deployed(**name));
        if let Some((name, service)) = idle.find(|(_, service)| has_global(&service.value)) {
            let message =
                "no service is reachable from outside: `deployment` does not name the one that is global"
                    .into();
            let hint =
                format!("write `{name}: {{PLACEMENT: {{profile: NAME, count: 1}}}}` under `deployment`");
            let place = (service.key, format!("services.{name}"));
            self.error_from(&sources, Kind::NotGlobal, place, rule::MANIFEST, message, hint);
            return;
        }
        let deployed = document.deployment.iter().filter(|(_, targets)| !targets.value.is_empty());
        let services = deployed.filter_map(|(name, _)| Some((*name, document.services.get(name)?)));
        let line = |node| self.d.tree.node(node).span.line;
        let first = services.min_by_key(|(_, service)| (service.value.expose.is_empty(), line(service.key)));
        let Some((name, service)) = first else { return };
        let exposed = service.value.expose.first();
        let (path, hint) = match exposed {
            Some(expose) if expose.to.is_empty() => (
                format!("services.{name}.expose[{}].to", expose.index),
                "write `to: [{global: true}]` beside `port`".to_owned(),
            ),
            Some(expose) => (
                format!("services.{name}.expose[{}].to", expose.index),
                "add `- global: true` to the `to` of the port that is to be public".to_owned(),
            ),
            None => (
                format!("services.{name}.expose"),
                format!("write `expose: [{{port: 80, as: 80, to: [{{global: true}}]}}]` in services.{name}"),
            ),
        };
        let node = match exposed {
            Some(expose) if self.is_given(expose.port.0) => expose.port.0,
            _ => service.key,
        };
        let message = "no service is reachable from outside".into();
        self.error_from(&sources, Kind::NotGlobal, (node, path), rule::MANIFEST, message, hint);
    }
}
