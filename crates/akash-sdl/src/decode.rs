//! Typed reading of a YAML tree as the network's YAML decoder (gopkg.in/yaml.v3) does it into Go types.
//!
//! Null leaves a field as it is, null items of a list vanish, a null value of a mapping is an entry with nothing in it;
//! duplicate keys are refused; `<<` fills in what the mapping does not have; too much aliasing is refused. Unlike the
//! decoder it goes on after an error. This file must not know any SDL rule.

mod mapping;
mod unknown_key;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use crate::cause::{Cause, Causes};
use crate::diagnostic::{Diagnostic, Kind, Severity, Span};
use crate::scalar::{self, Scalar};
use crate::shape;
use crate::yaml::{Content, NodeId, Tree};

/// Most nodes that are decoded in all, counting a node each time an alias leads to it.
const MAX_WORK: u64 = 5_000_000;
/// Deepest chain of merges (`<<` to a mapping that itself has `<<`).
const MAX_MERGES: usize = 100;
/// Most diagnostics of one file.
pub(crate) const MAX_DIAGNOSTICS: usize = 200;

/// Source of the rules of this file.
const RULE: &str = "the network's YAML decoder (gopkg.in/yaml.v3)";

/// A mapping with free keys. `key` is the node of the key, the place to show for the entry.
pub(crate) type Map<'t, T> = BTreeMap<&'t str, Entry<T>>;

/// An entry of a [`Map`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry<T> {
    pub(crate) key: NodeId,
    pub(crate) value: T,
}

/// One step of an SDL path.
#[derive(Debug, Clone, Copy)]
enum Step<'t> {
    Key(&'t str, NodeId),
    Index(usize),
}

/// The decoder's counters of one `Decode` call, by which it refuses excessive aliasing.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    decoded: u32,
    by_alias: u32,
    alias_depth: u32,
}

/// Reads one tree and collects what it finds wrong.
pub(crate) struct Decoder<'t, 'a> {
    pub(crate) tree: &'t Tree<'a>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Nodes that already have an error: later phases say nothing more about them.
    pub(crate) failed: HashSet<NodeId>,
    /// What errors and slips keep from being known.
    pub(crate) causes: Causes,
    path: Vec<Step<'t>>,
    counts: Counts,
    work: u64,
    /// Aliases that are being followed.
    following: Vec<NodeId>,
    merges: usize,
    /// The node that is read is a key.
    at_key: bool,
    /// Reading stopped: what comes after is not known.
    pub(crate) halted: bool,
    pub(crate) has_errors: bool,
}

impl<'t, 'a> Decoder<'t, 'a> {
    pub(crate) fn new(tree: &'t Tree<'a>) -> Self {
        Self {
            tree,
            diagnostics: Vec::new(),
            failed: HashSet::new(),
            causes: Causes::default(),
            path: Vec::new(),
            counts: Counts::default(),
            work: 0,
            following: Vec::new(),
            merges: 0,
            at_key: false,
            halted: false,
            has_errors: false,
        }
    }

    // -- diagnostics

    /// The place to show for a node: the node, or for a collection or nothing at all the key that leads to it.
    pub(crate) fn span(&self, node: NodeId) -> Span {
        let own = self.tree.node(node).span;
        let own_is_clear = match &self.tree.node(node).content {
            Content::Scalar { text, plain } => !text.is_empty() || !plain,
            Content::Alias(_) => true,
            _ => false,
        };
        match self.path.last() {
            Some(&Step::Key(_, key)) if !own_is_clear => self.tree.node(key).span,
            _ => own,
        }
    }

