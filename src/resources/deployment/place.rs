//! Where a new deployment goes: a dseq of its own, or one that exists and that this create goes on with.
//!
//! Decides by the journal and the chain; sends nothing.

use std::time::Duration;

use akash_chain::{Fate, Msg, Outcome};
use akash_proto::akash::deployment::v1beta4::{MsgCreateDeployment, QueryDeploymentResponse};
use akash_proto::id::DeploymentId;
use akash_sdl::{Group, Sdl};

use super::model::Deployment;
use super::read;
use crate::journal::{Earlier, Maker};
use crate::lifecycle::{dseq, earlier};
use crate::op::{Failure, Op};

/// How many generations of a name are looked through: so often a named deployment can be closed and made anew.
const GENERATIONS: u32 = 10_000;

/// So long a create whose name is held waits for this process to begin closing something, or to go on.
const QUIET: Duration = Duration::from_secs(10);
/// The same where the holder would be taken over, which it must not while it is about to be closed.
const QUIET_ADOPTING: Duration = Duration::from_secs(2);

/// Where to create.
pub(super) enum Place {
    /// One that was never used.
    New(DeploymentId),
    /// A deployment to go on with.
    Existing(Box<Existing>),
}

/// An active deployment that this create takes over.
pub(super) struct Existing {
    pub(super) id: DeploymentId,
    pub(super) found: QueryDeploymentResponse,
    /// The transaction of the earlier run that created it; none where `adopt` took it.
    pub(super) created_by: Option<Outcome>,
}

/// Finds the place; sends nothing.
pub(super) async fn find(op: &Op, owner: &str, planned: &Deployment, sdl: &Sdl) -> Result<Place, Failure> {
    // Only a wallet without an address could lack an id.
    let id_of = |dseq: u64| {
        DeploymentId::new(owner, dseq)
            .map_err(|error| Failure::new("No id for the deployment", format!("{error}. Nothing was sent.")))
    };
    let Some(name) = planned.name.as_deref() else {
        return match cut_off(op, owner, sdl).await? {
            Some(existing) => Ok(Place::Existing(Box::new(existing))),
            None => id_of(dseq::random()).map(Place::New),
        };
    };
    let mut generation = 0;
    while generation < GENERATIONS {
        if op.limit.ended() {
            return Err(op.ended("It ended before anything was sent."));
        }
        let id = id_of(dseq::named(owner, name, generation))?;
        let ended = op.clients.closing.ended();
        // A create of an earlier run may still be on its way.
        earlier::settle(op, &id).await?;
        let found = op.clients.chain.deployment(&id).await.map_err(|error| {
            Failure::new("The chain can't be asked for the name", format!("{error}. Nothing was sent."))
        })?;
        match found {
            None => return Ok(Place::New(id)),
            Some(found) if read::closed(&found).is_some() => generation += 1,
            Some(found) => {
                let mut creates = creates(op, owner).await?.into_iter();
                let ours = creates.find(|(_, message)| message.id == Some((&id).into()));
                let ours = ours.map(|(earlier, _)| earlier);
                if ours.is_none() && (given_up(op, planned, ended).await || op.limit.ended()) {
                    continue;
                }
                let existing = named(op, planned, name, Holder { id, found, ours }, sdl).await?;
                return Ok(Place::Existing(Box::new(existing)));
            }
        }
    }
    Err(Failure::at(
        "name",
        "The name is used up",
        format!("\"{name}\" was created and closed {GENERATIONS} times by this wallet. Choose another name."),
    ))
}

/// The creates of earlier runs that no state may know.
async fn creates(op: &Op, owner: &str) -> Result<Vec<(Earlier, MsgCreateDeployment)>, Failure> {
    let unreturned =
        op.clients.journal.unreturned(owner).await.map_err(|error| earlier::unreadable(&error))?;
    let creates = unreturned.into_iter().filter_map(|earlier| match &earlier.intent.pending.message {
        Msg::CreateDeployment(message) => {
            let message = message.clone();
            Some((earlier, message))
        }
        _ => None,
    });
    Ok(creates.collect())
}

/// A deployment without a name that an earlier run created with these very groups and that no state knows.
async fn cut_off(op: &Op, owner: &str, sdl: &Sdl) -> Result<Option<Existing>, Failure> {
    let groups: Vec<_> = sdl.groups.iter().map(Group::to_proto).collect();
    let window = sdl.reclamation.map(|window| window.as_secs());
    let mut alike = creates(op, owner).await?;
    alike.retain(|(earlier, message)| {
        let reclamation = message.reclamation.as_ref().and_then(|one| one.min_window.as_ref());
        let seconds = reclamation.and_then(|window| u64::try_from(window.seconds).ok());
        earlier.intent.name.is_none() && message.groups == groups && seconds == window
    });
    // The one with the same manifest first: of two that were cut off, each finds its own.
    alike.sort_by_key(|(_, message)| message.hash != sdl.hash());
    for (earlier, message) in alike {
        let Some(id) = message.id.and_then(|id| DeploymentId::try_from(&id).ok()) else { continue };
        if let Some(existing) = claim(op, &earlier, id).await? {
            return Ok(Some(existing));
        }
    }
    Ok(None)
}

