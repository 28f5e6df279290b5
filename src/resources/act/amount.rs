//! How much AKT to convert so that enough ACT comes out. Integers only, and always rounded so that not too little does.

use akash_proto::Dec;
use serde::{Deserialize, Serialize};

/// 10^18: what a [`Dec`] is scaled by.
const SCALE: u128 = 1_000_000_000_000_000_000;
const BPS: u128 = 10_000;

/// What is converted on top, in 1/10000. The price that counts is that of the epoch, about a minute later. A mint that
/// comes out under the floor then is cancelled, and one that misses `minimum` by a little would have to be followed by
/// another of 10 ACT. The oracle takes prices that are up to 1.5 % apart (`max_price_deviation_bps`, 150 by default), so
/// this is a little more than what it can jump by without anything having happened. Too much is not lost: it is ACT.
const MARGIN_BPS: u128 = 200;

/// How the chain converts, as far as an amount depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// USD for one AKT, decimal; empty where the oracle has none.
    pub(crate) price: String,
    /// The least uact that a mint may give, or it is cancelled.
    pub(crate) floor: u128,
    /// What is kept back of a mint, in 1/10000.
    pub(crate) spread_bps: u32,
    /// Blocks from one epoch to the next, at the least.
    pub(crate) epoch_blocks: u64,
}

/// A mint: what is burnt for it, and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mint {
    /// uakt.
    pub(crate) burn: u128,
    /// uact that at least come out, at a price that falls by no more than the margin.
    pub(crate) wanted: u128,
    /// uact that come out at the price as read.
    pub(crate) gives: u128,
}

impl Terms {
    fn price(&self) -> Option<u128> {
        let price: Dec = self.price.parse().ok()?;
        u128::try_from(price.scaled()).ok().filter(|price| *price > 0)
    }

    /// The mint for `missing` uact, or for the floor if that is more. `None` without a price, or where the amounts are
    /// beyond all measure.
    pub(crate) fn mint(&self, missing: u128) -> Option<Mint> {
        let wanted = missing.max(self.floor);
        let spread = u128::from(self.spread_bps);
        let gross = wanted.checked_mul(BPS)?.div_ceil(BPS.checked_sub(spread).filter(|left| *left > 0)?);
        let gross = gross.checked_mul(BPS + MARGIN_BPS)?.div_ceil(BPS);
        let burn = gross.checked_mul(SCALE)?.div_ceil(self.price()?);
        Some(Mint { burn, wanted, gives: self.gives(burn)? })
    }

    /// What `burn` uakt give in uact, as the chain reckons: the value cut to a whole number, less the spread, cut too.
    pub(crate) fn gives(&self, burn: u128) -> Option<u128> {
        let gross = burn.checked_mul(self.price()?)? / SCALE;
        Some(gross - gross.checked_mul(u128::from(self.spread_bps).min(BPS))? / BPS)
    }

    /// What `burn` uact give in uakt.
    pub(crate) fn back(&self, burn: u128) -> Option<u128> {
        Some(burn.checked_mul(SCALE)? / self.price()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn terms(price: &str) -> Terms {
        Terms { price: price.into(), floor: 10_000_000, spread_bps: 25, epoch_blocks: 10 }
    }

    #[test]
    fn as_the_chain_reckons() {
        // recordings-act.json: 20 AKT at 1.25 gave 25 ACT, of which 62500 uact were kept back; 5 ACT gave 4 AKT.
        assert_eq!(terms("1.25").gives(20_000_000), Some(24_937_500));
        assert_eq!(terms("1.25").back(5_000_000), Some(4_000_000));
    }

    #[test]
    fn amounts() {
        for (price, missing, burn) in [
            // 10 ACT / 0.9975 = 10025063, with 2 % 10225565; at 1.25 each is rounded up. 20 ACT: 20050126, 20451129.
            ("1.25", 1, 8_180_452),
            ("1.25", 10_000_000, 8_180_452),
            ("1.25", 20_000_000, 16_360_904),
            ("0.5", 10_000_000, 20_451_130),
            ("0.000000000000000001", 10_000_000, 10_225_565_000_000_000_000_000_000),
        ] {
            assert_eq!(terms(price).mint(missing).map(|mint| mint.burn), Some(burn), "{missing} at {price}");
        }
    }

    proptest! {
        #[test]
        fn enough_comes_out_and_hardly_more(
            scaled in 1_000_000_000_000_i128..100_000_000_000_000_000_000,
            missing in 1_u128..1_000_000_000_000,
            floor in 0_u128..100_000_000,
            spread_bps in 0_u32..1_000,
        ) {
            let price = Dec::from_scaled(scaled);
            let terms = Terms { price: price.to_string(), floor, spread_bps, epoch_blocks: 10 };
            let mint = terms.mint(missing).unwrap();
            prop_assert_eq!(mint.wanted, missing.max(floor));
            prop_assert!(mint.gives >= mint.wanted);
            // Also at a price that has fallen by 1.5 %.
            let fallen = Terms { price: Dec::from_scaled(scaled - scaled * 15 / 1000).to_string(), ..terms };
            prop_assert!(fallen.gives(mint.burn).unwrap() >= mint.wanted);
            // And no more than the margin above it, but for one uakt and the roundings.
            let most = mint.wanted * (BPS + MARGIN_BPS) / BPS + u128::try_from(price.ceil()).unwrap() + 3;
            prop_assert!(mint.gives <= most);
        }
    }

    #[test]
    fn without_a_price_there_is_no_amount() {
        for price in ["", "0", "-1", "x"] {
            assert_eq!(terms(price).mint(1), None, "{price}");
            assert_eq!(terms(price).gives(1), None, "{price}");
        }
        assert_eq!(terms("1.25").mint(u128::MAX), None);
        assert_eq!(Terms { spread_bps: 10_000, ..terms("1.25") }.mint(1), None);
    }
}
