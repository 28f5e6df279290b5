//! The `manifest` attribute: what the deployment hands to its leases. JSON text of the manifest's groups with the
//! placeholders kept, and `secrets_version`, so that a new version alone plans the leases too.

use akash_sdl::Manifest;
use serde::{Deserialize, Serialize};

/// The attribute, read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestAttribute {
    /// The manifest.
    pub(crate) groups: Manifest,
    /// The version of the secrets that fill it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secrets_version: Option<String>,
}

impl ManifestAttribute {
    /// The attribute of a manifest without secrets.
    pub(crate) fn new(groups: Manifest) -> Self {
        Self { groups, secrets_version: None }
    }

    /// The attribute's text. Fields stand in a fixed order, so equal manifests have equal texts.
    pub(crate) fn text(&self) -> String {
        // Maps with string keys and no other fallible types: writing to a string does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the attribute. The error does not quote the text, which may hold what users keep secret.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            format!(
                "this is not the `manifest` of an akash_deployment (line {}, column {}); set it to \
                 `akash_deployment.NAME.manifest`",
                error.line(),
                error.column()
            )
        })
    }
}

impl std::fmt::Debug for ManifestAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManifestAttribute").finish_non_exhaustive()
    }
}
