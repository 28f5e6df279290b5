//! Reading an `akash_act`: what the wallet holds and how the chain converts, for the plan; and what came of a mint that
//! an earlier apply did not see the end of.

use akash_chain::{ChainError, Fate, Kind, Pending, QueryError};
use akash_proto::{
    Dec,
    akash::{
        bme::v1::{MintStatus, Params, QueryStatusResponse},
        oracle::v2::QueryAggregatedPriceResponse,
    },
};
use tfplugin::{Read, Saved, Value, plain_line};

use super::ActResource;
use super::amount::Terms;
use super::ledger::{self, Settled};
use super::model::{Act, Gate, Goal, Private, Queued, Seen, coins};
use crate::clients::Clients;
use crate::op::{Failure, Op};
use crate::receipts;

/// The least of a collateral ratio that is shown: 0.0001.
const RATIO_UNIT: i128 = 100_000_000_000_000;

/// What the chain says of a wallet, and of how it converts.
///
/// What is in the queue is asked for first, and the balance then from no older a block: so a mint that is carried out
/// in between is counted twice for a moment, never not at all, and nothing is minted twice.
pub(super) async fn look(clients: &Clients, owner: &str) -> Result<Seen, QueryError> {
    let chain = &clients.chain;
    let queue = ledger::pending(clients, owner, "uakt").await?;
    chain.remember_height(chain.seen_height());
    let (balances, params, status, price) = tokio::join!(
        chain.balances(owner),
        chain.bme_params(),
        chain.bme_status(),
        chain.oracle_price("akt")
    );
    let balances = balances?;
    let held = |denom: &str| balances.get(denom).copied().unwrap_or_default();
    let (terms, gate) = terms(&params?, status, price)?;
    let coming = queue.iter().filter_map(|line| terms.gives(line.coin.amount)).sum();
    Ok(Seen { balance: held("uact"), akt: held("uakt"), coming, terms, gate })
}

/// The chain's own word that it has no price, if that is what an error is.
fn stale(error: &QueryError) -> Option<&ChainError> {
    match error {
        QueryError::Node { error, .. } if error.kind() == Kind::OracleUnhealthy => Some(error),
        _ => None,
    }
}

fn malformed(missing: &'static str) -> QueryError {
    QueryError::Malformed { what: "the parameters of minting", endpoint: String::new(), missing }
}

fn terms(
    params: &Params,
    status: Result<QueryStatusResponse, QueryError>,
    price: Result<QueryAggregatedPriceResponse, QueryError>,
) -> Result<(Terms, Gate), QueryError> {
    let floor = match params.min_mint.iter().find(|coin| coin.denom == "uact") {
        Some(coin) => coin.amount.parse().map_err(|_| malformed("a whole amount as the least mint"))?,
        None => 0,
    };
    let mut terms = Terms {
        price: String::new(),
        floor,
        spread_bps: params.mint_spread_bps,
        epoch_blocks: u64::try_from(params.min_epoch_blocks).unwrap_or_default(),
    };
    let mut unusable = None;
    match price {
        Ok(answer) => {
            let health = answer.price_health.unwrap_or_default();
            if !health.is_healthy {
                unusable = Some(health.failure_reason.join(", "));
            }
            let twap = answer.aggregated_price.map(|price| price.twap).unwrap_or_default();
            match Dec::from_wire(&twap) {
                Ok(price) if price > Dec::ZERO => terms.price = price.to_string(),
                _ => unusable = Some("the price is zero".into()),
            }
        }
        Err(error) => unusable = Some(plain_line(&stale(&error).ok_or_else(|| error.clone())?.text)),
    }
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let why = plain_line(&stale(&error).ok_or_else(|| error.clone())?.text);
            return Ok((terms, Gate::OracleStale { why }));
        }
    };
    if let Some(why) = unusable {
        return Ok((terms, Gate::OracleStale { why }));
    }
    // Four digits, cut: 0.89999 must not read as the 0.9 that it is below.
    let ratio = |wire: &str| match Dec::from_wire(wire) {
        Ok(ratio) => Dec::from_scaled(ratio.scaled() / RATIO_UNIT * RATIO_UNIT).to_string(),
        Err(_) => format!("{wire:?}"),
    };
    let gate = match status.status() {
        MintStatus::HaltOracle => Gate::OracleStale { why: status.status().as_str_name().to_owned() },
        _ if !status.mints_allowed => Gate::CircuitBreaker {
            ratio: ratio(&status.collateral_ratio),
            halt: ratio(&status.halt_threshold),
        },
        MintStatus::Warning => Gate::Slow,
        _ => Gate::Open,
    };
    Ok((terms, gate))
}

