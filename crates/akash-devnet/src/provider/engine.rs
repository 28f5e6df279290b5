//! What a provider does on its own, once a block: bid on new orders, close bids nobody took, close leases without a manifest,
//! take its money when a deployment's has run out.
//!
//! Except for new orders it goes by the state of the last block and not by events, so that nothing is missed.

use std::{collections::BTreeMap, sync::Arc};

use akash_proto::{
    Any, Dec,
    akash::{
        escrow::types::v1::State as EscrowState,
        market::{
            v1::{Lease, LeaseClosedReason, LeaseId, OrderId, lease},
            v1beta5::{MsgCloseBid, MsgWithdrawLease, bid, order},
        },
    },
    any,
};
use time::OffsetDateTime;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{Me, bids};
use crate::{
    chain::{
        events::ChainEvent,
        state::{self, OrderKey, State},
    },
    faults::Fault,
    node::Block,
};

/// Messages of one transaction: as many as its gas is enough for.
const BATCH: usize = 10;
/// A deployment's funds are looked at every so many blocks (the real daemon: every 10 min).
const FUNDS_EVERY: u64 = 10;

/// Whether a lease's workload runs: also while it is being reclaimed.
pub(super) fn is_running(lease: &Lease) -> bool {
    matches!(lease.state(), lease::State::Active | lease::State::Reclaiming)
}

/// Runs until `stop`.
pub(super) async fn run(me: Arc<Me>, mut blocks: broadcast::Receiver<Arc<Block>>, stop: CancellationToken) {
    let mut engine = Engine { me: me.clone(), bids: BTreeMap::new(), awaiting: BTreeMap::new() };
    engine.take_over();
    engine.block(&open_orders(&me.chain.state()));
    loop {
        let block = tokio::select! {
            () = stop.cancelled() => return,
            block = blocks.recv() => block,
        };
        let orders: Vec<OrderId> = match block {
            Ok(block) => block
                .events
                .iter()
                .filter_map(|event| match event {
                    ChainEvent::OrderCreated(id) => Some(id.clone()),
                    _ => None,
                })
                .collect(),
            Err(RecvError::Lagged(_)) => open_orders(&me.chain.state()),
            Err(RecvError::Closed) => return,
        };
        engine.block(&orders);
    }
}

fn open_orders(state: &State) -> Vec<OrderId> {
    let open = state.orders.values().filter(|order| order.state() == order::State::Open);
    open.filter_map(|order| order.id.clone()).collect()
}

struct Engine {
    me: Arc<Me>,
    /// Bids that are open as far as known, and when they are given up.
    bids: BTreeMap<OrderKey, OffsetDateTime>,
    /// Leases without manifest, and when they are given up.
    awaiting: BTreeMap<OrderKey, OffsetDateTime>,
}

impl Engine {
    /// Bids of an earlier run. Its leases are not waited for: they had their manifest, which is lost with that run.
    fn take_over(&mut self) {
        let state = self.me.chain.state();
        let mine = |provider: &str| provider == self.me.address();
        let bids = state.bids.values().filter(|bid| bid.state() == bid::State::Open);
        for id in bids.filter_map(|bid| bid.id.as_ref()).filter(|id| mine(&id.provider)) {
            self.bids.insert(state::order_key(&state::order_of(id)), state.time + self.me.bid_timeout);
        }
    }

    /// After a block, with the orders that are new in it.
    fn block(&mut self, orders: &[OrderId]) {
        let state = self.me.chain.state();
        self.me.workloads.keep(|key| state.leases.get(&self.bid_key(key)).is_some_and(is_running));
        let mut messages = self.bid_on(&state, orders);
        messages.extend(self.look_after_bids(&state));
        messages.extend(self.look_after_leases(&state));
        if state.height.is_multiple_of(FUNDS_EVERY) {
            messages.extend(self.collect(&state));
        }
        if !messages.is_empty() {
            // Not waited for: it takes a block, and the next one is to be looked at meanwhile.
            tokio::spawn(submit(self.me.clone(), messages));
        }
    }

    fn bid_key(&self, (owner, dseq, gseq, oseq): &OrderKey) -> state::BidKey {
        (owner.clone(), *dseq, *gseq, *oseq, self.me.address().to_owned(), 0)
    }

    fn lease_id(&self, (owner, dseq, gseq, oseq): &OrderKey) -> LeaseId {
        let provider = self.me.address().to_owned();
        LeaseId { owner: owner.clone(), dseq: *dseq, gseq: *gseq, oseq: *oseq, provider, bseq: 0 }
    }

    fn close(&self, key: &OrderKey, reason: LeaseClosedReason) -> Any {
        any(&MsgCloseBid { id: Some(state::bid_of(&self.lease_id(key))), reason: reason.into() })
    }

