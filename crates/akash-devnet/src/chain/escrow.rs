//! Escrow: accounts that hold deposits, payments that drain them by the block, settled lazily.
//!
//! Nothing happens in blocks: an account is settled when something touches it. This file must not know deployments
//! or leases; who closes an account closes them.

use akash_proto::{
    Dec,
    akash::{
        base::deposit::v1::{Deposit, Source},
        escrow::{
            types::v1::{AccountState, Balance, Depositor, PaymentState, State as EscrowState},
            v1::{MsgAccountDeposit, MsgAccountDepositResponse},
        },
    },
    cosmos::base::v1beta1::{Coin, DecCoin},
};

use super::{
    bank,
    errors::{ChainError, akash, escrow, sdk},
    exec::Exec,
    gas,
    state::EscrowKey,
};
use crate::wallet::{is_address, module_address};

/// Part of a deposit that was found: whose coins, from where.
#[derive(Debug, Clone)]
pub struct Funding {
    owner: String,
    source: Source,
    denom: String,
    amount: u128,
}

/// Whether a settled account has run dry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Everything due is paid.
    Funded,
    /// There was less than was due: account and payments are overdrawn now.
    Overdrawn,
}

/// Checks of a deposit that need no state: a coin above nothing, known sources, none twice.
///
/// # Errors
/// `sdk` 10 for the coin, `akash` 4 for the sources.
pub fn validate_deposit(deposit: Option<&Deposit>) -> Result<(&str, u128), ChainError> {
    let deposit = deposit.ok_or_else(|| sdk::INVALID_COINS.plain())?;
    let amount = deposit.amount.as_ref().ok_or_else(|| sdk::INVALID_COINS.plain())?;
    let value: u128 = amount
        .amount
        .parse()
        .map_err(|_| sdk::INVALID_COINS.wrap(format_args!("{}{}", amount.amount, amount.denom)))?;
    if deposit.sources.is_empty() {
        return Err(akash::INVALID_DEPOSIT_SOURCE.wrap("empty deposit sources"));
    }
    for (index, source) in deposit.sources.iter().enumerate() {
        let known = matches!(Source::try_from(*source), Ok(Source::Balance | Source::Grant));
        if !known || deposit.sources.iter().take(index).any(|earlier| earlier == source) {
            return Err(akash::INVALID_DEPOSIT_SOURCE.plain());
        }
    }
    Ok((&amount.denom, value))
}

/// Finds the coins of a deposit in its sources, in their order, each giving what it can.
///
/// # Errors
/// `undefined` 1, `deposit invalid: insufficient balance`, when they do not suffice.
pub fn authorize(exec: &Exec, signer: &str, deposit: &Deposit) -> Result<Vec<Funding>, ChainError> {
    let (denom, mut rest) = validate_deposit(Some(deposit))?;
    let mut fundings = Vec::new();
    let mut fund = |owner: &str, source: Source, available: u128, rest: &mut u128| {
        let amount = available.min(*rest);
        if amount > 0 {
            fundings.push(Funding { owner: owner.to_owned(), source, denom: denom.to_owned(), amount });
            *rest -= amount;
        }
    };
    for source in deposit.sources() {
        match source {
            Source::Balance => fund(signer, source, exec.state.balance(signer, denom), &mut rest),
            Source::Grant => {
                for (granter, limit) in exec.state.grants.depositors(signer, denom) {
                    fund(&granter, source, limit.min(exec.state.balance(&granter, denom)), &mut rest);
                }
            }
            Source::Invalid => {}
        }
    }
    if rest > 0 {
        return Err(ChainError::undefined("deposit invalid: insufficient balance"));
    }
    Ok(fundings)
}

