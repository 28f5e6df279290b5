//! The values of an `akash_lease`: its schema, the state that users see, and what is remembered beside it.

use std::{collections::BTreeMap, fmt};

use akash_chain::Pending;
use akash_gateway::LeaseStatus;
use akash_sdl::{Expose, ManifestGroup};
use serde::{Deserialize, Serialize};
use tfplugin::{Dynamic, Model, Value};

use crate::duration::Timeouts;
use crate::lifecycle::{cost::Cost, lease_end::Reclaim, selection::Select};
use crate::receipts;

/// A lease: takes a provider's bid on a group of a deployment, uploads the manifest, and waits until the services are
/// ready.
///
/// The choice of a provider is made once, at create; changing `select` later does nothing to a lease that runs. A
/// changed `manifest` is uploaded in place. A changed `provider_address` moves the lease: data at the old provider is
/// lost, the id stays.
#[derive(Debug, Clone, Default, PartialEq, Model)]
pub(crate) struct Lease {
    /// `id` of an `akash_deployment`.
    #[model(required)]
    pub(crate) deployment: Value<String>,
    /// `manifest` of the same `akash_deployment`.
    #[model(required, sensitive)]
    pub(crate) manifest: Value<String>,
    /// The placement's name; by default the only one.
    #[model(optional, computed)]
    pub(crate) group: Value<String>,
    /// The provider. Set: only this provider's bid is taken; a change moves the lease.
    #[model(optional, computed, validate = account)]
    pub(crate) provider_address: Value<String>,
    #[model(attribute = Select::attribute())]
    pub(crate) select: Value<Select>,
    /// Whether to wait until every service is ready. Default true.
    #[model(optional)]
    pub(crate) wait_for_ready: Value<bool>,
    /// Why; goes into receipts. Default: `AKASH_REASON`. A change of it alone sends nothing.
    #[model(optional)]
    pub(crate) reason: Value<String>,
    #[model(attribute = Timeouts::attribute())]
    pub(crate) timeouts: Value<Timeouts>,
    /// `OWNER/DSEQ/GSEQ`.
    #[model(computed)]
    pub(crate) id: Value<String>,
    /// The chain it is on.
    #[model(computed)]
    pub(crate) chain_id: Value<String>,
    #[model(flatten)]
    pub(crate) terms: Terms,
    #[model(flatten)]
    pub(crate) reported: Reported,
    #[model(attribute = receipts::attribute())]
    pub(crate) receipts: Value<Vec<String>>,
}

/// What the chain says of the lease: another one has others.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Terms {
    /// The order that was leased; counts up when the lease is moved.
    pub(crate) oseq: Value<u32>,
    /// Host name of the provider's gateway.
    pub(crate) provider_host: Value<String>,
    /// The provider's attributes when the lease was taken.
    pub(crate) provider_attributes: Value<BTreeMap<String, String>>,
    /// What is paid, in uact per block for the whole group.
    pub(crate) price: Value<String>,
    #[model(attribute = Cost::attribute("the lease at its price"))]
    pub(crate) cost: Value<Cost>,
    /// `active`, `reclaiming`, `closed`, `insufficient_funds`, or `pending` while it is not known whether the lease was
    /// included.
    pub(crate) state: Value<String>,
    /// Why the lease ended, if it has.
    pub(crate) closed_reason: Value<String>,
    /// When the provider takes the lease back (RFC 3339), if it said so.
    pub(crate) reclaim_deadline: Value<String>,
}

/// What the provider says, and what it was given.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Reported {
    /// Whether every service was ready once. Now: data source `akash_lease`.
    pub(crate) ready: Value<bool>,
    /// The first URI, else `http://host:port` of the first forwarded port, else null.
    pub(crate) url: Value<String>,
    /// Services by name.
    pub(crate) services: Value<BTreeMap<String, Value<Service>>>,
    /// Forwarded ports by service, then by `PORT/PROTO` of the SDL (`"53/udp"`): `host` and `external_port`, null until
    /// the provider reports them.
    pub(crate) ports: Value<BTreeMap<String, Value<Ports>>>,
    /// Leased addresses by service: `ip`, `port`, `external_port`, `protocol`.
    pub(crate) ips: Value<BTreeMap<String, Value<Vec<Ip>>>>,
    /// SHA-256 of this group's part of the manifest as uploaded, in hex; null while the provider does not have it.
    pub(crate) manifest_hash: Value<String>,
}

/// The ports of a service by `PORT/PROTO`.
pub(crate) type Ports = BTreeMap<String, Value<Port>>;

