//! The SDL as written, read from YAML: services, profiles, deployment, endpoints.
//!
//! Each type is read as the network's parser reads its own (chain-sdk `go/sdl`), with the checks that the parser makes
//! while it decodes: those hold for unused services and profiles too. Checks across the file are in `validate`.

mod compute;
mod gpu;
mod placement;
mod service;
mod storage;

pub(crate) use compute::{Amount, Compute, Resources};
pub(crate) use placement::{Coin, Placement};
pub(crate) use service::{Credentials, Expose, HttpOptions, Params, Service};
pub(crate) use storage::Volume;

use crate::Version;
use crate::cause::Cause;
use crate::decode::{Decoder, Map, shown};
use crate::diagnostic::Kind;
use crate::suggest;
use crate::version;
use crate::yaml::{Content, NodeId, Tree};

/// Where the rules of this file come from.
mod rule {
    pub(super) const TOP: &str = "chain-sdk go/sdl/v2.go, v2_1.go";
    pub(super) const UNITS: &str = "chain-sdk go/sdl/units.go";
    pub(super) const GPU: &str = "chain-sdk go/sdl/gpu.go";
    pub(super) const CPU: &str = "chain-sdk go/sdl/cpu.go";
    pub(super) const STORAGE: &str = "chain-sdk go/sdl/storage.go";
    pub(super) const COIN: &str = "chain-sdk go/sdl/coin.go";
    pub(super) const EXPOSE: &str = "chain-sdk go/sdl/expose.go";
}

type D<'d, 't, 'a> = &'d mut Decoder<'t, 'a>;

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Document<'t> {
    pub(crate) version: Option<Version>,
    pub(crate) services: Map<'t, Service<'t>>,
    pub(crate) compute: Map<'t, Compute<'t>>,
    pub(crate) placement: Map<'t, Placement<'t>>,
    /// Service name, then placement name.
    pub(crate) deployment: Map<'t, Map<'t, Target<'t>>>,
    /// `kind` and where it is.
    pub(crate) endpoints: Map<'t, (NodeId, &'t str)>,
    /// `min_window` and where it is; empty text if the key is missing.
    pub(crate) reclamation: Option<(NodeId, &'t str)>,
}

/// `deployment.SERVICE.PLACEMENT`.
#[derive(Debug, Default)]
pub(crate) struct Target<'t> {
    pub(crate) profile: (NodeId, &'t str),
    pub(crate) count: (NodeId, u32),
}

/// Reads the whole file. `None` when there is nothing to go on with.
pub(crate) fn document<'t>(d: D<'_, 't, '_>) -> Option<Document<'t>> {
    let tree = d.tree;
    let root = tree.root.filter(|&root| !d.is_null(root));
    let Some(root) = root else {
        d.error(
            Kind::Missing,
            0,
            rule::TOP,
            "the SDL is empty".into(),
            Some("start with `version: \"2.0\"`".into()),
        );
        return None;
    };
    let root = tree.target(root);
    let mut document = Document { version: version::read(d, root), ..Document::default() };
    // The parser walks the root's keys and values itself: duplicate keys are read one after the other into the same
    // place, `<<` is a key like any other, and a list of keys and values would do as well.
    for (key, value) in tree.pairs(root) {
        let name = tree.text(key);
        d.under(name, key, |d| d.separately(|d| section(d, &mut document, key, value, name)));
    }
    if let Some(&odd) = tree.children(root).as_chunks::<2>().1.first() {
        d.error(Kind::Type, odd, rule::TOP, "the SDL must be a mapping at its top".into(), None);
    }
    Some(document)
}

const SECTIONS: [&str; 7] =
    ["version", "services", "profiles", "deployment", "endpoints", "reclamation", "include"];

/// The key of a section, if it is there.
pub(crate) fn section_key(tree: &Tree<'_>, section: &str) -> Option<NodeId> {
    let pairs = tree.pairs(tree.target(tree.root?));
    pairs.map(|(key, _)| key).filter(|&key| tree.text(key) == section).last()
}

