//! How well an endpoint does: recent faults, and how old its latest block is.
//!
//! This file must not know how endpoints are called.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// An endpoint this much further behind than the best one is asked last.
const BEHIND: Duration = Duration::from_secs(30);
/// The longest time for which an endpoint is left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Faults since the last answer.
    faults: u32,
    /// Asked last until then.
    pause: Option<Instant>,
    /// Age of its latest block when it was last looked at.
    age: Option<Duration>,
}

impl Health {
    /// It answered.
    pub(crate) fn answered(&mut self) {
        self.faults = 0;
        self.pause = None;
    }

    /// Its latest block.
    pub(crate) fn block(&mut self, time: OffsetDateTime) {
        self.answered();
        self.age = Some((OffsetDateTime::now_utc() - time).try_into().unwrap_or_default());
    }

    /// It failed; it is asked last for a while that doubles, or for as long as it asked for.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>) {
        self.faults = self.faults.saturating_add(1);
        let pause = retry_after.unwrap_or(Duration::from_secs(1 << self.faults.min(6)));
        self.pause = Some(Instant::now() + pause.min(LONGEST_PAUSE));
    }

    /// The rank among others, the best first: not paused, then not behind. `best_age` is the smallest age of all.
    pub(crate) fn rank(&self, best_age: Option<Duration>) -> (bool, bool) {
        let paused = self.pause.is_some_and(|until| until > Instant::now());
        let behind = self.age.zip(best_age).is_some_and(|(age, best)| age > best + BEHIND);
        (paused, behind)
    }

    /// Age of its latest block when it was last looked at.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let now = OffsetDateTime::now_utc();
        let (mut good, mut behind, mut failed) = (Health::default(), Health::default(), Health::default());
        good.block(now);
        behind.block(now - Duration::from_secs(300));
        failed.block(now);
        failed.failed(None);
        let best = good.age();
        assert_eq!(good.rank(best), (false, false));
        assert_eq!(behind.rank(best), (false, true));
        assert_eq!(failed.rank(best), (true, false));
        failed.answered();
        assert_eq!(failed.rank(best), (false, false));
    }
}
