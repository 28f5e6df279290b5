//! The wallet: one account key, derived from a BIP-39 mnemonic along `m/44'/118'/0'/0/INDEX`.
//!
//! This file must not know transactions, tokens or the network. The key never leaves it: nothing here prints, logs
//! or serialises it, and `Debug` shows the address alone.

use std::{fmt, sync::Arc};

use akash_proto::address;
use bip32::{DerivationPath, XPrv};
use bip39::{Language, Mnemonic};
use k256::ecdsa::{Signature, SigningKey, signature::Signer};
use ripemd::Ripemd160;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Why a mnemonic is not a wallet. No text here holds a word of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Not 12, 15, 18, 21 or 24 words.
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words; this one has {0}")]
    WordCount(usize),
    /// A word that is not in the English BIP-39 list. The number is its position, counted from 1.
    #[error("word {0} of the mnemonic is not in the English BIP-39 word list; look for a typing error")]
    UnknownWord(usize),
    /// Every word is in the list, but together they are no mnemonic.
    #[error(
        "the mnemonic's checksum is wrong: every word is valid, but one of them is not the right one or their order is not right"
    )]
    Checksum,
    /// The index cannot be part of the path.
    #[error("account index {0} is too large; it must be below 2147483648")]
    AccountIndex(u32),
    /// The path gives no key (fewer than one in 2^127).
    #[error("no key can be derived at this account index; use another one")]
    Derivation,
}

/// One account of the network: its address and its key. Cloning shares the key.
#[derive(Clone)]
pub struct Wallet(Arc<Account>);

struct Account {
    // Zeroed when dropped.
    key: SigningKey,
    public_key: [u8; 33],
    address: String,
}

impl Wallet {
    /// The account `account_index` of an English mnemonic (12 to 24 words, any white space between them, no
    /// passphrase), along `m/44'/118'/0'/0/account_index`: the network's coin type (reference: networks, notes).
    pub fn from_mnemonic(mnemonic: &SecretString, account_index: u32) -> Result<Self, WalletError> {
        let words: Zeroizing<String> = Zeroizing::new(
            mnemonic.expose_secret().split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
        );
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| match error {
                bip39::Error::BadWordCount(count) => WalletError::WordCount(count),
                bip39::Error::UnknownWord(index) => WalletError::UnknownWord(index + 1),
                bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::InvalidChecksum
                | bip39::Error::AmbiguousLanguages(_) => WalletError::Checksum,
            })?;
        if account_index >= 1 << 31 {
            return Err(WalletError::AccountIndex(account_index));
        }
        let seed = Zeroizing::new(mnemonic.to_seed_normalized(""));
        let path: DerivationPath =
            format!("m/44'/118'/0'/0/{account_index}").parse().map_err(|_| WalletError::Derivation)?;
        let extended = XPrv::derive_from_path(seed.as_slice(), &path).map_err(|_| WalletError::Derivation)?;
        let key: SigningKey = extended.private_key().clone();
        let public_key: [u8; 33] = key
            .verifying_key()
            .to_sec1_point(true)
            .as_bytes()
            .try_into()
            .map_err(|_| WalletError::Derivation)?;
        let address = address::encode(&Ripemd160::digest(Sha256::digest(public_key)));
        Ok(Self(Arc::new(Account { key, public_key, address })))
    }

    /// The account's address, `akash1...`.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The compressed secp256k1 public key.
    pub fn public_key(&self) -> [u8; 33] {
        self.0.public_key
    }

    /// Signs SHA-256 of `message` with secp256k1 (RFC 6979, low S) and returns r and s, 32 bytes each: what
    /// `SIGN_MODE_DIRECT` and ES256K want.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.key.sign(message);
        signature.normalize_s().to_bytes().into()
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("address", &self.0.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Public test vectors: the first mnemonic of BIP-39's own list.
    const ABANDON: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    fn wallet(words: &str, index: u32) -> Result<Wallet, WalletError> {
        Wallet::from_mnemonic(&SecretString::from(words), index)
    }

    #[test]
    fn accounts_differ_by_index_and_white_space_does_not_matter() {
        let first = wallet(ABANDON, 0).unwrap();
        assert!(address::is_address(first.address()));
        assert_ne!(first.address(), wallet(ABANDON, 1).unwrap().address());
        let spaced = format!("\n {}  ", ABANDON.replace(' ', "\t \n"));
        assert_eq!(first.address(), wallet(&spaced, 0).unwrap().address());
        assert_eq!(first.sign(b"text"), wallet(&ABANDON.to_uppercase(), 0).unwrap().sign(b"text"));
    }

    #[test]
    fn bad_mnemonics_are_told_without_their_words() {
        for (words, error) in [
            ("", WalletError::WordCount(0)),
            ("abandon about", WalletError::WordCount(2)),
            (&ABANDON.replace("about", "abuot"), WalletError::UnknownWord(12)),
            (&ABANDON.replace("about", "abandon"), WalletError::Checksum),
        ] {
            assert_eq!(wallet(words, 0).unwrap_err(), error);
        }
        assert_eq!(wallet(ABANDON, 1 << 31).unwrap_err(), WalletError::AccountIndex(1 << 31));
    }

    #[test]
    fn debug_shows_the_address_alone() {
        let wallet = wallet(ABANDON, 0).unwrap();
        assert_eq!(format!("{wallet:?}"), format!("Wallet {{ address: {:?}, .. }}", wallet.address()));
    }
}
