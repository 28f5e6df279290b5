//! Tokens to the tree of the first document, by libyaml's grammar.
//!
//! This file must not know what tokens are made of, nor what a scalar means.

use std::borrow::Cow;
use std::collections::HashMap;

use super::failure::{Failure, span};
use super::reader::Mark;
use super::scanner::Scanner;
use super::token::{Kind, Token};
use super::tree::{Content, NodeId, Tree};
use crate::diagnostic;

/// Deepest nesting. The deepest thing that means anything in an SDL is 8 deep.
const MAX_DEPTH: usize = 200;

/// The handles that every document has.
const DEFAULT_HANDLES: [(&str, &str); 2] = [("!", "!"), ("!!", "tag:yaml.org,2002:")];

/// Reads the first document.
pub(super) struct Parser<'a> {
    scanner: Scanner<'a>,
    tree: Tree<'a>,
    /// Children of open collections.
    pending: Vec<NodeId>,
    depth: usize,
    anchors: HashMap<&'a str, NodeId>,
    handles: HashMap<&'a str, Cow<'a, str>>,
}

/// Where a node stands: which collections can begin there without marks of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Flow,
    Block,
    /// In a block mapping, where a list may stand in the column of its key.
    BlockOrSameColumn,
}

/// What stands in front of a node.
#[derive(Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    /// In its full form.
    tag: Option<String>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(scanner: Scanner<'a>, bytes: usize) -> Self {
        Self {
            scanner,
            tree: Tree::new(bytes),
            pending: Vec::new(),
            depth: 0,
            anchors: HashMap::new(),
            handles: HashMap::new(),
        }
    }

    /// Reads the document, and looks one token further, as the network's parser does.
    pub(super) fn document(mut self) -> Result<Tree<'a>, Failure> {
        match self.root() {
            Ok(()) => Ok(self.tree),
            Err(failure) => Err(self.explained(failure)),
        }
    }

    /// If the fault stands right behind a quote that closes a text of several lines, most likely the text was to end
    /// earlier: then that is the place to show.
    fn explained(&self, failure: Failure) -> Failure {
        let (Some((start, end)), Some(place)) = (self.scanner.long_quote, failure.span) else {
            return failure;
        };
        let line = end.line.saturating_add(1);
        if place.line != line || place.column < end.column || failure.kind != diagnostic::Kind::Syntax {
            return failure;
        }
        let mut to = start;
        to.column += 1;
        let what = format!(
            "the quote that is opened here closes only in line {line}, and what stands behind that can't be"
        );
        Failure::syntax(&what, start, to)
            .hint("close it where the text ends, and double (`''`) or escape (`\\\"`) a quote that belongs to the text")
    }

    fn root(&mut self) -> Result<(), Failure> {
        let explicit = match self.peek()?.kind {
            Kind::StreamEnd => return Ok(()),
            Kind::Version { .. } | Kind::TagHandle { .. } | Kind::DocumentStart => true,
            _ => false,
        };
        self.directives()?;
        if explicit {
            let start = self.start()?;
            let Kind::DocumentStart = self.peek()?.kind else {
                return Err(Failure::syntax("after directives a line with `---` is missing", start, start));
            };
            self.scanner.take();
        }
        let root = match self.peek()?.kind {
            Kind::Version { .. }
            | Kind::TagHandle { .. }
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd
                if explicit =>
            {
                let start = self.start()?;
                self.empty(start)
            }
            _ => self.node(Place::Block)?,
        };
        self.tree.root = Some(root);
        self.peek()?;
        self.tree.rest = self.scanner.rest().map(|(start, end)| span(start, end));
        Ok(())
    }

    fn peek(&mut self) -> Result<&Token<'a>, Failure> {
        self.scanner.peek()
    }

    /// Where the next token begins.
    fn start(&mut self) -> Result<Mark, Failure> {
        Ok(self.peek()?.start)
    }

    fn directives(&mut self) -> Result<(), Failure> {
        let mut version = false;
        while let Kind::Version { .. } | Kind::TagHandle { .. } = self.peek()?.kind
            && let Some(token) = self.scanner.take()
        {
            let failure = |what: &str| Err(Failure::syntax(what, token.start, token.end));
            match token.kind {
                Kind::Version { .. } if version => return failure("there are two `%YAML` directives"),
                Kind::Version { major: 1, minor: 1 } => version = true,
                Kind::Version { .. } => {
                    let what = "the network reads YAML 1.1 only";
                    return failure(what).map_err(|failure| failure.hint("remove the `%YAML` line"));
                }
                Kind::TagHandle { handle, .. } if self.handles.contains_key(handle) => {
                    return failure("there are two `%TAG` directives for one handle");
                }
                Kind::TagHandle { handle, prefix } => {
                    self.handles.insert(handle, prefix);
                }
                _ => {}
            }
        }
        for (handle, prefix) in DEFAULT_HANDLES {
            self.handles.entry(handle).or_insert_with(|| prefix.into());
        }
        Ok(())
    }

    // -- nodes

    fn empty(&mut self, mark: Mark) -> NodeId {
        self.tree.add(Content::Scalar { text: Cow::Borrowed(""), plain: true }, None, span(mark, mark))
    }

    fn add(&mut self, content: Content<'a>, properties: &Properties<'a>, from: Mark, to: Mark) -> NodeId {
        let tag = properties.tag.as_deref().and_then(short_tag);
        let id = self.tree.add(content, tag, span(from, to));
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    /// Reads a node, with what it contains.
    fn node(&mut self, place: Place) -> Result<NodeId, Failure> {
        let token = self.peek()?;
        let (from, mut to) = (token.start, token.end);
        if let Kind::Alias(name) = token.kind {
            self.scanner.take();
            let Some(&target) = self.anchors.get(name) else {
                return Err(Failure::syntax(
                    "no anchor (`&name`) of this name stands before this alias",
                    from,
                    to,
                )
                .hint("put a text that begins with `*` in quotes"));
            };
            return Ok(self.add(Content::Alias(target), &Properties::default(), from, to));
        }
        let mut properties = Properties::default();
        self.properties(&mut properties, &mut to)?;
        let block = place != Place::Flow;
        let token = self.peek()?;
        let end = token.end;
        match token.kind {
            Kind::BlockEntry if place == Place::BlockOrSameColumn => {
                let id = self.add(Content::Sequence(0..0), &properties, from, end);
                self.collection(id, from, Self::same_column_sequence)
            }
            Kind::Scalar { .. } => {
                let Some(Token { kind: Kind::Scalar { text, plain }, .. }) = self.scanner.take() else {
                    return Ok(self.empty(from));
                };
                Ok(self.add(Content::Scalar { text, plain }, &properties, from, end))
            }
            Kind::FlowSequenceStart => {
                let id = self.add(Content::Sequence(0..0), &properties, from, end);
                self.collection(id, from, Self::flow_sequence)
            }
            Kind::FlowMappingStart => {
                let id = self.add(Content::Mapping(0..0), &properties, from, end);
                self.collection(id, from, Self::flow_mapping)
            }
            Kind::BlockSequenceStart if block => {
                let id = self.add(Content::Sequence(0..0), &properties, from, end);
                self.collection(id, from, Self::block_sequence)
            }
            Kind::BlockMappingStart if block => {
                let id = self.add(Content::Mapping(0..0), &properties, from, end);
                self.collection(id, from, Self::block_mapping)
            }
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                let content = Content::Scalar { text: Cow::Borrowed(""), plain: true };
                Ok(self.add(content, &properties, from, to))
            }
            _ => Err(self.no_content()),
        }
    }

    /// Reads an anchor and a tag, in any order.
    fn properties(&mut self, properties: &mut Properties<'a>, to: &mut Mark) -> Result<(), Failure> {
        loop {
            match self.peek()?.kind {
                Kind::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(name),
                Kind::Tag { .. } if properties.tag.is_none() => {}
                _ => return Ok(()),
            }
            let Some(token) = self.scanner.take() else { return Ok(()) };
            *to = token.end;
            if let Kind::Tag { handle, suffix } = token.kind {
                properties.tag = Some(match self.handles.get(handle) {
                    _ if handle.is_empty() => suffix.into_owned(),
                    Some(prefix) => format!("{prefix}{suffix}"),
                    None => {
                        let what = "no `%TAG` directive says what this tag is";
                        return Err(Failure::syntax(what, token.start, token.end)
                            .hint("put a text that begins with `!` in quotes"));
                    }
                });
            }
        }
    }

    fn no_content(&mut self) -> Failure {
        let token = match self.peek() {
            Ok(token) => token,
            Err(failure) => return failure,
        };
        let what = match token.kind {
            Kind::BlockEntry => "an item of a list (`- `) can't stand inside brackets",
            Kind::FlowEntry => "a value is missing in front of this comma",
            Kind::FlowSequenceEnd => "this `]` closes nothing",
            Kind::FlowMappingEnd => "this `}` closes nothing",
            Kind::DocumentEnd => "a file can't begin with `...`",
            _ => "a value is missing here",
        };
        Failure::syntax(what, token.start, token.end)
    }

    /// Runs `read`, which leaves children in `pending`, one level deeper. `from` is where the collection begins.
    fn collection(
        &mut self,
        id: NodeId,
        from: Mark,
        read: fn(&mut Self, Mark) -> Result<(), Failure>,
    ) -> Result<NodeId, Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(Failure::new(diagnostic::Kind::Bounds, message, Some(span(from, from))));
        }
        let first = self.pending.len();
        read(self, from)?;
        self.tree.adopt(id, self.pending.drain(first..));
        self.depth -= 1;
        Ok(id)
    }

    /// Reads a node, or nothing if `ends` says that the next token is not part of one. `otherwise` is where nothing is.
    fn child(&mut self, place: Place, otherwise: Mark, ends: fn(&Kind<'a>) -> bool) -> Result<(), Failure> {
        let id = if ends(&self.peek()?.kind) { self.empty(otherwise) } else { self.node(place)? };
        self.pending.push(id);
        Ok(())
    }

    // -- block collections

    fn block_sequence(&mut self, _: Mark) -> Result<(), Failure> {
        let from = self.start()?;
        self.scanner.take();
        loop {
            let token = self.peek()?;
            let (start, end) = (token.start, token.end);
            match token.kind {
                Kind::BlockEntry => {
                    self.scanner.take();
                    self.child(Place::Block, end, |kind| matches!(kind, Kind::BlockEntry | Kind::BlockEnd))?;
                }
                Kind::BlockEnd => {
                    self.scanner.take();
                    return Ok(());
                }
                _ => {
                    let what = format!(
                        "this is no item of the list that begins in line {}, and stands in its column",
                        from.line.saturating_add(1)
                    );
                    return Err(Failure::syntax(&what, start, end)
                        .hint("begin it with `- `, or indent it less if it does not belong to the list"));
                }
            }
        }
    }

    fn same_column_sequence(&mut self, _: Mark) -> Result<(), Failure> {
        loop {
            let token = self.peek()?;
            let Kind::BlockEntry = token.kind else { return Ok(()) };
            let end = token.end;
            self.scanner.take();
            let ends =
                |kind: &Kind<'a>| matches!(kind, Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd);
            self.child(Place::Block, end, ends)?;
        }
    }

    fn block_mapping(&mut self, _: Mark) -> Result<(), Failure> {
        let from = self.start()?;
        self.scanner.take();
        let ends = |kind: &Kind<'a>| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd);
        loop {
            let token = self.peek()?;
            let (start, end) = (token.start, token.end);
            match token.kind {
                Kind::Key => {
                    self.scanner.take();
                    self.child(Place::BlockOrSameColumn, end, ends)?;
                }
                Kind::BlockEnd => {
                    self.scanner.take();
                    return Ok(());
                }
                _ => return Err(self.no_key(from, start, end)),
            }
            let token = self.peek()?;
            let (start, end) = (token.start, token.end);
            if let Kind::Value = token.kind {
                self.scanner.take();
                self.child(Place::BlockOrSameColumn, end, ends)?;
            } else {
                let empty = self.empty(start);
                self.pending.push(empty);
            }
        }
    }

    fn no_key(&mut self, from: Mark, start: Mark, end: Mark) -> Failure {
        let line = from.line.saturating_add(1);
        let what = match self.peek().map(|token| &token.kind) {
            Ok(Kind::BlockEntry) => "an item of a list (`- `) can't stand here, in a mapping".into(),
            Ok(Kind::Value) => "a `:` without a key".into(),
            Ok(Kind::BlockMappingStart | Kind::BlockSequenceStart) => {
                format!(
                    "the indentation fits neither the mapping that begins in line {line} nor anything else"
                )
            }
            _ => format!("a key of the mapping that begins in line {line} is expected here"),
        };
        Failure::syntax(&what, start, end).hint(format!(
            "keys of one mapping stand in one column, here column {}; text behind a closing quote or bracket is not allowed",
            from.column.saturating_add(1)
        ))
    }

    // -- flow collections

    /// Before all but the first entry of a flow collection: passes over the comma. True at the end.
    fn flow_entry(&mut self, first: bool, from: Mark, sequence: bool) -> Result<bool, Failure> {
        let is_end = |kind: &Kind<'a>| match kind {
            Kind::FlowSequenceEnd => sequence,
            Kind::FlowMappingEnd => !sequence,
            _ => false,
        };
        let token = self.peek()?;
        if !first && !is_end(&token.kind) {
            let Kind::FlowEntry = token.kind else {
                let at = token.start;
                let (open, close) = if sequence { ('[', ']') } else { ('{', '}') };
                let what = match token.kind {
                    Kind::StreamEnd | Kind::DocumentStart | Kind::DocumentEnd => {
                        format!("this `{open}` is never closed")
                    }
                    _ => format!(
                        "this `{open}` is not closed, or a comma is missing before line {}, column {}",
                        at.line.saturating_add(1),
                        at.column.saturating_add(1)
                    ),
                };
                let mut to = from;
                to.column += 1;
                return Err(Failure::syntax(&what, from, to).hint(format!(
                    "close it with `{close}`, or put a text that begins with `{open}` in quotes"
                )));
            };
            self.scanner.take();
        }
        if is_end(&self.peek()?.kind) {
            self.scanner.take();
            return Ok(true);
        }
        Ok(false)
    }

    fn flow_sequence(&mut self, _: Mark) -> Result<(), Failure> {
        let from = self.start()?;
        self.scanner.take();
        let mut first = true;
        while !self.flow_entry(first, from, true)? {
            first = false;
            let token = self.peek()?;
            let (start, end) = (token.start, token.end);
            let id = if let Kind::Key = token.kind {
                // `[key: value]` is a list with a mapping of one key.
                self.scanner.take();
                let id = self.add(Content::Mapping(0..0), &Properties::default(), start, end);
                self.collection(id, start, Self::flow_pair)?
            } else {
                self.node(Place::Flow)?
            };
            self.pending.push(id);
        }
        Ok(())
    }

    fn flow_pair(&mut self, _: Mark) -> Result<(), Failure> {
        let token = self.peek()?;
        let end = token.end;
        if let Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd = token.kind {
            // The network's parser passes over the token, whatever it is.
            self.scanner.take();
            let empty = self.empty(end);
            self.pending.push(empty);
        } else {
            let key = self.node(Place::Flow)?;
            self.pending.push(key);
        }
        self.flow_value(|kind| matches!(kind, Kind::FlowEntry | Kind::FlowSequenceEnd))
    }

    fn flow_value(&mut self, ends: fn(&Kind<'a>) -> bool) -> Result<(), Failure> {
        if let Kind::Value = self.peek()?.kind {
            self.scanner.take();
            let start = self.start()?;
            return self.child(Place::Flow, start, ends);
        }
        let start = self.start()?;
        let empty = self.empty(start);
        self.pending.push(empty);
        Ok(())
    }

    fn flow_mapping(&mut self, _: Mark) -> Result<(), Failure> {
        let from = self.start()?;
        self.scanner.take();
        let mut first = true;
        while !self.flow_entry(first, from, false)? {
            first = false;
            if let Kind::Key = self.peek()?.kind {
                self.scanner.take();
                let start = self.start()?;
                let ends =
                    |kind: &Kind<'a>| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd);
                self.child(Place::Flow, start, ends)?;
                self.flow_value(|kind| matches!(kind, Kind::FlowEntry | Kind::FlowMappingEnd))?;
            } else {
                let key = self.node(Place::Flow)?;
                self.pending.push(key);
                let start = self.start()?;
                let empty = self.empty(start);
                self.pending.push(empty);
            }
        }
        Ok(())
    }
}

/// `tag:yaml.org,2002:x` is `!!x`; the non-specific tag `!` is none.
fn short_tag(full: &str) -> Option<Box<str>> {
    match full.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => Some(format!("!!{name}").into()),
        None if full == "!" => None,
        None => Some(full.into()),
    }
}
