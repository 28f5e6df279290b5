//! What the development commands and the end-to-end suite share: finding the command-line clients that load the
//! provider, and running one of them in a directory of its own. Knows nothing of Akash but the provider's name.

pub mod client;
pub mod workdir;

use std::path::{Path, PathBuf};

/// The repository's root, where the workspace's `Cargo.toml` is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."))
}

/// Where what is built once and kept is stored: `AKASH_CACHE_DIR`, else `.cache` in the repository (git-ignored).
pub fn cache_dir() -> PathBuf {
    std::env::var_os("AKASH_CACHE_DIR").map_or_else(|| root().join(".cache"), PathBuf::from)
}
