//! What a journal file says: one JSON record a line, and what the lines come to together.
//!
//! Nothing here reads or writes files. No record holds a secret: messages on chain are public, and manifests with
//! their environment are never in one.

use std::fmt;

use akash_chain::{Conclusion, Msg, Pending};
use akash_proto::akash::deployment::v1;
use akash_proto::id::{BidId, DeploymentId, GroupId, IdError, LeaseId};
use serde::{Deserialize, Serialize};

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum About {
    /// The wallet itself, by its address.
    Wallet(String),
    /// A deployment.
    Deployment(DeploymentId),
    /// A group of one: its lease.
    Group(GroupId),
}

impl From<&DeploymentId> for About {
    fn from(id: &DeploymentId) -> Self {
        Self::Deployment(id.clone())
    }
}

impl From<&GroupId> for About {
    fn from(id: &GroupId) -> Self {
        Self::Group(id.clone())
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(owner) => f.write_str(owner),
            Self::Deployment(id) => id.fmt(f),
            Self::Group(id) => id.fmt(f),
        }
    }
}

impl About {
    /// What this message of the wallet is about.
    fn of(message: &Msg) -> Self {
        let deployment = |id: &Option<v1::DeploymentId>| {
            id.as_ref().and_then(|id| DeploymentId::try_from(id).ok()).map(Self::Deployment)
        };
        let group =
            |id: &Option<v1::GroupId>| id.as_ref().and_then(|id| GroupId::try_from(id).ok()).map(Self::Group);
        let wallet = |owner: &String| Some(Self::Wallet(owner.clone()));
        let found = match message {
            Msg::CreateDeployment(message) => deployment(&message.id),
            Msg::UpdateDeployment(message) => deployment(&message.id),
            Msg::CloseDeployment(message) => deployment(&message.id),
            Msg::CloseGroup(message) => group(&message.id),
            Msg::PauseGroup(message) => group(&message.id),
            Msg::StartGroup(message) => group(&message.id),
            Msg::CreateLease(message) => {
                let bid = message.bid_id.as_ref().and_then(|id| BidId::try_from(id).ok());
                bid.map(|bid| Self::Group(bid.group().clone()))
            }
            Msg::CloseLease(message) => {
                let lease = message.id.as_ref().and_then(|id| LeaseId::try_from(id).ok());
                lease.map(|lease| Self::Group(lease.group().clone()))
            }
            Msg::Deposit(message) => {
                message.id.as_ref().and_then(|id| id.xid.parse().ok()).map(Self::Deployment)
            }
            Msg::CreateCertificate(message) => wallet(&message.owner),
            Msg::RevokeCertificate(message) => message.id.as_ref().and_then(|id| wallet(&id.owner)),
            Msg::MintAct(message) => wallet(&message.owner),
            Msg::BurnAct(message) => wallet(&message.owner),
        };
        found.unwrap_or_else(|| Self::Wallet(String::new()))
    }

    /// The account it belongs to.
    pub(crate) fn owner(&self) -> &str {
        match self {
            Self::Wallet(owner) => owner,
            Self::Deployment(id) => id.owner(),
            Self::Group(id) => id.owner(),
        }
    }

    /// Whether what this says lies within what `other` says: a group within its deployment. The wallet holds itself alone.
    pub(crate) fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Group(group), Self::Deployment(deployment)) => group.deployment() == deployment,
            _ => self == other,
        }
    }
}

/// What a message is about, and on which chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Parts", try_from = "Parts")]
pub(crate) struct Subject {
    pub(crate) chain_id: String,
    pub(crate) about: About,
}

/// A subject as lines have it.
#[derive(Serialize, Deserialize)]
struct Parts {
    chain_id: String,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    dseq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gseq: Option<u32>,
}

impl From<Subject> for Parts {
    fn from(Subject { chain_id, about }: Subject) -> Self {
        let (dseq, gseq) = match &about {
            About::Wallet(_) => (None, None),
            About::Deployment(id) => (Some(id.dseq()), None),
            About::Group(id) => (Some(id.dseq()), Some(id.gseq())),
        };
        Self { chain_id, owner: about.owner().to_owned(), dseq, gseq }
    }
}

impl TryFrom<Parts> for Subject {
    type Error = IdError;

    fn try_from(Parts { chain_id, owner, dseq, gseq }: Parts) -> Result<Self, IdError> {
        let about = match (dseq, gseq) {
            (None, _) => About::Wallet(owner),
            (Some(dseq), None) => About::Deployment(DeploymentId::new(&owner, dseq)?),
            (Some(dseq), Some(gseq)) => About::Group(DeploymentId::new(&owner, dseq)?.group(gseq)?),
        };
        Ok(Self { chain_id, about })
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
    /// The user's reason, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
    pub(crate) pending: Pending,
}

impl From<&akash_chain::Intent> for Intent {
    fn from(intent: &akash_chain::Intent) -> Self {
        let akash_chain::Intent { chain_id, label, pending } = intent.clone();
        let about = About::of(&pending.message);
        let kind = match about {
            About::Group(_) => "akash_lease",
            About::Deployment(_) => "akash_deployment",
            About::Wallet(_) => "wallet",
        };
        let resource = format!("{kind} {about}");
        Self {
            subject: Subject { chain_id, about },
            resource,
            name: label.name,
            reason: label.reason,
            pending,
        }
    }
}

impl Intent {
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
    Concluded { tx_hash: Option<String>, message_index: u32, height: Option<u64> },
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
                    // Without a hash it is not known which; then it stays open, and whoever needs it looks.
                    tx_hash.is_some() && pending.tx_hash == tx_hash && pending.message_index == message_index
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
    use akash_proto::akash::deployment::v1beta4::{MsgCreateDeployment, MsgUpdateDeployment};
    use akash_proto::akash::market::v1beta5::MsgCreateLease;