fn section<'t>(d: D<'_, 't, '_>, document: &mut Document<'t>, key: NodeId, value: NodeId, name: &str) {
    match name {
        "version" => {}
        // Null empties what the same section gave before; where a section has fields it leaves them.
        "services" if d.is_null(value) => document.services.clear(),
        "deployment" if d.is_null(value) => document.deployment.clear(),
        "endpoints" if d.is_null(value) => document.endpoints.clear(),
        "include" => {
            d.strings(value);
        }
        "services" => {
            d.map(value, &mut document.services, &mut service::service);
        }
        "profiles" => {
            d.fields(
                value,
                &["compute", "placement"],
                &mut |d, field, value| match (field, d.is_null(value)) {
                    (0, true) => document.compute.clear(),
                    (0, _) => _ = d.map(value, &mut document.compute, &mut compute::compute),
                    (_, true) => document.placement.clear(),
                    _ => _ = d.map(value, &mut document.placement, &mut placement::placement),
                },
            );
        }
        "deployment" => {
            d.map(value, &mut document.deployment, &mut targets);
        }
        "endpoints" => {
            d.map(value, &mut document.endpoints, &mut |d, value| {
                let mut kind = (value, "");
                d.fields(value, &["kind"], &mut |d, _, value| kind = text(d, value)).then_some(kind)
            });
        }
        "reclamation" => {
            let mut window = (key, "");
            d.fields(value, &["min_window"], &mut |d, _, value| window = text(d, value));
            document.reclamation = Some(window);
        }
        _ if d.is_full() || d.failed.contains(&key) => {}
        _ => unknown_section(d, key, name),
    }
}

/// The placements of a service.
fn targets<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Map<'t, Target<'t>>> {
    let mut targets = Map::new();
    let before = d.diagnostics.len();
    let read = d.map(id, &mut targets, &mut target);
    if d.diagnostics.len() > before && is_flat(d, id, &["profile", "count"]) {
        // The placement was left out: both keys are refused, and it is one mistake.
        d.diagnostics.truncate(before);
        let message = "the service names no placement".into();
        let hint = "write the placement above `profile` and `count`: `dcloud: {profile: NAME, count: 1}`";
        d.error(Kind::Type, id, rule::TOP, message, Some(hint.into()));
        return None;
    }
    read.then_some(targets)
}

/// Whether a mapping of mappings has nothing but these keys, and plain values: then the level above them was left out.
fn is_flat(d: D<'_, '_, '_>, id: NodeId, keys: &[&str]) -> bool {
    let tree = d.tree;
    let mut pairs = tree.pairs(tree.target(id)).peekable();
    let is_plain =
        |value| matches!(tree.node(value).content, Content::Scalar { .. }) && !d.stands_for_null(value);
    pairs.peek().is_some() && pairs.all(|(key, value)| keys.contains(&tree.text(key)) && is_plain(value))
}

/// An error, unlike other unknown keys. What the section may have been meant for is not told as missing.
fn unknown_section(d: D<'_, '_, '_>, key: NodeId, name: &str) {
    let tree = d.tree;
    let pairs = tree.pairs(tree.target(tree.root.unwrap_or_default()));
    let above = pairs.take_while(|(other, _)| *other != key).last();
    let above = above
        .filter(|(_, value)| d.stands_for_null(*value))
        .and_then(|(above, _)| SECTIONS.iter().find(|section| **section == tree.text(above)));
    let (meant, hint) = match (suggest::nearest(name, &SECTIONS), above, name) {
        (Some(meant), ..) => (meant, format!("did you mean `{meant}`?")),
        (_, Some(above), _) => (*above, format!("if it belongs under `{above}`, indent it")),
        (.., "compute" | "placement") => {
            ("profiles", "write `profiles:` above, and indent `compute` and `placement` under it".into())
        }
        (.., "networks" | "volumes" | "configs" | "secrets" | "name") => {
            ("", "remove it: Compose files have it, an SDL has not".into())
        }
        (.., "deposit") => ("", "remove it: the deposit is named when the deployment is created".into()),
        _ => ("", format!("known here: {}", SECTIONS.join(", "))),
    };
    // `compute` and `placement` without `profiles` are one mistake.
    if meant == "profiles" && d.causes.at(meant).is_some() {
        return;
    }
    let message = format!("`{}` is not a section of an SDL", shown(name));
    d.error(Kind::UnknownKey, key, rule::TOP, message, Some(hint));
    if !meant.is_empty() {
        d.causes.add(meant.into(), Cause::Told);
    }
}

fn text<'t>(d: D<'_, 't, '_>, id: NodeId) -> (NodeId, &'t str) {
    (id, d.string(id).unwrap_or_default())
}

fn number(d: D<'_, '_, '_>, id: NodeId) -> (NodeId, u32) {
    (id, d.number(id).unwrap_or_default())
}

fn texts<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Vec<(NodeId, &'t str)>> {
    d.list(id, |d, item| d.string(item).map(|text| (item, text)))
}

fn target<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Target<'t>> {
    let mut target = Target { profile: (id, ""), count: (id, 0) };
    d.fields(id, &["profile", "count"], &mut |d, field, value| match field {
        0 => target.profile = text(d, value),
        _ => target.count = number(d, value),
    })
    .then_some(target)
}
