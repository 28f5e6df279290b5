//! What the chain checks of a deployment's groups without looking at any state: names, limits, prices.
//!
//! The texts are the chain's own where recordings show them; plain errors carry no code of a module.

use std::collections::BTreeSet;

use akash_proto::{
    Dec, Int,
    akash::{
        base::{
            attributes::v1::Attribute,
            resources::v1beta4::{ResourceValue, Resources},
        },
        deployment::v1beta4::{GroupSpec, ResourceUnit},
    },
};

use super::errors::{ChainError, akash, deployment};

const KI: u64 = 1024;
const MI: u64 = KI * KI;
const GI: u64 = KI * MI;
const TI: u64 = KI * GI;

const CPU: (u64, u64) = (10, 384_000);
const GPU: (u64, u64) = (0, 24);
const MEMORY: (u64, u64) = (MI, 2 * TI);
const STORAGE: (u64, u64) = (5 * MI, 32 * TI);
const COUNT: (u32, u32) = (1, 50);
const MAX_PRICE: u64 = 10_000_000;

/// Checks one group.
///
/// # Errors
/// `undefined` 1 for limits and prices, `akash` 1 and 2 for attributes.
pub fn group(spec: &GroupSpec) -> Result<(), ChainError> {
    if spec.name.is_empty() {
        return Err(ChainError::undefined("empty group spec name denomination"));
    }
    if let Some(requirements) = &spec.requirements {
        attributes(&requirements.attributes)?;
    }
    if spec.resources.is_empty() {
        return Err(ChainError::undefined("error: group spec has no resources"));
    }
    let mut ids = BTreeSet::new();
    for unit in &spec.resources {
        resource_unit(unit)?;
        let id = unit.resource.as_ref().map_or(0, |resource| resource.id);
        if !ids.insert(id) {
            return Err(ChainError::undefined(format!("error: duplicate resources id ({id})")));
        }
    }
    price(spec)
}

fn resource_unit(unit: &ResourceUnit) -> Result<(), ChainError> {
    let Some(resource) = &unit.resource else {
        return Err(ChainError::undefined("error: invalid unit: resources must not be nil"));
    };
    if resource.id == 0 {
        return Err(ChainError::undefined("error: invalid resources ID (> 0 fails)"));
    }
    if !(COUNT.0..=COUNT.1).contains(&unit.count) {
        return Err(ChainError::undefined(format!(
            "error: invalid unit count ({} > {} > {} fails)",
            COUNT.1, unit.count, COUNT.0
        )));
    }
    resources(resource)
}

/// Checks the amounts of one unit against the limits per unit.
///
/// # Errors
/// As [`group`].
pub fn resources(resource: &Resources) -> Result<(), ChainError> {
    let cpu = resource.cpu.as_ref();
    within("CPU", cpu.and_then(|cpu| cpu.units.as_ref()), CPU)?;
    attributes(cpu.map_or(&[], |cpu| &cpu.attributes))?;
    let gpu = resource.gpu.as_ref();
    let units = within("GPU", gpu.and_then(|gpu| gpu.units.as_ref()), GPU)?;
    let gpu_attributes: &[Attribute] = gpu.map_or(&[], |gpu| &gpu.attributes);
    if units == 0 && !gpu_attributes.is_empty() {
        return Err(ChainError::undefined(
            "error: invalid GPU state. attributes cannot be present if units == 0",
        ));
    }
    attributes(gpu_attributes)?;
    let memory = resource.memory.as_ref();
    within("memory", memory.and_then(|memory| memory.quantity.as_ref()), MEMORY)?;
    attributes(memory.map_or(&[], |memory| &memory.attributes))?;
    for volume in &resource.storage {
        within("storage", volume.quantity.as_ref(), STORAGE)?;
        attributes(&volume.attributes)?;
    }
    Ok(())
}

