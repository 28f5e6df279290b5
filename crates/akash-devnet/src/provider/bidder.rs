//! A minimal bidder: bids on every order that its provider's attributes meet, one block after it appears, and closes
//! its own bid when another provider wins or nobody takes it.

use std::collections::BTreeMap;

use akash_proto::{
    Dec, Int,
    akash::{
        base::{
            deposit::v1::{Deposit, Source},
            resources::v1beta4::ResourceValue,
        },
        deployment::v1beta4::GroupSpec,
        market::{
            v1::{BidId, OrderId},
            v1beta5::{
                MsgCloseBid, MsgCreateBid, ResourceOffer, bid::State as BidState, order::State as OrderState,
            },
        },
    },
    any,
    cosmos::base::v1beta1::Coin,
};
use tokio::sync::broadcast::error::RecvError;

use super::ProviderContext;
use crate::{
    chain::{events::ChainEvent, market, state::State, validate},
    config::ProviderConfig,
    faults::Fault,
    handle::ChainHandle,
    wallet::Wallet,
};

/// Starts the bidder's task.
pub(super) fn spawn(context: &ProviderContext) {
    let (chain, wallet, config) = (context.chain.clone(), context.wallet.clone(), context.config.clone());
    let (cancel, bid_timeout) = (context.cancel.clone(), context.bid_timeout);
    tokio::spawn(async move {
        let mut blocks = chain.subscribe();
        let mut open: BTreeMap<(String, u64, u32, u32), (BidId, time::OffsetDateTime)> = BTreeMap::new();
        loop {
            let block = tokio::select! {
                () = cancel.cancelled() => return,
                block = blocks.recv() => match block {
                    Ok(block) => block,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                },
            };
            let state = chain.state();
            let mut messages = Vec::new();
            for event in &block.events {
                if let ChainEvent::OrderCreated(id) = event
                    && !chain.faults().is_active(|fault| *fault == Fault::NoBids)
                    && let Some(bid) = bid(&state, &config, &wallet, id)
                {
                    let key = (id.owner.clone(), id.dseq, id.gseq, id.oseq);
                    open.insert(key, (bid.id.clone().unwrap_or_default(), block.time));
                    messages.push(any(&bid));
                }
            }
            open.retain(|_, (id, since)| match state.bid(id).map(|bid| bid.state()) {
                None => block.time - *since < bid_timeout,
                Some(BidState::Open) => {
                    let order =
                        OrderId { owner: id.owner.clone(), dseq: id.dseq, gseq: id.gseq, oseq: id.oseq };
                    let wanted = state.order(&order).is_some_and(|order| order.state() == OrderState::Open);
                    let keep = wanted && block.time - *since < bid_timeout;
                    if !keep {
                        messages.push(any(&MsgCloseBid { id: Some(id.clone()), reason: 10_002 }));
                    }
                    keep
                }
                Some(_) => false,
            });
            for message in messages {
                submit(&chain, &wallet, message);
            }
        }
    });
}

/// Sends one message by itself, so that a refused one harms no other.
fn submit(chain: &ChainHandle, wallet: &Wallet, message: akash_proto::Any) {
    let (chain, wallet) = (chain.clone(), wallet.clone());
    tokio::spawn(async move {
        if let Err(error) = chain.submit(&wallet, vec![message]).await {
            tracing::debug!(provider = wallet.address(), %error, "message refused");
        }
    });
}

fn bid(state: &State, config: &ProviderConfig, wallet: &Wallet, id: &OrderId) -> Option<MsgCreateBid> {
    let spec = state.order(id)?.spec.clone()?;
    let provider = state.providers.get(wallet.address())?;
    let suits = market::meets_requirements(state, &spec, wallet.address(), &provider.attributes)
        && market::has_capabilities(&spec, &provider.attributes);
    let price = price(&spec, config.price_factor);
    if !suits || price > validate::ceiling(&spec) {
        return None;
    }
    let offers = spec.resources.iter().map(|unit| ResourceOffer {
        resources: unit.resource.clone(),
        count: unit.count,
        prices: None,
    });
    Some(MsgCreateBid {
        id: Some(BidId {
            owner: id.owner.clone(),
            dseq: id.dseq,
            gseq: id.gseq,
            oseq: id.oseq,
            provider: wallet.address().to_owned(),
            bseq: 0,
        }),
        price: Some(market::price(price)),
        deposit: Some(Deposit {
            amount: Some(Coin { denom: "uact".to_owned(), amount: "500000".to_owned() }),
            sources: vec![Source::Balance.into()],
        }),
        resources_offer: offers.collect(),
        reclamation_window: state
            .order(id)?
            .reclamation
            .as_ref()
            .and_then(|reclamation| reclamation.min_window),
    })
}

/// uact a block: 40 a CPU, 8 a GiB of memory, 1 a GiB of storage, 2000 a GPU, 2 an endpoint, times the factor.
fn price(spec: &GroupSpec, factor: Dec) -> Dec {
    let amount = |value: Option<&ResourceValue>| {
        value.and_then(|value| Int::try_from(value).ok()).map_or(0, |int| int.0)
    };
    let milli: u128 = spec
        .resources
        .iter()
        .filter_map(|unit| {
            let resource = unit.resource.as_ref()?;
            let gib = |bytes: u64| u128::from(bytes) * 1000 / (1 << 30);
            let cpu = u128::from(amount(resource.cpu.as_ref().and_then(|cpu| cpu.units.as_ref()))) * 40;
            let memory =
                gib(amount(resource.memory.as_ref().and_then(|memory| memory.quantity.as_ref()))) * 8;
            let storage: u128 =
                resource.storage.iter().map(|volume| gib(amount(volume.quantity.as_ref()))).sum();
            let gpu =
                u128::from(amount(resource.gpu.as_ref().and_then(|gpu| gpu.units.as_ref()))) * 2_000_000;
            let endpoints = u128::try_from(resource.endpoints.len()).unwrap_or(0) * 2_000;
            Some((cpu + memory + storage + gpu + endpoints) * u128::from(unit.count))
        })
        .sum();
    // Thousandths times a scaled factor, and at least a thousandth of a uact.
    let scaled = factor.scaled().saturating_mul(i128::try_from(milli.max(1)).unwrap_or(i128::MAX)) / 1000;
    Dec::from_scaled(scaled.max(1))
}
