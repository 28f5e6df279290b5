//! What the devnet's operator does to the chain from outside, between blocks: genesis, faucet, faults that are acts.

use akash_proto::{
    Dec,
    akash::{
        audit::v1::AuditedProvider,
        base::attributes::v1::Attribute,
        provider::v1beta4::{Info, Provider},
    },
};
use serde::{Deserialize, Serialize};

use super::{bank, state::State};

/// One act. Written to the state file, so its form must stay readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
#[non_exhaustive]
pub enum Operator {
    /// Gives an account coins, making it if need be.
    Fund {
        /// Who.
        address: String,
        /// `uakt` or `uact`.
        denom: String,
        /// Smallest units.
        amount: String,
    },
    /// Makes or replaces a provider.
    Provider {
        /// Its account.
        owner: String,
        /// Where its gateway listens.
        host_uri: String,
        /// Key and value.
        attributes: Vec<(String, String)>,
    },
    /// Signs a provider's attributes.
    Audit {
        /// The provider.
        owner: String,
        /// Who signs.
        auditor: String,
        /// Key and value.
        attributes: Vec<(String, String)>,
    },
    /// Sets the oracle's price of AKT in USD; none makes the oracle stale.
    Price {
        /// Decimal.
        price: Option<String>,
    },
    /// Sets when what is queued for minting and burning is next carried out.
    MintEpoch {
        /// Blocks from now.
        in_blocks: u64,
    },
    /// Puts coins into the BME vault.
    FundVault {
        /// uakt.
        amount: String,
    },
    /// Takes almost all money out of a deployment's escrow account, as time would: what is left is spent at the next block.
    DrainEscrow {
        /// Owner.
        owner: String,
        /// Deployment.
        dseq: u64,
    },
    /// Lets one account pay fees from another.
    GrantFees {
        /// Whose coins.
        granter: String,
        /// Who may spend them.
        grantee: String,
        /// The most, in uakt; none is without limit.
        limit: Option<String>,
    },
    /// Lets one account deposit coins of another.
    GrantDeposit {
        /// Whose coins.
        granter: String,
        /// Who may spend them.
        grantee: String,
        /// Denomination.
        denom: String,
        /// The most, smallest units.
        limit: String,
    },
}

impl State {
    /// Carries an act out at once, in the current block.
    pub fn operate(&mut self, act: &Operator) {
        let amount = |text: &str| text.parse::<u128>().unwrap_or(0);
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(key, value)| Attribute { key: key.clone(), value: value.clone() }).collect()
        };
        match act {
            Operator::Fund { address, denom, amount: coins } => {
                bank::ensure_account(self, address);
                bank::add(self, address, denom, amount(coins));
            }
            Operator::Provider { owner, host_uri, attributes } => {
                let provider = Provider {
                    owner: owner.clone(),
                    host_uri: host_uri.clone(),
                    attributes: pairs(attributes),
                    info: Some(Info::default()),
                };
                self.providers.insert(owner.clone(), provider);
            }
            Operator::Audit { owner, auditor, attributes } => {
                let audit = AuditedProvider {
                    owner: owner.clone(),
                    auditor: auditor.clone(),
                    attributes: pairs(attributes),
                };
                self.audits.insert((owner.clone(), auditor.clone()), audit);
            }
            Operator::Price { price } => {
                super::bme::set_price(self, price.as_ref().and_then(|price| price.parse().ok()));
            }
            Operator::MintEpoch { in_blocks } => super::bme::set_epoch(self, *in_blocks),
            Operator::FundVault { amount: coins } => {
                bank::add(self, &super::bme::vault_address(), "uakt", amount(coins));
            }
            Operator::DrainEscrow { owner, dseq } => self.drain(owner, *dseq),
            Operator::GrantFees { granter, grantee, limit } => {
                let limit = limit.as_ref().map(|limit| amount(limit));
                self.grants.fees.insert((granter.clone(), grantee.clone()), limit);
            }
            Operator::GrantDeposit { granter, grantee, denom, limit } => {
                self.grants.set_deposit_limit(grantee, granter, denom, amount(limit));
            }
        }
    }

    /// Leaves one unit of each deposit in the account; the rest vanishes from the module's balance too, so that the
    /// sums still agree.
    fn drain(&mut self, owner: &str, dseq: u64) {
        let Some(account) = self.escrow_accounts.get_mut(&super::state::deployment_escrow(owner, dseq))
        else {
            return;
        };
        let mut gone = Vec::new();
        for deposit in &mut account.deposits {
            let Some(balance) = &mut deposit.balance else { continue };
            let held = Dec::from_wire(&balance.amount).unwrap_or_default();
            if held > Dec::from(1) {
                gone.push((balance.denom.clone(), held - Dec::from(1)));
                balance.amount = Dec::from(1).to_wire();
            }
        }
        for (denom, amount) in &gone {
            if let Some(funds) = account.funds.iter_mut().find(|funds| funds.denom == *denom) {
                funds.amount = (Dec::from_wire(&funds.amount).unwrap_or_default() - *amount).to_wire();
            }
        }
        let module = crate::wallet::module_address("escrow");
        for (denom, amount) in gone {
            // The module holds at least what its accounts hold.
            let _ = bank::take(self, &module, &denom, u128::try_from(amount.trunc()).unwrap_or(0));
        }
    }
}
