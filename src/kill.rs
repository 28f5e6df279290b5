//! Named points at which a test kills this process, as a crash or a lost machine would. Only debug builds have them;
//! in a release build every function here is empty.
//!
//! `AKASH_KILL_AT` is POINT:WHAT or POINT:WHAT#N: the Nth time that the point is reached with WHAT. The process then
//! writes an empty file to `AKASH_KILL_MARK`, which tells the test that the point was reached, and kills itself.

use std::sync::Arc;

use akash_chain::Journal;

/// A journal with the points of a message's way around it.
#[cfg(debug_assertions)]
pub(crate) fn around(journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
    Arc::new(points::Points(journal))
}

#[cfg(not(debug_assertions))]
pub(crate) fn around(journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
    journal
}

#[cfg(debug_assertions)]
mod points {
    use std::sync::Arc;

    use akash_chain::{Conclusion, Intent, Journal, Msg, Pending};
    use tfplugin::async_trait;

    #[derive(Debug)]
    pub(super) struct Points(pub(super) Arc<dyn Journal>);

    #[async_trait]
    impl Journal for Points {
        async fn intend(&self, intents: &[Intent]) -> Result<(), String> {
            at("before-journal", intents.iter().map(|intent| &intent.pending));
            self.0.intend(intents).await?;
            at("after-journal", intents.iter().map(|intent| &intent.pending));
            Ok(())
        }

        fn handed_over(&self, pendings: &[Pending]) {
            at("after-broadcast", pendings.iter());
            self.0.handed_over(pendings);
        }

        async fn conclude(&self, conclusions: &[(Pending, Conclusion)]) {
            at("after-inclusion", conclusions.iter().map(|(pending, _)| pending));
            self.0.conclude(conclusions).await;
        }
    }

    fn at<'a>(point: &str, pendings: impl Iterator<Item = &'a Pending>) {
        pendings.for_each(|pending| super::at(point, word(&pending.message)));
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
            Msg::MintAct(_) => "mint",
            Msg::BurnAct(_) => "burn",
            _ => "other",
        }
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
