//! The RPCs of data sources.

use super::tell;
use super::values::{bug, read_value, write_value};
use crate::codec::Hints;
use crate::diagnostics::Diagnostics;
use crate::framework::{Context, DynDataSource, plan};
use crate::proto::tfplugin6 as proto;
use crate::schema::{Schema, Type};
use crate::values::Dynamic;

pub(super) struct Source {
    pub(super) source: Box<dyn DynDataSource>,
    pub(super) schema: Schema,
    pub(super) value_type: Type,
}

impl Source {
    pub(super) fn new(source: Box<dyn DynDataSource>) -> Self {
        let schema = source.schema();
        Self { value_type: schema.value_type(), schema, source }
    }
}

/// Checks a configuration.
pub(super) async fn validate(
    source: &Source,
    cx: &Context,
    request: proto::validate_data_resource_config::Request,
) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    match read_value(request.config.as_ref(), &source.value_type, &mut Hints::new()) {
        Ok(config) => {
            plan::check_config(&source.schema, &config, &mut diagnostics);
            source.source.validate(cx, &config, &mut diagnostics).await;
        }
        Err(error) => diagnostics.value_error(&error),
    }
    diagnostics
}

pub(super) async fn read(
    source: &Source,
    cx: &Context,
    request: proto::read_data_source::Request,
) -> proto::read_data_source::Response {
    let mut diagnostics = Diagnostics::new();
    let mut hints = Hints::new();
    let state = match read_value(request.config.as_ref(), &source.value_type, &mut hints) {
        Ok(config) => source.source.read(cx, &config, &mut diagnostics).await,
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    };
    if state.is_none() && !diagnostics.has_errors() {
        diagnostics.error("The provider returned no data", "Reading gave neither a value nor an error.");
    }
    if let Some(path) = state.as_ref().and_then(Dynamic::first_unknown) {
        bug(&path, "the value is still unknown after reading", &mut diagnostics);
    }
    let state = state.and_then(|state| write_value(&state, &source.value_type, &hints, &mut diagnostics));
    proto::read_data_source::Response { state, diagnostics: tell::messages(diagnostics, &source.schema) }
}
