//! The files of a journal: one for each process that sent something, locked for as long as that process lives.
//!
//! Everything here blocks for as long as a disk takes. This file must not know what records mean.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

const EXTENSION: &str = "jsonl";

/// This process's own file.
#[derive(Debug)]
pub(super) struct Own {
    file: File,
    path: PathBuf,
    /// The last write failed half way: the next one begins on a new line.
    torn: bool,
}

impl Own {
    /// A new file in this directory, which is made if it is not there. It gets its name once it is locked, so that
    /// nobody ever takes it for a dead process's.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        make_directory(directory)?;
        let name = format!("{:016x}", rand::random::<u64>());
        let fresh = directory.join(format!(".{name}"));
        let path = directory.join(format!("{name}.{EXTENSION}"));
        let file = private(OpenOptions::new().append(true).create_new(true)).open(&fresh)?;
        file.lock()?;
        fs::rename(&fresh, &path)?;
        sync_directory(directory)?;
        Ok(Self { file, path, torn: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds records in one write; with `sync` they are on disk when this returns.
    pub(super) fn append<T: Serialize>(&mut self, records: &[T], sync: bool) -> io::Result<()> {
        let mut bytes = lines(records)?;
        if self.torn {
            bytes.insert(0, b'\n');
        }
        let written = self.file.write_all(&bytes);
        self.torn = written.is_err();
        written?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }
}

/// Adds a record to a file of another process.
pub(super) fn append_to<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let mut bytes = lines(std::slice::from_ref(record))?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        bytes.insert(0, b'\n');
    }
    file.write_all(&bytes)
}

fn lines<T: Serialize>(records: &[T]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        serde_json::to_writer(&mut bytes, record)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// A file of the directory.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The process that wrote it is over.
    pub(super) dead: bool,
}

/// All files of the directory, in no order. A directory that is not there has none.
pub(super) fn list(directory: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION)
            // Pruned by another process meanwhile.
            && let Some(one) = not_missing(read(path))?
        {
            found.push(one);
        }
    }
    Ok(found)
}

fn read(path: PathBuf) -> io::Result<Found> {
    let mut file = File::open(&path)?;
    // Shared, so that two who look at the same time do not take one another for its owner.
    let dead = match file.try_lock_shared() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Found { path, text: String::from_utf8_lossy(&bytes).into_owned(), dead })
}

fn not_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file. Only for dead processes' files, and only with the directory's lock ([`acquire_lock`]).
pub(super) fn remove(path: &Path) -> io::Result<()> {
    not_missing(fs::remove_file(path)).map(|_| ())
}

/// The lock for taking something over or removing a file: held by one process at a time, for the milliseconds that this
/// takes. `None` while another process has it. Given back by dropping it.
pub(super) fn acquire_lock(directory: &Path) -> io::Result<Option<File>> {
    make_directory(directory)?;
    let path = directory.join("claim.lock");
    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Readable by the user alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// So that a new file's name outlives a crash of the machine.
fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_alive_while_its_owner_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("a/b");
        assert!(list(&directory).unwrap().is_empty());
        let mut own = Own::create(&directory).unwrap();
        own.append(&["one", "two"], true).unwrap();
        let found = list(&directory).unwrap();
        assert_eq!((found.len(), found[0].dead, found[0].text.as_str()), (1, false, "\"one\"\n\"two\"\n"));
        drop(own);
        assert!(list(&directory).unwrap()[0].dead);
    }

    #[test]
    fn what_was_torn_ends_before_the_next_record() {
        let directory = tempfile::tempdir().unwrap();
        let mut own = Own::create(directory.path()).unwrap();
        fs::write(own.path(), "{\"half").unwrap();
        append_to(own.path(), &1).unwrap();
        own.torn = true;
        own.append(&[2], false).unwrap();
        assert_eq!(fs::read_to_string(own.path()).unwrap(), "{\"half\n1\n\n2\n");
    }

    #[test]
    fn a_write_that_fails_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut own = Own::create(directory.path()).unwrap();
        own.file = File::open(own.path()).unwrap();
        assert!(own.append(&[1], true).is_err());
        assert!(own.torn);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Own::create(&file.join("below")).is_err());
    }
}
