//! From a group to a lease: its order, the bids on it, and taking one of them.
//!
//! The order's state decides what can be leased, not an open bid: the chain may leave losing bids open. The manifest
//! and the provider's gateway are not this module's matter.

use std::sync::Arc;
use std::time::Duration;

use akash_chain::{ChainError, Kind, Market, MarketWatch, Outcome, QueryError, SubmitError};
use akash_proto::Dec;
use akash_proto::akash::deployment::v1beta4::{Group, GroupSpec, MsgPauseGroup, MsgStartGroup, group};
use akash_proto::akash::market::v1::lease;
use akash_proto::akash::market::v1beta5::{MsgCreateLease, Order, QueryLeaseResponse};
use akash_proto::id::{BidId, GroupId, LeaseId, OrderId};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use super::bid::Bid;
use super::selection::Policy;
use super::supply;
use crate::clients::Clients;
use crate::limit::Limit;
use crate::op::{self, Op};

/// Providers take an unaccepted bid back after this and do not bid on the order again.
const BID_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// By default bids are collected for so many blocks after the first.
const SETTLE_BLOCKS: u64 = 2;
/// Only for an order whose block a node no longer has.
const BLOCK_SECONDS: u64 = 6;
/// An order of fewer blocks is younger than the bid timeout, also where a block takes twice as long.
const YOUNG_BLOCKS: u64 = BID_TIMEOUT.as_secs() / BLOCK_SECONDS / 2;

/// How long to wait for bids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After the first bid; by default two blocks.
    pub(crate) settle: Option<Duration>,
    /// In all, for one round.
    pub(crate) timeout: Duration,
}

/// A lease just taken.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Which.
    pub(crate) id: LeaseId,
    /// uact per block for the whole group.
    pub(crate) price: Dec,
    /// The transaction.
    pub(crate) outcome: Outcome,
}

/// A bid that was not taken, and why.
#[derive(Debug, Clone)]
pub(crate) struct PassedOver {
    provider: String,
    /// uact per block, where it can be read.
    price: Option<Dec>,
    why: String,
}

/// Why no bid was taken.
#[derive(Debug)]
pub(crate) enum NoLease {
    /// The group has a lease already.
    Leased(Box<LeaseId>),
    /// The group is over, or there is none: the text says.
    Group(String),
    /// No acceptable bid in time.
    NoBids(Offers, Duration),
    /// A message failed, or its fate is open: then with the bid whose lease was asked for.
    Submit(Box<SubmitError>, Option<(LeaseId, Dec)>),
    /// The chain could not be asked.
    Query(QueryError),
    /// Stopped, or out of time, before a lease was asked for.
    Ended(Offers),
}

impl From<QueryError> for NoLease {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// What was offered in vain.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    passed_over: Vec<PassedOver>,
    /// Where nobody bid: who could have.
    supply: String,
}

