//! Scalars: plain, quoted and block texts.
//!
//! A text that stands in the file as it means is lent, not copied. This file must not know what a text means.

use std::borrow::Cow;
use std::ops::Range;

use super::failure::Failure;
use super::reader::Mark;
use super::scanner::Scanner;
use super::token::Kind;

/// The text of a scalar as far as it is read.
struct Text<'a> {
    source: &'a str,
    /// The piece of the file that it is, until there is more to it.
    lent: Range<usize>,
    owned: Option<String>,
}

impl<'a> Text<'a> {
    fn new(source: &'a str) -> Self {
        Self { source, lent: 0..0, owned: None }
    }

    fn own(&mut self) -> &mut String {
        self.owned.get_or_insert_with(|| self.source.get(self.lent.clone()).unwrap_or_default().to_owned())
    }

    /// Adds a piece of the file.
    fn add(&mut self, from: usize, to: usize) {
        if self.owned.is_none() && self.lent.is_empty() {
            self.lent = from..to;
        } else if self.owned.is_none() && self.lent.end == from {
            self.lent.end = to;
        } else {
            let piece = self.source.get(from..to).unwrap_or_default();
            self.own().push_str(piece);
        }
    }

    fn finish(self) -> Cow<'a, str> {
        match self.owned {
            Some(owned) => Cow::Owned(owned),
            None => Cow::Borrowed(self.source.get(self.lent).unwrap_or_default()),
        }
    }
}

/// Blanks and line breaks between two parts of a text of flow style, where one line break is a space and of more all
/// but the first stay.
#[derive(Default)]
struct Gap {
    /// Whether there was a line break, also one that was escaped.
    breaks: bool,
    first: &'static str,
    more: String,
}

impl Gap {
    fn add(&mut self, line_break: &'static str) {
        if self.breaks {
            self.more.push_str(line_break);
        } else {
            self.breaks = true;
            self.first = line_break;
        }
    }

    /// Writes it between the parts.
    fn fold(&mut self, text: &mut String) {
        if self.first == "\n" {
            text.push_str(if self.more.is_empty() { " " } else { &self.more });
        } else {
            text.push_str(self.first);
            text.push_str(&self.more);
        }
        self.breaks = false;
        self.first = "";
        self.more.clear();
    }
}

impl<'a> Scanner<'a> {
    fn scalar(&mut self, text: Cow<'a, str>, plain: bool, start: Mark) {
        self.push(Kind::Scalar { text, plain }, start);
    }

    // -- plain

