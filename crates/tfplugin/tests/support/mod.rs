//! What the tests with real processes share.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::path::PathBuf;

/// An example of this crate, as Cargo built it for this test run.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: run all targets of the package, not one test alone",
        path.display()
    );
    path
}

/// The clients that can be had, by name.
pub(crate) fn clients() -> Vec<(&'static str, PathBuf)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let find = |variable: &str, name: &str| {
        let given = std::env::var_os(variable).map(PathBuf::from);
        let cached = root.join(".cache/tofu").join(name);
        let path = std::env::var_os("PATH").unwrap_or_default();
        given
            .or_else(|| {
                std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.exists())
            })
            .or_else(|| Some(cached).filter(|path| path.exists()))
    };
    let mut clients = Vec::new();
    for (name, variable) in [("terraform", "TF_BIN"), ("tofu", "TOFU_BIN")] {
        match find(variable, name) {
            Some(path) => clients.push((name, path)),
            None => println!("skipped: no {name}"),
        }
    }
    clients
}
