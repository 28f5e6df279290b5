//! The chain's ledger of mints and burns: finding a request in it, waiting until the chain has carried it out or
//! cancelled it, and what came of it as a receipt and in words.
//!
//! A request is a line of the ledger under its account, block and amount; two equal ones of one block have the same
//! fate. This file must not know when something is minted or burnt.

use std::time::Duration;

use akash_chain::{QueryError, requested_coin};
use akash_proto::{
    Coin, Dec,
    akash::bme::v1::{
        CoinPrice, LedgerCanceledRecord, LedgerRecord, LedgerRecordFilters, LedgerRecordStatus,
        QueryLedgerRecordEntry, ledger_canceled_record::BmCancelReason, query_ledger_record_entry::Record,
    },
};
use serde_json::json;

use super::model::{Queued, coins};
use crate::clients::Clients;
use crate::limit::Limit;
use crate::op::Op;
use crate::receipts::{Action, Answer, Target};

/// How often the ledger is looked at: less than once a block.
const POLL: Duration = Duration::from_secs(2);
/// So many looks in a row may fail, or not find the line, before waiting is given up.
const MISSES: u32 = 10;

/// What a line of the ledger is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The block that took the request.
    pub(super) height: u64,
    /// What it burns.
    pub(super) coin: Coin,
}

impl Queued {
    /// The line of this request.
    pub(super) fn line(&self) -> Line {
        Line { height: self.height, coin: Coin::new(self.amount, self.denom.clone()) }
    }
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    /// Carried out.
    Executed(Box<LedgerRecord>),
    /// Cancelled; what was to be burnt is back in the wallet.
    Canceled(BmCancelReason),
}

/// How waiting for a request ended.
#[derive(Debug)]
pub(super) enum Waited {
    /// The chain is done with it.
    Settled(Settled),
    /// Time is up, or Terraform asked to stop.
    Ended,
    /// The chain can't be asked, or its ledger does not have the line; why.
    Lost(String),
}

/// What a burnt denomination becomes.
fn becomes(denom: &str) -> &'static str {
    if denom == "uact" { "uakt" } else { "uact" }
}

fn filters(owner: &str, denom: &str, status: Option<LedgerRecordStatus>) -> LedgerRecordFilters {
    LedgerRecordFilters {
        source: owner.to_owned(),
        denom: denom.to_owned(),
        to_denom: becomes(denom).to_owned(),
        status: status.map(|status| status.as_str_name().to_owned()).unwrap_or_default(),
    }
}

/// The requests of an account to burn `denom` that wait for their epoch, whoever sent them.
pub(super) async fn pending(clients: &Clients, owner: &str, denom: &str) -> Result<Vec<Line>, QueryError> {
    let filters = filters(owner, denom, Some(LedgerRecordStatus::Pending));
    lines(&clients.chain.bme_ledger(filters).await?)
}

/// What waits, line by line. One that can't be read is an error: passed over, it would be minted once more.
fn lines(entries: &[QueryLedgerRecordEntry]) -> Result<Vec<Line>, QueryError> {
    let unread = QueryError::Malformed {
        what: "the ledger of mints and burns",
        endpoint: String::new(),
        missing: "the height and the amount of each request",
    };
    entries.iter().map(line).collect::<Option<_>>().ok_or(unread)
}

fn line(entry: &QueryLedgerRecordEntry) -> Option<Line> {
    let height = u64::try_from(entry.id.as_ref()?.height).ok()?;
    Some(Line { height, coin: requested_coin(entry)? })
}

/// What became of a request so far: `None` if the ledger does not have it, `Some(None)` while it waits.
pub(super) async fn look(
    clients: &Clients,
    owner: &str,
    wanted: &Line,
) -> Result<Option<Option<Settled>>, QueryError> {
    let entries = clients.chain.bme_ledger(filters(owner, &wanted.coin.denom, None)).await?;
    let found = entries.into_iter().find(|entry| line(entry).as_ref() == Some(wanted));
    Ok(found.and_then(|entry| entry.record).map(|record| match record {
        Record::PendingRecord(_) => None,
        Record::ExecutedRecord(record) => Some(Settled::Executed(Box::new(record))),
        Record::CanceledRecord(LedgerCanceledRecord { cancel_reason, .. }) => {
            Some(Settled::Canceled(BmCancelReason::try_from(cancel_reason).unwrap_or_default()))
        }
    }))
}

