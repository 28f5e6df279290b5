//! Typed reading of a YAML tree as the network's YAML decoder (gopkg.in/yaml.v3) does it into Go types.
//!
//! Null leaves a field as it is, null items of a list vanish, a null value of a mapping is an entry with nothing in it;
//! duplicate keys are refused; `<<` fills in what the mapping does not have; too much aliasing is refused. Unlike the
//! decoder it goes on after an error. This file must not know any SDL rule.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Kind, Severity, Span};
use crate::scalar::{self, Scalar};
use crate::suggest;
use crate::yaml::{Content, NodeId, Tree};

/// Most nodes that are decoded in all, counting a node each time an alias leads to it.
const MAX_WORK: u64 = 5_000_000;
/// Deepest chain of merges (`<<` to a mapping that itself has `<<`).
const MAX_MERGES: usize = 100;
/// Most diagnostics of one file.
const MAX_DIAGNOSTICS: usize = 200;

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

/// Names that merging must not set again; `None` before the first merge.
type Seen<'t> = Option<HashSet<&'t str>>;

/// Reads one mapping, without what is merged into it.
type OneMapping<'r, 't, 'a> = dyn FnMut(&mut Decoder<'t, 'a>, NodeId, &mut Seen<'t>) + 'r;

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
    path: Vec<Step<'t>>,
    counts: Counts,
    work: u64,
    /// Aliases that are being followed.
    following: Vec<NodeId>,
    merges: usize,
    halted: bool,
    pub(crate) has_errors: bool,
}

impl<'t, 'a> Decoder<'t, 'a> {
    pub(crate) fn new(tree: &'t Tree<'a>) -> Self {
        Self {
            tree,
            diagnostics: Vec::new(),
            failed: HashSet::new(),
            path: Vec::new(),
            counts: Counts::default(),
            work: 0,
            following: Vec::new(),
            merges: 0,
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
        let span = Some(self.span(node));
        let path = self.path();
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

    /// Adds a warning about `node` at the current path.
    pub(crate) fn warning(
        &mut self,
        kind: Kind,
        node: NodeId,
        rule: &'static str,
        message: String,
        hint: Option<String>,
    ) {
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
        });
    }

    /// Adds a diagnostic. Beyond the bound only the first error is added: it decides that the SDL is refused.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let first_error = diagnostic.severity == Severity::Error && !self.has_errors;
        if first_error || self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.has_errors |= first_error;
            self.diagnostics.push(diagnostic);
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
        let found = match &self.tree.node(id).content {
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
        self.error(Kind::Type, id, RULE, format!("expected {expected}, found {found}"), None);
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
                self.error(Kind::Type, id, RULE, message, None);
            }
            _ => {
                let quoted = matches!(&self.tree.node(id).content,
                    Content::Scalar { text, plain: false } if text.bytes().all(|byte| byte.is_ascii_digit()));
                self.mismatch(id, "a number");
                if let (true, Some(last)) = (quoted, self.diagnostics.last_mut()) {
                    last.hint = Some("remove the quotes".into());
                }
            }
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

    /// A mapping with free keys, into `out`, which may hold entries already. False if it is null or no mapping.
    pub(crate) fn map<T: Default>(
        &mut self,
        id: NodeId,
        out: &mut Map<'t, T>,
        read: &mut dyn FnMut(&mut Self, NodeId) -> Option<T>,
    ) -> bool {
        self.mapping(id, |d, id, merged| {
            d.each_key(id, merged, &mut |d, name, key, value| {
                let read = d.under(name, key, |d| read(d, value));
                // Null is an entry with nothing in it, but it does not replace one that is there. A wrong value
                // has its error already; the entry keeps others from missing it.
                if read.is_some() || !out.contains_key(name) {
                    out.insert(name, Entry { key, value: read.unwrap_or_default() });
                }
            });
        })
    }

