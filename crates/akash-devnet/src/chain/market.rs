//! Orders, bids and leases: the messages of `akash.market.v1beta5`.

use akash_proto::{
    Dec, Duration,
    akash::{
        deployment::v1beta4::{Group, GroupSpec, group::State as GroupState},
        market::{
            v1::{
                BidId, Lease, LeaseClosedReason, LeaseId, OrderId, Reclamation, lease::State as LeaseState,
            },
            v1beta5::{
                Bid, MsgCloseBid, MsgCloseBidResponse, MsgCloseLease, MsgCloseLeaseResponse, MsgCreateBid,
                MsgCreateBidResponse, MsgCreateLease, MsgCreateLeaseResponse, MsgLeaseStartReclaim,
                MsgLeaseStartReclaimResponse, MsgWithdrawLease, MsgWithdrawLeaseResponse, Order, Params,
                bid::State as BidState, order::State as OrderState,
            },
        },
    },
    cosmos::base::v1beta1::{Coin, DecCoin},
};

use super::{
    deployment,
    errors::{ChainError, deployment as deployment_errors, market as errors, sdk},
    escrow::{self, Settled},
    events::ChainEvent,
    exec::Exec,
    gas, requirements,
    state::{
        BidKey, bid_escrow, bid_key, bid_of, deployment_escrow, group_key, group_of, lease_key, lease_of,
        lease_payment, order_key, order_of,
    },
    validate,
};
use crate::wallet::is_address;
use akash_proto::akash::deployment::v1::GroupId;

const MIN_BID_DEPOSIT: u128 = 500_000;
const BID_DENOMS: [&str; 2] = ["uact", "uakt"];
const ORDER_MAX_BIDS: usize = 20;
const MIN_RECLAMATION: i64 = 3_600;
const MAX_RECLAMATION: i64 = 2_592_000;

/// The module's parameters.
pub fn params() -> Params {
    let coin = |denom: &str| Coin { denom: denom.to_owned(), amount: MIN_BID_DEPOSIT.to_string() };
    let seconds = |seconds| Some(Duration { seconds, nanos: 0 });
    Params {
        bid_min_deposit: Some(coin("uakt")),
        order_max_bids: 20,
        bid_min_deposits: BID_DENOMS.map(coin).to_vec(),
        min_reclamation_window: seconds(MIN_RECLAMATION),
        max_reclamation_window: seconds(MAX_RECLAMATION),
    }
}

/// Whether a reclamation window lies in the parameters' bounds.
pub fn is_reclamation_window(window: &Duration) -> bool {
    (MIN_RECLAMATION..=MAX_RECLAMATION).contains(&window.seconds)
        && (window.seconds < MAX_RECLAMATION || window.nanos == 0)
}

/// Makes the next order of a group.
///
/// # Errors
/// `market` 23 while another order of the group is open or active.
pub fn create_order(exec: &mut Exec, id: &GroupId) -> Result<(), ChainError> {
    let Some(group) = exec.state.groups.get(&group_key(id)) else {
        return Err(errors::GROUP_NOT_FOUND.plain());
    };
    let spec = group.group_spec.clone();
    let mut oseq = 1;
    for order in exec.state.orders_of(id) {
        if matches!(order.state(), OrderState::Open | OrderState::Active) {
            return Err(errors::ORDER_ACTIVE.plain());
        }
        oseq = order.id.as_ref().map_or(oseq, |id| id.oseq + 1);
    }
    let order_id = OrderId { owner: id.owner.clone(), dseq: id.dseq, gseq: id.gseq, oseq };
    let reclamation = exec.state.deployment(&id.owner, id.dseq).and_then(|deployment| deployment.reclamation);
    let created_at = exec.state.signed_height();
    exec.state.orders.insert(
        order_key(&order_id),
        Order { id: Some(order_id.clone()), state: OrderState::Open.into(), spec, created_at, reclamation },
    );
    exec.emit(ChainEvent::OrderCreated(order_id));
    Ok(())
}

/// Closes the orders of a group with their bids and leases, when the group is paused, closed or out of money.
///
/// # Errors
/// Out of gas.
pub fn close_group_orders(
    exec: &mut Exec,
    group: &GroupId,
    reason: LeaseClosedReason,
) -> Result<(), ChainError> {
    let orders: Vec<OrderId> = exec
        .state
        .orders_of(group)
        .filter(|order| order.state() != OrderState::Closed)
        .filter_map(|order| order.id.clone())
        .collect();
    for order in orders {
        close_order(exec, &order)?;
        let bids: Vec<BidId> = exec
            .state
            .bids_of(&order)
            .filter(|bid| matches!(bid.state(), BidState::Open | BidState::Active))
            .filter_map(|bid| bid.id.clone())
            .collect();
        for bid in bids {
            close_bid_account(exec, &bid)?;
            if is_live(exec.state.leases.get(&bid_key(&bid))) {
                end_lease(exec, &bid, reason)?;
                close_lease_payment(exec, &bid)?;
            }
        }
    }
    Ok(())
}

