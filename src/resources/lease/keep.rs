//! What of a lease's state stays as it was, or as it was planned, when an update ends: pure.

use std::collections::BTreeMap;

use tfplugin::Value;

use super::model::{Lease, Ports};

/// Addresses that were reported before stay where their service still has them.
pub(super) fn restore_reported(state: &mut Lease, prior: &Lease) {
    if let (Some(services), Some(before)) =
        (state.reported.services.known_mut(), prior.reported.services.known())
    {
        for (name, service) in services.iter_mut() {
            if let (Some(service), Some(Value::Known(old))) = (service.known_mut(), before.get(name)) {
                service.uris = old.uris.clone();
            }
        }
    }
    if let (Some(ports), Some(before)) = (state.reported.ports.known_mut(), prior.reported.ports.known()) {
        for (name, ports) in ports.iter_mut() {
            if let (Some(ports), Some(Value::Known(old))) = (ports.known_mut(), before.get(name)) {
                for (key, port) in ports.iter_mut() {
                    if let Some(old) = old.get(key) {
                        *port = old.clone();
                    }
                }
            }
        }
    }
    if let (Some(ips), Some(before)) = (state.reported.ips.known_mut(), prior.reported.ips.known()) {
        for (name, list) in ips.iter_mut() {
            if let Some(old) = before.get(name) {
                *list = old.clone();
            }
        }
    }
    state.reported.url = prior.reported.url.clone();
}

/// What the plan knew stays as planned: an address that the provider reports on the side is taken over by the next read.
pub(super) fn only_planned(state: &mut Lease, planned: &Lease) {
    if !planned.reported.url.is_unknown() {
        state.reported.url = planned.reported.url.clone();
    }
    if let (Some(services), Some(plan)) =
        (state.reported.services.known_mut(), planned.reported.services.known())
    {
        services.retain(|name, _| plan.contains_key(name));
        for (name, service) in plan {
            let Some(service) = service.known() else { continue };
            let entry = services.entry(name.clone()).or_insert_with(|| Value::Known(service.clone()));
            if let Some(entry) = entry.known_mut() {
                if !service.uris.is_unknown() {
                    entry.uris = service.uris.clone();
                }
                if !service.custom_hosts.is_unknown() {
                    entry.custom_hosts = service.custom_hosts.clone();
                }
            }
        }
    }
    if let (Some(ports), Some(plan)) = (state.reported.ports.known_mut(), planned.reported.ports.known()) {
        ports.retain(|name, _| plan.contains_key(name));
        for (name, planned) in plan {
            let Some(planned) = planned.known() else { continue };
            let entry = ports.entry(name.clone()).or_insert_with(|| Value::Known(Ports::new()));
            if let Some(entry) = entry.known_mut() {
                keep_planned(entry, planned);
            }
        }
    }
    if let (Some(ips), Some(plan)) = (state.reported.ips.known_mut(), planned.reported.ips.known()) {
        keep_planned(ips, plan);
    }
}

/// Keys are the plan's, and so are the values that it knew.
fn keep_planned<T: Clone>(state: &mut BTreeMap<String, Value<T>>, plan: &BTreeMap<String, Value<T>>) {
    state.retain(|key, _| plan.contains_key(key));
    for (key, planned) in plan {
        if planned.is_unknown() {
            state.entry(key.clone()).or_insert(Value::Null);
        } else {
            state.insert(key.clone(), planned.clone());
        }
    }
}