    fn bid_on(&mut self, state: &State, orders: &[OrderId]) -> Vec<Any> {
        let me = self.me.clone();
        let mut messages = Vec::new();
        for order in orders.iter().filter_map(|id| state.order(id)) {
            let Some(key) = order.id.as_ref().map(state::order_key) else { continue };
            if order.state() != order::State::Open || state.bids.contains_key(&self.bid_key(&key)) {
                continue;
            }
            if me.faults.take(|fault| matches!(fault, Fault::NoBids)).is_some() {
                continue;
            }
            match bids::bid(state, order, me.address(), me.config.price_factor) {
                Ok(message) => {
                    self.bids.insert(key, state.time + me.bid_timeout);
                    messages.push(any(&message));
                }
                Err(reason) => {
                    tracing::debug!(provider = me.config.name, ?key, reason, "no bid");
                }
            }
        }
        messages
    }

    fn look_after_bids(&mut self, state: &State) -> Vec<Any> {
        let mut messages = Vec::new();
        let mut gone = Vec::new();
        for (key, until) in &self.bids {
            let Some(bid) = state.bids.get(&self.bid_key(key)) else {
                // On its way, or refused.
                if state.time > *until {
                    gone.push(key.clone());
                }
                continue;
            };
            match bid.state() {
                bid::State::Open => {
                    // The chain leaves losing bids open (reference/akash.md 5.2), so their providers close them.
                    let lost = state.orders.get(key).is_none_or(|o| o.state() != order::State::Open);
                    if lost || state.time > *until {
                        messages.push(self.close(key, LeaseClosedReason::Unspecified));
                        gone.push(key.clone());
                    }
                }
                bid::State::Active => {
                    self.awaiting.insert(key.clone(), state.time + self.me.manifest_timeout);
                    gone.push(key.clone());
                }
                _ => gone.push(key.clone()),
            }
        }
        for key in gone {
            self.bids.remove(&key);
        }
        messages
    }

    fn look_after_leases(&mut self, state: &State) -> Vec<Any> {
        let mut messages = Vec::new();
        let mut gone = Vec::new();
        for (key, until) in &self.awaiting {
            let running = state.leases.get(&self.bid_key(key)).is_some_and(is_running);
            if !running || self.me.workloads.get(key).is_some() {
                gone.push(key.clone());
            } else if state.time > *until {
                messages.push(self.close(key, LeaseClosedReason::ManifestTimeout));
                gone.push(key.clone());
            }
        }
        for key in gone {
            self.awaiting.remove(&key);
        }
        messages
    }

    /// Leases whose deployment has no funds left: withdrawing makes the chain notice.
    fn collect(&self, state: &State) -> Vec<Any> {
        let keys = self.me.workloads.keys();
        let spent = keys.iter().filter(|(owner, dseq, ..)| is_spent(state, owner, *dseq));
        spent.map(|key| any(&MsgWithdrawLease { id: Some(self.lease_id(key)) })).collect()
    }
}

/// Whether a deployment's funds do not last for another block.
fn is_spent(state: &State, owner: &str, dseq: u64) -> bool {
    let account_key = state::deployment_escrow(owner, dseq);
    let Some(account) = state.escrow_accounts.get(&account_key) else { return false };
    if account.state() != EscrowState::Open {
        return false;
    }
    let funds: Dec = account
        .funds
        .iter()
        .filter(|balance| balance.denom == "uact")
        .filter_map(|balance| Dec::from_wire(&balance.amount).ok())
        .sum();
    let rate: Dec = state
        .escrow_payments
        .range((account_key.clone(), String::new())..)
        .take_while(|((key, _), _)| *key == account_key)
        .filter(|(_, payment)| payment.state() == EscrowState::Open)
        .filter_map(|(_, payment)| Dec::from_wire(&payment.rate.as_ref()?.amount).ok())
        .sum();
    let blocks = state.signed_height().saturating_sub(account.settled_at).saturating_add(1);
    let due = u128::try_from(blocks).ok().and_then(|blocks| rate.checked_mul(blocks));
    rate > Dec::ZERO && due.is_none_or(|due| due > funds)
}

/// Sends messages in few transactions at once; when one is refused, each of its messages alone.
async fn submit(me: Arc<Me>, messages: Vec<Any>) {
    let mut sent = JoinSet::new();
    for batch in messages.chunks(BATCH) {
        let (me, batch) = (me.clone(), batch.to_vec());
        sent.spawn(async move {
            let Err(reason) = me.chain.submit(&me.wallet, batch.clone()).await else { return };
            tracing::debug!(provider = me.config.name, reason, count = batch.len(), "transaction refused");
            if batch.len() > 1 {
                for message in batch {
                    let kind = message.type_url.clone();
                    if let Err(reason) = me.chain.submit(&me.wallet, vec![message]).await {
                        tracing::debug!(provider = me.config.name, reason, kind, "refused");
                    }
                }
            }
        });
    }
    sent.join_all().await;
}
