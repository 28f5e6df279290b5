//! From a group to a lease: its order, the bids on it, and taking one of them.
//!
//! The order's state decides what can be leased, not an open bid: the chain may leave losing bids open. The manifest
//! and the provider's gateway are not this module's matter.

use std::time::Duration;

use akash_chain::{Kind, Outcome, QueryError, SubmitError};
use akash_proto::Dec;
use akash_proto::akash::deployment::v1::GroupId;
use akash_proto::akash::deployment::v1beta4::{Group, MsgPauseGroup, MsgStartGroup, group};
use akash_proto::akash::market::v1::{BidId, LeaseId, lease};
use akash_proto::akash::market::v1beta5::{Bid, MsgCreateLease, Order, QueryLeaseResponse, bid, order};
use tokio::time::Instant;

use super::ids::GroupRef;
use super::limit::Limit;
use super::selection::{Policy, ranked};
use super::send;
use crate::provider::Clients;

/// How often the chain is asked for bids.
const POLL: Duration = Duration::from_millis(500);
/// Providers take an unaccepted bid back after this and do not bid on the order again.
const BID_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// By default bids are collected for so many blocks after the first.
const SETTLE_BLOCKS: u64 = 2;
/// Only for an order whose block a node no longer has.
const BLOCK_SECONDS: u64 = 6;

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
    price: Dec,
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
    NoBids(Vec<PassedOver>, Duration),
    /// A message failed, or its fate is open: then with the bid whose lease was asked for.
    Submit(Box<SubmitError>, Option<(LeaseId, Dec)>),
    /// The chain could not be asked.
    Query(QueryError),
    /// Stopped, or out of time, before a lease was asked for.
    Ended(Vec<PassedOver>),
}

