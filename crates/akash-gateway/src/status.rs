//! Bodies a gateway answers with, as types. No I/O here.
//!
//! Providers differ in what they fill in (`reference/akash.md` 6): a list may be `null`, and a counter of 0 beside
//! a positive total means "not reported". Fields this client does not use are ignored. Names and addresses end up in
//! state and in outputs: what has control characters or invisible ones in it is none, and is read as not reported.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// `GET /lease/{dseq}/{gseq}/{oseq}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LeaseStatus {
    /// By service name.
    #[serde(default, deserialize_with = "named")]
    pub services: BTreeMap<String, ServiceStatus>,
    /// Ports the provider forwards from its own host, by service name.
    #[serde(default, deserialize_with = "named")]
    pub forwarded_ports: BTreeMap<String, Vec<ForwardedPort>>,
    /// Leased IP addresses, by service name.
    #[serde(default, deserialize_with = "named")]
    pub ips: BTreeMap<String, Vec<LeaseIp>>,
    /// Parts of the answer that the provider could not find out.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub errors: Vec<serde_json::Value>,
}

impl LeaseStatus {
    /// Whether every one of `services` (the manifest's names) is there and ready. False for an empty list: a lease
    /// without services is none.
    pub fn ready<S: AsRef<str>>(&self, services: &[S]) -> bool {
        !services.is_empty()
            && services.iter().all(|name| self.services.get(name.as_ref()).is_some_and(ServiceStatus::ready))
    }
}

/// One service of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceStatus {
    /// The service's name.
    #[serde(default)]
    pub name: String,
    /// Instances that can serve.
    #[serde(default)]
    pub available: i64,
    /// Instances wanted.
    #[serde(default)]
    pub total: i64,
    /// Host names the provider's ingress serves it under, without scheme. Empty also when not reported.
    #[serde(default, deserialize_with = "plain_ones")]
    pub uris: Vec<String>,
    /// Kubernetes' generation counter; 0 = not reported.
    #[serde(default)]
    pub observed_generation: i64,
    /// Instances that exist, old and new.
    #[serde(default)]
    pub replicas: i64,
    /// Instances of the newest manifest.
    #[serde(default)]
    pub updated_replicas: i64,
    /// Instances whose containers are ready.
    #[serde(default)]
    pub ready_replicas: i64,
    /// Instances ready for long enough.
    #[serde(default)]
    pub available_replicas: i64,
}

impl ServiceStatus {
    /// Whether the provider fills in the replica counters. Some leave them all 0.
    pub fn counters_reported(&self) -> bool {
        [
            self.observed_generation,
            self.replicas,
            self.updated_replicas,
            self.ready_replicas,
            self.available_replicas,
        ]
        .iter()
        .any(|&counter| counter != 0)
    }

    /// `available == total > 0`; and while a provider that reports counters still runs instances of an older
    /// manifest, not yet.
    pub fn ready(&self) -> bool {
        self.total > 0
            && self.available == self.total
            && (!self.counters_reported() || self.updated_replicas >= self.total)
    }
}

/// A port forwarded from the provider's host to a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardedPort {
    /// The host to connect to. Empty = not reported: the provider's own host.
    #[serde(default, deserialize_with = "plain")]
    pub host: String,
    /// The service's port, as in the manifest's expose.
    pub port: u16,
    /// The port on the host.
    pub external_port: u16,
    /// `TCP` or `UDP`.
    #[serde(default, deserialize_with = "plain")]
    pub proto: String,
    /// The service's name.
    #[serde(default)]
    pub name: String,
}

/// A leased IP address and the port it serves. The gateway writes these names with capitals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LeaseIp {
    /// The service's port.
    pub port: u32,
    /// The port on the address.
    pub external_port: u32,
    /// `TCP` or `UDP`.
    #[serde(default, deserialize_with = "plain")]
    pub protocol: String,
    /// The address; empty where the provider's answer was no address.
    #[serde(rename = "IP", deserialize_with = "plain")]
    pub ip: String,
}

/// `GET /version`: what the provider runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProviderVersion {
    /// Build of the provider daemon.
    pub akash: BuildInfo,
    /// Kubernetes' version object; absent when the provider has no cluster to ask.
    #[serde(default)]
    pub kube: Option<serde_json::Value>,
}

/// Build of a provider daemon; anything may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// Version, for example `v0.14.1`.
    #[serde(default)]
    pub version: String,
    /// Commit it was built from.
    #[serde(default)]
    pub commit: String,
    /// Go toolchain.
    #[serde(default)]
    pub go: String,
    /// Cosmos SDK release.
    #[serde(default)]
    pub cosmos_sdk_version: String,
}

/// `GET /address`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProviderAddress {
    /// The account the server says it is. It proves nothing; the certificate does.
    pub address: String,
}

