//! The text under the scanner's eye: where it stands, what comes next, what ends a line.
//!
//! Lines end with CR, LF, CR LF, NEL, U+2028 or U+2029, as in YAML 1.1. This file must not know what a token is.

use super::failure::Failure;
use super::window::Window;

/// A place in the text. All count from 0; `index` and `column` count characters, a byte order mark at the very
/// beginning not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) byte: u32,
    pub(super) index: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

// What a byte may begin.
const BLANK: u8 = 1;
/// A line break of one byte.
const BREAK: u8 = 2;
/// Perhaps a line break of two or three bytes.
const WIDE_BREAK: u8 = 4;
/// The byte that stands for the end of the text.
const END: u8 = 8;
/// Letters, digits, `_` and `-`: what names of anchors, handles and directives are made of.
const WORD: u8 = 16;
/// Ends plain text in flow style.
const FLOW: u8 = 32;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    class[0] = END;
    class[b' ' as usize] = BLANK;
    class[b'\t' as usize] = BLANK;
    class[b'\n' as usize] = BREAK;
    class[b'\r' as usize] = BREAK;
    class[0xC2] = WIDE_BREAK;
    class[0xE2] = WIDE_BREAK;
    let mut byte = 0_u8;
    while byte < 128 {
        let at = byte as usize;
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            class[at] |= WORD;
        }
        if matches!(byte, b',' | b'?' | b'[' | b']' | b'{' | b'}') {
            class[at] |= FLOW;
        }
        byte += 1;
    }
    class
};

fn is(byte: u8, classes: u8) -> bool {
    CLASS[usize::from(byte)] & classes != 0
}

/// A text and a place in it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    pos: usize,
    /// Bytes passed that are not the first of their character, and those of a mark at the beginning.
    extra: usize,
    line: u32,
    /// Index in characters at which the line begins.
    line_start: usize,
    window: Option<Window>,
}

impl<'a> Reader<'a> {
    /// `window` says how the network's reader would get at the text, where that matters.
    pub(super) fn new(text: &'a str, window: Option<Window>) -> Self {
        let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, pos: start, extra: start, line: 0, line_start: 0, window }
    }

    pub(super) fn mark(&self) -> Mark {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let index = self.pos - self.extra;
        Mark {
            byte: number(self.pos),
            index: number(index),
            line: self.line,
            column: number(index - self.line_start),
        }
    }

    pub(super) fn column(&self) -> u32 {
        u32::try_from(self.pos - self.extra - self.line_start).unwrap_or(u32::MAX)
    }

    pub(super) fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The text from one byte to another.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The byte `ahead` bytes further on; 0 beyond the end.
    #[inline]
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.pos + ahead).copied().unwrap_or(0)
    }

    /// Says that `count` characters are about to be looked at.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> Result<(), Failure> {
        match &mut self.window {
            None => Ok(()),
            Some(window) => window.load(self.text, self.pos, count),
        }
    }

    /// Whether the network's reader takes what comes for a byte order mark, which it passes over at the left margin.
    pub(super) fn at_byte_order_mark(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.begins_with_mark(self.text))
    }

    // -- what comes

    #[inline]
    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        is(self.byte(ahead), BLANK)
    }

    #[inline]
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_len(ahead) > 0
    }

    #[inline]
    pub(super) fn is_end(&self) -> bool {
        self.byte(0) == 0
    }

    /// Line break or end.
    #[inline]
    pub(super) fn is_breakz(&self, ahead: usize) -> bool {
        self.matches(ahead, BREAK | END)
    }

    /// Space, tab, line break or end.
    #[inline]
    pub(super) fn is_blankz(&self, ahead: usize) -> bool {
        self.matches(ahead, BLANK | BREAK | END)
    }

    /// Space, tab, line break, end, or what ends plain text in flow style.
    #[inline]
    fn matches(&self, ahead: usize, classes: u8) -> bool {
        let byte = self.byte(ahead);
        is(byte, classes) || is(byte, WIDE_BREAK) && self.break_len(ahead) > 0
    }

    pub(super) fn is_word(&self) -> bool {
        is(self.byte(0), WORD)
    }

    /// Whether the byte ends plain text in flow style.
    #[inline]
    pub(super) fn is_flow_indicator(&self) -> bool {
        is(self.byte(0), FLOW)
    }

    /// Bytes of the line break, CR LF being one; 0 if there is none.
    #[inline]
    fn break_len(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\n' => 1,
            b'\r' if self.byte(ahead + 1) == b'\n' => 2,
            b'\r' => 1,
            0xC2 if self.byte(ahead + 1) == 0x85 => 2,
            0xE2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    /// Whether the line begins with `---` or `...` and a blank, break or end.
    pub(super) fn at_document_mark(&self, mark: u8) -> bool {
        self.byte(0) == mark
            && self.column() == 0
            && self.byte(1) == mark
            && self.byte(2) == mark
            && self.is_blankz(3)
    }

    /// Whether what was read last, but for blanks, is a line break.
    pub(super) fn follows_break(&self) -> bool {
        let before = self.text.get(..self.pos).unwrap_or_default().trim_end_matches([' ', '\t']);
        before.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
    }

    // -- going on

    /// Passes over one character, also if it is a line break.
    pub(super) fn skip(&mut self) {
        let width = match self.byte(0) {
            0 if self.pos >= self.text.len() => 0,
            0..0x80 => 1,
            0x80..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
        };
        self.pos += width;
        self.extra += width.saturating_sub(1);
    }

    /// Passes over `count` characters of one byte each.
    #[inline]
    pub(super) fn skip_ascii(&mut self, count: usize) {
        self.pos += count;
    }

    /// Passes over whole characters as long as `more` says so, which is asked at every byte and looks at `need`
    /// characters at most.
    #[inline]
    pub(super) fn skip_while(&mut self, need: usize, more: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while more(self) {
            self.extra += usize::from(self.byte(0) & 0xC0 == 0x80);
            self.pos += 1;
            if self.window.is_some() && self.text.is_char_boundary(self.pos) {
                self.need(need)?;
            }
        }
        Ok(())
    }

    /// Passes over spaces and tabs.
    #[inline]
    pub(super) fn skip_blanks(&mut self) -> Result<(), Failure> {
        self.skip_while(1, |reader| reader.is_blank(0))
    }

    /// Passes over a line break, and gives it as a text has it: a newline, or U+2028 or U+2029 as it is.
    pub(super) fn take_break(&mut self) -> &'static str {
        let length = self.break_len(0);
        let text = match (length, self.byte(2)) {
            (0, _) => return "",
            (3, 0xA8) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        };
        // CR LF are two characters.
        self.extra += if self.byte(0) < 0x80 { 0 } else { length - 1 };
        self.pos += length;
        self.line += 1;
        self.line_start = self.pos - self.extra;
        text
    }

    /// At the end of the text: a last line without a break ends all the same.
    pub(super) fn end_line(&mut self) {
        if self.column() > 0 {
            self.line += 1;
            self.line_start = self.pos - self.extra;
        }
    }
}
