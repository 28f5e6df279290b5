//! Deployment groups: what goes on chain, and what a price ceiling is computed from.
//!
//! The JSON form is that of `reference/akash.md` 4.6. This file must not know how groups come out of an SDL (`build`).

use akash_proto::Dec;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::resources::{Attribute, Resources};

/// One group of a deployment: one placement of the SDL. Groups are sorted by name, so gseq is index + 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The placement's name.
    pub name: String,
    /// What a provider must have to bid.
    pub requirements: Requirements,
    /// What it must provide.
    pub resources: Vec<ResourceUnit>,
}

impl Group {
    /// The most this group may cost per block: the sum of price × count over its units, with its denomination.
    /// `None` when the group has no units or the sum leaves the range of [`Dec`] (no valid SDL does).
    /// The chain computes the bid ceiling so (`GroupSpec.Price`).
    pub fn max_price(&self) -> Option<Price> {
        let denom = self.resources.first()?.price.denom.clone();
        let amount = self.resources.iter().try_fold(Dec::ZERO, |sum, unit| {
            sum.checked_add(unit.price.amount.checked_mul(u128::from(unit.count))?)
        })?;
        Some(Price { amount, denom })
    }
}

/// Placement requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// Sorted by key. `None` (JSON null) when the SDL names none.
    pub attributes: Option<Vec<Attribute>>,
    /// Auditors whose signature the attributes need.
    pub signed_by: SignedBy,
}

/// Auditors. A missing YAML key gives `None` (JSON null), an empty list `Some` of nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBy {
    /// All of these must have signed.
    pub all_of: Option<Vec<String>>,
    /// At least one of these must have signed.
    pub any_of: Option<Vec<String>>,
}

/// Resources, how many times, and the ceiling for one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUnit {
    /// Replicas.
    pub count: u32,
    /// Ceiling per replica and block.
    pub price: Price,
    /// What one replica gets.
    pub resource: Resources,
}

/// An exact price per block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// Smallest units (uact), with up to 18 decimals. Its `Display` drops trailing zeros.
    pub amount: Dec,
    /// Denomination; the chain takes only `uact`.
    pub denom: String,
}

/// JSON form of [`Price`]: the amount with all its 18 decimals.
#[derive(Serialize, Deserialize)]
struct PriceJson {
    amount: String,
    denom: String,
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PriceJson { amount: self.amount.to_json(), denom: self.denom.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PriceJson { amount, denom } = PriceJson::deserialize(deserializer)?;
        Ok(Self { amount: amount.parse().map_err(serde::de::Error::custom)?, denom })
    }
}

impl std::fmt::Display for Price {
    /// `10000uact`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.amount, self.denom)
    }
}
