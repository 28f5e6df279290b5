//! Deployments and their groups: the messages of `akash.deployment.v1beta4`.

#![allow(clippy::needless_pass_by_value, reason = "the handlers of a message table have one shape")]

use akash_proto::{
    Duration,
    akash::{
        deployment::{
            v1::{Deployment, DeploymentId, GroupId, deployment::State as DeploymentState},
            v1beta4::{
                Group, MsgCloseDeployment, MsgCloseDeploymentResponse, MsgCloseGroup, MsgCloseGroupResponse,
                MsgCreateDeployment, MsgCreateDeploymentResponse, MsgPauseGroup, MsgPauseGroupResponse,
                MsgStartGroup, MsgStartGroupResponse, MsgUpdateDeployment, MsgUpdateDeploymentResponse,
                Params, group::State as GroupState,
            },
        },
        market::v1::LeaseClosedReason,
    },
    cosmos::base::v1beta1::Coin,
};

use super::{
    errors::{ChainError, deployment as errors, sdk},
    escrow,
    events::ChainEvent,
    exec::Exec,
    gas, market,
    state::{DeploymentKey, GroupKey, deployment_escrow, deployment_key, group_key},
    validate,
};
use crate::wallet::is_address;

/// The least initial deposit of a deployment in either denomination.
const MIN_DEPOSIT: u128 = 500_000;
/// The denominations of deposits, in the order of the chain's parameters.
const DEPOSIT_DENOMS: [&str; 2] = ["uakt", "uact"];
/// The one denomination of prices.
const PRICE_DENOM: &str = "uact";

/// The module's parameters.
pub fn params() -> Params {
    let coin = |denom: &str| Coin { denom: denom.to_owned(), amount: MIN_DEPOSIT.to_string() };
    Params { min_deposits: DEPOSIT_DENOMS.map(coin).to_vec() }
}

/// A deployment id as messages carry it.
///
/// # Errors
/// `sdk` 7 for the owner, 3 for a dseq of 0.
pub fn validate_id(id: Option<&DeploymentId>) -> Result<(), ChainError> {
    let (owner, dseq) = id.map_or(("", 0), |id| (id.owner.as_str(), id.dseq));
    if !is_address(owner) {
        return Err(sdk::INVALID_ADDRESS.wrap("DeploymentID: Invalid Owner Address"));
    }
    if dseq == 0 {
        return Err(sdk::INVALID_SEQUENCE.wrap("DeploymentID: Invalid Deployment Sequence"));
    }
    Ok(())
}

/// A group id as messages carry it.
///
/// # Errors
/// As [`validate_id`]; `sdk` 3 for a gseq of 0.
pub fn validate_group_id(id: Option<&GroupId>) -> Result<(), ChainError> {
    let deployment = id.map(|id| DeploymentId { owner: id.owner.clone(), dseq: id.dseq });
    validate_id(deployment.as_ref())?;
    if id.is_none_or(|id| id.gseq == 0) {
        return Err(sdk::INVALID_SEQUENCE.wrap("GroupID: Invalid Group Sequence"));
    }
    Ok(())
}

/// `MsgCreateDeployment`: checks without state.
///
/// # Errors
/// `sdk` 7, 3, 10; `akash` 4; `deployment` 7, 9, 10, 26, 20; `undefined` 1 for the limits.
pub fn validate_create(message: &MsgCreateDeployment) -> Result<(), ChainError> {
    validate_id(message.id.as_ref())?;
    let (denom, amount) = escrow::validate_deposit(message.deposit.as_ref())?;
    if message.groups.is_empty() {
        return Err(errors::INVALID_GROUPS.plain());
    }
    validate_hash(&message.hash)?;
    if let Some(window) = reclamation_window(message)
        && (window.seconds < 0 || window.nanos < 0)
    {
        return Err(errors::INVALID_RECLAMATION.wrap("min_window must not be negative"));
    }
    for group in &message.groups {
        validate::group(group)?;
        let price = validate::denom(group);
        if amount > 0 && price != denom {
            return Err(
                errors::INVALID_DEPOSIT.wrap(format_args!("Mismatched denominations ({denom} != {price})"))
            );
        }
    }
    Ok(())
}

/// `MsgUpdateDeployment`: checks without state.
///
/// # Errors
/// `sdk` 7, 3; `deployment` 9, 10.
pub fn validate_update(message: &MsgUpdateDeployment) -> Result<(), ChainError> {
    validate_id(message.id.as_ref())?;
    validate_hash(&message.hash)
}

fn validate_hash(hash: &[u8]) -> Result<(), ChainError> {
    match hash.len() {
        0 => Err(errors::EMPTY_HASH.plain()),
        32 => Ok(()),
        _ => Err(errors::INVALID_HASH.plain()),
    }
}

fn reclamation_window(message: &MsgCreateDeployment) -> Option<Duration> {
    message.reclamation.as_ref()?.min_window
}

