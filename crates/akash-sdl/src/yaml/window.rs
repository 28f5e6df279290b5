//! How much of the text the network's reader has loaded, where that decides.
//!
//! It reads in pieces of 512 bytes and looks at characters only as they are loaded. So a character that is not allowed
//! does no harm if it stands far enough behind the first document; and a byte order mark inside the text is passed over
//! only where it happens to be the first character that is kept. Texts that have neither need no window.

use std::ops::Range;

use super::failure::Failure;

const PIECE: usize = 512;
const MARK: &str = "\u{feff}";

/// What is loaded of one text.
#[derive(Debug)]
pub(super) struct Window {
    /// Where what is kept begins.
    start: usize,
    /// Up to where characters are loaded, and up to where bytes are.
    loaded: usize,
    read: usize,
    /// How often its end was loaded: each time counts for a character.
    ends: usize,
    /// Bytes of the whole file.
    total: usize,
    fault: Option<Fault>,
}

/// A character that is not allowed, or bytes that are none.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where it stands: in the text or, if that was cut, right behind it; as long as its first byte says.
    pub(crate) bytes: Range<usize>,
    /// Bytes of the whole file.
    pub(crate) total: usize,
    /// What is to be said.
    pub(crate) failure: Failure,
}

impl Window {
    /// What the text needs, if it needs one.
    pub(super) fn new(text: &str, fault: Option<Fault>) -> Option<Self> {
        let start = if text.starts_with(MARK) { MARK.len() } else { 0 };
        let inner = text.get(start..).unwrap_or_default();
        let total = fault.as_ref().map_or(text.len(), |fault| fault.total);
        let needed = fault.is_some() || inner.contains(MARK);
        needed.then_some(Self { start, loaded: start, read: 0, ends: 0, total, fault })
    }

    /// Loads until there are `count` characters from `pos` on, or all.
    pub(super) fn load(&mut self, text: &str, pos: usize, count: usize) -> Result<(), Failure> {
        while !self.has(text, pos, count) {
            self.start = pos;
            if self.loaded >= text.len() && self.fault.is_none() {
                self.ends += 1;
                return Ok(());
            }
            // What is left over of the last piece is the beginning of a character.
            let left = self.read.saturating_sub(self.loaded).min(PIECE - 1);
            let at_end = self.read >= self.total;
            self.read = (self.read + PIECE - left).min(self.total);
            self.loaded = text.floor_char_boundary(self.read);
            let seen = self.fault.as_ref().is_some_and(|fault| fault.bytes.end <= self.read || at_end);
            if seen && let Some(fault) = self.fault.take() {
                return Err(fault.failure);
            }
        }
        Ok(())
    }

    fn has(&self, text: &str, pos: usize, count: usize) -> bool {
        let loaded = text.get(pos..self.loaded).unwrap_or_default();
        loaded.len() >= 4 * count || loaded.chars().take(count).count() + self.ends >= count
    }

    /// Whether what is kept begins with a byte order mark.
    pub(super) fn begins_with_mark(&self, text: &str) -> bool {
        text.get(self.start..).is_some_and(|kept| kept.starts_with(MARK))
    }
}
