//! How well an endpoint does: recent faults, how old its latest block is, and how fast it answers.
//!
//! This file must not know how endpoints are called.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// An endpoint this much further behind than the best one is asked last.
const BEHIND: Duration = Duration::from_secs(30);
/// An endpoint whose answers take this much longer than the fastest one's is asked after it. Less is no reason to leave
/// the configured order.
const SLOW: Duration = Duration::from_millis(500);
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
    /// How long its answers take, the last ones counting most.
    latency: Option<Duration>,
}

/// What the others are measured by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Best {
    age: Option<Duration>,
    latency: Option<Duration>,
}

impl Best {
    /// The best of all in each respect.
    pub(crate) fn with(self, health: &Health) -> Self {
        let least = |a: Option<Duration>, b: Option<Duration>| a.into_iter().chain(b).min();
        Self { age: least(self.age, health.age), latency: least(self.latency, health.latency) }
    }
}

impl Health {
    /// It answered.
    pub(crate) fn answered(&mut self) {
        self.faults = 0;
        self.pause = None;
    }

    /// Its latest block, and how long it took to say so: a small question, by which endpoints can be compared.
    pub(crate) fn block(&mut self, time: OffsetDateTime, took: Duration) {
        self.answered();
        self.latency = Some(self.latency.map_or(took, |before| (before * 3 + took) / 4));
        self.age = Some((OffsetDateTime::now_utc() - time).try_into().unwrap_or_default());
    }

    /// It failed; it is asked last for a while that doubles, or for as long as it asked for.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>) {
        self.faults = self.faults.saturating_add(1);
        let pause = retry_after.unwrap_or(Duration::from_secs(1 << self.faults.min(6)));
        self.pause = Some(Instant::now() + pause.min(LONGEST_PAUSE));
    }

    /// The rank among others, the best first: not paused, then not behind, then not slow.
    pub(crate) fn rank(&self, best: Best) -> (bool, bool, bool) {
        let paused = self.pause.is_some_and(|until| until > Instant::now());
        let over = |own: Option<Duration>, best: Option<Duration>, by| {
            own.zip(best).is_some_and(|(own, best)| own > best + by)
        };
        (paused, over(self.age, best.age, BEHIND), over(self.latency, best.latency, SLOW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let now = OffsetDateTime::now_utc();
        let quick = Duration::from_millis(20);
        let [mut good, mut behind, mut failed, mut slow] = std::array::from_fn(|_| Health::default());
        for (health, age, took) in [
            (&mut good, 0, quick),
            (&mut behind, 300, quick),
            (&mut failed, 0, quick),
            (&mut slow, 0, quick * 40),
        ] {
            health.block(now - Duration::from_secs(age), took);
        }
        failed.failed(None);
        let best = [&good, &behind, &failed, &slow].into_iter().fold(Best::default(), Best::with);
        assert_eq!(good.rank(best), (false, false, false));
        assert_eq!(behind.rank(best), (false, true, false));
        assert_eq!(failed.rank(best), (true, false, false));
        assert_eq!(slow.rank(best), (false, false, true));
        assert_eq!(Health::default().rank(best), (false, false, false), "not known yet");
        failed.answered();
        assert_eq!(failed.rank(best), (false, false, false));
        (0..4).for_each(|_| slow.block(now, quick));
        assert_eq!(slow.rank(best), (false, false, false), "it was slow");
    }
}
