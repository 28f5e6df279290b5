//! Reading mappings: free or known keys, duplicates, and `<<`, which fills in what a mapping does not have.

use std::collections::HashSet;

use super::{Decoder, Entry, MAX_MERGES, Map, RULE, shown, unknown_key::unknown_key};
use crate::diagnostic::Kind;
use crate::scalar::{self, Scalar};
use crate::yaml::{Content, NodeId};

/// Names that merging must not set again; `None` before the first merge.
type Seen<'t> = Option<HashSet<&'t str>>;

/// Reads one mapping, without what is merged into it.
type OneMapping<'r, 't, 'a> = dyn FnMut(&mut Decoder<'t, 'a>, NodeId, &mut Seen<'t>) + 'r;

impl<'t, 'a> Decoder<'t, 'a> {
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
                    unknown_key(d, name, (id, key), fields);
                    return;
                };
                // The first one counts. An alias as a key gets past the check above.
                if let Some(done) = done.get_mut(index)
                    && std::mem::replace(done, true)
                {
                    d.duplicate(key, name, None);
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
            self.at_key = true;
            let name = self.string(key);
            self.at_key = false;
            let Some(name) = name else { continue };
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
                let mut before = keys.iter().take(index);
                if let Some(&(_, first)) = before.find(|&&(earlier, _)| earlier == identity) {
                    self.duplicate(key, identity.1, Some(first));
                }
            }
        } else {
            let mut seen = HashSet::new();
            for key in keys {
                if !seen.insert(identity(key)) {
                    self.duplicate(key, identity(key).1, None);
                }
            }
        }
    }

    fn duplicate(&mut self, key: NodeId, name: &'t str, first: Option<NodeId>) {
        if self.failed.contains(&key) {
            return;
        }
        let hint = match first {
            Some(first) => {
                format!("keep one of them; the first is in line {}", self.tree.node(first).span.line)
            }
            None => "keep one of them".into(),
        };
        let hint = Some(hint);
        if self.is_secret() {
            self.error(Kind::DuplicateKey, key, RULE, "a key is there twice".into(), hint);
        } else {
            let message = format!("the key `{}` is there twice", shown(name));
            self.under(name, key, |d| d.error(Kind::DuplicateKey, key, RULE, message, hint));
        }
    }
}