/// Opens an account with its first deposit.
///
/// # Errors
/// `escrow` 1 when there is one, `sdk` 5 and 11.
pub fn open(
    exec: &mut Exec,
    key: &EscrowKey,
    owner: &str,
    denom: &str,
    fundings: &[Funding],
) -> Result<(), ChainError> {
    if exec.state.escrow_accounts.contains_key(key) {
        return Err(escrow::ACCOUNT_EXISTS.plain());
    }
    let account = AccountState {
        owner: owner.to_owned(),
        state: EscrowState::Open.into(),
        transferred: vec![dec_coin(denom, Dec::ZERO)],
        settled_at: exec.state.signed_height(),
        funds: vec![Balance { denom: denom.to_owned(), amount: Dec::ZERO.to_wire() }],
        deposits: Vec::new(),
    };
    exec.state.escrow_accounts.insert(key.clone(), account);
    fund(exec, key, owner, fundings)
}

/// Moves authorized coins into an account.
fn fund(exec: &mut Exec, key: &EscrowKey, grantee: &str, fundings: &[Funding]) -> Result<(), ChainError> {
    let height = exec.state.signed_height();
    let module = module_address("escrow");
    for Funding { owner, source, denom, amount } in fundings {
        bank::transfer(exec, owner, &module, denom, *amount)?;
        if *source == Source::Grant {
            let limit = exec
                .state
                .grants
                .depositors(grantee, denom)
                .into_iter()
                .find(|(granter, _)| granter == owner);
            let rest = limit.map_or(0, |(_, limit)| limit.saturating_sub(*amount));
            exec.state.grants.set_deposit_limit(grantee, owner, denom, rest);
        }
        let Some(account) = exec.state.escrow_accounts.get_mut(key) else {
            return Err(escrow::ACCOUNT_NOT_FOUND.plain());
        };
        account.deposits.push(Depositor {
            owner: owner.clone(),
            height,
            source: (*source).into(),
            balance: Some(dec_coin(denom, whole(*amount))),
        });
        match account.funds.iter_mut().find(|balance| balance.denom == *denom) {
            Some(balance) => balance.amount = (dec(&balance.amount) + whole(*amount)).to_wire(),
            None => {
                account.funds.push(Balance { denom: denom.clone(), amount: whole(*amount).to_wire() });
                account.transferred.push(dec_coin(denom, Dec::ZERO));
            }
        }
    }
    Ok(())
}

/// Adds a payment of `rate` a block to an open account, which is settled first.
///
/// # Errors
/// `escrow` 3, 2, 4, 9, 5, 6.
pub fn open_payment(
    exec: &mut Exec,
    key: &EscrowKey,
    xid: &str,
    owner: &str,
    rate: &DecCoin,
) -> Result<(), ChainError> {
    if settle(exec, key)? == Settled::Overdrawn {
        return Err(escrow::ACCOUNT_OVERDRAWN.plain());
    }
    if dec(&rate.amount) <= Dec::ZERO {
        return Err(escrow::PAYMENT_RATE_ZERO.plain());
    }
    let account = exec.state.escrow_accounts.get(key).ok_or_else(|| escrow::ACCOUNT_NOT_FOUND.plain())?;
    if !account.funds.iter().any(|balance| balance.denom == rate.denom) {
        return Err(escrow::INVALID_DENOMINATION.plain());
    }
    let payment_key = (key.clone(), xid.to_owned());
    if exec.state.escrow_payments.contains_key(&payment_key) {
        return Err(escrow::PAYMENT_EXISTS.plain());
    }
    let payment = PaymentState {
        owner: owner.to_owned(),
        state: EscrowState::Open.into(),
        rate: Some(rate.clone()),
        balance: Some(dec_coin(&rate.denom, Dec::ZERO)),
        unsettled: Some(dec_coin(&rate.denom, Dec::ZERO)),
        withdrawn: Some(Coin { denom: rate.denom.clone(), amount: "0".to_owned() }),
    };
    exec.state.escrow_payments.insert(payment_key, payment);
    Ok(())
}

