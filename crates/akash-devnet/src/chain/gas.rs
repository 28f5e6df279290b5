//! What transactions cost: a meter, and prices per step that come close to what a real node was seen to use.
//!
//! The figures are fitted to `recordings.json`: not byte for byte as a store with gas per read and write gives them,
//! but near enough for estimates, margins and running out.

use super::errors::{ChainError, sdk};

/// Simulated gas of a transaction that fails before anything is read.
pub const BASIC: u64 = 1_174;
/// Signature, fee and account of any transaction.
pub const ANTE: u64 = 31_500;
/// Each byte of the transaction.
pub const BYTE: u64 = 10;
/// What an unordered transaction uses at delivery beyond its simulation (the nonce is only written then).
pub const UNORDERED: u64 = 3_870;
/// One read of the store.
pub const READ: u64 = 1_000;
/// Moving coins between two accounts.
pub const TRANSFER: u64 = 30_000;
/// A new deployment without its groups.
pub const DEPLOYMENT: u64 = 21_000;
/// A new group with its order.
pub const GROUP: u64 = 37_000;
/// Changing a deployment.
pub const UPDATE: u64 = 13_000;
/// Closing a deployment's escrow account and the deployment.
pub const CLOSE: u64 = 40_000;
/// Changing a group's state.
pub const GROUP_STATE: u64 = 10_000;
/// A new order on an existing group.
pub const ORDER: u64 = 40_000;
/// Closing an order.
pub const ORDER_CLOSE: u64 = 12_000;
/// A bid without its deposit.
pub const BID: u64 = 55_000;
/// Closing a bid and its escrow account without the refund.
pub const BID_CLOSE: u64 = 42_000;
/// A lease with its payment.
pub const LEASE: u64 = 118_000;
/// Closing a lease and its payment without the withdrawal.
pub const LEASE_CLOSE: u64 = 74_000;
/// Settling one escrow account.
pub const SETTLE: u64 = 3_000;
/// Storing a certificate.
pub const CERTIFICATE: u64 = 60_000;
/// Storing a provider.
pub const PROVIDER: u64 = 50_000;
/// Queueing a burn or mint, without the coins' movement.
pub const LEDGER: u64 = 16_000;

/// Counts gas against a limit.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    limit: u64,
    used: u64,
}

impl Meter {
    /// A meter that stops at `limit`.
    pub fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// What has been used.
    pub fn used(self) -> u64 {
        self.used
    }

    /// Uses `amount`, or runs out: the store charges in steps of at most 1000, so use ends just above the limit.
    pub fn consume(&mut self, amount: u64) -> Result<(), ChainError> {
        let after = self.used.saturating_add(amount);
        if after <= self.limit {
            self.used = after;
            return Ok(());
        }
        let steps = self.limit.saturating_sub(self.used) / READ + 1;
        self.used = after.min(self.used.saturating_add(steps * READ));
        Err(sdk::OUT_OF_GAS.wrap(format_args!(
            "out of gas in location: ReadFlat; gasWanted: {}, gasUsed: {}",
            self.limit, self.used
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_out_just_above_the_limit() {
        let mut meter = Meter::new(40_000);
        meter.consume(39_985).unwrap();
        let error = meter.consume(5_000).unwrap_err();
        assert_eq!(error.code, 11);
        assert_eq!(
            error.text,
            "out of gas in location: ReadFlat; gasWanted: 40000, gasUsed: 40985: out of gas"
        );
    }
}
