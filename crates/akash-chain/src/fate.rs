//! What became of a transaction: found in a block, dead for good, or not known yet.
//!
//! "Did not happen" is said only after a node that indexes transactions did not find it although its own latest
//! block is past the transaction's timeout, and after the message's effect was looked for on chain (DESIGN.md,
//! principle 2). This file must not send anything.

use std::sync::{Arc, atomic::Ordering};

use akash_proto::{
    Coin, Dec,
    akash::{
        base::deposit::v1::Source,
        bme::v1 as bme,
        cert,
        deployment::v1::{self as deployment_v1, deployment},
        deployment::v1beta4::group,
        escrow::{self, types::v1::Depositor, v1::MsgAccountDeposit},
        market::v1::lease,
    },
    cosmos::{base, base::abci::v1beta1::TxResponse, tx::v1beta1::GetTxRequest},
    id::{BidId, DeploymentId, GroupId, LeaseId},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tonic::Code;

use crate::{
    Block, Chain, ChainError, Fate, Msg, Outcome, Pending, QueryError, Refusal, Stage,
    chain::Inner,
    errors,
    nodes::{ask::Answered, node::Node},
    query::tx_client,
};

/// What one endpoint could tell of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// It is in a block.
    Found(Box<TxResponse>),
    /// The node indexes transactions and does not have it. `latest` is its own latest block, asked for before;
    /// `answered_at` is the height of the answer where it says so (behind a load balancer it may be another node's).
    Absent { latest: Option<Block>, answered_at: Option<u64> },
    /// It did not answer, or does not index transactions.
    Nothing,
}

/// What all endpoints together tell.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// In a block.
    Found(Box<TxResponse>),
    /// Not in a block, and no block can take it any more.
    Dead,
    /// Not known yet, but some node will know once its block time is past the timeout.
    Waiting,
    /// No node that answered can ever tell.
    NobodyKnows,
}

/// Weighs what the endpoints saw of a transaction that no block after `timeout` (Unix ns) can take.
pub(crate) fn verdict(timeout: i64, sights: &[Sight]) -> Verdict {
    if let Some(found) = sights.iter().find_map(|sight| match sight {
        Sight::Found(found) => Some(found.clone()),
        _ => None,
    }) {
        return Verdict::Found(found);
    }
    let proof = |sight: &Sight| match sight {
        Sight::Absent { latest: Some(latest), answered_at } => {
            latest.time.unix_timestamp_nanos() > i128::from(timeout)
                && answered_at.is_none_or(|height| height >= latest.height)
        }
        _ => false,
    };
    if sights.iter().any(proof) {
        Verdict::Dead
    } else if sights.iter().any(|sight| matches!(sight, Sight::Absent { .. })) {
        Verdict::Waiting
    } else {
        Verdict::NobodyKnows
    }
}

/// Whether what a message was to do is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It is, since that height where the chain says it.
    There(Option<u64>),
    NotThere,
    /// Nothing on chain would show it for certain.
    CannotTell,
}

impl Inner {
    /// A refusal of the wallet's transaction with the accounts that it concerns named.
    pub(crate) fn name_accounts(&self, error: ChainError) -> ChainError {
        match (&self.config.fee_granter, &self.config.account) {
            (Some(granter), Some(account)) => error.with_accounts(granter, account.address()),
            _ => error,
        }
    }

    /// Looks a transaction up on one endpoint. `with_block` also asks for the node's latest block, first: only what is
    /// not found after that block was seen proves anything.
    pub(crate) async fn sight(&self, node: &Arc<Node>, hash: &str, with_block: bool) -> Sight {
        if self.introduce(node).await.is_err() {
            return Sight::Nothing;
        }
        let latest = match with_block {
            true => self.block_of(node, None).await.ok().map(|(block, _)| block),
            false => None,
        };
        let request = GetTxRequest { hash: hash.to_owned() };
        match self.ask(node, None, async |caller| tx_client(caller).get_tx(request).await).await {
            Ok(Answered::Answer(answer, _)) => {
                answer.tx_response.map_or(Sight::Nothing, |found| Sight::Found(Box::new(found)))
            }
            Ok(ref answer @ Answered::Error(ref status)) if status.code() == Code::NotFound => {
                Sight::Absent { latest, answered_at: answer.height() }
            }
            // "transaction indexing is disabled" and everything else that is no answer.
            Ok(Answered::Error(_)) | Err(_) => Sight::Nothing,
        }
    }

