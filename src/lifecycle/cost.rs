//! What a price means over time. Prices are uact per block; ACT is pegged to the US dollar, so 10^6 uact is 1 USD.
//!
//! One constant for caps, `cost` and `monthly_price`: a block takes 6 s and a month 30.4375 days. The escrow's runway is
//! another matter, it uses measured block time.

use akash_proto::Dec;
use tfplugin::{Attribute, Field, Model, Value};

/// Blocks in a month: 30.4375 days of 14 400 blocks.
pub(crate) const BLOCKS_PER_MONTH: u128 = 438_300;
/// Blocks in an hour at 6 s a block.
const BLOCKS_PER_HOUR: u128 = 600;
/// uact in a USD.
const UACT_PER_USD: i128 = 1_000_000;

/// USD for `blocks` blocks at `per_block` uact, cut off after 18 digits. `None` when it does not fit into 128 bits.
fn usd(per_block: Dec, blocks: u128) -> Option<Dec> {
    per_block.checked_mul(blocks).map(|uact| Dec::from_scaled(uact.scaled() / UACT_PER_USD))
}

/// USD a month at `per_block` uact a block. `None` when it does not fit into 128 bits.
pub(crate) fn per_month(per_block: Dec) -> Option<Dec> {
    usd(per_block, BLOCKS_PER_MONTH)
}

/// The `cost` attribute: `per_block` in uact, `per_hour` and `per_month` in USD, all decimal strings.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(computed)]
pub(crate) struct Cost {
    /// uact per block.
    per_block: Value<String>,
    /// USD per hour (6 s blocks and months of 30.4375 days).
    per_hour: Value<String>,
    /// USD per month (6 s blocks and months of 30.4375 days).
    per_month: Value<String>,
}

impl Cost {
    /// The cost of a price of `per_block` uact a block.
    pub(crate) fn of(per_block: Dec) -> Self {
        let text = |dec: Option<Dec>| dec.map(|dec| dec.to_string()).into();
        Self {
            per_block: text(Some(per_block)),
            per_hour: text(usd(per_block, BLOCKS_PER_HOUR)),
            per_month: text(per_month(per_block)),
        }
    }

    /// The schema of the attribute; `of_what` completes "Cost of …".
    pub(crate) fn attribute(of_what: &str) -> Attribute {
        <Self as Field>::attribute()
            .computed()
            .description(format!("Cost of {of_what}. ACT is US dollars: 1,000,000 uact are 1 USD."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_of_one_uact() {
        assert_eq!(per_month("1".parse().unwrap()).unwrap().to_string(), "0.4383");
        assert_eq!(per_month("27.5".parse().unwrap()).unwrap().to_string(), "12.05325");
        let cost = Cost::of("100".parse().unwrap());
        assert_eq!(cost.per_hour, Value::Known("0.06".into()));
        assert_eq!(cost.per_month, Value::Known("43.83".into()));
    }
}
