//! The SDL as written, read from YAML: services, profiles, deployment, endpoints.
//!
//! Each type is read as the network's parser reads its own (chain-sdk `go/sdl`), with the checks that the parser makes
//! while it decodes: those hold for unused services and profiles too. Checks across the file are in `validate`.

use akash_proto::Dec;

use crate::Version;
use crate::decode::{Decoder, Map, shown};
use crate::diagnostic::Kind;
use crate::suggest;
use crate::units::{self, UnitError};
use crate::version;
use crate::yaml::{Content, NodeId};

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

/// `services.NAME`.
#[derive(Debug, Default)]
pub(crate) struct Service<'t> {
    pub(crate) node: NodeId,
    pub(crate) image: (NodeId, &'t str),
    /// First item of `command`, the place to show.
    pub(crate) command_node: NodeId,
    pub(crate) command: Option<Vec<&'t str>>,
    pub(crate) args: Option<Vec<&'t str>>,
    pub(crate) env: Option<Vec<(NodeId, &'t str)>>,
    pub(crate) expose: Vec<Expose<'t>>,
    pub(crate) params: Option<Params<'t>>,
    pub(crate) credentials: Option<Credentials<'t>>,
}

/// `services.NAME.credentials`.
#[derive(Debug, Default)]
pub(crate) struct Credentials<'t> {
    pub(crate) node: NodeId,
    pub(crate) host: &'t str,
    pub(crate) email: &'t str,
    pub(crate) username: &'t str,
    pub(crate) password: &'t str,
}

/// `services.NAME.params`.
#[derive(Debug, Default)]
pub(crate) struct Params<'t> {
    pub(crate) storage: Map<'t, Mount<'t>>,
    pub(crate) permissions: Option<Option<Vec<&'t str>>>,
    pub(crate) tee: (NodeId, &'t str),
}

/// `services.NAME.params.storage.VOLUME`.
#[derive(Debug, Default)]
pub(crate) struct Mount<'t> {
    pub(crate) mount: (NodeId, &'t str),
    pub(crate) read_only: bool,
}

/// `services.NAME.expose[N]`.
#[derive(Debug, Default)]
pub(crate) struct Expose<'t> {
    /// Position in the file's list, for paths.
    pub(crate) index: usize,
    pub(crate) port: (NodeId, u32),
    pub(crate) external: u32,
    pub(crate) proto: (NodeId, &'t str),
    pub(crate) to: Vec<To<'t>>,
    pub(crate) accept: Option<Vec<(NodeId, &'t str)>>,
    pub(crate) http: HttpOptions<'t>,
}

/// `services.NAME.expose[N].to[M]`.
#[derive(Debug, Default)]
pub(crate) struct To<'t> {
    pub(crate) index: usize,
    pub(crate) service: &'t str,
    pub(crate) global: (NodeId, bool),
    pub(crate) ip: (NodeId, &'t str),
}

/// `http_options`, as written; 0 is a default.
#[derive(Debug, Default)]
pub(crate) struct HttpOptions<'t> {
    pub(crate) max_body_size: (NodeId, u32),
    pub(crate) proxy_buffer_size: (NodeId, u32),
    pub(crate) read_timeout: (NodeId, u32),
    pub(crate) send_timeout: (NodeId, u32),
    pub(crate) next_tries: u32,
    pub(crate) next_timeout: u32,
    pub(crate) next_cases: Vec<(NodeId, &'t str)>,
}

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

/// `profiles.placement.NAME`.
#[derive(Debug, Default)]
pub(crate) struct Placement<'t> {
    pub(crate) attributes: Map<'t, &'t str>,
    pub(crate) all_of: Option<Vec<&'t str>>,
    pub(crate) any_of: Option<Vec<&'t str>>,
    pub(crate) pricing: Map<'t, Option<Coin<'t>>>,
}