impl From<QueryError> for NoLease {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// The bids that were passed over, one a line, for a diagnostic.
pub(crate) fn list(bids: &[PassedOver]) -> String {
    if bids.is_empty() {
        return "Nobody bid.".into();
    }
    let lines =
        bids.iter().map(|bid| format!("- {} at {} uact per block: {}", bid.provider, bid.price, bid.why));
    format!("The bids:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The group's id as the chain has it.
fn group_id(group: &GroupRef) -> GroupId {
    GroupId { owner: group.deployment.owner.clone(), dseq: group.deployment.dseq, gseq: group.gseq }
}

/// The group's lease that runs, if one does: active, or about to be reclaimed.
pub(crate) async fn running_lease(
    clients: &Clients,
    group: &GroupRef,
) -> Result<Option<QueryLeaseResponse>, QueryError> {
    let GroupRef { deployment, gseq } = group;
    let leases = clients.chain.leases(&deployment.owner, deployment.dseq, Some(*gseq)).await?;
    Ok(leases.into_iter().find(|row| row.lease.as_ref().is_some_and(|lease| runs(lease.state))))
}

/// Whether a lease in this state runs.
pub(crate) fn runs(state: i32) -> bool {
    state == i32::from(lease::State::Active) || state == i32::from(lease::State::Reclaiming)
}

/// Pauses the group: closes its order, bids and lease. Paused or over already is success. `None` where nothing was sent.
pub(crate) async fn pause(
    clients: &Clients,
    group: &GroupRef,
    limit: &Limit,
) -> Result<Option<Outcome>, SubmitError> {
    match send::send(clients, MsgPauseGroup { id: Some(group_id(group)) }, limit).await {
        Ok(outcome) => Ok(Some(outcome)),
        Err(error) => match send::refusal(&error) {
            Some(Kind::GroupPaused | Kind::GroupClosed | Kind::DeploymentClosed | Kind::GroupNotFound) => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// Starts a paused group; it has a new order then.
async fn start(clients: &Clients, group: &GroupRef, limit: &Limit) -> Result<(), NoLease> {
    match send::send(clients, MsgStartGroup { id: Some(group_id(group)) }, limit).await {
        Ok(_) => Ok(()),
        Err(error) if send::refusal(&error) == Some(Kind::GroupOpen) => Ok(()),
        Err(error) => Err(NoLease::Submit(Box::new(error), None)),
    }
}

/// Takes the best acceptable bid on the group, starting it if it is paused.
pub(crate) async fn take(
    clients: &Clients,
    group: &GroupRef,
    policy: &mut Policy,
    patience: Patience,
    limit: &Limit,
) -> Result<Taken, NoLease> {
    if let Some(row) = running_lease(clients, group).await? {
        return Err(NoLease::Leased(Box::new(row.lease.and_then(|lease| lease.id).unwrap_or_default())));
    }
    let oseq = open_order(clients, group, limit).await?;
    let until = Instant::now() + patience.timeout;
    let mut collected = Collected::default();
    loop {
        let bids = open_bids(clients, group, oseq).await?;
        collected.look(clients, &bids, patience.settle).await?;
        // At the end of the time an acceptable bid is taken even if more could have come.
        if collected.settled() || (!bids.is_empty() && Instant::now() >= until) {
            let best =
                ranked(policy, &bids, |bid| (bid.provider(), bid.price)).first().map(|bid| (*bid).clone());
            if let Some(bid) = best
                && let Some(taken) = lease(clients, bid, policy, limit).await?
            {
                return Ok(taken);
            }
        }
        collected.remember(&bids, policy);
        let GroupRef { deployment, gseq } = group;
        let orders = clients.chain.orders(&deployment.owner, deployment.dseq, Some(*gseq)).await?;
        let order = find_order(&orders, oseq);
        if order.is_none_or(|order| order.state != i32::from(order::State::Open)) {
            return Err(NoLease::Group(
                "its order was closed or leased by somebody else while bids were collected; apply again"
                    .into(),
            ));
        }
        if Instant::now() >= until {
            return Err(NoLease::NoBids(collected.passed_over, patience.timeout));
        }
        if !limit.sleep(POLL).await {
            return Err(NoLease::Ended(collected.passed_over));
        }
    }
}

/// An open bid.
#[derive(Debug, Clone)]
struct OpenBid {
    id: BidId,
    price: Dec,
}

impl OpenBid {
    fn provider(&self) -> &str {
        &self.id.provider
    }

    /// A bid with all its parts, in uact; others can't be paid.
    fn read(bid: Bid) -> Option<Self> {
        let price = bid.price.filter(|price| price.denom == "uact")?;
        Some(Self { id: bid.id?, price: Dec::from_wire(&price.amount).ok()? })
    }
}

async fn open_bids(clients: &Clients, group: &GroupRef, oseq: u32) -> Result<Vec<OpenBid>, QueryError> {
    let GroupRef { deployment, gseq } = group;
    let bids = clients.chain.bids(&deployment.owner, deployment.dseq, *gseq, oseq).await?;
    let open =
        bids.into_iter().filter_map(|row| row.bid).filter(|bid| bid.state == i32::from(bid::State::Open));
    Ok(open.filter_map(OpenBid::read).collect())
}

/// What has been seen of the bids so far.
#[derive(Default)]
struct Collected {
    first: Option<(Instant, u64)>,
    settled: bool,
    passed_over: Vec<PassedOver>,
}

impl Collected {
    /// Bids are collected for a while after the first, so that the cheapest is not only the fastest.
    async fn look(
        &mut self,
        clients: &Clients,
        bids: &[OpenBid],
        settle: Option<Duration>,
    ) -> Result<(), QueryError> {
        if bids.is_empty() || self.settled {
            return Ok(());
        }
        let height = match settle {
            Some(_) => 0,
            None => clients.chain.latest_block().await?.height,
        };
        let (since, from) = *self.first.get_or_insert((Instant::now(), height));
        self.settled = match settle {
            Some(settle) => since.elapsed() >= settle,
            None => height >= from + SETTLE_BLOCKS,
        };
        Ok(())
    }

    fn settled(&self) -> bool {
        self.settled
    }

    fn remember(&mut self, bids: &[OpenBid], policy: &Policy) {
        for bid in bids {
            let why = policy
                .objection(bid.provider(), bid.price)
                .unwrap_or_else(|| "bids were still being collected".into());
            self.passed_over.retain(|seen| seen.provider != bid.provider());
            self.passed_over.push(PassedOver { provider: bid.provider().to_owned(), price: bid.price, why });
        }
    }
}

/// Leases the bid. `None`: it is gone, look at the others.
async fn lease(
    clients: &Clients,
    bid: OpenBid,
    policy: &mut Policy,
    limit: &Limit,
) -> Result<Option<Taken>, NoLease> {
    let OpenBid { id, price } = bid;
    let wanted = LeaseId {
        owner: id.owner.clone(),
        dseq: id.dseq,
        gseq: id.gseq,
        oseq: id.oseq,
        provider: id.provider.clone(),
        bseq: id.bseq,
    };
    match send::send(clients, MsgCreateLease { bid_id: Some(id) }, limit).await {
        Ok(outcome) => Ok(Some(Taken { id: wanted, price, outcome })),
        Err(error) => match send::refusal(&error) {
            // This bid is gone; whether the order is still open is looked at next.
            Some(Kind::BidNotOpen | Kind::BidNotFound | Kind::OrderNotOpen) => {
                policy.refuse(&wanted.provider);
                Ok(None)
            }
            _ => Err(NoLease::Submit(Box::new(error), Some((wanted, price)))),
        },
    }
}

fn find_order(orders: &[Order], oseq: u32) -> Option<&Order> {
    orders.iter().find(|order| order.id.as_ref().is_some_and(|id| id.oseq == oseq))
}

/// The group's order that can be leased; starts a paused group, and replaces an order that no provider looks at any more.
async fn open_order(clients: &Clients, group: &GroupRef, limit: &Limit) -> Result<u32, NoLease> {
    let GroupRef { deployment, gseq } = group;
    let found = clients.chain.group(&deployment.owner, deployment.dseq, *gseq).await?;
    let found = found.ok_or_else(|| NoLease::Group("the chain has no such group".into()))?;
    match state(&found) {
        group::State::Paused => start(clients, group, limit).await?,
        group::State::Open => {
            let orders = clients.chain.orders(&deployment.owner, deployment.dseq, Some(*gseq)).await?;
            match newest_open(&orders) {
                Some((oseq, order)) if !is_dead(clients, group, oseq, order).await? => return Ok(oseq),
                _ => {
                    pause(clients, group, limit)
                        .await
                        .map_err(|error| NoLease::Submit(Box::new(error), None))?;
                    start(clients, group, limit).await?;
                }
            }
        }
        group::State::InsufficientFunds => {
            return Err(NoLease::Group("the deployment's escrow ran out; it can't be opened again".into()));
        }
        group::State::Closed | group::State::Invalid => {
            return Err(NoLease::Group("it is closed for good".into()));
        }
    }
    let orders = clients.chain.orders(&deployment.owner, deployment.dseq, Some(*gseq)).await?;
    newest_open(&orders).map(|(oseq, _)| oseq).ok_or_else(|| {
        NoLease::Group("it was started, but the chain shows no open order of it; apply again".into())
    })
}

fn state(found: &Group) -> group::State {
    group::State::try_from(found.state).unwrap_or(group::State::Invalid)
}

fn newest_open(orders: &[Order]) -> Option<(u32, &Order)> {
    let open = orders.iter().filter(|order| order.state == i32::from(order::State::Open));
    open.filter_map(|order| Some((order.id.as_ref()?.oseq, order))).max_by_key(|(oseq, _)| *oseq)
}

/// An order without open bids that is older than the providers' bid timeout gets none any more.
async fn is_dead(clients: &Clients, group: &GroupRef, oseq: u32, order: &Order) -> Result<bool, QueryError> {
    if !open_bids(clients, group, oseq).await?.is_empty() {
        return Ok(false);
    }
    let created = u64::try_from(order.created_at).unwrap_or(0);
    let latest = clients.chain.latest_block().await?;
    let age = match clients.chain.block_time(created).await {
        Ok(time) => (latest.time - time).whole_seconds(),
        // Nodes drop old blocks; an order that old is counted by its height.
        Err(_) => i64::try_from(latest.height.saturating_sub(created) * BLOCK_SECONDS).unwrap_or(i64::MAX),
    };
    Ok(age > i64::try_from(BID_TIMEOUT.as_secs()).unwrap_or(i64::MAX))
}
