//! Transactions as bytes: body, fee and signer, `SIGN_MODE_DIRECT`, hash.
//!
//! This file must not know messages' meaning, nor how gas and fees are chosen. It uses k256 and our own generated
//! messages because cosmrs has no unordered transactions (Cosmos SDK 0.53: `unordered`, `timeout_timestamp`).

pub(crate) mod gas;
pub(crate) mod simulate;

use akash_proto::{
    Any, Coin, Message as _, Timestamp, any,
    cosmos::{
        crypto::secp256k1::PubKey,
        tx::{
            signing::v1beta1::SignMode,
            v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw, mode_info},
        },
    },
};
use sha2::{Digest as _, Sha256};

use crate::Wallet;

/// Everything that a transaction says.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) messages: Vec<Any>,
    /// An unordered transaction's sequence is 0, and its timeout is what makes it unique for its sender.
    pub(crate) unordered: bool,
    pub(crate) sequence: u64,
    /// Unix time in nanoseconds; 0 for none.
    pub(crate) timeout: i64,
    pub(crate) gas: u64,
    pub(crate) fee: Coin,
    pub(crate) fee_granter: Option<String>,
}

/// A transaction ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `TxRaw`.
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the bytes, upper-case hex.
    pub(crate) hash: String,
    /// The draft's timeout.
    pub(crate) timeout: i64,
}

impl Draft {
    fn body(&self) -> Vec<u8> {
        let seconds = self.timeout.div_euclid(1_000_000_000);
        // Below 10^9, so it fits.
        let nanos = i32::try_from(self.timeout.rem_euclid(1_000_000_000)).unwrap_or_default();
        TxBody {
            messages: self.messages.clone(),
            unordered: self.unordered,
            timeout_timestamp: (self.timeout != 0).then_some(Timestamp { seconds, nanos }),
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn auth_info(&self, public_key: [u8; 33]) -> Vec<u8> {
        let single = mode_info::Single { mode: SignMode::Direct.into() };
        AuthInfo {
            signer_infos: vec![SignerInfo {
                public_key: Some(any(&PubKey { key: public_key.to_vec() })),
                mode_info: Some(ModeInfo { sum: Some(mode_info::Sum::Single(single)) }),
                sequence: self.sequence,
            }],
            fee: Some(Fee {
                amount: if self.fee.amount == 0 { Vec::new() } else { vec![self.fee.clone().into()] },
                gas_limit: self.gas,
                payer: String::new(),
                granter: self.fee_granter.clone().unwrap_or_default(),
            }),
        }
        .encode_to_vec()
    }

    /// What is signed.
    pub(crate) fn sign_doc(&self, public_key: [u8; 33], chain_id: &str, account_number: u64) -> Vec<u8> {
        SignDoc {
            body_bytes: self.body(),
            auth_info_bytes: self.auth_info(public_key),
            chain_id: chain_id.to_owned(),
            account_number,
        }
        .encode_to_vec()
    }

    /// Signs.
    pub(crate) fn sign(&self, wallet: &Wallet, chain_id: &str, account_number: u64) -> Signed {
        let public_key = wallet.public_key();
        let signature = wallet.sign(&self.sign_doc(public_key, chain_id, account_number));
        let bytes = self.raw(public_key, signature);
        Signed { hash: hash(&bytes), timeout: self.timeout, bytes }
    }

    /// The transaction for simulation: a signature of the right length is needed, not a valid one.
    pub(crate) fn unsigned(&self, public_key: [u8; 33]) -> Vec<u8> {
        self.raw(public_key, [0; 64])
    }

    fn raw(&self, public_key: [u8; 33], signature: [u8; 64]) -> Vec<u8> {
        TxRaw {
            body_bytes: self.body(),
            auth_info_bytes: self.auth_info(public_key),
            signatures: vec![signature.to_vec()],
        }
        .encode_to_vec()
    }
}

/// SHA-256, upper-case hex.
fn hash(bytes: &[u8]) -> String {
    hex::encode_upper(Sha256::digest(bytes))
}
