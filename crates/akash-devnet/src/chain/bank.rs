//! Coins: who holds what, and moving them with the events of the bank module.

use super::{
    errors::{ChainError, sdk},
    exec::Exec,
    gas,
    state::{Account, State},
};

/// Makes an account if there is none, as the first coins received do.
pub fn ensure_account(state: &mut State, address: &str) {
    if !state.accounts.contains_key(address) {
        let number = state.next_account_number;
        state.next_account_number += 1;
        state.accounts.insert(address.to_owned(), Account { number, sequence: 0, public_key: None });
    }
}

/// Adds coins out of nothing (genesis, minting).
pub fn add(state: &mut State, address: &str, denom: &str, amount: u128) {
    if amount == 0 {
        return;
    }
    let key = (address.to_owned(), denom.to_owned());
    let held = state.balances.get(&key).copied().unwrap_or(0);
    state.balances.insert(key, held.saturating_add(amount));
}

/// What is left of a balance after `amount`.
fn covers(state: &State, address: &str, denom: &str, amount: u128) -> Result<u128, ChainError> {
    let held = state.balance(address, denom);
    held.checked_sub(amount).ok_or_else(|| {
        sdk::INSUFFICIENT_FUNDS
            .wrap(format_args!("spendable balance {held}{denom} is smaller than {amount}{denom}"))
    })
}

/// Takes coins away.
///
/// # Errors
/// `sdk` 5 when there are too few.
pub fn take(state: &mut State, address: &str, denom: &str, amount: u128) -> Result<(), ChainError> {
    let rest = covers(state, address, denom, amount)?;
    let key = (address.to_owned(), denom.to_owned());
    if rest == 0 {
        state.balances.remove(&key);
    } else {
        state.balances.insert(key, rest);
    }
    Ok(())
}

/// Moves coins between two accounts, with gas and the four events of a transfer.
///
/// # Errors
/// `sdk` 5 when there are too few, `sdk` 11 out of gas.
pub fn transfer(exec: &mut Exec, from: &str, to: &str, denom: &str, amount: u128) -> Result<(), ChainError> {
    exec.charge(gas::READ * 2)?;
    covers(&exec.state, from, denom, amount)?;
    exec.charge(gas::TRANSFER - gas::READ * 2)?;
    transfer_free(exec, from, to, denom, amount)
}

/// [`transfer`] without gas: the fee's own movement is part of the ante's price.
///
/// # Errors
/// `sdk` 5 when there are too few.
pub fn transfer_free(
    exec: &mut Exec,
    from: &str,
    to: &str,
    denom: &str,
    amount: u128,
) -> Result<(), ChainError> {
    take(&mut exec.state, from, denom, amount)?;
    ensure_account(&mut exec.state, to);
    add(&mut exec.state, to, denom, amount);
    let amount = format!("{amount}{denom}");
    exec.emit_plain("coin_spent", &[("spender", from), ("amount", &amount)]);
    exec.emit_plain("coin_received", &[("receiver", to), ("amount", &amount)]);
    exec.emit_plain("transfer", &[("recipient", to), ("sender", from), ("amount", &amount)]);
    exec.emit_plain("message", &[("sender", from)]);
    Ok(())
}
