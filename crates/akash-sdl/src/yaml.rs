//! YAML text to a tree of nodes with positions, by the rules of the network's YAML parser (gopkg.in/yaml.v3).
//!
//! `saphyr-parser` gives the events; here they become nodes: the first document only, aliases kept as such, work and
//! depth bounded. This file must not know what a scalar means (`scalar`) or what an SDL is.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::diagnostic::{Kind, Span};

/// Largest text. Beyond it nothing is looked at.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting. The deepest thing that means anything in an SDL is 8 deep.
const MAX_DEPTH: usize = 200;

/// Index of a node in its tree.
pub(crate) type NodeId = u32;

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// Text. `plain` when it was not quoted and not a block.
    Scalar { text: Cow<'a, str>, plain: bool },
    /// Items, as a range of the tree's children.
    Sequence(Range<usize>),
    /// Keys and values in turn, as a range of the tree's children.
    Mapping(Range<usize>),
    /// `*name`: stands for an earlier node, which may be one that contains it.
    Alias(NodeId),
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) content: Content<'a>,
    /// An explicit tag in its short form (`!!str`, `!mine`).
    pub(crate) tag: Option<Box<str>>,
    /// For a collection, its start only.
    pub(crate) span: Span,
}

/// The first document of a text.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    children: Vec<NodeId>,
    /// `None` when the text has no document.
    pub(crate) root: Option<NodeId>,
}

/// Why a text is no tree.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    /// What the event parser said, and the index in characters where it stopped.
    pub(crate) parser: Option<(String, usize)>,
}

impl Failure {
    /// A failure that the event parser did not see.
    pub(crate) fn new(kind: Kind, message: impl Into<String>, span: Option<Span>) -> Self {
        Self { kind, message: message.into(), span, parser: None }
    }
}

impl<'a> Tree<'a> {
    /// The node of an id.
    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        // Ids come from this tree alone.
        static EMPTY: Node<'static> = Node {
            content: Content::Scalar { text: Cow::Borrowed(""), plain: true },
            tag: None,
            span: START,
        };
        self.nodes.get(id as usize).unwrap_or(&EMPTY)
    }

    /// The node, or what it stands for if it is an alias.
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).content {
            Content::Alias(target) => target,
            _ => id,
        }
    }

    /// Items of a sequence; keys and values of a mapping in turn; nothing for others.
    pub(crate) fn children(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).content {
            Content::Sequence(range) | Content::Mapping(range) => {
                self.children.get(range.clone()).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Keys with their values, of a mapping or of what the network's parser reads like one.
    pub(crate) fn pairs(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.children(id).as_chunks::<2>().0.iter().map(|&[key, value]| (key, value))
    }

    /// The text of a scalar, else nothing (what Go calls `Node.Value`).
    pub(crate) fn text(&self, id: NodeId) -> &str {
        match &self.node(id).content {
            Content::Scalar { text, .. } => text,
            _ => "",
        }
    }
}

const START: Span = Span { line: 1, column: 1, end_line: 1, end_column: 1 };

fn span(start: Marker, end: Marker) -> Span {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Span {
        line: number(start.line().max(1)),
        column: number(start.col()).saturating_add(1),
        end_line: number(end.line().max(1)),
        end_column: number(end.col()).saturating_add(1),
    }
}

/// Reads the first document of `text`.
pub(crate) fn load(text: &str) -> Result<Tree<'_>, Failure> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Failure::new(Kind::Bounds, message, None));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut cursor = Cursor { text, is_ascii: refuse_control_characters(text)?, character: 0, byte: 0 };
    let mut tree = Tree { nodes: Vec::with_capacity(text.len() / 16), children: Vec::new(), root: None };
    let mut parser = Parser::new_from_str(text);
    // Collections that are open: the node, and where its children start in `pending`.
    let mut open: Vec<(NodeId, usize)> = Vec::new();
    let mut pending: Vec<NodeId> = Vec::new();
    // How many flow collections are open.
    let mut flow = 0_usize;
    // Node of each anchor id (the parser numbers them from 1).
    let mut anchors: Vec<NodeId> = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, place) = event.map_err(|error| Failure {
            kind: Kind::Syntax,
            message: format!("not valid YAML: {}", error.info()),
            span: Some(span(*error.marker(), *error.marker())),
            parser: Some((error.info().to_owned(), error.marker().index())),
        })?;
        let index = cursor.byte(place.start.index());
        let place = span(place.start, place.end);
        let (content, anchor, tag, opens) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (Content::Scalar { text, plain: style == ScalarStyle::Plain }, anchor, tag, false)
            }
            Event::SequenceStart(anchor, tag) => (Content::Sequence(0..0), anchor, tag, true),
            Event::MappingStart(anchor, tag) => (Content::Mapping(0..0), anchor, tag, true),
            Event::Alias(anchor) => {
                let target = anchors.get(anchor.wrapping_sub(1)).copied().unwrap_or_default();
                (Content::Alias(target), 0, None, false)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                flow = flow.saturating_sub(1);
                if let Some((id, start)) = open.pop() {
                    let first = tree.children.len();
                    tree.children.extend(pending.drain(start..));
                    let range = first..tree.children.len();
                    if let Some(Content::Sequence(children) | Content::Mapping(children)) =
                        tree.nodes.get_mut(id as usize).map(|node| &mut node.content)
                    {
                        *children = range;
                    }
                }
                continue;
            }
            // Further documents are not read.
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => continue,
        };
        if (anchor > 0 || matches!(content, Content::Alias(_))) && !is_anchor(text.get(index..)) {
            let message = "not valid YAML: the name of an anchor has letters, digits, `-` and `_` only";
            return Err(Failure::new(Kind::Syntax, message, Some(place)));
        }
        if flow == 0 && follows_tab(text.get(..index).unwrap_or_default()) {
            let message = "not valid YAML: a tab can't stand before what could be a key or an item of a list";
            return Err(Failure::new(Kind::Syntax, message, Some(place)));
        }
        // With an anchor or a tag in front it could be either; then nothing is said about tabs inside it.
        if opens && (flow > 0 || text.get(index..).is_some_and(|text| text.starts_with(['[', '{', '&', '!'])))
        {
            flow += 1;
        }
        let id = NodeId::try_from(tree.nodes.len()).unwrap_or(NodeId::MAX);
        tree.nodes.push(Node { content, tag: tag.as_deref().and_then(short_tag), span: place });
        if anchor > 0 {
            if anchors.len() < anchor {
                anchors.resize(anchor, 0);
            }
            if let Some(slot) = anchors.get_mut(anchor - 1) {
                *slot = id;
            }
        }
        if open.is_empty() {
            tree.root = Some(id);
        } else {
            pending.push(id);
        }
        if opens {
            open.push((id, pending.len()));
            if open.len() > MAX_DEPTH {
                let message = format!("nested more than {MAX_DEPTH} deep");
                return Err(Failure::new(Kind::Bounds, message, Some(place)));
            }
        }
    }
    Ok(tree)
}