/// Pays what is due since the account was last settled: to each open payment the whole part of rate × blocks, out of
/// the deposits in their order.
///
/// # Errors
/// `escrow` 3 unknown account, 2 closed.
pub fn settle(exec: &mut Exec, key: &EscrowKey) -> Result<Settled, ChainError> {
    exec.charge(gas::SETTLE)?;
    let height = exec.state.signed_height();
    let mut account =
        exec.state.escrow_accounts.get(key).cloned().ok_or_else(|| escrow::ACCOUNT_NOT_FOUND.plain())?;
    match account.state() {
        EscrowState::Open => {}
        EscrowState::Overdrawn => return Ok(Settled::Overdrawn),
        _ => return Err(escrow::ACCOUNT_CLOSED.plain()),
    }
    let blocks = u128::try_from(height.saturating_sub(account.settled_at)).unwrap_or(0);
    account.settled_at = height;
    let mut settled = Settled::Funded;
    if blocks > 0 {
        for (payment_key, mut payment) in payments(exec, key, EscrowState::Open) {
            let Some(rate) = payment.rate.clone() else { continue };
            let due = dec(&rate.amount)
                .checked_mul(blocks)
                .map_or(0, |due| u128::try_from(due.trunc()).unwrap_or(0));
            let paid = draw(&mut account, &rate.denom, due);
            payment.balance = Some(add_dec(payment.balance.as_ref(), &rate.denom, paid));
            if paid < due {
                payment.unsettled = Some(add_dec(payment.unsettled.as_ref(), &rate.denom, due - paid));
                settled = Settled::Overdrawn;
            }
            exec.state.escrow_payments.insert(payment_key, payment);
        }
    }
    if settled == Settled::Overdrawn {
        account.state = EscrowState::Overdrawn.into();
        for (payment_key, mut payment) in payments(exec, key, EscrowState::Open) {
            payment.state = EscrowState::Overdrawn.into();
            exec.state.escrow_payments.insert(payment_key, payment);
        }
    }
    exec.state.escrow_accounts.insert(key.clone(), account);
    Ok(settled)
}

/// Settles and closes an account: payments are paid out, what is left goes back to its depositors.
///
/// # Errors
/// `escrow` 3 unknown account, 2 closed.
pub fn close(exec: &mut Exec, key: &EscrowKey) -> Result<Settled, ChainError> {
    let settled = settle(exec, key)?;
    if settled == Settled::Funded {
        refund(exec, key)?;
        for ((_, xid), _) in payments(exec, key, EscrowState::Open) {
            finish_payment(exec, key, &xid, EscrowState::Closed)?;
        }
    } else {
        for ((_, xid), _) in payments(exec, key, EscrowState::Overdrawn) {
            withdraw(exec, key, &xid)?;
        }
    }
    Ok(settled)
}

/// Settles the account and closes one of its payments, paying it out. An overdrawn account overdraws it instead.
///
/// # Errors
/// `escrow` 3, 2, 8 unknown payment, 7 closed payment.
pub fn close_payment(exec: &mut Exec, key: &EscrowKey, xid: &str) -> Result<Settled, ChainError> {
    let payment_key = (key.clone(), xid.to_owned());
    let payment =
        exec.state.escrow_payments.get(&payment_key).ok_or_else(|| escrow::PAYMENT_NOT_FOUND.plain())?;
    if payment.state() != EscrowState::Open {
        return Err(escrow::PAYMENT_CLOSED.plain());
    }
    let settled = settle(exec, key)?;
    if settled == Settled::Funded {
        finish_payment(exec, key, xid, EscrowState::Closed)?;
    }
    Ok(settled)
}

/// Settles the account and pays out what one payment has collected.
///
/// # Errors
/// As [`close_payment`].
pub fn withdraw_payment(exec: &mut Exec, key: &EscrowKey, xid: &str) -> Result<Settled, ChainError> {
    let payment_key = (key.clone(), xid.to_owned());
    let payment =
        exec.state.escrow_payments.get(&payment_key).ok_or_else(|| escrow::PAYMENT_NOT_FOUND.plain())?;
    if payment.state() != EscrowState::Open {
        return Err(escrow::PAYMENT_CLOSED.plain());
    }
    let settled = settle(exec, key)?;
    withdraw(exec, key, xid)?;
    Ok(settled)
}

