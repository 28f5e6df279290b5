//! Text to tokens, by libyaml's rules as the network's parser (gopkg.in/yaml.v3) has them.
//!
//! A scanner's two cares are here: indentation, which opens and closes block collections, and simple keys: whether a
//! token was a key is known only at the `:` behind it, on the same line and at most 1024 characters further on. So
//! tokens wait in a queue, and a `Key` is put in front of one that has left it to be seen. What tokens are made of is in
//! `scan_scalar` and `scan_name`. This file must not know which token may follow which.

use std::collections::VecDeque;

use super::failure::Failure;
use super::reader::{Mark, Reader};
use super::token::{Kind, Token};

/// The network's parser asks for a token only when two more are known behind it. This decides which faults behind the
/// first document it sees.
const LOOKAHEAD: usize = 3;
/// How far a `:` may be from the beginning of its key, in characters.
const KEY_LENGTH: u32 = 1024;
/// How far it looks for a comment.
const COMMENT_DISTANCE: usize = 512;

/// Of one flow collection, or of what is outside all: the last token that could have been a key.
#[derive(Debug, Clone, Copy)]
struct SimpleKey {
    /// Whether it still may be one.
    possible: bool,
    /// It begins a line of a block mapping, so it is a key or a mistake.
    required: bool,
    /// The number of the token, counted from the beginning; where there was none, that of the collection's first token.
    token: usize,
    mark: Mark,
}

