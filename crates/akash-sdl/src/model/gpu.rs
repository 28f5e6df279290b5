//! `profiles.compute.NAME.resources.gpu`.

use super::compute::{Amount, quantity};
use super::{D, rule};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::units;
use crate::yaml::{Content, NodeId};

/// The parser walks keys and values itself: `<<` is a key like any other, and a mere number is no GPU at all.
pub(super) fn gpu<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Amount<'t, u64>> {
    if d.is_null(id) {
        return None;
    }
    let (tree, id) = (d.tree, d.tree.target(id));
    let mut gpu = Amount { node: id, ..Amount::default() };
    let before = d.failed.len();
    for (key, value) in tree.pairs(id) {
        let name = tree.text(key);
        d.under(name, key, |d| match name {
            "units" => {
                (gpu.node, gpu.value) =
                    quantity(d, value, units::unsigned, "a whole number, for example `1`");
            }
            "attributes" => gpu.attributes = gpu_attributes(d, value),
            _ => {
                let message = format!("GPU has no field `{}`", shown(name));
                d.error(Kind::Gpu, key, rule::GPU, message, Some("known here: units, attributes".into()));
            }
        });
    }
    let failed = d.failed.len() > before;
    if failed {
        d.failed.insert(gpu.node);
    }
    if !matches!(tree.node(id).content, Content::Mapping(_)) {
        gpu_without_fields(d, id);
    }
    if gpu.value > 0 && gpu.attributes.is_empty() && !failed {
        let message = "GPU attributes are needed when units are not 0".into();
        d.error(
            Kind::Gpu,
            gpu.node,
            rule::GPU,
            message,
            Some("add `attributes: {vendor: {nvidia: }}`".into()),
        );
    }
    Some(gpu)
}

/// `gpu: 1` is taken for no GPU; a list may even be read in pairs.
fn gpu_without_fields(d: D<'_, '_, '_>, id: NodeId) {
    if matches!(d.tree.node(id).content, Content::Scalar { .. }) {
        let message = "`gpu` has no fields, so the network sees no GPU".into();
        d.warning(Kind::Gpu, id, rule::GPU, message, Some("write `gpu: {units: 1, attributes: ...}`".into()));
    } else if !d.tree.children(id).len().is_multiple_of(2) {
        d.error(Kind::Gpu, id, rule::GPU, "expected a mapping, found a list".into(), None);
    }
}

fn gpu_attributes<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<(std::borrow::Cow<'t, str>, &'t str)> {
    if d.is_null(id) {
        return Vec::new();
    }
    let (tree, node) = (d.tree, d.tree.target(id));
    let before = d.failed.len();
    let mut vendors = None;
    if !tree.children(node).len().is_multiple_of(2) {
        d.error(Kind::Gpu, node, rule::GPU, "expected a mapping, found a list".into(), None);
    }
    for (key, value) in tree.pairs(node) {
        let name = tree.text(key);
        d.under(name, key, |d| {
            if name == "vendor" {
                vendors = d.separately(|d| vendor(d, value));
            } else {
                let message = format!("GPU has no attribute `{}`", shown(name));
                d.error(Kind::Gpu, key, rule::GPU, message, Some("only `vendor` is known".into()));
            }
        });
    }
    let Some(mut keys) = vendors else {
        if d.failed.len() == before {
            let message = "GPU attributes name no vendor".into();
            d.error(Kind::Gpu, node, rule::GPU, message, Some("add `vendor: {nvidia: }`".into()));
        }
        return Vec::new();
    };
    if keys.is_empty() {
        keys.push("vendor/nvidia/model/*".into());
    }
    keys.sort();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        d.error(Kind::Gpu, node, rule::GPU, "the same GPU model is there twice".into(), None);
    }
    if let Some(key) = keys.iter().find(|key| !crate::names::is_attribute_key(key)) {
        let message = format!("`{}` does not make a valid GPU attribute", shown(key));
        let hint = "a model has letters, digits, `.`, `-` and `_` only".into();
        d.error(Kind::Gpu, node, rule::GPU, message, Some(hint));
    }
    keys.into_iter().map(|key| (key.into(), "true")).collect()
}

/// The attribute keys of `vendor`. Vendors other than nvidia are ignored by the network's parser, which then asks for any
/// nvidia GPU.
fn vendor(d: D<'_, '_, '_>, id: NodeId) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let before = d.diagnostics.len();
    let read = d.fields(id, &["nvidia"], &mut |d, _, value| {
        keys = d.list(value, gpu_model).unwrap_or_default();
    });
    for warning in d.diagnostics.iter_mut().skip(before).filter(|warning| warning.kind == Kind::UnknownKey) {
        let about_a_model = warning.path.contains(".vendor.nvidia[");
        if !about_a_model {
            warning.kind = Kind::Gpu;
            warning.message = "only nvidia GPUs are supported: the network ignores other vendors and asks for any nvidia GPU".into();
            warning.hint = Some("use `nvidia`".into());
        }
    }
    read.then_some(keys)
}

fn gpu_model(d: D<'_, '_, '_>, id: NodeId) -> Option<String> {
    let (mut model, mut ram, mut interface) = ("", None, None);
    let read = d.fields(id, &["model", "ram", "interface"], &mut |d, field, value| match field {
        0 => model = d.string(value).unwrap_or_default(),
        1 if !d.is_null(value) => ram = Some(quantity(d, value, units::gpu_ram, "`80Gi`").1),
        2 => interface = gpu_interface(d, value),
        _ => {}
    });
    let mut key = format!("vendor/nvidia/model/{model}");
    if let Some(ram) = ram {
        key.push_str(&format!("/ram/{}Gi", ram >> 30));
    }
    if let Some(interface) = interface {
        key.push_str(&format!("/interface/{interface}"));
    }
    read.then_some(key)
}

fn gpu_interface<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<&'t str> {
    let text = d.raw(id)?;
    if !matches!(text, "pcie" | "sxm") {
        let message = format!("`{}` is not a GPU interface", shown(text));
        d.error(Kind::Gpu, id, rule::GPU, message, Some("write `pcie` or `sxm`".into()));
    }
    Some(text)
}
