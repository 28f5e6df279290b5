//! The journal: what this machine was about to send, what became of it, and whether a state knows of it.
//!
//! It is what brings back a deployment or lease whose creation was cut off: a crash between the transaction and the
//! state leaves it here. Each process writes a file of its own, locked while the process lives; entries of files that
//! nobody holds belong to *earlier* processes, and only those are ever taken over. This module must not ask the chain:
//! what to do about an entry is decided in `lifecycle::earlier`.

mod file;
mod record;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use akash_chain::{Conclusion, Pending};
use tfplugin::{Context, async_trait};
use tokio::sync::OnceCell;

pub(crate) use record::{About, Intent, Subject};
use record::{Entry, Record, fold};

use crate::kill;
use file::Own;

/// How often it is tried again, some 20 ms apart, while another process is taking something over.
const CLAIM_TRIES: u32 = 200;

/// An entry of another process's file.
#[derive(Debug)]
struct Other {
    path: PathBuf,
    entry: Entry,
    /// The process is over.
    dead: bool,
}

/// Who wrote down that it creates something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Maker {
    /// A process that is over.
    Earlier,
    /// Another process that lives.
    Running,
    /// This process.
    ThisRun,
}

/// An entry of a process that is over.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    /// What it was about to send.
    pub(crate) intent: Intent,
    /// What became of it, where that is written down.
    pub(crate) conclusion: Option<Conclusion>,
    path: PathBuf,
}

