//! How the chain says that a lease ends: the words for why, and a provider that has begun to take its lease back.

use akash_proto::akash::market::v1::{Lease, LeaseClosedReason, lease};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The chain's word for why a lease ends, without what all of them begin with.
pub(crate) fn reason(reason: i32) -> String {
    let name =
        LeaseClosedReason::try_from(reason).map_or("lease_closed_unknown", |reason| reason.as_str_name());
    let name = name.trim_start_matches("lease_closed_");
    name.trim_start_matches("reason_").to_owned()
}

/// A lease that its provider takes back: it runs and is paid until the deadline, and takes no manifest any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reclaim {
    pub(crate) gseq: u32,
    /// The provider's address.
    pub(crate) provider: String,
    /// RFC 3339.
    pub(crate) deadline: Option<String>,
    /// The chain's word.
    pub(crate) reason: String,
}

impl Reclaim {
    /// What the chain says of a lease that is being reclaimed; `None` of others.
    pub(crate) fn of(lease: &Lease) -> Option<Self> {
        if lease.state != i32::from(lease::State::Reclaiming) {
            return None;
        }
        let (id, reclamation) = (lease.id.clone().unwrap_or_default(), lease.reclamation.as_ref());
        let deadline = reclamation.and_then(|reclamation| {
            OffsetDateTime::from_unix_timestamp(reclamation.deadline).ok()?.format(&Rfc3339).ok()
        });
        let reason = reason(reclamation.map_or(0, |reclamation| reclamation.reason));
        Some(Self { gseq: id.gseq, provider: id.provider, deadline, reason })
    }

    /// Who, why and until when, in sentences.
    pub(crate) fn text(&self) -> String {
        let deadline = self.deadline.as_deref().unwrap_or("the end of its notice");
        format!(
            "Provider {} has begun to reclaim its lease of group {} (reason: {}). The lease runs, and is paid, until \
             {deadline}; then the provider may end it, and what is stored there is lost.",
            self.provider, self.gseq, self.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::market::v1::Reclamation;

    use super::*;

    #[test]
    fn of_a_lease() {
        let reclamation = Reclamation { deadline: 1_700_000_000, reason: 10_000, ..Reclamation::default() };
        let mut found = Lease { reclamation: Some(reclamation), ..Lease::default() };
        assert_eq!(Reclaim::of(&found), None);
        found.state = lease::State::Reclaiming.into();
        let reclaim = Reclaim::of(&found).unwrap();
        assert_eq!(reclaim.deadline.as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(reclaim.reason, "unstable");
        assert_eq!((reason(1), reason(20_000)), ("owner".to_owned(), "insufficient_funds".to_owned()));
    }
}
