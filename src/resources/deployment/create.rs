//! Creating an `akash_deployment`, or going on with one that exists.

use akash_chain::{Kind, Labelled, OpenReason, Outcome, SubmitError};
use akash_proto::akash::deployment::v1::DeploymentReclamation;
use akash_proto::akash::deployment::v1beta4::MsgCreateDeployment;
use akash_proto::id::DeploymentId;
use akash_proto::{Coin, Duration};
use akash_sdl::Sdl;
use serde_json::json;
use tfplugin::{Create, Saved, Value};

use super::messages::{deposit, receipt, resources, send_hash};
use super::model::{Deployment, Private, ceiling};
use super::place::{self, Existing, Place};
use super::{DeploymentResource, plan, read};
use crate::op::{self, Failure, Op};
use crate::receipts::{self, Action, Answer};

type Created = Saved<DeploymentResource>;

/// Creates the deployment.
pub(super) async fn create(op: &Op, create: Create<DeploymentResource>) -> Result<Created, Failure> {
    let Create { planned: mut state, mut private, .. } = create;
    let owner = op.account("Creating the deployment")?;
    let sdl = plan::compiled(state.sdl.as_deref().unwrap_or_default())?;
    let id = match place::find(op, owner, &state, &sdl).await? {
        Place::New(id) => id,
        Place::Existing(existing) => return take_over(op, Saved { state, private }, &sdl, *existing).await,
    };
    let amount = first_deposit(op, &state).await?;
    let message = MsgCreateDeployment {
        id: Some((&id).into()),
        groups: sdl.groups.iter().map(akash_sdl::Group::to_proto).collect(),
        hash: sdl.hash().to_vec(),
        deposit: Some(deposit(op, amount)),
        reclamation: sdl.reclamation.map(|window| DeploymentReclamation {
            min_window: Some(Duration {
                seconds: i64::try_from(window.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
        }),
    };
    let sent = op.send(Labelled::from(message).named(state.name.as_deref())).await;

    set_compiled(op, &mut state, &id, &sdl);
    private.groups = sdl.groups.clone();
    private.reclamation = sdl.reclamation.map(|window| window.as_secs());
    match sent {
        Ok(outcome) => {
            let receipt = created(op, &id, &sdl, &amount.to_string(), &outcome);
            state.receipts = Value::Known(vec![receipt]);
            state.state = "active".into();
            state.created_height = outcome.height.to_string().into();
            state.deposited = amount.to_string().into();
            private.height = Some(outcome.height);
            Ok(Saved { state, private })
        }
        Err(error) => match state.name.as_deref() {
            Some(name) if op::refusal(&error) == Some(Kind::DeploymentExists) => {
                Err(place::taken(op, name, &id, None).await)
            }
            _ => pending(op, state, private, &id, error),
        },
    }
}

/// Fills in what the SDL and the id decide.
fn set_compiled(op: &Op, state: &mut Deployment, id: &DeploymentId, sdl: &Sdl) {
    state.set_compiled(sdl);
    state.id = id.to_string().into();
    state.owner = id.owner().into();
    state.dseq = id.dseq().to_string().into();
    state.chain_id = op.clients.chain_id.as_str().into();
    state.receipts = Value::Known(Vec::new());
}

/// Of a create that was not taken: where it was sent and it is not known whether it happened, the deployment may exist,
/// so it is recorded.
fn pending(
    op: &Op,
    mut state: Deployment,
    mut private: Private,
    id: &DeploymentId,
    error: SubmitError,
) -> Result<Created, Failure> {
    let Some((pending, why)) = op::pending(&error) else {
        return Err(op.unsent("Creating the deployment")(error));
    };
    private.pending = Some(pending.clone());
    state.state = "pending".into();
    state.created_height = Value::Null;
    state.deposited = Value::Null;
    match why {
        OpenReason::Stopped => op.warn(
            format!("Deployment {} is pending", id.dseq()),
            format!("{error}. It is recorded in state, so nothing is lost either way."),
        ),
        OpenReason::EndpointsLost | OpenReason::Broken => {
            op.fail(op.unsent("Creating the deployment")(error));
        }
    }
    Ok(Saved { state, private })
}

/// The deposit of a new deployment in uact: the argument, else the chain's minimum.
async fn first_deposit(op: &Op, planned: &Deployment) -> Result<u128, Failure> {
    if let Some(coin) = planned.deposit.as_deref().and_then(|text| text.parse::<Coin>().ok()) {
        return Ok(coin.amount);
    }
    let params = op.clients.chain.recent_deployment_params().await.map_err(|error| {
        Failure::new("The chain's minimum deposit can't be read", format!("{error}. Nothing was sent."))
    })?;
    let minimum = params.min_deposits.iter().find(|coin| coin.denom == "uact");
    minimum.and_then(|coin| coin.amount.parse().ok()).ok_or_else(|| {
        Failure::at(
            "deposit",
            "The chain names no minimum deposit in uact",
            "Set `deposit`, for example to `500000uact`.",
        )
    })
}

/// The receipt of a create.
fn created(op: &Op, id: &DeploymentId, sdl: &Sdl, deposit: &str, outcome: &Outcome) -> String {
    let request = json!({
        "sdl_hash": format!("sha256:{}", sdl.hash_hex()),
        "resources": resources(sdl),
        "max_price": { "amount": ceiling(&sdl.groups).to_string(), "denom": "uact" },
        "deposit": { "amount": deposit, "denom": "uact" },
    });
    receipt(op, id, Action::DeploymentCreate, request).seal(Answer::transaction(outcome, "active"))
}

/// Goes on with a deployment that exists: one whose create was cut off, or one that `adopt` allows to take.
async fn take_over(op: &Op, saved: Created, sdl: &Sdl, existing: Existing) -> Result<Created, Failure> {
    let Saved { mut state, mut private } = saved;
    let Existing { id, found, created_by } = existing;
    set_compiled(op, &mut state, &id, sdl);
    read::record(&mut state, &mut private, &found)
        .map_err(|error| Failure::new(format!("Deployment {} can't be read", id.dseq()), error))?;
    if let Some(outcome) = &created_by {
        let deposited = state.deposited.as_deref().unwrap_or_default();
        state.receipts = Value::Known(vec![created(op, &id, sdl, deposited, outcome)]);
    }
    let mut more = "";
    // Without a state it stays in the journal, or active under its name: the next apply takes it over again.
    let sent = send_hash(op, &id, &found, sdl).await.map_err(op.unsent("Taking over the deployment"))?;
    if let Some(receipt) = sent {
        more = " Its manifest was another one; the new hash was sent.";
        receipts::add(&mut state.receipts, receipt);
    }
    state.hash = sdl.hash_hex().into();
    private.height = Some(op.clients.chain.remembered_height());
    let why = match created_by {
        Some(_) => "An earlier run on this machine created it and was cut off before it was in state",
        None => "`adopt` is set, it has this name and equal groups",
    };
    op.warn(
        format!("Deployment {} was taken over", id.dseq()),
        format!("{why}. No second one was created, and its deposit is what it has.{more}"),
    );
    Ok(Saved { state, private })
}
