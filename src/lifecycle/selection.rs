//! Which bid to take. Pure: bids and the user's policy in, an order of preference and reasons out.

use std::collections::{BTreeMap, BTreeSet};

use akash_proto::Dec;
use akash_proto::id::BidId;
use tfplugin::{Attribute, Diagnostics, Field, Model, Number, Path, Value};

use super::{bid::Bid, cost};
use crate::duration;

/// `select`: how to choose among bids.
#[derive(Debug, Clone, Default, PartialEq, Model)]
#[model(optional)]
pub(crate) struct Select {
    /// The most to pay, in uact per block for the whole group.
    #[model(validate = positive)]
    pub(crate) max_price: Value<Number>,
    /// The most to pay, in USD per month of 438,300 blocks.
    #[model(validate = positive)]
    pub(crate) max_monthly_price: Value<Number>,
    /// Only these providers, by address.
    pub(crate) allow: Value<Vec<Value<String>>>,
    /// Never these providers, by address.
    pub(crate) deny: Value<Vec<Value<String>>>,
    /// What decides between acceptable bids: `price`, the default: the lowest.
    pub(crate) prefer: Value<String>,
    /// How long to collect bids after the first one, for example `15s`; `0s` takes the first acceptable bid. Default: 2
    /// blocks.
    #[model(validate = duration::check_from_zero)]
    pub(crate) settle: Value<String>,
    /// How long to wait for an acceptable bid. Default `5m`.
    #[model(validate = duration::check)]
    pub(crate) timeout: Value<String>,
}

impl Select {
    /// The schema of the attribute.
    pub(crate) fn attribute() -> Attribute {
        <Self as Field>::attribute().optional().description(
            "How to choose among the bids. A change of it has no effect on a lease that runs. Terraform passes over attributes that are not listed here without a word.",
        )
    }

    /// Refuses values out of their form.
    pub(crate) fn validate(&self, at: &Path, diagnostics: &mut Diagnostics) {
        match self.prefer.as_deref() {
            None | Some("price") => {}
            Some(other) => diagnostics.error_at(
                &at.attr("prefer"),
                "Unknown preference",
                format!("`{other}` is not a preference; `price` takes the lowest bid."),
            ),
        }
        for (list, name) in [(&self.allow, "allow"), (&self.deny, "deny")] {
            for (index, item) in list.known().into_iter().flatten().enumerate() {
                if let Some(address) = item.known().filter(|address| !akash_chain::is_address(address)) {
                    diagnostics.error_at(
                        &at.attr(name).index(index),
                        "Not a provider's address",
                        format!("`{address}` is not an account address of Akash (`akash1…`)."),
                    );
                }
            }
        }
    }

    /// Refuses lists of which no provider can come out, or not the one of `provider_address`: a lease would be given up
    /// for nothing. `at` is the path of `select`. What is not known yet may still match.
    pub(crate) fn can_match(&self, provider_address: Option<&str>, at: &Path, diagnostics: &mut Diagnostics) {
        let (allow, deny) = (known(&self.allow), known(&self.deny));
        if let Some(allow) = &allow
            && let Some(why) = match (allow.is_empty(), &deny) {
                (true, _) => Some("it is empty"),
                (false, Some(deny)) if allow.is_subset(deny) => Some("`deny` names every provider of it"),
                _ => None,
            }
        {
            diagnostics.error_at(
                &at.attr("allow"),
                "No provider can be chosen",
                format!(
                    "With this `allow` no bid can be taken: {why}. Leave `allow` out to choose among all providers."
                ),
            );
            return;
        }
        let Some(address) = provider_address else { return };
        let denied = self.deny.known().into_iter().flatten().any(|item| item.as_deref() == Some(address));
        let why = if denied {
            "`select.deny` names it"
        } else if allow.is_some_and(|allow| !allow.contains(address)) {
            "`select.allow` does not name it"
        } else {
            return;
        };
        diagnostics.error_at(
            &Path::root("provider_address"),
            "The provider can't be chosen",
            format!("Only {address} may be taken, and {why}, so no bid could be. Change one of the two."),
        );
    }
}

/// The items of a list of which all are known.
fn known(list: &Value<Vec<Value<String>>>) -> Option<BTreeSet<&str>> {
    list.known()?.iter().map(|item| item.as_deref()).collect()
}

/// A cap must leave something to pay.
fn positive(value: &tfplugin::Dynamic) -> Result<(), String> {
    match value {
        tfplugin::Dynamic::Number(number) if number.to_string().starts_with('-') || number.is_zero() => {
            Err(format!("{number} leaves no price that a provider could bid; give a number above 0"))
        }
        _ => Ok(()),
    }
}

/// What decides: the known part of `select`, and the one provider that may be asked for instead.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    max_price: Option<Number>,
    max_monthly_price: Option<Number>,
    allow: Option<BTreeSet<String>>,
    deny: BTreeSet<String>,
    only: Option<String>,
    /// With the reason.
    refused: BTreeMap<String, String>,
}

impl Policy {
    /// The policy of `select`, or of `provider_address` where that is set.
    pub(crate) fn new(select: Option<&Select>, provider_address: Option<&str>) -> Self {
        let set = |list: &Value<Vec<Value<String>>>| -> Option<BTreeSet<String>> {
            list.known().map(|items| items.iter().filter_map(|item| item.known().cloned()).collect())
        };
        let Some(select) = select else {
            return Self { only: provider_address.map(str::to_owned), ..Self::default() };
        };
        Self {
            max_price: select.max_price.known().cloned(),
            max_monthly_price: select.max_monthly_price.known().cloned(),
            allow: set(&select.allow),
            deny: set(&select.deny).unwrap_or_default(),
            only: provider_address.map(str::to_owned),
            refused: BTreeMap::new(),
        }
    }

