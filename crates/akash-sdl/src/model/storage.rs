//! `profiles.compute.NAME.resources.storage`: volumes, their attributes and the network's order of them.

use super::compute::quantity;
use super::{D, rule, text};
use crate::cause::Cause;
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
    pub(crate) name_node: NodeId,
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
                    same_name(d, item, &volume, volumes.last());
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

/// An error about a volume whose name is another's already.
fn same_name<'t>(d: D<'_, 't, '_>, item: NodeId, volume: &Volume<'t>, before: Option<&Volume<'t>>) {
    // One that could not be read has its error, and no name.
    let (Some(index), false) =
        (volume.index, d.failed.contains(&d.tree.target(item)) || d.failed.contains(&volume.name_node))
    else {
        return;
    };
    let is_written = |node| matches!(d.tree.node(d.tree.target(node)).content, Content::Scalar { .. });
    let sizeless = before.filter(|before| !is_written(before.node) && is_written(volume.node));
    let (message, hint) = match (is_written(volume.name_node), sizeless) {
        (false, Some(before)) => (
            format!("the volume `{}` has no `size`, and this item no `name`", shown(before.name)),
            "remove the `-` here, if both are of one volume: each `-` begins another",
        ),
        (false, None) => (
            format!("two volumes are named `{}`", shown(volume.name)),
            "a volume without a `name` is `default`: write one in this item; services mount the volume by it",
        ),
        (true, _) => (format!("two volumes are named `{}`", shown(volume.name)), "give each its own `name`"),
    };
    let path = d.path();
    if let Some(cause) = d.causes.at(&format!("{path}[{index}].name")) {
        d.blame(cause, Kind::Storage, &message);
        return;
    }
    d.item(index, |d| d.error(Kind::Storage, item, rule::STORAGE, message, Some(hint.into())));
    if let Some(before) = sizeless.and_then(|before| before.index) {
        d.causes.add(format!("{path}[{before}].size"), Cause::Told);
    }
}

fn volume<'t>(d: D<'_, 't, '_>, id: NodeId, index: Option<usize>) -> Volume<'t> {
    let mut volume = Volume { node: id, index, name: "default", name_node: id, ..Volume::default() };
    d.fields(id, &["name", "size", "attributes"], &mut |d, field, value| match field {
        0 => {
            volume.name_node = value;
            volume.name = d.string(value).filter(|name| !name.is_empty()).unwrap_or("default");
        }
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
    let mut given: Map<'t, (NodeId, &'t str)> = Map::new();
    if !d.separately(|d| d.map(id, &mut given, &mut |d, value| Some(text(d, value)))) {
        return Vec::new();
    }
    let mut slips = false;
    for (name, entry) in &given {
        if !matches!(*name, "persistent" | "class") {
            let meant = suggest::nearest(name, &["persistent", "class"]);
            slips |= meant.is_some();
            let hint = meant
                .map_or("known here: persistent, class".into(), |meant| format!("did you mean `{meant}`?"));
            let message = format!("a volume has no attribute `{}`", shown(name));
            d.under(name, entry.key, |d| {
                d.error(Kind::Storage, entry.key, rule::STORAGE, message, Some(hint));
            });
        }
    }
    let at = |name: &str| given.get(name).map(|entry| entry.value);
    // What was refused, or is called otherwise, is not judged.
    let is_lost = |d: D<'_, 't, '_>, name| at(name).is_some_and(|(node, _)| d.failed.contains(&node));
    let (persistent, class) = (at("persistent"), at("class"));
    let raw = persistent.map_or("false", |(_, text)| text);
    let unified = match raw {
        "true" | "on" | "yes" => "true",
        "false" | "off" | "no" => "false",
        _ => {
            if !is_lost(d, "persistent") {
                let message = format!("`{}` is not `true` or `false`", shown(raw));
                let hint = Some("write `persistent: true` or `persistent: false`".into());
                let node = persistent.map_or(id, |(node, _)| node);
                d.error(Kind::Storage, node, rule::STORAGE, message, hint);
            }
            "false"
        }
    };
    let (place, class_text) = class.unwrap_or((id, ""));
    let problem = match class_text {
        "" if class.is_some() && raw != "true" => Some((
            "the storage class is empty".into(),
            Some("name one, for example `class: beta3`, or remove `class`".into()),
        )),
        "" | "default" | "beta1" | "beta2" | "beta3" | "ram" => None,
        other => {
            let meant = match other.to_lowercase().as_str() {
                "hdd" => "beta1",
                "ssd" => "beta2",
                "nvme" => "beta3",
                other => suggest::nearest(other, &["default", "beta1", "beta2", "beta3", "ram"])
                    .unwrap_or_default(),
            };
            let classes = "classes are default, beta1 (HDD), beta2 (SSD), beta3 (NVMe), ram";
            let hint =
                if meant.is_empty() { classes.into() } else { format!("did you mean `{meant}`? {classes}") };
            Some((format!("`{}` is not a storage class", shown(other)), Some(hint)))
        }
    };
    let problem = problem.or_else(|| match class_text {
        "ram" if raw != "false" => {
            let message = "a volume of class `ram` can't be persistent".into();
            Some((message, Some("write `persistent: false`".into())))
        }
        "default" | "beta1" | "beta2" | "beta3" if raw == "false" => {
            let message = format!("a volume that is not persistent can't have the class `{class_text}`");
            Some((message, Some("write `persistent: true`, or remove `class`".into())))
        }
        _ => None,
    });
    if let Some((message, hint)) = problem
        && !slips
        && !is_lost(d, "persistent")
        && !is_lost(d, "class")
    {
        d.error(Kind::Storage, place, rule::STORAGE, message, hint);
    }
    let class = match class_text {
        "" if raw == "true" => Some("default"),
        "" => None,
        class => Some(class),
    };
    class.map(|class| ("class", class)).into_iter().chain([("persistent", unified)]).collect()
}