    use super::*;

    pub(crate) const OWNER: &str = "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y9";

    pub(crate) fn pending(hash: &str, message: impl Into<Msg>) -> Pending {
        Pending {
            tx_hash: Some(hash.into()),
            timeout: 1_795_238_003_653_063_657,
            since_height: 7,
            fee: PendingFee { amount: "1".into(), denom: "uakt".into() },
            messages: 1,
            message_index: 0,
            message: message.into(),
        }
    }

    pub(crate) fn id(dseq: u64) -> DeploymentId {
        DeploymentId::new(OWNER, dseq).unwrap()
    }

    pub(crate) fn create(hash: &str, dseq: u64) -> Pending {
        let id = Some((&id(dseq)).into());
        pending(hash, MsgCreateDeployment { id, hash: vec![1; 32], ..Default::default() })
    }

    fn lines(records: &[Record]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    pub(crate) fn intent(pending: Pending) -> akash_chain::Intent {
        akash_chain::Intent { chain_id: "x-1".into(), label: akash_chain::Label::default(), pending }
    }

    fn written(pending: Pending) -> Record {
        Record::Intent(Box::new((&intent(pending)).into()))
    }

    #[test]
    fn lines_come_to_entries() {
        let subject = Subject { chain_id: "x-1".into(), about: About::of(&create("A", 1).message) };
        assert_eq!(subject.about, About::from(&id(1)));
        let bid = id(1).group(2).unwrap().order(1).unwrap().bid(OWNER).unwrap();
        let lease = pending("B", MsgCreateLease { bid_id: Some((&bid).into()) });
        let update = pending("C", MsgUpdateDeployment { id: Some((&id(1)).into()), hash: vec![] });
        let included = |pending: &Pending| Record::concluded(pending, Conclusion::Included(9));
        let dead = Record::concluded(&create("A", 1), Conclusion::DidNotHappen);
        for (what, records, unreturned, open) in [
            ("sent", vec![written(create("A", 1))], vec![true], vec![true]),
            ("included", vec![written(create("A", 1)), included(&create("A", 1))], vec![true], vec![false]),
            ("did not happen", vec![written(create("A", 1)), dead.clone()], vec![false], vec![false]),
            (
                "sent again after it did not happen",
                vec![written(create("A", 1)), dead, written(create("D", 1))],
                vec![false, true],
                vec![false, true],
            ),
            (
                "the deployment returned, its lease not",
                vec![written(create("A", 1)), written(lease), Record::Returned(subject.clone())],
                vec![false, true],
                vec![true, true],
            ),
            ("moved", vec![written(create("A", 1)), Record::Moved(subject.clone())], vec![false], vec![true]),
            ("an update makes nothing", vec![written(update)], vec![false], vec![true]),
        ] {
            let entries = fold(&lines(&records));
            let told: Vec<bool> = entries.iter().map(Entry::is_unreturned).collect();
            assert_eq!(told, unreturned, "{what}");
            assert_eq!(entries.iter().map(Entry::is_open).collect::<Vec<_>>(), open, "{what}");
        }
    }

    #[test]
    fn subjects_keep_their_form() {
        for (about, parts) in [
            (About::Wallet(OWNER.into()), ""),
            (About::from(&id(7)), r#","dseq":7"#),
            (About::from(&id(7).group(2).unwrap()), r#","dseq":7,"gseq":2"#),
        ] {
            let json = format!(r#"{{"chain_id":"x-1","owner":"{OWNER}"{parts}}}"#);
            let subject = Subject { chain_id: "x-1".into(), about };
            assert_eq!(serde_json::to_string(&subject).unwrap(), json);
            assert_eq!(serde_json::from_str::<Subject>(&json).unwrap(), subject);
        }
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let whole = lines(&[written(create("A", 1)), written(create("B", 2))]);
        let first = whole.find('\n').unwrap();
        for cut in [first + 1, first + 30, whole.len() - 2] {
            assert_eq!(fold(&whole[..cut]).len(), 1, "cut at {cut}");
            // What is written after the tear begins on a line of its own.
            let mended = format!("{}\n{}", &whole[..cut], lines(&[written(create("C", 3))]));
            assert_eq!(fold(&mended).len(), 2, "cut at {cut}");
        }
        assert!(fold("\u{0}\u{0}\n{\"later\":{}}\n").is_empty());
    }
}
