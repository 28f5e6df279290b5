//! Burn-mint equilibrium: AKT into ACT and back, queued by messages and carried out at epochs.
//!
//! A message only moves the coins to the module and queues a record; every `min_epoch_blocks` the records are
//! executed, or cancelled and refunded. The oracle is a price that the operator sets.

#![allow(clippy::needless_pass_by_value, reason = "the handlers of a message table have one shape")]

use akash_proto::{
    Dec,
    akash::bme::v1::{
        CoinPrice, EventLedgerRecordCanceled, EventLedgerRecordExecuted, LedgerCanceledRecord,
        LedgerPendingRecord, LedgerRecord, LedgerRecordId, LedgerRecordStatus, MintStatus, MsgBurnAct,
        MsgBurnActResponse, MsgBurnMint, MsgBurnMintResponse, MsgMintAct, MsgMintActResponse, Params,
        QueryLedgerRecordEntry, QueryStatusResponse, State as VaultState,
        ledger_canceled_record::BmCancelReason, query_ledger_record_entry::Record,
    },
    cosmos::base::v1beta1::Coin,
};
use imbl::OrdMap;

use super::{
    bank,
    errors::{ChainError, bme as errors, oracle},
    events::ChainEvent,
    exec::Exec,
    gas,
    state::State,
};
use crate::wallet::{is_address, module_address};

const AKT: &str = "uakt";
const ACT: &str = "uact";
const MODULE: &str = "bme";
const WARN_BPS: u32 = 9_500;
const HALT_BPS: u32 = 9_000;
const BPS: u128 = 10_000;
const MINT_SPREAD_BPS: u128 = 25;
const MIN_MINT: u128 = 10_000_000;
const EPOCH_BLOCKS: u64 = 10;
const MAX_RECORDS: usize = 50;
const ONE: i128 = 1_000_000_000_000_000_000;

/// What the oracle's store says while it holds no price.
pub const NO_PRICE: &str =
    "collections: not found: key 'akt/usd' of type github.com/cosmos/gogoproto/akash.oracle.v2.PriceHealth";

/// What the module keeps.
#[derive(Debug, Clone, Default)]
pub struct Bme {
    /// USD for one AKT, as the oracle has it; `None` while the oracle is stale.
    pub price: Option<Dec>,
    /// The height of the next epoch; epochs are counted from when there is a price.
    next_epoch: u64,
    /// Records by height and place within it.
    records: OrdMap<(u64, u64), QueryLedgerRecordEntry>,
    burned_act: u128,
    burned_akt: u128,
    minted_act: u128,
    minted_akt: u128,
    /// uakt taken in for ACT that was minted: given back for burnt ACT before anything new is minted.
    credits: u128,
}

/// The account that holds the vault.
pub fn vault_address() -> String {
    module_address(MODULE)
}

/// Sets the oracle's price. The first one starts the epochs.
pub fn set_price(state: &mut State, price: Option<Dec>) {
    if state.bme.price.is_none() && price.is_some() {
        state.bme.next_epoch = state.height + EPOCH_BLOCKS;
    }
    state.bme.price = price;
}

/// Sets the next epoch so many blocks from now.
pub fn set_epoch(state: &mut State, in_blocks: u64) {
    state.bme.next_epoch = state.height.saturating_add(in_blocks);
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
        min_mint: vec![coin(ACT, MIN_MINT)],
        max_pending_attempts: 3,
    }
}

fn coin(denom: &str, amount: u128) -> Coin {
    Coin { denom: denom.to_owned(), amount: amount.to_string() }
}

fn parts(coins: Option<&Coin>) -> (&str, u128) {
    coins.map_or(("", 0), |coins| (coins.denom.as_str(), coins.amount.parse().unwrap_or(0)))
}

/// Value of the vault in USD for each uact there is; with none, for one.
fn collateral_ratio(state: &State, price: Dec) -> Dec {
    let pending: u128 = pending(state)
        .filter_map(|(_, entry)| match &entry.record {
            Some(Record::PendingRecord(record)) => Some(parts(record.coins_to_burn.as_ref())),
            _ => None,
        })
        .filter(|(denom, _)| *denom == AKT)
        .map(|(_, amount)| amount)
        .sum();
    let vault = state.balance(&vault_address(), AKT).saturating_sub(pending);
    let supply: u128 =
        state.balances.iter().filter(|((_, denom), _)| denom == ACT).map(|(_, amount)| amount).sum();
    let value = price.checked_mul(vault).unwrap_or(Dec::from_scaled(i128::MAX));
    Dec::from_scaled(value.scaled() / i128::try_from(supply.max(1)).unwrap_or(i128::MAX))
}

