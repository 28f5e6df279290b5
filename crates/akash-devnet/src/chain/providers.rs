//! Providers: the messages of `akash.provider.v1beta4`.

use akash_proto::akash::provider::v1beta4::{
    MsgCreateProvider, MsgCreateProviderResponse, MsgUpdateProvider, MsgUpdateProviderResponse, Provider,
};

use super::{
    errors::{ChainError, provider as errors},
    exec::Exec,
    gas,
};
use crate::wallet::is_address;

/// Checks without state of both messages.
///
/// # Errors
/// `provider` 5 bad owner, 2 a host URI that is not absolute, 1 one with a path or without a host.
pub fn validate(owner: &str, host_uri: &str) -> Result<(), ChainError> {
    if !is_address(owner) {
        return Err(errors::INVALID_ADDRESS.plain());
    }
    let uri: http::Uri = host_uri.parse().map_err(|_| errors::INVALID_URI.plain())?;
    if uri.scheme().is_none() {
        return Err(errors::NOT_ABSOLUTE_URI.plain());
    }
    if uri.host().is_none_or(str::is_empty) || !matches!(uri.path(), "" | "/") {
        return Err(errors::INVALID_URI.plain());
    }
    Ok(())
}

/// `MsgCreateProvider`.
///
/// # Errors
/// `provider` 4.
pub fn create(exec: &mut Exec, message: MsgCreateProvider) -> Result<MsgCreateProviderResponse, ChainError> {
    exec.charge(gas::PROVIDER)?;
    if exec.state.providers.contains_key(&message.owner) {
        return Err(errors::EXISTS.plain());
    }
    let MsgCreateProvider { owner, host_uri, attributes, info } = message;
    exec.state.providers.insert(owner.clone(), Provider { owner, host_uri, attributes, info });
    Ok(MsgCreateProviderResponse {})
}

/// `MsgUpdateProvider`.
///
/// # Errors
/// `provider` 3.
pub fn update(exec: &mut Exec, message: MsgUpdateProvider) -> Result<MsgUpdateProviderResponse, ChainError> {
    exec.charge(gas::PROVIDER)?;
    if !exec.state.providers.contains_key(&message.owner) {
        return Err(errors::NOT_FOUND.plain());
    }
    let MsgUpdateProvider { owner, host_uri, attributes, info } = message;
    exec.state.providers.insert(owner.clone(), Provider { owner, host_uri, attributes, info });
    Ok(MsgUpdateProviderResponse {})
}
