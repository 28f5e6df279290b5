//! The cases, by subject.

mod act;
mod configuration;
mod deployment;
mod examples;
mod functions;
mod import;
mod interrupt;
mod lease;
mod loss;

use crate::suite::CaseDefinition;

/// All of them.
pub(crate) fn all() -> Vec<CaseDefinition> {
    [
        act::cases(),
        deployment::cases(),
        lease::cases(),
        configuration::cases(),
        import::cases(),
        interrupt::cases(),
        loss::cases(),
        examples::cases(),
        functions::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