fn threshold(bps: u32) -> Dec {
    Dec::from_scaled(i128::from(bps) * ONE / 10_000)
}

fn mint_status(ratio: Dec) -> MintStatus {
    if ratio < threshold(HALT_BPS) {
        MintStatus::HaltCr
    } else if ratio < threshold(WARN_BPS) {
        MintStatus::Warning
    } else {
        MintStatus::Healthy
    }
}

/// The status query; `None` while the oracle is stale.
pub fn status(state: &State) -> Option<QueryStatusResponse> {
    let ratio = collateral_ratio(state, state.bme.price?);
    let status = mint_status(ratio);
    Some(QueryStatusResponse {
        status: status.into(),
        collateral_ratio: ratio.to_wire(),
        warn_threshold: threshold(WARN_BPS).to_wire(),
        halt_threshold: threshold(HALT_BPS).to_wire(),
        mints_allowed: i32::from(status) < i32::from(MintStatus::HaltCr),
        refunds_allowed: i32::from(status) < i32::from(MintStatus::HaltOracle),
    })
}

/// The vault query.
pub fn vault(state: &State) -> VaultState {
    let bme = &state.bme;
    let held =
        [(ACT, bme.minted_act.saturating_sub(bme.burned_act)), (AKT, state.balance(&vault_address(), AKT))];
    VaultState {
        balances: held
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(denom, amount)| coin(denom, amount))
            .collect(),
        total_burned: vec![coin(ACT, bme.burned_act), coin(AKT, bme.burned_akt)],
        total_minted: vec![coin(ACT, bme.minted_act), coin(AKT, bme.minted_akt)],
        remint_credits: vec![coin(AKT, bme.credits)],
    }
}

/// The ledger's records, pending and done.
pub fn ledger(state: &State) -> Vec<QueryLedgerRecordEntry> {
    state.bme.records.values().cloned().collect()
}

fn pending(state: &State) -> impl Iterator<Item = (&(u64, u64), &QueryLedgerRecordEntry)> {
    state.bme.records.iter().filter(|(_, entry)| entry.status() == LedgerRecordStatus::Pending)
}

/// Checks of all three messages that need no state.
///
/// # Errors
/// `bme` 10 addresses, 3 to another account, 8 nothing.
pub fn validate(owner: &str, to: &str, coins: Option<&Coin>) -> Result<(), ChainError> {
    if !is_address(owner) || !is_address(to) {
        return Err(errors::INVALID_ADDRESS.plain());
    }
    if owner != to {
        return Err(errors::UNAUTHORIZED.wrap("owner and to addresses must match"));
    }
    if parts(coins).1 == 0 {
        return Err(errors::INVALID_AMOUNT.wrap("amount must not be 0"));
    }
    Ok(())
}

/// `MsgMintACT`: queues AKT to become ACT.
///
/// # Errors
/// `bme` 9, 6; `oracle.v2` 4; `sdk` 5.
pub fn mint_act(exec: &mut Exec, message: MsgMintAct) -> Result<MsgMintActResponse, ChainError> {
    let id = queue(exec, &message.owner, message.coins_to_burn.as_ref(), ACT)?;
    Ok(MsgMintActResponse { id: Some(id), status: 0 })
}

/// `MsgBurnACT`: queues ACT to become AKT.
///
/// # Errors
/// `bme` 9; `oracle.v2` 4; `sdk` 5.
pub fn burn_act(exec: &mut Exec, message: MsgBurnAct) -> Result<MsgBurnActResponse, ChainError> {
    let id = queue(exec, &message.owner, message.coins_to_burn.as_ref(), AKT)?;
    Ok(MsgBurnActResponse { id: Some(id), status: 0 })
}

