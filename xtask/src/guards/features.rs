//! `cargo build` and `cargo test` have the same features of every dependency, so that neither compiles again what the
//! other has compiled.

use std::collections::BTreeSet;

use crate::cargo;

/// Lines `NAME VERSION|FEATURES` of what comes from outside the workspace. Build scripts and macros have features apart,
/// which tests do not change.
fn dependencies(kinds: &str) -> BTreeSet<String> {
    let output = cargo::command()
        .args(["tree", "--workspace", "--offline", "--locked", "--prefix", "none", "--format", "{p}|{f}"])
        .args(["--edges", kinds])
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)").to_owned());
    // A path in parentheses follows the version of a workspace's own crate.
    lines.filter(|line| !line.contains(" (")).collect()
}

#[test]
fn tests_add_no_features_to_what_a_build_has() {
    let (build, test) = (dependencies("normal,no-proc-macro"), dependencies("normal,dev,no-proc-macro"));
    assert!(build.len() > 100, "{} dependencies", build.len());
    let other: Vec<_> = build.difference(&test).collect();
    assert!(
        other.is_empty(),
        "under `cargo test` these have more features, which compiles them and all that is above them again: {other:#?}\n\
         Do without the feature in [dev-dependencies], or have it in xtask's [dependencies]"
    );
}