    /// Looks a transaction up on every endpoint at once.
    pub(crate) async fn sights(&self, hash: &str) -> Vec<Sight> {
        futures::future::join_all(self.nodes.iter().map(|node| self.sight(node, hash, true))).await
    }
}

impl Chain {
    /// Looks up what became of a message that was sent earlier, by this process or another: once, on every endpoint.
    ///
    /// [`Fate::DidNotHappen`] is definite: a node that indexes transactions does not have it although its own block
    /// time is past the timeout, and the message's effect is not on chain either.
    pub async fn fate(&self, pending: &Pending) -> Result<Fate, QueryError> {
        // One node of another chain among several is left out; if there is no other, that is an error.
        self.latest_block().await?;
        let Some(hash) = &pending.tx_hash else { return self.fate_by_effect(pending).await };
        let sights = self.inner().sights(hash).await;
        match verdict(pending.timeout, &sights) {
            Verdict::Found(found) => self.settled(pending, &found).await,
            Verdict::Dead => self.fate_by_effect(pending).await,
            Verdict::Waiting | Verdict::NobodyKnows => Ok(Fate::Open),
        }
    }

    /// What a transaction in a block means for one of its messages.
    pub(crate) async fn settled(&self, pending: &Pending, found: &TxResponse) -> Result<Fate, QueryError> {
        let outcome = self.outcome(pending, found).await?;
        if found.code == 0 {
            return Ok(Fate::Included(outcome));
        }
        let error =
            self.inner().name_accounts(ChainError::new(found.codespace.clone(), found.code, &found.raw_log));
        // Another message of the batch was refused, and took this one down with it: it did not happen.
        if errors::message_index(&found.raw_log).is_some_and(|index| index != pending.message_index as usize)
        {
            return Ok(Fate::DidNotHappen);
        }
        Ok(Fate::Refused(Refusal { stage: Stage::Deliver, error, tx: Some(Box::new(outcome)) }))
    }

    /// What the chain shows of a message's effect, where no node shows its transaction. Before block time is past the
    /// timeout it may still happen, so that is [`Fate::Open`]; the effect is then looked for on nodes that have that
    /// block. [`Fate::DidNotHappen`] means that the effect is not there, which somebody else may have undone meanwhile.
    pub async fn fate_by_effect(&self, pending: &Pending) -> Result<Fate, QueryError> {
        let latest = self.latest_block().await?;
        if latest.time.unix_timestamp_nanos() <= i128::from(pending.timeout) {
            return Ok(Fate::Open);
        }
        self.remember_height(latest.height);
        let seen = match self.effect(pending).await? {
            Effect::NotThere => return Ok(Fate::DidNotHappen),
            Effect::CannotTell => return Ok(Fate::Open),
            Effect::There(height) => height,
        };
        let block = match seen {
            Some(height) => Block { height, time: self.block_time(height).await? },
            None => latest,
        };
        Ok(Fate::Included(Outcome {
            tx_hash: pending.tx_hash.clone().unwrap_or_default(),
            height: block.height,
            time: block.time,
            gas_used: 0,
            fee: fee_of(pending),
            messages: pending.messages,
            message_index: pending.message_index,
            events: Vec::new(),
            by_effect: true,
        }))
    }

    /// The outcome of one message of a transaction in a block. The block counts as the least that nodes must know.
    async fn outcome(&self, pending: &Pending, found: &TxResponse) -> Result<Outcome, QueryError> {
        let height = u64::try_from(found.height).unwrap_or_default();
        self.inner().floor.fetch_max(height, Ordering::Relaxed);
        self.inner().cache.drop_all();
        let time = match OffsetDateTime::parse(&found.timestamp, &Rfc3339) {
            Ok(time) => time,
            Err(_) => self.block_time(height).await?,
        };
        let index = pending.message_index.to_string();
        let ours = |event: &&akash_proto::tendermint::abci::Event| {
            event.attributes.iter().any(|attribute| attribute.key == "msg_index" && attribute.value == index)
        };
        Ok(Outcome {
            tx_hash: found.txhash.clone(),
            height,
            time,
            gas_used: u64::try_from(found.gas_used).unwrap_or_default(),
            fee: fee_of(pending),
            messages: pending.messages,
            message_index: pending.message_index,
            events: found.events.iter().filter(ours).cloned().collect(),
            by_effect: false,
        })
    }

