//! What every transaction passes before its messages run: fee, signature, sequence or nonce, limits.
//!
//! The order is that of the chain's decorators, since the first error is the one that is told. This file must not
//! know what a message does.

use akash_proto::{
    Any, Dec, Message as _,
    cosmos::{
        base::v1beta1::Coin,
        crypto::secp256k1::PubKey,
        tx::{
            signing::v1beta1::SignMode,
            v1beta1::{AuthInfo, ModeInfo, SignDoc, TxBody, TxRaw, mode_info::Sum},
        },
    },
    unpack,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use time::{Duration, OffsetDateTime};

use super::{
    bank,
    errors::{ChainError, feegrant, sdk},
    exec::Exec,
    gas,
    message::Message,
};
use crate::wallet::{address, module_address, raw, verify};

/// The node's own least gas price, uakt per unit of gas: 0.0025.
pub const MIN_GAS_PRICE: &str = "0.0025";
/// The furthest that an unordered transaction's timeout may lie ahead of the block time.
const MAX_TIMEOUT: Duration = Duration::minutes(10);
/// The most characters of a memo.
const MAX_MEMO: usize = 256;
/// The largest transaction the mempool takes.
pub const MAX_TX_BYTES: usize = 1_048_576;

/// Why a transaction is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For the mempool: the node's own least gas price counts.
    Check,
    /// In a block.
    Deliver,
    /// For an estimate: signatures may be anything.
    Simulate,
}

/// A decoded transaction.
#[derive(Debug, Clone)]
pub struct Tx {
    /// Its parts as signed.
    pub raw: TxRaw,
    /// Body.
    pub body: TxBody,
    /// Signers and fee.
    pub auth: AuthInfo,
    /// The messages.
    pub messages: Vec<Message>,
    /// Size on the wire.
    pub size: usize,
}

impl Tx {
    /// Decodes the bytes of a transaction.
    ///
    /// # Errors
    /// `sdk` 2.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let decode = |error: prost::DecodeError| sdk::TX_DECODE.wrap(error);
        let raw = TxRaw::decode(bytes).map_err(decode)?;
        let body = TxBody::decode(raw.body_bytes.as_slice()).map_err(decode)?;
        let auth = AuthInfo::decode(raw.auth_info_bytes.as_slice()).map_err(decode)?;
        let messages = body.messages.iter().map(Message::decode).collect::<Result<_, _>>()?;
        Ok(Self { raw, body, auth, messages, size: bytes.len() })
    }

    /// The checks of the messages that need no state.
    ///
    /// # Errors
    /// `sdk` 18 without messages; each message's own.
    pub fn validate_basic(&self) -> Result<(), ChainError> {
        if self.messages.is_empty() {
            return Err(sdk::INVALID_REQUEST.wrap("must contain at least one message"));
        }
        self.messages.iter().try_for_each(Message::validate_basic)
    }

    /// The accounts that must sign, each once, in order.
    pub fn signers(&self) -> Vec<&str> {
        let mut signers = Vec::new();
        for message in &self.messages {
            if !signers.contains(&message.signer()) {
                signers.push(message.signer());
            }
        }
        signers
    }

    /// The gas limit.
    pub fn gas_limit(&self) -> u64 {
        self.auth.fee.as_ref().map_or(0, |fee| fee.gas_limit)
    }

    fn timeout(&self) -> Option<OffsetDateTime> {
        let timestamp = self.body.timeout_timestamp.as_ref()?;
        let nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
    }
}

/// Runs a transaction through the ante checks on `exec`, whose state is changed by fee, sequence and nonce.
///
/// # Errors
/// `sdk` 13, 5, 9, 30, 42, 12, 8, 14, 15, 4, 18, 32, 37.
pub fn run(exec: &mut Exec, tx: &Tx, mode: Mode, unordered_allowed: bool) -> Result<(), ChainError> {
    validate(tx)?;
    timeouts(exec, tx)?;
    if tx.body.memo.chars().count() > MAX_MEMO {
        return Err(sdk::MEMO_TOO_LARGE.wrap(format_args!(
            "maximum number of characters is {MAX_MEMO} but received {} characters",
            tx.body.memo.chars().count()
        )));
    }
    exec.charge(gas::ANTE + gas::BYTE * u64::try_from(tx.size).unwrap_or(u64::MAX))?;
    deduct_fee(exec, tx, mode)?;
    signatures(exec, tx, mode, unordered_allowed)
}

