//! `services`: images, commands, env, credentials, volumes that are mounted, and exposed ports.

use super::{D, number, rule, text, texts};
use crate::decode::{Map, shown};
use crate::diagnostic::Kind;
use crate::yaml::{Content, NodeId};

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
    pub(crate) service: (NodeId, &'t str),
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

pub(super) fn service<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Service<'t>> {
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
    let read = d.list(id, |d, item| {
        let mut to = To { index: position, ..To::default() };
        position += 1;
        d.fields(item, &["service", "global", "ip", "http_options"], &mut |d, field, value| match field {
            0 => to.service = text(d, value),
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
    read.unwrap_or_default()
}

fn accept<'t>(d: D<'_, 't, '_>, id: NodeId) -> Option<Vec<(NodeId, &'t str)>> {
    let hosts = d.separately(|d| texts(d, id));
    for &(node, host) in hosts.iter().flatten() {
        if !crate::names::is_request_host(host) {
            let message = format!("`{}` is not a host name", shown(host));
            let hint = crate::names::host_hint(host).into();
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