/// Reads tokens off a text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    pub(super) reader: Reader<'a>,
    queue: VecDeque<Token<'a>>,
    /// How many tokens were handed out.
    taken: usize,
    /// Column of the block collection that is open, -1 outside all; those around it.
    pub(super) indent: i64,
    indents: Vec<i64>,
    /// How many flow collections are open.
    pub(super) flow_level: usize,
    /// Whether a key may begin here. Where it may, tabs are not blanks.
    pub(super) key_allowed: bool,
    /// The last quoted text of several lines: one that was never closed ends at the next quote.
    pub(super) long_quote: Option<(Mark, Mark)>,
    /// Outside all flow collections, and in each that is open.
    keys: Vec<SimpleKey>,
    /// Tokens that wait in the queue because they may be keys, ascending, and in how many flow collections they stand.
    /// The network's parser keeps this list apart from the keys and does not keep both in step; what it waits with
    /// decides what it sees behind the first document.
    waiting: VecDeque<(usize, usize)>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self {
            reader,
            queue: VecDeque::with_capacity(16),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            key_allowed: true,
            long_quote: None,
            keys: vec![SimpleKey { possible: false, required: false, token: 0, mark: Mark::default() }],
            waiting: VecDeque::new(),
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token<'a>, Failure> {
        self.fill()?;
        match self.queue.front() {
            Some(token) => Ok(token),
            // Filling leaves three.
            None => Err(Failure::syntax("the text ends", self.reader.mark(), self.reader.mark())),
        }
    }

    /// The next token, if it was seen.
    pub(super) fn take(&mut self) -> Option<Token<'a>> {
        self.taken += 1;
        self.queue.pop_front()
    }

    /// After a document: where more begins, which is not read.
    pub(super) fn rest(&self) -> Option<(Mark, Mark)> {
        let is_mark = |token: &&Token<'_>| matches!(token.kind, Kind::DocumentStart | Kind::DocumentEnd);
        let content = self.queue.iter().find(|token| !is_mark(token))?;
        let first =
            self.queue.iter().find(|token| matches!(token.kind, Kind::DocumentStart)).unwrap_or(content);
        (!matches!(content.kind, Kind::StreamEnd)).then_some((first.start, first.end))
    }

    #[inline]
    fn fill(&mut self) -> Result<(), Failure> {
        while self.queue.len() < LOOKAHEAD || self.may_be_key()? {
            self.fetch()?;
        }
        Ok(())
    }

    /// Whether the token at the front may still turn out to be a key.
    #[inline]
    fn may_be_key(&mut self) -> Result<bool, Failure> {
        while let Some(&(token, level)) = self.waiting.front() {
            if token == self.taken {
                return self.is_key_possible(level);
            } else if token > self.taken {
                break;
            }
            self.waiting.pop_front();
        }
        Ok(false)
    }

    /// Whether the last possible key of a flow collection still is one. It goes on waiting, as it does in the network's
    /// parser, and then stands for the one that comes after it.
    fn is_key_possible(&mut self, level: usize) -> Result<bool, Failure> {
        let Some(&key) = self.keys.get(level).filter(|key| key.possible) else { return Ok(false) };
        let mark = self.reader.mark();
        if key.mark.line >= mark.line && key.mark.index + KEY_LENGTH >= mark.index {
            return Ok(true);
        }
        self.refuse_missing_colon(&key)?;
        if let Some(key) = self.keys.get_mut(level) {
            key.possible = false;
        }
        Ok(false)
    }

    fn refuse_missing_colon(&self, key: &SimpleKey) -> Result<(), Failure> {
        if !key.required {
            return Ok(());
        }
        let what = "a key is expected here, and no `:` with a space behind it follows on this line";
        let hint = "write `key: value`; a text that goes on in the next line has to stand further right than its key";
        Err(Failure::syntax(what, key.mark, key.mark).hint(hint))
    }

    pub(super) fn push(&mut self, kind: Kind<'a>, start: Mark) {
        let end = self.reader.mark();
        self.queue.push_back(Token { kind, start, end });
    }

    /// Ends the last token at `end`: some are known to have ended only after what is behind them was read.
    pub(super) fn end_last_at(&mut self, end: Mark) {
        if let Some(token) = self.queue.back_mut() {
            token.end = end;
        }
    }

    /// Passes over an indicator and makes a token of it.
    fn indicator(&mut self, kind: Kind<'a>, length: usize) {
        let start = self.reader.mark();
        self.reader.skip_ascii(length);
        self.push(kind, start);
    }

    /// Reads one token, or more if collections begin or end in front of it.
    fn fetch(&mut self) -> Result<(), Failure> {
        self.reader.need(1)?;
        self.skip_to_token()?;
        self.unroll(i64::from(self.reader.column()));
        self.reader.need(4)?;
        let reader = &self.reader;
        match reader.byte(0) {
            0 => return self.stream_end(),
            b'%' if reader.column() == 0 => {
                self.outside_document()?;
                return self.directive();
            }
            b'-' if reader.at_document_mark(b'-') => {
                self.outside_document()?;
                self.indicator(Kind::DocumentStart, 3);
                return Ok(());
            }
            b'.' if reader.at_document_mark(b'.') => {
                self.outside_document()?;
                self.indicator(Kind::DocumentEnd, 3);
                return Ok(());
            }
            b'[' => self.flow_start(Kind::FlowSequenceStart)?,
            b'{' => self.flow_start(Kind::FlowMappingStart)?,
            b']' => self.flow_end(Kind::FlowSequenceEnd)?,
            b'}' => self.flow_end(Kind::FlowMappingEnd)?,
            b',' => {
                self.remove_key()?;
                self.key_allowed = true;
                self.indicator(Kind::FlowEntry, 1);
            }
            b'-' if reader.is_blankz(1) => return self.block_entry(),
            b'?' if self.flow_level > 0 || reader.is_blankz(1) => self.key()?,
            b':' if self.flow_level > 0 || reader.is_blankz(1) => self.value()?,
            b'*' => self.anchor(true)?,
            b'&' => self.anchor(false)?,
            b'!' => self.tag()?,
            b'|' if self.flow_level == 0 => self.block_scalar(true)?,
            b'>' if self.flow_level == 0 => self.block_scalar(false)?,
            b'\'' => self.quoted(true)?,
            b'"' => self.quoted(false)?,
            b'-' | b'?' | b':' => self.plain()?,
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b' ' | b'\t' | b'\n' | b'\r' => {
                return Err(self.no_token());
            }
            _ => self.plain()?,
        }
        self.comment_behind()
    }

    fn no_token(&self) -> Failure {
        let start = self.reader.mark();
        let failure = |what: &str| Failure::syntax(what, start, start);
        match self.reader.byte(0) {
            b'\t' => failure("a tab can't be used for indentation").hint("use spaces"),
            b'|' | b'>' => failure("a text of several lines (`|` or `>`) can't stand inside brackets")
                .hint("put the text in double quotes, with `\\n` for a new line"),
            b'@' | b'`' | b'%' => {
                failure("a text can't begin with `@`, `%` or a backtick").hint("put the text in quotes")
            }
            _ => failure("this character can't begin a value").hint("put the text in quotes"),
        }
    }

    /// Passes over blanks, comments and line breaks. After a line break a block collection may have its next key; where
    /// a key may begin a tab is no blank.
    fn skip_to_token(&mut self) -> Result<(), Failure> {
        loop {
            self.reader.need(1)?;
            if self.reader.column() == 0 && self.reader.at_byte_order_mark() {
                self.reader.skip();
            }
            self.reader.need(1)?;
            let tabs = self.flow_level > 0 || !self.key_allowed;
            self.reader.skip_while(1, |reader| match reader.byte(0) {
                b' ' => true,
                b'\t' => tabs,
                _ => false,
            })?;
            if self.reader.byte(0) == b'#' {
                self.comments()?;
            }
            if !self.reader.is_break(0) {
                return Ok(());
            }
            self.reader.need(2)?;
            self.reader.take_break();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    // -- comments

    fn comment(&mut self) -> Result<(), Failure> {
        self.reader.skip_while(1, |reader| !reader.is_breakz(0))
    }

    /// Passes over comments on lines of their own, and over blanks and empty lines between them; so a tab is allowed in
    /// front of all but the first.
    fn comments(&mut self) -> Result<(), Failure> {
        loop {
            self.comment()?;
            // The first byte ends the comment; if it is one of several bytes the next comment is another one.
            let mut ahead = 1;
            loop {
                if ahead >= COMMENT_DISTANCE {
                    return Ok(());
                }
                self.reader.need(ahead + 1)?;
                if self.reader.byte(ahead) == b'#' {
                    break;
                }
                if !self.reader.is_blank(ahead) && !self.reader.is_break(ahead) {
                    return Ok(());
                }
                ahead += 1;
            }
            let end = self.reader.pos() + ahead;
            while self.reader.pos() < end {
                if self.reader.is_break(0) {
                    self.reader.take_break();
                } else {
                    self.reader.skip_ascii(1);
                }
            }
        }
    }

    /// Passes over a comment on the line of the token before it.
    fn comment_behind(&mut self) -> Result<(), Failure> {
        let mut ahead = 0;
        while ahead < COMMENT_DISTANCE {
            self.reader.need(ahead + 1)?;
            if !self.reader.is_blank(ahead) {
                break;
            }
            ahead += 1;
        }
        if ahead < COMMENT_DISTANCE && self.reader.byte(ahead) == b'#' && !self.reader.follows_break() {
            self.reader.skip_ascii(ahead);
            self.comment()?;
        }
        Ok(())
    }

    // -- indentation

    /// Begins a block collection if the column is further right than the one that is open. Its token goes in front of
    /// that with number `before`, or to the end.
    fn roll(&mut self, column: u32, before: Option<usize>, kind: Kind<'a>, mark: Mark) {
        let column = i64::from(column);
        if self.flow_level > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.insert(before, Token { kind, start: mark, end: mark });
    }

    /// Puts a token in front of that with number `before`; to the end if it is gone already.
    fn insert(&mut self, before: Option<usize>, token: Token<'a>) {
        match before.and_then(|before| before.checked_sub(self.taken)) {
            Some(at) if at < self.queue.len() => self.queue.insert(at, token),
            _ => self.queue.push_back(token),
        }
    }

    /// Ends the block collections that begin further right than the column.
    fn unroll(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            let mark = self.reader.mark();
            self.push(Kind::BlockEnd, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // -- simple keys

    /// Notes that what comes may be a key.
    pub(super) fn save_key(&mut self) -> Result<(), Failure> {
        if !self.key_allowed {
            return Ok(());
        }
        let mark = self.reader.mark();
        let required = self.flow_level == 0 && self.indent == i64::from(mark.column);
        self.remove_key()?;
        let token = self.taken + self.queue.len();
        if let Some(key) = self.keys.last_mut() {
            *key = SimpleKey { possible: true, required, token, mark };
        }
        self.waiting.push_back((token, self.flow_level));
        Ok(())
    }

    /// What may have been a key in this collection is none.
    pub(super) fn remove_key(&mut self) -> Result<(), Failure> {
        let Some(&key) = self.keys.last().filter(|key| key.possible) else { return Ok(()) };
        self.refuse_missing_colon(&key)?;
        self.forget_key(key.token);
        Ok(())
    }

    fn forget_key(&mut self, token: usize) {
        if let Some(key) = self.keys.last_mut() {
            key.possible = false;
        }
        self.stop_waiting(token);
    }

    fn stop_waiting(&mut self, token: usize) {
        if let Some(at) = self.waiting.iter().rposition(|&(other, _)| other <= token)
            && self.waiting.get(at).is_some_and(|&(other, _)| other == token)
        {
            self.waiting.remove(at);
        }
    }

    // -- tokens

    fn stream_end(&mut self) -> Result<(), Failure> {
        self.reader.end_line();
        self.outside_document()?;
        let mark = self.reader.mark();
        self.push(Kind::StreamEnd, mark);
        Ok(())
    }

    /// Ends all block collections.
    fn outside_document(&mut self) -> Result<(), Failure> {
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind<'a>) -> Result<(), Failure> {
        self.save_key()?;
        self.flow_level += 1;
        let token = self.taken + self.queue.len();
        self.keys.push(SimpleKey { possible: false, required: false, token, mark: Mark::default() });
        self.key_allowed = true;
        self.indicator(kind, 1);
        Ok(())
    }

    /// Where nothing in the collection could have been a key (`[]`) the collection itself waits no longer, and is handed
    /// out before a `:` behind it is seen.
    fn flow_end(&mut self, kind: Kind<'a>) -> Result<(), Failure> {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.keys.pop() {
                self.stop_waiting(key.token);
            }
        }
        self.key_allowed = false;
        self.indicator(kind, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), Failure> {
        let mark = self.reader.mark();
        if self.flow_level == 0 {
            if !self.key_allowed {
                let what = "an item of a list (`- `) can't begin here";
                let hint = "put the item on a line of its own, or the text in quotes";
                return Err(Failure::syntax(what, mark, mark).hint(hint));
            }
            self.roll(mark.column, None, Kind::BlockSequenceStart, mark);
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Failure> {
        let mark = self.reader.mark();
        if self.flow_level == 0 {
            if !self.key_allowed {
                let what = "a key (`? `) can't begin here";
                return Err(Failure::syntax(what, mark, mark).hint("put the text in quotes"));
            }
            self.roll(mark.column, None, Kind::BlockMappingStart, mark);
        }
        self.remove_key()?;
        self.key_allowed = self.flow_level == 0;
        self.indicator(Kind::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Failure> {
        let key = self.keys.last().copied();
        if self.is_key_possible(self.flow_level)?
            && let Some(key) = key
        {
            self.insert(Some(key.token), Token { kind: Kind::Key, start: key.mark, end: key.mark });
            self.roll(key.mark.column, Some(key.token), Kind::BlockMappingStart, key.mark);
            self.forget_key(key.token);
            self.key_allowed = false;
        } else {
            let mark = self.reader.mark();
            if self.flow_level == 0 {
                if !self.key_allowed {
                    let what =
                        "a `:` with a space behind it can't stand here, where a value has begun already";
                    let hint = "put a text that holds `: ` in quotes, a key on a line of its own, and all keys of a mapping in one column";
                    return Err(Failure::syntax(what, mark, mark).hint(hint));
                }
                self.roll(mark.column, None, Kind::BlockMappingStart, mark);
            }
            self.key_allowed = self.flow_level == 0;
        }
        self.indicator(Kind::Value, 1);
        Ok(())
    }
}