/// A price per block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coin<'t> {
    pub(crate) node: NodeId,
    /// `None` if it is beyond the range of [`Dec`], which is far beyond what the network takes for a used price.
    pub(crate) amount: Option<Dec>,
    pub(crate) denom: (NodeId, &'t str),
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
    let read = match name {
        "version" => true,
        "include" => d.strings(value).is_some(),
        "services" => d.map(value, &mut document.services, &mut service),
        "profiles" => d.fields(value, &["compute", "placement"], &mut |d, field, value| {
            let read = match field {
                0 => d.map(value, &mut document.compute, &mut compute),
                _ => d.map(value, &mut document.placement, &mut placement),
            };
            if !read && !d.is_null(value) {
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

// -- services

fn service<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Service<'t>> {
    const FIELDS: &[&str] =
        &["image", "command", "args", "env", "expose", "params", "credentials", "dependencies"];
    let mut service = Service { node: id, ..Service::default() };
    d.fields(id, FIELDS, &mut |d, field, value| match field {
        0 => service.image = text(d, value),
        1 => {
            service.command_node = d.tree.children(d.tree.target(value)).first().copied().unwrap_or(value);
            service.command = command(d, value);
        }
        2 => service.args = command(d, value),
        3 => service.env = texts(d, value),
        4 => service.expose = exposes(d, value),
        5 => service.params = params(d, value),
        6 => service.credentials = credentials(d, value),
        _ => dependencies(d, value),
    })
    .then_some(service)
}

/// `command` or `args`. One text where a list is needed is a frequent slip.
fn command<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Vec<&'t str>> {
    let before = d.diagnostics.len();
    let words = d.strings(id);
    let is_text = matches!(d.tree.node(d.tree.target(id)).content, Content::Scalar { .. });
    if let (true, Some(error)) = (is_text, d.diagnostics.get_mut(before)) {
        error.kind = Kind::Command;
        error.hint = Some("write a list, one item a word: `- sh`, `- -c`, `- \"...\"`".into());
    }
    words
}

fn dependencies(d: D<'_, '_, '_>, id: NodeId) {
    d.list(id, |d, item| d.fields(item, &["service"], &mut |d, _, value| _ = d.string(value)).then_some(()));
    if !d.failed.contains(&id) && !d.is_null(id) {
        let message = "`dependencies` is ignored: the network starts services in any order".into();
        let hint = "remove it, and let the service retry until what it needs is there".into();
        d.warning(Kind::Dependency, id, rule::TOP, message, Some(hint));
    }
}

fn credentials<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Credentials<'t>> {
    let mut credentials = Credentials { node: id, ..Credentials::default() };
    d.fields(id, &["host", "email", "username", "password"], &mut |d, field, value| {
        let text = d.string(value).unwrap_or_default();
        match field {
            0 => credentials.host = text,
            1 => credentials.email = text,
            2 => credentials.username = text,
            _ => credentials.password = text,
        }
    })
    .then_some(credentials)
}

fn params<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Params<'t>> {
    let mut params = Params::default();
    d.fields(id, &["storage", "permissions", "tee"], &mut |d, field, value| match field {
        0 => {
            d.map(value, &mut params.storage, &mut mount);
        }
        1 => {
            let mut read = None;
            let given = d.fields(value, &["read"], &mut |d, _, value| read = d.strings(value));
            params.permissions = given.then_some(read);
        }
        _ => params.tee = text(d, value),
    })
    .then_some(params)
}

fn mount<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Mount<'t>> {
    let mut mount = Mount { mount: (id, ""), read_only: false };
    d.fields(id, &["mount", "readOnly"], &mut |d, field, value| match field {
        0 => mount.mount = text(d, value),
        _ => mount.read_only = d.boolean(value).unwrap_or_default(),
    })
    .then_some(mount)
}

fn exposes<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<Expose<'t>> {
    let mut position = 0;
    let read = d.list(id, |d, item| {
        let index = position;
        position += 1;
        expose(d, item, index)
    });
    read.unwrap_or_default()
}

fn expose<'t>(d: D<'_, 't, '_>, id: NodeId, index: usize) -> Option<Expose<'t>> {
    let mut expose = Expose { index, port: (id, 0), ..Expose::default() };
    d.fields(id, &["port", "as", "proto", "to", "accept", "http_options"], &mut |d, field, value| match field
    {
        0 => expose.port = number(d, value),
        1 => expose.external = number(d, value).1,
        2 => expose.proto = text(d, value),
        3 => expose.to = to(d, value),
        4 => expose.accept = accept(d, value),
        _ => expose.http = http_options(d, value),
    })
    .then_some(expose)
}

