//! The account in whose name messages are sent: everything that needs an address or a signature asks it.
//!
//! This file must not know messages.

use crate::Wallet;

/// The account in whose name messages are sent.
///
/// One that does not sign itself, but hands its messages to a service that does, is another variant: who needs the address
/// asks [`Account::address`], and the pipeline alone tells the variants apart. A transaction of such an account may be on
/// its way before its hash is known ([`crate::Pending::tx_hash`]).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Account {
    /// Signs here, with a key of its own.
    Wallet(Wallet),
}

impl Account {
    /// The account's address, `akash1...`.
    pub fn address(&self) -> &str {
        match self {
            Self::Wallet(wallet) => wallet.address(),
        }
    }
}

impl From<Wallet> for Account {
    fn from(wallet: Wallet) -> Self {
        Self::Wallet(wallet)
    }
}