/// `MsgCreateDeployment`: the deployment, its groups, an order each, its escrow account.
///
/// # Errors
/// `deployment` 3, 20, 26, 7, 25, 24; `undefined` 1 too little balance.
pub fn create(
    exec: &mut Exec,
    message: MsgCreateDeployment,
) -> Result<MsgCreateDeploymentResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = message.id.clone().unwrap_or_default();
    let key = deployment_key(&id);
    if exec.state.deployments.contains_key(&key) {
        return Err(errors::EXISTS.plain());
    }
    exec.charge(gas::READ)?;
    let deposit = message.deposit.clone().unwrap_or_default();
    let (denom, amount) = escrow::validate_deposit(Some(&deposit))?;
    if !DEPOSIT_DENOMS.contains(&denom) {
        return Err(errors::INVALID_DEPOSIT.wrap(format_args!("Invalid deposit denomination {denom}")));
    }
    if amount < MIN_DEPOSIT {
        return Err(
            errors::INVALID_DEPOSIT.wrap(format_args!("Deposit too low - {amount} < {MIN_DEPOSIT}{denom}"))
        );
    }
    if denom == "uakt" {
        return Err(errors::INVALID_DEPOSIT.plain());
    }
    if let Some(window) = reclamation_window(&message)
        && !market::is_reclamation_window(&window)
    {
        return Err(errors::INVALID_RECLAMATION.plain());
    }
    validate::group_list(&message.groups)?;
    if message.groups.iter().any(|group| validate::denom(group) != PRICE_DENOM) {
        return Err(errors::INVALID_PRICE.plain());
    }
    let fundings = escrow::authorize(exec, &id.owner, &deposit)?;

    exec.charge(gas::DEPLOYMENT)?;
    let created_at = exec.state.signed_height();
    exec.state.deployments.insert(
        key,
        Deployment {
            id: Some(id.clone()),
            state: DeploymentState::Active.into(),
            hash: message.hash.clone(),
            created_at,
            reclamation: message.reclamation,
        },
    );
    exec.emit(ChainEvent::DeploymentCreated(id.clone(), message.hash));
    for (gseq, spec) in (1..).zip(message.groups) {
        exec.charge(gas::GROUP)?;
        let group_id = GroupId { owner: id.owner.clone(), dseq: id.dseq, gseq };
        exec.state.groups.insert(
            group_key(&group_id),
            Group {
                id: Some(group_id.clone()),
                state: GroupState::Open.into(),
                group_spec: Some(spec),
                created_at,
            },
        );
        market::create_order(exec, &group_id)?;
    }
    let account = deployment_escrow(&id.owner, id.dseq);
    escrow::open(exec, &account, &id.owner, denom, &fundings)?;
    Ok(MsgCreateDeploymentResponse {})
}

/// `MsgUpdateDeployment`: only the hash can change.
///
/// # Errors
/// `deployment` 4, 5, 10 for the same hash.
pub fn update(
    exec: &mut Exec,
    message: MsgUpdateDeployment,
) -> Result<MsgUpdateDeploymentResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = message.id.unwrap_or_default();
    let key = deployment_key(&id);
    let deployment = exec.state.deployments.get(&key).ok_or_else(|| errors::NOT_FOUND.plain())?;
    if deployment.state() != DeploymentState::Active {
        return Err(errors::CLOSED.plain());
    }
    if deployment.hash == message.hash {
        return Err(errors::INVALID_HASH.plain());
    }
    exec.charge(gas::UPDATE)?;
    if let Some(deployment) = exec.state.deployments.get_mut(&key) {
        deployment.hash.clone_from(&message.hash);
    }
    exec.emit(ChainEvent::DeploymentUpdated(id, message.hash));
    Ok(MsgUpdateDeploymentResponse {})
}

/// `MsgCloseDeployment`: closes the escrow account and with it the deployment, its groups, orders, bids, leases.
///
/// # Errors
/// `deployment` 4, 5; `escrow` errors.
pub fn close(exec: &mut Exec, message: MsgCloseDeployment) -> Result<MsgCloseDeploymentResponse, ChainError> {
    exec.charge(gas::READ)?;
    let id = message.id.unwrap_or_default();
    let deployment =
        exec.state.deployments.get(&deployment_key(&id)).ok_or_else(|| errors::NOT_FOUND.plain())?;
    if deployment.state() != DeploymentState::Active {
        return Err(errors::CLOSED.plain());
    }
    exec.charge(gas::CLOSE)?;
    let settled = escrow::close(exec, &deployment_escrow(&id.owner, id.dseq))?;
    on_escrow_closed(exec, &deployment_key(&id), settled)?;
    Ok(MsgCloseDeploymentResponse {})
}