/// `GET /status`: the provider as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProviderStatus {
    /// Leases and inventory.
    pub cluster: ClusterStatus,
    /// The account.
    #[serde(default)]
    pub address: String,
    /// Host name of the ingress, if the provider has one.
    #[serde(default)]
    pub cluster_public_hostname: Option<String>,
    /// Longest reclamation window offered, in nanoseconds (Go's `time.Duration`).
    #[serde(default)]
    pub reclamation_window: Option<i64>,
}

/// The cluster part of [`ProviderStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterStatus {
    /// Active leases.
    #[serde(default)]
    pub leases: u64,
    /// Inventory as the provider tells it; its shape differs between versions and nothing here depends on it.
    #[serde(default)]
    pub inventory: serde_json::Value,
}

/// Go writes `null` for an empty list or map.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// A text that may be recorded; any other is read as none.
fn plain<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let text: String = null_is_empty(d)?;
    Ok(if plain_text::is_plain(&text) { text } else { String::new() })
}

/// The texts of a list that may be recorded.
fn plain_ones<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let mut texts: Vec<String> = null_is_empty(d)?;
    texts.retain(|text| plain_text::is_plain(text));
    Ok(texts)
}

/// What has a name that may be recorded.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<BTreeMap<String, T>, D::Error> {
    let mut members: BTreeMap<String, T> = null_is_empty(d)?;
    members.retain(|name, _| plain_text::is_plain(name));
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They would go into state, and from there to a terminal with every plan.
    #[test]
    fn addresses_with_controls_are_not_taken() {
        let status: LeaseStatus = serde_json::from_str(
            r#"{"services":{"web":{"uris":["a.example","b\u001b[2J.example","c\u202e.example",""]},"x\u0007":{}},
            "forwarded_ports":{"web":[{"host":"p\n.example","port":1,"externalPort":2,"proto":"T\u200bCP"}]},
            "ips":{"web":[{"Port":53,"ExternalPort":53,"Protocol":"UDP","IP":"203.0.113.7\u001b[31m"}]}}"#,
        )
        .unwrap();
        assert_eq!(status.services.keys().collect::<Vec<_>>(), ["web"]);
        assert_eq!(status.services["web"].uris, ["a.example", ""]);
        let port = &status.forwarded_ports["web"][0];
        assert_eq!((port.host.as_str(), port.proto.as_str(), port.external_port), ("", "", 2));
        assert_eq!(status.ips["web"][0].ip, "");
    }

    fn service(available: i64, total: i64, generation: i64, updated: i64) -> ServiceStatus {
        ServiceStatus {
            name: "web".into(),
            available,
            total,
            uris: vec![],
            observed_generation: generation,
            replicas: generation.min(1) * total,
            updated_replicas: updated,
            ready_replicas: 0,
            available_replicas: 0,
        }
    }

    #[test]
    fn ready_rules() {
        for (available, total, generation, updated, ready) in [
            (1, 1, 0, 0, true), // counters not reported
            (2, 2, 3, 2, true),
            (2, 2, 3, 1, false), // one instance of the older manifest
            (0, 1, 0, 0, false),
            (0, 0, 0, 0, false),
            (1, 2, 3, 2, false),
        ] {
            assert_eq!(
                service(available, total, generation, updated).ready(),
                ready,
                "available {available} of {total}, generation {generation}, updated {updated}"
            );
        }
    }

    #[test]
    fn ready_needs_every_named_service() {
        let status = LeaseStatus {
            services: BTreeMap::from([("web".to_owned(), service(1, 1, 0, 0))]),
            forwarded_ports: BTreeMap::new(),
            ips: BTreeMap::new(),
            errors: vec![],
        };
        assert!(status.ready(&["web"]));
        assert!(!status.ready(&["web", "db"]));
        assert!(!status.ready::<&str>(&[]));
    }

    #[test]
    fn a_full_answer() {
        let status: LeaseStatus = serde_json::from_str(
            r#"{"errors":[],"services":{"web":{"name":"web","available":1,"total":1,"uris":["a.example"],
            "observed_generation":2,"replicas":1,"updated_replicas":1,"ready_replicas":1,"available_replicas":1}},
            "forwarded_ports":{"web":[{"host":"p.example","port":22,"externalPort":31022,"proto":"TCP","name":"web"}]},
            "ips":{"web":[{"Port":53,"ExternalPort":53,"Protocol":"UDP","IP":"203.0.113.7"}]},"more":1}"#,
        )
        .unwrap();
        assert!(status.ready(&["web"]));
        assert_eq!(status.forwarded_ports["web"][0].external_port, 31022);
        assert_eq!(status.ips["web"][0].ip, "203.0.113.7");
    }
}
