//! What a failed call means for the next attempt, and how long attempts go on: upload of a manifest, and reads.
//!
//! Right after a lease or an update the provider may not have seen it yet and refuses what it will take a moment
//! later. Which refusals pass and which stay is decided here (`reference/akash.md` 6.1). It must not know how a call is made.

use crate::error::GatewayError;
use rand::RngExt;
use std::time::Duration;
use tokio::time::Instant;

/// How long and how often an upload is tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// No attempt begins later than this after the first. An attempt itself may take 125 s.
    pub window: Duration,
    /// Pause after the first attempt; each one after it is twice as long, up to `longest`, and between half and
    /// all of it is waited.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(120),
            first: Duration::from_millis(500),
            longest: Duration::from_secs(10),
        }
    }
}

/// What an attempt's failure means for the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after a pause.
    Again,
    /// Try again, but only once for this reason: with a new token.
    NewToken,
    /// Never.
    Stop,
}

/// Why there is no further attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its failure stays, however often it is tried.
    ForGood,
    /// The time is over.
    Time,
}

/// The attempts of one upload.
pub(crate) struct Attempts {
    begun: Instant,
    no_later: Instant,
    pause: Duration,
    longest: Duration,
    new_token_used: bool,
    /// How many have failed.
    pub(crate) failed: u32,
    /// Whether the provider has answered any.
    pub(crate) answered: bool,
}

impl Attempts {
    /// The first begins now, and none after `deadline`.
    pub(crate) fn new(policy: &RetryPolicy, deadline: Option<Instant>) -> Self {
        let begun = Instant::now();
        let window = begun + policy.window;
        Self {
            begun,
            no_later: deadline.map_or(window, |d| d.min(window)),
            pause: policy.first,
            longest: policy.longest,
            new_token_used: false,
            failed: 0,
            answered: false,
        }
    }

    /// Since the first began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Takes note of a failure. Returns how long to wait before the next attempt: between half and all of a pause that
    /// doubles.
    pub(crate) fn failed(&mut self, failure: &GatewayError) -> Result<Duration, End> {
        self.failed += 1;
        self.answered |= !failure.is_unreachable();
        match of_upload(failure) {
            Next::Again => {}
            Next::NewToken if !self.new_token_used => self.new_token_used = true,
            Next::NewToken | Next::Stop => return Err(End::ForGood),
        }
        let wait = rand::rng().random_range(self.pause / 2..=self.pause);
        if Instant::now() + wait >= self.no_later {
            return Err(End::Time);
        }
        self.pause = (self.pause * 2).min(self.longest);
        Ok(wait)
    }
}

/// Whether a read is sent once more, at once: with a new token, or over a new connection.
pub(crate) fn read_once_more(failure: &GatewayError) -> bool {
    matches!(failure, GatewayError::Unauthorized { status: 401, .. } | GatewayError::Unreachable { .. })
}

/// The rules of `reference/akash.md` 6.1.
fn of_upload(failure: &GatewayError) -> Next {
    match failure {
        GatewayError::Unreachable { .. } | GatewayError::Timeout { .. } | GatewayError::Chain { .. } => {
            Next::Again
        }
        GatewayError::Unauthorized { status: 401, .. } => Next::NewToken,
        // The daemon has not seen the lease yet.
        GatewayError::NotFound { .. } => Next::Again,
        GatewayError::Status { status: 422, message, .. } => {
            // The daemon has not seen the update yet. Every other 422 is about the manifest itself.
            if message.contains("manifest version validation failed") { Next::Again } else { Next::Stop }
        }
        GatewayError::Status { status: 500, message, .. } => {
            let host_taken = message.contains("hostname")
                && ["in use", "blocked", "not allowed"].iter().any(|why| message.contains(why));
            if host_taken || message.contains("group count mismatch") { Next::Stop } else { Next::Again }
        }
        GatewayError::Status { status: 501.., .. } => Next::Again,
        _ => Next::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::refused;
    use crate::peer::Answer;
    use zeroize::Zeroizing;

    fn answered(status: u16, body: &str) -> GatewayError {
        let answer = Answer { status, body: Zeroizing::new(body.as_bytes().to_vec()) };
        refused("akash1p", &answer, &[])
    }

    #[test]
    fn which_answers_are_tried_again() {
        use Next::*;
        for (status, body, expected) in [
            (404, "no lease for deployment\n", Again),
            (500, "rpc error: code = NotFound desc = Deployment not found: key not found\n", Again),
            (500, "key not found\n", Again),
            (500, "something else\n", Again),
            (503, "", Again),
            (502, "<html>bad gateway</html>", Again),
            (422, "manifest version validation failed\n", Again),
            (401, r#"{"message":"unauthorized access"}"#, NewToken),
            (400, r#"{"message":"JWT has invalid claims"}"#, Stop),
            (422, "unexpected EOF\n", Stop),
            (422, "invalid manifest: manifest is empty\n", Stop),
            (422, "manifest cross-validation error: group \"x\"\n", Stop),
            (422, "manifest rejected\n", Stop),
            (500, "invalid manifest: group count mismatch\n", Stop),
            (500, "hostname \"a.example\" in use\n", Stop),
            (500, "hostname \"a.example\" is blocked by this provider\n", Stop),
            (403, "", Stop),
            (413, "", Stop),
            (302, "", Stop),
        ] {
            assert_eq!(of_upload(&answered(status, body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_new_token_once_and_pauses_that_double() {
        let policy = RetryPolicy {
            window: Duration::from_secs(60),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(4),
        };
        let mut attempts = Attempts::new(&policy, None);
        let not_yet = answered(404, "");
        for longest in [1, 2, 4, 4] {
            let wait = attempts.failed(&not_yet).unwrap();
            let longest = Duration::from_secs(longest);
            assert!((longest / 2..=longest).contains(&wait), "{wait:?} of {longest:?}");
        }
        let refused = answered(401, "");
        assert!(attempts.failed(&refused).is_ok());
        assert_eq!(attempts.failed(&refused), Err(End::ForGood));
        assert_eq!((attempts.failed, attempts.answered), (6, true));
        let mut late = Attempts::new(&policy, Some(Instant::now() + Duration::from_millis(100)));
        assert_eq!(late.failed(&not_yet), Err(End::Time));
    }
}