/// The journal of one directory, and which chain's entries are looked at. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    inner: Arc<Inner>,
    chain_id: String,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None`: it is turned off.
    directory: Option<PathBuf>,
    own: Mutex<Option<Own>>,
    /// What the other files say, as first looked at.
    others: OnceCell<Mutex<Vec<Other>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what waits for a disk where nothing else waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Journal {
    /// The journal in this directory; `None` turns it off. No I/O. It can be written to; for reading see
    /// [`Journal::of_chain`].
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { directory, ..Inner::default() }), chain_id: String::new() }
    }

    /// The same journal, showing the entries of this chain.
    pub(crate) fn of_chain(&self, chain_id: &str) -> Self {
        Self { inner: self.inner.clone(), chain_id: chain_id.to_owned() }
    }

    /// The subject on this chain.
    pub(crate) fn subject(&self, about: impl Into<About>) -> Subject {
        Subject { chain_id: self.chain_id.clone(), about: about.into() }
    }

    /// What earlier processes may have left on chain for this owner without a state knowing it: deployments and leases.
    pub(crate) async fn unreturned(&self, owner: &str) -> io::Result<Vec<Earlier>> {
        self.select(|entry| entry.is_unreturned() && entry.intent.subject.about.owner() == owner).await
    }

    /// What earlier processes sent about a deployment and its groups, or about the wallet itself, and nobody has written
    /// down what became of it.
    pub(crate) async fn open(&self, about: &About) -> io::Result<Vec<Earlier>> {
        self.select(|entry| entry.is_open() && entry.intent.subject.about.within(about)).await
    }

    /// All that earlier processes sent for this owner and nobody has written down what became of it.
    pub(crate) async fn all_open(&self, owner: &str) -> io::Result<Vec<Earlier>> {
        self.select(|entry| entry.is_open() && entry.intent.subject.about.owner() == owner).await
    }

    async fn select(&self, wanted: impl Fn(&Entry) -> bool) -> io::Result<Vec<Earlier>> {
        let others = lock(self.others().await?);
        let wanted = others.iter().filter(|other| {
            other.dead && other.entry.intent.subject.chain_id == self.chain_id && wanted(&other.entry)
        });
        let earlier = wanted.map(|other| Earlier {
            intent: other.entry.intent.clone(),
            conclusion: other.entry.conclusion,
            path: other.path.clone(),
        });
        Ok(earlier.collect())
    }

    /// The other processes' files, read once: what dies later belongs to a later process.
    async fn others(&self) -> io::Result<&Mutex<Vec<Other>>> {
        self.inner.others.get_or_try_init(async || self.scan().await.map(Mutex::new)).await
    }

    async fn scan(&self) -> io::Result<Vec<Other>> {
        let Some(directory) = self.inner.directory.clone() else { return Ok(Vec::new()) };
        let own = lock(&self.inner.own).as_ref().map(|own| own.path().to_owned());
        blocking(move || {
            let found = file::list(&directory).map_err(|error| at(&directory, &error))?;
            let others = found.into_iter().filter(|found| Some(&found.path) != own.as_ref());
            let entries = others.flat_map(|found| {
                let entries = fold(&found.text).into_iter();
                entries.map(move |entry| Other { path: found.path.clone(), entry, dead: found.dead })
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Writes down what became of an earlier process's message.
    pub(crate) async fn concluded(&self, earlier: &Earlier, conclusion: Conclusion) {
        let record = Record::concluded(&earlier.intent.pending, conclusion);
        self.note(earlier.path.clone(), record).await;
        let pending = &earlier.intent.pending;
        self.update(|entry| entry.intent.pending == *pending, |entry| entry.conclusion = Some(conclusion));
    }

    /// Writes down that nothing is left of what an earlier process made.
    pub(crate) async fn gone(&self, earlier: &Earlier) {
        self.note(earlier.path.clone(), Record::Gone(earlier.intent.subject.clone())).await;
        self.update(|entry| entry.intent.subject == earlier.intent.subject, |entry| entry.settled = true);
    }

    /// A state has this deployment or lease: whoever created it, it is not to be taken over any more.
    pub(crate) async fn seen(&self, subject: Subject) {
        let paths: Vec<PathBuf> = match self.others().await {
            Ok(others) => {
                let others = lock(others);
                let ours = others.iter().filter(|other| other.is_about(&subject) && !other.entry.settled);
                ours.map(|other| other.path.clone()).collect()
            }
            // What can't be read can't be taken over either.
            Err(error) => return tracing::warn!(%error, "the journal can't be read"),
        };
        for path in paths {
            self.note(path, Record::Returned(subject.clone())).await;
        }
        self.update(|entry| entry.intent.subject == subject, |entry| entry.settled = true);
    }

    fn update(&self, which: impl Fn(&Entry) -> bool, change: impl Fn(&mut Entry)) {
        if let Some(others) = self.inner.others.get() {
            lock(others)
                .iter_mut()
                .map(|other| &mut other.entry)
                .filter(|entry| which(entry))
                .for_each(change);
        }
    }

    /// Adds to another process's file, which may be gone meanwhile: pruned, and so of no use. Where it fails otherwise,
    /// the next who looks finds it out again.
    async fn note(&self, path: PathBuf, record: Record) {
        if let Err(error) = blocking(move || file::append_to(&path, &record)).await {
            tracing::warn!(%error, "the journal can't be written to");
        }
    }

    /// Marks as returned what an operation is about to answer with: once the last byte of the answer has gone, never
    /// before. `what` names the operation for tests that kill at this point.
    pub(crate) fn answering(&self, cx: &Context, what: &'static str, subject: Option<Subject>) {
        kill::at("before-return", what);
        let Some(subject) = subject else { return };
        let journal = self.clone();
        cx.on_returned(move || {
            kill::at("after-return", what);
            journal.returned(subject);
        });
    }

    /// The answer about this deployment or lease has gone to Terraform: of what this process wrote down, it is not to
    /// be taken over any more. One small write that waits for no disk; where another write does, it waits elsewhere.
    fn returned(&self, subject: Subject) {
        let mark = |own: &mut Option<Own>, subject| {
            if let Some(own) = own
                && let Err(error) = own.append(&[Record::Returned(subject)], false)
            {
                tracing::warn!(%error, "the journal can't be written to");
            }
        };
        if let Ok(mut own) = self.inner.own.try_lock() {
            return mark(&mut own, subject);
        }
        let journal = self.clone();
        tokio::task::spawn_blocking(move || mark(&mut lock(&journal.inner.own), subject));
    }

    /// Takes over what an earlier process made: from now on it is this process's. `false`: another process has taken
    /// it, or a state turned out to have it.
    pub(crate) async fn claim(&self, earlier: &Earlier) -> io::Result<bool> {
        let Some(directory) = self.inner.directory.clone() else { return Ok(false) };
        let lock = self.acquire_lock(&directory).await?;
        let subject = &earlier.intent.subject;
        let entries = self.scan().await?;
        let of_it = || entries.iter().filter(|other| other.is_about(subject));
        let taken = of_it().any(|other| !other.dead && other.entry.is_unreturned());
        let still =
            of_it().any(|other| other.dead && other.path == earlier.path && other.entry.is_unreturned());
        if taken || !still || self.has_own(subject).await? {
            return Ok(false);
        }
        let mut records = vec![Record::Intent(Box::new(earlier.intent.clone()))];
        records.extend(earlier.conclusion.map(|done| Record::concluded(&earlier.intent.pending, done)));
        self.write(records, true).await?;
        // From all files that have it: a taking over that was cut off leaves it in two.
        for other in of_it().filter(|other| other.dead && !other.entry.settled) {
            self.note(other.path.clone(), Record::Moved(subject.clone())).await;
        }
        self.update(|entry| entry.intent.subject == *subject, |entry| entry.settled = true);
        drop(lock);
        Ok(true)
    }

    /// Which run on this machine created this, if the journal has it. Runs that have ended are forgotten once nothing of
    /// theirs is left to be cared for.
    pub(crate) async fn maker(&self, subject: &Subject) -> io::Result<Option<Maker>> {
        let made = |entry: &Entry| {
            entry.intent.subject == *subject && entry.conclusion != Some(Conclusion::DidNotHappen)
        };
        if self.own_entries().await?.iter().any(made) {
            return Ok(Some(Maker::ThisRun));
        }
        let others = self.scan().await?;
        let of_it = others.iter().filter(|other| made(&other.entry));
        Ok(of_it.map(|other| if other.dead { Maker::Earlier } else { Maker::Running }).max())
    }

    /// Whether this process wrote an intent about the subject itself.
    async fn has_own(&self, subject: &Subject) -> io::Result<bool> {
        Ok(self.own_entries().await?.iter().any(|entry| entry.intent.subject == *subject))
    }

    async fn own_entries(&self) -> io::Result<Vec<Entry>> {
        let Some(path) = lock(&self.inner.own).as_ref().map(|own| own.path().to_owned()) else {
            return Ok(Vec::new());
        };
        let text = blocking(move || std::fs::read_to_string(path)).await?;
        Ok(fold(&text))
    }

    async fn acquire_lock(&self, directory: &Path) -> io::Result<std::fs::File> {
        for _ in 0..CLAIM_TRIES {
            let directory = directory.to_owned();
            if let Some(lock) = blocking(move || file::acquire_lock(&directory)).await? {
                return Ok(lock);
            }
            tokio::time::sleep(Duration::from_millis(rand::random_range(10..30))).await;
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("another process holds {} for too long", directory.join("claim.lock").display()),
        ))
    }

    /// Removes the files of dead processes in which nothing is left to be cared for.
    pub(crate) async fn prune(&self) {
        let Some(directory) = self.inner.directory.clone() else { return };
        let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        let pruned = blocking(move || {
            if !directory.is_dir() {
                return Ok(());
            }
            // Another process is at it: then it prunes, or the next one.
            let Some(_lock) = file::acquire_lock(&directory)? else { return Ok(()) };
            for found in file::list(&directory)?.into_iter().filter(|found| found.dead) {
                if fold(&found.text).iter().all(|entry| is_over(entry, now)) {
                    file::remove(&found.path)?;
                }
            }
            Ok(())
        });
        if let Err(error) = pruned.await {
            tracing::warn!(%error, "the journal can't be pruned");
        }
    }

    /// Adds to this process's file, which is opened by the first write.
    async fn write(&self, records: Vec<Record>, sync: bool) -> io::Result<()> {
        let Some(directory) = self.inner.directory.clone() else { return Ok(()) };
        let journal = self.clone();
        blocking(move || {
            let mut own = lock(&journal.inner.own);
            let own = match &mut *own {
                Some(own) => own,
                none => none.insert(Own::create(&directory)?),
            };
            own.append(&records, sync)
        })
        .await
    }
}

impl Other {
    fn is_about(&self, subject: &Subject) -> bool {
        self.entry.intent.subject == *subject
    }
}

/// How long after its time ran out, by this machine's clock, an open entry of a message that creates nothing is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether an entry is of no use any more.
fn is_over(entry: &Entry, now: i128) -> bool {
    let timeout = i128::from(entry.intent.pending.timeout);
    let old = now > timeout.saturating_add_unsigned(KEPT.as_nanos());
    !entry.is_unreturned() && (!entry.is_open() || old)
}

fn at(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
}

#[async_trait]
impl akash_chain::Journal for Journal {
    async fn intend(&self, intents: &[akash_chain::Intent]) -> Result<(), String> {
        let Some(directory) = &self.inner.directory else { return Ok(()) };
        let records = intents.iter().map(|intent| Record::Intent(Box::new(intent.into()))).collect();
        self.write(records, true).await.map_err(|error| {
            format!(
                "the journal in {} can't be written ({error}). Free the disk or make the directory writable, or set \
                 `journal_directory` (AKASH_JOURNAL_DIR) to another directory",
                directory.display()
            )
        })
    }

    async fn conclude(&self, conclusions: &[(Pending, Conclusion)]) {
        let records =
            conclusions.iter().map(|(pending, conclusion)| Record::concluded(pending, *conclusion)).collect();
        // Lost, it is looked up by whoever needs it.
        if let Err(error) = self.write(records, false).await {
            tracing::warn!(%error, "the journal can't be written to");
        }
    }
}

/// Where the journal is by default: in the user's state directory, or where the system keeps such data.
pub(crate) fn default_directory() -> Option<PathBuf> {
    let base = dirs::state_dir().or_else(dirs::data_local_dir)?;
    Some(base.join("terraform-provider-akash").join("journal"))
}

#[cfg(test)]
mod tests;
