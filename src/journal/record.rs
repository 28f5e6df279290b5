//! What a journal file says: one JSON record a line, and what the lines come to together.
//!
//! Nothing here reads or writes files. No record holds a secret: messages on chain are public, and manifests with
//! their environment are never in one.

use std::fmt;

use akash_chain::{Conclusion, Msg, Pending};
use serde::{Deserialize, Serialize};

/// What a message is about: the wallet, a deployment or one of its groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) chain_id: String,
    pub(crate) owner: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) dseq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) gseq: Option<u32>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.owner)?;
        let numbers = self.dseq.into_iter().chain(self.gseq.map(u64::from));
        numbers.into_iter().try_for_each(|number| write!(f, "/{number}"))
    }
}

impl Subject {
    /// What this message of `signer` is about.
    fn of(chain_id: &str, message: &Msg) -> Self {
        let deployment = |id: &Option<akash_proto::akash::deployment::v1::DeploymentId>| {
            id.as_ref().map(|id| (id.owner.clone(), Some(id.dseq), None))
        };
        let group = |id: &Option<akash_proto::akash::deployment::v1::GroupId>| {
            id.as_ref().map(|id| (id.owner.clone(), Some(id.dseq), Some(id.gseq)))
        };
        let found = match message {
            Msg::CreateDeployment(message) => deployment(&message.id),
            Msg::UpdateDeployment(message) => deployment(&message.id),
            Msg::CloseDeployment(message) => deployment(&message.id),
            Msg::CloseGroup(message) => group(&message.id),
            Msg::PauseGroup(message) => group(&message.id),
            Msg::StartGroup(message) => group(&message.id),
            Msg::CreateLease(message) => {
                message.bid_id.as_ref().map(|id| (id.owner.clone(), Some(id.dseq), Some(id.gseq)))
            }
            Msg::CloseLease(message) => {
                message.id.as_ref().map(|id| (id.owner.clone(), Some(id.dseq), Some(id.gseq)))
            }
            Msg::Deposit(message) => {
                let account = message.id.as_ref().and_then(|id| id.xid.split_once('/'));
                account.map(|(owner, dseq)| (owner.to_owned(), dseq.parse().ok(), None))
            }
            Msg::CreateCertificate(message) => Some((message.owner.clone(), None, None)),
            Msg::RevokeCertificate(message) => message.id.as_ref().map(|id| (id.owner.clone(), None, None)),
            Msg::MintAct(message) => Some((message.owner.clone(), None, None)),
            Msg::BurnAct(message) => Some((message.owner.clone(), None, None)),
        };
        let (owner, dseq, gseq) = found.unwrap_or_default();
        Self { chain_id: chain_id.to_owned(), owner, dseq, gseq }
    }
}

/// A message that was about to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) subject: Subject,
    /// The resource, in words.
    pub(crate) resource: String,
    /// The `name` of a deployment that has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) name: Option<String>,
    pub(crate) pending: Pending,
}

impl Intent {
    pub(crate) fn new(chain_id: &str, pending: Pending, name: Option<String>) -> Self {
        let subject = Subject::of(chain_id, &pending.message);
        let kind = match (subject.dseq, subject.gseq) {
            (_, Some(_)) => "akash_lease",
            (Some(_), None) => "akash_deployment",
            (None, None) => "wallet",
        };
        Self { resource: format!("{kind} {subject}"), subject, name, pending }
    }

    /// Whether it makes something that a state must know of.
    fn creates(&self) -> bool {
        matches!(self.pending.message, Msg::CreateDeployment(_) | Msg::CreateLease(_))
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// Written and synced before the message is sent, and by a process that takes over what a dead one has made.
    Intent(Box<Intent>),
    /// What became of a message: the height of its block, or null where it did not happen and never can.
    Concluded { tx_hash: String, message_index: u32, height: Option<u64> },
    /// A state has it: the answer has gone to Terraform, or Terraform asked about it.
    Returned(Subject),
    /// Another process took it over, and has an intent of its own for it.
    Moved(Subject),
    /// It was closed meanwhile, or never came to be.
    Gone(Subject),
}

impl Record {
    pub(crate) fn concluded(pending: &Pending, conclusion: Conclusion) -> Self {
        let height = match conclusion {
            Conclusion::Included(height) => Some(height),
            Conclusion::DidNotHappen => None,
        };
        Self::Concluded { tx_hash: pending.tx_hash.clone(), message_index: pending.message_index, height }
    }
}

/// An intent and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) intent: Intent,
    pub(crate) conclusion: Option<Conclusion>,
    /// Returned, moved or gone: nobody need care for it any more.
    pub(crate) settled: bool,
}

impl Entry {
    /// It may be on chain without any state knowing it.
    pub(crate) fn is_unreturned(&self) -> bool {
        self.intent.creates() && !self.settled && self.conclusion != Some(Conclusion::DidNotHappen)
    }