    /// Looks for what the message was to do.
    async fn effect(&self, pending: &Pending) -> Result<Effect, QueryError> {
        let there = |yes: bool| if yes { Effect::There(None) } else { Effect::NotThere };
        let since = |height: i64| u64::try_from(height).ok().filter(|height| *height > pending.since_height);
        Ok(match &pending.message {
            Msg::CreateDeployment(message) => {
                let found = self.deployment_by(message.id.as_ref()).await?;
                match found.filter(|found| found.hash == message.hash) {
                    Some(found) => {
                        since(found.created_at).map_or(Effect::NotThere, |height| Effect::There(Some(height)))
                    }
                    None => Effect::NotThere,
                }
            }
            Msg::UpdateDeployment(message) => {
                let found = self.deployment_by(message.id.as_ref()).await?;
                there(found.is_some_and(|found| found.hash == message.hash))
            }
            Msg::CloseDeployment(message) => {
                let found = self.deployment_by(message.id.as_ref()).await?;
                there(found.is_some_and(|found| found.state == i32::from(deployment::State::Closed)))
            }
            Msg::CloseGroup(message) => {
                there(self.group_is(message.id.as_ref(), &[group::State::Closed]).await?)
            }
            Msg::PauseGroup(message) => {
                let stopped = [group::State::Paused, group::State::Closed, group::State::InsufficientFunds];
                there(self.group_is(message.id.as_ref(), &stopped).await?)
            }
            Msg::StartGroup(message) => {
                there(self.group_is(message.id.as_ref(), &[group::State::Open]).await?)
            }
            Msg::CreateLease(message) => {
                let bid = message.bid_id.as_ref().and_then(|id| BidId::try_from(id).ok());
                let Some(bid) = bid else { return Ok(Effect::NotThere) };
                let found = self.lease(&bid.into()).await?.and_then(|found| found.lease);
                found.map_or(Effect::NotThere, |found| Effect::There(u64::try_from(found.created_at).ok()))
            }
            Msg::CloseLease(message) => {
                let id = message.id.as_ref().and_then(|id| LeaseId::try_from(id).ok());
                let Some(id) = id else { return Ok(Effect::NotThere) };
                let found = self.lease(&id).await?.and_then(|found| found.lease);
                match found.filter(|found| found.state == i32::from(lease::State::Closed)) {
                    Some(found) => Effect::There(u64::try_from(found.closed_on).ok()),
                    None => Effect::NotThere,
                }
            }
            Msg::Deposit(message) => {
                let account =
                    message.id.as_ref().filter(|id| id.scope == i32::from(escrow::id::v1::Scope::Deployment));
                let Some(id) = account.and_then(|account| account.xid.parse().ok()) else {
                    return Ok(Effect::CannotTell);
                };
                let found = self.deployment(&id).await?.and_then(|found| found.escrow_account);
                let deposits =
                    found.and_then(|account| account.state).map(|state| state.deposits).unwrap_or_default();
                deposited(message, &deposits, since)
            }
            Msg::CreateCertificate(message) => {
                let certificates = self.certificates_by(&message.owner, "").await?;
                there(certificates.iter().any(|row| {
                    row.certificate.as_ref().is_some_and(|certificate| certificate.cert == message.cert)
                }))
            }
            Msg::RevokeCertificate(message) => {
                let Some(id) = &message.id else { return Ok(Effect::NotThere) };
                let certificates = self.certificates_by(&id.owner, "revoked").await?;
                there(certificates.iter().any(|row: &cert::v1::CertificateResponse| row.serial == id.serial))
            }
            // Each is a line of the ledger, which stays there whatever comes of it.
            Msg::MintAct(message) => {
                self.requested(&message.owner, message.coins_to_burn.as_ref(), "uact", since).await?
            }
            Msg::BurnAct(message) => {
                self.requested(&message.owner, message.coins_to_burn.as_ref(), "uakt", since).await?
            }
        })
    }

