//! `profiles.compute`: CPU and memory here, GPUs and volumes in their own files.

use super::gpu::gpu;
use super::storage::{Volume, storage};
use super::{D, rule};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::units::{self, UnitError};
use crate::yaml::{Content, NodeId};

/// `profiles.compute.NAME`.
#[derive(Debug, Default)]
pub(crate) struct Compute<'t> {
    pub(crate) resources: Option<Resources<'t>>,
}

/// `profiles.compute.NAME.resources`.
#[derive(Debug, Default)]
pub(crate) struct Resources<'t> {
    pub(crate) cpu: Option<Amount<'t, u32>>,
    pub(crate) gpu: Option<Amount<'t, u64>>,
    pub(crate) memory: Option<Amount<'t, u64>>,
    pub(crate) storage: Vec<Volume<'t>>,
    pub(crate) storage_node: Option<NodeId>,
}

/// A quantity with its attributes.
#[derive(Debug, Default)]
pub(crate) struct Amount<'t, T> {
    pub(crate) node: NodeId,
    pub(crate) value: T,
    pub(crate) attributes: Vec<(std::borrow::Cow<'t, str>, &'t str)>,
}

pub(super) fn compute<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Compute<'t>> {
    let mut compute = Compute::default();
    d.fields(id, &["resources"], &mut |d, _, value| compute.resources = resources(d, value))
        .then_some(compute)
}

fn resources<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Resources<'t>> {
    let mut resources = Resources::default();
    d.fields(id, &["cpu", "gpu", "memory", "storage"], &mut |d, field, value| match field {
        0 => resources.cpu = cpu(d, value),
        1 => resources.gpu = gpu(d, value),
        2 => resources.memory = memory(d, value),
        _ => {
            resources.storage_node = Some(value);
            resources.storage = storage(d, value);
        }
    })
    .then_some(resources)
}

/// A quantity that reads its text itself: quoted or not, empty where a collection stands.
pub(super) fn quantity<T: Default>(
    d: D<'_, '_, '_>,
    id: NodeId,
    read: fn(&str) -> Result<T, UnitError>,
    form: &str,
) -> (NodeId, T) {
    let Some(text) = d.raw(id) else { return (id, T::default()) };
    let value = match read(text) {
        Ok(value) => return (id, value),
        Err(error) => error,
    };
    let text_shown = shown(text);
    let message = match value {
        _ if !matches!(d.tree.node(d.tree.target(id)).content, Content::Scalar { .. }) => {
            "a quantity is a number with a unit, not a list or a mapping".into()
        }
        UnitError::Form => format!("`{text_shown}` is not a quantity"),
        UnitError::Negative => format!("`{text_shown}` is below zero"),
        UnitError::Range => format!("`{text_shown}` is out of range"),
    };
    let hint = unit_slip(text, read).unwrap_or_else(|| format!("write {form}"));
    d.error(Kind::Value, id, rule::UNITS, message, Some(hint));
    (id, T::default())
}

/// `16GB`, `4gi`, `1 Gi`, `500mCPU`, `2 cores`, `0,5`: what was meant.
fn unit_slip<T>(text: &str, read: fn(&str) -> Result<T, UnitError>) -> Option<String> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && !".,".contains(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(number_end)?;
    let number = number.replace(',', ".");
    let unit = unit.trim();
    if unit.len() > 12 {
        return None;
    }
    let letter = unit.chars().next().map(|c| c.to_ascii_uppercase());
    let is_bytes = read("1Gi").is_ok();
    let meant = match letter {
        Some(letter) if is_bytes => format!("{number}{letter}i"),
        Some('M') => format!("{number}m"),
        _ => number,
    };
    (meant != text && read(&meant).is_ok()).then(|| format!("did you mean `{meant}`?"))
}

fn cpu<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Amount<'t, u32>> {
    let mut cpu = Amount { node: id, ..Amount::default() };
    d.fields(id, &["units", "attributes"], &mut |d, field, value| match field {
        0 => (cpu.node, cpu.value) = quantity(d, value, units::cpu, "`500m`, `0.5` or `2`"),
        _ => cpu.attributes = cpu_attributes(d, value),
    })
    .then_some(cpu)
}

/// Only `arch`. The parser walks keys and values itself.
fn cpu_attributes<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<(std::borrow::Cow<'t, str>, &'t str)> {
    let (tree, id) = (d.tree, d.tree.target(id));
    let mut attributes = Vec::new();
    for (key, value) in tree.pairs(id) {
        let name = tree.text(key);
        d.under(name, key, |d| {
            if name != "arch" {
                let message = format!("CPU has no attribute `{}`", shown(name));
                d.error(Kind::UnknownKey, key, rule::CPU, message, Some("only `arch` is known".into()));
            } else if attributes.is_empty() {
                attributes.push(("arch".into(), d.separately(|d| d.string(value)).unwrap_or_default()));
            } else {
                d.error(Kind::DuplicateKey, key, rule::CPU, "the key `arch` is there twice".into(), None);
            }
        });
    }
    attributes
}

fn memory<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Amount<'t, u64>> {
    let mut memory = Amount { node: id, ..Amount::default() };
    d.fields(id, &["size"], &mut |d, _, value| {
        (memory.node, memory.value) = quantity(d, value, units::bytes, "`512Mi` or `2Gi`");
    })
    .then_some(memory)
}
