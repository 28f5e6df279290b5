//! Data sources, one file each.

mod bids;

use tfplugin::{DynDataSource, data_source};

use crate::clients::Shared;

/// Every data source.
pub(crate) fn all(shared: &Shared) -> Vec<Box<dyn DynDataSource>> {
    vec![data_source(bids::BidsDataSource::new(shared.clone()))]
}
