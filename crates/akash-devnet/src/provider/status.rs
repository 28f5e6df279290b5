//! What a provider tells about a lease: availability, addresses, ports, log lines and events. Pure.

use std::collections::BTreeMap;

use akash_sdl::Service;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::workloads::{Key, Workload};
use crate::config::StatusStyle;

/// Body of a lease's status, fields in the gateway's order.
#[derive(Serialize)]
pub(super) struct LeaseStatus {
    services: BTreeMap<String, ServiceStatus>,
    forwarded_ports: Option<BTreeMap<String, Vec<ForwardedPort>>>,
    ips: Option<BTreeMap<String, Vec<Ip>>>,
}

impl LeaseStatus {
    /// One service's part.
    pub(super) fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.get(name)
    }
}

/// Body of a service's status.
#[derive(Serialize)]
pub(super) struct ServiceStatus {
    name: String,
    available: u32,
    total: u32,
    uris: Option<Vec<String>>,
    observed_generation: i64,
    replicas: u32,
    updated_replicas: u32,
    ready_replicas: u32,
    available_replicas: u32,
}

#[derive(Serialize)]
struct ForwardedPort {
    host: String,
    port: u32,
    #[serde(rename = "externalPort")]
    external_port: u32,
    proto: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ip {
    port: u32,
    external_port: u32,
    protocol: String,
    #[serde(rename = "IP")]
    ip: String,
}

/// How it stands with a provider and its faults when it is asked.
pub(super) struct View<'a> {
    /// The provider's name, part of addresses.
    pub(super) provider: &'a str,
    pub(super) style: StatusStyle,
    pub(super) height: u64,
    pub(super) ready_after: u64,
    pub(super) never_ready: bool,
    pub(super) no_addresses: bool,
}

impl View<'_> {
    /// The status of one lease.
    pub(super) fn status(&self, key: &Key, workload: &Workload) -> LeaseStatus {
        let services = &workload.group.services;
        let addresses = self.style == StatusStyle::Full && !self.no_addresses;
        let by_name =
            |service: &Service| (service.name.clone(), self.service(key, workload, service, addresses));
        LeaseStatus {
            services: services.iter().map(by_name).collect(),
            forwarded_ports: addresses.then(|| self.ports(key, services)).filter(|ports| !ports.is_empty()),
            ips: addresses.then(|| ips(key, services)).filter(|ips| !ips.is_empty()),
        }
    }

    fn passed(&self, since: u64) -> bool {
        !self.never_ready && self.height >= since.saturating_add(self.ready_after)
    }

    fn service(&self, key: &Key, workload: &Workload, service: &Service, addresses: bool) -> ServiceStatus {
        let total = service.count;
        let of_total = |ready: bool| if ready { total } else { 0 };
        // An update replaces instances while the old ones serve.
        let available = of_total(self.passed(workload.since));
        let full = self.style == StatusStyle::Full;
        let counter = |value: u32| if full { value } else { 0 };
        ServiceStatus {
            name: service.name.clone(),
            available,
            total,
            uris: addresses.then(|| self.uris(key, service)).filter(|uris| !uris.is_empty()),
            observed_generation: if full { workload.generation } else { 0 },
            replicas: counter(total),
            updated_replicas: counter(of_total(self.passed(workload.updated))),
            ready_replicas: counter(available),
            available_replicas: counter(available),
        }
    }

    fn uris(&self, key: &Key, service: &Service) -> Vec<String> {
        let ingress: Vec<_> = service.expose.iter().filter(|e| e.is_ingress() && e.ip.is_empty()).collect();
        if ingress.is_empty() {
            return vec![];
        }
        let own = format!("{}.ingress.{}.devnet.localhost", label(key, &service.name), self.provider);
        let custom = ingress.into_iter().filter_map(|e| e.hosts.as_ref()).flatten().cloned();
        std::iter::once(own).chain(custom).collect()
    }

    fn ports(&self, key: &Key, services: &[Service]) -> BTreeMap<String, Vec<ForwardedPort>> {
        let of = |service: &Service| {
            let forwarded = service.expose.iter().filter(|e| e.global && !e.is_ingress() && e.ip.is_empty());
            let ports = forwarded.map(|expose| ForwardedPort {
                host: format!("{}.devnet.localhost", self.provider),
                port: expose.port,
                // Kubernetes' node ports.
                external_port: 30_000
                    + number(key, &format!("{}/{}/{}", service.name, expose.port, expose.proto)) % 2_768,
                proto: expose.proto.clone(),
                name: service.name.clone(),
            });
            (service.name.clone(), ports.collect::<Vec<_>>())
        };
        services.iter().map(of).filter(|(_, ports)| !ports.is_empty()).collect()
    }

    /// A few plausible lines: pod name and text.
    pub(super) fn logs(&self, key: &Key, workload: &Workload, services: &[String]) -> Vec<(String, String)> {
        let wanted = |service: &&Service| services.is_empty() || services.contains(&service.name);
        let lines = |service: &Service| {
            let pod = pod(key, &service.name);
            let mut lines = vec![format!("starting {}", service.image)];
            if self.never_ready {
                lines.push("fatal: the devnet was told that this service never becomes ready".to_owned());
            } else {
                lines.extend(service.expose.iter().map(|e| format!("listening on {}/{}", e.port, e.proto)));
            }
            lines.into_iter().map(move |line| (pod.clone(), line)).collect::<Vec<_>>()
        };
        workload.group.services.iter().filter(wanted).flat_map(lines).collect()
    }

    /// A few plausible events.
    pub(super) fn events(&self, key: &Key, workload: &Workload) -> Vec<KubeEvent> {
        let namespace = label(key, "namespace");
        let event = |kind: &'static str, reason: &'static str, note: String, service: &Service| KubeEvent {
            kind,
            reporting_controller: "kubelet",
            reporting_instance: "devnet",
            reason,
            note,
            object: Object { kind: "Pod", namespace: namespace.clone(), name: pod(key, &service.name) },
        };
        let of = |service: &Service| {
            let pulled =
                event("Normal", "Pulled", format!("Successfully pulled image {:?}", service.image), service);
            let second = if self.never_ready {
                let note = format!("Back-off restarting failed container {} in pod", service.name);
                event("Warning", "BackOff", note, service)
            } else {
                event("Normal", "Started", format!("Started container {}", service.name), service)
            };
            [pulled, second]
        };
        workload.group.services.iter().flat_map(of).collect()
    }
}