    pub(super) fn plain(&mut self) -> Result<(), Failure> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.reader.mark();
        let mut end = start;
        let left = self.indent + 1;
        let mut text = Text::new(self.reader.text());
        let mut gap = Gap::default();
        // Where the blanks behind the last part begin.
        let mut blanks = self.reader.pos();
        loop {
            self.reader.need(4)?;
            let at_mark = self.reader.at_document_mark(b'-') || self.reader.at_document_mark(b'.');
            if at_mark || self.reader.byte(0) == b'#' {
                break;
            }
            let part = self.reader.pos();
            let in_flow = self.flow_level > 0;
            self.reader.skip_while(2, |reader| match reader.byte(0) {
                b':' => !reader.is_blankz(1),
                _ => !(reader.is_blankz(0) || in_flow && reader.is_flow_indicator()),
            })?;
            if self.reader.pos() > part {
                if gap.breaks {
                    gap.fold(text.own());
                    text.add(part, self.reader.pos());
                } else {
                    text.add(blanks, self.reader.pos());
                }
                end = self.reader.mark();
            }
            if !self.reader.is_blank(0) && !self.reader.is_break(0) {
                break;
            }
            if self.reader.pos() > part {
                blanks = self.reader.pos();
            }
            loop {
                if self.reader.is_blank(0) {
                    let tab = self.reader.byte(0) == b'\t';
                    if gap.breaks && tab && i64::from(self.reader.column()) < left {
                        let what = "a tab can't be used for indentation, not even on an empty line";
                        let mark = self.reader.mark();
                        return Err(Failure::syntax(what, mark, mark).hint("use spaces, or nothing"));
                    }
                    self.reader.skip_ascii(1);
                } else if self.reader.is_break(0) {
                    self.reader.need(2)?;
                    gap.add(self.reader.take_break());
                } else {
                    break;
                }
                self.reader.need(1)?;
            }
            if self.flow_level == 0 && i64::from(self.reader.column()) < left {
                break;
            }
        }
        if gap.breaks {
            self.key_allowed = true;
        }
        self.push(Kind::Scalar { text: text.finish(), plain: true }, start);
        self.end_last_at(end);
        Ok(())
    }

    // -- quoted

    pub(super) fn quoted(&mut self, single: bool) -> Result<(), Failure> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.reader.mark();
        let quote = if single { b'\'' } else { b'"' };
        self.reader.skip_ascii(1);
        let mut text = Text::new(self.reader.text());
        let mut gap = Gap::default();
        loop {
            self.reader.need(4)?;
            let at_mark = self.reader.at_document_mark(b'-') || self.reader.at_document_mark(b'.');
            if at_mark || self.reader.is_end() {
                return Err(self.unclosed(start));
            }
            self.quoted_part(single, start, &mut text, &mut gap)?;
            self.reader.need(1)?;
            if self.reader.byte(0) == quote {
                break;
            }
            let blanks = self.reader.pos();
            loop {
                if self.reader.is_blank(0) {
                    self.reader.skip_ascii(1);
                } else if self.reader.is_break(0) {
                    self.reader.need(2)?;
                    gap.add(self.reader.take_break());
                } else {
                    break;
                }
                self.reader.need(1)?;
            }
            if gap.breaks {
                gap.fold(text.own());
            } else {
                text.add(blanks, self.reader.pos());
            }
        }
        self.reader.skip_ascii(1);
        if self.reader.line() > start.line {
            self.long_quote = Some((start, self.reader.mark()));
        }
        self.scalar(text.finish(), false, start);
        Ok(())
    }

    fn unclosed(&self, start: Mark) -> Failure {
        let mut end = start;
        end.column += 1;
        Failure::syntax("this quote is never closed", start, end)
            .hint("close it, and double (`''`) or escape (`\\\"`) a quote that belongs to the text")
    }

    /// Reads up to the next blank, line break or closing quote.
    fn quoted_part(
        &mut self,
        single: bool,
        start: Mark,
        text: &mut Text<'a>,
        gap: &mut Gap,
    ) -> Result<(), Failure> {
        loop {
            let part = self.reader.pos();
            self.reader.skip_while(2, |reader| match reader.byte(0) {
                b'\'' => !single,
                b'"' | b'\\' => single,
                _ => !reader.is_blankz(0),
            })?;
            if self.reader.pos() > part {
                text.add(part, self.reader.pos());
            }
            match self.reader.byte(0) {
                b'\'' if single && self.reader.byte(1) == b'\'' => {
                    text.own().push('\'');
                    self.reader.skip_ascii(2);
                }
                b'\\' if !single && self.reader.is_break(1) => {
                    self.reader.need(3)?;
                    self.reader.skip_ascii(1);
                    self.reader.take_break();
                    gap.breaks = true;
                    return Ok(());
                }
                b'\\' if !single => {
                    let escaped = self.escape(start)?;
                    text.own().push(escaped);
                }
                _ => return Ok(()),
            }
            self.reader.need(2)?;
        }
    }

    /// Reads an escape of double quotes: YAML 1.1's, and `\'` and `\` with a tab, but not `\/`.
    fn escape(&mut self, start: Mark) -> Result<char, Failure> {
        let mark = self.reader.mark();
        let (value, digits) = match self.reader.byte(1) {
            b'0' => ('\0', 0),
            b'a' => ('\x07', 0),
            b'b' => ('\x08', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\x0B', 0),
            b'f' => ('\x0C', 0),
            b'r' => ('\r', 0),
            b'e' => ('\x1B', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            b'\'' => ('\'', 0),
            b'\\' => ('\\', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{A0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => ('\0', 2),
            b'u' => ('\0', 4),
            b'U' => ('\0', 8),
            0 => return Err(self.unclosed(start)),
            _ => {
                let what = "in double quotes a backslash begins an escape, and this is none";
                let hint = "double the backslash, or use single quotes";
                return Err(Failure::syntax(what, mark, two_on(mark)).hint(hint));
            }
        };
        self.reader.skip_ascii(2);
        if digits == 0 {
            return Ok(value);
        }
        self.reader.need(digits)?;
        let code = (0..digits).try_fold(0_u32, |code, at| {
            char::from(self.reader.byte(at)).to_digit(16).map(|digit| (code << 4) | digit)
        });
        let Some(value) = code.and_then(char::from_u32) else {
            let what = "this escape is no character";
            return Err(Failure::syntax(what, mark, two_on(mark)).hint(
                "write `\\x`, `\\u` or `\\U` with 2, 4 or 8 hexadecimal digits, or double the backslash",
            ));
        };
        self.reader.skip_ascii(digits);
        Ok(value)
    }

    // -- blocks

    pub(super) fn block_scalar(&mut self, literal: bool) -> Result<(), Failure> {
        self.remove_key()?;
        self.key_allowed = true;
        let start = self.reader.mark();
        self.reader.skip_ascii(1);
        let (keep, increment) = self.block_header(start)?;
        let mut indent = match increment {
            0 => 0,
            increment => self.indent.max(0) + increment,
        };
        let mut text = String::new();
        let mut first = "";
        let mut more = String::new();
        let mut end = self.block_breaks(&mut indent, &mut more)?;
        self.reader.need(1)?;
        let mut after_blank = false;
        while i64::from(self.reader.column()) == indent && !self.reader.is_end() {
            let blank = self.reader.is_blank(0);
            // In folded style a line break is a space, but not beside a line that begins with a blank.
            if !literal && first == "\n" && !after_blank && !blank {
                if more.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(first);
            }
            text.push_str(&more);
            more.clear();
            after_blank = blank;
            let line = self.reader.pos();
            self.reader.skip_while(1, |reader| !reader.is_breakz(0))?;
            text.push_str(self.reader.slice(line, self.reader.pos()));
            self.reader.need(2)?;
            // The last line of a file may have none.
            first = self.reader.take_break();
            end = self.block_breaks(&mut indent, &mut more)?;
        }
        if keep != Keep::None {
            text.push_str(first);
        }
        if keep == Keep::All {
            text.push_str(&more);
        }
        self.scalar(Cow::Owned(text), false, start);
        self.end_last_at(end);
        Ok(())
    }

    /// Reads `+` or `-` and a digit, in any order, and what else is on the line of the `|` or `>`.
    fn block_header(&mut self, start: Mark) -> Result<(Keep, i64), Failure> {
        let (mut keep, mut increment) = (None, 0);
        self.reader.need(1)?;
        for _ in 0..2 {
            match self.reader.byte(0) {
                b'+' if keep.is_none() => keep = Some(Keep::All),
                b'-' if keep.is_none() => keep = Some(Keep::None),
                b'0' if increment == 0 => {
                    let what = "a block text can't have 0 as its indentation";
                    return Err(Failure::syntax(what, start, self.reader.mark()));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = i64::from(digit - b'0'),
                _ => break,
            }
            self.reader.skip_ascii(1);
            self.reader.need(1)?;
        }
        self.reader.skip_blanks()?;
        if self.reader.byte(0) == b'#' {
            self.reader.skip_while(1, |reader| !reader.is_breakz(0))?;
        }
        if !self.reader.is_breakz(0) {
            let what = "behind `|` or `>` only `+`, `-`, a digit and a comment can stand on the line";
            let hint = "begin the text on the next line, or put it in quotes";
            return Err(Failure::syntax(what, start, self.reader.mark()).hint(hint));
        }
        if self.reader.is_break(0) {
            self.reader.need(2)?;
            self.reader.take_break();
        }
        Ok((keep.unwrap_or(Keep::One), increment))
    }

    /// Passes over indentation and empty lines, which go to `breaks`; finds the indentation if it is 0, that is, not
    /// known yet. Gives the end of the last empty line.
    fn block_breaks(&mut self, indent: &mut i64, breaks: &mut String) -> Result<Mark, Failure> {
        let mut end = self.reader.mark();
        let mut most = 0;
        loop {
            self.reader.need(1)?;
            let inside = |column: u32, indent: i64| indent == 0 || i64::from(column) < indent;
            while inside(self.reader.column(), *indent) && self.reader.byte(0) == b' ' {
                self.reader.skip_ascii(1);
                self.reader.need(1)?;
            }
            most = most.max(i64::from(self.reader.column()));
            if inside(self.reader.column(), *indent) && self.reader.byte(0) == b'\t' {
                let what = "a tab can't be used for indentation inside a block text";
                let mark = self.reader.mark();
                return Err(Failure::syntax(what, mark, mark).hint("use spaces"));
            }
            if !self.reader.is_break(0) {
                break;
            }
            self.reader.need(2)?;
            breaks.push_str(self.reader.take_break());
            end = self.reader.mark();
        }
        if *indent == 0 {
            *indent = most.max(self.indent + 1).max(1);
        }
        Ok(end)
    }
}

/// Which line breaks at the end of a block text stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    None,
    One,
    All,
}

fn two_on(mut mark: Mark) -> Mark {
    mark.column += 2;
    mark
}