/// Where a service is reached by name.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Service {
    /// Host names under which the provider serves it. Empty where the provider reports none.
    pub(crate) uris: Value<Vec<String>>,
    /// Host names that the SDL's `accept` asks for; point their DNS at the provider's.
    pub(crate) custom_hosts: Value<Vec<String>>,
}

/// Where a port is reached; null until the provider says.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Port {
    pub(crate) host: Value<String>,
    pub(crate) external_port: Value<u32>,
}

/// A leased address and a port on it.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Ip {
    pub(crate) ip: Value<String>,
    pub(crate) port: Value<u32>,
    pub(crate) external_port: Value<u32>,
    pub(crate) protocol: Value<String>,
}

/// What is remembered beside the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Private {
    /// The create whose fate is open.
    pub(crate) pending: Option<Pending>,
    /// SHA-256 of our part of the manifest as last sent, in the form in which it can be compared with what a provider
    /// reads back.
    pub(crate) digest: Option<String>,
    /// Why the lease was lost, as last read; what a plan tells.
    pub(crate) lost: Option<String>,
    /// A move ended the old lease and has not got a new one yet: the next apply goes on with it.
    pub(crate) moving: bool,
    /// The provider takes the lease back, as last read.
    pub(crate) reclaim: Option<Reclaim>,
    /// Block height of the last read.
    pub(crate) height: Option<u64>,
}

impl Lease {
    /// The addresses that a manifest's part promises, with nothing reported yet: every service and every port has its
    /// key from the start.
    pub(crate) fn set_promised(&mut self, group: &ManifestGroup) {
        let services = group.services.iter().map(|service| {
            let hosts = service.expose.iter().flat_map(|expose| expose.hosts.iter().flatten());
            let mut custom_hosts: Vec<String> = Vec::new();
            for host in hosts {
                if !custom_hosts.contains(host) {
                    custom_hosts.push(host.clone());
                }
            }
            let value = Service { uris: Value::Known(Vec::new()), custom_hosts: Value::Known(custom_hosts) };
            (service.name.clone(), Value::Known(value))
        });
        let ports = group.services.iter().map(|service| {
            let forwarded = service.expose.iter().filter(|expose| expose.global && !expose.is_ingress());
            let ports =
                forwarded.map(|expose| (port_key(expose.port, &expose.proto), Value::Known(Port::default())));
            (service.name.clone(), Value::Known(ports.collect()))
        });
        let leased =
            group.services.iter().filter(|service| service.expose.iter().any(|expose| !expose.ip.is_empty()));
        self.reported.ips =
            Value::Known(leased.map(|service| (service.name.clone(), Value::Known(Vec::new()))).collect());
        self.reported.services = Value::Known(services.collect());
        self.reported.ports = Value::Known(ports.collect());
        self.reported.url = Value::Null;
    }

    /// Takes over the addresses that a provider reports. One once known stays: what the provider does not say now is
    /// no news.
    pub(crate) fn set_reported(&mut self, status: &LeaseStatus, provider_host: &str) {
        if let Some(services) = self.reported.services.known_mut() {
            for (name, reported) in status.services.iter().filter(|(_, reported)| !reported.uris.is_empty()) {
                if let Some(service) = services.get_mut(name).and_then(Value::known_mut) {
                    service.uris = Value::Known(reported.uris.clone());
                }
            }
        }
        if let Some(ports) = self.reported.ports.known_mut() {
            for (name, reported) in &status.forwarded_ports {
                let Some(ports) = ports.get_mut(name).and_then(Value::known_mut) else { continue };
                for port in reported {
                    let host = if port.host.is_empty() { provider_host } else { port.host.as_str() };
                    let value =
                        Port { host: host.into(), external_port: u32::from(port.external_port).into() };
                    ports.insert(port_key(port.port.into(), &port.proto), Value::Known(value));
                }
            }
        }
        if let Some(ips) = self.reported.ips.known_mut() {
            for (name, reported) in status.ips.iter().filter(|(_, reported)| !reported.is_empty()) {
                let mut list: Vec<Ip> = reported
                    .iter()
                    .map(|ip| Ip {
                        ip: ip.ip.as_str().into(),
                        port: ip.port.into(),
                        external_port: ip.external_port.into(),
                        protocol: ip.protocol.to_ascii_lowercase().into(),
                    })
                    .collect();
                list.sort_by_key(|ip| {
                    (ip.ip.known().cloned(), ip.external_port.known().copied(), ip.protocol.known().cloned())
                });
                ips.insert(name.clone(), Value::Known(list));
            }
        }
        if let url @ Value::Known(_) = self.first_address() {
            self.reported.url = url;
        }
    }

