//! The tree of a YAML document: nodes with positions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::diagnostic::Span;

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
    /// What `!!binary` scalars stand for, if it is anything.
    binaries: BTreeMap<NodeId, String>,
    /// `None` when the text has no document.
    pub(crate) root: Option<NodeId>,
    /// Where more begins, which is not read.
    pub(crate) rest: Option<Span>,
}

const START: Span = Span { line: 1, column: 1, end_line: 1, end_column: 1 };

impl<'a> Tree<'a> {
    /// An empty tree for a text of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(bytes / 16),
            children: Vec::new(),
            binaries: BTreeMap::new(),
            root: None,
            rest: None,
        }
    }

    /// Adds a node. Ids count from 0 in the order of the text.
    pub(super) fn add(&mut self, content: Content<'a>, tag: Option<Box<str>>, span: Span) -> NodeId {
        let id = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        if tag.as_deref() == Some("!!binary")
            && let Content::Scalar { text, .. } = &content
            && let Some(binary) = binary(text)
        {
            self.binaries.insert(id, binary);
        }
        self.nodes.push(Node { content, tag, span });
        id
    }

    /// Gives a collection its children.
    pub(super) fn adopt(&mut self, id: NodeId, children: impl Iterator<Item = NodeId>) {
        let first = self.children.len();
        self.children.extend(children);
        let range = first..self.children.len();
        if let Some(Content::Sequence(children) | Content::Mapping(children)) =
            self.nodes.get_mut(id as usize).map(|node| &mut node.content)
        {
            *children = range;
        }
    }

    /// The text that a `!!binary` scalar stands for; nothing if it is not base64.
    pub(crate) fn binary(&self, id: NodeId) -> Option<&str> {
        self.binaries.get(&id).map(String::as_str)
    }

    /// All nodes.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).map_while(|at| NodeId::try_from(at).ok())
    }

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

/// Decodes base64 as Go does it, over line breaks. A byte that is no text becomes U+FFFD, as in the manifest's JSON.
fn binary(text: &str) -> Option<String> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let text = text.replace(['\r', '\n'], "");
    let bytes = GeneralPurpose::new(&STANDARD, CONFIG).decode(text).ok()?;
    let mut decoded = String::new();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Some(decoded)
}
