//! Whether a provider bids on an order, and how much. Pure: a function of the state.

use akash_proto::{
    Dec, Int,
    akash::{
        base::{
            deposit::v1::{Deposit, Source},
            resources::v1beta4::{ResourceValue, Resources, endpoint::Kind},
        },
        deployment::v1beta4::{GroupSpec, ResourceUnit},
        market::{
            v1::BidId,
            v1beta5::{MsgCreateBid, Order, ResourceOffer},
        },
    },
    cosmos::base::v1beta1::Coin,
};

use crate::chain::{market, requirements, state::State, validate};

/// The market's minimum bid deposit.
const DEPOSIT: u64 = 500_000;
/// The real daemon bids on no unit with more volumes.
const MAX_VOLUMES: usize = 4;

/// Price script, in millionths of a uact per block: a provider's factor multiplies it. Half a CPU with 512 MiB and 1 GiB
/// is about 27 uact.
mod script {
    pub(super) const CPU_MILLI: i128 = 40_000;
    pub(super) const MEMORY_MIB: i128 = 10_000;
    pub(super) const STORAGE_GIB: i128 = 1_000_000;
    pub(super) const GPU: i128 = 2_000_000_000;
    pub(super) const ENDPOINT: i128 = 500_000;
    pub(super) const IP: i128 = 10_000_000;
}

/// The bid of the provider `address` on an order, or why there is none.
pub(super) fn bid(
    state: &State,
    order: &Order,
    address: &str,
    factor: Dec,
) -> Result<MsgCreateBid, &'static str> {
    let (id, spec) = order.id.as_ref().zip(order.spec.as_ref()).ok_or("order without group")?;
    let provider = state.providers.get(address).ok_or("not registered")?;
    if !requirements::owned(spec, &provider.attributes)
        || !requirements::signed(state, spec, address, &provider.attributes)
    {
        return Err("attributes or audits are missing");
    }
    if !requirements::capable(spec, &provider.attributes) {
        return Err("no such GPU or storage class here");
    }
    if spec.resources.iter().filter_map(|unit| unit.resource.as_ref()).any(|r| r.storage.len() > MAX_VOLUMES)
    {
        return Err("too many volumes");
    }
    let price = price(spec, factor).ok_or("no price for these resources")?;
    if price > validate::ceiling(spec) {
        return Err("the order's price is too low");
    }
    let offer = |unit: &ResourceUnit| ResourceOffer {
        resources: unit.resource.clone(),
        count: unit.count,
        prices: None,
    };
    Ok(MsgCreateBid {
        id: Some(BidId {
            owner: id.owner.clone(),
            dseq: id.dseq,
            gseq: id.gseq,
            oseq: id.oseq,
            provider: address.to_owned(),
            bseq: 0,
        }),
        price: Some(market::price(price)),
        deposit: Some(Deposit {
            amount: Some(Coin { denom: "uact".to_owned(), amount: DEPOSIT.to_string() }),
            sources: vec![Source::Balance.into()],
        }),
        resources_offer: spec.resources.iter().map(offer).collect(),
        reclamation_window: order.reclamation.as_ref().and_then(|r| r.min_window),
    })
}

/// The whole group's price per block.
fn price(spec: &GroupSpec, factor: Dec) -> Option<Dec> {
    let micro = spec.resources.iter().try_fold(0_i128, |sum, unit| sum.checked_add(unit_price(unit)?))?;
    // Millionths times the factor's 10^18, back to 10^18 of a uact.
    let scaled = micro.checked_mul(factor.scaled() / 1_000_000)?;
    (scaled > 0).then(|| Dec::from_scaled(scaled))
}

fn unit_price(unit: &ResourceUnit) -> Option<i128> {
    let resources: &Resources = unit.resource.as_ref()?;
    let number = |value: Option<&ResourceValue>| {
        value.map_or(Some(0), |v| Int::try_from(v).ok().map(|n| i128::from(n.0)))
    };
    let cpu = number(resources.cpu.as_ref().and_then(|c| c.units.as_ref()))?;
    let memory = number(resources.memory.as_ref().and_then(|m| m.quantity.as_ref()))?;
    let gpu = number(resources.gpu.as_ref().and_then(|g| g.units.as_ref()))?;
    let mut storage = 0;
    for volume in &resources.storage {
        storage += number(volume.quantity.as_ref())?;
    }
    let endpoints: i128 = resources
        .endpoints
        .iter()
        .map(|e| if e.kind() == Kind::LeasedIp { script::IP } else { script::ENDPOINT })
        .sum();
    let one = cpu * script::CPU_MILLI
        + memory * script::MEMORY_MIB / (1 << 20)
        + storage * script::STORAGE_GIB / (1 << 30)
        + gpu * script::GPU;
    one.checked_mul(i128::from(unit.count))?.checked_add(endpoints)
}