fn is_live(lease: Option<&Lease>) -> bool {
    lease.is_some_and(|lease| matches!(lease.state(), LeaseState::Active | LeaseState::Reclaiming))
}

fn close_order(exec: &mut Exec, id: &OrderId) -> Result<(), ChainError> {
    exec.charge(gas::ORDER_CLOSE)?;
    if let Some(order) = exec.state.orders.get_mut(&order_key(id)) {
        order.state = OrderState::Closed.into();
    }
    exec.emit(ChainEvent::OrderClosed(id.clone()));
    Ok(())
}

/// Refunds a bid's deposit and closes the bid.
fn close_bid_account(exec: &mut Exec, id: &BidId) -> Result<(), ChainError> {
    exec.charge(gas::BID_CLOSE)?;
    escrow::close(exec, &bid_escrow(id))?;
    set_bid_state(exec, &bid_key(id), BidState::Closed);
    exec.emit(ChainEvent::BidClosed(id.clone()));
    Ok(())
}

fn set_bid_state(exec: &mut Exec, key: &BidKey, state: BidState) {
    if let Some(bid) = exec.state.bids.get_mut(key) {
        bid.state = state.into();
    }
}

/// Marks a lease closed, with its event. The payment is closed by itself, after the order.
fn end_lease(exec: &mut Exec, id: &BidId, reason: LeaseClosedReason) -> Result<(), ChainError> {
    exec.charge(gas::LEASE_CLOSE)?;
    let closed_on = exec.state.signed_height();
    if let Some(lease) = exec.state.leases.get_mut(&bid_key(id)) {
        let out_of_money = reason == deployment::insufficient_funds();
        lease.state = if out_of_money { LeaseState::InsufficientFunds } else { LeaseState::Closed }.into();
        lease.closed_on = closed_on;
        lease.reason = reason.into();
    }
    exec.emit(ChainEvent::LeaseClosed(lease_of(id), reason));
    Ok(())
}

/// Pays a lease's payment out, unless the deployment's account has done so already. Tells whether the account was
/// found to be overdrawn.
fn close_lease_payment(exec: &mut Exec, id: &BidId) -> Result<Settled, ChainError> {
    let (account, xid) = lease_payment(id);
    match escrow::close_payment(exec, &account, &xid) {
        Err(error) if error.codespace == "escrow" => Ok(Settled::Funded),
        other => other,
    }
}

/// A bid id as messages carry it.
///
/// # Errors
/// `sdk` 7 and 3; `market` 2 for owner = provider.
pub fn validate_bid_id(id: Option<&BidId>) -> Result<(), ChainError> {
    let group = id.map(|id| group_of(&order_of(id)));
    deployment::validate_group_id(group.as_ref())?;
    let Some(id) = id else { return Err(sdk::INVALID_ADDRESS.plain()) };
    if id.oseq == 0 {
        return Err(sdk::INVALID_SEQUENCE.wrap("OrderID: Invalid Order Sequence"));
    }
    if !is_address(&id.provider) {
        return Err(sdk::INVALID_ADDRESS.wrap("BidID: Invalid Provider Address"));
    }
    if id.owner == id.provider {
        return Err(sdk::UNAUTHORIZED.wrap("BidID: self-bid"));
    }
    Ok(())
}

/// A lease id as messages carry it.
///
/// # Errors
/// As [`validate_bid_id`].
pub fn validate_lease_id(id: Option<&LeaseId>) -> Result<(), ChainError> {
    validate_bid_id(id.map(bid_of).as_ref())
}

/// `MsgCreateBid`: checks without state.
///
/// # Errors
/// As [`validate_bid_id`]; the deposit's.
pub fn validate_create_bid(message: &MsgCreateBid) -> Result<(), ChainError> {
    validate_bid_id(message.id.as_ref())?;
    escrow::validate_deposit(message.deposit.as_ref())?;
    Ok(())
}

/// `MsgCloseBid` and `MsgLeaseStartReclaim`: the reason must be one of a provider's.
///
/// # Errors
/// `market` 33.
pub fn validate_provider_reason(reason: i32) -> Result<(), ChainError> {
    if (10_000..20_000).contains(&reason) && LeaseClosedReason::try_from(reason).is_ok() {
        Ok(())
    } else {
        Err(errors::INVALID_LEASE_CLOSED_REASON.plain())
    }
}

