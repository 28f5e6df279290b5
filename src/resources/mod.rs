//! Managed resources, one directory each: `model` (schema and values), `plan` (pure), and what does the work.

pub(crate) mod act;
pub(crate) mod deployment;
pub(crate) mod lease;
