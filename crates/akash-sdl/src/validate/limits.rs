//! The chain's limits: of one replica, of a group, and one denomination in all.

use std::collections::BTreeMap;

use super::{Checker, limit, rule, volume_path};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::yaml::NodeId;
use crate::{Version, model, units};

impl Checker<'_, '_, '_, '_> {
    /// Limits of one replica.
    pub(super) fn resources(&mut self, profile: &str, key: NodeId, resources: Option<&model::Resources<'_>>) {
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
    pub(super) fn groups(&mut self) {
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
}
