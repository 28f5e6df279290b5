//! The provider driven through its own RPCs, in this process, on a devnet in this process: no client binary, blocks of
//! a tenth of a second. What only `terraform` and `tofu` themselves show is in `tests/e2e`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "test code: what is not as expected ends the test"
)]

mod ignored;
mod lease;
mod lifecycle;
mod market;
mod provider;
mod rig;
mod stop;
