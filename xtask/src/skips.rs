//! Which skipped tests are expected: the list in `.ci/expected-skips`, and what a run makes of it. Knows nothing of how a
//! test says that it is skipped.

use std::{collections::BTreeSet, fmt, fs};

use anyhow::{Context, Result, bail};

pub(crate) const LIST: &str = ".ci/expected-skips";

/// A skipped test and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) says: String,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.test, self.says)
    }
}

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    test: String,
    says: String,
}

impl Entry {
    fn covers(&self, skip: &Skip) -> bool {
        let covers = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text == pattern,
        };
        covers(&self.test, &skip.test) && covers(&self.says, &skip.says)
    }
}

/// The list.
#[derive(Debug)]
pub(crate) struct Expected(Vec<Entry>);

impl Expected {
    pub(crate) fn read() -> Result<Expected> {
        let path = xtask::root().join(LIST);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Expected::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Expected> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            match parts[..] {
                [test, says, why] if !test.is_empty() && !says.is_empty() && !why.is_empty() => {
                    Ok(Entry { test: test.to_owned(), says: says.to_owned() })
                }
                _ => bail!("a line is TEST | WHAT IT SAYS | WHY, and this is not: {line}"),
            }
        });
        Ok(Expected(entries.collect::<Result<_>>()?))
    }

    /// The skips that the list does not hold.
    pub(crate) fn unlisted<'a>(&self, skips: &'a BTreeSet<Skip>) -> Vec<&'a Skip> {
        skips.iter().filter(|skip| !self.0.iter().any(|entry| entry.covers(skip))).collect()
    }

    /// The lines of the list, as `TEST | WHAT IT SAYS`, that no skip is covered by.
    pub(crate) fn over(&self, skips: &BTreeSet<Skip>) -> Vec<String> {
        let over = self.0.iter().filter(|entry| !skips.iter().any(|skip| entry.covers(skip)));
        over.map(|entry| format!("{} | {}", entry.test, entry.says)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(test: &str, says: &str) -> Skip {
        Skip { test: test.to_owned(), says: says.to_owned() }
    }

    #[test]
    fn what_is_not_listed_and_what_is_over() {
        let list = "# why\n\na::b | no corpus | theirs\nterraform::* | no terraform | by hand\n* | no go* | by hand\n";
        let expected = Expected::parse(list).unwrap();
        let skips = BTreeSet::from([
            skip("a::b", "no corpus"),
            skip("a::c", "no corpus"),
            skip("terraform::x", "no terraform"),
            skip("terraform::x", "no bids"),
        ]);
        assert_eq!(expected.unlisted(&skips), [&skip("a::c", "no corpus"), &skip("terraform::x", "no bids")]);
        assert_eq!(expected.over(&skips), ["* | no go*"]);
        assert!(expected.unlisted(&BTreeSet::from([skip("t", "no gopher")])).is_empty());
    }

    #[test]
    fn every_line_gives_a_reason() {
        assert!(Expected::parse("a | b").is_err());
        assert!(Expected::parse("a | b | ").is_err());
        Expected::read().unwrap();
    }
}
