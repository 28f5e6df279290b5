//! Rules of this repository that a compiler does not hold, as tests. Where files or modules break one for now, the test
//! lists them, and fails as well when an entry is no longer needed.

mod cycles;
mod features;
mod length;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All `.rs` files below a directory.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The directories that hold the crates of the workspace.
fn crates() -> Vec<PathBuf> {
    let root = xtask::root();
    let mut crates = vec![root.to_owned(), root.join("xtask")];
    crates.extend(fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path()));
    crates.retain(|dir| dir.join("Cargo.toml").is_file());
    crates.sort();
    crates
}

/// Fails with where it is wrong and not listed, and with what is listed and not wrong. `found` is where, and what.
fn compare(rule: &str, found: &[(String, String)], exceptions: &[&str]) {
    let new: Vec<_> = found.iter().filter(|(place, _)| !exceptions.contains(&place.as_str())).collect();
    assert!(new.is_empty(), "{rule}: {new:#?}");
    let over: Vec<_> =
        exceptions.iter().filter(|one| !found.iter().any(|(place, _)| place == *one)).collect();
    assert!(over.is_empty(), "no longer needed in the list of exceptions ({rule}): {over:#?}");
}
