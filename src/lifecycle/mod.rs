//! What resources and data sources share: ids, costs, choosing among bids, waiting until a lease is ready.

pub(crate) mod bid;
pub(crate) mod cost;
pub(crate) mod dseq;
pub(crate) mod earlier;
pub(crate) mod ids;
pub(crate) mod lease_end;
pub(crate) mod manifest;
pub(crate) mod market;
pub(crate) mod providers;
pub(crate) mod requirement;
pub(crate) mod selection;
pub(crate) mod supply;