/// `MsgAccountDeposit`: checks without state.
///
/// # Errors
/// `sdk` 7 bad signer, `escrow` 12 bad id, 16 nothing, `akash` 4.
pub fn validate_account_deposit(message: &MsgAccountDeposit) -> Result<(), ChainError> {
    if !is_address(&message.signer) {
        return Err(sdk::INVALID_ADDRESS.wrap("invalid signer"));
    }
    let parts = message.id.as_ref().map_or(0, |id| id.xid.split('/').count());
    let expected = message.id.as_ref().map_or(0, |id| if id.scope == 1 { 2 } else { 5 });
    if message.id.as_ref().is_none_or(|id| !(1..=2).contains(&id.scope)) || parts != expected {
        return Err(escrow::INVALID_ID.plain());
    }
    let (_, amount) = validate_deposit(message.deposit.as_ref())?;
    if amount == 0 {
        return Err(escrow::INVALID_DEPOSIT.plain());
    }
    Ok(())
}

/// `MsgAccountDeposit`: anyone adds to an open account. The account is not settled by it.
///
/// # Errors
/// `undefined` 1 too little balance, `escrow` 3 and 2.
pub fn account_deposit(
    exec: &mut Exec,
    message: MsgAccountDeposit,
) -> Result<MsgAccountDepositResponse, ChainError> {
    exec.charge(gas::READ * 4)?;
    let id = message.id.unwrap_or_default();
    let deposit = message.deposit.unwrap_or_default();
    let fundings = authorize(exec, &message.signer, &deposit)?;
    let key = (id.scope, id.xid);
    let account = exec.state.escrow_accounts.get(&key).ok_or_else(|| escrow::ACCOUNT_NOT_FOUND.plain())?;
    match account.state() {
        EscrowState::Open => {}
        EscrowState::Overdrawn => return pay_debt(exec, &key, &message.signer, &fundings),
        _ => return Err(escrow::ACCOUNT_CLOSED.plain()),
    }
    fund(exec, &key, &message.signer, &fundings)?;
    Ok(MsgAccountDepositResponse {})
}

/// A deposit on an overdrawn account pays its debt and closes it; it cannot revive anything.
fn pay_debt(
    exec: &mut Exec,
    key: &EscrowKey,
    signer: &str,
    fundings: &[Funding],
) -> Result<MsgAccountDepositResponse, ChainError> {
    fund(exec, key, signer, fundings)?;
    for (payment_key, mut payment) in payments(exec, key, EscrowState::Overdrawn) {
        let Some(unsettled) = payment.unsettled.clone() else { continue };
        let due = u128::try_from(dec(&unsettled.amount).trunc()).unwrap_or(0);
        let Some(account) = exec.state.escrow_accounts.get_mut(key) else { continue };
        let paid = draw(account, &unsettled.denom, due);
        payment.balance = Some(add_dec(payment.balance.as_ref(), &unsettled.denom, paid));
        payment.unsettled = Some(dec_coin(&unsettled.denom, whole(due - paid)));
        let done = paid == due;
        exec.state.escrow_payments.insert(payment_key.clone(), payment);
        if done {
            finish_payment(exec, key, &payment_key.1, EscrowState::Closed)?;
        }
    }
    if payments(exec, key, EscrowState::Overdrawn).is_empty() {
        refund(exec, key)?;
    }
    Ok(MsgAccountDepositResponse {})
}

/// Gives every depositor back what is left of his deposit and marks the account closed.
fn refund(exec: &mut Exec, key: &EscrowKey) -> Result<(), ChainError> {
    let Some(mut account) = exec.state.escrow_accounts.get(key).cloned() else {
        return Err(escrow::ACCOUNT_NOT_FOUND.plain());
    };
    let grantee = account.owner.clone();
    let module = module_address("escrow");
    for deposit in std::mem::take(&mut account.deposits) {
        let Some(balance) = deposit.balance.as_ref() else { continue };
        let amount = u128::try_from(dec(&balance.amount).trunc()).unwrap_or(0);
        if amount == 0 {
            continue;
        }
        bank::transfer(exec, &module, &deposit.owner, &balance.denom, amount)?;
        if deposit.source() == Source::Grant {
            let left = exec.state.grants.depositors(&grantee, &balance.denom);
            let limit =
                left.into_iter().find(|(granter, _)| *granter == deposit.owner).map_or(0, |(_, limit)| limit);
            exec.state.grants.set_deposit_limit(&grantee, &deposit.owner, &balance.denom, limit + amount);
        }
    }
    for balance in &mut account.funds {
        balance.amount = Dec::ZERO.to_wire();
    }
    account.state = EscrowState::Closed.into();
    exec.state.escrow_accounts.insert(key.clone(), account);
    Ok(())
}

