//! The meaning of the protocol: typed traits for providers, resources, data sources and functions, and what the
//! schema asks to be done to their values. Knows nothing of sockets and bytes.

mod context;
mod data_source;
mod function;
pub(crate) mod plan;
mod provider;
mod resource;

pub(crate) use context::Answered;
pub use context::Context;
pub use data_source::{DataSource, DynDataSource, data_source};
pub use function::{Function, FunctionDefinition, FunctionError, Parameter};
pub use provider::{ClientInfo, Provider};
pub use resource::{
    Create, Delete, DynApply, DynPlan, DynResource, DynSaved, Import, NoIdentity, PlanCreate, PlanUpdate,
    Read, Resource, Saved, Update, resource,
};
