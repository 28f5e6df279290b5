//! The provider as a whole.

use super::{Context, DynDataSource, DynResource, Function};
use crate::diagnostics::Diagnostics;
use crate::schema::Schema;
use async_trait::async_trait;
use serde::de::DeserializeOwned;

/// The program at the other end.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// The version of Terraform or OpenTofu, for example `1.11.4`.
    pub terraform_version: String,
}

/// A provider. Resources usually share what `configure` builds through an `Arc` that the provider holds as well.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// The `provider` block, as a struct of [`Value`](crate::Value)s.
    type Config: DeserializeOwned + Send + Sync;

    /// The short name: `akash` of `terraform-provider-akash`.
    fn name(&self) -> &str;

    /// The attributes of the `provider` block; by default there are none.
    fn schema(&self) -> Schema {
        Schema::default()
    }

    /// Checks the block before anything is known of other resources; values may be unknown. No I/O.
    async fn validate(&self, cx: &Context, config: &Self::Config, diagnostics: &mut Diagnostics) {
        let _ = (cx, config, diagnostics);
    }

    /// Takes the configuration; by default there is none. In a plan values may be unknown.
    async fn configure(
        &self,
        cx: &Context,
        config: Self::Config,
        client: ClientInfo,
        diagnostics: &mut Diagnostics,
    ) {
        let _ = (cx, config, client, diagnostics);
    }

    /// The resources. Asked once.
    fn resources(&self) -> Vec<Box<dyn DynResource>>;

    /// The data sources. Asked once.
    fn data_sources(&self) -> Vec<Box<dyn DynDataSource>> {
        Vec::new()
    }

    /// The functions. Asked once.
    fn functions(&self) -> Vec<Box<dyn Function>> {
        Vec::new()
    }
}
