//! Waiting until a lease's services are ready and reachable.

use std::time::Duration;

use akash_gateway::{LeaseRef, LeaseStatus, ProviderTarget, Tail};
use akash_sdl::ManifestGroup;
use tfplugin::plain_line;
use tokio::time::Instant;

use super::model::Lease;
use crate::clients::Clients;
use crate::lifecycle::providers;
use crate::limit::Limit;

/// How often the provider is asked.
const POLL: Duration = Duration::from_secs(1);
/// For how long addresses that the SDL asks for are waited for.
const ADDRESSES: Duration = Duration::from_secs(30);
/// The same at a provider that reports no counters beside its services: such a one was never seen to report addresses.
const ADDRESSES_UNREPORTED: Duration = Duration::from_secs(5);

/// How the wait ended.
#[derive(Debug)]
pub(super) enum Readiness {
    /// Every service is ready; of these addresses the provider says nothing.
    Ready(Vec<String>),
    /// Stopped or out of time; with what the provider said last.
    Ended(String),
}

/// Waits until every service of the group is ready and its addresses are known, and takes the addresses over.
pub(super) async fn wait(
    clients: &Clients,
    target: &ProviderTarget,
    lease: LeaseRef,
    group: &ManifestGroup,
    state: &mut Lease,
    limit: &Limit,
) -> Readiness {
    let names: Vec<&str> = group.services.iter().map(|service| service.name.as_str()).collect();
    let host = providers::host_of(&target.host_uri);
    let mut ready_since = None;
    let mut last = "The provider was not asked.".to_owned();
    loop {
        let status = tokio::select! {
            status = clients.gateway.lease_status(target, lease) => status,
            () = limit.token().cancelled() => return Readiness::Ended(last),
        };
        match status {
            Ok(status) => {
                state.set_reported(&status, &host);
                last = describe(&status, &names);
                if status.ready(&names) {
                    let since = *ready_since.get_or_insert_with(Instant::now);
                    let missing = state.missing(group);
                    if missing.is_empty() || since.elapsed() >= patience(&status) {
                        return Readiness::Ready(missing.iter().map(ToString::to_string).collect());
                    }
                }
            }
            Err(error) => last = format!("The provider's last answer: {error}."),
        }
        if !limit.sleep(POLL).await {
            return Readiness::Ended(last);
        }
    }
}

fn patience(status: &LeaseStatus) -> Duration {
    if status.services.values().any(akash_gateway::ServiceStatus::counters_reported) {
        ADDRESSES
    } else {
        ADDRESSES_UNREPORTED
    }
}

/// What the provider says of each service, one a line.
fn describe(status: &LeaseStatus, names: &[&str]) -> String {
    let lines = names.iter().map(|name| match status.services.get(*name) {
        Some(service) => format!("- {name}: {} of {} available", service.available, service.total),
        None => format!("- {name}: not reported"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The cluster's events and the last log lines, for a diagnostic. Best effort: what can't be had is left out.
pub(super) async fn why_not(clients: &Clients, target: &ProviderTarget, lease: LeaseRef) -> String {
    let tail = Tail { limit: 10, time: Duration::from_secs(5) };
    let (events, logs) = tokio::join!(
        clients.gateway.kube_events(target, lease, tail),
        clients.gateway.logs(target, lease, &[], tail)
    );
    let mut text = String::new();
    for (title, lines) in [
        (
            "Events",
            events.map(|events| {
                events
                    .iter()
                    .map(|event| {
                        plain_line(&format!("{} {}: {}", event.object.name, event.reason, event.note))
                    })
                    .collect::<Vec<_>>()
            }),
        ),
        (
            "Last log lines",
            logs.map(|logs| {
                logs.iter().map(|line| plain_line(&format!("{}: {}", line.name, line.message))).collect()
            }),
        ),
    ] {
        match lines {
            Ok(lines) if !lines.is_empty() => text.push_str(&format!("\n\n{title}:\n{}", lines.join("\n"))),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, title, "not available"),
        }
    }
    text
}
