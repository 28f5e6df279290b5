//! How long an operation may take: one token that ends with Terraform's stop or when the time is up, whichever is first.

use std::time::Duration;

use tokio::{task::AbortHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// The end of an operation. Dropped when the operation is over.
#[derive(Debug)]
pub(crate) struct Limit {
    token: CancellationToken,
    stop: CancellationToken,
    deadline: Instant,
    timer: AbortHandle,
}

impl Limit {
    /// Begins now and lasts `time`, or until `stop` is cancelled.
    pub(crate) fn start(stop: &CancellationToken, time: Duration) -> Self {
        let token = stop.child_token();
        let deadline = Instant::now() + time;
        let ended = token.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            ended.cancel();
        })
        .abort_handle();
        Self { token, stop: stop.clone(), deadline, timer }
    }

    /// Another that begins now and lasts `time`, with the same stop: for what follows when this one may have ended.
    pub(crate) fn anew(&self, time: Duration) -> Self {
        Self::start(&self.stop, time)
    }

    /// Cancelled at the end.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// When the time is up.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Whether Terraform asked to stop; if not, an ended operation ran out of time.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits `time`, or until the end. Whether the whole time went by.
    pub(crate) async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.token.cancelled() => false,
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.timer.abort();
    }
}
