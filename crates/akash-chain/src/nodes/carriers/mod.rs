//! The four ways in which a gRPC message travels to a node and back.

pub(crate) mod detect;
pub(crate) mod grpc;
pub(crate) mod grpc_web;
pub(crate) mod rest;
pub(crate) mod rpc;
pub(crate) mod transcode;
pub(crate) mod unary;