impl Seen {
    /// What has to be minted for a goal, in uact, the floor aside: `None` while the balance, with what is on its way, is
    /// not under the minimum.
    pub(super) fn missing(&self, goal: Goal) -> Option<u128> {
        let held = self.balance.saturating_add(self.coming);
        (held < goal.minimum).then(|| goal.target.saturating_sub(held))
    }
}

/// Reads. The wallet is always there.
pub(super) async fn read(op: &Op, read: Read<ActResource>) -> Result<Option<Saved<ActResource>>, Failure> {
    let Read { mut state, mut private } = read;
    let owner = state.owner.as_deref().or(state.id.as_deref()).unwrap_or_default().to_owned();
    let settled = settle(op, &owner, &mut state, &mut private)
        .await
        .map_err(|error| Failure::new("The mint can't be looked up", error.to_string()))?;
    let seen = look(&op.clients, &owner)
        .await
        .map_err(|error| Failure::new(format!("The balance of {owner} can't be read"), error.to_string()))?;
    // The balance moves with every deposit. It changes here only where that has a plan, or something ended.
    let low = state.goal().is_some_and(|goal| seen.missing(goal).is_some());
    if low || settled || !state.balance.is_known() {
        state.balance = seen.balance.to_string().into();
    }
    if state.receipts.is_null() {
        state.receipts = Value::Known(Vec::new());
    }
    private.seen = Some(seen);
    private.height = Some(op.clients.chain.seen_height());
    Ok(Some(Saved { state, private }))
}

/// What became of the transaction of a mint. Where no node can show it the ledger tells, once its time has run out.
pub(super) async fn fate(clients: &Clients, pending: &Pending) -> Result<Fate, QueryError> {
    let fate = clients.chain.fate(pending).await?;
    if !matches!(fate, Fate::Open) {
        return Ok(fate);
    }
    let latest = clients.chain.latest_block().await?;
    if latest.time.unix_timestamp_nanos() <= i128::from(pending.timeout) {
        return Ok(fate);
    }
    clients.chain.fate_by_effect(pending).await
}

