//! The Terraform plugin protocol (version 6) for Rust.
//!
//! Two halves: the *framework* ([`Provider`], [`Resource`], [`DataSource`], [`Function`], [`Schema`], [`Value`]) gives
//! the protocol its meaning, and the *wire* ([`serve`]) carries it: handshake, mutual TLS, codec, logging. Knows
//! nothing of what a provider manages.

#[cfg(test)]
extern crate self as tfplugin;

mod codec;
mod diagnostics;
mod framework;
mod model;
mod proto;
mod schema;
mod service;
pub mod testing;
mod values;
mod wire;

pub use async_trait::async_trait;
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use framework::{
    ClientInfo, Context, Create, DataSource, Delete, DynApply, DynDataSource, DynPlan, DynResource, DynSaved,
    Function, FunctionDefinition, FunctionError, Import, NoIdentity, Parameter, PlanCreate, PlanUpdate,
    Provider, Read, Resource, Saved, Update, data_source, resource,
};
pub use model::{Field, Group, Model, derive};
pub use plain_text::{is_plain, line as plain_line, text as plain_text};
pub use schema::{Attribute, IdentitySchema, Nesting, Schema, Type, Validator};
pub use tfplugin_derive::Model;
pub use values::{Dynamic, Number, NumberError, Path, Step, Value, ValueError, from_dynamic, to_dynamic};
pub use wire::{ServeOptions, serve};
