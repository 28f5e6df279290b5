//! Keys, addresses and signatures of accounts on the devnet: mnemonic to secp256k1 key to `akash1...` address.
//!
//! This file must not know transactions or chain state.

use bip32::{DerivationPath, XPrv};
use bip39::Mnemonic;
use k256::ecdsa::{Signature, SigningKey, signature::Signer};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// The human-readable part of account addresses.
const PREFIX: bech32::Hrp = bech32::Hrp::parse_unchecked("akash");

/// A mnemonic that gives no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The words are not a BIP-39 mnemonic: unknown word, wrong count or wrong checksum.
    #[error("not a BIP-39 mnemonic: {0}")]
    Mnemonic(String),
    /// No key at the derivation path (as good as impossible).
    #[error("no key at the derivation path: {0}")]
    Derivation(String),
}

/// A key on the devnet, with its address. Cheap to clone; `Debug` shows the address only.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    public_key: Vec<u8>,
    address: String,
}

impl Wallet {
    /// The key of `mnemonic` at `m/44'/118'/0'/0/index` (coin type 118, as all Akash wallets).
    ///
    /// # Errors
    /// When the words are not a mnemonic.
    pub fn from_mnemonic(mnemonic: &str, index: u32) -> Result<Self, WalletError> {
        let mnemonic = Mnemonic::parse(mnemonic).map_err(|error| WalletError::Mnemonic(error.to_string()))?;
        let derivation = |error: bip32::Error| WalletError::Derivation(error.to_string());
        let path: DerivationPath = format!("m/44'/118'/0'/0/{index}").parse().map_err(derivation)?;
        let extended = XPrv::derive_from_path(&mnemonic.to_seed(""), &path).map_err(derivation)?;
        let key = SigningKey::from_slice(&extended.to_bytes())
            .map_err(|error| WalletError::Derivation(error.to_string()))?;
        let public_key = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        let address = address(&public_key);
        Ok(Self { key, public_key, address })
    }

    /// The account's address, `akash1...`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The compressed public key, 33 bytes.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The signature of SHA-256(`message`): r then s, 64 bytes, low s.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(message);
        signature.normalize_s().to_bytes().to_vec()
    }
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A new random mnemonic of 24 words.
pub fn new_mnemonic() -> String {
    let entropy: [u8; 32] = rand::random();
    Mnemonic::from_entropy(&entropy).map(|mnemonic| mnemonic.to_string()).unwrap_or_default()
}

/// The address of a compressed secp256k1 public key.
pub(crate) fn address(public_key: &[u8]) -> String {
    encode(&Ripemd160::digest(Sha256::digest(public_key)))
}

/// The address of a chain module, for example `escrow` or `fee_collector`.
pub(crate) fn module_address(name: &str) -> String {
    encode(Sha256::digest(name.as_bytes()).get(..20).unwrap_or_default())
}

/// Whether `text` is an account address of this chain.
pub(crate) fn is_address(text: &str) -> bool {
    bech32::decode(text).is_ok_and(|(prefix, data)| prefix == PREFIX && !data.is_empty() && data.len() <= 255)
}

/// The bytes of an address as a text that arrives at a client: the node puts them into its log as they are, and each byte
/// that is not UTF-8 becomes a replacement character in gRPC's message and in JSON.
pub(crate) fn raw(address: &str) -> String {
    let bytes = bech32::decode(address).map(|(_, bytes)| bytes).unwrap_or_default();
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Whether the 64 bytes `signature` is `public_key`'s signature of SHA-256(`message`).
pub(crate) fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use k256::ecdsa::{VerifyingKey, signature::Verifier};
    let (Ok(key), Ok(signature)) =
        (VerifyingKey::from_sec1_bytes(public_key), Signature::from_slice(signature))
    else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

fn encode(bytes: &[u8]) -> String {
    // 20 or 32 bytes are far below bech32's length limit, the only error there is.
    bech32::encode::<bech32::Bech32>(PREFIX, bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_addresses_are_the_recorded_ones() {
        assert_eq!(module_address("fee_collector"), "akash17xpfvakm2amg962yls6f84z3kell8c5lazw8j8");
        assert_eq!(module_address("escrow"), "akash14pphss726thpwws3yc458hggufynm9x77l4l2u");
    }

    #[test]
    fn signs_and_verifies() {
        let wallet = Wallet::from_mnemonic(&new_mnemonic(), 3).unwrap();
        assert!(is_address(wallet.address()));
        let signature = wallet.sign(b"text");
        assert!(verify(wallet.public_key(), b"text", &signature));
        assert!(!verify(wallet.public_key(), b"test", &signature));
    }

    #[test]
    fn raw_addresses_hold_what_bytes_hold() {
        assert_eq!(raw(&encode(&[b'a', 0xff, 0xfe, 7, b'b'])), "a\u{fffd}\u{fffd}\u{7}b");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "akash1",
            "cosmos1wsde9xgxlglvman97eny82u6grp85v88h4ndfn",
            "akash1wsde9xgxlglvman97eny82u6grp85v8800c5y8",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}
