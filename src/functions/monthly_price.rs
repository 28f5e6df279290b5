//! `monthly_price(price)`: what a price in uact per block is in USD a month.

use akash_proto::Dec;
use tfplugin::{Dynamic, Function, FunctionDefinition, FunctionError, Parameter, Type};

use super::text;
use crate::lifecycle::cost;

/// The function.
pub(super) struct MonthlyPrice;

impl Function for MonthlyPrice {
    fn name(&self) -> &str {
        "monthly_price"
    }

    fn definition(&self) -> FunctionDefinition {
        FunctionDefinition {
            summary: "A price in uact per block as USD a month".into(),
            description: format!(
                "Multiplies by {} blocks a month (6 s blocks, 30.4375 days) and divides by 1,000,000 uact per USD. The same \
                 constant is behind `cost` and `max_monthly_price`.",
                cost::BLOCKS_PER_MONTH
            ),
            parameters: vec![Parameter::new(
                "price",
                Type::String,
                "uact per block, for example `akash_lease.web.price` or `27.5`; a number or a decimal text.",
            )],
            variadic: None,
            returns: Type::Number,
        }
    }

    fn call(&self, arguments: Vec<Dynamic>) -> Result<Dynamic, FunctionError> {
        let price = text(&arguments, 0)?;
        let price: Dec = price
            .parse()
            .map_err(|error: akash_proto::NumberError| FunctionError::at(0, error.to_string()))?;
        if price < Dec::ZERO {
            return Err(FunctionError::at(0, format!("{price} is below 0, which no price is")));
        }
        let monthly = cost::per_month(price).and_then(|monthly| monthly.to_string().parse().ok());
        monthly.map(Dynamic::Number).ok_or_else(|| FunctionError::at(0, "the price is out of range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact() {
        let call = |text: &str| MonthlyPrice.call(vec![Dynamic::String(text.into())]);
        assert_eq!(call("23.958"), Ok(Dynamic::Number("10.5007914".parse().unwrap())));
        assert_eq!(call("0"), Ok(Dynamic::Number("0".parse().unwrap())));
        for text in ["1e3", "-1", "-0.000000000000000001", "999999999999999999999"] {
            assert!(call(text).is_err_and(|error| error.argument == Some(0)), "{text}");
        }
    }
}