/// `MsgCreateBid`.
///
/// # Errors
/// `market` 28, 31, 15, 23, 24, 22, 32, 30, 5, 40, 41, 39, 21; `undefined` 1 too little balance.
pub fn create_bid(exec: &mut Exec, message: MsgCreateBid) -> Result<MsgCreateBidResponse, ChainError> {
    exec.charge(gas::READ * 3)?;
    let id = message.id.clone().unwrap_or_default();
    let deposit = message.deposit.clone().unwrap_or_default();
    let (denom, amount) = escrow::validate_deposit(Some(&deposit))?;
    if !BID_DENOMS.contains(&denom) || amount < MIN_BID_DEPOSIT {
        return Err(errors::INVALID_DEPOSIT.plain());
    }
    let order_id = order_of(&id);
    let live = exec.state.bids_of(&order_id).filter(|bid| bid.state() != BidState::Lost).count();
    if live > ORDER_MAX_BIDS {
        return Err(errors::INVALID_BID.wrap(format_args!("too many existing bids ({live})")));
    }
    if id.bseq != 0 {
        return Err(errors::INVALID_BID.wrap("sequence is not zero"));
    }
    let order = exec.state.order(&order_id).ok_or_else(|| errors::ORDER_NOT_FOUND.plain())?;
    match order.state() {
        OrderState::Open => {}
        OrderState::Active => return Err(errors::ORDER_ACTIVE.plain()),
        _ => return Err(errors::ORDER_CLOSED.plain()),
    }
    let spec = order.spec.clone().unwrap_or_default();
    let price = message.price.clone().unwrap_or_default();
    let asked = Dec::from_wire(&price.amount).map_err(|_| errors::BID_INVALID_PRICE.plain())?;
    if price.denom != validate::denom(&spec) || asked < Dec::ZERO || asked > validate::ceiling(&spec) {
        return Err(errors::BID_INVALID_PRICE.plain());
    }
    if !offers_match(&spec, &message) {
        return Err(errors::CAPABILITIES_MISMATCH.plain());
    }
    let provider = exec.state.providers.get(&id.provider).ok_or_else(|| errors::UNKNOWN_PROVIDER.plain())?;
    if !requirements::signed(&exec.state, &spec, &id.provider, &provider.attributes) {
        return Err(errors::ATTRIBUTE_MISMATCH.plain());
    }
    if !requirements::capable(&spec, &provider.attributes) {
        return Err(errors::CAPABILITIES_MISMATCH.plain());
    }
    if let Some(least) = order.reclamation.as_ref().and_then(|reclamation| reclamation.min_window) {
        let offered = message.reclamation_window.ok_or_else(|| errors::RECLAMATION_REQUIRED.plain())?;
        if (offered.seconds, offered.nanos) < (least.seconds, least.nanos) {
            return Err(errors::RECLAMATION_WINDOW_TOO_SHORT.plain());
        }
    }
    if message.reclamation_window.is_some_and(|window| !is_reclamation_window(&window)) {
        return Err(errors::RECLAMATION_WINDOW_INVALID.plain());
    }
    if exec.state.bids.contains_key(&bid_key(&id)) {
        return Err(errors::BID_EXISTS.plain());
    }
    let fundings = escrow::authorize(exec, &id.provider, &deposit)?;
    exec.charge(gas::BID)?;
    let created_at = exec.state.signed_height();
    exec.state.bids.insert(
        bid_key(&id),
        Bid {
            id: Some(id.clone()),
            state: BidState::Open.into(),
            price: Some(price.clone()),
            created_at,
            resources_offer: message.resources_offer,
            reclamation_window: message.reclamation_window,
        },
    );
    exec.emit(ChainEvent::BidCreated(id.clone(), price));
    escrow::open(exec, &bid_escrow(&id), &id.provider, denom, &fundings)?;
    Ok(MsgCreateBidResponse {})
}

/// Whether the offer covers exactly the units of the group.
fn offers_match(spec: &GroupSpec, message: &MsgCreateBid) -> bool {
    message.resources_offer.len() == spec.resources.len()
        && spec.resources.iter().all(|unit| {
            message
                .resources_offer
                .iter()
                .any(|offer| offer.resources == unit.resource && offer.count == unit.count)
        })
}