fn validate(tx: &Tx) -> Result<(), ChainError> {
    let signers = tx.signers().len();
    if tx.raw.signatures.is_empty() {
        return Err(sdk::NO_SIGNATURES.plain());
    }
    if tx.raw.signatures.len() != signers || tx.auth.signer_infos.len() != signers {
        return Err(sdk::UNAUTHORIZED.wrap(format_args!(
            "wrong number of signers; expected {signers}, got {}",
            tx.raw.signatures.len()
        )));
    }
    if signers > 7 {
        return Err(sdk::TOO_MANY_SIGNATURES.wrap(format_args!("signatures: {signers}, limit: 7")));
    }
    Ok(())
}

fn timeouts(exec: &Exec, tx: &Tx) -> Result<(), ChainError> {
    let height = tx.body.timeout_height;
    if height > 0 && exec.state.height > height {
        return Err(sdk::TIMEOUT_HEIGHT
            .wrap(format_args!("block height: {}, timeout height: {height}", exec.state.height)));
    }
    if let Some(timeout) = tx.timeout()
        && timeout < exec.state.time
    {
        return Err(sdk::TX_TIMEOUT
            .wrap(format_args!("block time: {}, timeout timestamp: {timeout}", exec.state.time)));
    }
    Ok(())
}

fn deduct_fee(exec: &mut Exec, tx: &Tx, mode: Mode) -> Result<(), ChainError> {
    let fee = tx.auth.fee.clone().unwrap_or_default();
    if mode != Mode::Simulate && fee.gas_limit == 0 {
        return Err(sdk::INVALID_REQUEST.wrap("must provide positive gas"));
    }
    let paid = uakt(&fee.amount)?;
    if mode == Mode::Check {
        let price: Dec = MIN_GAS_PRICE.parse().unwrap_or_default();
        let required =
            price.checked_mul(u128::from(fee.gas_limit)).map_or(i128::MAX, Dec::ceil).unsigned_abs();
        if paid < required {
            return Err(sdk::INSUFFICIENT_FEE.wrap(format_args!(
                "insufficient fees; got: {} required: {required}uakt",
                show(&fee.amount)
            )));
        }
    }
    let signers = tx.signers();
    let first = signers.first().copied().unwrap_or_default();
    let payer = if fee.payer.is_empty() { first } else { &fee.payer };
    let payer = if fee.granter.is_empty() {
        payer
    } else {
        use_allowance(exec, &fee.granter, payer, paid)?;
        &fee.granter
    };
    if !exec.state.accounts.contains_key(payer) {
        return Err(sdk::UNKNOWN_ADDRESS.wrap(format_args!("fee payer address: {payer} does not exist")));
    }
    if paid > 0 {
        bank::transfer_free(exec, payer, &module_address("fee_collector"), "uakt", paid)
            .map_err(|error| sdk::INSUFFICIENT_FUNDS.wrap(error.text))?;
    }
    exec.emit_plain("tx", &[("fee", &show(&fee.amount)), ("fee_payer", payer)]);
    Ok(())
}

/// The fee's amount: only uakt is taken.
fn uakt(fee: &[Coin]) -> Result<u128, ChainError> {
    fee.iter().try_fold(0_u128, |sum, coin| match coin.amount.parse::<u128>() {
        Ok(amount) if coin.denom == "uakt" => Ok(sum.saturating_add(amount)),
        Ok(0) => Ok(sum),
        _ => {
            Err(sdk::INSUFFICIENT_FEE
                .wrap(format_args!("fees in {} are not taken; required: uakt", coin.denom)))
        }
    })
}

fn show(coins: &[Coin]) -> String {
    coins.iter().map(|coin| format!("{}{}", coin.amount, coin.denom)).collect::<Vec<_>>().join(",")
}

fn use_allowance(exec: &mut Exec, granter: &str, grantee: &str, amount: u128) -> Result<(), ChainError> {
    let key = (granter.to_owned(), grantee.to_owned());
    // The node writes both addresses as their bytes, not as text.
    let refused = || format!("{} does not allow to pay fees for {}", raw(granter), raw(grantee));
    let Some(limit) = exec.state.grants.fees.get(&key).copied() else {
        return Err(sdk::NOT_FOUND.wrap(format_args!("{}: fee-grant not found", refused())));
    };
    if let Some(left) = limit {
        let rest = left.checked_sub(amount).ok_or_else(|| {
            feegrant::FEE_LIMIT_EXCEEDED.wrap(format_args!("{}: basic allowance", refused()))
        })?;
        exec.state.grants.fees.insert(key, Some(rest));
    }
    exec.emit_plain("use_feegrant", &[("granter", granter), ("grantee", grantee)]);
    Ok(())
}

