//! Burn-mint equilibrium: parameters, status and the oracle's price.

use akash_proto::{
    Dec,
    akash::bme::v1::{MintStatus, Params, QueryStatusResponse, State as VaultState},
    cosmos::base::v1beta1::Coin,
};

use super::state::State;

const WARN_BPS: u32 = 9_500;
const HALT_BPS: u32 = 9_000;

/// What the module keeps.
#[derive(Debug, Clone, Default)]
pub struct Bme {
    /// USD for one AKT, as the oracle has it; `None` while the oracle is stale.
    pub price: Option<Dec>,
    /// uakt in the vault.
    pub vault_uakt: u128,
}

/// The module's parameters.
pub fn params() -> Params {
    Params {
        circuit_breaker_warn_threshold: WARN_BPS,
        circuit_breaker_halt_threshold: HALT_BPS,
        min_epoch_blocks: 10,
        epoch_blocks_backoff_percent: 10,
        mint_spread_bps: 25,
        settle_spread_bps: 0,
        max_endblocker_records: 50,
        min_mint: vec![Coin { denom: "uact".to_owned(), amount: "10000000".to_owned() }],
        max_pending_attempts: 3,
    }
}

/// The status query; `None` while the oracle is stale.
pub fn status(state: &State) -> Option<QueryStatusResponse> {
    state.bme.price?;
    let percent = |bps: u32| Dec::from_scaled(i128::from(bps) * 100_000_000_000_000).to_wire();
    Some(QueryStatusResponse {
        status: MintStatus::Healthy.into(),
        collateral_ratio: Dec::from(1).to_wire(),
        warn_threshold: percent(WARN_BPS),
        halt_threshold: percent(HALT_BPS),
        mints_allowed: true,
        refunds_allowed: true,
    })
}

/// The vault query.
pub fn vault(state: &State) -> VaultState {
    let coin = |denom: &str, amount: u128| Coin { denom: denom.to_owned(), amount: amount.to_string() };
    VaultState { balances: vec![coin("uakt", state.bme.vault_uakt)], ..VaultState::default() }
}

/// What the oracle's store says while it holds no price.
pub const NO_PRICE: &str =
    "collections: not found: key 'akt/usd' of type github.com/cosmos/gogoproto/akash.oracle.v2.PriceHealth";

/// The ledger's records, pending and done.
pub fn ledger(_state: &State) -> Vec<akash_proto::akash::bme::v1::QueryLedgerRecordEntry> {
    Vec::new()
}
