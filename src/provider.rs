//! The provider as Terraform sees it: its configuration, its resources, data sources and functions.

use std::sync::Arc;

use tfplugin::{
    ClientInfo, Context, Diagnostics, DynDataSource, DynResource, Function, Model, Provider, Schema,
    async_trait,
};

use crate::clients::{Shared, State, connect};
use crate::config::{self, ProviderConfig};
use crate::lifecycle::earlier;
use crate::{data_sources, functions, resources};

/// `provider "akash"`, not configured yet: what the plugin serves, and what tests drive in their own process.
#[derive(Debug, Default)]
pub struct AkashProvider {
    shared: Shared,
}

#[async_trait]
impl Provider for AkashProvider {
    type Config = ProviderConfig;

    fn name(&self) -> &str {
        "akash"
    }

    fn schema(&self) -> Schema {
        <ProviderConfig as Model>::schema()
    }

    async fn validate(&self, _: &Context, config: &ProviderConfig, diagnostics: &mut Diagnostics) {
        config::validate(config, diagnostics);
    }

    async fn configure(
        &self,
        cx: &Context,
        config: ProviderConfig,
        client: ClientInfo,
        diagnostics: &mut Diagnostics,
    ) {
        if let Some(argument) = config.unknown() {
            tracing::info!(argument, "configuration is not known yet");
            self.shared.set(State::Unknown(argument));
            return;
        }
        let Some(settings) = config.resolve(&config::process_environment, diagnostics) else { return };
        if let Some(clients) = connect(cx, settings, &client, diagnostics).await {
            earlier::warn(&clients, diagnostics).await;
            self.shared.set(State::Ready(Arc::new(clients)));
        }
    }

    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        resources::all(&self.shared)
    }

    fn data_sources(&self) -> Vec<Box<dyn DynDataSource>> {
        data_sources::all(&self.shared)
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        functions::all()
    }
}
