//! Akash SDL: parse, validate, groups, manifest and hash, with diagnostics that say where and what to do.
//!
//! ```
//! let text = akash_sdl::template("web", &Default::default())?;
//! let compilation = akash_sdl::compile(&text);
//! let sdl = compilation.sdl.as_ref().expect("every template is valid");
//! assert_eq!(sdl.groups[0].max_price().map(|price| price.to_string()), Some("10000uact".into()));
//! assert_eq!(sdl.hash_hex().len(), 64);
//!
//! for diagnostic in akash_sdl::compile("version: 2.0\nservice: {}\n").errors() {
//!     eprintln!("{}", akash_sdl::render(diagnostic, "version: 2.0\nservice: {}\n", "deploy.yaml"));
//! }
//! # Ok::<(), akash_sdl::TemplateError>(())
//! ```
//!
//! The verdict is that of the network's own parser: an SDL is accepted here exactly if it is accepted there, and then
//! groups, manifest and hash are the same. The crate does no I/O and works in bounded time and memory.

mod build;
mod canonical;
mod cause;
mod decode;
mod diagnostic;
mod diff;
mod emit;
mod encoding;
mod go_sort;
mod group;
mod lint;
mod manifest;
mod model;
mod names;
mod proto;
mod report;
mod resources;
mod scalar;
mod secret;
mod shape;
mod suggest;
mod template;
mod units;
mod validate;
mod version;
mod yaml;

use std::time::Duration;

pub use akash_proto::Dec;
pub use diagnostic::{Diagnostic, Kind, Severity, Span, render};
pub use diff::{Change, Reason, diff, diff_sdl};
pub use emit::to_yaml;
pub use group::{Group, Price, Requirements, ResourceUnit, SignedBy};
pub use manifest::{
    Credentials, Expose, HttpOptions, Manifest, ManifestGroup, Params, Permissions, Service, StorageParams,
    Tee, common_form,
};
pub use report::report;
pub use resources::{Attribute, Cpu, Endpoint, EndpointKind, Gpu, Memory, Quantity, Resources, Storage};
pub use template::{TEMPLATES, Template, TemplateError, Variable, template};

/// Which rules an SDL is compiled by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `version: 2.0`: each service of a placement has resources of its own.
    V2_0,
    /// `version: 2.1` and above: services of a placement that share a compute profile share one resource unit.
    V2_1,
}

/// A valid SDL, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdl {
    /// Which rules it was compiled by.
    pub version: Version,
    /// Groups as they go on chain, sorted by name: gseq is index + 1.
    pub groups: Vec<Group>,
    /// The manifest, group by group in the same order.
    pub manifest: Manifest,
    /// `reclamation.min_window`: the notice a provider must give before it takes the lease back.
    pub reclamation: Option<Duration>,
    /// The compute profile of each resource unit, in the order of `groups`. For SDL paths in a diff.
    profiles: Vec<Vec<String>>,
}

impl Sdl {
    /// The deployment's hash: SHA-256 of the manifest's canonical JSON.
    pub fn hash(&self) -> [u8; 32] {
        self.manifest.hash()
    }

    /// [`Sdl::hash`] in lower-case hexadecimal.
    pub fn hash_hex(&self) -> String {
        hex::encode(self.hash())
    }

    /// The compute profile that unit `unit` (index) of group `group` (index) came from.
    pub fn profile(&self, group: usize, unit: usize) -> Option<&str> {
        self.profiles.get(group)?.get(unit).map(String::as_str)
    }
}

/// What came out of compiling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compilation {
    /// The SDL; `Some` exactly if the network's parser accepts the text, that is, if there is no error.
    pub sdl: Option<Sdl>,
    /// Errors and warnings in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// The verdict of the chain instead of the network's parser alone: a price in a denomination that the chain refuses
    /// (`Kind::Denom`) becomes an error. `sdl` stays. For whoever is about to deploy.
    #[must_use]
    pub fn for_chain(mut self) -> Self {
        for diagnostic in self.diagnostics.iter_mut().filter(|diagnostic| diagnostic.kind == Kind::Denom) {
            diagnostic.severity = Severity::Error;
        }
        self
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning)
    }
}

/// Source of the rules of YAML.
const RULE: &str = "the network's YAML parser (gopkg.in/yaml.v3)";

/// Compiles SDL text.
pub fn compile(text: &str) -> Compilation {
    compile_source(text, None)
}

fn compile_source(text: &str, fault: Option<yaml::Fault>) -> Compilation {
    match yaml::load(text, fault) {
        Ok(tree) => compile_tree(&tree, text),
        Err(failure) => refused(failure, text),
    }
}

fn compile_tree(tree: &yaml::Tree<'_>, text: &str) -> Compilation {
    let mut decoder = decode::Decoder::new(tree);
    let mut sdl = None;
    if let Some(document) = model::document(&mut decoder)
        && let Some(version) = document.version
    {
        validate::document(&mut decoder, &document, version);
        lint::document(&mut decoder, &document);
        if !decoder.has_errors {
            sdl = Some(build::sdl(&document, version));
        }
    }
    let mut diagnostics = decoder.diagnostics;
    diagnostics.extend(tree.rest.map(|place| second_document(place, text)));
    diagnostics.sort_by_key(|a| (a.span, a.severity));
    // What is merged in several places is read in each.
    diagnostics.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    if !diagnostics.is_empty() {
        let secrets = secret::Secrets::of(tree);
        diagnostics.iter_mut().for_each(|diagnostic| secrets.keep_back(diagnostic));
    }
    Compilation { sdl, diagnostics }
}

/// Compiles SDL bytes: UTF-8, or UTF-16 with a byte order mark, as the network's YAML parser reads them.
pub fn compile_bytes(bytes: &[u8]) -> Compilation {
    match encoding::text(bytes) {
        Ok((text, fault)) => compile_source(&text, fault),
        Err(failure) => refused(failure, ""),
    }
}

fn second_document(place: Span, text: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        kind: Kind::Unused,
        message: "another YAML document begins here, and the network reads the first one only".into(),
        span: Some(place),
        path: String::new(),
        rule: RULE,
        hint: Some("remove it, or make it an SDL of its own".into()),
        secret: !secret::is_public(text, place.line),
    }
}

/// `text` is not YAML.
fn refused(failure: yaml::Failure, text: &str) -> Compilation {
    let yaml::Failure { kind, message, span, hint } = failure;
    let rule = RULE;
    let secret = span.is_some_and(|span| !secret::is_public(text, span.line));
    let error = Diagnostic {
        severity: Severity::Error,
        kind,
        message,
        span,
        path: String::new(),
        rule,
        hint,
        secret,
    };
    Compilation { sdl: None, diagnostics: vec![error] }
}