/// `MsgCreateLease`: the bid wins, the order is taken, a payment at the bid's price starts.
///
/// Of the losing bids only the first (by provider) becomes lost: the chain's loop stops there, because the hook of the
/// closed bid account refuses a bid's id. The others stay open until their providers close them.
///
/// # Errors
/// `market` 18, 12, 15, 13, 16, 17; `escrow` 4, 5, 9, 6.
pub fn create_lease(exec: &mut Exec, message: MsgCreateLease) -> Result<MsgCreateLeaseResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = message.bid_id.unwrap_or_default();
    let bid = exec.state.bid(&id).ok_or_else(|| errors::BID_NOT_FOUND.plain())?;
    if bid.state() != BidState::Open {
        return Err(errors::BID_NOT_OPEN.plain());
    }
    let (price, window) = (bid.price.clone().unwrap_or_default(), bid.reclamation_window);
    let order_id = order_of(&id);
    let order = exec.state.order(&order_id).ok_or_else(|| errors::ORDER_NOT_FOUND.plain())?;
    if order.state() != OrderState::Open {
        return Err(errors::ORDER_NOT_OPEN.plain());
    }
    let group = group_key(&group_of(&order_id));
    let group = exec.state.groups.get(&group).ok_or_else(|| errors::GROUP_NOT_FOUND.plain())?;
    if group.state() != GroupState::Open {
        return Err(errors::GROUP_NOT_OPEN.plain());
    }
    exec.charge(gas::LEASE)?;
    let (account, xid) = lease_payment(&id);
    escrow::open_payment(exec, &account, &xid, &id.provider, &price)?;
    let created_at = exec.state.signed_height();
    exec.state.leases.insert(
        bid_key(&id),
        Lease {
            id: Some(lease_of(&id)),
            state: LeaseState::Active.into(),
            price: Some(price.clone()),
            created_at,
            closed_on: 0,
            reason: LeaseClosedReason::LeaseClosedInvalid.into(),
            reclamation: window.map(|window| Reclamation { window: Some(window), ..Reclamation::default() }),
        },
    );
    if let Some(order) = exec.state.orders.get_mut(&order_key(&order_id)) {
        order.state = OrderState::Active.into();
    }
    set_bid_state(exec, &bid_key(&id), BidState::Active);
    exec.emit(ChainEvent::LeaseCreated(lease_of(&id), price));
    let loser = exec
        .state
        .bids_of(&order_id)
        .find(|bid| bid.state() == BidState::Open)
        .and_then(|bid| bid.id.clone());
    if let Some(loser) = loser {
        set_bid_state(exec, &bid_key(&loser), BidState::Lost);
        escrow::close(exec, &bid_escrow(&loser))?;
    }
    Ok(MsgCreateLeaseResponse {})
}

/// `MsgCloseLease` by the tenant: the group stays open and gets a new order. The reason sent is ignored.
///
/// # Errors
/// `market` 15, 24, 18, 11, 20.
pub fn close_lease(exec: &mut Exec, message: MsgCloseLease) -> Result<MsgCloseLeaseResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = bid_of(&message.id.unwrap_or_default());
    let order_id = order_of(&id);
    let order = exec.state.order(&order_id).ok_or_else(|| errors::ORDER_NOT_FOUND.plain())?;
    if order.state() != OrderState::Active {
        return Err(errors::ORDER_CLOSED.plain());
    }
    let bid = exec.state.bid(&id).ok_or_else(|| errors::BID_NOT_FOUND.plain())?;
    if bid.state() != BidState::Active {
        return Err(errors::BID_NOT_ACTIVE.plain());
    }
    let lease = exec.state.leases.get(&bid_key(&id)).ok_or_else(|| errors::LEASE_NOT_FOUND.plain())?;
    if !is_live(Some(lease)) {
        return Err(errors::ORDER_CLOSED.plain());
    }
    end_lease(exec, &id, LeaseClosedReason::LeaseClosedOwner)?;
    close_bid_account(exec, &id)?;
    close_order(exec, &order_id)?;
    if end_payment(exec, &id)? == Settled::Overdrawn {
        return Ok(MsgCloseLeaseResponse {});
    }
    let group = group_of(&order_id);
    let state = exec.state.groups.get(&group_key(&group)).map(Group::state);
    if state != Some(GroupState::Open) {
        return Err(deployment_errors::GROUP_CLOSED.plain());
    }
    create_order(exec, &group)?;
    Ok(MsgCloseLeaseResponse {})
}

/// Closes the lease's payment; when the account turns out to be overdrawn, the whole deployment ends.
fn end_payment(exec: &mut Exec, id: &BidId) -> Result<Settled, ChainError> {
    let settled = close_lease_payment(exec, id)?;
    if settled == Settled::Overdrawn {
        escrow::close(exec, &deployment_escrow(&id.owner, id.dseq))?;
        deployment::on_escrow_closed(exec, &(id.owner.clone(), id.dseq), settled)?;
    }
    Ok(settled)
}

