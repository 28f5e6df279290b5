//! What a transaction stands on and may cost, and what follows from a refusal.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use akash_proto::{Coin, Dec, cosmos::base::node::v1beta1 as node_service};
use tokio::time::sleep;

use super::queue::Job;
use crate::{
    Block, Chain, ChainError, Kind, Msg, QueryError, Refusal, Shortfall, Stage, SubmitError, Wallet, network,
    nodes::ask::Answered,
    tx::{Draft, gas, simulate::Simulated},
};

/// Less than any message of ours uses.
const LEAST_GAS: u64 = 100_000;
/// What a wallet that is not on chain lacks AKT for.
const NEW_WALLET: &str = "the fee (this wallet is not on chain yet: it has never received anything)";
/// How often one message is sent anew after transactions of it that are dead for certain (out of gas, a fee that was
/// too low, a timeout that another program had used).
pub(super) const ATTEMPTS: u32 = 4;

/// What a transaction stands on.
pub(super) struct TxContext {
    pub(super) block: Block,
    pub(super) balances: BTreeMap<String, u128>,
    pub(super) payer_balances: BTreeMap<String, u128>,
    /// What nodes ask for a unit of gas, in uakt.
    pub(super) minimum_price: Dec,
    pub(super) account_number: u64,
    /// The wallet is not on chain: it can't pay for anything.
    pub(super) new: bool,
    /// 0 for unordered transactions.
    pub(super) sequence: u64,
    pub(super) ordered: bool,
    pub(super) chain_id: String,
}