/// `MsgBurnMint`: either way.
///
/// # Errors
/// As the other two.
pub fn burn_mint(exec: &mut Exec, message: MsgBurnMint) -> Result<MsgBurnMintResponse, ChainError> {
    let id = queue(exec, &message.owner, message.coins_to_burn.as_ref(), &message.denom_to_mint)?;
    Ok(MsgBurnMintResponse { id: Some(id), status: 0 })
}

fn queue(
    exec: &mut Exec,
    owner: &str,
    coins: Option<&Coin>,
    to_denom: &str,
) -> Result<LedgerRecordId, ChainError> {
    exec.charge(gas::READ)?;
    let (denom, amount) = parts(coins);
    if !matches!((denom, to_denom), (AKT, ACT) | (ACT, AKT)) {
        return Err(errors::INVALID_DENOM.wrap(format_args!("invalid swap route {denom} -> {to_denom}")));
    }
    exec.charge(gas::LEDGER)?;
    let price = exec.state.bme.price.ok_or_else(|| oracle::PRICE_STALLED.wrap(NO_PRICE))?;
    if to_denom == ACT && mint_status(collateral_ratio(&exec.state, price)) == MintStatus::HaltCr {
        return Err(errors::CIRCUIT_BREAKER.plain());
    }
    bank::transfer(exec, owner, &vault_address(), denom, amount)?;
    let height = exec.state.height;
    let sequence = exec.state.bme.records.range((height, 0)..=(height, u64::MAX)).count();
    let sequence = u64::try_from(sequence).unwrap_or(0) + 1;
    let id = LedgerRecordId {
        denom: denom.to_owned(),
        to_denom: to_denom.to_owned(),
        source: owner.to_owned(),
        height: exec.state.signed_height(),
        sequence: i64::try_from(sequence).unwrap_or(i64::MAX),
    };
    let record = LedgerPendingRecord {
        owner: owner.to_owned(),
        to: owner.to_owned(),
        coins_to_burn: coins.cloned(),
        denom_to_mint: to_denom.to_owned(),
        attempts: 0,
    };
    let entry = QueryLedgerRecordEntry {
        id: Some(id.clone()),
        status: LedgerRecordStatus::Pending.into(),
        record: Some(Record::PendingRecord(record)),
    };
    exec.state.bme.records.insert((height, sequence), entry);
    Ok(id)
}

/// Carries out what is queued when an epoch is due and there is a price.
pub fn end_block(state: &mut State) -> Vec<ChainEvent> {
    let mut events = Vec::new();
    let Some(price) = state.bme.price.filter(|_| state.height >= state.bme.next_epoch) else { return events };
    state.bme.next_epoch = state.height + EPOCH_BLOCKS;
    let due: Vec<_> = pending(state).take(MAX_RECORDS).map(|(key, entry)| (*key, entry.clone())).collect();
    for (key, entry) in due {
        let Some(Record::PendingRecord(record)) = entry.record else { continue };
        let id = entry.id;
        let outcome = if record.denom_to_mint == ACT {
            mint(state, &record, price)
        } else {
            burn(state, &record, price)
        };
        let (status, record) = match outcome {
            Ok(executed) => {
                events
                    .push(ChainEvent::LedgerRecordExecuted(Box::new(executed_event(id.clone(), &executed))));
                (LedgerRecordStatus::Executed, Record::ExecutedRecord(executed))
            }
            Err(reason) => {
                let canceled = cancel(state, record, reason);
                events
                    .push(ChainEvent::LedgerRecordCanceled(Box::new(canceled_event(id.clone(), &canceled))));
                (LedgerRecordStatus::Canceled, Record::CanceledRecord(canceled))
            }
        };
        let entry = QueryLedgerRecordEntry { id, status: status.into(), record: Some(record) };
        state.bme.records.insert(key, entry);
    }
    events
}

fn priced(denom: &str, amount: u128, price: Dec) -> Option<CoinPrice> {
    Some(CoinPrice { coin: Some(coin(denom, amount)), price: price.to_wire() })
}

fn executed(record: &LedgerPendingRecord) -> LedgerRecord {
    LedgerRecord {
        burned_from: record.owner.clone(),
        minted_to: record.to.clone(),
        burner: MODULE.to_owned(),
        minter: MODULE.to_owned(),
        ..LedgerRecord::default()
    }
}

