//! The values of an `akash_act`: its schema, the state that users see, and what is remembered beside it.

use akash_chain::{Msg, Outcome, Pending};
use akash_proto::{Coin, Dec};
use serde::{Deserialize, Serialize};
use tfplugin::{Dynamic, Model, Value};
use time::OffsetDateTime;

use super::amount::Terms;
use crate::duration::Timeouts;
use crate::receipts;

/// Keeps ACT in the wallet. Deployments are paid for in ACT, which can't be bought or sent: a wallet mints it for
/// itself from its AKT. When the balance is under `minimum`, this resource mints up to `target` and waits until the
/// chain has carried that out.
///
/// - The chain queues a mint and carries it out at the next epoch, every ten blocks (about a minute) or less often
///   while the vault is short of AKT. The resource waits for its own line of the chain's ledger; if the chain cancels
///   it, the AKT comes back and the error says why.
/// - One mint gives at least 10 ACT (a parameter of the chain). If less is missing, 10 ACT are minted and the balance
///   goes above `target`.
/// - A little more is minted than is missing (2 %), because the price that counts is the one at the epoch, and a mint
///   that then comes out under the floor is cancelled.
/// - While the network's circuit breaker is on, or its oracle has no fresh price of AKT, nothing can be minted: an
///   error says so, and nothing is sent.
/// - The balance is looked at when Terraform refreshes. What deployments of the same run put into escrow shows, at
///   most, as a mint in the next plan.
///
/// Use one for each wallet. Let deployments that need the ACT depend on it (`depends_on`): they are then created after
/// the mint, and destroyed, their deposits refunded, before this resource is.
#[derive(Debug, Clone, Default, PartialEq, Model)]
pub(crate) struct Act {
    /// Mint when the wallet holds less than this, for example `20000000uact` (20 ACT).
    #[model(required, validate = coin)]
    pub(crate) minimum: Value<String>,
    /// Mint up to this, for example `50000000uact`. Not below `minimum`, which is the default.
    #[model(optional, validate = coin)]
    pub(crate) target: Value<String>,
    /// When destroyed, convert all ACT in the wallet back to AKT. By default the balance is left as it is. The value
    /// that counts is the one last applied.
    #[model(optional)]
    pub(crate) burn_on_destroy: Value<bool>,
    /// Why; goes into receipts. Default: `AKASH_REASON`. A change of it alone sends nothing.
    #[model(optional)]
    pub(crate) reason: Value<String>,
    #[model(attribute = Timeouts::attribute())]
    pub(crate) timeouts: Value<Timeouts>,
    /// The wallet's address.
    #[model(computed)]
    pub(crate) id: Value<String>,
    /// The wallet's address.
    #[model(computed)]
    pub(crate) owner: Value<String>,
    /// The chain it is on.
    #[model(computed)]
    pub(crate) chain_id: Value<String>,
    /// What the wallet held in uact, as of the last mint, or of a refresh that found less than `minimum`. It does not
    /// follow every deposit, so that what uses it does not change with every plan.
    #[model(computed)]
    pub(crate) balance: Value<String>,
    #[model(attribute = receipts::attribute())]
    pub(crate) receipts: Value<Vec<String>>,
}

/// What is to be in the wallet, in uact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    /// Under this is minted.
    pub(crate) minimum: u128,
    /// Up to this; at least `minimum`.
    pub(crate) target: u128,
}

impl Act {
    /// What is to be in the wallet; `None` while an argument is not known yet.
    pub(crate) fn goal(&self) -> Option<Goal> {
        let uact = |text: &str| text.parse::<Coin>().ok().map(|coin| coin.amount);
        let minimum = uact(self.minimum.as_deref()?)?;
        let target = match &self.target {
            Value::Known(text) => uact(text)?,
            Value::Null => minimum,
            Value::Unknown => return None,
        };
        Some(Goal { minimum, target })
    }
}

