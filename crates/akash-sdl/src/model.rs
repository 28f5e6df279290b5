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
use crate::decode::{Decoder, Map, shown};
use crate::diagnostic::Kind;
use crate::suggest;
use crate::version;
use crate::yaml::NodeId;

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
    pub(crate) endpoints: Map<'t, &'t str>,
    /// `min_window` and where it is; empty text if the key is missing.
    pub(crate) reclamation: Option<(NodeId, &'t str)>,
    /// Sections that could not be read: nothing is said about names missing in them.
    pub(crate) unread: Vec<&'static str>,
    /// The key of `deployment`, if there is one.
    pub(crate) deployment_key: Option<NodeId>,
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
        d.error(Kind::Type, odd, rule::TOP, "expected a mapping at the top of the SDL".into(), None);
    }
    Some(document)
}

const SECTIONS: [&str; 7] =
    ["version", "services", "profiles", "deployment", "endpoints", "reclamation", "include"];

fn section<'t>(d: D<'_, 't, '_>, document: &mut Document<'t>, key: NodeId, value: NodeId, name: &str) {
    // Null empties what the same section gave before; where a section has fields it leaves them.
    match name {
        "services" if d.is_null(value) => document.services.clear(),
        "deployment" if d.is_null(value) => document.deployment.clear(),
        "endpoints" if d.is_null(value) => document.endpoints.clear(),
        _ => {}
    }
    let read = match name {
        "version" => true,
        "include" => d.strings(value).is_some(),
        "services" => d.map(value, &mut document.services, &mut service::service),
        "profiles" => d.fields(value, &["compute", "placement"], &mut |d, field, value| {
            let is_null = d.is_null(value);
            let read = match field {
                0 if is_null => {
                    document.compute.clear();
                    true
                }
                0 => d.map(value, &mut document.compute, &mut compute::compute),
                _ if is_null => {
                    document.placement.clear();
                    true
                }
                _ => d.map(value, &mut document.placement, &mut placement::placement),
            };
            if !read {
                document.unread.push(if field == 0 { "compute" } else { "placement" });
            }
        }),
        "deployment" => {
            document.deployment_key = Some(key);
            d.map(value, &mut document.deployment, &mut |d, value| {
                let mut targets = Map::new();
                d.map(value, &mut targets, &mut target).then_some(targets)
            })
        }
        "endpoints" => d.map(value, &mut document.endpoints, &mut |d, value| {
            let mut kind = "";
            let read =
                d.fields(value, &["kind"], &mut |d, _, value| kind = d.string(value).unwrap_or_default());
            read.then_some(kind)
        }),
        "reclamation" => {
            let mut window = (key, "");
            d.fields(value, &["min_window"], &mut |d, _, value| window = text(d, value));
            document.reclamation = Some(window);
            true
        }
        _ => {
            let hint = suggest::nearest(name, &SECTIONS).map(|meant| format!("did you mean `{meant}`?"));
            let hint = hint.unwrap_or_else(|| format!("known here: {}", SECTIONS.join(", ")));
            let message = format!("`{}` is not a section of an SDL", shown(name));
            d.error(Kind::UnknownKey, key, rule::TOP, message, Some(hint));
            true
        }
    };
    if !read && !d.is_null(value) {
        match name {
            "services" => document.unread.push("services"),
            "profiles" => document.unread.extend(["compute", "placement"]),
            "deployment" => document.unread.push("deployment"),
            "endpoints" => document.unread.push("endpoints"),
            _ => {}
        }
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