fn finish_payment(exec: &mut Exec, key: &EscrowKey, xid: &str, state: EscrowState) -> Result<(), ChainError> {
    if let Some(payment) = exec.state.escrow_payments.get_mut(&(key.clone(), xid.to_owned())) {
        payment.state = state.into();
    }
    withdraw(exec, key, xid)
}

/// Pays out the whole part of a payment's balance, if there is any.
fn withdraw(exec: &mut Exec, key: &EscrowKey, xid: &str) -> Result<(), ChainError> {
    let payment_key = (key.clone(), xid.to_owned());
    let Some(mut payment) = exec.state.escrow_payments.get(&payment_key).cloned() else {
        return Err(escrow::PAYMENT_NOT_FOUND.plain());
    };
    let Some(balance) = payment.balance.clone() else { return Ok(()) };
    let amount = dec(&balance.amount).trunc();
    let Ok(amount @ 1..) = u128::try_from(amount) else { return Ok(()) };
    bank::transfer(exec, &module_address("escrow"), &payment.owner, &balance.denom, amount)?;
    payment.balance = Some(dec_coin(&balance.denom, dec(&balance.amount) - whole(amount)));
    if let Some(withdrawn) = &mut payment.withdrawn {
        let before: u128 = withdrawn.amount.parse().unwrap_or(0);
        withdrawn.amount = (before + amount).to_string();
    }
    exec.state.escrow_payments.insert(payment_key, payment);
    Ok(())
}

/// Takes up to `due` of `denom` out of an account, deposit by deposit; tells how much there was.
fn draw(account: &mut AccountState, denom: &str, due: u128) -> u128 {
    let mut rest = due;
    for deposit in &mut account.deposits {
        let Some(balance) = deposit.balance.as_mut().filter(|balance| balance.denom == denom) else {
            continue;
        };
        let amount = u128::try_from(dec(&balance.amount).trunc()).unwrap_or(0).min(rest);
        balance.amount = (dec(&balance.amount) - whole(amount)).to_wire();
        rest -= amount;
    }
    account
        .deposits
        .retain(|deposit| deposit.balance.as_ref().is_some_and(|balance| dec(&balance.amount) > Dec::ZERO));
    let paid = due - rest;
    if let Some(balance) = account.funds.iter_mut().find(|balance| balance.denom == denom) {
        balance.amount = (dec(&balance.amount) - whole(paid)).to_wire();
    }
    if let Some(transferred) = account.transferred.iter_mut().find(|coin| coin.denom == denom) {
        transferred.amount = (dec(&transferred.amount) + whole(paid)).to_wire();
    }
    paid
}

/// The payments of an account that are in `state`.
fn payments(exec: &Exec, key: &EscrowKey, state: EscrowState) -> Vec<((EscrowKey, String), PaymentState)> {
    exec.state
        .escrow_payments
        .range((key.clone(), String::new())..)
        .take_while(|((account, _), _)| account == key)
        .filter(|(_, payment)| payment.state() == state)
        .map(|(key, payment)| (key.clone(), payment.clone()))
        .collect()
}

fn dec(wire: &str) -> Dec {
    Dec::from_wire(wire).unwrap_or_default()
}

fn whole(amount: u128) -> Dec {
    Dec::from(1).checked_mul(amount).unwrap_or_default()
}

fn dec_coin(denom: &str, amount: Dec) -> DecCoin {
    DecCoin { denom: denom.to_owned(), amount: amount.to_wire() }
}

fn add_dec(coin: Option<&DecCoin>, denom: &str, amount: u128) -> DecCoin {
    dec_coin(denom, coin.map_or(Dec::ZERO, |coin| dec(&coin.amount)) + whole(amount))
}