impl Chain {
    /// What the next transaction stands on.
    pub(super) async fn tx_context(&self, wallet: &Wallet) -> Result<TxContext, SubmitError> {
        self.check().await?;
        let payer = self.inner().config.fee_granter.as_deref().unwrap_or(wallet.address());
        let (block, balances, granter, price) = futures::try_join!(
            self.latest_block(),
            self.balances(wallet.address()),
            async { if payer == wallet.address() { Ok(None) } else { self.balances(payer).await.map(Some) } },
            async { Ok(self.minimum_price().await) },
        )?;
        let pipeline = &self.inner().pipeline;
        let ordered = pipeline.ordered.load(Ordering::Relaxed);
        let number = pipeline.account.get().copied();
        let mut new = false;
        let (account_number, sequence) = match number {
            Some(number) if !ordered => (number, 0),
            _ => match self.account_of(wallet.address()).await? {
                Some(account) => {
                    _ = pipeline.account.set(account.account_number);
                    (account.account_number, if ordered { account.sequence } else { 0 })
                }
                None => {
                    new = true;
                    (0, 0)
                }
            },
        };
        let chain_id = self.chain_id().unwrap_or_default().to_owned();
        let payer_balances = granter.unwrap_or_else(|| balances.clone());
        let minimum_price = price.max(*pipeline.asked_price.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(TxContext {
            block,
            balances,
            payer_balances,
            minimum_price,
            account_number,
            new,
            sequence,
            ordered,
            chain_id,
        })
    }

    /// The gas price that the node asks for; zero if it does not say.
    async fn minimum_price(&self) -> Dec {
        let inner = self.inner();
        let Some(node) = inner.by_health().into_iter().next() else { return Dec::ZERO };
        let list = node
            .minimum_gas_price
            .get_or_try_init(async || {
                let answer = inner.ask(&node, None, async |caller| {
                    node_service::service_client::ServiceClient::new(caller)
                        .config(node_service::ConfigRequest {})
                        .await
                });
                match answer.await {
                    Ok(Answered::Answer(config, _)) => Ok(config.minimum_gas_price),
                    // Some proxies do not let it through; a price that is too low is found out by the broadcast.
                    Ok(Answered::Error(_)) | Err(_) => Err(()),
                }
            })
            .await;
        list.map_or(Dec::ZERO, |list| gas::minimum(list))
    }

    /// The most gas that a block takes; `None` for no limit, and where it cannot be asked for: then delivery tells.
    pub(super) async fn block_gas(&self) -> Option<u64> {
        let limit = self.inner().pipeline.max_block_gas.get_or_try_init(|| self.max_block_gas()).await;
        limit.ok().copied().flatten()
    }

    pub(super) fn draft(&self, messages: &[Msg], context: &TxContext) -> Draft {
        let config = &self.inner().config;
        Draft {
            messages: messages.iter().map(Msg::any).collect(),
            unordered: !context.ordered,
            sequence: context.sequence,
            timeout: self.timeout(context.block),
            gas: 0,
            fee: Coin::new(0, "uakt"),
            fee_granter: config.fee_granter.clone(),
        }
    }

    /// A timeout that no other transaction of this process has, and hardly one of another process. It counts from the
    /// block's time, not from this machine's clock, which may be wrong.
    pub(super) fn timeout(&self, block: Block) -> i64 {
        let config = &self.inner().config;
        let latest = i64::try_from(block.time.unix_timestamp_nanos()).unwrap_or_default();
        let wanted = latest
            .saturating_add(i64::try_from(config.tx_timeout.as_nanos()).unwrap_or_default())
            .saturating_sub(rand::random_range(0..1_000_000_000));
        let last = &self.inner().pipeline.last_timeout;
        let next = |last: i64| wanted.max(last.saturating_add(1));
        last.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last))).map_or(wanted, next)
    }

    /// Ends the jobs whose coins, after those of the jobs before them, the wallet does not hold.
    pub(super) fn affordable(&self, wallet: &Wallet, jobs: Vec<Job>, context: &TxContext) -> Vec<Job> {
        let mut taken: BTreeMap<String, u128> = BTreeMap::new();
        let mut kept = Vec::new();
        for job in jobs {
            let Some(coin) = job.message().takes() else {
                kept.push(job);
                continue;
            };
            let have = context.balances.get(&coin.denom).copied().unwrap_or_default();
            let before = taken.get(&coin.denom).copied().unwrap_or_default();
            let need = before.saturating_add(coin.amount);
            if need <= have {
                taken.insert(coin.denom, need);
                kept.push(job);
                continue;
            }
            let what_for = match before {
                0 => job.message().takes_for().to_owned(),
                _ => format!(
                    "{} and those of {} others that are sent with it",
                    job.message().takes_for(),
                    kept.len()
                ),
            };
            let address = wallet.address().into();
            let faucet = network::faucet(&context.chain_id);
            let mut shortfalls = vec![Shortfall { address, denom: coin.denom, have, need, what_for, faucet }];
            // The fee is not known before simulation, which this would fail; what it is at the least is.
            shortfalls.extend(self.short_of_fees(wallet, self.fee(LEAST_GAS, context), &taken, context));
            job.end(Err(SubmitError::Funds(shortfalls)));
        }
        kept
    }

    pub(super) fn fee(&self, gas: u64, context: &TxContext) -> Coin {
        let price = self.inner().config.gas_price.as_ref();
        let price = price.map_or(gas::default_price().amount, |price| price.amount);
        gas::fee(price.max(context.minimum_price), gas)
    }

    /// What a wallet that is not on chain lacks for the smallest fee.
    pub(super) fn new_wallet(&self, wallet: &Wallet, context: &TxContext) -> Shortfall {
        let Coin { amount: need, denom } = self.fee(LEAST_GAS, context);
        let (address, faucet) = (wallet.address().into(), network::faucet(&context.chain_id));
        Shortfall { address, denom, have: 0, need, what_for: NEW_WALLET.into(), faucet }
    }

    /// What the payer lacks for this fee, beside what messages take of the same coin.
    fn short_of_fees(
        &self,
        wallet: &Wallet,
        fee: Coin,
        taken: &BTreeMap<String, u128>,
        context: &TxContext,
    ) -> Option<Shortfall> {
        let (address, own) = match &self.inner().config.fee_granter {
            Some(granter) => (granter.as_str(), 0),
            None => (wallet.address(), taken.get(&fee.denom).copied().unwrap_or_default()),
        };
        let have = context.payer_balances.get(&fee.denom).copied().unwrap_or_default();
        let need = fee.amount.saturating_add(own);
        let what_for = match own {
            0 if context.new => NEW_WALLET.into(),
            0 => "the fee".into(),
            own => format!("the fee and {own}{} to move", fee.denom),
        };
        let (address, denom, faucet) = (address.into(), fee.denom, network::faucet(&context.chain_id));
        (need > have).then_some(Shortfall { address, denom, have, need, what_for, faucet })
    }

    /// Whether the fee is within `max_fee` and can be paid.
    pub(super) fn payable(
        &self,
        wallet: &Wallet,
        messages: &[Msg],
        fee: &Coin,
        context: &TxContext,
    ) -> Result<(), SubmitError> {
        let config = &self.inner().config;
        if let Some(max_fee) = config.max_fee.as_ref().filter(|max_fee| fee.amount > max_fee.amount) {
            return Err(SubmitError::MaxFee { fee: fee.clone(), max_fee: max_fee.clone() });
        }
        let mut taken = BTreeMap::new();
        for coin in messages.iter().filter_map(Msg::takes) {
            *taken.entry(coin.denom).or_default() += coin.amount;
        }
        match self.short_of_fees(wallet, fee.clone(), &taken, context) {
            Some(shortfall) => Err(SubmitError::Funds(vec![shortfall])),
            None => Ok(()),
        }
    }

    /// A refusal in simulation: ends the job at fault and returns those to go on with.
    pub(super) async fn refused_in_simulation(
        &self,
        wallet: &Wallet,
        mut jobs: Vec<Job>,
        context: &TxContext,
        index: Option<usize>,
        error: ChainError,
        later: &mut Vec<Job>,
    ) -> Vec<Job> {
        let refusal = |error| SubmitError::Refused(Refusal { stage: Stage::Simulate, error, tx: None });
        match index.filter(|index| *index < jobs.len()) {
            // Nothing went before it that could be the cause.
            Some(0) => {
                jobs.remove(0).end(Err(refusal(error)));
                jobs
            }
            Some(index) => {
                let job = jobs.remove(index);
                match self.simulate_alone(wallet, &job, context).await {
                    Ok(None) => later.push(job),
                    Ok(Some(error)) => job.end(Err(refusal(error))),
                    Err(error) => job.end(Err(error.into())),
                }
                jobs
            }
            None if jobs.len() == 1 => {
                jobs.remove(0).end(Err(refusal(error)));
                jobs
            }
            // A message's form, or the transaction as a whole: each is looked at alone.
            None => {
                let mut good = Vec::new();
                let count = jobs.len();
                for job in jobs {
                    match self.simulate_alone(wallet, &job, context).await {
                        Ok(None) => good.push(job),
                        Ok(Some(error)) => job.end(Err(refusal(error))),
                        Err(error) => job.end(Err(error.into())),
                    }
                }
                if good.len() == count {
                    // Each is good alone, but they do not go together.
                    later.splice(0..0, good.split_off(count / 2));
                }
                good
            }
        }
    }

    /// The chain's error for a message alone, if there is one.
    async fn simulate_alone(
        &self,
        wallet: &Wallet,
        job: &Job,
        context: &TxContext,
    ) -> Result<Option<ChainError>, QueryError> {
        let draft = self.draft(std::slice::from_ref(job.message()), context);
        Ok(match self.inner().simulate(&draft, wallet.public_key()).await? {
            Simulated::Gas(_) => None,
            Simulated::Refused { error, .. } => Some(error),
        })
    }

    /// A refusal by the node that was to take the transaction: it is dead, no fee was taken.
    pub(super) async fn refused_by_check(
        &self,
        jobs: Vec<Job>,
        error: ChainError,
        gas: u64,
        later: &mut Vec<Job>,
    ) {
        tracing::debug!(%error, "transaction refused by the node");
        let pipeline = &self.inner().pipeline;
        let again = match error.kind() {
            Kind::TimeoutUsed | Kind::TxTimeout | Kind::SequenceMismatch => true,
            Kind::MempoolFull => {
                sleep(Duration::from_secs(2)).await;
                true
            }
            Kind::UnorderedNotSupported => {
                pipeline.ordered.store(true, Ordering::Relaxed);
                true
            }
            Kind::InsufficientFee => gas::required_fee(&error.text).is_some_and(|fee| {
                let price = gas::price_of(&fee, gas);
                let mut asked = pipeline.asked_price.lock().unwrap_or_else(PoisonError::into_inner);
                *asked = price.max(*asked);
                true
            }),
            _ => false,
        };
        let refusal = Refusal { stage: Stage::Check, error, tx: None };
        let alone = jobs.len() == 1;
        for mut job in jobs {
            job.attempts += 1;
            if (again && job.attempts < ATTEMPTS) || !(again || alone) {
                // Which of several is at fault is not said: each is sent by itself.
                job.alone |= !again;
                job.is_dead();
                later.push(job);
            } else {
                job.end(Err(SubmitError::Refused(refusal.clone())));
            }
        }
    }
}
