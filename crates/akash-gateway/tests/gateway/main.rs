//! The client against real rustls servers: whom it trusts, what it sends, and what it makes of answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod calls;
mod recorded;
mod server;
mod trust;