    /// What became of it is not written down.
    pub(crate) fn is_open(&self) -> bool {
        self.conclusion.is_none()
    }
}

/// What the lines of a file come to. A line that is not a record is passed over: a crash may have cut it off.
pub(crate) fn fold(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let Ok(record) = serde_json::from_str::<Record>(line) else {
            tracing::warn!("a line of the journal is not readable; it is passed over");
            continue;
        };
        match record {
            Record::Intent(intent) => {
                entries.push(Entry { intent: *intent, conclusion: None, settled: false });
            }
            Record::Concluded { tx_hash, message_index, height } => {
                let conclusion = height.map_or(Conclusion::DidNotHappen, Conclusion::Included);
                let ours = |entry: &&mut Entry| {
                    let pending = &entry.intent.pending;
                    pending.tx_hash == tx_hash && pending.message_index == message_index
                };
                entries.iter_mut().filter(ours).for_each(|entry| entry.conclusion = Some(conclusion));
            }
            Record::Returned(subject) | Record::Moved(subject) | Record::Gone(subject) => {
                let ours = |entry: &&mut Entry| entry.intent.subject == subject;
                entries.iter_mut().filter(ours).for_each(|entry| entry.settled = true);
            }
        }
    }
    entries
}

#[cfg(test)]
pub(super) mod tests {
    use akash_chain::PendingFee;
    use akash_proto::akash::deployment::v1::DeploymentId;
    use akash_proto::akash::deployment::v1beta4::{MsgCreateDeployment, MsgUpdateDeployment};
    use akash_proto::akash::market::{v1::BidId, v1beta5::MsgCreateLease};

    use super::*;

    pub(crate) const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";

    pub(crate) fn pending(hash: &str, message: impl Into<Msg>) -> Pending {
        Pending {
            tx_hash: hash.into(),
            timeout: 1_795_238_003_653_063_657,
            since_height: 7,
            fee: PendingFee { amount: "1".into(), denom: "uakt".into() },
            messages: 1,
            message_index: 0,
            message: message.into(),
        }
    }

    pub(crate) fn create(hash: &str, dseq: u64) -> Pending {
        let id = Some(DeploymentId { owner: OWNER.into(), dseq });
        pending(hash, MsgCreateDeployment { id, hash: vec![1; 32], ..Default::default() })
    }

    fn lines(records: &[Record]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    fn intent(pending: Pending) -> Record {
        Record::Intent(Box::new(Intent::new("x-1", pending, None)))
    }

    #[test]
    fn lines_come_to_entries() {
        let subject = Subject::of("x-1", &create("A", 1).message);
        let bid = BidId { owner: OWNER.into(), dseq: 1, gseq: 2, ..Default::default() };
        let lease = pending("B", MsgCreateLease { bid_id: Some(bid) });
        let id = Some(DeploymentId { owner: OWNER.into(), dseq: 1 });
        let update = pending("C", MsgUpdateDeployment { id, hash: vec![] });
        let included = |pending: &Pending| Record::concluded(pending, Conclusion::Included(9));
        let dead = Record::concluded(&create("A", 1), Conclusion::DidNotHappen);
        for (what, records, unreturned, open) in [
            ("sent", vec![intent(create("A", 1))], vec![true], vec![true]),
            ("included", vec![intent(create("A", 1)), included(&create("A", 1))], vec![true], vec![false]),
            ("did not happen", vec![intent(create("A", 1)), dead.clone()], vec![false], vec![false]),
            (
                "sent again after it did not happen",
                vec![intent(create("A", 1)), dead, intent(create("D", 1))],
                vec![false, true],
                vec![false, true],
            ),
            (
                "the deployment returned, its lease not",
                vec![intent(create("A", 1)), intent(lease), Record::Returned(subject.clone())],
                vec![false, true],
                vec![true, true],
            ),
            ("moved", vec![intent(create("A", 1)), Record::Moved(subject.clone())], vec![false], vec![true]),
            ("an update makes nothing", vec![intent(update)], vec![false], vec![true]),
        ] {
            let entries = fold(&lines(&records));
            let told: Vec<bool> = entries.iter().map(Entry::is_unreturned).collect();
            assert_eq!(told, unreturned, "{what}");
            assert_eq!(entries.iter().map(Entry::is_open).collect::<Vec<_>>(), open, "{what}");
        }
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let whole = lines(&[intent(create("A", 1)), intent(create("B", 2))]);
        let first = whole.find('\n').unwrap();
        for cut in [first + 1, first + 30, whole.len() - 2] {
            assert_eq!(fold(&whole[..cut]).len(), 1, "cut at {cut}");
            // What is written after the tear begins on a line of its own.
            let mended = format!("{}\n{}", &whole[..cut], lines(&[intent(create("C", 3))]));
            assert_eq!(fold(&mended).len(), 2, "cut at {cut}");
        }
        assert!(fold("\u{0}\u{0}\n{\"later\":{}}\n").is_empty());
    }
}
