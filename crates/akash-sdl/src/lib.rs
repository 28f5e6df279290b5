//! Akash SDL: parse, validate, groups, manifest and hash.