    /// Whether the ledger of mints and burns has a request of this account for this very amount, since a height.
    async fn requested(
        &self,
        owner: &str,
        coins: Option<&base::v1beta1::Coin>,
        to_denom: &str,
        since: impl Fn(i64) -> Option<u64>,
    ) -> Result<Effect, QueryError> {
        let Some(coin) = coins.and_then(|coins| Coin::try_from(coins).ok()) else {
            return Ok(Effect::NotThere);
        };
        let filters = bme::LedgerRecordFilters {
            source: owner.into(),
            denom: coin.denom.clone(),
            to_denom: to_denom.into(),
            ..Default::default()
        };
        let records = self.bme_ledger(filters).await?;
        let height = records
            .iter()
            .filter(|record| requested_coin(record).as_ref() == Some(&coin))
            .find_map(|record| record.id.as_ref().and_then(|id| since(id.height)));
        Ok(height.map_or(Effect::NotThere, |height| Effect::There(Some(height))))
    }

    async fn deployment_by(
        &self,
        id: Option<&deployment_v1::DeploymentId>,
    ) -> Result<Option<deployment_v1::Deployment>, QueryError> {
        let Some(id) = id.and_then(|id| DeploymentId::try_from(id).ok()) else { return Ok(None) };
        Ok(self.deployment(&id).await?.and_then(|found| found.deployment))
    }

    async fn group_is(
        &self,
        id: Option<&deployment_v1::GroupId>,
        states: &[group::State],
    ) -> Result<bool, QueryError> {
        let Some(id) = id.and_then(|id| GroupId::try_from(id).ok()) else { return Ok(false) };
        let found = self.group(&id).await?;
        Ok(found.is_some_and(|found| states.iter().any(|state| found.state == i32::from(*state))))
    }
}

/// Whether an escrow account's lines show a deposit, by the height of a line that `since` gives where it is new enough.
///
/// From the signer's balance it is one line of the signer. From grants it is as many lines as granters, each with its
/// granter as owner (reference: akash 1.6), so it is told by lines of one block that add up to the amount. The chain draws
/// payments from the oldest line first: as long as an older one is left, no new one can have gone.
fn deposited(message: &MsgAccountDeposit, lines: &[Depositor], since: impl Fn(i64) -> Option<u64>) -> Effect {
    let deposit = message.deposit.as_ref();
    let granted = deposit.is_some_and(|deposit| deposit.sources.contains(&Source::Grant.into()));
    let new: Vec<(&Depositor, u64)> =
        lines.iter().filter_map(|line| Some((line, since(line.height)?))).collect();
    if !granted {
        let ours = new.iter().find(|(line, _)| line.owner == message.signer);
        return ours.map_or(Effect::NotThere, |(_, height)| Effect::There(Some(*height)));
    }
    let Some(wanted) = deposit.and_then(|deposit| Coin::try_from(deposit.amount.as_ref()?).ok()) else {
        return Effect::CannotTell;
    };
    let wanted_amount = Dec::from(1).checked_mul(wanted.amount);
    for (first, (_, height)) in new.iter().enumerate() {
        let mut sum = Dec::ZERO;
        for (line, _) in new.iter().skip(first).take_while(|(_, at)| at == height) {
            let Some(balance) = line.balance.as_ref().filter(|balance| balance.denom == wanted.denom) else {
                break;
            };
            sum = sum + Dec::from_wire(&balance.amount).unwrap_or_default();
            if Some(sum) == wanted_amount {
                return Effect::There(Some(*height));
            }
        }
    }
    if new.is_empty() && !lines.is_empty() { Effect::NotThere } else { Effect::CannotTell }
}

/// What a line of the ledger of mints and burns was to burn: pending and cancelled ones say so. An executed burn says
/// what was burnt; an executed mint burns nothing, the AKT stays in the vault as credit.
pub fn requested_coin(entry: &bme::QueryLedgerRecordEntry) -> Option<Coin> {
    use bme::query_ledger_record_entry::Record;
    let coins = match entry.record.as_ref()? {
        Record::PendingRecord(record) => record.coins_to_burn.as_ref(),
        Record::CanceledRecord(record) => record.coins_to_burn.as_ref(),
        Record::ExecutedRecord(record) => {
            let denom = &entry.id.as_ref()?.denom;
            let parts = [&record.burned, &record.remint_credit_accrued];
            let parts = parts.into_iter().flatten().filter_map(|part| part.coin.as_ref());
            let amounts = parts
                .filter(|coin| coin.denom == *denom)
                .filter_map(|coin| Coin::try_from(coin).ok())
                .map(|coin| coin.amount);
            return Some(Coin::new(amounts.reduce(u128::saturating_add)?, denom.clone()));
        }
    };
    Coin::try_from(coins?).ok()
}

