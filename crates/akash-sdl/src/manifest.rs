//! The manifest: what a provider gets by PUT, and what the deployment's hash is of.
//!
//! JSON form and null rules are `reference/akash.md` 4.1 and 4.2. Fields stand in the byte order of their JSON names
//! (see `canonical`). Values of env and credentials are secrets: no `Debug` here prints them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resources::Resources;

/// The whole manifest: one entry a group, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest(pub Vec<ManifestGroup>);

impl Manifest {
    /// The part of one group (placement), which is what the provider with that group's lease runs.
    pub fn group(&self, name: &str) -> Option<&ManifestGroup> {
        self.0.iter().find(|group| group.name == name)
    }

    /// The text that the deployment's hash is of: compact JSON, keys sorted bytewise, `<`, `>`, `&`, U+2028 and U+2029
    /// escaped as the network's JSON encoder does.
    pub fn canonical_json(&self) -> String {
        crate::canonical::to_string(self)
    }

    /// The deployment's hash: SHA-256 of [`Manifest::canonical_json`].
    pub fn hash(&self) -> [u8; 32] {
        crate::canonical::sha256(&self.canonical_json())
    }
}

/// The services of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestGroup {
    /// The placement's name.
    pub name: String,
    /// Sorted by name.
    pub services: Vec<Service>,
}

impl ManifestGroup {
    /// The text that a hash of this group alone is of (same form as [`Manifest::canonical_json`], an object).
    pub fn canonical_json(&self) -> String {
        crate::canonical::to_string(self)
    }

    /// SHA-256 of [`ManifestGroup::canonical_json`].
    pub fn hash(&self) -> [u8; 32] {
        crate::canonical::sha256(&self.canonical_json())
    }
}

/// One service. A list that the SDL does not name is `None` (JSON null); an empty one stays an empty list.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Arguments of the command.
    pub args: Option<Vec<String>>,
    /// The command, instead of the image's own.
    pub command: Option<Vec<String>>,
    /// Replicas.
    pub count: u32,
    /// Login at a private registry.
    pub credentials: Option<Credentials>,
    /// `NAME=value` texts. Secret.
    pub env: Option<Vec<String>>,
    /// Ports, in the network's order.
    #[serde(deserialize_with = "crate::resources::null_as_default")]
    pub expose: Vec<Expose>,
    /// Container image.
    pub image: String,
    /// Name, unique in the group.
    pub name: String,
    /// Mounts, permissions, confidential computing. The key is left out when the SDL has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Params>,
    /// What one replica gets; endpoints are this service's alone.
    pub resources: Resources,
}

impl fmt::Debug for Service {
    /// Leaves out what may be secret: env values, arguments and commands are counted, not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |list: &Option<Vec<String>>| list.as_ref().map(Vec::len);
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("image", &self.image)
            .field("count", &self.count)
            .field("resources", &self.resources)
            .field("expose", &self.expose)
            .field("params", &self.params)
            .field("command (items)", &counted(&self.command))
            .field("args (items)", &counted(&self.args))
            .field("env (items)", &counted(&self.env))
            .field("credentials", &self.credentials)
            .finish()
    }
}

/// Login at a private registry.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Always empty with SDL 2.0, whose builder drops it.
    #[serde(default)]
    pub email: String,
    /// Registry host.
    pub host: String,
    /// Password. Secret.
    pub password: String,
    /// User name.
    pub username: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("host", &self.host).finish_non_exhaustive()
    }
}

/// One port of a service, and who may reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expose {
    /// Number of the leased IP endpoint, else 0.
    #[serde(rename = "endpointSequenceNumber")]
    pub endpoint_sequence_number: u32,
    /// `as` of the SDL, 0 where it has none (then `port` is the external port).
    #[serde(rename = "externalPort")]
    pub external_port: u32,
    /// Reachable from outside.
    pub global: bool,
    /// `accept` of the SDL.
    pub hosts: Option<Vec<String>>,
    /// Options of the shared ingress, with the network's defaults filled in.
    #[serde(rename = "httpOptions")]
    pub http_options: HttpOptions,
    /// Name of the IP endpoint, else empty.
    pub ip: String,
    /// Container port.
    pub port: u32,
    /// `TCP` or `UDP`.
    pub proto: String,
    /// Service that may reach it, or empty.
    pub service: String,
}

