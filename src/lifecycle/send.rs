//! Sending one message for a resource, and telling the user what came of it.

use akash_chain::{Fate, Kind, Msg, OpenReason, Outcome, Pending, SubmitError, Wallet};
use tfplugin::Diagnostics;

use super::limit::Limit;
use crate::clients::Clients;

/// Sends a message and waits for its block. Bounded by `limit`.
pub(crate) async fn send(
    clients: &Clients,
    message: impl Into<Msg>,
    limit: &Limit,
) -> Result<Outcome, SubmitError> {
    clients
        .chain
        .submit(message.into(), limit.token(), &|pending| {
            tracing::info!(tx_hash = pending.tx_hash, "sending a transaction");
        })
        .await
}

/// The wallet; without one an error that says so. `what` completes "… failed".
pub(crate) fn wallet<'a>(
    clients: &'a Clients,
    what: &str,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<&'a Wallet> {
    let wallet = clients.chain.wallet();
    if wallet.is_none() {
        tell(what, &SubmitError::NoWallet, limit, diagnostics);
    }
    wallet
}

/// The kind of the chain's refusal, if the chain refused.
pub(crate) fn refusal(error: &SubmitError) -> Option<Kind> {
    match error {
        SubmitError::Refused(refusal) => Some(refusal.error.kind()),
        _ => None,
    }
}

/// What to look up later, if the message's fate is open.
pub(crate) fn pending(error: &SubmitError) -> Option<(&Pending, OpenReason)> {
    match error {
        SubmitError::Open { pending, why } => Some((pending, *why)),
        _ => None,
    }
}

/// The error as a diagnostic. `what` completes "… failed", for example "Creating the deployment".
pub(crate) fn tell(what: &str, error: &SubmitError, limit: &Limit, diagnostics: &mut Diagnostics) {
    let summary = match error {
        SubmitError::NoWallet => "No wallet".to_owned(),
        SubmitError::Funds(shortfalls) => {
            let denoms: Vec<&str> = shortfalls.iter().map(|shortfall| shortfall.denom.as_str()).collect();
            format!("Not enough {}", denoms.join(" and "))
        }
        SubmitError::Open { .. } => format!("{what}: outcome not known yet"),
        SubmitError::Cancelled if limit.stopped() => format!("{what}: stopped"),
        SubmitError::Cancelled => format!("{what}: out of time"),
        _ => format!("{what} failed"),
    };
    let detail = error.to_string();
    let mut sentence = detail.chars();
    let detail =
        sentence.next().map_or_else(String::new, |first| first.to_uppercase().chain(sentence).collect());
    diagnostics.error(summary, if detail.ends_with('.') { detail } else { format!("{detail}.") });
}

/// Before what is pending is destroyed its fate must be known, or something could come to life that no state has.
/// `what` names it, for example `Deployment 7`. Whether there may be something to destroy.
pub(crate) async fn settle(
    clients: &Clients,
    pending: Option<&Pending>,
    what: &str,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Some(pending) = pending else { return true };
    match clients.chain.fate(pending).await {
        Ok(Fate::Included(_)) => true,
        Ok(Fate::Refused(_) | Fate::DidNotHappen) => false,
        Ok(Fate::Open) => {
            diagnostics.error(
                format!("{what} may still be created"),
                format!(
                    "It is not known yet whether transaction {} was or will be included. Destroy again in a minute, when \
                     its time has run out.",
                    pending.tx_hash
                ),
            );
            false
        }
        Err(error) => {
            diagnostics.error(format!("{what} can't be read"), error.to_string());
            false
        }
    }
}
