//! A provider's gateway: routes, who may call them, and the answers (`reference/akash.md` 6), as recorded from a real daemon.
//!
//! Not here: `/hostname/migrate`, `/endpoint/migrate`, shell.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use akash_proto::akash::{
    deployment::v1::deployment::State as DeploymentState,
    market::v1::{LeaseId, lease},
};
use axum::{
    Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequestParts, Path, Query, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde::{Deserialize, Serialize};

use super::{
    Me, manifest,
    status::View,
    token::{self, Access, Claims, Refusal},
    workloads::{Key, Workload},
};
use crate::{chain::state, config::StatusStyle, faults::Fault};

/// Larger than any manifest.
const MAX_BODY: usize = 10 << 20;

pub(super) fn router(me: Arc<Me>) -> Router {
    Router::new()
        .route("/version", get(version))
        .route("/address", get(address))
        .route("/status", get(provider_status))
        .route("/deployment/{dseq}/manifest", put(put_manifest))
        .route("/lease/{dseq}/{gseq}/{oseq}/manifest", get(get_manifest))
        .route("/lease/{dseq}/{gseq}/{oseq}/status", get(lease_status))
        .route("/lease/{dseq}/{gseq}/{oseq}/service/{service}/status", get(service_status))
        .route("/lease/{dseq}/{gseq}/{oseq}/logs", get(logs))
        .route("/lease/{dseq}/{gseq}/{oseq}/kubeevents", get(events))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(me.clone(), count))
        .with_state(me)
}

async fn count(State(me): State<Arc<Me>>, request: Request, next: Next) -> Response {
    me.chain.count_request(me.address());
    next.run(request).await
}

/// The account of the connection's client certificate.
#[derive(Clone, Default)]
pub(super) struct ClientCertificate(pub(super) Option<String>);

/// What a request says about who sends it.
struct Caller {
    headers: HeaderMap,
    certificate: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let certificate = parts.extensions.get::<ClientCertificate>().and_then(|c| c.0.clone());
        Ok(Self { headers: parts.headers.clone(), certificate })
    }
}

