//! The chain's limits: of one replica, of a group, and one denomination in all.

use std::collections::BTreeMap;

use super::{Checker, Source, limit, rule, volume_path};
use crate::cause::Cause;
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::yaml::NodeId;
use crate::{Version, model, names, units};

/// Placement, profile and denomination of a price.
type Price<'t> = (&'t str, &'t str, (NodeId, &'t str));

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
                "write `resources`, and `cpu`, `memory` and `storage` under it",
            );
            return;
        };
        if resources.cpu.is_none() && resources.memory.is_none() && resources.storage_node.is_none() {
            let message = format!("the compute profile `{}` has no cpu, memory and storage", shown(profile));
            let hint = "write `cpu: {units: 0.5}`, `memory: {size: 512Mi}` and `storage: {size: 1Gi}` under `resources`";
            // Each slip in one of the three keys has its own error.
            let lost = |name| self.d.causes.at(&format!("{path}.{name}")).is_some();
            if !["cpu", "memory", "storage"].into_iter().any(lost) {
                self.error(Kind::Missing, (key, path.clone()), rule::LIMITS, message, hint);
            }
        }
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
            let place = (node, format!("{path}.storage"));
            if self.is_given(node) && resources.storage_node.is_some() {
                let text = shown(self.d.tree.text(node));
                let hint = format!("write `storage: {{size: {text}}}`");
                let message = "`storage` must be a list or a mapping, not text".into();
                self.error(Kind::Missing, place, rule::LIMITS, message, hint);
            } else {
                let message = format!("the compute profile `{}` has no storage", shown(profile));
                self.error(Kind::Missing, place, rule::LIMITS, message, "write `storage: {size: 1Gi}`");
            }
        }
        for volume in &resources.storage {
            let (least, most) = limit::STORAGE;
            if (least..=most).contains(&volume.size) {
                continue;
            }
            let place = (volume.node, format!("{}.size", volume_path(profile, volume)));
            if self.is_given(volume.node) {
                let size = units::show_bytes(volume.size);
                let range = format!("{} to {}", units::show_bytes(least), units::show_bytes(most));
                let message = format!("a volume of {size} is out of range: {range}");
                let fits = |text: &str| units::bytes(text).is_ok_and(|size| (least..=most).contains(&size));
                let hint = self.without_unit(volume.node, "Gi", fits);
                self.error(Kind::Limit, place, rule::LIMITS, message, hint);
            } else {
                let message = format!("the volume `{}` has no `size`", shown(volume.name));
                let hint =
                    "write `size: 1Gi` under its `name`, in the same item: each `-` begins another volume";
                let hint = if volume.index.is_some() { hint } else { "write `size: 1Gi`" };
                self.error(Kind::Missing, place, rule::LIMITS, message, hint);
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
            let hint = format!("write `{name}: {{{field}: ...}}` under `resources`");
            self.error(Kind::Missing, (key, format!("{path}.{name}")), rule::LIMITS, message, hint);
            return;
        };
        if (least..=most).contains(&value) {
            return;
        }
        let place = (node, format!("{path}.{name}.{field}"));
        if self.is_given(node) {
            let message =
                format!("{name} of {} is out of range: {} to {}", show(value), show(least), show(most));
            let (unit, read): (_, fn(&str) -> Option<u64>) = match name {
                "cpu" => ("m", |text| units::cpu(text).ok().map(u64::from)),
                _ => ("Mi", |text| units::bytes(text).ok()),
            };
            let fits = |text: &str| read(text).is_some_and(|value| (least..=most).contains(&value));
            let hint = self.without_unit(node, unit, fits);
            self.error(Kind::Limit, place, rule::LIMITS, message, hint);
        } else {
            let message = format!("`{name}` has no `{field}`");
            let hint = format!("write `{name}: {{{field}: ...}}`");
            self.error(Kind::Missing, place, rule::LIMITS, message, hint);
        }
    }

    /// A number without a unit: the one that was surely meant, if with `unit` it is within the limits.
    fn without_unit(&self, node: NodeId, unit: &str, fits: impl Fn(&str) -> bool) -> String {
        let text = self.d.tree.text(self.d.tree.target(node));
        let meant = format!("{text}{unit}");
        let is_number =
            !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && fits(&meant) { format!("did you mean `{meant}`?") } else { String::new() }
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
        let mut first: Option<Price<'_>> = None;
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
                // What is no denomination has its error.
                if !names::is_denom(coin.denom.1) {
                    continue;
                }
                let here = (placement, target.profile.1, coin.denom);
                match first {
                    Some(first) if first.2.1 != coin.denom.1 => self.two_denominations(first, here),
                    Some(_) => {}
                    None => first = Some(here),
                }
            }
        }
    }

    /// The place is the one that is not in uact.
    fn two_denominations(&mut self, first: Price<'_>, second: Price<'_>) {
        let (placement, profile, (node, _)) = if second.2.1 == "uact" { first } else { second };
        let message = format!("prices are in `{}` and in `{}`", shown(first.2.1), shown(second.2.1));
        let path = format!("profiles.placement.{placement}.pricing.{profile}.denom");
        let hint = "use one denomination in the whole SDL: `uact`, as the chain takes no other; amounts are in millionths of a USD";
        self.error(Kind::Price, (node, path), rule::GROUPS, message, hint);
    }

    fn totals(&mut self, placement: &str, units: &[(&str, NodeId, &model::Target<'_>)]) {
        let document = self.document;
        let (mut cpu, mut gpu, mut memory) = (0_u128, 0_u128, 0_u128);
        // In 2.1 the counts of services that share a profile are added in 32 bits first.
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for &(_, _, target) in units {
            let resources =
                document.compute.get(target.profile.1).and_then(|entry| entry.value.resources.as_ref());
            // What has no CPU or memory has its own error, and so have its limits.
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
            let unit_cpu = resources.cpu.as_ref().map_or(0, |cpu| u64::from(cpu.value));
            let unit_memory = resources.memory.as_ref().map_or(0, |memory| memory.value);
            if unit_cpu == 0 || unit_memory == 0 {
                return;
            }
            add(&mut cpu, unit_cpu);
            add(&mut gpu, resources.gpu.as_ref().map_or(0, |gpu| gpu.value));
            add(&mut memory, unit_memory);
        }
        let Some(&(service, key, target)) = units.first() else { return };
        let path = format!("deployment.{service}.{placement}.count");
        if cpu == 0 || memory == 0 {
            let at = |(service, _, _): &(&str, _, _)| {
                Source::At(format!("deployment.{service}.{placement}.count"))
            };
            let sources: Vec<Source> = units.iter().map(at).collect();
            let place = |node| (node, path.clone());
            if !units.iter().all(|(_, _, target)| target.count.1 == 0) {
                let message = format!(
                    "the counts in placement `{}` add up to 2^32, which is 0 there",
                    shown(placement)
                );
                self.error_from(&sources, Kind::Limit, place(key), rule::LIMITS, message, "lower the counts");
            } else if self.is_given(target.count.0) {
                let message = match units.len() {
                    1 => "the count is 0".into(),
                    _ => format!("the count of every service in placement `{}` is 0", shown(placement)),
                };
                self.error_from(
                    &sources,
                    Kind::Limit,
                    place(target.count.0),
                    rule::LIMITS,
                    message,
                    "write `count: 1`",
                );
            } else {
                let message = format!("the service `{}` has no `count`", shown(service));
                self.error_from(
                    &sources,
                    Kind::Missing,
                    place(key),
                    rule::LIMITS,
                    message,
                    "write `count: 1`",
                );
            }
            for (service, ..) in units {
                self.d.causes.add(format!("deployment.{service}.{placement}.count"), Cause::Told);
            }
            return;
        }
        let totals = [
            ("CPU", cpu, u128::from(limit::CPU.1)),
            ("GPU", gpu, u128::from(limit::GPU)),
            ("memory", memory, u128::from(limit::MEMORY.1)),
        ];
        let above = totals.into_iter().filter(|(_, total, most)| *total > most * limit::GROUP_FACTOR);
        let names: Vec<&str> = above.map(|(name, ..)| name).collect();
        if let (false, Some((service, _, target))) =
            (names.is_empty(), units.iter().max_by_key(|(_, _, target)| target.count.1))
        {
            let message = format!(
                "the total of {} in placement `{}` is above what a group may have",
                names.join(" and of "),
                shown(placement)
            );
            let place = (target.count.0, format!("deployment.{service}.{placement}.count"));
            let hint = "lower the counts, or use several deployments";
            self.error(Kind::Limit, place, rule::LIMITS, message, hint);
        }
    }
}
