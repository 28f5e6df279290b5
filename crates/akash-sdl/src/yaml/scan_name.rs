//! Names: anchors and aliases, tags, and the directives that define how tags are written.

use std::borrow::Cow;

use super::failure::Failure;
use super::reader::Mark;
use super::scanner::Scanner;
use super::token::Kind;

impl<'a> Scanner<'a> {
    fn word(&mut self) -> Result<&'a str, Failure> {
        let start = self.reader.pos();
        self.reader.need(1)?;
        self.reader.skip_while(1, super::reader::Reader::is_word)?;
        Ok(self.reader.slice(start, self.reader.pos()))
    }

    fn failure(&self, what: &str, start: Mark) -> Failure {
        Failure::syntax(what, start, self.reader.mark())
    }

    // -- anchors

    pub(super) fn anchor(&mut self, alias: bool) -> Result<(), Failure> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.reader.mark();
        self.reader.skip_ascii(1);
        let name = self.word()?;
        let ends = self.reader.is_blankz(0)
            || matches!(self.reader.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            let what = "a text can't begin with `&` or `*`; as the name of an anchor letters, digits, `-` and `_` follow them";
            return Err(self.failure(what, start).hint("put the text in quotes"));
        }
        self.push(if alias { Kind::Alias(name) } else { Kind::Anchor(name) }, start);
        Ok(())
    }

    // -- tags

    pub(super) fn tag(&mut self) -> Result<(), Failure> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.reader.mark();
        self.reader.need(2)?;
        let (handle, suffix) = if self.reader.byte(1) == b'<' {
            self.reader.skip_ascii(2);
            let suffix = self.uri("", start)?;
            if self.reader.byte(0) != b'>' {
                return Err(self.failure("a tag that begins with `!<` ends with `>`", start));
            }
            self.reader.skip_ascii(1);
            ("", suffix)
        } else {
            let handle = self.handle(start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                (handle, self.uri("", start)?)
            } else {
                // No handle: what was read belongs to the tag.
                match self.uri(handle, start)? {
                    suffix if suffix.is_empty() => ("", "!".into()),
                    suffix => ("!", suffix),
                }
            }
        };
        self.reader.need(1)?;
        if !self.reader.is_blankz(0) {
            let what = "a text can't begin with `!`; a tag has a space behind it";
            return Err(self.failure(what, start).hint("put the text in quotes"));
        }
        self.push(Kind::Tag { handle, suffix }, start);
        Ok(())
    }

    /// `!`, `!!`, `!name!`, or `!name` if it turns out to be no handle.
    fn handle(&mut self, start: Mark) -> Result<&'a str, Failure> {
        let from = self.reader.pos();
        self.reader.need(1)?;
        if self.reader.byte(0) != b'!' {
            return Err(self.failure("the handle of a tag begins with `!`", start));
        }
        self.reader.skip_ascii(1);
        self.word()?;
        if self.reader.byte(0) == b'!' {
            self.reader.skip_ascii(1);
        }
        Ok(self.reader.slice(from, self.reader.pos()))
    }

    /// Reads a tag behind its handle, with `%` escapes; what is in `head` behind the `!` belongs to it.
    fn uri(&mut self, head: &str, start: Mark) -> Result<Cow<'a, str>, Failure> {
        let mut bytes = Vec::from(head.strip_prefix('!').unwrap_or_default());
        let mut found = !head.is_empty();
        self.reader.need(1)?;
        loop {
            match self.reader.byte(0) {
                b'%' => self.uri_escape(start, &mut bytes)?,
                byte if self.reader.is_word() || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    bytes.push(byte);
                    self.reader.skip_ascii(1);
                }
                _ => break,
            }
            self.reader.need(1)?;
            found = true;
        }
        if !found {
            return Err(self
                .failure("a tag needs a name", start)
                .hint("put a text that begins with `!` in quotes"));
        }
        Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Reads the escapes of one character.
    fn uri_escape(&mut self, start: Mark, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let mut left = 1;
        let mut first = true;
        while left > 0 {
            self.reader.need(3)?;
            let digit = |at: usize| char::from(self.reader.byte(at)).to_digit(16);
            let octet = match (self.reader.byte(0), digit(1), digit(2)) {
                (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
                _ => None,
            };
            let width = match octet {
                None => None,
                Some(octet) if !first => (octet & 0xC0 == 0x80).then_some(left),
                Some(0..0x80) => Some(1),
                Some(0xC0..0xE0) => Some(2),
                Some(0xE0..0xF0) => Some(3),
                Some(0xF0..0xF8) => Some(4),
                Some(_) => None,
            };
            let (Some(octet), Some(width)) = (octet, width) else {
                return Err(self.failure(
                    "`%` in a tag is followed by two hexadecimal digits, and they make UTF-8",
                    start,
                ));
            };
            bytes.push(octet);
            self.reader.skip_ascii(3);
            left = width - 1;
            first = false;
        }
        Ok(())
    }

    // -- directives

    pub(super) fn directive(&mut self) -> Result<(), Failure> {
        let start = self.reader.mark();
        self.reader.skip_ascii(1);
        let name = self.word()?;
        let kind = match name {
            "YAML" if self.reader.is_blankz(0) => self.version(start)?,
            "TAG" if self.reader.is_blankz(0) => self.tag_handle(start)?,
            _ => {
                let what = "a line that begins with `%` is a directive, and of those there are only `%YAML 1.1` and `%TAG`";
                return Err(self.failure(what, start).hint("remove the line"));
            }
        };
        let end = self.reader.mark();
        self.reader.skip_blanks()?;
        if self.reader.byte(0) == b'#' {
            self.reader.skip_while(1, |reader| !reader.is_breakz(0))?;
        }
        if !self.reader.is_breakz(0) {
            return Err(self.failure("a directive has a line of its own", start));
        }
        if self.reader.is_break(0) {
            self.reader.need(2)?;
            self.reader.take_break();
        }
        self.push(kind, start);
        self.end_last_at(end);
        Ok(())
    }

    fn version(&mut self, start: Mark) -> Result<Kind<'a>, Failure> {
        self.reader.skip_blanks()?;
        let major = self.version_number(start)?;
        if self.reader.byte(0) != b'.' {
            return Err(self.failure("`%YAML` is followed by a version", start).hint("write `%YAML 1.1`"));
        }
        self.reader.skip_ascii(1);
        let minor = self.version_number(start)?;
        Ok(Kind::Version { major, minor })
    }

    /// One or two digits.
    fn version_number(&mut self, start: Mark) -> Result<u8, Failure> {
        self.reader.need(1)?;
        let (mut value, mut length) = (0, 0);
        while let digit @ b'0'..=b'9' = self.reader.byte(0)
            && length < 2
        {
            value = value * 10 + (digit - b'0');
            length += 1;
            self.reader.skip_ascii(1);
            self.reader.need(1)?;
        }
        if length == 0 || self.reader.byte(0).is_ascii_digit() {
            return Err(self.failure("`%YAML` is followed by a version", start).hint("write `%YAML 1.1`"));
        }
        Ok(value)
    }

    fn tag_handle(&mut self, start: Mark) -> Result<Kind<'a>, Failure> {
        self.reader.skip_blanks()?;
        let handle = self.handle(start)?;
        let what = "`%TAG` is followed by a handle, a space and a prefix";
        if handle.len() > 1 && !handle.ends_with('!') || !self.reader.is_blank(0) {
            return Err(self.failure(what, start));
        }
        self.reader.skip_blanks()?;
        let prefix = self.uri("", start)?;
        if !self.reader.is_blankz(0) {
            return Err(self.failure(what, start));
        }
        Ok(Kind::TagHandle { handle, prefix })
    }
}