    /// A mapping with known keys: `set` gets the index of the key in `fields` and the value. Other keys are ignored with
    /// a warning. False if it is null or no mapping.
    pub(crate) fn fields(
        &mut self,
        id: NodeId,
        fields: &'static [&'static str],
        set: &mut dyn FnMut(&mut Self, usize, NodeId),
    ) -> bool {
        let mut done = [false; 8];
        self.mapping(id, |d, id, merged| {
            done = [false; 8];
            d.each_key(id, merged, &mut |d, name, key, value| {
                let Some(index) = fields.iter().position(|field| *field == name) else {
                    d.under(name, key, |d| suggest::unknown_key(d, name, key, fields));
                    return;
                };
                // The first one counts. An alias as a key gets past the check above.
                if let Some(done) = done.get_mut(index)
                    && std::mem::replace(done, true)
                {
                    d.duplicate(key, name);
                    return;
                }
                d.under(name, key, |d| set(d, index, value));
            });
        })
    }

    /// Calls `read` for the mapping and then for each that is merged into it, with the set of names already seen.
    fn mapping(&mut self, id: NodeId, mut read: impl FnMut(&mut Self, NodeId, &mut Seen<'t>)) -> bool {
        let read: &mut OneMapping<'_, 't, 'a> = &mut read;
        self.visit(id, |d, id| {
            if d.is_null(id) {
                return None;
            }
            d.merged(id, &mut None, read)
        })
        .is_some()
    }

    fn merged(&mut self, id: NodeId, seen: &mut Seen<'t>, read: &mut OneMapping<'_, 't, 'a>) -> Option<()> {
        if !matches!(self.tree.node(id).content, Content::Mapping(_)) {
            self.mismatch(id, "a mapping");
            return None;
        }
        self.refuse_duplicates(id);
        read(self, id, seen);
        let tree = self.tree;
        let merge = tree.pairs(id).filter(|&(key, _)| scalar::is_merge(tree.node(key))).last();
        if let Some((key, merge)) = merge {
            if seen.is_none() {
                // Only keys that are text count as seen: a key such as `80` is compared as a number with text, and
                // what is merged replaces it.
                let text = |key: NodeId| scalar::resolve(tree.node(tree.target(key))) == Scalar::Text;
                let names = tree.pairs(id).map(|(key, _)| key).filter(|&key| text(key));
                *seen = Some(names.map(|key| tree.text(tree.target(key))).collect());
                for (key, _) in tree.pairs(id) {
                    self.count(key);
                }
            }
            self.merge(key, merge, seen, read);
        }
        Some(())
    }

    fn merge(&mut self, key: NodeId, merge: NodeId, seen: &mut Seen<'t>, read: &mut OneMapping<'_, 't, 'a>) {
        self.merges += 1;
        if self.merges > MAX_MERGES {
            self.halt(key, format!("more than {MAX_MERGES} merges (`<<`) inside one another"));
        } else {
            let tree = self.tree;
            let sources = match tree.node(merge).content {
                Content::Sequence(_) => tree.children(merge),
                _ => std::slice::from_ref(&merge),
            };
            for &source in sources {
                if matches!(tree.node(tree.target(source)).content, Content::Mapping(_)) {
                    self.visit(source, |d, id| d.merged(id, seen, read));
                } else {
                    let message = "`<<` needs a mapping, or a list of mappings".into();
                    self.error(Kind::Type, key, RULE, message, None);
                }
            }
        }
        self.merges = self.merges.saturating_sub(1);
    }

    /// Calls `each` with every key but `<<`, leaving out null keys and those in `seen`.
    fn each_key(
        &mut self,
        id: NodeId,
        seen: &mut Seen<'t>,
        each: &mut dyn FnMut(&mut Self, &'t str, NodeId, NodeId),
    ) {
        let tree = self.tree;
        for (key, value) in tree.pairs(id) {
            if self.halted {
                return;
            }
            if scalar::is_merge(tree.node(key)) {
                continue;
            }
            let Some(name) = self.string(key) else { continue };
            if let Some(seen) = seen
                && !seen.insert(name)
            {
                continue;
            }
            each(self, name, key, value);
        }
    }

    /// The decoder reads nothing of a mapping with a duplicate; here it is read all the same, for further errors.
    fn refuse_duplicates(&mut self, id: NodeId) {
        let tree = self.tree;
        let identity = |key: NodeId| match &tree.node(key).content {
            Content::Scalar { text, .. } => (0, text.as_ref(), 0),
            Content::Sequence(_) => (1, "", 0),
            Content::Mapping(_) => (2, "", 0),
            Content::Alias(target) => (3, "", *target),
        };
        let keys = tree.pairs(id).map(|(key, _)| key);
        if tree.children(id).len() <= 32 {
            let keys: Vec<_> = keys.map(|key| (identity(key), key)).collect();
            for (index, &(identity, key)) in keys.iter().enumerate() {
                if keys.iter().take(index).any(|&(earlier, _)| earlier == identity) {
                    self.duplicate(key, identity.1);
                }
            }
        } else {
            let mut seen = HashSet::new();
            for key in keys {
                if !seen.insert(identity(key)) {
                    self.duplicate(key, identity(key).1);
                }
            }
        }
    }

    fn duplicate(&mut self, key: NodeId, name: &str) {
        if self.failed.contains(&key) {
            return;
        }
        let message = format!("the key `{}` is there twice", shown(name));
        self.error(Kind::DuplicateKey, key, RULE, message, Some("keep one of them".into()));
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