/// Takes over what an earlier run created, if it is active and nobody else takes it.
async fn claim(op: &Op, earlier: &Earlier, id: DeploymentId) -> Result<Option<Existing>, Failure> {
    let Fate::Included(outcome) = earlier::fate(op, earlier).await? else { return Ok(None) };
    let found = op.clients.chain.deployment(&id).await.map_err(|error| {
        Failure::new(format!("Deployment {} can't be read", id.dseq()), format!("{error}. Nothing was sent."))
    })?;
    let Some(found) = found.filter(|found| read::closed(found).is_none()) else {
        op.clients.journal.gone(earlier).await;
        return Ok(None);
    };
    let claimed = op.clients.journal.claim(earlier).await.map_err(|error| {
        Failure::new(
            format!("Deployment {} can't be taken over", id.dseq()),
            format!(
                "An earlier run created it and was cut off, and the journal can't be written: {error}. Nothing was sent."
            ),
        )
    })?;
    Ok(claimed.then_some(Existing { id, found, created_by: Some(outcome) }))
}

/// The active deployment that has a name.
struct Holder {
    id: DeploymentId,
    found: QueryDeploymentResponse,
    /// The create of an earlier run that no state may know, if that made it.
    ours: Option<Earlier>,
}

/// Waits while this process closes something: Terraform destroys one resource of a list beside the create of another that
/// gets its name. `true`: look again whether the holder is closed.
async fn given_up(op: &Op, planned: &Deployment, ended: u64) -> bool {
    tracing::info!(
        name = planned.name.as_deref(),
        "the name is held; waiting in case this apply closes the holder"
    );
    let quiet = if planned.adopt.known() == Some(&true) { QUIET_ADOPTING } else { QUIET };
    op.clients.closing.more(ended, quiet, &op.limit).await
}

/// The active deployment of this name, if it may be taken over; else a failure says what it is and how to import it.
async fn named(
    op: &Op,
    planned: &Deployment,
    name: &str,
    holder: Holder,
    sdl: &Sdl,
) -> Result<Existing, Failure> {
    let Holder { id, found, ours } = holder;
    let groups = read::chain_groups(&found)
        .map_err(|error| Failure::new(format!("Deployment {} can't be read", id.dseq()), error))?;
    let change = akash_sdl::diff(&groups, sdl);
    let adopt = planned.adopt.known() == Some(&true);
    if (ours.is_some() || adopt)
        && let Some(reason) = change.replace.iter().chain(&change.market).next()
    {
        return Err(Failure::at(
            "sdl",
            format!("The deployment named \"{name}\" that exists has other groups"),
            format!(
                "It is deployment {}; {}: {}. The chain can't change that, so it is not taken over. Nothing was sent. \
                 Apply with the SDL it was created with, or import and destroy it:\n\n{}",
                id.dseq(),
                reason.path,
                reason.detail,
                import(&id)
            ),
        ));
    }
    if let Some(earlier) = ours
        && let Some(existing) = claim(op, &earlier, id.clone()).await?
    {
        return Ok(existing);
    }
    if adopt {
        return Ok(Existing { id, found, created_by: None });
    }
    Err(taken(op, name, &id, Some(&found)).await)
}

fn import(id: &DeploymentId) -> String {
    format!("import {{\n  to = akash_deployment.RESOURCE\n  id = \"{id}\"\n}}")
}

/// The failure of a name that an active deployment has.
pub(super) async fn taken(
    op: &Op,
    name: &str,
    id: &DeploymentId,
    found: Option<&QueryDeploymentResponse>,
) -> Failure {
    let height = found.and_then(|found| found.deployment.as_ref()).map(|deployment| deployment.created_at);
    let since = height.map_or_else(String::new, |height| format!(", created in block {height}"));
    let journal = &op.clients.journal;
    let maker = match journal.maker(&journal.subject(id)).await {
        Ok(Some(Maker::ThisRun)) => {
            "Another resource of this very apply created it: two can't have one name."
        }
        Ok(Some(Maker::Running)) => "Another run on this machine created it and is still at work.",
        Ok(Some(Maker::Earlier)) => "An earlier run on this machine created it.",
        Ok(None) => {
            "This machine's journal does not know it: another machine created it, or a run here that has long ended."
        }
        Err(_) => "This machine's journal can't be read, so who created it can't be told.",
    };
    Failure::at(
        "name",
        format!("A deployment named \"{name}\" is active already"),
        format!(
            "It is deployment {}{since}, of this wallet. {maker} Nothing was sent.\n\nIf this apply closes it and had not \
             begun to within {} s, apply again. With `create_before_destroy` that can't be, so a deployment that has it must \
             leave `name` unset (note that on a lease it spreads to its deployment). To manage the existing one here, \
             import it (or set `adopt = true`, if its groups are equal):\n\n{}",
            id.dseq(),
            QUIET.as_secs(),
            import(id)
        ),
    )
}
