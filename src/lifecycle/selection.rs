//! Which bid to take. Pure: bids and the user's policy in, an order of preference and reasons out.

use std::collections::{BTreeMap, BTreeSet};

use akash_proto::Dec;
use serde::{Deserialize, Serialize};
use tfplugin::{Attribute, Diagnostics, Number, Path, Type, Value};

use super::{cost, duration};

/// The `select` attribute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Select {
    pub(crate) max_price: Value<Number>,
    pub(crate) max_monthly_price: Value<Number>,
    pub(crate) allow: Value<Vec<Value<String>>>,
    pub(crate) deny: Value<Vec<Value<String>>>,
    pub(crate) attributes: Value<BTreeMap<String, Value<String>>>,
    pub(crate) audited_by: Value<Vec<Value<String>>>,
    pub(crate) region: Value<String>,
    pub(crate) prefer: Value<String>,
    pub(crate) weights: Value<BTreeMap<String, Value<Number>>>,
    pub(crate) settle: Value<String>,
    pub(crate) timeout: Value<String>,
}

impl Select {
    /// The schema of the attribute.
    pub(crate) fn attribute() -> Attribute {
        let later = "Not built yet: setting it is an error.";
        Attribute::object([
            ("max_price", Attribute::number().optional().validate(positive).description("The most to pay, in uact per block for the whole group.")),
            ("max_monthly_price", Attribute::number().optional().validate(positive).description("The most to pay, in USD per month of 438,300 blocks.")),
            ("allow", Attribute::list(Type::String).optional().description("Only these providers, by address.")),
            ("deny", Attribute::list(Type::String).optional().description("Never these providers, by address.")),
            ("attributes", Attribute::map(Type::String).optional().description(format!("Attributes that the provider must have. {later}"))),
            ("audited_by", Attribute::list(Type::String).optional().description(format!("Auditors that must have signed the provider. {later}"))),
            ("region", Attribute::string().optional().description(format!("The provider's region. {later}"))),
            ("prefer", Attribute::string().optional().description("What decides between acceptable bids: `price`, the default: the lowest. (`uptime` is not built yet.)")),
            ("weights", Attribute::map(Type::Number).optional().description(format!("Weights of the criteria. {later}"))),
            ("settle", Attribute::string().optional().validate(duration::check).description("How long to collect bids after the first one, for example `15s`. Default: 2 blocks.")),
            ("timeout", Attribute::string().optional().validate(duration::check).description("How long to wait for an acceptable bid. Default `5m`.")),
        ])
        .optional()
        .description("How to choose among the bids. A change of it has no effect on a lease that runs.")
    }

    /// Refuses what is not built yet, and contradictions.
    pub(crate) fn validate(&self, at: &Path, diagnostics: &mut Diagnostics) {
        let later = [
            (!self.attributes.is_null(), "attributes"),
            (!self.audited_by.is_null(), "audited_by"),
            (!self.region.is_null(), "region"),
            (!self.weights.is_null(), "weights"),
        ];
        for (_, name) in later.into_iter().filter(|(set, _)| *set) {
            super::not_built(&at.attr(name), diagnostics);
        }
        match self.prefer.as_deref() {
            Some("uptime") => super::not_built(&at.attr("prefer"), diagnostics),
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
    /// [`Policy::objection`] then says.
    pub(crate) fn refuse(&mut self, provider: &str, why: impl Into<String>) {
        self.refused.insert(provider.to_owned(), why.into());
    }

    /// Why a bid is passed over; `None` if it is acceptable.
    pub(crate) fn objection(&self, provider: &str, price: Dec) -> Option<String> {
        let number = |dec: Dec| dec.to_string().parse::<Number>().unwrap_or_default();
        if let Some(only) = self.only.as_deref().filter(|only| *only != provider) {
            return Some(format!("`provider_address` asks for {only}"));
        }
        if let Some(why) = self.refused.get(provider) {
            return Some(why.clone());
        }
        if self.deny.contains(provider) {
            return Some("`select.deny` names it".into());
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(provider)) {
            return Some("`select.allow` does not name it".into());
        }
        if let Some(cap) = self.max_price.as_ref().filter(|cap| number(price) > **cap) {
            return Some(format!("above `select.max_price` of {cap} uact per block"));
        }
        let monthly = cost::per_month(price).map(number);
        if let Some(cap) = &self.max_monthly_price
            && monthly.as_ref().is_none_or(|monthly| monthly > cap)
        {
            return Some(format!("above `select.max_monthly_price` of {cap} USD"));
        }
        None
    }
}

/// The acceptable bids, best first: the lowest price, then by address so that the choice is the same every time.
pub(crate) fn ranked<'a, B>(
    policy: &Policy,
    bids: impl IntoIterator<Item = &'a B>,
    of: impl Fn(&B) -> (&str, Dec),
) -> Vec<&'a B> {
    let mut acceptable: Vec<&B> = bids
        .into_iter()
        .filter(|bid| {
            let (provider, price) = of(bid);
            policy.objection(provider, price).is_none()
        })
        .collect();
    acceptable.sort_by(|a, b| {
        let ((provider_a, price_a), (provider_b, price_b)) = (of(a), of(b));
        price_a.cmp(&price_b).then_with(|| provider_a.cmp(provider_b))
    });
    acceptable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Dec {
        text.parse().unwrap()
    }

    fn number(text: &str) -> Value<Number> {
        Value::Known(text.parse().unwrap())
    }

    #[test]
    fn caps_are_exact() {
        let select = Select { max_price: number("27.5"), ..Select::default() };
        let policy = Policy::new(Some(&select), None);
        assert_eq!(policy.objection("a", dec("27.5")), None);
        assert!(policy.objection("a", dec("27.500000000000000001")).is_some());

        // 100 uact per block are 43.83 USD a month, exactly.
        let select = Select { max_monthly_price: number("43.83"), ..Select::default() };
        let policy = Policy::new(Some(&select), None);
        assert_eq!(policy.objection("a", dec("100")), None);
        assert!(policy.objection("a", dec("100.0001")).is_some());
    }

    #[test]
    fn lists_and_order() {
        let list =
            |items: &[&str]| Value::Known(items.iter().map(|item| Value::from(*item)).collect::<Vec<_>>());
        let select = Select { allow: list(&["a", "b", "c"]), deny: list(&["c"]), ..Select::default() };
        let mut policy = Policy::new(Some(&select), None);
        let bids = [("d", dec("1")), ("c", dec("2")), ("b", dec("3")), ("a", dec("3"))];
        fn of<'a>(bid: &'a (&'static str, Dec)) -> (&'a str, Dec) {
            (bid.0, bid.1)
        }
        let order = |policy: &Policy| ranked(policy, &bids, of).iter().map(|bid| bid.0).collect::<Vec<_>>();
        assert_eq!(order(&policy), ["a", "b"]);
        policy.refuse("a", "it is asleep");
        assert_eq!(order(&policy), ["b"]);
        assert_eq!(policy.objection("a", dec("3")).as_deref(), Some("it is asleep"));
        assert_eq!(order(&Policy::new(None, Some("d"))), ["d"]);
        assert_eq!(order(&Policy::default()), ["d", "c", "a", "b"]);
    }
}
