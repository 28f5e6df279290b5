//! Identifiers as values: what the network calls a deployment, a group, an order, a bid and a lease.
//!
//! An identifier here is always whole: its accounts are addresses, its numbers are above 0. The messages of the same names
//! in [`crate::akash`] may lack any part; `TryFrom` tells which. Text is the parts with `/` between them, as the network's
//! own tools write it, and so is the serialised form. Ordering is by owner, then by numbers.
//!
//! This file must not know what is done with identifiers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    address::is_address,
    akash::{deployment::v1 as deployment, market::v1 as market},
};

/// Why a text or a message is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The owner or the provider is not an account address.
    #[error("`{0}` is not an account address of Akash (`akash1…`)")]
    Address(String),
    /// A number is not one, or 0.
    #[error("`{text}` is not a {what}: digits, more than 0")]
    Number {
        /// `dseq`, `gseq` or `oseq`.
        what: &'static str,
        /// What was read.
        text: String,
    },
    /// Too many parts, or too few.
    #[error("`{text}` is not {form}")]
    Form {
        /// What was read.
        text: String,
        /// What was expected, for example `OWNER/DSEQ`.
        form: &'static str,
    },
}

fn address(text: &str) -> Result<String, IdError> {
    if is_address(text) { Ok(text.to_owned()) } else { Err(IdError::Address(text.to_owned())) }
}

/// A number above 0.
fn positive<T: Default + PartialOrd + fmt::Display>(what: &'static str, number: T) -> Result<T, IdError> {
    if number > T::default() { Ok(number) } else { Err(IdError::Number { what, text: number.to_string() }) }
}

/// A number above 0 in decimal digits.
fn digits<T: Default + PartialOrd + fmt::Display + FromStr>(
    what: &'static str,
    text: &str,
) -> Result<T, IdError> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    positive(what, number.unwrap_or_default()).map_err(|_| IdError::Number { what, text: text.to_owned() })
}

fn parts<'a, const N: usize>(text: &'a str, form: &'static str) -> Result<[&'a str; N], IdError> {
    let parts: Vec<&str> = text.split('/').collect();
    parts.try_into().map_err(|_| IdError::Form { text: text.to_owned(), form })
}

/// A deployment: `OWNER/DSEQ`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId {
    owner: String,
    dseq: u64,
}

/// A group of a deployment: `OWNER/DSEQ/GSEQ`. Groups count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    deployment: DeploymentId,
    gseq: u32,
}

/// An order of a group: `OWNER/DSEQ/GSEQ/OSEQ`. Each start of a group makes a new one, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId {
    group: GroupId,
    oseq: u32,
}

/// A provider's bid on an order: `OWNER/DSEQ/GSEQ/OSEQ/PROVIDER`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BidId {
    order: OrderId,
    provider: String,
}

/// The lease of an order to a provider: `OWNER/DSEQ/GSEQ/OSEQ/PROVIDER`, that of its bid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    order: OrderId,
    provider: String,
}

impl DeploymentId {
    /// The deployment `dseq` of the account `owner`.
    ///
    /// # Errors
    /// When `owner` is not an account address, or `dseq` is 0.
    pub fn new(owner: &str, dseq: u64) -> Result<Self, IdError> {
        Ok(Self { owner: address(owner)?, dseq: positive("dseq", dseq)? })
    }

    /// From an owner, and a dseq in decimal digits.
    ///
    /// # Errors
    /// When `owner` is not an account address, or `dseq` is not digits, or 0.
    pub fn from_parts(owner: &str, dseq: &str) -> Result<Self, IdError> {
        Ok(Self { owner: address(owner)?, dseq: digits("dseq", dseq)? })
    }

    /// Its group `gseq`.
    ///
    /// # Errors
    /// When `gseq` is 0.
    pub fn group(&self, gseq: u32) -> Result<GroupId, IdError> {
        Ok(GroupId { deployment: self.clone(), gseq: positive("gseq", gseq)? })
    }

    /// The account's address.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The deployment's sequence number.
    pub fn dseq(&self) -> u64 {
        self.dseq
    }
}

impl GroupId {
    /// Its order `oseq`.
    ///
    /// # Errors
    /// When `oseq` is 0.
    pub fn order(&self, oseq: u32) -> Result<OrderId, IdError> {
        Ok(OrderId { group: self.clone(), oseq: positive("oseq", oseq)? })
    }

    /// The deployment it belongs to.
    pub fn deployment(&self) -> &DeploymentId {
        &self.deployment
    }

    /// The group's sequence number.
    pub fn gseq(&self) -> u32 {
        self.gseq
    }
}

impl OrderId {
    /// The bid of the account `provider` on it.
    ///
    /// # Errors
    /// When `provider` is not an account address.
    pub fn bid(&self, provider: &str) -> Result<BidId, IdError> {
        Ok(BidId { order: self.clone(), provider: address(provider)? })
    }

