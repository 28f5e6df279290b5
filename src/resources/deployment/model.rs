//! The values of an `akash_deployment`: its schema, the state that users see, and what is remembered beside it.

use std::collections::BTreeMap;

use akash_chain::Pending;
use akash_proto::{Coin, Dec};
use akash_sdl::{Group, Sdl};
use serde::{Deserialize, Serialize};
use tfplugin::{Dynamic, Model, Value};

use crate::duration::Timeouts;
use crate::lifecycle::{cost::Cost, lease_end::Reclaim};
use crate::receipts;

/// A deployment: what is to run (an [SDL](https://akash.network/docs/getting-started/stack-definition-language/)), with
/// its escrow account on chain. Providers bid on it; an `akash_lease` takes a bid and brings it up.
///
/// A change that the chain can take in place (image, command, environment, ports of the same kind) sends the new hash;
/// the lease then uploads the new manifest. A change of resources, counts, or the number of endpoints replaces the
/// deployment, and the plan names the SDL path that forces it. Comments, key order and YAML style are no change.
#[derive(Debug, Clone, Default, PartialEq, Model)]
pub(crate) struct Deployment {
    /// The SDL, version 2.0 or 2.1. Validated in the plan, with the position of each error. It is stored in state and
    /// shown in plans as any argument: keep passwords out of it.
    #[model(required)]
    pub(crate) sdl: Value<String>,
    /// A name, unique among the wallet's active deployments: the dseq is derived from it, so that the chain itself
    /// allows one active deployment of that name. Not to be combined with `create_before_destroy`. A name given later
    /// is recorded in place; another name replaces.
    #[model(optional, validate = not_empty)]
    pub(crate) name: Value<String>,
    /// Take over an active deployment of the same name if its groups are equal, instead of failing. Without it, only
    /// what an earlier run of this machine created and was cut off at is taken over.
    #[model(optional)]
    pub(crate) adopt: Value<bool>,
    /// What to put into escrow, for example `5000000uact`; what is not used comes back when the deployment is closed.
    /// Default: the chain's minimum. On update tops up to this sum; a lower value changes nothing.
    #[model(optional, validate = coin)]
    pub(crate) deposit: Value<String>,
    /// What a change of price, `signedBy` or placement attributes alone does. The chain can't change them in a
    /// deployment that exists. `keep`, the default: the new text is recorded with a warning and applies when the
    /// deployment is next created. `replace`: it is created anew.
    #[model(optional, validate = one_of(&["keep", "replace"]))]
    pub(crate) on_market_change: Value<String>,
    /// Why; goes into receipts. Default: `AKASH_REASON`. A change of it alone sends nothing.
    #[model(optional)]
    pub(crate) reason: Value<String>,
    #[model(attribute = Timeouts::attribute())]
    pub(crate) timeouts: Value<Timeouts>,
    /// `OWNER/DSEQ`.
    #[model(computed)]
    pub(crate) id: Value<String>,
    /// The wallet's address.
    #[model(computed)]
    pub(crate) owner: Value<String>,
    /// The deployment's sequence number, chosen by the provider before anything is sent.
    #[model(computed)]
    pub(crate) dseq: Value<String>,
    /// The chain it is on.
    #[model(computed)]
    pub(crate) chain_id: Value<String>,
    /// SHA-256 of the manifest as the chain has it, in hex.
    #[model(computed)]
    pub(crate) hash: Value<String>,
    /// The manifest, for `akash_lease.manifest`.
    #[model(computed, sensitive)]
    pub(crate) manifest: Value<String>,
    /// Groups by name, as the chain has them since the deployment was created.
    #[model(computed)]
    pub(crate) groups: Value<BTreeMap<String, Value<GroupValue>>>,
    /// `active`, or `pending` while it is not known whether the create was included.
    #[model(computed)]
    pub(crate) state: Value<String>,
    /// The block in which it was created.
    #[model(computed)]
    pub(crate) created_height: Value<String>,
    /// What was put into escrow so far, in uact, spent or not.
    #[model(computed)]
    pub(crate) deposited: Value<String>,
    #[model(attribute = Cost::attribute("the deployment at the ceiling of the SDL's prices; a lease's `cost` is what is really paid"))]
    pub(crate) cost: Value<Cost>,
    #[model(attribute = receipts::attribute())]
    pub(crate) receipts: Value<Vec<String>>,
}

/// One group, as it is on chain: what was asked for when the deployment was created.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct GroupValue {
    /// The group's number, from 1.
    gseq: Value<u64>,
    /// The most that the group may cost, in uact per block.
    max_price: Value<String>,
    /// What a provider must have to bid.
    requirements: Value<Requirements>,
    /// Resource units.
    resources: Value<Vec<Unit>>,
}