/// Finds bytes by the event parser's indices, which count characters. They go forward but for a few steps.
struct Cursor<'a> {
    text: &'a str,
    is_ascii: bool,
    character: usize,
    byte: usize,
}

impl Cursor<'_> {
    /// The byte at which the character with this index begins.
    fn byte(&mut self, index: usize) -> usize {
        if self.is_ascii {
            return index;
        }
        let (before, after) = self.text.split_at_checked(self.byte).unwrap_or_default();
        for c in after.chars().take(index.saturating_sub(self.character)) {
            self.character += 1;
            self.byte += c.len_utf8();
        }
        for c in before.chars().rev().take(self.character.saturating_sub(index)) {
            self.character -= 1;
            self.byte -= c.len_utf8();
        }
        self.byte
    }
}

/// `tag:yaml.org,2002:x` is `!!x`; the non-specific tag `!` is none.
fn short_tag(tag: &Tag) -> Option<Box<str>> {
    let full = format!("{}{}", tag.handle, tag.suffix);
    match full.strip_prefix("tag:yaml.org,2002:") {
        Some(name) => Some(format!("!!{name}").into()),
        None if full == "!" => None,
        None => Some(full.into()),
    }
}

/// Whether what begins with `&` or `*` goes on with a name of YAML 1.1 and then ends; anything else passes.
fn is_anchor(text: Option<&str>) -> bool {
    let Some(name) = text.and_then(|text| text.strip_prefix(['&', '*'])) else { return true };
    let rest = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    rest.len() < name.len()
        && (rest.is_empty()
            || rest.starts_with([' ', '\t', '\r', '\n', '?', ':', ',', ']', '}', '%', '@', '`']))
}

/// Whether a tab stands where YAML 1.1 wants spaces: in front of a node in block style, before or after the `-` of its
/// list, or else at the beginning of its line.
fn follows_tab(before: &str) -> bool {
    let (mut rest, mut tab, mut dash) = (before, false, false);
    loop {
        let blanks_end = rest;
        rest = rest.trim_end_matches([' ', '\t']);
        tab |= blanks_end.get(rest.len()..).is_some_and(|blanks| blanks.contains('\t'));
        match rest.strip_suffix('-') {
            Some(before_dash) => (rest, dash) = (before_dash, true),
            None => return tab && (dash || rest.is_empty() || rest.ends_with(['\n', '\r'])),
        }
    }
}

/// The characters that the network's YAML reader takes: tab, line breaks, and what is printable. True if all are ASCII.
fn refuse_control_characters(text: &str) -> Result<bool, Failure> {
    let plain = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E);
    if text.bytes().all(plain) {
        return Ok(true);
    }
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\x20'..='\x7E' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
    let (mut line, mut column) = (1_u32, 1_u32);
    for c in text.chars() {
        if !allowed(c) {
            let place = Span { line, column, end_line: line, end_column: column + 1 };
            let message = format!("not valid YAML: the character U+{:04X} is not allowed", u32::from(c));
            return Err(Failure::new(Kind::Syntax, message, Some(place)));
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    Ok(text.is_ascii())
}