/// Waits until the chain has carried a request out or cancelled it. What is asked of the chain afterwards is not older
/// than that.
pub(super) async fn wait(clients: &Clients, owner: &str, wanted: &Line, limit: &Limit) -> Waited {
    let mut misses = 0;
    loop {
        let looked = tokio::select! {
            looked = look(clients, owner, wanted) => looked,
            () = limit.token().cancelled() => return Waited::Ended,
        };
        let miss = match looked {
            Ok(Some(Some(settled))) => {
                clients.chain.remember_height(clients.chain.seen_height());
                return Waited::Settled(settled);
            }
            Ok(Some(None)) => {
                misses = 0;
                None
            }
            Ok(None) => {
                Some(format!("the chain's ledger has no line of block {} for {}", wanted.height, wanted.coin))
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(miss) = miss {
            misses += 1;
            if misses >= MISSES {
                return Waited::Lost(miss);
            }
        }
        let jitter = Duration::from_millis(rand::random_range(0..250));
        if !limit.sleep(POLL - jitter).await {
            return Waited::Ended;
        }
    }
}

/// The sum of parts of an executed request, in smallest units.
fn sum(parts: [&Option<CoinPrice>; 2]) -> u128 {
    let coins = parts.into_iter().flatten().filter_map(|part| part.coin.as_ref());
    coins.filter_map(|coin| Coin::try_from(coin).ok()).map(|coin| coin.amount).sum()
}

/// What the wallet got, smallest units, and what was kept back of it.
pub(super) fn got(record: &LedgerRecord) -> (u128, u128) {
    let spread =
        record.spread.as_ref().and_then(|coin| Coin::try_from(coin).ok()).map_or(0, |coin| coin.amount);
    (sum([&record.minted, &record.remint_credit_issued]).saturating_sub(spread), spread)
}

/// The price of AKT at which a request was carried out, if the line says so.
fn price(record: &LedgerRecord) -> Option<Dec> {
    let parts = [&record.remint_credit_accrued, &record.remint_credit_issued, &record.minted];
    let akt = |part: &&CoinPrice| part.coin.as_ref().is_some_and(|coin| coin.denom == "uakt");
    let part = parts.into_iter().flatten().find(akt)?;
    Dec::from_wire(&part.price).ok()
}

/// The receipt of a request that the chain is done with.
pub(super) fn receipt(op: &Op, owner: &str, queued: &Queued, settled: &Settled) -> String {
    let coin = |amount: u128, denom: &str| json!({ "amount": amount.to_string(), "denom": denom });
    let to = becomes(&queued.denom);
    let action = if queued.denom == "uact" { Action::ActBurn } else { Action::ActMint };
    let target = Target { owner: owner.to_owned(), ..Target::default() };
    let request = json!({ "burn": coin(queued.amount, &queued.denom), "wanted": coin(queued.wanted, to) });
    let receipt = op.receipt(action, target, request);
    let outcome = queued.outcome();
    receipt.seal(match settled {
        Settled::Executed(record) => {
            let (got, spread) = got(record);
            let answer = Answer::transaction(&outcome, "executed")
                .with("received", coin(got, to))
                .with("spread", coin(spread, to));
            match price(record) {
                Some(price) => answer.with("akt_price", price.to_string().into()),
                None => answer,
            }
        }
        Settled::Canceled(why) => Answer::transaction(&outcome, "canceled")
            .with("cancel_reason", why.as_str_name().into())
            .with("refund", coin(queued.amount, &queued.denom)),
    })
}

/// Why the chain cancelled a request, and what to do, in sentences.
pub(super) fn why(reason: BmCancelReason) -> String {
    let text = match reason {
        BmCancelReason::MinimumMint => {
            "What came out at the epoch's price was under the chain's floor for one mint: the price of AKT had fallen by \
             more than the margin. Apply again: the amount is reckoned anew at today's price."
        }
        BmCancelReason::Epsilon => {
            "So little would have come out that it is less than the smallest unit. There is too little to convert."
        }
        BmCancelReason::ZeroPrice => "The oracle's price of AKT was zero at the epoch. Apply again later.",
        BmCancelReason::InsufficientFunds => {
            "The vault held too little for it at the epoch. Apply again later, or for a smaller amount."
        }
        BmCancelReason::MaxAttempts => {
            "The chain tried at several epochs and could not carry it out. Apply again later."
        }
        BmCancelReason::MintFailed | BmCancelReason::BurnFailed => {
            "The chain could not move the coins at the epoch. Apply again later."
        }
        BmCancelReason::InvalidDenom | BmCancelReason::InvalidAmount => {
            "The chain did not take the denomination or the amount: its rules may be newer than this version of the \
             provider."
        }
        BmCancelReason::Unknown => "The chain gives no reason. Apply again later.",
    };
    format!("Reason: `{}`. {text}", reason.as_str_name())
}

/// "Mint of 8.2 AKT, queued in block 7 (transaction AB)".
pub(super) fn named(queued: &Queued) -> String {
    let verb = if queued.denom == "uact" { "burn" } else { "mint from" };
    format!(
        "The {verb} {} was queued in block {} (transaction {})",
        coins(queued.amount, &queued.denom),
        queued.height,
        queued.tx_hash
    )
}

#[cfg(test)]
mod tests {
    use akash_proto::cosmos::base::v1beta1;

    use super::*;

    /// As recorded from a real chain (recordings-act.json).
    fn part(amount: &str, denom: &str, price: &str) -> Option<CoinPrice> {
        let coin = Coin::new(amount.parse().unwrap(), denom);
        let price = price.parse::<Dec>().unwrap().to_wire();
        Some(CoinPrice { coin: Some(coin.into()), price })
    }

    #[test]
    fn a_request_that_is_not_understood_is_not_passed_over() {
        use akash_proto::akash::bme::v1::{LedgerPendingRecord, LedgerRecordId};
        let entry = |amount: &str| QueryLedgerRecordEntry {
            id: Some(LedgerRecordId { height: 7, ..LedgerRecordId::default() }),
            record: Some(Record::PendingRecord(LedgerPendingRecord {
                coins_to_burn: Some(v1beta1::Coin { denom: "uakt".into(), amount: amount.into() }),
                ..LedgerPendingRecord::default()
            })),
            ..QueryLedgerRecordEntry::default()
        };
        assert_eq!(lines(&[entry("5"), entry("6")]).unwrap().len(), 2);
        assert!(lines(&[entry("5"), entry("6.0")]).is_err());
        assert!(lines(&[QueryLedgerRecordEntry::default()]).is_err());
    }

    #[test]
    fn what_came_of_it() {
        let mint = LedgerRecord {
            minted: part("25000000", "uact", "1"),
            spread: Some(Coin::new(62_500, "uact").into()),
            remint_credit_accrued: part("20000000", "uakt", "1.25"),
            ..LedgerRecord::default()
        };
        assert_eq!(got(&mint), (24_937_500, 62_500));
        assert_eq!(price(&mint).unwrap().to_string(), "1.25");
        let burn = LedgerRecord {
            burned: part("5000000", "uact", "1"),
            spread: Some(Coin::new(0, "uakt").into()),
            remint_credit_issued: part("4000000", "uakt", "1.25"),
            ..LedgerRecord::default()
        };
        assert_eq!(got(&burn), (4_000_000, 0));
        assert_eq!(price(&burn).unwrap().to_string(), "1.25");
        // More than there are credits: partly minted anew.
        let both = LedgerRecord { minted: part("7", "uakt", "1.25"), ..burn };
        assert_eq!(got(&both), (4_000_007, 0));
    }

    #[test]
    fn every_reason_is_named_and_explained() {
        let mut count = 0;
        for reason in (0..100).filter_map(|number| BmCancelReason::try_from(number).ok()) {
            let text = why(reason);
            assert!(text.contains(reason.as_str_name()) && text.len() > 60, "{text}");
            count += 1;
        }
        assert_eq!(count, 10);
    }
}
