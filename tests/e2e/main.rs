//! The end-to-end suite: each case is run under each client that is here, with the real provider binary, on the
//! network of `AKASH_E2E_ENDPOINTS`, `AKASH_E2E_CHAIN_ID` and `AKASH_E2E_MNEMONIC`, or on a devnet in this process.
//! A case's name is `CLIENT::CASE`. What a case creates it closes, also when it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: what is not as expected ends the case"
)]

mod cases;
mod config;
mod network;
mod suite;
mod workspace;

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// Cases that run at once. They wait for blocks most of the time.
const THREADS: usize = 6;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let suite = suite::Suite::new();
    let conclusion = libtest_mimic::run(&arguments, suite.trials(cases::all()));
    let clean = suite.finish();
    if clean { conclusion.exit_code() } else { ExitCode::FAILURE }
}