/// AKT into ACT at the price, less the spread, which stays in the vault.
fn mint(state: &mut State, record: &LedgerPendingRecord, price: Dec) -> Result<LedgerRecord, BmCancelReason> {
    let (_, burnt) = parts(record.coins_to_burn.as_ref());
    let minted = price.checked_mul(burnt).and_then(|value| u128::try_from(value.trunc()).ok());
    let minted = minted.ok_or(BmCancelReason::InvalidAmount)?;
    if minted == 0 {
        return Err(BmCancelReason::Epsilon);
    }
    if minted < MIN_MINT {
        return Err(BmCancelReason::MinimumMint);
    }
    let spread = minted * MINT_SPREAD_BPS / BPS;
    bank::ensure_account(state, &record.to);
    bank::add(state, &record.to, ACT, minted - spread);
    bank::add(state, &vault_address(), ACT, spread);
    state.bme.minted_act += minted;
    state.bme.credits += burnt;
    Ok(LedgerRecord {
        minted: priced(ACT, minted, Dec::from(1)),
        spread: Some(coin(ACT, spread)),
        remint_credit_accrued: priced(AKT, burnt, price),
        ..executed(record)
    })
}

/// ACT into AKT at the price: out of the credits first, then newly minted.
fn burn(state: &mut State, record: &LedgerPendingRecord, price: Dec) -> Result<LedgerRecord, BmCancelReason> {
    let (_, burnt) = parts(record.coins_to_burn.as_ref());
    if price <= Dec::ZERO {
        return Err(BmCancelReason::ZeroPrice);
    }
    let scaled = i128::try_from(burnt)
        .ok()
        .and_then(|burnt| burnt.checked_mul(ONE))
        .ok_or(BmCancelReason::InvalidAmount)?;
    let amount = u128::try_from(scaled / price.scaled()).unwrap_or(0);
    if amount == 0 {
        return Err(BmCancelReason::Epsilon);
    }
    let vault = vault_address();
    bank::take(state, &vault, ACT, burnt).map_err(|_| BmCancelReason::BurnFailed)?;
    let issued = amount.min(state.bme.credits).min(state.balance(&vault, AKT));
    bank::take(state, &vault, AKT, issued).map_err(|_| BmCancelReason::InsufficientFunds)?;
    bank::add(state, &record.to, AKT, amount);
    state.bme.credits -= issued;
    state.bme.burned_act += burnt;
    state.bme.minted_akt += amount - issued;
    let some = |amount: u128| if amount > 0 { priced(AKT, amount, price) } else { None };
    Ok(LedgerRecord {
        burned: priced(ACT, burnt, Dec::from(1)),
        minted: some(amount - issued),
        spread: Some(coin(AKT, 0)),
        remint_credit_issued: some(issued),
        ..executed(record)
    })
}

/// Refunds what was to be burnt.
fn cancel(state: &mut State, record: LedgerPendingRecord, reason: BmCancelReason) -> LedgerCanceledRecord {
    let (denom, amount) = parts(record.coins_to_burn.as_ref());
    if bank::take(state, &vault_address(), denom, amount).is_ok() {
        bank::add(state, &record.owner, denom, amount);
    }
    LedgerCanceledRecord {
        owner: record.owner,
        cancel_reason: reason.into(),
        to: record.to,
        coins_to_burn: record.coins_to_burn,
        denom_to_mint: record.denom_to_mint,
    }
}

fn executed_event(id: Option<LedgerRecordId>, record: &LedgerRecord) -> EventLedgerRecordExecuted {
    let record = record.clone();
    EventLedgerRecordExecuted {
        id,
        burned_from: record.burned_from,
        minted_to: record.minted_to,
        burner: record.burner,
        minter: record.minter,
        burned: record.burned,
        minted: record.minted,
        spread: record.spread,
        remint_credit_issued: record.remint_credit_issued,
        remint_credit_accrued: record.remint_credit_accrued,
    }
}

fn canceled_event(id: Option<LedgerRecordId>, record: &LedgerCanceledRecord) -> EventLedgerRecordCanceled {
    let record = record.clone();
    EventLedgerRecordCanceled {
        id,
        cancel_reason: record.cancel_reason,
        owner: record.owner,
        to: record.to,
        coins_to_burn: record.coins_to_burn,
        denom_to_mint: record.denom_to_mint,
    }
}
