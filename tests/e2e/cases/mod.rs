//! The cases, by subject.

mod act;
mod adoption;
mod configuration;
mod deployment;
mod examples;
mod functions;
mod funds;
mod ignored;
mod import;
mod interrupt;
mod kill;
mod lease;
mod loss;
mod scale;

use crate::suite::CaseDefinition;

/// All of them.
pub(crate) fn all() -> Vec<CaseDefinition> {
    [
        act::cases(),
        deployment::cases(),
        lease::cases(),
        ignored::cases(),
        configuration::cases(),
        import::cases(),
        adoption::cases(),
        interrupt::cases(),
        kill::cases(),
        loss::cases(),
        scale::cases(),
        examples::cases(),
        functions::cases(),
        funds::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
