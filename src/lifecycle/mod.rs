//! What resources and data sources share: ids, costs, choosing among bids, waiting until a lease is ready.

pub(crate) mod bid;
pub(crate) mod closing;
pub(crate) mod cost;
pub(crate) mod dseq;
pub(crate) mod duration;
pub(crate) mod earlier;
pub(crate) mod ids;
pub(crate) mod lease_end;
pub(crate) mod manifest;
pub(crate) mod market;
pub(crate) mod providers;
pub(crate) mod requirement;
pub(crate) mod selection;
pub(crate) mod supply;

use tfplugin::{Diagnostics, Path};

/// Refuses an attribute that the schema names and this version does not act on.
pub(crate) fn not_built(at: &Path, diagnostics: &mut Diagnostics) {
    diagnostics.error_at(
        at,
        format!("`{at}` is not built yet"),
        format!(
            "This version of the provider does not act on `{at}` yet and will not pretend to. Remove it."
        ),
    );
}