impl Expose {
    /// The port seen from outside: `as`, or else `port`.
    pub fn external(&self) -> u32 {
        if self.external_port == 0 { self.port } else { self.external_port }
    }

    /// Whether the provider's shared HTTP ingress serves it: global, TCP, external port 80.
    pub fn is_ingress(&self) -> bool {
        self.global && self.proto == "TCP" && self.external() == 80
    }
}

/// Options of the shared ingress. Times in milliseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpOptions {
    /// Largest request body.
    #[serde(rename = "maxBodySize")]
    pub max_body_size: u32,
    /// When the next replica is tried.
    #[serde(rename = "nextCases", default, skip_serializing_if = "Vec::is_empty")]
    pub next_cases: Vec<String>,
    /// Time for trying the next replica.
    #[serde(rename = "nextTimeout")]
    pub next_timeout: u32,
    /// How often the next replica is tried.
    #[serde(rename = "nextTries")]
    pub next_tries: u32,
    /// Left out when 0: providers that do not know it would compute another hash.
    #[serde(rename = "proxyBufferSize", default, skip_serializing_if = "is_zero")]
    pub proxy_buffer_size: u32,
    /// Time for reading.
    #[serde(rename = "readTimeout")]
    pub read_timeout: u32,
    /// Time for sending.
    #[serde(rename = "sendTimeout")]
    pub send_timeout: u32,
}

impl Default for HttpOptions {
    /// The network's defaults (chain-sdk `go/sdl/v2.go`).
    fn default() -> Self {
        Self {
            max_body_size: 1_048_576,
            next_cases: vec!["error".into(), "timeout".into()],
            next_timeout: 0,
            next_tries: 3,
            proxy_buffer_size: 0,
            read_timeout: 60_000,
            send_timeout: 60_000,
        }
    }
}

/// `params` of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// What the workload may read of its own lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Mounts, sorted by volume name. `None` (JSON null) when there are none.
    pub storage: Option<Vec<StorageParams>>,
    /// Confidential computing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tee: Option<Tee>,
}

/// What the workload may read of its own lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// `deployment`, `logs`, `events`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
}

/// Where a volume is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageParams {
    /// Absolute path in the container.
    pub mount: String,
    /// Name of the volume.
    pub name: String,
    /// Mounted read-only.
    #[serde(rename = "readOnly")]
    pub read_only: bool,
}

/// Confidential computing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tee {
    /// Always true.
    pub attestation: bool,
    /// `cpu` or `cpu-gpu`.
    #[serde(rename = "type")]
    pub kind: String,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde's `skip_serializing_if` asks for"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A JSON value of the group in which two manifests are equal exactly if a provider runs the same from both.
///
/// What a provider reads back is lossy: `resources.endpoints` is null, `params.storage` null comes as `[]`, `tee` is
/// dropped, and on Kubernetes empty lists come as null (`reference/akash.md` 6). So the common form has no endpoints, no
/// `tee`, no `params` without content, and null for every empty list. Both sides must be put into it. The value
/// holds env and credentials: keep it out of logs.
pub fn common_form(group: &ManifestGroup) -> serde_json::Value {
    let mut value = serde_json::to_value(group).unwrap_or_default();
    if let Some(services) = value.get_mut("services").and_then(serde_json::Value::as_array_mut) {
        for service in services {
            if let Some(resources) = service.get_mut("resources").and_then(serde_json::Value::as_object_mut) {
                resources.remove("endpoints");
            }
            if let Some(service) = service.as_object_mut() {
                if let Some(params) = service.get_mut("params").and_then(serde_json::Value::as_object_mut) {
                    params.remove("tee");
                    params.retain(|_, field| !is_empty(field));
                }
                service.retain(|key, field| key != "params" || !is_empty(field));
            }
        }
    }
    empty_lists_to_null(&mut value);
    value
}

fn is_empty(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

fn empty_lists_to_null(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(items) if items.is_empty() => *value = serde_json::Value::Null,
        serde_json::Value::Array(items) => items.iter_mut().for_each(empty_lists_to_null),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(empty_lists_to_null),
        _ => {}
    }
}