fn to<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<To<'t>> {
    let mut position = 0;
    let before = d.diagnostics.len();
    let read = d.list(id, |d, item| {
        let mut to = To { index: position, ..To::default() };
        position += 1;
        d.fields(item, &["service", "global", "ip", "http_options"], &mut |d, field, value| match field {
            0 => to.service = d.string(value).unwrap_or_default(),
            1 => to.global = (value, d.boolean(value).unwrap_or_default()),
            2 => to.ip = text(d, value),
            _ => {
                http_options(d, value);
                let message = "`http_options` under `to` is ignored".into();
                let hint = "put it beside `port`, in the item of `expose`".into();
                d.warning(Kind::UnknownKey, value, rule::EXPOSE, message, Some(hint));
            }
        })
        .then_some(to)
    });
    let is_mapping = matches!(d.tree.node(d.tree.target(id)).content, Content::Mapping(_));
    if let (true, Some(error)) = (is_mapping, d.diagnostics.get_mut(before)) {
        error.hint = Some("write a list: `- global: true`".into());
    }
    read.unwrap_or_default()
}

fn accept<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Vec<(NodeId, &'t str)>> {
    let hosts = d.separately(|d| texts(d, id));
    for &(node, host) in hosts.iter().flatten() {
        if !crate::names::is_request_host(host) {
            let message = format!("`{}` is not a host name", shown(host));
            let hint = "write the name alone, for example `www.example.com`".into();
            d.error(Kind::Value, node, rule::EXPOSE, message, Some(hint));
        }
    }
    hosts
}

fn http_options<'t>(d: D<'_, 't, '_>, id: NodeId) -> HttpOptions<'t> {
    const FIELDS: &[&str] = &[
        "max_body_size",
        "proxy_buffer_size",
        "read_timeout",
        "send_timeout",
        "next_tries",
        "next_timeout",
        "next_cases",
    ];
    let mut options = HttpOptions::default();
    d.fields(id, FIELDS, &mut |d, field, value| match field {
        0 => options.max_body_size = number(d, value),
        1 => options.proxy_buffer_size = number(d, value),
        2 => options.read_timeout = number(d, value),
        3 => options.send_timeout = number(d, value),
        4 => options.next_tries = number(d, value).1,
        5 => options.next_timeout = number(d, value).1,
        _ => options.next_cases = texts(d, value).unwrap_or_default(),
    });
    options
}

// -- compute profiles

fn compute<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Compute<'t>> {
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
fn quantity<T: Default>(
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
            "expected a quantity, found a list or a mapping".into()
        }
        UnitError::Form => format!("`{text_shown}` is not a quantity"),
        UnitError::Negative => format!("`{text_shown}` is below zero"),
        UnitError::Range => format!("`{text_shown}` is out of range"),
    };
    let hint = unit_slip(text, read).unwrap_or_else(|| format!("write {form}"));
    d.error(Kind::Value, id, rule::UNITS, message, Some(hint));
    (id, T::default())
}

/// `16GB`, `4gi`, `1 Gi`: the unit that was meant.
fn unit_slip<T>(text: &str, read: fn(&str) -> Result<T, UnitError>) -> Option<String> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(number_end)?;
    let letter = unit.trim().chars().next()?.to_ascii_uppercase();
    let meant = format!("{number}{letter}i");
    (unit.trim().len() <= 3 && read(&meant).is_ok()).then(|| format!("did you mean `{meant}`?"))
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

/// The parser walks keys and values itself: `<<` is a key like any other, and a mere number is no GPU at all.
fn gpu<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Amount<'t, u64>> {
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
    } else if gpu.value > 0 && gpu.attributes.is_empty() && !failed {
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

// -- storage

/// Most volumes that are looked at; providers take 4.
const MAX_VOLUMES: usize = 100;

/// A list of volumes, or one as a mapping, which is always named `default`.
fn storage<'t>(d: D<'_, 't, '_>, id: NodeId) -> Vec<Volume<'t>> {
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