    /// Passes a provider over from now on, for example because it would not take the manifest; `why` is what
    /// [`Policy::judge`] then says.
    pub(crate) fn refuse(&mut self, provider: &str, why: impl Into<String>) {
        self.refused.insert(provider.to_owned(), why.into());
    }

    /// The price, in uact per block, of an acceptable bid; else why it is passed over. The one verdict, for leases and for
    /// `akash_bids`.
    pub(crate) fn judge(&self, bid: &Bid) -> Result<Dec, String> {
        self.offer(bid).map(|(_, price)| price)
    }

    /// The best of the acceptable bids: the lowest price, then the first address, so that the choice is the same every
    /// time.
    pub(crate) fn best<'a>(&self, bids: &'a [Bid]) -> Option<(&'a BidId, Dec)> {
        let acceptable = bids.iter().filter_map(|bid| self.offer(bid).ok());
        acceptable.min_by(|(a, price_a), (b, price_b)| {
            price_a.cmp(price_b).then_with(|| a.provider().cmp(b.provider()))
        })
    }

    fn offer<'a>(&self, bid: &'a Bid) -> Result<(&'a BidId, Dec), String> {
        let id = bid.id.as_ref()?;
        let provider = id.provider();
        if let Some(only) = self.only.as_deref().filter(|only| *only != provider) {
            return Err(format!("`provider_address` asks for {only}"));
        }
        if let Some(why) = self.refused.get(provider) {
            return Err(why.clone());
        }
        if self.deny.contains(provider) {
            return Err("`select.deny` names it".into());
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(provider)) {
            return Err("`select.allow` does not name it".into());
        }
        let price = bid.price.clone()?;
        if let Some(cap) = self.max_price.as_ref().filter(|cap| exceeds(Some(price), cap)) {
            return Err(format!("above `select.max_price` of {cap} uact per block"));
        }
        if let Some(cap) = self.max_monthly_price.as_ref().filter(|cap| exceeds(cost::per_month(price), cap))
        {
            return Err(format!("above `select.max_monthly_price` of {cap} USD"));
        }
        Ok((id, price))
    }
}

/// Whether a price is above a cap. One that can't be compared with it is.
fn exceeds(price: Option<Dec>, cap: &Number) -> bool {
    price.and_then(|price| price.to_string().parse::<Number>().ok()).is_none_or(|price| price > *cap)
}

#[cfg(test)]
mod tests {
    use super::super::bid::tests::{bid as bid_of, provider};
    use super::*;

    fn number(text: &str) -> Value<Number> {
        Value::Known(text.parse().unwrap())
    }

    /// A bid of so many uact per block.
    fn bid(number: u8, price: &str) -> Bid {
        bid_of(number, "uact", &price.parse::<Dec>().unwrap().to_wire())
    }

    #[test]
    fn caps_are_exact() {
        let select = Select { max_price: number("27.5"), ..Select::default() };
        let policy = Policy::new(Some(&select), None);
        assert_eq!(policy.judge(&bid(1, "27.5")), Ok("27.5".parse().unwrap()));
        assert!(policy.judge(&bid(1, "27.500000000000000001")).is_err());

        // 100 uact per block are 43.83 USD a month, exactly.
        let select = Select { max_monthly_price: number("43.83"), ..Select::default() };
        let policy = Policy::new(Some(&select), None);
        assert!(policy.judge(&bid(1, "100")).is_ok());
        assert!(policy.judge(&bid(1, "100.0001")).is_err());
    }

    /// No cap lets a price through that it was not compared with.
    #[test]
    fn what_is_not_understood_is_passed_over() {
        let large = Dec::from_scaled(i128::MAX).to_wire();
        let policies = [
            Select { max_price: number("1000000"), ..Select::default() },
            Select { max_monthly_price: number("1000000"), ..Select::default() },
        ];
        for select in policies {
            let policy = Policy::new(Some(&select), None);
            for (denom, amount) in [("uact", "nothing"), ("uact", "0.5"), ("uakt", "1"), ("uact", &large)] {
                let bids = [bid_of(1, denom, amount)];
                assert!(policy.judge(&bids[0]).is_err() && policy.best(&bids).is_none(), "{denom} {amount}");
            }
        }
        assert!(exceeds(None, &"1".parse().unwrap()));
        let nobody = Bid { id: Err("no id".into()), ..bid(1, "1") };
        assert_eq!(Policy::default().judge(&nobody), Err("no id".into()));
    }

    #[test]
    fn lists_and_order() {
        let list = |numbers: &[u8]| {
            Value::Known(numbers.iter().map(|number| Value::Known(provider(*number))).collect::<Vec<_>>())
        };
        let select = Select { allow: list(&[1, 2, 3]), deny: list(&[3]), ..Select::default() };
        let mut policy = Policy::new(Some(&select), None);
        let bids = [bid(4, "1"), bid(3, "2"), bid(2, "3"), bid(1, "3")];
        let best = |policy: &Policy| policy.best(&bids).map(|(id, _)| id.provider().to_owned());
        let (first, second) = if provider(1) < provider(2) { (1, 2) } else { (2, 1) };
        assert_eq!(best(&policy), Some(provider(first)));
        policy.refuse(&provider(first), "it is asleep");
        assert_eq!(best(&policy), Some(provider(second)));
        assert_eq!(policy.judge(&bid(first, "3")), Err("it is asleep".into()));
        assert_eq!(best(&Policy::new(None, Some(&provider(4)))), Some(provider(4)));
        assert_eq!(best(&Policy::new(None, Some(&provider(5)))), None);
        assert_eq!(best(&Policy::default()), Some(provider(4)));
    }
}