/// The chain's text names the upper limit on both sides; so does this.
fn within(kind: &str, value: Option<&ResourceValue>, (min, max): (u64, u64)) -> Result<u64, ChainError> {
    let refused = |shown: &str| {
        ChainError::undefined(format!("error: invalid unit {kind} ({max} > {shown} > {max} fails)"))
    };
    let Some(value) = value else {
        return Err(refused("nil"));
    };
    match Int::try_from(value) {
        Ok(Int(amount)) if (min..=max).contains(&amount) => Ok(amount),
        _ => Err(refused(&String::from_utf8_lossy(&value.val))),
    }
}

fn price(spec: &GroupSpec) -> Result<(), ChainError> {
    let mut denom = None;
    for unit in &spec.resources {
        let Some(price) = &unit.price else {
            return Err(ChainError::undefined(format!("group {}: invalid price object", spec.name)));
        };
        let amount = Dec::from_wire(&price.amount)
            .map_err(|_| ChainError::undefined(format!("group {}: invalid price object", spec.name)))?;
        if amount < Dec::ZERO || price.denom.is_empty() {
            return Err(ChainError::undefined(format!("group {}: invalid price object", spec.name)));
        }
        if amount > Dec::from(MAX_PRICE) {
            return Err(ChainError::undefined(format!(
                "group {}: price too high ({MAX_PRICE} > {amount} fails)",
                spec.name
            )));
        }
        match denom {
            Some(first) if first != &price.denom => {
                return Err(ChainError::undefined(format!(
                    "group {}: denomination must be the same for all resource units",
                    spec.name
                )));
            }
            _ => denom = Some(&price.denom),
        }
    }
    Ok(())
}

/// The group's denomination: that of its first unit's price.
pub fn denom(spec: &GroupSpec) -> &str {
    spec.resources.first().and_then(|unit| unit.price.as_ref()).map_or("", |price| &price.denom)
}

/// The most that a bid for the whole group may ask: the sum of price × count.
pub fn ceiling(spec: &GroupSpec) -> Dec {
    spec.resources
        .iter()
        .filter_map(|unit| {
            let price = Dec::from_wire(&unit.price.as_ref()?.amount).ok()?;
            price.checked_mul(u128::from(unit.count))
        })
        .sum()
}

/// Checks of the list as a whole, which only the handler makes: one denomination, names used once.
///
/// # Errors
/// `deployment` 7 and 25.
pub fn group_list(specs: &[GroupSpec]) -> Result<(), ChainError> {
    let mut names = BTreeSet::new();
    for spec in specs {
        if !names.insert(&spec.name) {
            return Err(deployment::DUPLICATE_GROUP_NAME.wrap(&spec.name));
        }
        if specs.first().map(denom) != Some(denom(spec)) {
            return Err(deployment::INVALID_GROUPS.wrap("groups must have the same denomination"));
        }
    }
    Ok(())
}

fn attributes(list: &[Attribute]) -> Result<(), ChainError> {
    let mut keys = BTreeSet::new();
    for attribute in list {
        if !is_attribute_key(&attribute.key) {
            return Err(akash::ATTRIBUTE_KEY.plain());
        }
        if !keys.insert(&attribute.key) {
            return Err(akash::DUPLICATE_ATTRIBUTE_KEYS.plain());
        }
    }
    Ok(())
}

/// `^([a-zA-Z][\w\/\.\-]{1,126}[\w\*]?)$`
fn is_attribute_key(key: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let inner = |byte: &u8| word(byte) || b"/.-".contains(byte);
    match key.as_bytes() {
        [first, middle @ .., last] if !middle.is_empty() && key.len() <= 128 => {
            first.is_ascii_alphabetic()
                && middle.iter().all(inner)
                && (word(last) || *last == b'*' || (key.len() <= 127 && inner(last)))
        }
        [first, last] => first.is_ascii_alphabetic() && inner(last),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_keys() {
        for key in ["region", "capabilities/storage/1/class", "vendor/nvidia/model/*", "ab", "a-", "a.b_c"] {
            assert!(is_attribute_key(key), "{key}");
        }
        for key in ["", "a", "1a", "a*", "a b", "-a", "ab*c"] {
            assert!(!is_attribute_key(key), "{key}");
        }
    }
}