/// `MsgCloseBid` by the provider. On an active lease it ends the lease and pauses the group: no new order.
///
/// # Errors
/// `market` 6, 9, 8, 10, 11, 37, 38.
pub fn close_bid(exec: &mut Exec, message: MsgCloseBid) -> Result<MsgCloseBidResponse, ChainError> {
    exec.charge(gas::READ)?;
    let reason = message.reason();
    let id = message.id.unwrap_or_default();
    let bid = exec.state.bid(&id).ok_or_else(|| errors::UNKNOWN_BID.plain())?;
    let state = bid.state();
    let order_id = order_of(&id);
    if exec.state.order(&order_id).is_none() {
        return Err(errors::UNKNOWN_ORDER_FOR_BID.plain());
    }
    if state == BidState::Open {
        close_bid_account(exec, &id)?;
        return Ok(MsgCloseBidResponse {});
    }
    let lease = exec.state.leases.get(&bid_key(&id)).ok_or_else(|| errors::UNKNOWN_LEASE_FOR_BID.plain())?;
    if !is_live(Some(lease)) {
        return Err(errors::LEASE_NOT_ACTIVE.plain());
    }
    if state != BidState::Active {
        return Err(errors::BID_NOT_ACTIVE.plain());
    }
    if let Some(reclamation) = &lease.reclamation {
        if lease.state() != LeaseState::Reclaiming {
            return Err(errors::RECLAMATION_NOT_STARTED.plain());
        }
        if exec.state.time.unix_timestamp() < reclamation.deadline {
            return Err(errors::RECLAMATION_WINDOW_NOT_ELAPSED.plain());
        }
    }
    deployment::pause(exec, &group_key(&group_of(&order_id)))?;
    end_lease(exec, &id, reason)?;
    close_bid_account(exec, &id)?;
    close_order(exec, &order_id)?;
    end_payment(exec, &id)?;
    Ok(MsgCloseBidResponse {})
}

/// `MsgWithdrawLease` by the provider: settles; a deployment without money ends here.
///
/// # Errors
/// `market` 20; `escrow` errors.
pub fn withdraw_lease(
    exec: &mut Exec,
    message: MsgWithdrawLease,
) -> Result<MsgWithdrawLeaseResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = message.id.unwrap_or_default();
    if exec.state.lease(&id).is_none() {
        return Err(errors::LEASE_NOT_FOUND.plain());
    }
    let (account, xid) = lease_payment(&bid_of(&id));
    if escrow::withdraw_payment(exec, &account, &xid)? == Settled::Overdrawn {
        escrow::close(exec, &account)?;
        deployment::on_escrow_closed(exec, &(id.owner.clone(), id.dseq), Settled::Overdrawn)?;
    }
    Ok(MsgWithdrawLeaseResponse {})
}

/// `MsgLeaseStartReclaim` by the provider: the lease goes on until the window has passed.
///
/// # Errors
/// `market` 20, 36, 10, 35.
pub fn start_reclaim(
    exec: &mut Exec,
    message: MsgLeaseStartReclaim,
) -> Result<MsgLeaseStartReclaimResponse, ChainError> {
    exec.charge(gas::READ + gas::UPDATE)?;
    let reason = message.reason();
    let id = message.id.unwrap_or_default();
    let (height, now) = (exec.state.signed_height(), exec.state.time.unix_timestamp());
    let lease = exec.state.leases.get_mut(&lease_key(&id)).ok_or_else(|| errors::LEASE_NOT_FOUND.plain())?;
    match lease.state() {
        LeaseState::Active => {}
        LeaseState::Reclaiming => return Err(errors::LEASE_ALREADY_RECLAIMING.plain()),
        _ => return Err(errors::LEASE_NOT_ACTIVE.plain()),
    }
    let Some(reclamation) = &mut lease.reclamation else {
        return Err(errors::LEASE_NOT_RECLAMABLE.plain());
    };
    let deadline = now + reclamation.window.map_or(0, |window| window.seconds);
    (reclamation.started_at, reclamation.deadline, reclamation.reason) = (height, deadline, reason.into());
    lease.state = LeaseState::Reclaiming.into();
    exec.emit(ChainEvent::LeaseReclaimStarted(id, reason, deadline));
    Ok(MsgLeaseStartReclaimResponse {})
}

/// A price of whole and fractional units of the one price denomination.
pub fn price(amount: Dec) -> DecCoin {
    DecCoin { denom: "uact".to_owned(), amount: amount.to_wire() }
}
