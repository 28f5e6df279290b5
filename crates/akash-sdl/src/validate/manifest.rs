//! What the manifest as a whole must hold: a way in from outside, and no host twice.

use std::collections::HashSet;

use super::{Checker, rule};
use crate::decode::shown;
use crate::diagnostic::{Kind, Severity};

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