// -- placement profiles

fn placement<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Placement<'t>> {
    let mut placement = Placement::default();
    d.fields(id, &["attributes", "signedBy", "pricing"], &mut |d, field, value| match field {
        0 => {
            let read = &mut |d: D<'_, 't, '_>, value| Some(d.string(value).unwrap_or_default());
            d.separately(|d| d.map(value, &mut placement.attributes, read));
        }
        1 => {
            d.fields(value, &["allOf", "anyOf"], &mut |d, field, value| match field {
                0 => placement.all_of = d.strings(value),
                _ => placement.any_of = d.strings(value),
            });
        }
        _ => {
            d.map(value, &mut placement.pricing, &mut |d, value| Some(d.separately(|d| coin(d, value))));
        }
    })
    .then_some(placement)
}

fn coin<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Coin<'t>> {
    if d.is_null(id) {
        return None;
    }
    let before = d.failed.len();
    let (mut amount, mut denom) = ((id, ""), (id, ""));
    let read = d.fields(id, &["denom", "amount"], &mut |d, field, value| match field {
        0 => denom = text(d, value),
        _ => amount = text(d, value),
    });
    if !read || d.failed.len() > before {
        // The error is told already; the entry stays, so that nothing else is said about a missing price.
        return Some(Coin { node: id, amount: Some(Dec::ZERO), denom });
    }
    let number = match decimal(amount.1) {
        Ok(number) => number,
        Err((message, hint)) => {
            d.error(Kind::Price, amount.0, rule::COIN, message, Some(hint.into()));
            Some(Dec::ZERO)
        }
    };
    if !crate::names::is_denom(denom.1) {
        let message = match denom.1 {
            "" => "the price has no `denom`".into(),
            other => format!("`{}` is not a denomination", shown(other)),
        };
        d.error(Kind::Price, denom.0, rule::COIN, message, Some("write `denom: uact`".into()));
    }
    Some(Coin { node: amount.0, amount: number, denom })
}

/// 2^315 - 1: the largest scaled amount that the network's decimals hold.
const LARGEST_AMOUNT: &str =
    "66749594872528440074844428317798503581334516323645399060845050244444366430645017188217565216767";

/// An amount: `[+-]digits[.digits]`, at most 18 decimals, above zero. `Ok(None)` beyond the range of [`Dec`].
///
/// A second sign counts too (`--5` is 5 and `+.5` is 0.5): the network takes off one `-`, and its integers take a sign.
fn decimal(text: &str) -> Result<Option<Dec>, (String, &'static str)> {
    let form = || {
        let message = if text.is_empty() {
            "the price has no `amount`".into()
        } else {
            format!("`{}` is not an amount", shown(text))
        };
        (
            message,
            "write a decimal number with at most 18 digits after the point, for example `10000` or `0.5`",
        )
    };
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) if whole.is_empty() || fraction.is_empty() => return Err(form()),
        Some(parts) => parts,
        None => (rest, ""),
    };
    let negative = negative != whole.starts_with('-');
    let whole = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if rest.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 18 {
        return Err(form());
    }
    let scaled = format!("{whole}{fraction:0<18}");
    let scaled = scaled.trim_start_matches('0');
    if scaled.is_empty() {
        return Err((
            "the amount is zero".into(),
            "write what one replica may cost at most per block, in uact",
        ));
    }
    if negative {
        return Err((format!("the amount `{}` is negative", shown(text)), "write an amount above zero"));
    }
    if (scaled.len(), scaled) > (LARGEST_AMOUNT.len(), LARGEST_AMOUNT) {
        return Err(form());
    }
    Ok(scaled.parse().ok().map(Dec::from_scaled))
}

fn target<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Target<'t>> {
    let mut target = Target { profile: (id, ""), count: (id, 0) };
    d.fields(id, &["profile", "count"], &mut |d, field, value| match field {
        0 => target.profile = text(d, value),
        _ => target.count = number(d, value),
    })
    .then_some(target)
}