    /// The SDL path of where decoding is.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            // Writing to a string does not fail.
            let _ = match step {
                Step::Key(key, _) if path.is_empty() => write!(path, "{key}"),
                Step::Key(key, _) => write!(path, ".{key}"),
                Step::Index(index) => write!(path, "[{index}]"),
            };
        }
        path
    }

    /// The current path as its steps, with `[]` for an item.
    fn place(&self) -> Vec<&'t str> {
        let step = |step: &Step<'t>| match step {
            Step::Key(key, _) => key,
            Step::Index(_) => "[]",
        };
        self.path.iter().map(step).collect()
    }

    /// Whether what is read may be a secret.
    pub(crate) fn is_secret(&self) -> bool {
        shape::is_secret(&self.place())
    }

    /// Adds an error about `node` at the current path.
    pub(crate) fn error(
        &mut self,
        kind: Kind,
        node: NodeId,
        rule: &'static str,
        message: String,
        hint: Option<String>,
    ) {
        self.failed.insert(node);
        if self.is_full() {
            return;
        }
        let span = Some(self.span(node));
        let path = self.path();
        let hint = shape::unfilled(self.tree, node).or(hint);
        self.causes.add(path.clone(), Cause::Told);
        self.push(Diagnostic {
            severity: Severity::Error,
            kind,
            message,
            span,
            path,
            rule,
            hint,
            secret: false,
        });
    }

    /// Adds a warning about `node` at the current path; its index.
    pub(crate) fn warning(
        &mut self,
        kind: Kind,
        node: NodeId,
        rule: &'static str,
        message: String,
        hint: Option<String>,
    ) -> Option<usize> {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            return None;
        }
        let span = Some(self.span(node));
        let path = self.path();
        self.push(Diagnostic {
            severity: Severity::Warning,
            kind,
            message,
            span,
            path,
            rule,
            hint,
            secret: false,
        })
    }

    /// Whether the bound is reached and the verdict is clear, so that no more need be worked out.
    pub(crate) fn is_full(&self) -> bool {
        self.has_errors && self.diagnostics.len() >= MAX_DIAGNOSTICS
    }

    /// Adds a diagnostic; its index. Beyond the bound only the first error is added: it decides that the SDL is refused.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) -> Option<usize> {
        let first_error = diagnostic.severity == Severity::Error && !self.has_errors;
        if !first_error && self.diagnostics.len() >= MAX_DIAGNOSTICS {
            return None;
        }
        self.has_errors |= first_error;
        self.diagnostics.push(diagnostic);
        Some(self.diagnostics.len() - 1)
    }

    /// An error that only follows from `cause` is not told. A key that is ignored, and that it follows from, becomes the
    /// error.
    pub(crate) fn blame(&mut self, cause: Cause, kind: Kind, message: &str) {
        if let Cause::Slip(warning) = cause
            && let Some(slip) = self.diagnostics.get_mut(warning)
            && slip.severity == Severity::Warning
        {
            slip.severity = Severity::Error;
            slip.kind = kind;
            slip.message = format!("{}, so {message}", slip.message);
            self.has_errors = true;
            self.causes.told(warning);
        }
    }

    fn halt(&mut self, node: NodeId, message: String) {
        if !self.halted {
            self.error(Kind::Bounds, node, RULE, message, None);
            self.halted = true;
        }
    }

    // -- walking

    /// Runs `read` on the node or on what it stands for, counting as the decoder does.
    fn visit<R>(&mut self, id: NodeId, read: impl FnOnce(&mut Self, NodeId) -> Option<R>) -> Option<R> {
        if !self.count(id) {
            return None;
        }
        let Content::Alias(target) = self.tree.node(id).content else { return read(self, id) };
        if self.following.contains(&id) {
            self.halt(id, "the anchor's value contains itself".into());
            return None;
        }
        self.following.push(id);
        self.counts.alias_depth += 1;
        let result = if self.count(id) { read(self, target) } else { None };
        self.counts.alias_depth = self.counts.alias_depth.saturating_sub(1);
        self.following.pop();
        result
    }

    /// Counts one decoded node; false when decoding has to stop.
    fn count(&mut self, id: NodeId) -> bool {
        self.work += 1;
        let counts = &mut self.counts;
        counts.decoded = counts.decoded.saturating_add(1);
        if counts.alias_depth > 0 {
            counts.by_alias = counts.by_alias.saturating_add(1);
        }
        let excessive =
            counts.by_alias > 100 && counts.decoded > 1000 && too_many(counts.by_alias, counts.decoded);
        if self.work > MAX_WORK || excessive || self.following.len() > MAX_MERGES {
            self.halt(id, "the document contains excessive aliasing".into());
        }
        !self.halted
    }

    /// Runs `read` as a `Decode` call of its own, with its own counters. The network's types with custom readers do so.
    pub(crate) fn separately<R>(&mut self, read: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::take(&mut self.counts);
        let result = read(self);
        self.counts = outer;
        result
    }

    /// Runs `read` one step deeper in the path.
    pub(crate) fn under<R>(&mut self, name: &'t str, key: NodeId, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(Step::Key(name, key));
        let result = read(self);
        self.path.pop();
        result
    }

    /// Runs `read` in item `index` of a list.
    pub(crate) fn item<R>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(Step::Index(index));
        let result = read(self);
        self.path.pop();
        result
    }

    /// [`Decoder::is_null`] without an error.
    pub(crate) fn stands_for_null(&self, id: NodeId) -> bool {
        scalar::is_null(self.tree.node(self.tree.target(id)))
    }

    /// Whether the node, or what it stands for, is null. An error if it is a text that is said to be null (`!!null x`),
    /// which is taken for null then.
    pub(crate) fn is_null(&mut self, id: NodeId) -> bool {
        let id = self.tree.target(id);
        let node = self.tree.node(id);
        let is_null = scalar::is_null(node);
        if is_null && node.tag.is_some() && !self.failed.contains(&id) {
            self.fits(id, scalar::resolve(node));
        }
        is_null
    }

    fn mismatch(&mut self, id: NodeId, expected: &str) {
        let place = self.place();
        let content = &self.tree.node(id).content;
        let found = match content {
            Content::Scalar { plain: false, .. } => "quoted text",
            Content::Scalar { .. } => match scalar::resolve(self.tree.node(id)) {
                Scalar::Bool(_) => "a bool",
                Scalar::Integer(_) | Scalar::Float(_) => "a number",
                _ => "text",
            },
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Alias(_) => "an alias",
        };
        let name = place.iter().rev().find(|step| **step != "[]").map(|name| shown(name));
        let (subject, hint) = match (name, place.last()) {
            (Some(name), _) if self.at_key => (format!("a key of `{name}`"), None),
            (Some(name), Some(&"[]")) => (format!("an item of `{name}`"), shape::hint(&place, content)),
            (Some(name), _) => (format!("`{name}`"), shape::hint(&place, content)),
            (None, _) => ("the SDL".into(), None),
        };
        self.error(Kind::Type, id, RULE, format!("{subject} must be {expected}, not {found}"), hint);
    }

    /// Whether the scalar's explicit tag can be honoured; an error if not.
    fn fits(&mut self, id: NodeId, meaning: Scalar) -> bool {
        let message = match meaning {
            Scalar::Misfit => "the value does not fit its tag",
            Scalar::Binary => "`!!binary` is text, and something else is expected here",
            _ => return true,
        };
        self.error(Kind::Type, id, RULE, message.into(), None);
        false
    }

    // -- values; `None` is null or an error

    /// Text: any scalar, as it is written.
    pub(crate) fn string(&mut self, id: NodeId) -> Option<&'t str> {
        self.visit(id, |d, id| {
            let tree = d.tree;
            let node = tree.node(id);
            if d.is_null(id) {
                return None;
            }
            let Content::Scalar { text, .. } = &node.content else {
                d.mismatch(id, "text");
                return None;
            };
            match node.tag.as_ref().map(|_| scalar::resolve(node)) {
                Some(Scalar::Binary) => {
                    let decoded = tree.binary(id);
                    if decoded.is_none() {
                        d.error(Kind::Type, id, RULE, "the value of `!!binary` is not base64".into(), None);
                    }
                    decoded
                }
                Some(meaning) if !d.fits(id, meaning) => None,
                _ => Some(text.as_ref()),
            }
        })
    }

    /// The text of a scalar for a type that reads `Node.Value` itself: empty for a collection.
    pub(crate) fn raw(&mut self, id: NodeId) -> Option<&'t str> {
        self.visit(id, |d, id| (!d.is_null(id)).then(|| d.tree.text(id)))
    }

    /// An unsigned 32-bit number. Fractions are cut, as the decoder does.
    pub(crate) fn number(&mut self, id: NodeId) -> Option<u32> {
        self.visit(id, |d, id| {
            let meaning = scalar::resolve(d.tree.node(id));
            let value = match meaning {
                Scalar::Null => return None,
                Scalar::Integer(value) => u32::try_from(value).ok(),
                Scalar::Float(value) if value > -1.0 && value < 4_294_967_296.0 => Some(value as u32),
                _ => None,
            };
            if value.is_none() && d.fits(id, meaning) {
                d.mismatch_number(id, meaning);
            }
            value
        })
    }

    fn mismatch_number(&mut self, id: NodeId, meaning: Scalar) {
        match meaning {
            Scalar::Integer(_) | Scalar::Float(_) => {
                let message =
                    format!("`{}` is not a whole number from 0 to 4294967295", shown(self.tree.text(id)));
                let hint = shape::hint(&self.place(), &self.tree.node(id).content);
                self.error(Kind::Type, id, RULE, message, hint);
            }
            _ => {
                self.mismatch(id, "a number");
                let is_number =
                    |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                self.unquote(id, is_number);
            }
        }
    }

    /// The hint for a number or bool that has quotes around it. The last error is about `id`.
    fn unquote(&mut self, id: NodeId, fits: impl Fn(&str) -> bool) {
        if let Content::Scalar { text, plain: false } = &self.tree.node(id).content
            && fits(text)
            && let Some(last) = self.diagnostics.last_mut()
        {
            last.hint = Some("remove the quotes".into());
        }
    }

    /// A bool: `true`, `yes`, `on`, `y` and their opposites.
    pub(crate) fn boolean(&mut self, id: NodeId) -> Option<bool> {
        self.visit(id, |d, id| {
            let meaning = scalar::resolve(d.tree.node(id));
            match meaning {
                Scalar::Null => return None,
                Scalar::Bool(value) => return Some(value),
                // Also when quoted: the decoder looks at the text. Quoted `true` is not among these words.
                Scalar::Text => match d.tree.text(id) {
                    "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(true),
                    "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(false),
                    _ => {}
                },
                _ => {}
            }
            if d.fits(id, meaning) {
                d.mismatch(id, "true or false");
                d.unquote(id, |text| matches!(text, "true" | "false"));
            }
            None
        })
    }

    /// A list. Null items, and those that are wrong, are left out.
    pub(crate) fn list<T>(
        &mut self,
        id: NodeId,
        mut read: impl FnMut(&mut Self, NodeId) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.visit(id, |d, id| {
            if d.is_null(id) {
                return None;
            }
            if !matches!(d.tree.node(id).content, Content::Sequence(_)) {
                d.mismatch(id, "a list");
                return None;
            }
            let tree = d.tree;
            let items = tree.children(id).iter().enumerate();
            Some(items.filter_map(|(index, &item)| d.item(index, |d| read(d, item))).collect())
        })
    }

    /// A list of texts.
    pub(crate) fn strings(&mut self, id: NodeId) -> Option<Vec<&'t str>> {
        self.list(id, Self::string)
    }
}

/// The share of decoded nodes that may come from aliases falls from 99 % (up to 400,000 nodes) to 10 % (4,000,000).
fn too_many(by_alias: u32, decoded: u32) -> bool {
    let (by_alias, decoded) = (u64::from(by_alias), u64::from(decoded));
    // Share in millionths, in whole numbers.
    let allowed = match decoded {
        0..=400_000 => 990_000,
        400_001..4_000_000 => 990_000 - 890_000 * (decoded - 400_000) / 3_600_000,
        _ => 100_000,
    };
    by_alias * 1_000_000 > allowed * decoded
}

/// A text from the file, cut for a message.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.escape_debug().to_string();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{}...", head.escape_debug())
}
