//! Nodes: their addresses, the carriers by which messages travel to them, how well each does, and which one is asked.
//!
//! Nothing here may know single questions; those are in [`crate::query`].

pub(crate) mod address;
pub(crate) mod ask;
pub(crate) mod carriers;
pub(crate) mod choice;
pub(crate) mod fault;
pub(crate) mod health;
pub(crate) mod node;

pub use address::{Carrier, Endpoint, EndpointError};
