//! The tokens of YAML.

use std::borrow::Cow;

use super::reader::Mark;

/// What a token is.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    StreamEnd,
    /// `%YAML 1.1`.
    Version {
        major: u8,
        minor: u8,
    },
    /// `%TAG !handle! prefix`.
    TagHandle {
        handle: &'a str,
        prefix: Cow<'a, str>,
    },
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    /// A list or mapping of block style begins: its first item or key stands further right than what is around it.
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    /// `[`, `]`, `{`, `}`
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    /// `-`
    BlockEntry,
    /// `,`
    FlowEntry,
    /// `?`, or before what turns out to be a key.
    Key,
    /// `:`
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag {
        handle: &'a str,
        suffix: Cow<'a, str>,
    },
    /// `plain`: neither quoted nor a block.
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
}

/// One token.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: Mark,
    pub(super) end: Mark,
}
