//! What operations that run side by side in this process must know of one another. Shared by the clients; must not know
//! what an operation does.

pub(crate) mod closing;
pub(crate) mod leasing;

use std::sync::atomic::AtomicBool;

/// Whether plans still look who could bid: not once the chain was too slow for one, so that a hundred of them do not wait
/// a hundred times.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) given_up: AtomicBool,
}