/// The fee that was written down with the transaction.
fn fee_of(pending: &Pending) -> Coin {
    Coin::new(pending.fee.amount.parse().unwrap_or_default(), pending.fee.denom.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: i64 = 1_795_238_003_653_063_657;

    fn block(height: u64, nanos: i64) -> Option<Block> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos.into()).unwrap();
        Some(Block { height, time })
    }

    fn absent(latest: Option<Block>, answered_at: Option<u64>) -> Sight {
        Sight::Absent { latest, answered_at }
    }

    #[test]
    fn a_deposit_is_told_by_its_lines() {
        use akash_proto::{akash::base::deposit::v1::Deposit, cosmos::base::v1beta1::DecCoin};
        let line = |owner: &str, height, amount: u64| Depositor {
            owner: owner.into(),
            height,
            source: 0,
            balance: Some(DecCoin { denom: "uact".into(), amount: Dec::from(amount).to_wire() }),
        };
        let [balance, grant] = [Source::Balance, Source::Grant].map(i32::from);
        for (what, sources, lines, expected) in [
            ("one of the signer", vec![balance], vec![line("me", 11, 7)], "There(Some(11))"),
            ("of another", vec![balance], vec![line("other", 11, 7)], "NotThere"),
            ("the first deposit", vec![balance], vec![line("me", 10, 7)], "NotThere"),
            ("one grant", vec![grant], vec![line("me", 9, 5), line("a", 12, 7)], "There(Some(12))"),
            ("two grants", vec![grant], vec![line("a", 12, 3), line("b", 12, 4)], "There(Some(12))"),
            (
                "the balance for the rest",
                vec![grant, balance],
                vec![line("a", 12, 3), line("b", 12, 1), line("me", 12, 3)],
                "There(Some(12))",
            ),
            (
                "beside another's in the same block",
                vec![grant],
                vec![line("x", 12, 9), line("a", 12, 3), line("b", 12, 4)],
                "There(Some(12))",
            ),
            ("of two blocks", vec![grant], vec![line("a", 12, 3), line("b", 13, 4)], "CannotTell"),
            ("another amount", vec![grant], vec![line("a", 12, 3)], "CannotTell"),
            ("nothing new beside an old one", vec![grant], vec![line("me", 9, 5)], "NotThere"),
            ("all gone", vec![grant], vec![], "CannotTell"),
        ] {
            let amount = Some(Coin::new(7, "uact").into());
            let deposit = Some(Deposit { amount, sources });
            let message = MsgAccountDeposit { signer: "me".into(), id: None, deposit };
            let since = |height: i64| u64::try_from(height).ok().filter(|height| *height > 10);
            assert_eq!(format!("{:?}", deposited(&message, &lines, since)), expected, "{what}");
        }
    }

    #[test]
    fn only_an_indexing_node_past_the_timeout_proves_death() {
        let found = Sight::Found(Box::default());
        let past = || absent(block(10, TIMEOUT + 1), Some(10));
        let early = || absent(block(9, TIMEOUT), Some(9));
        for (name, sights, expected) in [
            ("no endpoint", vec![], "NobodyKnows"),
            ("nobody indexes", vec![Sight::Nothing, Sight::Nothing], "NobodyKnows"),
            ("block time is the timeout itself: that block could take it", vec![early()], "Waiting"),
            ("its block is not known", vec![absent(None, Some(99))], "Waiting"),
            ("past the timeout", vec![past()], "Dead"),
            ("past the timeout, answers without height", vec![absent(block(10, TIMEOUT + 1), None)], "Dead"),
            ("another node behind the balancer", vec![absent(block(10, TIMEOUT + 1), Some(9))], "Waiting"),
            ("one is enough", vec![Sight::Nothing, early(), past()], "Dead"),
            ("found beats absent", vec![past(), found], "Found"),
        ] {
            let verdict = format!("{:?}", verdict(TIMEOUT, &sights));
            assert!(verdict.starts_with(expected), "{name}: {verdict}");
        }
    }
}
