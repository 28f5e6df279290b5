//! The Terraform plugin protocol (version 6) for Rust.