/// An answer that is no success.
enum Failure {
    /// The caller is turned away: JSON.
    Auth(Refusal),
    /// Anything else with words, as Go's `http.Error` writes it.
    Text(u16, String),
    /// 404 without words.
    NotFound,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Auth(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, kind, body) = match self {
            Self::Auth(refusal) => {
                let (status, message) = refusal.answer();
                (status, "application/json", format!(r#"{{"message":"{message}"}}"#))
            }
            Self::Text(status, message) => (status, "text/plain; charset=utf-8", format!("{message}\n")),
            Self::NotFound => return StatusCode::NOT_FOUND.into_response(),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

type Answer = Result<Response, Failure>;

// Open routes.

async fn version() -> Response {
    json(&serde_json::json!({
        "akash": {
            "name": "akash-devnet", "server_name": "akash-devnet", "version": env!("CARGO_PKG_VERSION"), "commit": "",
            "build_tags": "", "go": "", "build_deps": [], "cosmos_sdk_version": "v0.53.6",
        },
        "kube": null,
    }))
}

async fn address(State(me): State<Arc<Me>>) -> Response {
    json(&serde_json::json!({ "address": me.address() }))
}

async fn provider_status(State(me): State<Arc<Me>>) -> Response {
    let keys = me.workloads.keys();
    let mut used = Inventory::default();
    let mut active = Vec::new();
    for workload in keys.iter().filter_map(|key| me.workloads.get(key)) {
        let mut one = Inventory::default();
        for service in &workload.group.services {
            let resources = &service.resources;
            let count = u64::from(service.count);
            one.cpu += resources.cpu.units.val * count;
            one.gpu += resources.gpu.units.val * count;
            one.memory += resources.memory.size.val * count;
            one.storage_ephemeral += resources.storage.iter().map(|s| s.size.val).sum::<u64>() * count;
        }
        used.add(&one);
        active.push(one);
    }
    let allocatable = Inventory::of_node();
    let mut available = allocatable.clone();
    available.subtract(&used);
    json(&serde_json::json!({
        "cluster": {
            "leases": keys.len(),
            "inventory": {
                "active": active,
                "pending": [],
                "available": {
                    "nodes": [{ "name": me.config.name, "allocatable": allocatable, "available": available }],
                    "storage": [{ "class": "beta2", "size": 10_737_418_240_u64 }],
                },
            },
        },
        "bidengine": { "orders": 0 },
        "manifest": { "deployments": keys.len() },
        "cluster_public_hostname": "localhost",
        "address": me.address(),
    }))
}

/// cpu in thousandths, memory and storage in bytes.
#[derive(Clone, Default, Serialize)]
struct Inventory {
    cpu: u64,
    gpu: u64,
    memory: u64,
    storage_ephemeral: u64,
}

impl Inventory {
    fn of_node() -> Self {
        Self { cpu: 5_000_000, gpu: 0, memory: 1 << 45, storage_ephemeral: 1 << 49 }
    }

    fn add(&mut self, other: &Self) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.gpu = self.gpu.saturating_add(other.gpu);
        self.memory = self.memory.saturating_add(other.memory);
        self.storage_ephemeral = self.storage_ephemeral.saturating_add(other.storage_ephemeral);
    }

    fn subtract(&mut self, other: &Self) {
        self.cpu = self.cpu.saturating_sub(other.cpu);
        self.gpu = self.gpu.saturating_sub(other.gpu);
        self.memory = self.memory.saturating_sub(other.memory);
        self.storage_ephemeral = self.storage_ephemeral.saturating_sub(other.storage_ephemeral);
    }
}

// Routes of a tenant.

async fn put_manifest(
    State(me): State<Arc<Me>>,
    Path(dseq): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let dseq: u64 = number(&dseq)?;
    let claims = authorize(&me, &caller, Some("send-manifest"), dseq, None)?;
    let fault = me
        .faults
        .take(|fault| matches!(fault, Fault::ManifestStatus { provider, .. } if me.is(provider.as_ref())));
    if let Some(Fault::ManifestStatus { status, .. }) = fault {
        return Err(text(status, fault_text(status)));
    }
    let manifest = manifest::decode(&body).map_err(|reason| text(422, &reason))?;
    manifest::validate(&manifest).map_err(|reason| text(422, &reason))?;
    let state = me.chain.state();
    let owner = claims.owner();
    let deployment = state
        .deployment(owner, dseq)
        .ok_or_else(|| text(500, "rpc error: code = NotFound desc = Deployment not found: key not found"))?;
    let leases: Vec<LeaseId> = state
        .deployment_leases(owner, dseq)
        // Not one that is being reclaimed: the real daemon filters by the same state.
        .filter(|lease| lease.state() == lease::State::Active)
        .filter_map(|lease| lease.id.clone())
        .filter(|id| id.provider == me.address())
        .collect();
    if leases.is_empty() || deployment.state() != DeploymentState::Active {
        return Err(text(404, "no lease for deployment"));
    }
    if manifest.hash().as_slice() != deployment.hash.as_slice() {
        return Err(text(422, "manifest version validation failed"));
    }
    manifest::cross_validate(&manifest, state.groups_of(owner, dseq)).map_err(|reason| text(422, &reason))?;
    for id in &leases {
        let group = state.groups.get(&(id.owner.clone(), id.dseq, id.gseq));
        let name =
            group.and_then(|g| g.group_spec.as_ref()).map(|spec| spec.name.as_str()).unwrap_or_default();
        let Some(group) = manifest.group(name) else { continue };
        if let Some(host) = me.workloads.host_in_use(owner, dseq, group) {
            return Err(text(500, &format!("hostname not allowed: host {host:?} in use")));
        }
        me.workloads.put(super::workloads::key(id), group.clone(), state.height);
    }
    Ok(StatusCode::OK.into_response())
}

type LeasePath = Path<(String, String, String)>;

async fn get_manifest(State(me): State<Arc<Me>>, Path(lease): LeasePath, caller: Caller) -> Answer {
    let (_, workload) = find(&me, &caller, &lease, Some("get-manifest"))?;
    Ok(json(&manifest::read_back(&workload.group)))
}

async fn lease_status(State(me): State<Arc<Me>>, Path(lease): LeasePath, caller: Caller) -> Answer {
    let (key, workload) = find(&me, &caller, &lease, Some("status"))?;
    Ok(json(&view(&me).status(&key, &workload)))
}

async fn service_status(
    State(me): State<Arc<Me>>,
    Path((dseq, gseq, oseq, service)): Path<(String, String, String, String)>,
    caller: Caller,
) -> Answer {
    let (key, workload) = find(&me, &caller, &(dseq, gseq, oseq), None)?;
    Ok(json(&view(&me).status(&key, &workload).service(&service)))
}

#[derive(Deserialize)]
struct StreamQuery {
    #[serde(default)]
    follow: String,
    tail: Option<i64>,
    /// Comma list. The official client sends `services`, which the real daemon ignores, too.
    #[serde(default)]
    service: String,
}

async fn logs(
    State(me): State<Arc<Me>>,
    Path(lease): LeasePath,
    Query(query): Query<StreamQuery>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Answer {
    let found = stream_target(&me, &caller, &lease, "logs")?;
    let services: Vec<String> =
        query.service.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let lines = found.map(|(key, workload)| {
        let lines = view(&me).logs(&key, &workload, &services).into_iter();
        let lines: Vec<_> =
            lines.map(|(name, message)| serde_json::json!({ "name": name, "message": message })).collect();
        let skip =
            query.tail.and_then(|n| usize::try_from(n).ok()).map_or(0, |n| lines.len().saturating_sub(n));
        lines.iter().skip(skip).map(ToString::to_string).collect()
    });
    Ok(stream(upgrade, lines, query.follow == "true"))
}

async fn events(
    State(me): State<Arc<Me>>,
    Path(lease): LeasePath,
    Query(query): Query<StreamQuery>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Answer {
    let found = stream_target(&me, &caller, &lease, "events")?;
    let lines = found.map(|(key, workload)| {
        let events = view(&me).events(&key, &workload);
        events.iter().filter_map(|event| serde_json::to_string(event).ok()).collect()
    });
    Ok(stream(upgrade, lines, query.follow == "true"))
}

// What they share.

fn authorize(
    me: &Me,
    caller: &Caller,
    scope: Option<&str>,
    dseq: u64,
    lease: Option<(u32, u32)>,
) -> Result<Claims, Failure> {
    let state = me.chain.state();
    let key = |address: &str| state.public_key(address).map(<[u8]>::to_vec);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = caller.headers.get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let claims = match &caller.certificate {
        Some(_) if header.is_some() => return Err(Refusal::Ambiguous.into()),
        Some(account) => Claims::of_certificate(account.clone()),
        None => token::authenticate(header, key, i64::try_from(now).unwrap_or(i64::MAX))?,
    };
    if claims.allows(&Access { provider: me.address(), scope, dseq, lease }) {
        Ok(claims)
    } else {
        Err(Refusal::Unauthorized.into())
    }
}

/// The active lease of the caller and its manifest; 404 with nothing in it when there is none.
fn find(
    me: &Me,
    caller: &Caller,
    lease: &(String, String, String),
    scope: Option<&str>,
) -> Result<(Key, Workload), Failure> {
    let (key, found) = look_up(me, caller, lease, scope)?;
    let fault = scope == Some("status");
    let fault = fault.then(|| {
        me.faults
            .take(|fault| matches!(fault, Fault::LeaseStatus { provider, .. } if me.is(provider.as_ref())))
    });
    if let Some(Some(Fault::LeaseStatus { status, .. })) = fault {
        return Err(text(status, fault_text(status)));
    }
    found.map(|workload| (key, workload)).ok_or(Failure::NotFound)
}

fn stream_target(
    me: &Me,
    caller: &Caller,
    lease: &(String, String, String),
    scope: &str,
) -> Result<Option<(Key, Workload)>, Failure> {
    let (key, found) = look_up(me, caller, lease, Some(scope))?;
    Ok(found.map(|workload| (key, workload)))
}

fn look_up(
    me: &Me,
    caller: &Caller,
    (dseq, gseq, oseq): &(String, String, String),
    scope: Option<&str>,
) -> Result<(Key, Option<Workload>), Failure> {
    let (dseq, gseq, oseq) = (number(dseq)?, number(gseq)?, number(oseq)?);
    let claims = authorize(me, caller, scope, dseq, Some((gseq, oseq)))?;
    let key = (claims.owner().to_owned(), dseq, gseq, oseq);
    // The engine drops what is over a block later; the chain says it now.
    let (provider, bseq) = (me.address().to_owned(), 0);
    let id = LeaseId { owner: key.0.clone(), dseq, gseq, oseq, provider, bseq };
    let active = me.chain.state().leases.get(&state::lease_key(&id)).is_some_and(super::engine::is_running);
    let found = active.then(|| me.workloads.get(&key)).flatten();
    Ok((key, found))
}

fn view(me: &Me) -> View<'_> {
    let named = |wanted: fn(&Fault) -> Option<&Option<String>>| {
        me.has(move |fault| wanted(fault).is_some_and(|provider| me.is(provider.as_ref())))
    };
    View {
        provider: &me.config.name,
        style: me.config.status_style,
        height: me.chain.state().height,
        ready_after: me.ready_after,
        never_ready: named(|f| if let Fault::NeverReady { provider } = f { Some(provider) } else { None }),
        no_addresses: me.config.status_style == StatusStyle::Sparse
            || named(|f| if let Fault::NoUris { provider } = f { Some(provider) } else { None }),
    }
}

/// Sends the lines, then closes; a follower is kept until it goes away. Without lines, the close code for an unknown lease.
fn stream(upgrade: WebSocketUpgrade, lines: Option<Vec<String>>, follow: bool) -> Response {
    upgrade.on_upgrade(move |mut socket: WebSocket| async move {
        let close = |code: u16, reason: &str| {
            Message::Close(Some(CloseFrame { code, reason: reason.to_owned().into() }))
        };
        let Some(lines) = lines else {
            drop(socket.send(close(4001, "lease not found")).await);
            return;
        };
        for line in lines {
            if socket.send(Message::text(line)).await.is_err() {
                return;
            }
        }
        if follow {
            while let Some(Ok(_)) = socket.recv().await {}
        } else {
            drop(socket.send(close(1000, "")).await);
        }
    })
}

fn number<T: std::str::FromStr>(part: &str) -> Result<T, Failure> {
    // The real router knows no such path then.
    part.parse().map_err(|_| text(404, "404 page not found"))
}

fn json(value: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(value) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
}

fn text(status: u16, message: &str) -> Failure {
    Failure::Text(status, message.to_owned())
}

/// What a real daemon says with this status, as far as it is known.
fn fault_text(status: u16) -> &'static str {
    match status {
        404 => "no lease for deployment",
        422 => "manifest version validation failed",
        503 => "kube client unavailable",
        _ => "internal error",
    }
}
