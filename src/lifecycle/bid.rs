//! A bid as the chain has it. Nothing that was offered is dropped unseen: what this version can't make sense of is kept
//! with the reason, and [`Policy::judge`](super::selection::Policy::judge) passes it over.

use akash_proto::Dec;
use akash_proto::akash::market::v1beta5 as wire;
use akash_proto::akash::market::v1beta5::bid::State;
use akash_proto::id::BidId;

/// The one denomination in which a lease is paid (reference: akash 3.1).
const DENOM: &str = "uact";

/// A bid on an order.
#[derive(Debug, Clone)]
pub(crate) struct Bid {
    /// Who made it, as the chain has it.
    pub(crate) provider: String,
    /// Which; else what is wrong with it.
    pub(crate) id: Result<BidId, String>,
    /// uact per block for the whole group; else why it can't be taken for one.
    pub(crate) price: Result<Dec, String>,
    /// `Invalid` where this version does not know it.
    pub(crate) state: State,
    /// The height of its block; 0 where the chain does not say.
    pub(crate) made: u64,
}

impl Bid {
    /// Reads a bid, whatever is in it.
    pub(crate) fn read(bid: &wire::Bid) -> Self {
        let id = bid.id.clone().unwrap_or_default();
        Self {
            id: BidId::try_from(&id).map_err(|error| format!("it can't be told which it is: {error}")),
            provider: id.provider,
            price: price(bid),
            state: State::try_from(bid.state).unwrap_or(State::Invalid),
            made: u64::try_from(bid.created_at).unwrap_or(0),
        }
    }

    /// Cheapest first, then by address, so that the order is the same every time; those without a price last.
    pub(crate) fn sort(bids: &mut [Self]) {
        bids.sort_by(|a, b| {
            let price = |bid: &Self| (bid.price.is_err(), bid.price.clone().unwrap_or_default());
            price(a).cmp(&price(b)).then_with(|| a.provider.cmp(&b.provider))
        });
    }
}

fn price(bid: &wire::Bid) -> Result<Dec, String> {
    let Some(price) = &bid.price else { return Err("it names no price".into()) };
    if price.denom != DENOM {
        return Err(format!("its price is in `{}`, and leases are paid in {DENOM}", price.denom));
    }
    match Dec::from_wire(&price.amount) {
        Ok(amount) if amount > Dec::ZERO => Ok(amount),
        // Nobody gives something for nothing: the chain refuses such a lease (escrow code 9).
        Ok(amount) => Err(format!("its price of {amount} {DENOM} is not above 0")),
        Err(_) => Err(format!("its price `{}` is not a number that this version can read", price.amount)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use akash_proto::akash::market::v1::BidId as WireId;
    use akash_proto::cosmos::base::v1beta1::DecCoin;

    use super::*;

    /// The address of a provider with this number.
    pub(crate) fn provider(number: u8) -> String {
        akash_proto::address::encode(&[number; 20])
    }

    /// An open bid of that provider with these texts in its price.
    pub(crate) fn bid(number: u8, denom: &str, amount: &str) -> Bid {
        let (owner, provider) = (provider(0), provider(number));
        Bid::read(&wire::Bid {
            id: Some(WireId { owner, dseq: 1, gseq: 1, oseq: 1, provider, bseq: 0 }),
            price: Some(DecCoin { denom: denom.into(), amount: amount.into() }),
            state: State::Open.into(),
            created_at: 7,
            ..wire::Bid::default()
        })
    }

    #[test]
    fn a_price_is_a_positive_number_of_uact() {
        assert_eq!(bid(1, "uact", "27500000000000000000").price, Ok("27.5".parse().unwrap()));
        for (denom, amount, why) in [
            ("uakt", "27500000000000000000", "`uakt`"),
            ("", "1", "``"),
            ("uact", "27.5", "`27.5`"),
            ("uact", "1e18", "`1e18`"),
            ("uact", "170141183460469231731687303715884105728", "is not a number"),
            ("uact", "0", "not above 0"),
            ("uact", "", "not above 0"),
            ("uact", "-1", "not above 0"),
        ] {
            let told = bid(1, denom, amount).price.unwrap_err();
            assert!(told.contains(why), "{denom} {amount}: {told}");
        }
        let nothing = Bid::read(&wire::Bid::default());
        assert!(nothing.price.is_err() && nothing.id.is_err());
    }

    #[test]
    fn those_without_a_price_come_last() {
        let one = "1000000000000000000";
        let mut bids = [bid(1, "uact", "x"), bid(3, "uact", one), bid(2, "uact", one), bid(4, "uact", "1")];
        Bid::sort(&mut bids);
        let mut equal = [provider(2), provider(3)];
        equal.sort();
        let [first, second] = equal;
        assert_eq!(bids.map(|bid| bid.provider), [provider(4), first, second, provider(1)]);
    }
}
