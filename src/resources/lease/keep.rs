//! What of a lease's state stays as it was, or as it was planned, when an update ends: pure.

use std::collections::BTreeMap;

use tfplugin::Value;

use super::model::{Lease, Ports};

/// Puts prior values where a plan has unknown ones.
pub(super) fn keep_prior(state: &mut Lease, prior: &Lease) {
    fn keep<T: Clone>(value: &mut Value<T>, prior: &Value<T>) {
        if value.is_unknown() {
            *value = prior.clone();
        }
    }
    keep(&mut state.provider_address, &prior.provider_address);
    keep(&mut state.oseq, &prior.oseq);
    keep(&mut state.provider_host, &prior.provider_host);
    keep(&mut state.provider_attributes, &prior.provider_attributes);
    keep(&mut state.price, &prior.price);
    keep(&mut state.cost, &prior.cost);
    keep(&mut state.state, &prior.state);
    keep(&mut state.closed_reason, &prior.closed_reason);
    keep(&mut state.reclaim_deadline, &prior.reclaim_deadline);
    keep(&mut state.ready, &prior.ready);
    keep(&mut state.url, &prior.url);
    keep(&mut state.manifest_hash, &prior.manifest_hash);
    keep(&mut state.receipts, &prior.receipts);
    // These may be unknown in part.
    state.services = prior.services.clone();
    state.ports = prior.ports.clone();
    state.ips = prior.ips.clone();
}

/// Addresses that were reported before stay where their service still has them.
pub(super) fn restore_reported(state: &mut Lease, prior: &Lease) {
    if let (Some(services), Some(before)) = (state.services.known_mut(), prior.services.known()) {
        for (name, service) in services.iter_mut() {
            if let (Some(service), Some(Value::Known(old))) = (service.known_mut(), before.get(name)) {
                service.uris = old.uris.clone();
            }
        }
    }
    if let (Some(ports), Some(before)) = (state.ports.known_mut(), prior.ports.known()) {
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
    if let (Some(ips), Some(before)) = (state.ips.known_mut(), prior.ips.known()) {
        for (name, list) in ips.iter_mut() {
            if let Some(old) = before.get(name) {
                *list = old.clone();
            }
        }
    }
    state.url = prior.url.clone();
}

/// What the plan knew stays as planned: an address that the provider reports on the side is taken over by the next read.
pub(super) fn only_planned(state: &mut Lease, planned: &Lease) {
    if !planned.url.is_unknown() {
        state.url = planned.url.clone();
    }
    if let (Some(services), Some(plan)) = (state.services.known_mut(), planned.services.known()) {
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
    if let (Some(ports), Some(plan)) = (state.ports.known_mut(), planned.ports.known()) {
        ports.retain(|name, _| plan.contains_key(name));
        for (name, planned) in plan {
            let Some(planned) = planned.known() else { continue };
            let entry = ports.entry(name.clone()).or_insert_with(|| Value::Known(Ports::new()));
            if let Some(entry) = entry.known_mut() {
                keep_planned(entry, planned);
            }
        }
    }
    if let (Some(ips), Some(plan)) = (state.ips.known_mut(), planned.ips.known()) {
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
