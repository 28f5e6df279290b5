//! Managed resources, one directory each: `model` (schema and values), `plan` (pure), and what does the work.

pub(crate) mod act;
pub(crate) mod deployment;
pub(crate) mod lease;
mod tracked;

use tfplugin::{DynResource, resource};

use crate::clients::Shared;

/// Every resource.
pub(crate) fn all(shared: &Shared) -> Vec<Box<dyn DynResource>> {
    vec![
        resource(act::ActResource::new(shared.clone())),
        resource(deployment::DeploymentResource::new(shared.clone())),
        resource(lease::LeaseResource::new(shared.clone())),
    ]
}