/// What follows when a deployment's escrow account is closed or overdrawn: everything of the deployment ends.
///
/// # Errors
/// Out of gas.
pub fn on_escrow_closed(
    exec: &mut Exec,
    key: &DeploymentKey,
    settled: escrow::Settled,
) -> Result<(), ChainError> {
    let (group_state, reason) = match settled {
        escrow::Settled::Funded => (GroupState::Closed, LeaseClosedReason::LeaseClosedOwner),
        escrow::Settled::Overdrawn => (GroupState::InsufficientFunds, insufficient_funds()),
    };
    if let Some(deployment) = exec.state.deployments.get_mut(key) {
        deployment.state = DeploymentState::Closed.into();
    }
    exec.emit(ChainEvent::DeploymentClosed(DeploymentId { owner: key.0.clone(), dseq: key.1 }));
    let groups: Vec<GroupKey> = exec
        .state
        .groups_of(&key.0, key.1)
        .filter(|group| group.state() != GroupState::Closed)
        .filter_map(|group| group.id.as_ref().map(group_key))
        .collect();
    for group in groups {
        set_group_state(exec, &group, group_state)?;
        exec.emit(ChainEvent::GroupClosed(group_id(&group)));
        market::close_group_orders(exec, &group_id(&group), reason)?;
    }
    Ok(())
}

/// The reason of leases whose deployment has run out of money.
pub fn insufficient_funds() -> LeaseClosedReason {
    LeaseClosedReason::try_from(20_000).unwrap_or(LeaseClosedReason::LeaseClosedInvalid)
}

/// `MsgCloseGroup`.
///
/// # Errors
/// `deployment` 14, 15.
pub fn close_group(exec: &mut Exec, message: MsgCloseGroup) -> Result<MsgCloseGroupResponse, ChainError> {
    let key = find_group(exec, message.id.as_ref())?;
    if group_state(exec, &key) == GroupState::Closed {
        return Err(errors::GROUP_CLOSED.plain());
    }
    set_group_state(exec, &key, GroupState::Closed)?;
    exec.emit(ChainEvent::GroupClosed(group_id(&key)));
    market::close_group_orders(exec, &group_id(&key), LeaseClosedReason::LeaseClosedOwner)?;
    Ok(MsgCloseGroupResponse {})
}

/// `MsgPauseGroup`.
///
/// # Errors
/// `deployment` 14, 15, 17.
pub fn pause_group(exec: &mut Exec, message: MsgPauseGroup) -> Result<MsgPauseGroupResponse, ChainError> {
    let key = find_group(exec, message.id.as_ref())?;
    match group_state(exec, &key) {
        GroupState::Closed | GroupState::InsufficientFunds => return Err(errors::GROUP_CLOSED.plain()),
        GroupState::Paused => return Err(errors::GROUP_PAUSED.plain()),
        _ => {}
    }
    pause(exec, &key)?;
    market::close_group_orders(exec, &group_id(&key), LeaseClosedReason::LeaseClosedOwner)?;
    Ok(MsgPauseGroupResponse {})
}

/// Marks a group paused, with its event.
///
/// # Errors
/// Out of gas.
pub fn pause(exec: &mut Exec, key: &GroupKey) -> Result<(), ChainError> {
    set_group_state(exec, key, GroupState::Paused)?;
    exec.emit(ChainEvent::GroupPaused(group_id(key)));
    Ok(())
}

/// `MsgStartGroup`: open again, with a new order made from the group as it was created.
///
/// # Errors
/// `deployment` 14, 15, 16; `market` 23.
pub fn start_group(exec: &mut Exec, message: MsgStartGroup) -> Result<MsgStartGroupResponse, ChainError> {
    let key = find_group(exec, message.id.as_ref())?;
    match group_state(exec, &key) {
        GroupState::Closed | GroupState::InsufficientFunds => return Err(errors::GROUP_CLOSED.plain()),
        GroupState::Open => return Err(errors::GROUP_OPEN.plain()),
        _ => {}
    }
    set_group_state(exec, &key, GroupState::Open)?;
    exec.emit(ChainEvent::GroupStarted(group_id(&key)));
    exec.charge(gas::ORDER)?;
    market::create_order(exec, &group_id(&key))?;
    Ok(MsgStartGroupResponse {})
}

fn find_group(exec: &mut Exec, id: Option<&GroupId>) -> Result<GroupKey, ChainError> {
    exec.charge(gas::READ)?;
    let key = id.map(group_key).unwrap_or_default();
    if exec.state.groups.contains_key(&key) { Ok(key) } else { Err(errors::GROUP_NOT_FOUND.plain()) }
}

fn group_state(exec: &Exec, key: &GroupKey) -> GroupState {
    exec.state.groups.get(key).map_or(GroupState::Invalid, Group::state)
}

fn set_group_state(exec: &mut Exec, key: &GroupKey, state: GroupState) -> Result<(), ChainError> {
    exec.charge(gas::GROUP_STATE)?;
    if let Some(group) = exec.state.groups.get_mut(key) {
        group.state = state.into();
    }
    Ok(())
}

fn group_id((owner, dseq, gseq): &GroupKey) -> GroupId {
    GroupId { owner: owner.clone(), dseq: *dseq, gseq: *gseq }
}