    /// The lease of it to the account `provider`.
    ///
    /// # Errors
    /// When `provider` is not an account address.
    pub fn lease(&self, provider: &str) -> Result<LeaseId, IdError> {
        self.bid(provider).map(LeaseId::from)
    }

    /// The group it belongs to.
    pub fn group(&self) -> &GroupId {
        &self.group
    }

    /// The order's sequence number.
    pub fn oseq(&self) -> u32 {
        self.oseq
    }
}

impl From<BidId> for LeaseId {
    fn from(BidId { order, provider }: BidId) -> Self {
        Self { order, provider }
    }
}

impl From<LeaseId> for BidId {
    fn from(LeaseId { order, provider }: LeaseId) -> Self {
        Self { order, provider }
    }
}

/// What an identifier says of those that it lies within.
macro_rules! within {
    ($($name:ident by $field:ident: $outer:ident { $($(#[$doc:meta])* $part:ident: $type:ty,)* })*) => {
        $(impl $name {
            $($(#[$doc])*
            pub fn $part(&self) -> $type {
                self.$field.$part()
            })*
        })*
    };
}

within! {
    GroupId by deployment: DeploymentId {
        /// The account's address.
        owner: &str,
        /// The deployment's sequence number.
        dseq: u64,
    }
    OrderId by group: GroupId {
        /// The account's address.
        owner: &str,
        /// The deployment's sequence number.
        dseq: u64,
        /// The group's sequence number.
        gseq: u32,
        /// The deployment.
        deployment: &DeploymentId,
    }
    BidId by order: OrderId {
        /// The address of the account whose order it is on.
        owner: &str,
        /// The deployment's sequence number.
        dseq: u64,
        /// The group's sequence number.
        gseq: u32,
        /// The order's sequence number.
        oseq: u32,
        /// The deployment.
        deployment: &DeploymentId,
        /// The group.
        group: &GroupId,
    }
    LeaseId by order: OrderId {
        /// The address of the tenant's account.
        owner: &str,
        /// The deployment's sequence number.
        dseq: u64,
        /// The group's sequence number.
        gseq: u32,
        /// The order's sequence number.
        oseq: u32,
        /// The deployment.
        deployment: &DeploymentId,
        /// The group.
        group: &GroupId,
    }
}

/// Bids and leases have the same parts.
macro_rules! with_provider {
    ($($name:ident, $wire:ty;)*) => {
        $(impl $name {
            /// The order.
            pub fn order(&self) -> &OrderId {
                &self.order
            }

            /// The provider's address.
            pub fn provider(&self) -> &str {
                &self.provider
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.order, self.provider)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let [owner, dseq, gseq, oseq, provider] = parts(text, "OWNER/DSEQ/GSEQ/OSEQ/PROVIDER")?;
                let group = DeploymentId::from_parts(owner, dseq)?.group(digits("gseq", gseq)?)?;
                let order = group.order(digits("oseq", oseq)?)?;
                Ok(Self { order, provider: address(provider)? })
            }
        }

        impl From<&$name> for $wire {
            fn from(id: &$name) -> Self {
                Self {
                    owner: id.owner().to_owned(),
                    dseq: id.dseq(),
                    gseq: id.gseq(),
                    oseq: id.oseq(),
                    provider: id.provider.clone(),
                    bseq: 0,
                }
            }
        }

        impl TryFrom<&$wire> for $name {
            type Error = IdError;

            /// `bseq` is always 0: the chain refuses other bids (reference: akash 1.3, market 31).
            fn try_from(id: &$wire) -> Result<Self, IdError> {
                let order = DeploymentId::new(&id.owner, id.dseq)?.group(id.gseq)?.order(id.oseq)?;
                Ok(Self { order, provider: address(&id.provider)? })
            }
        })*
    };
}

with_provider! {
    BidId, market::BidId;
    LeaseId, market::LeaseId;
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.dseq)
    }
}

impl FromStr for DeploymentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let [owner, dseq] = parts(text, "OWNER/DSEQ")?;
        Self::from_parts(owner, dseq)
    }
}

impl From<&DeploymentId> for deployment::DeploymentId {
    fn from(id: &DeploymentId) -> Self {
        Self { owner: id.owner.clone(), dseq: id.dseq }
    }
}

impl TryFrom<&deployment::DeploymentId> for DeploymentId {
    type Error = IdError;

    fn try_from(id: &deployment::DeploymentId) -> Result<Self, IdError> {
        Self::new(&id.owner, id.dseq)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.deployment, self.gseq)
    }
}

impl FromStr for GroupId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let [owner, dseq, gseq] = parts(text, "OWNER/DSEQ/GSEQ")?;
        DeploymentId::from_parts(owner, dseq)?.group(digits("gseq", gseq)?)
    }
}

impl From<&GroupId> for deployment::GroupId {
    fn from(id: &GroupId) -> Self {
        Self { owner: id.owner().to_owned(), dseq: id.dseq(), gseq: id.gseq }
    }
}

