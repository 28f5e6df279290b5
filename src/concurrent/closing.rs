//! What this process is closing. Terraform destroys and creates side by side, so a name that is to be given on may still
//! be held by the deployment that has it when the next one is created: that create waits for the close.

use std::time::Duration;

use tokio::sync::watch;

use crate::limit::Limit;

/// Deletes of deployments and leases: how many are under way and how many have ended. A lease counts because its
/// deployment is closed after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing(watch::Sender<Progress>);

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    busy: usize,
    ended: u64,
}

/// One delete, as long as it lives.
#[derive(Debug)]
pub(crate) struct Delete(Closing);

impl Drop for Delete {
    fn drop(&mut self) {
        self.0.0.send_modify(|progress| {
            progress.busy = progress.busy.saturating_sub(1);
            progress.ended += 1;
        });
    }
}

impl Closing {
    /// A delete begins.
    pub(crate) fn begin(&self) -> Delete {
        self.0.send_modify(|progress| progress.busy += 1);
        Delete(self.clone())
    }

    /// How many deletes have ended so far: to be asked before the chain is, and given to [`Closing::more`] then.
    pub(crate) fn ended(&self) -> u64 {
        self.0.borrow().ended
    }

    /// Waits for one more delete to end. `false`: for the time `quiet` none was under way, or the operation is at its end.
    pub(crate) async fn more(&self, ended: u64, quiet: Duration, limit: &Limit) -> bool {
        let mut progress = self.0.subscribe();
        loop {
            let now = *progress.borrow_and_update();
            if now.ended > ended {
                return true;
            }
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { return false },
                () = tokio::time::sleep(quiet), if now.busy == 0 => return false,
                () = limit.token().cancelled() => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    // Real time: tokio's clock for tests would be a feature that a build has not, and everything were compiled twice.
    #[tokio::test]
    async fn waits_while_something_is_closed_and_a_little_for_the_first() {
        let (closing, quiet, stop) =
            (Closing::default(), Duration::from_millis(300), CancellationToken::new());
        let limit = Limit::start(&stop, Duration::from_secs(3));
        let ended = closing.ended();
        assert!(!closing.more(ended, quiet, &limit).await, "nothing is closed");
        let long = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let delete = closing.begin();
            tokio::time::sleep(Duration::from_millis(900)).await;
            drop(delete);
        };
        assert!(tokio::join!(closing.more(ended, quiet, &limit), long).0);
        // What has ended since the chain was asked counts.
        assert!(closing.more(ended, quiet, &limit).await);
        let delete = closing.begin();
        assert!(!closing.more(closing.ended(), quiet, &limit).await, "no longer than the operation");
        drop(delete);
    }
}
