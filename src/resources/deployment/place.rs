//! Where a new deployment goes: a dseq of its own, or one that exists and that this create goes on with.
//!
//! Decides by the journal and the chain; sends nothing.

use akash_chain::{Fate, Msg, Outcome};
use akash_proto::akash::deployment::v1beta4::{MsgCreateDeployment, QueryDeploymentResponse};
use akash_proto::id::{DeploymentId, IdError};
use akash_sdl::{Group, Sdl};
use tfplugin::{Diagnostics, Path};

use super::model::Deployment;
use super::read;
use crate::clients::Clients;
use crate::journal::Earlier;
use crate::lifecycle::{dseq, earlier, limit::Limit};

/// How many generations of a name are looked through: so often a named deployment can be closed and made anew.
const GENERATIONS: u32 = 10_000;

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

/// Finds the place. `None`: an error has been told, and nothing was sent.
pub(super) async fn find(
    clients: &Clients,
    owner: &str,
    config: &Deployment,
    sdl: &Sdl,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<Place> {
    let Some(name) = config.name.as_deref() else {
        return match cut_off(clients, owner, sdl, limit, diagnostics).await {
            Ok(Some(existing)) => Some(Place::Existing(Box::new(existing))),
            Ok(None) => id_of(DeploymentId::new(owner, dseq::random()), diagnostics).map(Place::New),
            Err(()) => None,
        };
    };
    for generation in 0..GENERATIONS {
        if limit.ended() {
            diagnostics.error("Stopped", "Stopped before anything was sent.");
            return None;
        }
        let id = id_of(DeploymentId::new(owner, dseq::named(owner, name, generation)), diagnostics)?;
        // A create of an earlier run may still be on its way.
        if !earlier::settle(clients, &id, limit, diagnostics).await {
            return None;
        }
        match clients.chain.deployment(&id).await {
            Ok(None) => return Some(Place::New(id)),
            Ok(Some(found)) if read::closed(&found).is_some() => {}
            Ok(Some(found)) => {
                return named(clients, config, name, id, found, sdl, limit, diagnostics)
                    .await
                    .map(|existing| Place::Existing(Box::new(existing)));
            }
            Err(error) => {
                diagnostics
                    .error("The chain can't be asked for the name", format!("{error}. Nothing was sent."));
                return None;
            }
        }
    }
    diagnostics.error_at(
        &Path::root("name"),
        "The name is used up",
        format!("\"{name}\" was created and closed {GENERATIONS} times by this wallet. Choose another name."),
    );
    None
}

/// The id, which only a wallet without an address could lack.
fn id_of(id: Result<DeploymentId, IdError>, diagnostics: &mut Diagnostics) -> Option<DeploymentId> {
    id.map_err(|error| diagnostics.error("No id for the deployment", format!("{error}. Nothing was sent.")))
        .ok()
}

/// The creates of earlier runs that no state may know.
async fn creates(
    clients: &Clients,
    owner: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<(Earlier, MsgCreateDeployment)>> {
    let unreturned = clients
        .journal
        .unreturned(owner)
        .await
        .map_err(|error| earlier::unreadable(&error, diagnostics))
        .ok()?;
    let creates = unreturned.into_iter().filter_map(|earlier| match &earlier.intent.pending.message {
        Msg::CreateDeployment(message) => {
            let message = message.clone();
            Some((earlier, message))
        }
        _ => None,
    });
    Some(creates.collect())
}

/// A deployment without a name that an earlier run created with these very groups and that no state knows.
async fn cut_off(
    clients: &Clients,
    owner: &str,
    sdl: &Sdl,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Existing>, ()> {
    let creates = creates(clients, owner, diagnostics).await.ok_or(())?;
    let groups: Vec<_> = sdl.groups.iter().map(Group::to_proto).collect();
    let window = sdl.reclamation.map(|window| window.as_secs());
    let mut alike: Vec<_> = creates
        .into_iter()
        .filter(|(earlier, message)| {
            let reclamation = message.reclamation.as_ref().and_then(|one| one.min_window.as_ref());
            let seconds = reclamation.and_then(|window| u64::try_from(window.seconds).ok());
            earlier.intent.name.is_none() && message.groups == groups && seconds == window
        })
        .collect();
    // The one with the same manifest first: of two that were cut off, each finds its own.
    alike.sort_by_key(|(_, message)| message.hash != sdl.hash());
    for (earlier, message) in alike {
        let Some(id) = message.id.and_then(|id| DeploymentId::try_from(&id).ok()) else { continue };
        if let Some(existing) = claim(clients, &earlier, id, limit, diagnostics).await? {
            return Ok(Some(existing));
        }
    }
    Ok(None)
}

/// Takes over what an earlier run created, if it is active and nobody else takes it.
async fn claim(
    clients: &Clients,
    earlier: &Earlier,
    id: DeploymentId,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Existing>, ()> {
    let Some(fate) = earlier::fate(clients, earlier, limit, diagnostics).await else { return Err(()) };
    let Fate::Included(outcome) = fate else { return Ok(None) };
    let found = clients.chain.deployment(&id).await.map_err(|error| {
        diagnostics
            .error(format!("Deployment {} can't be read", id.dseq()), format!("{error}. Nothing was sent."));
    })?;
    let Some(found) = found.filter(|found| read::closed(found).is_none()) else {
        clients.journal.gone(earlier).await;
        return Ok(None);
    };
    let claimed = clients.journal.claim(earlier).await.map_err(|error| {
        diagnostics.error(
            format!("Deployment {} can't be taken over", id.dseq()),
            format!(
                "An earlier run created it and was cut off, and the journal can't be written: {error}. Nothing was sent."
            ),
        );
    })?;
    Ok(claimed.then_some(Existing { id, found, created_by: Some(outcome) }))
}

/// The active deployment of this name, if it may be taken over; else an error says what it is and how to import it.
#[allow(clippy::too_many_arguments, reason = "one step of find, with all that find has at hand")]
async fn named(
    clients: &Clients,
    config: &Deployment,
    name: &str,
    id: DeploymentId,
    found: QueryDeploymentResponse,
    sdl: &Sdl,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<Existing> {
    let groups = match read::chain_groups(&found) {
        Ok(groups) => groups,
        Err(error) => {
            diagnostics.error(format!("Deployment {} can't be read", id.dseq()), error);
            return None;
        }
    };
    let change = akash_sdl::diff(&groups, sdl);
    let creates = creates(clients, id.owner(), diagnostics).await?;
    let ours = creates.into_iter().find(|(_, message)| message.id == Some((&id).into()));
    let adopt = config.adopt.known() == Some(&true);
    if (ours.is_some() || adopt)
        && let Some(reason) = change.replace.iter().chain(&change.market).next()
    {
        diagnostics.error_at(
            &Path::root("sdl"),
            format!("The deployment named \"{name}\" that exists has other groups"),
            format!(
                "It is deployment {}; {}: {}. The chain can't change that, so it is not taken over. Nothing was sent. \
                 Apply with the SDL it was created with, or import and destroy it:\n\n{}",
                id.dseq(),
                reason.path,
                reason.detail,
                import(&id)
            ),
        );
        return None;
    }
    if let Some((earlier, _)) = ours {
        match claim(clients, &earlier, id.clone(), limit, diagnostics).await {
            Ok(Some(existing)) => return Some(existing),
            Ok(None) => {}
            Err(()) => return None,
        }
    }
    if adopt {
        return Some(Existing { id, found, created_by: None });
    }
    taken(name, &id, Some(&found), diagnostics);
    None
}

fn import(id: &DeploymentId) -> String {
    format!("import {{\n  to = akash_deployment.RESOURCE\n  id = \"{id}\"\n}}")
}

/// The error of a name that an active deployment has.
pub(super) fn taken(
    name: &str,
    id: &DeploymentId,
    found: Option<&QueryDeploymentResponse>,
    diagnostics: &mut Diagnostics,
) {
    let height = found.and_then(|found| found.deployment.as_ref()).map(|deployment| deployment.created_at);
    let since = height.map_or_else(String::new, |height| format!(", created in block {height}"));
    diagnostics.error_at(
        &Path::root("name"),
        format!("A deployment named \"{name}\" is active already"),
        format!(
            "It is deployment {}{since}, of this wallet. Nothing was sent. Another configuration or machine made it, or this one \
             with `create_before_destroy`, which a named deployment can't have: leave `name` unset then (and note that \
             `create_before_destroy` on a lease spreads to its deployment). To manage the existing one here, import it (or set \
             `adopt = true`, if its groups are equal):\n\n{}",
            id.dseq(),
            import(id)
        ),
    );
}