/// One event of a lease.
#[derive(Serialize)]
pub(super) struct KubeEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "reportingController")]
    reporting_controller: &'static str,
    #[serde(rename = "reportingInstance")]
    reporting_instance: &'static str,
    reason: &'static str,
    note: String,
    object: Object,
}

#[derive(Serialize)]
struct Object {
    kind: &'static str,
    namespace: String,
    name: String,
}

fn ips(key: &Key, services: &[Service]) -> BTreeMap<String, Vec<Ip>> {
    let of = |service: &Service| {
        let leased = service.expose.iter().filter(|e| e.global && !e.ip.is_empty());
        let ips = leased.map(|expose| Ip {
            port: expose.port,
            external_port: expose.external(),
            protocol: expose.proto.clone(),
            // An address of the documentation's range; one an endpoint name, as a real provider leases it.
            ip: format!("198.51.100.{}", 1 + number(key, &expose.ip) % 254),
        });
        (service.name.clone(), ips.collect::<Vec<_>>())
    };
    services.iter().map(of).filter(|(_, ips)| !ips.is_empty()).collect()
}

fn digest(key: &Key, what: &str) -> [u8; 32] {
    let (owner, dseq, gseq, oseq) = key;
    Sha256::digest(format!("{owner}/{dseq}/{gseq}/{oseq}/{what}")).into()
}

/// The same for the same lease and thing, between 0 and 2^16.
fn number(key: &Key, what: &str) -> u32 {
    let [a, b, ..] = digest(key, what);
    u32::from(u16::from_be_bytes([a, b]))
}

/// A host label that is the same for the same lease and thing.
fn label(key: &Key, what: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).map(|b| char::from(*b));
    digest(key, what).iter().take(26).filter_map(letter).collect()
}

fn pod(key: &Key, service: &str) -> String {
    let label = label(key, service);
    format!("{service}-{}", label.get(..5).unwrap_or_default())
}
