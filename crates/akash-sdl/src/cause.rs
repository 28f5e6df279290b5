//! What could not be read, so that what only follows from it is not told as a further error.
//!
//! This file must not know any rule.

/// Why something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// An error says so already.
    Told,
    /// A key that is ignored, and was surely meant; the index of its warning.
    Slip(usize),
}

/// SDL paths of which nothing is known, each with its cause.
#[derive(Debug, Default)]
pub(crate) struct Causes(Vec<(String, Cause)>);

/// Beyond this no more are kept: then some errors that follow are told too.
const MOST: usize = 200;

impl Causes {
    /// Nothing is known of what is at `path`.
    pub(crate) fn add(&mut self, path: String, cause: Cause) {
        if self.0.len() < MOST {
            self.0.push((path, cause));
        }
    }

    /// The slip of which this is the warning has become an error.
    pub(crate) fn told(&mut self, warning: usize) {
        for (_, cause) in self.0.iter_mut().filter(|(_, cause)| *cause == Cause::Slip(warning)) {
            *cause = Cause::Told;
        }
    }

    /// Why there is nothing at `path`: the cause is there, or at what contains it.
    pub(crate) fn at(&self, path: &str) -> Option<Cause> {
        self.0.iter().filter(|(lost, _)| contains(lost, path)).map(|(_, cause)| *cause).min()
    }

    /// [`Causes::at`], or an error about something inside.
    pub(crate) fn within(&self, path: &str) -> Option<Cause> {
        let inside = self.0.iter().any(|(lost, cause)| *cause == Cause::Told && contains(path, lost));
        if inside { Some(Cause::Told) } else { self.at(path) }
    }
}

/// Whether `inner` is `outer` or below it.
fn contains(outer: &str, inner: &str) -> bool {
    match inner.strip_prefix(outer) {
        Some(rest) => outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    }
}
