//! What is found again, by whom, and when it is forgotten.

use akash_chain::Journal as _;

use super::record::tests::{OWNER, create, id, intent};
use super::*;

fn journal(directory: &Path) -> Journal {
    Journal::new(Some(directory.to_owned())).of_chain("x-1")
}

/// What a process does that is cut off after sending.
async fn cut_off(directory: &Path, dseqs: &[u64]) {
    let journal = journal(directory);
    let intents: Vec<_> = dseqs.iter().map(|dseq| intent(create(&format!("{dseq}"), *dseq))).collect();
    journal.intend(&intents).await.unwrap();
}

fn dseq(earlier: &Earlier) -> u64 {
    match &earlier.intent.subject.about {
        About::Deployment(id) => id.dseq(),
        about => panic!("{about:?}"),
    }
}

async fn dseqs(journal: &Journal) -> Vec<u64> {
    let earlier = journal.unreturned(OWNER).await.unwrap();
    let mut dseqs: Vec<u64> = earlier.iter().map(dseq).collect();
    dseqs.sort_unstable();
    dseqs
}

#[tokio::test]
async fn only_what_earlier_processes_left_is_found() {
    let directory = tempfile::tempdir().unwrap();
    cut_off(directory.path(), &[1, 2]).await;
    let alive = journal(directory.path());
    alive.intend(&[intent(create("3", 3))]).await.unwrap();
    assert_eq!(dseqs(&journal(directory.path())).await, [1, 2]);
    // Its own is not an earlier process's either.
    assert_eq!(dseqs(&alive).await, [1, 2]);
    let other = journal(directory.path()).of_chain("x-2");
    assert!(dseqs(&other).await.is_empty());
}

#[tokio::test]
async fn what_returned_or_was_seen_is_not_found_again() {
    let directory = tempfile::tempdir().unwrap();
    {
        let journal = journal(directory.path());
        let intents = [1, 2, 3].map(|dseq| intent(create(&format!("{dseq}"), dseq)));
        journal.intend(&intents).await.unwrap();
        journal.returned(journal.subject(&id(1)));
    }
    let reader = journal(directory.path());
    assert_eq!(dseqs(&reader).await, [2, 3]);
    reader.seen(reader.subject(&id(2))).await;
    assert_eq!(dseqs(&reader).await, [3]);
    assert_eq!(dseqs(&journal(directory.path())).await, [3]);
}

#[tokio::test]
async fn one_process_takes_over_and_its_death_gives_it_back() {
    let directory = tempfile::tempdir().unwrap();
    cut_off(directory.path(), &[1]).await;
    let (first, second) = (journal(directory.path()), journal(directory.path()));
    let earlier = first.unreturned(OWNER).await.unwrap().remove(0);
    let same = second.unreturned(OWNER).await.unwrap().remove(0);
    let (one, other) = tokio::join!(first.claim(&earlier), second.claim(&same));
    assert!(one.unwrap() ^ other.unwrap(), "exactly one takes it");
    assert!(dseqs(&journal(directory.path())).await.is_empty());
    drop((first, second));
    let third = journal(directory.path());
    let earlier = third.unreturned(OWNER).await.unwrap();
    assert_eq!(earlier.len(), 1);
    assert!(third.claim(&earlier[0]).await.unwrap());
    assert!(!third.claim(&earlier[0]).await.unwrap(), "twice by the same process");
    let subject = third.subject(&id(1));
    assert_eq!(third.maker(&subject).await.unwrap(), Some(Maker::ThisRun));
    assert_eq!(journal(directory.path()).maker(&subject).await.unwrap(), Some(Maker::Running));
    third.returned(third.subject(&id(1)));
    drop(third);
    assert!(dseqs(&journal(directory.path())).await.is_empty());
}

#[tokio::test]
async fn files_are_pruned_when_nothing_is_left_in_them() {
    let directory = tempfile::tempdir().unwrap();
    cut_off(directory.path(), &[1]).await;
    cut_off(directory.path(), &[2]).await;
    let journal = journal(directory.path());
    for earlier in journal.unreturned(OWNER).await.unwrap() {
        if dseq(&earlier) == 1 {
            journal.concluded(&earlier, Conclusion::DidNotHappen).await;
        }
    }
    journal.prune().await;
    assert_eq!(file::list(directory.path()).unwrap().len(), 1);
    assert_eq!(dseqs(&journal).await, [2]);
}

#[tokio::test]
async fn an_unwritable_directory_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = journal(&file.join("journal")).intend(&[intent(create("1", 1))]).await.unwrap_err();
    assert!(error.contains("file/journal") && error.contains("AKASH_JOURNAL_DIR"), "{error}");
}

#[tokio::test]
async fn turned_off_it_writes_and_finds_nothing() {
    let off = Journal::new(None);
    off.intend(&[intent(create("1", 1))]).await.unwrap();
    assert!(dseqs(&off).await.is_empty());
}
