//! Data sources.

use super::Context;
use crate::diagnostics::Diagnostics;
use crate::schema::Schema;
use crate::values::{Dynamic, from_dynamic, to_dynamic};
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that is only read.
#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// The data source's value. Since it is only read when all is known, plain types and `Option`s will do.
    type Model: Serialize + DeserializeOwned + Send + Sync;

    /// The whole name, such as `akash_bids`.
    fn type_name(&self) -> &'static str;

    /// The attributes.
    fn schema(&self) -> Schema;

    /// Checks the configuration; values may be unknown. Not called while a value is unknown that the model has no
    /// place for. No I/O.
    async fn validate(&self, cx: &Context, config: &Self::Model, diagnostics: &mut Diagnostics) {
        let _ = (cx, config, diagnostics);
    }

    /// Reads. All of `config` is known (Terraform waits with reading until it is). `None` needs an error.
    async fn read(
        &self,
        cx: &Context,
        config: Self::Model,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self::Model>;
}

/// A data source without its Rust types; made by [`data_source`].
#[async_trait]
pub trait DynDataSource: Send + Sync {
    /// The whole name.
    fn type_name(&self) -> &'static str;

    /// The attributes.
    fn schema(&self) -> Schema;

    /// See [`DataSource::validate`].
    async fn validate(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics);

    /// See [`DataSource::read`].
    async fn read(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics) -> Option<Dynamic>;
}

/// A data source for [`Provider::data_sources`](crate::Provider::data_sources).
pub fn data_source<D: DataSource>(source: D) -> Box<dyn DynDataSource> {
    Box::new(Typed(source))
}

struct Typed<D>(D);

#[async_trait]
impl<D: DataSource> DynDataSource for Typed<D> {
    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn schema(&self) -> Schema {
        self.0.schema()
    }

    async fn validate(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics) {
        match from_dynamic(config) {
            Ok(config) => self.0.validate(cx, &config, diagnostics).await,
            // What the schema forbids has been told.
            Err(error) if error.is_unknown() || diagnostics.has_errors() => {}
            Err(error) => diagnostics.value_error(&error),
        }
    }

    async fn read(&self, cx: &Context, config: &Dynamic, diagnostics: &mut Diagnostics) -> Option<Dynamic> {
        let config = from_dynamic(config).map_err(|error| diagnostics.value_error(&error)).ok()?;
        let state = self.0.read(cx, config, diagnostics).await?;
        to_dynamic(&state).map_err(|error| diagnostics.value_error(&error)).ok()
    }
}