impl TryFrom<&deployment::GroupId> for GroupId {
    type Error = IdError;

    fn try_from(id: &deployment::GroupId) -> Result<Self, IdError> {
        DeploymentId::new(&id.owner, id.dseq)?.group(id.gseq)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.oseq)
    }
}

impl FromStr for OrderId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let [owner, dseq, gseq, oseq] = parts(text, "OWNER/DSEQ/GSEQ/OSEQ")?;
        DeploymentId::from_parts(owner, dseq)?.group(digits("gseq", gseq)?)?.order(digits("oseq", oseq)?)
    }
}

impl From<&OrderId> for market::OrderId {
    fn from(id: &OrderId) -> Self {
        Self { owner: id.owner().to_owned(), dseq: id.dseq(), gseq: id.gseq(), oseq: id.oseq }
    }
}

impl TryFrom<&market::OrderId> for OrderId {
    type Error = IdError;

    fn try_from(id: &market::OrderId) -> Result<Self, IdError> {
        DeploymentId::new(&id.owner, id.dseq)?.group(id.gseq)?.order(id.oseq)
    }
}

/// Serialised as their text.
macro_rules! as_text {
    ($($name:ident)*) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        })*
    };
}

as_text! { DeploymentId GroupId OrderId BidId LeaseId }

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";
    const PROVIDER: &str = "akash17xpfvakm2amg962yls6f84z3kell8c5lazw8j8";

    fn deployment() -> DeploymentId {
        DeploymentId::new(OWNER, u64::MAX).unwrap()
    }

    /// Text, JSON and message, and back from each.
    macro_rules! round_trips {
        ($($name:ident, $wire:ty, $text:expr;)*) => {
            $({
                let text: String = $text;
                let id: $name = text.parse().unwrap();
                assert_eq!(id.to_string(), text);
                let json = serde_json::to_string(&id).unwrap();
                assert_eq!(json, format!("\"{text}\""));
                assert_eq!(serde_json::from_str::<$name>(&json).unwrap(), id);
                assert_eq!($name::try_from(&<$wire>::from(&id)), Ok(id));
                assert!($name::try_from(&<$wire>::default()).is_err(), "an empty message");
                assert!(serde_json::from_str::<$name>("\"x\"").is_err());
            })*
        };
    }

    #[test]
    fn forms() {
        let dseq = u64::MAX;
        round_trips! {
            DeploymentId, deployment::DeploymentId, format!("{OWNER}/{dseq}");
            GroupId, deployment::GroupId, format!("{OWNER}/{dseq}/3");
            OrderId, market::OrderId, format!("{OWNER}/{dseq}/3/{}", u32::MAX);
            BidId, market::BidId, format!("{OWNER}/{dseq}/3/4/{PROVIDER}");
            LeaseId, market::LeaseId, format!("{OWNER}/{dseq}/3/4/{PROVIDER}");
        }
    }

    #[test]
    fn parts_of_the_whole() {
        let bid = deployment().group(1).unwrap().order(2).unwrap().bid(PROVIDER).unwrap();
        let lease = LeaseId::from(bid.clone());
        assert_eq!(BidId::from(lease.clone()), bid);
        assert_eq!((lease.owner(), lease.dseq(), lease.gseq(), lease.oseq()), (OWNER, u64::MAX, 1, 2));
        assert_eq!((lease.provider(), lease.deployment()), (PROVIDER, &deployment()));
        assert_eq!(lease.group(), &deployment().group(1).unwrap());
    }

    #[test]
    fn refusals_name_the_part() {
        for (text, expected) in [
            (format!("{OWNER}/0/1"), "`0` is not a dseq"),
            (format!("{OWNER}/+7/1"), "`+7` is not a dseq"),
            (format!("{OWNER}/18446744073709551616/1"), "is not a dseq"),
            (format!("{OWNER}/7/0"), "`0` is not a gseq"),
            (format!("{OWNER}/7/"), "`` is not a gseq"),
            (format!("{OWNER}/7"), "is not OWNER/DSEQ/GSEQ"),
            (format!("{OWNER}/7/1/1"), "is not OWNER/DSEQ/GSEQ"),
            ("akash1x/7/1".to_owned(), "`akash1x` is not an account address"),
        ] {
            let error = text.parse::<GroupId>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let order = deployment().group(1).unwrap().order(1).unwrap();
        assert_eq!(order.bid("x"), Err(IdError::Address("x".into())));
        assert!(deployment().group(0).is_err() && order.group().order(0).is_err());
    }

    #[test]
    fn order_is_by_owner_and_numbers() {
        let id = |owner, dseq| DeploymentId::new(owner, dseq).unwrap();
        let mut ids = [id(OWNER, 10), id(OWNER, 9), id(PROVIDER, 11)];
        ids.sort();
        assert_eq!(ids, [id(PROVIDER, 11), id(OWNER, 9), id(OWNER, 10)]);
    }
}