/// What is remembered beside the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Private {
    /// The mint's transaction, while it is not known whether a block took it.
    pub(crate) pending: Option<Pending>,
    /// The mint that is in the chain's queue.
    pub(crate) queued: Option<Queued>,
    /// The wallet and the chain's terms as last read: what a plan is made from.
    pub(crate) seen: Option<Seen>,
    /// The create ended with an error while its transaction's fate was open, so Terraform replaces it. What it minted
    /// is there for what replaces it, and is not burnt with it.
    pub(crate) unfinished: bool,
    /// Block height of the last read.
    pub(crate) height: Option<u64>,
}

/// What was read of the wallet and of the chain's terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// uact in the wallet.
    pub(crate) balance: u128,
    /// uakt in the wallet.
    pub(crate) akt: u128,
    /// uact that mints in the chain's queue will bring.
    pub(crate) coming: u128,
    /// How the chain converts.
    pub(crate) terms: Terms,
    /// Whether it does so now.
    pub(crate) gate: Gate,
}

/// Whether the chain converts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    /// Both ways.
    Open,
    /// It mints, but the collateral ratio is low: epochs are further apart.
    Slow,
    /// The circuit breaker stops mints, not burns.
    CircuitBreaker {
        /// AKT in the vault, in USD for each ACT there is.
        ratio: String,
        /// Below this nothing is minted.
        halt: String,
    },
    /// There is no price of AKT that may be used; neither way.
    OracleStale {
        /// What the chain says about it.
        why: String,
    },
}

/// A request to mint or burn that is in a block: the ledger has a line for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queued {
    /// SHA-256 of the transaction, upper-case hex.
    pub(crate) tx_hash: String,
    /// Its block, which is the height in the line's id.
    pub(crate) height: u64,
    /// The block's time, Unix seconds.
    time: i64,
    gas_used: u64,
    /// The fee of the whole transaction, for example `5000uakt`.
    fee: String,
    messages: u32,
    message_index: u32,
    by_effect: bool,
    /// What is burnt: `uakt` for a mint, `uact` for a burn.
    pub(crate) denom: String,
    /// How much of it, smallest units.
    pub(crate) amount: u128,
    /// What it is to bring, smallest units; the request of the receipt.
    pub(crate) wanted: u128,
}

impl Queued {
    /// What the ledger is asked for later.
    pub(crate) fn new(outcome: &Outcome, coin: &Coin, wanted: u128) -> Self {
        Self {
            tx_hash: outcome.tx_hash.clone(),
            height: outcome.height,
            time: outcome.time.unix_timestamp(),
            gas_used: outcome.gas_used,
            fee: outcome.fee.to_string(),
            messages: outcome.messages,
            message_index: outcome.message_index,
            by_effect: outcome.by_effect,
            denom: coin.denom.clone(),
            amount: coin.amount,
            wanted,
        }
    }

    /// Of a message whose fate was open until now; `seen` are the terms it was reckoned by.
    pub(crate) fn of(outcome: &Outcome, message: &Msg, seen: Option<&Seen>) -> Self {
        let coin = message.takes().unwrap_or_else(|| Coin::new(0, "uakt"));
        let wanted = seen.and_then(|seen| seen.terms.gives(coin.amount));
        Self::new(outcome, &coin, wanted.unwrap_or_default())
    }

    /// The transaction's outcome again, for a receipt.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            tx_hash: self.tx_hash.clone(),
            height: self.height,
            time: OffsetDateTime::from_unix_timestamp(self.time).unwrap_or(OffsetDateTime::UNIX_EPOCH),
            gas_used: self.gas_used,
            fee: self.fee.parse().unwrap_or_else(|_| Coin::new(0, "uakt")),
            messages: self.messages,
            message_index: self.message_index,
            events: Vec::new(),
            by_effect: self.by_effect,
        }
    }
}

