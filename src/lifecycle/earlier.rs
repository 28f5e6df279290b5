//! What earlier processes were cut off at: finding out what became of it, and telling the user what no state may know.
//!
//! Taking something over is the matter of the resource that it belongs to.

use std::time::Duration;

use akash_chain::{Conclusion, Fate, Msg, QueryError};
use akash_proto::Dec;
use akash_proto::id::{BidId, GroupId, LeaseId};
use futures::StreamExt as _;
use tfplugin::Diagnostics;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::market::{self, Taken};
use crate::clients::Clients;
use crate::journal::{About, Earlier};
use crate::op::{Failure, Op};

/// How often the chain is asked again what became of a transaction.
const POLL: Duration = Duration::from_secs(1);
/// How many messages of earlier processes are looked up at once.
const AT_ONCE: usize = 8;
/// How long after a transaction's time ran out, by this machine's clock, it is still asked for.
const AFTER: Duration = Duration::from_secs(90);

/// Whether it is known what became of all that earlier processes sent about this deployment, or about the wallet itself,
/// as mints are. Waits until it is: nothing new may be sent while an old message may still come into a block.
pub(crate) async fn settle(op: &Op, about: impl Into<About>) -> Result<(), Failure> {
    let open = op.clients.journal.open(&about.into()).await.map_err(|error| unreadable(&error))?;
    for earlier in open {
        fate(op, &earlier).await?;
    }
    Ok(())
}

/// The journal can't be read, so it is not known what an earlier process was cut off at.
pub(crate) fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(
        "The journal can't be read",
        format!(
            "{error}. Nothing was sent: what an earlier run was cut off at could be done twice. Make the directory \
             readable, or set `journal_directory` (AKASH_JOURNAL_DIR) to another one."
        ),
    )
}

/// What became of an earlier process's message, waiting for as long as it may still come into a block.
pub(crate) async fn fate(op: &Op, earlier: &Earlier) -> Result<Fate, Failure> {
    let chain = &op.clients.chain;
    let pending = &earlier.intent.pending;
    let left = i128::from(pending.timeout) - OffsetDateTime::now_utc().unix_timestamp_nanos();
    let until = Instant::now() + AFTER + Duration::from_nanos(u64::try_from(left).unwrap_or(0));
    let failure = |detail: String| {
        Failure::new(
            format!("An earlier run was cut off while it sent a message about {}", earlier.intent.resource),
            detail,
        )
    };
    loop {
        let fate = chain.fate(pending).await.map_err(|error| {
            failure(format!("The chain can't be asked what became of it: {error}. Nothing was sent."))
        })?;
        note(&op.clients, earlier, &fate).await;
        if !matches!(fate, Fate::Open) {
            return Ok(fate);
        }
        // Where no node indexes transactions: it is dead by now or it happened, and the chain shows which.
        match chain.fate_by_effect(pending).await {
            Ok(Fate::Open) => {}
            Ok(fate) => return Ok(fate),
            Err(error) => tracing::warn!(%error, "the chain can't be asked for a message's effect"),
        }
        tracing::info!(tx_hash = pending.tx_hash, "waiting for the fate of an earlier run's transaction");
        if Instant::now() > until || !op.limit.sleep(POLL).await {
            return Err(failure(format!(
                "It is not known yet whether {} came or will come into a block. Nothing was sent. Apply again \
                 in a minute, when its time has run out.",
                pending.transaction()
            )));
        }
    }
}

/// A lease that an earlier process took for this group and that no state knows.
pub(crate) struct CutOff {
    pub(crate) taken: Taken,
    pub(crate) earlier: Earlier,
}

/// The group's running lease, if an earlier process took it and no state knows it.
pub(crate) async fn lease(op: &Op, group: &GroupId) -> Result<Option<CutOff>, Failure> {
    let journal = &op.clients.journal;
    let unreturned = journal.unreturned(group.owner()).await.map_err(|error| unreadable(&error))?;
    let subject = journal.subject(group);
    for earlier in unreturned.into_iter().filter(|earlier| earlier.intent.subject == subject) {
        let Fate::Included(outcome) = fate(op, &earlier).await? else { continue };
        let running = market::running_lease(op, group, std::time::Instant::now()).await;
        let running = running.map_err(|error| {
            Failure::new(format!("Lease {group} can't be read"), format!("{error}. Nothing was sent."))
        })?;
        let lease = running.and_then(|row| row.lease);
        let price = lease.as_ref().and_then(|lease| Dec::from_wire(&lease.price.as_ref()?.amount).ok());
        let id = lease.and_then(|lease| LeaseId::try_from(&lease.id?).ok());
        match id.filter(|id| asked_for(&earlier, id)).zip(price) {
            Some((id, price)) => {
                return Ok(Some(CutOff { taken: Taken { id, price, outcome }, earlier }));
            }
            None => journal.gone(&earlier).await,
        }
    }
    Ok(None)
}