/// What came of a mint that was sent and not seen to its end. Whether it has come to an end.
async fn settle(op: &Op, owner: &str, state: &mut Act, private: &mut Private) -> Result<bool, QueryError> {
    let clients = &op.clients;
    if let Some(pending) = &private.pending {
        match fate(clients, pending).await? {
            Fate::Included(outcome) => {
                private.queued = Some(Queued::of(&outcome, &pending.message, private.seen.as_ref()));
            }
            Fate::Refused(refusal) => op.warn(
                "Nothing was minted",
                format!("The chain refused {}: {refusal}.", pending.transaction()),
            ),
            Fate::DidNotHappen => op.warn(
                "Nothing was minted",
                format!(
                    "It was sent in {}, which did not come into a block before its time ran out; nothing was spent.",
                    pending.transaction()
                ),
            ),
            Fate::Open => {
                op.warn(
                    "The mint is still pending",
                    format!(
                        "It is not known yet whether {} was included; apply waits for it.",
                        pending.transaction()
                    ),
                );
                return Ok(false);
            }
        }
        private.pending = None;
    }
    let Some(queued) = private.queued.clone() else { return Ok(false) };
    let Some(Some(settled)) = ledger::look(clients, owner, &queued.line()).await? else { return Ok(false) };
    clients.chain.remember_height(clients.chain.seen_height());
    if let Settled::Canceled(reason) = &settled {
        op.warn(
            "The mint was cancelled by the chain",
            format!(
                "{} and cancelled; {} came back. {}",
                ledger::named(&queued),
                coins(queued.amount, &queued.denom),
                ledger::why(*reason)
            ),
        );
    }
    let receipt = ledger::receipt(op, owner, &queued, &settled);
    state.receipts = Value::Known(receipts::append(state.receipts.clone().unwrap_or_default(), [receipt]));
    private.queued = None;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use akash_proto::akash::oracle::v2::{AggregatedPrice, PriceHealth};
    use akash_proto::cosmos::base::v1beta1;

    use super::*;

    fn params() -> Params {
        Params {
            mint_spread_bps: 25,
            min_epoch_blocks: 10,
            min_mint: vec![v1beta1::Coin { denom: "uact".into(), amount: "10000000".into() }],
            ..Params::default()
        }
    }

    fn status(status: MintStatus) -> QueryStatusResponse {
        QueryStatusResponse {
            status: status.into(),
            collateral_ratio: "899990000000000001".into(),
            halt_threshold: "900000000000000000".into(),
            mints_allowed: i32::from(status) < i32::from(MintStatus::HaltCr),
            ..QueryStatusResponse::default()
        }
    }

    fn price(is_healthy: bool) -> QueryAggregatedPriceResponse {
        QueryAggregatedPriceResponse {
            aggregated_price: Some(AggregatedPrice {
                twap: "1250000000000000000".into(),
                ..AggregatedPrice::default()
            }),
            price_health: Some(PriceHealth {
                is_healthy,
                failure_reason: vec!["too old".into()],
                ..PriceHealth::default()
            }),
        }
    }

    fn node_error(codespace: &str, code: u32) -> QueryError {
        let error = ChainError::new(codespace, code, "price stalled");
        QueryError::Node { what: "x", endpoint: "grpc://x".into(), error }
    }

    #[test]
    fn gates() {
        for (is, expected) in [
            (MintStatus::Healthy, Gate::Open),
            (MintStatus::Warning, Gate::Slow),
            (MintStatus::HaltCr, Gate::CircuitBreaker { ratio: "0.8999".into(), halt: "0.9".into() }),
            (MintStatus::HaltOracle, Gate::OracleStale { why: "mint_status_halt_oracle".into() }),
        ] {
            let (terms, gate) = terms(&params(), Ok(status(is)), Ok(price(true))).unwrap();
            assert_eq!(gate, expected);
            assert_eq!((terms.price.as_str(), terms.floor, terms.spread_bps), ("1.25", 10_000_000, 25));
        }
        let healthy = || Ok(status(MintStatus::Healthy));
        let (_, gate) = terms(&params(), healthy(), Ok(price(false))).unwrap();
        assert_eq!(gate, Gate::OracleStale { why: "too old".into() });
        // As the recorded chain answers without a price: both are errors of the oracle.
        let stalled = || node_error("oracle.v2", 4);
        let (terms_then, gate) = terms(&params(), Err(stalled()), Err(stalled())).unwrap();
        assert_eq!(gate, Gate::OracleStale { why: "price stalled".into() });
        assert_eq!(terms_then.mint(1), None);
        // Anything else is no answer.
        assert!(terms(&params(), Err(node_error("sdk", 1)), Ok(price(true))).is_err());
        assert!(terms(&params(), healthy(), Err(node_error("sdk", 1))).is_err());
    }

    /// A floor of 0 would mint less than the chain takes.
    #[test]
    fn a_floor_that_is_not_understood_is_no_answer() {
        let mut params = params();
        params.min_mint[0].amount = "ten".into();
        assert!(terms(&params, Ok(status(MintStatus::Healthy)), Ok(price(true))).is_err());
    }

    #[test]
    fn what_is_missing() {
        let seen = |balance, coming| Seen {
            balance,
            akt: 0,
            coming,
            terms: Terms { price: "1".into(), floor: 10, spread_bps: 0, epoch_blocks: 10 },
            gate: Gate::Open,
        };
        let goal = Goal { minimum: 20, target: 50 };
        for (balance, coming, missing) in [
            (0, 0, Some(50)),
            (19, 0, Some(31)),
            (20, 0, None),
            (10, 10, None),
            (9, 10, Some(31)),
            (60, 0, None),
        ] {
            assert_eq!(seen(balance, coming).missing(goal), missing, "{balance} {coming}");
        }
    }
}
