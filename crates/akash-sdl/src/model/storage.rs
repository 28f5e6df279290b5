//! `profiles.compute.NAME.resources.storage`: volumes, their attributes and the network's order of them.

use super::compute::quantity;
use super::{D, rule};
use crate::decode::{Map, shown};
use crate::diagnostic::Kind;
use crate::yaml::{Content, NodeId};
use crate::{suggest, units};

/// One volume of `storage`.
#[derive(Debug, Default)]
pub(crate) struct Volume<'t> {
    pub(crate) node: NodeId,
    /// Position in the file's list, for paths; `None` when `storage` is one mapping.
    pub(crate) index: Option<usize>,
    pub(crate) name: &'t str,
    pub(crate) size: u64,
    /// `class` and `persistent`, in this order, if there is an `attributes` mapping.
    pub(crate) attributes: Vec<(&'static str, &'t str)>,
}

impl<'t> Volume<'t> {
    pub(crate) fn attribute(&self, key: &str) -> Option<&'t str> {
        self.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    pub(crate) fn is_persistent(&self) -> bool {
        self.attribute("persistent") == Some("true")
    }
}

/// Most volumes that are looked at; providers take 4.
const MAX_VOLUMES: usize = 100;

/// A list of volumes, or one as a mapping, which is always named `default`.
pub(super) fn storage<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<Volume<'t>> {
    if d.is_null(id) {
        return Vec::new();
    }
    let (tree, node) = (d.tree, d.tree.target(id));
    let mut volumes: Vec<Volume<'t>> = Vec::new();
    match &tree.node(node).content {
        Content::Sequence(items) if items.len() > MAX_VOLUMES => {
            let message = format!("more than {MAX_VOLUMES} volumes");
            d.error(Kind::Bounds, node, rule::STORAGE, message, None);
        }
        Content::Sequence(_) => {
            for (index, &item) in tree.children(node).iter().enumerate() {
                let volume = d.item(index, |d| d.separately(|d| volume(d, item, Some(index))));
                if volumes.iter().any(|other| other.name == volume.name) {
                    let message = format!("two volumes are named `{}`", shown(volume.name));
                    let hint = "give each volume a `name`; without one it is `default`".into();
                    d.item(index, |d| d.error(Kind::Storage, item, rule::STORAGE, message, Some(hint)));
                }
                volumes.push(volume);
            }
        }
        Content::Mapping(_) => {
            let mut volume = d.separately(|d| volume(d, node, None));
            volume.name = "default";
            volumes.push(volume);
        }
        _ => {}
    }
    sort_volumes(&mut volumes);
    volumes
}

fn volume<'t>(d: D<'_, 't, '_>, id: NodeId, index: Option<usize>) -> Volume<'t> {
    let mut volume = Volume { node: id, index, name: "default", ..Volume::default() };
    d.fields(id, &["name", "size", "attributes"], &mut |d, field, value| match field {
        0 => volume.name = d.string(value).filter(|name| !name.is_empty()).unwrap_or("default"),
        1 => (volume.node, volume.size) = quantity(d, value, units::bytes, "`512Mi` or `10Gi`"),
        _ => volume.attributes = storage_attributes(d, value),
    });
    volume
}

/// The network's order (Quirk B of `reference/akash.md`): a stable insertion sort with a comparison that is no order.
/// Two volumes of one size that are not persistent each come "before" the other, so they end up reversed. The
/// network's sort is this one up to 20 volumes; with more, ties may come out otherwise there.
fn sort_volumes(volumes: &mut [Volume<'_>]) {
    for unsorted in 1..volumes.len() {
        for at in (1..=unsorted).rev() {
            match volumes.get_mut(at - 1..=at) {
                Some([before, after]) if comes_before(after, before) => std::mem::swap(before, after),
                _ => break,
            }
        }
    }
}

fn comes_before(a: &Volume<'_>, b: &Volume<'_>) -> bool {
    if a.size != b.size {
        return a.size < b.size;
    }
    match (a.attribute("persistent"), b.attribute("persistent")) {
        (None, Some(_)) => return true,
        (Some(_), None) => return false,
        (Some(a), Some(b)) if a < b => return true,
        _ => {}
    }
    !a.is_persistent() || b.is_persistent() && a.name < b.name
}

/// `persistent` and `class`. The rules between them look at the texts as written, before `on`, `yes`, `off` and `no`
/// become `true` and `false`: `persistent: off` with a class passes, `persistent: false` does not.
fn storage_attributes<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<(&'static str, &'t str)> {
    let mut given: Map<'t, &'t str> = Map::new();
    if !d.separately(|d| d.map(id, &mut given, &mut |d, value| Some(d.string(value).unwrap_or_default()))) {
        return Vec::new();
    }
    for (name, entry) in &given {
        if !matches!(*name, "persistent" | "class") {
            let message = format!("a volume has no attribute `{}`", shown(name));
            let hint = suggest::nearest(name, &["persistent", "class"])
                .map(|meant| format!("did you mean `{meant}`?"));
            let hint = hint.or_else(|| Some("known here: persistent, class".into()));
            d.error(Kind::Storage, entry.key, rule::STORAGE, message, hint);
        }
    }
    let persistent = given.get("persistent");
    let class = given.get("class");
    let raw = persistent.map_or("false", |entry| entry.value);
    let unified = match raw {
        "true" | "on" | "yes" => "true",
        "false" | "off" | "no" => "false",
        _ => {
            let message = format!("`{}` is not `true` or `false`", shown(raw));
            let node = persistent.map_or(id, |entry| entry.key);
            d.error(Kind::Storage, node, rule::STORAGE, message, Some("write `true` or `false`".into()));
            "false"
        }
    };
    let place = class.map_or(id, |entry| entry.key);
    let class_text = class.map_or("", |entry| entry.value);
    let problem = match class_text {
        "" if class.is_some() && raw != "true" => Some(("the storage class is empty".into(), None)),
        "" | "default" | "beta1" | "beta2" | "beta3" | "ram" => None,
        other => {
            let hint = "classes: default, beta1 (HDD), beta2 (SSD), beta3 (NVMe), ram";
            Some((format!("`{}` is not a storage class", shown(other)), Some(hint.to_string())))
        }
    };
    let problem = problem.or_else(|| match class_text {
        "ram" if raw != "false" => {
            let message = "a volume of class `ram` can't be persistent".into();
            Some((message, Some("set `persistent: false`".into())))
        }
        "default" | "beta1" | "beta2" | "beta3" if raw == "false" => {
            let message = format!("a volume that is not persistent can't have the class `{class_text}`");
            Some((message, Some("set `persistent: true`, or remove `class`".into())))
        }
        _ => None,
    });
    if let Some((message, hint)) = problem {
        d.error(Kind::Storage, place, rule::STORAGE, message, hint);
    }
    let class = match class_text {
        "" if raw == "true" => Some("default"),
        "" => None,
        class => Some(class),
    };
    class.map(|class| ("class", class)).into_iter().chain([("persistent", unified)]).collect()
}
