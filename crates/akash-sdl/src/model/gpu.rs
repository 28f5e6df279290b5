//! `profiles.compute.NAME.resources.gpu`.

use super::compute::{Amount, quantity};
use super::{D, rule, text};
use crate::decode::shown;
use crate::diagnostic::Kind;
use crate::yaml::{Content, NodeId};
use crate::{suggest, units};

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
                let message = format!("`gpu` has no field `{}`", shown(name));
                d.error(Kind::Gpu, key, rule::GPU, message, Some(gpu_field(name)));
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
    if gpu.value > 0 && gpu.attributes.is_empty() && !failed && !d.failed.contains(&id) {
        let message = "a GPU needs `attributes` that name its vendor".into();
        let hint = format!("write `attributes: {{vendor: {{nvidia: }}}}` beside `units`; {ANY_OR_ONE}");
        d.error(Kind::Gpu, gpu.node, rule::GPU, message, Some(hint));
    }
    Some(gpu)
}

/// What `nvidia` stands for.
const ANY_OR_ONE: &str = "`nvidia: ` is any model, `nvidia: [{model: a100}]` one of them";

/// What was probably meant by a field that is not known: an error here, unlike elsewhere.
fn gpu_field(name: &str) -> String {
    match name {
        "vendor" | "nvidia" => "write `attributes: {vendor: {nvidia: }}`".into(),
        "count" | "size" => "did you mean `units`?".into(),
        _ => match suggest::nearest(name, &["units", "attributes"]) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "known here: units, attributes".into(),
        },
    }
}

/// `gpu: 1` is taken for no GPU; a list may even be read in pairs.
fn gpu_without_fields(d: D<'_, '_, '_>, id: NodeId) {
    if matches!(d.tree.node(id).content, Content::Scalar { .. }) {
        let message = "`gpu` has no `units`, so the network sees no GPU".into();
        let hint = format!("write `gpu: {{units: 1, attributes: {{vendor: {{nvidia: }}}}}}`; {ANY_OR_ONE}");
        d.warning(Kind::Gpu, id, rule::GPU, message, Some(hint));
    } else if !d.tree.children(id).len().is_multiple_of(2) {
        let message = "`gpu` must be a mapping, not a list".into();
        let hint = "write `units` and `attributes` without a `-`".into();
        d.error(Kind::Gpu, id, rule::GPU, message, Some(hint));
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
        let message = "`attributes` must be a mapping, not a list".into();
        let hint = "write `vendor` without a `-`".into();
        d.error(Kind::Gpu, node, rule::GPU, message, Some(hint));
    }
    for (key, value) in tree.pairs(node) {
        let name = tree.text(key);
        d.under(name, key, |d| {
            if name == "vendor" {
                // A second `vendor` adds to the first; null undoes it.
                let earlier = vendors.take();
                vendors = d.separately(|d| vendor(d, value, earlier.unwrap_or_default()));
            } else {
                let message = format!("a GPU has no attribute `{}`", shown(name));
                let hint = match name {
                    "nvidia" => "write `vendor:` above it, and indent it",
                    _ if suggest::nearest(name, &["vendor"]).is_some() => "did you mean `vendor`?",
                    _ => "known here: vendor",
                };
                d.error(Kind::Gpu, key, rule::GPU, message, Some(hint.into()));
            }
        });
    }
    let Some(mut keys) = vendors else {
        if d.failed.len() == before {
            let message = "the attributes of the GPU name no vendor".into();
            let hint = format!("write `vendor: {{nvidia: }}`; {ANY_OR_ONE}");
            d.error(Kind::Gpu, node, rule::GPU, message, Some(hint));
        }
        return Vec::new();
    };
    if keys.is_empty() {
        keys.push("vendor/nvidia/model/*".into());
    }
    keys.sort();
    keys.into_iter().map(|key| (key.into(), "true")).collect()
}

/// The attribute keys of `vendor`. Vendors other than nvidia are ignored by the network's parser, which then asks for any
/// nvidia GPU.
fn vendor(d: D<'_, '_, '_>, id: NodeId, mut keys: Vec<String>) -> Option<Vec<String>> {
    let before = d.diagnostics.len();
    let read = d.fields(id, &["nvidia"], &mut |d, _, value| {
        keys.clear();
        d.list(value, |d, item| {
            let key = gpu_model(d, item)?;
            if keys.contains(&key) {
                let message = "the same GPU model is there twice".into();
                d.error(Kind::Gpu, item, rule::GPU, message, Some("remove one of them".into()));
            }
            keys.push(key);
            Some(())
        });
    });
    for warning in d.diagnostics.iter_mut().skip(before).filter(|warning| warning.kind == Kind::UnknownKey) {
        let about_a_model = warning.path.contains(".vendor.nvidia[");
        if !about_a_model {
            warning.kind = Kind::Gpu;
            warning
                .message
                .push_str(", and any GPU of nvidia is asked for: the network knows no other vendor");
            warning.hint = Some("write `nvidia`".into());
        }
    }
    read.then_some(keys)
}

fn gpu_model(d: D<'_, '_, '_>, id: NodeId) -> Option<String> {
    let (mut model, mut ram, mut interface) = ((id, ""), None, None);
    let read = d.fields(id, &["model", "ram", "interface"], &mut |d, field, value| match field {
        0 => model = text(d, value),
        1 if !d.is_null(value) => ram = Some(quantity(d, value, units::gpu_ram, "`80Gi`").1),
        2 => interface = gpu_interface(d, value),
        _ => {}
    });
    let (node, model) = model;
    let mut key = format!("vendor/nvidia/model/{model}");
    if let Some(ram) = ram {
        key.push_str(&format!("/ram/{}Gi", ram >> 30));
    }
    if let Some(interface) = interface {
        key.push_str(&format!("/interface/{interface}"));
    }
    if read && !crate::names::is_attribute_key(&key) {
        let message = format!("`{}` is not the name of a GPU model", shown(model));
        let hint =
            "write it in lower-case letters and digits as providers do, for example `a100` or `rtx4090`"
                .into();
        d.error(Kind::Gpu, node, rule::GPU, message, Some(hint));
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
