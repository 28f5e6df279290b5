//! Creating, changing and closing an `akash_deployment`. Looks at the chain again and does what was planned, or less.

use akash_chain::{Kind, OpenReason, Outcome, SubmitError};
use akash_proto::akash::base::deposit::v1::{Deposit, Source};
use akash_proto::akash::deployment::v1::DeploymentReclamation;
use akash_proto::akash::deployment::v1beta4::{
    MsgCloseDeployment, MsgCreateDeployment, MsgUpdateDeployment, QueryDeploymentResponse,
};
use akash_proto::akash::escrow::{id::v1 as escrow_id, v1::MsgAccountDeposit};
use akash_proto::id::DeploymentId;
use akash_proto::{Coin, Dec, Duration};
use akash_sdl::Sdl;
use serde_json::json;
use std::time::Instant;
use tfplugin::{Context, Create, Delete, Diagnostics, Path, Saved, Update, Value};

use super::model::{Deployment, ceiling};
use super::place::{self, Existing, Place};
use super::{DeploymentResource, plan, read};
use crate::clients::Clients;
use crate::lifecycle::belongs::{same_chain, same_owner};
use crate::lifecycle::{duration::Timeouts, earlier, ids, limit::Limit, send};
use crate::receipts::{self, Answer, Receipt, Target};

/// A receipt of this deployment.
fn receipt(
    clients: &Clients,
    id: &DeploymentId,
    action: &'static str,
    request: serde_json::Value,
    reason: &Value<String>,
) -> Receipt {
    Receipt {
        network: clients.network.map(str::to_owned),
        chain_id: clients.chain_id.clone(),
        action,
        target: Target { owner: id.owner().to_owned(), dseq: id.dseq(), ..Target::default() },
        request,
        reason: reason.known().cloned().or_else(|| clients.reason.clone()),
    }
}

/// What a receipt says of the SDL: the resources of all groups together.
fn resources(sdl: &Sdl) -> serde_json::Value {
    let mut total = [0_u128; 4];
    for unit in sdl.groups.iter().flat_map(|group| &group.resources) {
        let one = &unit.resource;
        let storage = one.storage.iter().map(|volume| u128::from(volume.size.val)).sum::<u128>();
        let each = [one.cpu.units.val.into(), one.memory.size.val.into(), storage, one.gpu.units.val.into()];
        for (sum, value) in total.iter_mut().zip::<[u128; 4]>(each) {
            *sum += value * u128::from(unit.count);
        }
    }
    let [cpu, memory, storage, gpu] = total;
    let cpu =
        Dec::from_scaled(i128::try_from(cpu).unwrap_or(i128::MAX).saturating_mul(1_000_000_000_000_000));
    json!({ "cpu": cpu.to_string(), "memory": binary(memory), "storage": binary(storage), "gpu": u64::try_from(gpu).unwrap_or(u64::MAX) })
}

/// Bytes in the largest binary unit that is exact: `512Mi`.
fn binary(bytes: u128) -> String {
    let units = [("Gi", 1_u128 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    units
        .iter()
        .find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size))
        .map_or_else(|| bytes.to_string(), |(unit, size)| format!("{}{unit}", bytes / size))
}

/// A deposit from the configured sources, in their order.
fn deposit(clients: &Clients, amount: u128) -> Deposit {
    let sources = clients.deposit_sources.iter().map(|source| match source.as_str() {
        "grant" => Source::Grant.into(),
        _ => Source::Balance.into(),
    });
    Deposit { amount: Some(Coin::new(amount, "uact").into()), sources: sources.collect() }
}

/// The deposit of a new deployment: the argument, else the chain's minimum.
async fn first_deposit(
    clients: &Clients,
    planned: &Deployment,
    diagnostics: &mut Diagnostics,
) -> Option<u128> {
    if let Some(coin) = planned.deposit.as_deref().and_then(|text| text.parse::<Coin>().ok()) {
        return Some(coin.amount);
    }
    match clients.chain.recent_deployment_params().await {
        Ok(params) => {
            let minimum = params.min_deposits.iter().find(|coin| coin.denom == "uact");
            let amount = minimum.and_then(|coin| coin.amount.parse().ok());
            if amount.is_none() {
                diagnostics.error_at(
                    &Path::root("deposit"),
                    "The chain names no minimum deposit in uact",
                    "Set `deposit`, for example to `500000uact`.",
                );
            }
            amount
        }
        Err(error) => {
            diagnostics
                .error("The chain's minimum deposit can't be read", format!("{error}. Nothing was sent."));
            None
        }
    }
}

