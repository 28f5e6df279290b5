//! Resource types that groups and manifests share, in the network's JSON form.
//!
//! Fields stand in the byte order of their JSON names, so that serializing is already the canonical order (see
//! `canonical`). Quantities are strings of decimal digits inside `{"val": ...}`. This file must not know YAML.

use serde::{Deserialize, Serialize};

/// A whole quantity: millicpu, bytes, or a count of GPUs. JSON: `{"val":"100"}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quantity {
    /// The number. Its unit depends on the field that holds it.
    #[serde(with = "digits")]
    pub val: u64,
}

impl From<u64> for Quantity {
    fn from(val: u64) -> Self {
        Self { val }
    }
}

/// A key and its value, for example `persistent` = `true` of a volume. The network leaves empty texts out of JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attribute {
    /// The key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The value, always text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

impl Attribute {
    /// An attribute of the two texts.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// CPU of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cpu {
    /// At most `arch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub attributes: Vec<Attribute>,
    /// Thousandths of a CPU.
    pub units: Quantity,
}

/// GPUs of one replica. Always present; 0 units where the SDL names none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gpu {
    /// Keys `vendor/nvidia/model/<model>[/ram/<n>Gi][/interface/<pcie|sxm>]`, each with the value `true`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub attributes: Vec<Attribute>,
    /// Number of GPUs.
    pub units: Quantity,
}

/// Memory of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Memory {
    /// Always empty for an SDL: the network's parser reads none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub attributes: Vec<Attribute>,
    /// Bytes.
    pub size: Quantity,
}

/// One volume of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Storage {
    /// `persistent` and `class`, if the SDL has an `attributes` mapping.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub attributes: Vec<Attribute>,
    /// The volume's name; `default` where the SDL gives none.
    pub name: String,
    /// Bytes.
    pub size: Quantity,
}

/// How a port is reached from outside. JSON: 0, 1 or 2; 0 is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointKind {
    /// HTTP through the provider's shared ingress (external port 80, TCP).
    #[default]
    SharedHttp,
    /// A port that the provider draws at random.
    RandomPort,
    /// A leased IP address.
    LeasedIp,
}

impl EndpointKind {
    /// The number on the wire and in JSON.
    pub fn number(self) -> u8 {
        match self {
            Self::SharedHttp => 0,
            Self::RandomPort => 1,
            Self::LeasedIp => 2,
        }
    }

    /// The kind of a number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::SharedHttp, Self::RandomPort, Self::LeasedIp]
            .into_iter()
            .find(|kind| u64::from(kind.number()) == number)
    }

    fn is_default(&self) -> bool {
        *self == Self::SharedHttp
    }
}

impl Serialize for EndpointKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for EndpointKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        Self::from_number(number)
            .ok_or_else(|| serde::de::Error::custom(format!("endpoint kind {number} is not one of 0, 1, 2")))
    }
}

/// One way into a service from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// What it is.
    #[serde(default, skip_serializing_if = "EndpointKind::is_default")]
    pub kind: EndpointKind,
    /// 0 but for a leased IP, whose number names the IP endpoint (`build::sequence_numbers` has the rule).
    #[serde(default)]
    pub sequence_number: u32,
}

/// What one replica gets. In a group unit, `endpoints` are those of all services that share it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// CPU.
    pub cpu: Cpu,
    /// Never null in what we write. A provider that reads a manifest back gives null, read here as empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub endpoints: Vec<Endpoint>,
    /// GPUs.
    pub gpu: Gpu,
    /// 1, 2, ... within the group.
    pub id: u32,
    /// Memory.
    pub memory: Memory,
    /// Volumes in the network's order (size first). Never empty in a valid SDL.
    pub storage: Vec<Storage>,
}

/// JSON null and an absent field both become the default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

mod digits {
    //! A `u64` as a JSON string of digits.

    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(val: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(val)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a quantity: expected digits")))
    }
}
