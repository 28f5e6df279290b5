//! A file of the provider has one subject, and no more than 500 lines.

use super::{compare, sources};

const LINES: usize = 500;

/// Still to be split.
const EXCEPTIONS: &[&str] = &[];

#[test]
fn no_file_of_the_provider_is_longer_than_500_lines() {
    let root = xtask::root();
    let mut long = Vec::new();
    for file in sources(&root.join("src")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        if lines > LINES {
            long.push((file.strip_prefix(root).unwrap().display().to_string(), format!("{lines} lines")));
        }
    }
    compare("a file in src/ has at most 500 lines", &long, EXCEPTIONS);
}