/// Whether the message asked for this very lease.
fn asked_for(earlier: &Earlier, lease: &LeaseId) -> bool {
    match &earlier.intent.pending.message {
        Msg::CreateLease(message) => {
            let bid = message.bid_id.as_ref().and_then(|id| BidId::try_from(id).ok());
            bid.is_some_and(|bid| LeaseId::from(bid) == *lease)
        }
        _ => false,
    }
}

/// Settles what earlier processes left open as far as it is known by now, forgets what is over, and warns of deployments
/// and leases that run and that no state may know of.
pub(crate) async fn warn(clients: &Clients, diagnostics: &mut Diagnostics) {
    clients.journal.prune().await;
    let Some(owner) = clients.chain.address().map(str::to_owned) else { return };
    if let Err(error) = conclude(clients, &owner).await {
        return diagnostics.warning("The journal can't be read", format!("{error}."));
    }
    let mut running = Vec::new();
    for earlier in clients.journal.unreturned(&owner).await.unwrap_or_default() {
        match runs(clients, &earlier).await {
            Ok(true) => running.push(earlier),
            // Not known yet: whoever needs it waits for it.
            Ok(false) if earlier.conclusion.is_none() => {}
            Ok(false) => clients.journal.gone(&earlier).await,
            Err(error) => return tracing::warn!(%error, "what the journal names can't be looked up"),
        }
    }
    if running.is_empty() {
        return;
    }
    let line = |earlier: &Earlier| {
        let name =
            earlier.intent.name.as_ref().map_or_else(String::new, |name| format!(" (name \"{name}\")"));
        format!("- {}{name}", earlier.intent.resource)
    };
    let list = running.iter().map(line).collect::<Vec<_>>().join("\n");
    diagnostics.warning(
        "An earlier run was cut off",
        format!(
            "These run on {} and cost money, and no state may know them:\n{list}\n\nApplying the same configuration takes \
             them over; nothing is created twice. What is not wanted any more can be imported and destroyed. A state that \
             has them already clears this warning when it is next refreshed.",
            clients.chain_id
        ),
    );
}

/// Looks once what became of all that earlier processes left open, and writes it down. Waits for nothing.
async fn conclude(clients: &Clients, owner: &str) -> std::io::Result<()> {
    let open = clients.journal.all_open(owner).await?;
    futures::stream::iter(open)
        .for_each_concurrent(AT_ONCE, |earlier| async move {
            match clients.chain.fate(&earlier.intent.pending).await {
                Ok(fate) => note(clients, &earlier, &fate).await,
                Err(error) => tracing::warn!(%error, "what the journal names can't be looked up"),
            }
        })
        .await;
    Ok(())
}

/// Writes a fate down, if it is known and was not written down.
async fn note(clients: &Clients, earlier: &Earlier, fate: &Fate) {
    let conclusion = match fate {
        Fate::Included(outcome) => Conclusion::Included(outcome.height),
        Fate::Refused(_) | Fate::DidNotHappen => Conclusion::DidNotHappen,
        Fate::Open => return,
    };
    if earlier.conclusion.is_none() {
        clients.journal.concluded(earlier, conclusion).await;
    }
}

/// Whether what an earlier process made runs now.
async fn runs(clients: &Clients, earlier: &Earlier) -> Result<bool, QueryError> {
    let about = &earlier.intent.subject.about;
    // A node that has not seen its block yet says nothing.
    if let Some(Conclusion::Included(height)) = earlier.conclusion {
        clients.chain.remember_height(height);
    }
    let listing = clients.chain.listing(about.owner()).await?;
    Ok(match about {
        About::Wallet(_) => false,
        About::Deployment(id) => listing.deployments.contains_key(id),
        About::Group(_) => listing
            .leases
            .iter()
            .filter_map(|row| LeaseId::try_from(row.lease.as_ref()?.id.as_ref()?).ok())
            .any(|id| asked_for(earlier, &id)),
    })
}