    /// The first URI, else the first forwarded port; unknown where it may be one that is not known yet.
    fn first_address(&self) -> Value<String> {
        /// Of several values the first that is not null.
        fn first<'a, T: 'a>(
            all: impl IntoIterator<Item = &'a Value<T>>,
            of: impl Fn(&T) -> Value<String>,
        ) -> Value<String> {
            let mut each = all.into_iter().map(|one| match one {
                Value::Known(one) => of(one),
                Value::Unknown => Value::Unknown,
                Value::Null => Value::Null,
            });
            each.find(|address| !address.is_null()).unwrap_or(Value::Null)
        }
        let uri = |service: &Service| {
            first([&service.uris], |uris| uris.first().map(|uri| format!("http://{uri}")).into())
        };
        let port = |port: &Port| {
            let parts = port.host.known().zip(port.external_port.known());
            parts.map(|(host, port)| format!("http://{host}:{port}")).into()
        };
        match first([&self.reported.services], |services| first(services.values(), uri)) {
            Value::Null => {
                first([&self.reported.ports], |all| first(all.values(), |ports| first(ports.values(), port)))
            }
            uri => uri,
        }
    }

    /// What the SDL asks for and the provider has not reported.
    pub(crate) fn missing<'a>(&self, group: &'a ManifestGroup) -> Vec<Address<'a>> {
        let mut missing = Vec::new();
        for service in &group.services {
            let name = service.name.as_str();
            let uris =
                self.reported.services.known().and_then(|services| services.get(name)?.known()?.uris.known());
            let ports = self.reported.ports.known().and_then(|ports| ports.get(name)?.known());
            let ips = self.reported.ips.known().and_then(|ips| ips.get(name)?.known());
            for expose in service.expose.iter().filter(|expose| expose.global) {
                let port = port_key(expose.port, &expose.proto);
                let reported = ports.and_then(|ports| ports.get(&port)?.known());
                if expose.is_ingress() && uris.is_none_or(Vec::is_empty) {
                    missing.push(Address::Uri { service: name, port });
                } else if !expose.is_ingress() && reported.is_none_or(|port| !port.external_port.is_known()) {
                    missing.push(Address::Port { service: name, port });
                }
                if !expose.ip.is_empty() && ips.is_none_or(Vec::is_empty) {
                    missing.push(Address::Ip { service: name, endpoint: &expose.ip });
                }
            }
        }
        missing
    }

    /// Makes what was never reported unknown, and `url` where it may follow from that. What was reported stays.
    pub(crate) fn set_missing_unknown(&mut self, group: &ManifestGroup) {
        for address in self.missing(group) {
            match address {
                Address::Uri { service, .. } => {
                    let service =
                        self.reported.services.known_mut().and_then(|all| all.get_mut(service)?.known_mut());
                    if let Some(service) = service {
                        service.uris = Value::Unknown;
                    }
                }
                Address::Port { service, port } => {
                    let ports =
                        self.reported.ports.known_mut().and_then(|all| all.get_mut(service)?.known_mut());
                    if let Some(reported) = ports.and_then(|ports| ports.get_mut(&port)) {
                        *reported = Value::Unknown;
                    }
                }
                Address::Ip { service, .. } => {
                    if let Some(ips) = self.reported.ips.known_mut().and_then(|all| all.get_mut(service)) {
                        *ips = Value::Unknown;
                    }
                }
            }
        }
        if self.first_address().is_unknown() {
            self.reported.url = Value::Unknown;
        }
    }
}

/// An address that an SDL asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// A host name under which the provider serves a port.
    Uri { service: &'a str, port: String },
    /// A forwarded port.
    Port { service: &'a str, port: String },
    /// A leased address.
    Ip { service: &'a str, endpoint: &'a str },
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri { service, port } => write!(f, "services.{service}: a URI for port {port}"),
            Self::Port { service, port } => write!(f, "services.{service}: the forwarded port of {port}"),
            Self::Ip { service, endpoint } => {
                write!(f, "services.{service}: the address of endpoint {endpoint}")
            }
        }
    }
}

/// `53/udp`.
pub(crate) fn port_key(port: u32, proto: &str) -> String {
    format!("{port}/{}", proto.to_ascii_lowercase())
}

/// What of a service decides its addresses: a change of it makes them unknown in a plan.
pub(crate) fn addresses_depend_on(group: &ManifestGroup, service: &str) -> Option<(Vec<Expose>, u32)> {
    let service = group.services.iter().find(|one| one.name == service)?;
    Some((service.expose.clone(), service.count))
}

fn account(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) if !akash_chain::is_address(text) => {
            Err(format!("`{text}` is not an account address of Akash (`akash1…`)"))
        }
        _ => Ok(()),
    }
}