#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
struct Requirements {
    /// Attributes that a provider must have.
    attributes: BTreeMap<String, String>,
    /// Auditors that must all have signed the provider.
    signed_by_all_of: Vec<String>,
    /// Auditors of which one must have signed the provider.
    signed_by_any_of: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
struct Unit {
    /// Replicas.
    count: u64,
    /// Millicpu of one replica.
    cpu: u64,
    /// Bytes of one replica.
    memory: u64,
    /// GPUs of one replica.
    gpu: u64,
    /// Models that are accepted.
    gpu_attributes: Vec<String>,
    /// Volumes of one replica.
    storage: Vec<Volume>,
    /// The most that one replica may cost, in uact per block.
    price: String,
}

#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
struct Volume {
    /// The volume's name.
    name: String,
    /// Bytes.
    size: u64,
    /// Storage class.
    class: Option<String>,
    /// Whether it outlives a restart.
    persistent: bool,
}

/// What is remembered beside the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Private {
    /// The create whose fate is open.
    pub(crate) pending: Option<Pending>,
    /// The groups as the chain has them: what a plan compares an SDL with.
    pub(crate) groups: Vec<Group>,
    /// `reclamation.min_window` as the chain has it, in seconds.
    pub(crate) reclamation: Option<u64>,
    /// Its leases that their providers take back, as last read.
    pub(crate) reclaimed: Vec<Reclaim>,
    /// Block height of the last read.
    pub(crate) height: Option<u64>,
}

impl Deployment {
    /// Fills in what an SDL alone decides of a new deployment.
    pub(crate) fn set_compiled(&mut self, sdl: &Sdl) {
        self.set_groups(&sdl.groups);
        self.hash = sdl.hash_hex().into();
        self.manifest =
            crate::lifecycle::manifest::ManifestAttribute::new(sdl.manifest.clone()).text().into();
    }

    /// Fills in `groups` and `cost`.
    pub(crate) fn set_groups(&mut self, groups: &[Group]) {
        self.cost = Value::Known(Cost::of(ceiling(groups)));
        self.groups = Value::Known(
            (1_u64..)
                .zip(groups)
                .map(|(gseq, group)| (group.name.clone(), Value::Known(GroupValue::new(gseq, group))))
                .collect(),
        );
    }
}

/// The most that all groups may cost together, in uact per block.
pub(crate) fn ceiling(groups: &[Group]) -> Dec {
    groups.iter().filter_map(Group::max_price).map(|price| price.amount).sum()
}

impl GroupValue {
    fn new(gseq: u64, group: &Group) -> Self {
        let requirements = &group.requirements;
        let attributes = requirements.attributes.iter().flatten();
        Self {
            gseq: gseq.into(),
            max_price: group.max_price().map(|price| price.amount.to_string()).into(),
            requirements: Value::Known(Requirements {
                attributes: attributes.map(|one| (one.key.clone(), one.value.clone())).collect(),
                signed_by_all_of: requirements.signed_by.all_of.clone().unwrap_or_default(),
                signed_by_any_of: requirements.signed_by.any_of.clone().unwrap_or_default(),
            }),
            resources: Value::Known(group.resources.iter().map(Unit::new).collect()),
        }
    }
}

impl Unit {
    fn new(unit: &akash_sdl::ResourceUnit) -> Self {
        let resource = &unit.resource;
        let storage = resource.storage.iter().map(|volume| {
            let attribute =
                |key: &str| volume.attributes.iter().find(|one| one.key == key).map(|one| one.value.clone());
            Volume {
                name: volume.name.clone(),
                size: volume.size.val,
                class: attribute("class"),
                persistent: attribute("persistent").is_some_and(|text| text == "true"),
            }
        });
        Self {
            count: unit.count.into(),
            cpu: resource.cpu.units.val,
            memory: resource.memory.size.val,
            gpu: resource.gpu.units.val,
            gpu_attributes: resource.gpu.attributes.iter().map(|one| one.key.clone()).collect(),
            storage: storage.collect(),
            price: unit.price.amount.to_string(),
        }
    }
}

fn coin(value: &Dynamic) -> Result<(), String> {
    let Dynamic::String(text) = value else { return Ok(()) };
    let coin: Coin = text.parse().map_err(|error: akash_proto::NumberError| error.to_string())?;
    if coin.denom != "uact" {
        return Err(format!(
            "deployments are paid in uact (ACT, 1,000,000 uact are 1 USD), not in {}; the chain refuses a deposit in it",
            coin.denom
        ));
    }
    // So much that no arithmetic with it can overflow, and more than there will ever be.
    if !(1..=u128::from(u64::MAX)).contains(&coin.amount) {
        return Err("it must be more than 0uact and below 2^64".into());
    }
    Ok(())
}

fn one_of(words: &'static [&'static str]) -> impl Fn(&Dynamic) -> Result<(), String> {
    move |value| match value {
        Dynamic::String(text) if !words.contains(&text.as_str()) => {
            Err(format!("`{text}` is not one of {}", words.join(", ")))
        }
        _ => Ok(()),
    }
}

fn not_empty(value: &Dynamic) -> Result<(), String> {
    match value {
        Dynamic::String(text) if text.trim().is_empty() => {
            Err("it is empty; leave it out, or give a name".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deposits_are_in_uact() {
        assert!(coin(&Dynamic::String("500000uact".into())).is_ok());
        for text in ["500000uakt", "500000", "0.5act", "", "0uact", "18446744073709551616uact"] {
            assert!(coin(&Dynamic::String(text.into())).is_err(), "{text}");
        }
    }
}