/// Creates the deployment.
pub(super) async fn create(
    clients: &Clients,
    cx: &Context,
    create: Create<DeploymentResource>,
    diagnostics: &mut Diagnostics,
) -> Option<Saved<DeploymentResource>> {
    let Create { planned, write_only, mut private } = create;
    let limit = Limit::start(cx.cancel(), Timeouts::create(&planned.timeouts));
    let owner = send::wallet(clients, "Creating the deployment", &limit, diagnostics)?.address().to_owned();
    let sdl = plan::compiled(planned.sdl.as_deref().unwrap_or_default(), diagnostics)?;
    let id = match place::find(clients, &owner, &planned, &sdl, &limit, diagnostics).await? {
        Place::New(id) => id,
        Place::Existing(existing) => {
            let create = Create { planned, write_only, private };
            return take_over(clients, create, &sdl, *existing, &limit, diagnostics).await;
        }
    };
    let amount = first_deposit(clients, &planned, diagnostics).await?;
    let dseq = id.dseq();
    if let Some(name) = planned.name.as_deref() {
        clients.journal.set_name(dseq, name);
    }
    let message = MsgCreateDeployment {
        id: Some((&id).into()),
        groups: sdl.groups.iter().map(akash_sdl::Group::to_proto).collect(),
        hash: sdl.hash().to_vec(),
        deposit: Some(deposit(clients, amount)),
        reclamation: sdl.reclamation.map(|window| DeploymentReclamation {
            min_window: Some(Duration {
                seconds: i64::try_from(window.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
        }),
    };
    let sent = send::send(clients, message, &limit).await;

    let mut state = planned;
    state.set_compiled(&sdl);
    state.id = id.to_string().into();
    state.owner = id.owner().into();
    state.dseq = dseq.to_string().into();
    state.chain_id = clients.chain_id.as_str().into();
    private.groups = sdl.groups.clone();
    private.reclamation = sdl.reclamation.map(|window| window.as_secs());
    match sent {
        Ok(outcome) => {
            state.receipts =
                Value::Known(vec![created(clients, &id, &sdl, &amount.to_string(), &state.reason, &outcome)]);
            state.state = "active".into();
            state.created_height = outcome.height.to_string().into();
            state.deposited = amount.to_string().into();
            private.height = Some(outcome.height);
            Some(Saved { state, private })
        }
        Err(error) => {
            if let (Some(Kind::DeploymentExists), Some(name)) = (send::refusal(&error), state.name.as_deref())
            {
                place::taken(name, &id, None, diagnostics);
                return None;
            }
            let Some((pending, why)) = send::pending(&error) else {
                send::tell("Creating the deployment", &error, &limit, diagnostics);
                return None;
            };
            // Sent, and not known whether it happened: the deployment may exist, so it is recorded.
            match why {
                OpenReason::Stopped => diagnostics.warning(
                    format!("Deployment {dseq} is pending"),
                    format!("{error}. It is recorded in state, so nothing is lost either way."),
                ),
                OpenReason::EndpointsLost | OpenReason::Broken => {
                    send::tell("Creating the deployment", &error, &limit, diagnostics);
                }
            }
            private.pending = Some(pending.clone());
            state.state = "pending".into();
            state.created_height = Value::Null;
            state.deposited = Value::Null;
            state.receipts = Value::Known(Vec::new());
            Some(Saved { state, private })
        }
    }
}

/// The receipt of a create.
fn created(
    clients: &Clients,
    id: &DeploymentId,
    sdl: &Sdl,
    deposit: &str,
    reason: &Value<String>,
    outcome: &Outcome,
) -> String {
    let request = json!({
        "sdl_hash": format!("sha256:{}", sdl.hash_hex()),
        "resources": resources(sdl),
        "max_price": { "amount": ceiling(&sdl.groups).to_string(), "denom": "uact" },
        "deposit": { "amount": deposit, "denom": "uact" },
    });
    receipt(clients, id, "deployment.create", request, reason).seal(Answer::transaction(outcome, "active"))
}

/// Goes on with a deployment that exists: one whose create was cut off, or one that `adopt` allows to take.
async fn take_over(
    clients: &Clients,
    create: Create<DeploymentResource>,
    sdl: &Sdl,
    existing: Existing,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<Saved<DeploymentResource>> {
    let Create { planned: mut state, mut private, .. } = create;
    let Existing { id, found, created_by } = existing;
    state.set_compiled(sdl);
    state.id = id.to_string().into();
    state.owner = id.owner().into();
    state.dseq = id.dseq().to_string().into();
    state.chain_id = clients.chain_id.as_str().into();
    state.receipts = Value::Known(Vec::new());
    if let Err(error) = read::record(&mut state, &mut private, &found) {
        diagnostics.error(format!("Deployment {} can't be read", id.dseq()), error);
        return None;
    }
    if let Some(outcome) = &created_by {
        let deposited = state.deposited.as_deref().unwrap_or_default();
        let receipt = created(clients, &id, sdl, deposited, &state.reason, outcome);
        state.receipts = Value::Known(vec![receipt]);
    }
    let mut more = "";
    match send_hash(clients, &state.reason, &id, &found, sdl, limit).await {
        Ok(None) => {}
        Ok(Some(receipt)) => {
            more = " Its manifest was another one; the new hash was sent.";
            state.receipts = keep(&state.receipts, receipt);
        }
        // Without a state it stays in the journal, or active under its name: the next apply takes it over again.
        Err(error) => {
            send::tell("Taking over the deployment", &error, limit, diagnostics);
            return None;
        }
    }
    state.hash = sdl.hash_hex().into();
    private.height = Some(clients.chain.remembered_height());
    let why = match created_by {
        Some(_) => "An earlier run on this machine created it and was cut off before it was in state",
        None => "`adopt` is set, it has this name and equal groups",
    };
    diagnostics.warning(
        format!("Deployment {} was taken over", id.dseq()),
        format!("{why}. No second one was created, and its deposit is what it has.{more}"),
    );
    Some(Saved { state, private })
}

/// Changes the deployment in place. An argument has its new value only if all that it stands for happened.
pub(super) async fn update(
    clients: &Clients,
    cx: &Context,
    update: Update<DeploymentResource>,
    diagnostics: &mut Diagnostics,
) -> Saved<DeploymentResource> {
    let Update { prior, planned, mut private, .. } = update;
    let limit = Limit::start(cx.cancel(), Timeouts::update(&planned.timeouts));
    let mut state = planned;
    // What is sent below is only done when the chain said so; until then state keeps what was.
    state.receipts = Value::Known(prior.receipts.clone().unwrap_or_default());
    state.deposited = prior.deposited.clone();
    let mut undone = state.clone();
    (undone.sdl, undone.manifest, undone.hash) =
        (prior.sdl.clone(), prior.manifest.clone(), prior.hash.clone());
    undone.deposit = prior.deposit.clone();

    let Some(sdl) = plan::compiled(state.sdl.as_deref().unwrap_or_default(), diagnostics) else {
        return Saved { state: undone, private };
    };
    state.hash = sdl.hash_hex().into();
    state.manifest = crate::lifecycle::manifest::ManifestAttribute::new(sdl.manifest.clone()).text().into();
    let sends = prior.hash != state.hash || plan::top_up(&state, &prior).is_some();
    if !sends {
        return Saved { state, private };
    }
    let Some((id, found, deposited)) = look_again(clients, &prior, &sdl, &limit, diagnostics).await else {
        return Saved { state: undone, private };
    };
    match send_hash(clients, &state.reason, &id, &found, &sdl, &limit).await {
        Ok(Some(receipt)) => state.receipts = keep(&state.receipts, receipt),
        Ok(None) => {}
        Err(error) => {
            send::tell("Updating the deployment", &error, &limit, diagnostics);
            return Saved { state: undone, private };
        }
    }
    match send_deposit(clients, &prior, &state, &id, deposited, &limit).await {
        Ok(Some((receipt, sum))) => {
            state.receipts = keep(&state.receipts, receipt);
            state.deposited = sum;
        }
        Ok(None) if plan::top_up(&state, &prior).is_some() => {
            state.deposited = deposited.to_string().into();
        }
        Ok(None) => {}
        Err(error) => {
            send::tell("The deposit", &error, &limit, diagnostics);
            state.deposit = prior.deposit.clone();
        }
    }
    private.pending = None;
    Saved { state, private }
}

/// The receipts with one more.
fn keep(receipts: &Value<Vec<String>>, receipt: String) -> Value<Vec<String>> {
    Value::Known(receipts::append(receipts.clone().unwrap_or_default(), [receipt]))
}

/// The deployment as it is now, and what was put into its escrow. Trouble that the plan did not know of is an error: plan again.
async fn look_again(
    clients: &Clients,
    prior: &Deployment,
    sdl: &Sdl,
    limit: &Limit,
    diagnostics: &mut Diagnostics,
) -> Option<(DeploymentId, QueryDeploymentResponse, Dec)> {
    if !same_chain(clients, &prior.chain_id, diagnostics)
        || !same_owner(clients, prior.owner.as_deref(), diagnostics)
    {
        return None;
    }
    let id = ids::deployment(prior.id.as_deref().unwrap_or_default(), None)
        .map_err(|error| diagnostics.error("The state has no usable id", error))
        .ok()?;
    if !earlier::settle(clients, &id, limit, diagnostics).await {
        return None;
    }
    let found = match clients.chain.deployment_since(&id, Instant::now()).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            diagnostics.error(
                format!("Deployment {} is gone", id.dseq()),
                "The chain does not have it any more. Plan again.",
            );
            return None;
        }
        Err(error) => {
            diagnostics.error(
                format!("Deployment {} can't be read", id.dseq()),
                format!("{error}. Nothing was sent."),
            );
            return None;
        }
    };
    if let Some(reason) = read::closed(&found) {
        diagnostics.error(format!("Deployment {} is closed", id.dseq()), format!("{reason} Plan again."));
        return None;
    }
    // The chain takes any hash; the provider would then refuse a manifest that does not fit the groups.
    match read::chain_groups(&found).and_then(|groups| Ok((groups, read::deposited(&found)?))) {
        Ok((groups, deposited)) => {
            let change = akash_sdl::diff(&groups, sdl);
            let Some(reason) = change.replace.first() else { return Some((id, found, deposited)) };
            diagnostics.error_at(
                &Path::root("sdl"),
                "The SDL does not fit the deployment that exists",
                format!("{}: {}. Nothing was sent. Plan again.", reason.path, reason.detail),
            );
        }
        Err(error) => diagnostics.error(format!("Deployment {} can't be read", id.dseq()), error),
    }
    None
}

/// Sends the new hash, unless the chain has it already.
async fn send_hash(
    clients: &Clients,
    reason: &Value<String>,
    id: &DeploymentId,
    found: &QueryDeploymentResponse,
    sdl: &Sdl,
    limit: &Limit,
) -> Result<Option<String>, SubmitError> {
    let hash = sdl.hash().to_vec();
    if found.deployment.as_ref().is_some_and(|deployment| deployment.hash == hash) {
        return Ok(None);
    }
    let message = MsgUpdateDeployment { id: Some(id.into()), hash };
    match send::send(clients, message, limit).await {
        Ok(outcome) => {
            let request =
                json!({ "sdl_hash": format!("sha256:{}", sdl.hash_hex()), "resources": resources(sdl) });
            let receipt = receipt(clients, id, "deployment.update", request, reason);
            Ok(Some(receipt.seal(Answer::transaction(&outcome, "active"))))
        }
        // Somebody sent the same hash a moment ago.
        Err(error) if send::refusal(&error) == Some(Kind::InvalidHash) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tops the escrow up to `deposit`, unless it is there already. Returns the receipt and the new sum.
async fn send_deposit(
    clients: &Clients,
    prior: &Deployment,
    planned: &Deployment,
    id: &DeploymentId,
    before: Dec,
    limit: &Limit,
) -> Result<Option<(String, Value<String>)>, SubmitError> {
    if plan::top_up(planned, prior).is_none() {
        return Ok(None);
    }
    let now = Deployment { deposited: before.to_string().into(), ..Deployment::default() };
    let Some(missing) = plan::top_up(planned, &now) else { return Ok(None) };
    let message = MsgAccountDeposit {
        signer: id.owner().to_owned(),
        id: Some(escrow_id::Account { scope: escrow_id::Scope::Deployment.into(), xid: id.to_string() }),
        deposit: Some(deposit(clients, missing)),
    };
    let outcome: Outcome = send::send(clients, message, limit).await?;
    let request = json!({ "deposit": { "amount": missing.to_string(), "denom": "uact" } });
    let receipt = receipt(clients, id, "deployment.deposit", request, &planned.reason);
    let sum = before + Dec::from(u64::try_from(missing).unwrap_or(u64::MAX));
    Ok(Some((receipt.seal(Answer::transaction(&outcome, "active")), sum.to_string().into())))
}

/// Closes the deployment; what is left in escrow comes back. Already closed or gone is success.
pub(super) async fn delete(
    clients: &Clients,
    cx: &Context,
    delete: Delete<DeploymentResource>,
    diagnostics: &mut Diagnostics,
) {
    let Delete { prior, private } = delete;
    let limit = Limit::start(cx.cancel(), Timeouts::delete(&prior.timeouts));
    if !same_chain(clients, &prior.chain_id, diagnostics)
        || !same_owner(clients, prior.owner.as_deref(), diagnostics)
    {
        return;
    }
    let id = match ids::deployment(prior.id.as_deref().unwrap_or_default(), None) {
        Ok(id) => id,
        Err(error) => return diagnostics.error("The state has no usable id", error),
    };
    if !send::settle(clients, private.pending.as_ref(), &format!("Deployment {}", id.dseq()), diagnostics)
        .await
        || !earlier::settle(clients, &id, &limit, diagnostics).await
    {
        return;
    }
    match clients.chain.deployment_since(&id, Instant::now()).await {
        Ok(Some(found)) if read::closed(&found).is_none() => {}
        Ok(_) => return,
        Err(error) => {
            return diagnostics.error(format!("Deployment {} can't be read", id.dseq()), error.to_string());
        }
    }
    let message = MsgCloseDeployment { id: Some((&id).into()) };
    match send::send(clients, message, &limit).await {
        Ok(outcome) => {
            let request = json!({});
            let receipt = receipt(clients, &id, "deployment.close", request, &prior.reason);
            tracing::info!(
                receipt = receipt.seal(Answer::transaction(&outcome, "closed")),
                "deployment closed"
            );
            if let Some(refund) = refund(&outcome, id.owner()) {
                diagnostics.warning(
                    format!("Deployment {} is closed, {refund} uact came back", id.dseq()),
                    format!("Transaction {} in block {}.", outcome.tx_hash, outcome.height),
                );
            }
        }
        Err(error)
            if matches!(send::refusal(&error), Some(Kind::DeploymentClosed | Kind::DeploymentNotFound)) => {}
        Err(error) => send::tell("Closing the deployment", &error, &limit, diagnostics),
    }
}

/// What the owner got back in uact, by the events of the closing message; `None` where the events are not known.
fn refund(outcome: &Outcome, owner: &str) -> Option<u128> {
    let received =
        outcome.events.iter().filter(|event| event.r#type == "coin_received").filter_map(|event| {
            let value =
                |key: &str| event.attributes.iter().find(|one| one.key == key).map(|one| one.value.as_str());
            if value("receiver")? != owner {
                return None;
            }
            let coins = value("amount")?.split(',').filter_map(|coin| coin.parse::<Coin>().ok());
            coins
                .filter(|coin| coin.denom == "uact")
                .map(|coin| coin.amount)
                .reduce(|sum, amount| sum + amount)
        });
    received.reduce(|sum, amount| sum + amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_exact_units() {
        for (bytes, text) in
            [(0, "0"), (1 << 30, "1Gi"), (512 << 20, "512Mi"), (1536 << 20, "1536Mi"), (1000, "1000")]
        {
            assert_eq!(binary(bytes), text);
        }
    }
}