fn signatures(exec: &mut Exec, tx: &Tx, mode: Mode, unordered_allowed: bool) -> Result<(), ChainError> {
    let unordered = tx.body.unordered;
    if unordered && !unordered_allowed {
        return Err(sdk::NOT_SUPPORTED.wrap("unordered transactions are not enabled"));
    }
    let signers: Vec<String> = tx.signers().into_iter().map(str::to_owned).collect();
    set_public_keys(exec, tx, &signers, mode)?;
    for (signer, info) in signers.iter().zip(&tx.auth.signer_infos) {
        if !unordered {
            exec.emit_plain("tx", &[("acc_seq", &format!("{signer}/{}", info.sequence))]);
        }
    }
    for signature in &tx.raw.signatures {
        exec.emit_plain("tx", &[("signature", &STANDARD.encode(signature))]);
    }
    if unordered {
        use_nonce(exec, tx, &signers, mode)?;
    }
    for ((signer, info), signature) in signers.iter().zip(&tx.auth.signer_infos).zip(&tx.raw.signatures) {
        let Some(account) = exec.state.accounts.get(signer).cloned() else {
            return Err(sdk::UNKNOWN_ADDRESS.wrap(format_args!("account {signer} does not exist")));
        };
        if unordered && info.sequence > 0 {
            return Err(sdk::INVALID_REQUEST.wrap("sequence is not allowed for unordered transactions"));
        }
        if !unordered && info.sequence != account.sequence {
            return Err(sdk::WRONG_SEQUENCE.wrap(format_args!(
                "account sequence mismatch, expected {}, got {}",
                account.sequence, info.sequence
            )));
        }
        if mode == Mode::Simulate {
            continue;
        }
        let direct = matches!(
            &info.mode_info,
            Some(ModeInfo { sum: Some(Sum::Single(single)) }) if single.mode() == SignMode::Direct
        );
        let document = SignDoc {
            body_bytes: tx.raw.body_bytes.clone(),
            auth_info_bytes: tx.raw.auth_info_bytes.clone(),
            chain_id: exec.state.chain_id.to_string(),
            account_number: account.number,
        };
        let key = account.public_key.unwrap_or_default();
        if !direct || !verify(&key, &document.encode_to_vec(), signature) {
            let sequence =
                if unordered { String::new() } else { format!(", sequence ({})", account.sequence) };
            return Err(sdk::UNAUTHORIZED.wrap(format_args!(
                "signature verification failed; please verify account number ({}){sequence} and chain-id ({}): \
                 (unable to verify single signer signature)",
                account.number, exec.state.chain_id
            )));
        }
    }
    if !unordered {
        for signer in &signers {
            if let Some(account) = exec.state.accounts.get_mut(signer) {
                account.sequence += 1;
            }
        }
    }
    Ok(())
}

fn set_public_keys(exec: &mut Exec, tx: &Tx, signers: &[String], mode: Mode) -> Result<(), ChainError> {
    for (index, (signer, info)) in signers.iter().zip(&tx.auth.signer_infos).enumerate() {
        let key = info.public_key.as_ref().and_then(|key: &Any| unpack::<PubKey>(key)).map(|key| key.key);
        let Some(account) = exec.state.accounts.get_mut(signer) else {
            return Err(sdk::UNKNOWN_ADDRESS.wrap(format_args!("account {signer} does not exist")));
        };
        match key {
            Some(key) if address(&key) == *signer => account.public_key = Some(key),
            None if mode == Mode::Simulate || account.public_key.is_some() => {}
            None => return Err(sdk::INVALID_PUBKEY.wrap("account public key must be set")),
            Some(_) => {
                return Err(sdk::INVALID_PUBKEY.wrap(format_args!(
                    "pubKey does not match signer address {signer} with signer index: {index}"
                )));
            }
        }
    }
    Ok(())
}

fn use_nonce(exec: &mut Exec, tx: &Tx, signers: &[String], mode: Mode) -> Result<(), ChainError> {
    let Some(timeout) = tx.timeout().filter(|timeout| timeout.unix_timestamp() != 0) else {
        return Err(sdk::INVALID_REQUEST.wrap("unordered transaction must have timeout_timestamp set"));
    };
    if timeout > exec.state.time + MAX_TIMEOUT {
        return Err(sdk::INVALID_REQUEST.wrap("unordered tx ttl exceeds 10m0s"));
    }
    if mode == Mode::Simulate {
        return Ok(());
    }
    exec.charge(gas::UNORDERED)?;
    let nanos = timeout.unix_timestamp_nanos();
    for signer in signers {
        if exec.state.nonces.insert((nanos, signer.clone())).is_some() {
            return Err(sdk::INVALID_REQUEST.wrap(format_args!(
                "failed to add unordered nonce: sender {signer} has already used timeout {nanos}"
            )));
        }
    }
    Ok(())
}
