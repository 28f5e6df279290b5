//! Named points at which a test kills this process, as a crash or a lost machine would. Only debug builds have them;
//! in a release build every function here is empty.
//!
//! `AKASH_KILL_AT` is POINT:WHAT or POINT:WHAT#N: the Nth time that the point is reached with WHAT. The process then
//! writes an empty file to `AKASH_KILL_MARK`, which tells the test that the point was reached, and kills itself.

use akash_chain::{Conclusion, Msg, Pending};

/// Where messages are on their way.
pub(crate) fn at_messages(point: &str, intents: &[Pending]) {
    if cfg!(debug_assertions) {
        intents.iter().for_each(|pending| at(point, word(&pending.message)));
    }
}

/// Where it is known what became of messages.
pub(crate) fn at_conclusions(point: &str, conclusions: &[(Pending, Conclusion)]) {
    if cfg!(debug_assertions) {
        conclusions.iter().for_each(|(pending, _)| at(point, word(&pending.message)));
    }
}

fn word(message: &Msg) -> &'static str {
    match message {
        Msg::CreateDeployment(_) => "create",
        Msg::UpdateDeployment(_) => "update",
        Msg::CloseDeployment(_) => "close",
        Msg::CreateLease(_) => "lease",
        Msg::Deposit(_) => "deposit",
        Msg::PauseGroup(_) => "pause",
        Msg::StartGroup(_) => "start",
        _ => "other",
    }
}

/// Anywhere else.
#[cfg(debug_assertions)]
pub(crate) fn at(point: &str, what: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("AKASH_KILL_AT") else { return };
    let (wanted, count) = wanted.split_once('#').unwrap_or((&wanted, "1"));
    if wanted.split_once(':') == Some((point, what))
        && (REACHED.fetch_add(1, Ordering::Relaxed) + 1).to_string() == count
    {
        if let Ok(mark) = std::env::var("AKASH_KILL_MARK") {
            _ = std::fs::write(mark, "");
        }
        die();
    }
}

/// As the kernel kills: nothing is flushed, nothing is said.
#[cfg(all(debug_assertions, unix))]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    if kill_process(getpid(), Signal::KILL).is_err() {
        std::process::abort();
    }
}

#[cfg(all(debug_assertions, not(unix)))]
fn die() {
    std::process::abort();
}

#[cfg(not(debug_assertions))]
pub(crate) const fn at(_: &str, _: &str) {}