/// The bids that were passed over, one a line, for a diagnostic; or why there were none.
pub(crate) fn list(offers: &Offers) -> String {
    if offers.passed_over.is_empty() {
        let free = "Nobody bid. An order costs nothing while it is open: only a lease is paid for.";
        return if offers.supply.is_empty() { free.into() } else { format!("{free}\n\n{}", offers.supply) };
    }
    let lines = offers.passed_over.iter().map(|PassedOver { provider, price, why }| match price {
        Some(price) => format!("- {provider} at {price} uact per block: {why}"),
        None => format!("- {provider}: {why}"),
    });
    format!("The bids:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The group's lease that runs as of after `since`, if one does: active, or about to be reclaimed.
pub(crate) async fn running_lease(
    op: &Op,
    group: &GroupId,
    since: std::time::Instant,
) -> Result<Option<QueryLeaseResponse>, QueryError> {
    let listing = op.clients.chain.listing_since(group.owner(), since).await?;
    let ours = |row: &&QueryLeaseResponse| {
        let lease = row.lease.as_ref().filter(|lease| runs(lease.state));
        let id = lease.and_then(|lease| LeaseId::try_from(lease.id.as_ref()?).ok());
        id.is_some_and(|id| id.group() == group)
    };
    Ok(listing.leases.iter().find(ours).cloned())
}

/// Whether a lease in this state runs.
pub(crate) fn runs(state: i32) -> bool {
    state == i32::from(lease::State::Active) || state == i32::from(lease::State::Reclaiming)
}

/// Pauses the group: closes its order, bids and lease. Paused or over already is success. `None` where nothing was sent.
pub(crate) async fn pause(op: &Op, group: &GroupId) -> Result<Option<Outcome>, SubmitError> {
    pause_within(op, &op.limit, group).await
}

/// The same within a time of its own, for what is to be tidied up when the operation's may have ended.
pub(crate) async fn pause_within(
    op: &Op,
    limit: &Limit,
    group: &GroupId,
) -> Result<Option<Outcome>, SubmitError> {
    match op.send_within(limit, MsgPauseGroup { id: Some(group.into()) }).await {
        Ok(outcome) => Ok(Some(outcome)),
        Err(error) => match op::refusal(&error) {
            Some(Kind::GroupPaused | Kind::GroupClosed | Kind::DeploymentClosed | Kind::GroupNotFound) => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// Starts a paused group; it has a new order then.
async fn start(op: &Op, group: &GroupId) -> Result<(), NoLease> {
    match op.send(MsgStartGroup { id: Some(group.into()) }).await {
        Ok(_) => Ok(()),
        Err(error) if op::refusal(&error) == Some(Kind::GroupOpen) => Ok(()),
        Err(error) => Err(NoLease::Submit(Box::new(error), None)),
    }
}

/// Takes the best acceptable bid on the group, starting it if it is paused. Bids are looked at once a block, by all who
/// wait at the same moment, so that leases that are ripe at the same block are asked for in one transaction.
pub(crate) async fn take(
    op: &Op,
    group: &GroupId,
    policy: &mut Policy,
    patience: Patience,
) -> Result<Taken, NoLease> {
    let _waiting = op.clients.leasing.wait();
    let mut watch = op.clients.chain.watch_market(group.owner());
    let (order, mut market) = open_order(op, group, &mut watch).await?;
    let until = Instant::now() + patience.timeout;
    let mut collected = Collected::default();
    let mut late_comer = None;
    loop {
        if market.open_order(group).is_none_or(|(newest, _)| *newest != order) {
            return Err(NoLease::Group(
                "its order was closed or leased by somebody else while bids were collected; apply again"
                    .into(),
            ));
        }
        let bids = open_bids(&market, &order);
        let late = Instant::now() >= until;
        let mut refused = false;
        let mut ripe = collected.settled(&market, &bids, patience.settle);
        // Ripe from the first: it comes late, so others may, too.
        let late_comer = *late_comer.get_or_insert(ripe && patience.settle.is_none());
        ripe &= !(late_comer && op.clients.leasing.holds(&market));
        // At the end of the time an acceptable bid is taken even if more could have come.
        if ripe || late {
            let best = policy.best(&bids).map(|(id, price)| (id.clone(), price));
            if let Some((id, price)) = best {
                if let Some(taken) = lease(op, id, price, policy).await? {
                    return Ok(taken);
                }
                refused = true;
            }
        }
        collected.remember(&bids, policy);
        if late && !refused {
            let group = market.open_order(group).and_then(|(_, order)| order.spec.as_ref());
            let offers = tokio::select! {
                offers = collected.into_offers(&op.clients, group) => offers,
                () = op.limit.token().cancelled() => Offers::default(),
            };
            return Err(NoLease::NoBids(offers, patience.timeout));
        }
        tokio::select! {
            next = watch.next() => market = next?,
            // Once more with what is known.
            () = sleep_until(until) => {}
            () = op.limit.token().cancelled() => return Err(NoLease::Ended(collected.offers)),
        }
    }
}

/// The market at the next block.
async fn next_block(op: &Op, watch: &mut MarketWatch) -> Result<Arc<Market>, NoLease> {
    tokio::select! {
        market = watch.next() => Ok(market?),
        () = op.limit.token().cancelled() => Err(NoLease::Ended(Offers::default())),
    }
}

fn open_bids(market: &Market, order: &OrderId) -> Vec<Bid> {
    market.open_bids(order).iter().map(Bid::read).collect()
}

/// What has been seen of the bids so far.
#[derive(Default)]
struct Collected {
    /// The time of the block at which the first was seen.
    first: Option<OffsetDateTime>,
    offers: Offers,
}

impl Collected {
    /// Whether the bids are ripe. They are collected for a while after the first, so that the cheapest is not only the
    /// fastest; all of it in blocks and their time, so that those who wait for the same block agree.
    fn settled(&mut self, market: &Market, bids: &[Bid], settle: Option<Duration>) -> bool {
        let Some(made) = bids.iter().map(|bid| bid.made).min() else { return false };
        let first = *self.first.get_or_insert(market.time);
        match settle {
            Some(settle) => market.time - first >= settle,
            None => market.height >= made + SETTLE_BLOCKS,
        }
    }

    fn remember(&mut self, bids: &[Bid], policy: &Policy) {
        for bid in bids {
            let why = policy.judge(bid).err().unwrap_or_else(|| "bids were still being collected".into());
            let passed_over = &mut self.offers.passed_over;
            passed_over.retain(|seen| seen.provider != bid.provider);
            let (provider, price) = (bid.provider.clone(), bid.price.clone().ok());
            passed_over.push(PassedOver { provider, price, why });
        }
    }

    /// All of it at the end of the time; if there was nothing, with who could have bid.
    async fn into_offers(self, clients: &Clients, group: Option<&GroupSpec>) -> Offers {
        let mut offers = self.offers;
        if offers.passed_over.is_empty()
            && let Some(group) = group
        {
            offers.supply = supply::explain(clients, group).await;
        }
        offers
    }
}

/// Leases the bid. `None`: it is gone, look at the others.
async fn lease(op: &Op, id: BidId, price: Dec, policy: &mut Policy) -> Result<Option<Taken>, NoLease> {
    let message = MsgCreateLease { bid_id: Some((&id).into()) };
    let wanted = LeaseId::from(id);
    match op.send(message).await {
        Ok(outcome) => Ok(Some(Taken { id: wanted, price, outcome })),
        Err(SubmitError::Refused(refusal)) if concerns_bid(&refusal.error) => {
            // Whether the order is still open is looked at next.
            tracing::warn!(provider = wanted.provider(), error = %refusal.error, "the bid can't be leased");
            policy.refuse(wanted.provider(), format!("the chain refused its lease: {}", refusal.error));
            Ok(None)
        }
        Err(error) => Err(NoLease::Submit(Box::new(error), Some((wanted, price)))),
    }
}

/// Whether a lease was refused because of its bid, provider or order, so that another bid may do; not because of the
/// wallet, the transaction or the deployment.
fn concerns_bid(error: &ChainError) -> bool {
    match error.kind() {
        Kind::InsufficientDepositBalance
        | Kind::GroupNotFound
        | Kind::GroupNotOpen
        | Kind::EscrowNotFound
        | Kind::EscrowClosed
        | Kind::EscrowOverdrawn => false,
        _ => !matches!(error.codespace.as_str(), "sdk" | "feegrant" | "deployment"),
    }
}

/// The group's order that can be leased, and the market that shows it; starts a paused group, and replaces an order that
/// no provider looks at any more.
async fn open_order(
    op: &Op,
    group: &GroupId,
    watch: &mut MarketWatch,
) -> Result<(OrderId, Arc<Market>), NoLease> {
    let since = std::time::Instant::now();
    let market = next_block(op, watch).await?;
    if let Some((id, order)) = market.open_order(group) {
        if !is_dead(&op.clients, &market, id, order).await? {
            return Ok((id.clone(), market));
        }
    } else if let Some(row) = running_lease(op, group, since).await?
        && let Some(id) = row.lease.and_then(|lease| LeaseId::try_from(&lease.id?).ok())
    {
        return Err(NoLease::Leased(Box::new(id)));
    }
    let found = op.clients.chain.deployment_since(group.deployment(), since).await?;
    let groups = found.map(|found| found.groups).unwrap_or_default();
    let found = groups.iter().find(|found| found.id.as_ref().is_some_and(|id| id.gseq == group.gseq()));
    let found = found.ok_or_else(|| NoLease::Group("the chain has no such group".into()))?;
    match state(found) {
        group::State::Paused => {}
        group::State::Open => {
            pause(op, group).await.map_err(|error| NoLease::Submit(Box::new(error), None))?;
        }
        group::State::InsufficientFunds => {
            return Err(NoLease::Group("the deployment's escrow ran out; it can't be opened again".into()));
        }
        group::State::Closed | group::State::Invalid => {
            return Err(NoLease::Group("it is closed for good".into()));
        }
    }
    start(op, group).await?;
    // What was asked for before the start does not count.
    *watch = op.clients.chain.watch_market(group.owner());
    let market = next_block(op, watch).await?;
    let order = market.open_order(group).map(|(id, _)| id.clone()).ok_or_else(|| {
        NoLease::Group("it was started, but the chain shows no open order of it; apply again".into())
    })?;
    Ok((order, market))
}

fn state(found: &Group) -> group::State {
    group::State::try_from(found.state).unwrap_or(group::State::Invalid)
}

/// An order without open bids that is older than the providers' bid timeout gets none any more.
async fn is_dead(
    clients: &Clients,
    market: &Market,
    id: &OrderId,
    order: &Order,
) -> Result<bool, QueryError> {
    let created = u64::try_from(order.created_at).unwrap_or(0);
    let blocks = market.height.saturating_sub(created);
    if blocks < YOUNG_BLOCKS || !open_bids(market, id).is_empty() {
        return Ok(false);
    }
    let age = match clients.chain.known_block_time(created).await {
        Ok(time) => (market.time - time).whole_seconds(),
        // Nodes drop old blocks; an order that old is counted by its height.
        Err(_) => i64::try_from(blocks * BLOCK_SECONDS).unwrap_or(i64::MAX),
    };
    Ok(age > i64::try_from(BID_TIMEOUT.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_bid_is_taken_where_it_may_do() {
        let refusal = |codespace: &str, code, text: &str| ChainError::new(codespace, code, text);
        for (error, another) in [
            (refusal("market", 12, "bid not open"), true),
            (refusal("market", 18, "invalid bid: bid not found"), true),
            (refusal("market", 13, "bid: order not open"), true),
            (refusal("market", 30, "unknown provider"), true),
            (refusal("market", 40, "order requires reclamation but bid does not offer it"), true),
            (refusal("undefined", 1, "something else"), true),
            (refusal("market", 17, "group not open"), false),
            (refusal("deployment", 5, "Deployment closed"), false),
            (refusal("escrow", 4, "account overdrawn"), false),
            (refusal("sdk", 5, "insufficient funds"), false),
            (refusal("sdk", 13, "insufficient fee"), false),
            (refusal("feegrant", 2, "fee limit exceeded"), false),
            (refusal("undefined", 1, "deposit invalid: insufficient balance"), false),
        ] {
            assert_eq!(concerns_bid(&error), another, "{error}");
        }
    }
}