/// An amount of uact as people read it: `12.5 ACT`.
pub(crate) fn act(uact: u128) -> String {
    format!("{} ACT", millionths(uact))
}

/// An amount of uakt as people read it: `12.5 AKT`.
pub(crate) fn akt(uakt: u128) -> String {
    format!("{} AKT", millionths(uakt))
}

fn millionths(amount: u128) -> String {
    let scaled = i128::try_from(amount).ok().and_then(|amount| amount.checked_mul(1_000_000_000_000));
    scaled.map_or_else(|| format!("{amount} / 1000000"), |scaled| Dec::from_scaled(scaled).to_string())
}

/// Smallest units of `uact` or `uakt` as people read them.
pub(crate) fn coins(amount: u128, denom: &str) -> String {
    match denom {
        "uact" => act(amount),
        "uakt" => akt(amount),
        _ => format!("{amount}{denom}"),
    }
}

fn coin(value: &Dynamic) -> Result<(), String> {
    let Dynamic::String(text) = value else { return Ok(()) };
    let coin: Coin = text.parse().map_err(|error: akash_proto::NumberError| error.to_string())?;
    if coin.denom != "uact" {
        return Err(format!(
            "it is what the wallet is to hold of uact (ACT, 1000000uact are 1 ACT, which is 1 USD), not of {}",
            coin.denom
        ));
    }
    // So much that no arithmetic with it can overflow, and more than there will ever be.
    if !(1..=u128::from(u64::MAX)).contains(&coin.amount) {
        return Err("it must be more than 0uact and below 2^64".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_uact() {
        assert!(coin(&Dynamic::String("500000uact".into())).is_ok());
        for text in ["500000uakt", "500000", "0.5act", "", "0uact", "18446744073709551616uact"] {
            assert!(coin(&Dynamic::String(text.into())).is_err(), "{text}");
        }
    }

    #[test]
    fn goals() {
        let of = |minimum: Value<String>, target: Value<String>| {
            Act { minimum, target, ..Act::default() }.goal().map(|goal| (goal.minimum, goal.target))
        };
        assert_eq!(of("5uact".into(), Value::Null), Some((5, 5)));
        assert_eq!(of("5uact".into(), "7uact".into()), Some((5, 7)));
        assert_eq!(of("5uact".into(), Value::Unknown), None);
        assert_eq!(of(Value::Unknown, "7uact".into()), None);
    }

    #[test]
    fn amounts_for_people() {
        for (amount, text) in
            [(0, "0 ACT"), (1, "0.000001 ACT"), (20_000_000, "20 ACT"), (12_500_000, "12.5 ACT")]
        {
            assert_eq!(act(amount), text);
        }
        assert!(act(u128::MAX).ends_with("ACT"));
    }

    #[test]
    fn what_is_remembered_comes_back_whole() {
        let private = Private {
            queued: Some(Queued {
                tx_hash: "AB".into(),
                height: 7,
                time: 1_795_238_003,
                gas_used: 80_000,
                fee: "5000uakt".into(),
                messages: 2,
                message_index: 1,
                by_effect: false,
                denom: "uakt".into(),
                amount: u128::from(u64::MAX) * 3,
                wanted: 10_000_000,
            }),
            seen: Some(Seen {
                balance: 1,
                akt: u128::from(u64::MAX) * 5,
                coming: 0,
                terms: Terms { price: "1.25".into(), floor: 10_000_000, spread_bps: 25, epoch_blocks: 10 },
                gate: Gate::CircuitBreaker { ratio: "0.5".into(), halt: "0.9".into() },
            }),
            unfinished: true,
            height: Some(9),
            pending: None,
        };
        let bytes = serde_json::to_vec(&private).unwrap();
        assert_eq!(serde_json::from_slice::<Private>(&bytes).unwrap(), private);
        let outcome = private.queued.unwrap().outcome();
        assert_eq!((outcome.fee.amount, outcome.message_index), (5000, 1));
    }
}
