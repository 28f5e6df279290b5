//! The state of the chain at one height: tables by key, cheap to clone, with no rule in it.
//!
//! A clone shares everything with its original until one of them changes (persistent maps), so a transaction works on
//! a clone that is kept or thrown away, and old heights stay readable.

use std::{ops::Bound, sync::Arc};

use akash_proto::{
    akash::{
        audit::v1::AuditedProvider,
        cert::v1::Certificate,
        deployment::{
            v1::{Deployment, DeploymentId, GroupId},
            v1beta4::Group,
        },
        escrow::types::v1::{AccountState, PaymentState},
        market::{
            v1::{BidId, Lease, LeaseId, OrderId},
            v1beta5::{Bid, Order},
        },
        provider::v1beta4::Provider,
    },
    cosmos::base::v1beta1::Coin,
};
use imbl::{OrdMap, OrdSet};
use time::OffsetDateTime;

use super::{bme::Bme, grants::Grants};

/// owner, dseq.
pub type DeploymentKey = (String, u64);
/// owner, dseq, gseq.
pub type GroupKey = (String, u64, u32);
/// owner, dseq, gseq, oseq.
pub type OrderKey = (String, u64, u32, u32);
/// owner, dseq, gseq, oseq, provider, bseq: of a bid and of the lease made from it.
pub type BidKey = (String, u64, u32, u32, String, u32);
/// scope (1 deployment, 2 bid), xid.
pub type EscrowKey = (i32, String);

/// An account as the auth module has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number, part of what is signed.
    pub number: u64,
    /// Of its next ordered transaction.
    pub sequence: u64,
    /// Compressed secp256k1, known from its first transaction on.
    pub public_key: Option<Vec<u8>>,
}

/// The chain at one height.
#[derive(Debug, Clone)]
pub struct State {
    /// The chain's id.
    pub chain_id: Arc<str>,
    /// Height of the last block.
    pub height: u64,
    /// Time of the last block.
    pub time: OffsetDateTime,
    /// By address.
    pub accounts: OrdMap<String, Account>,
    /// The number the next new account gets.
    pub next_account_number: u64,
    /// By address and denomination; no zero amounts.
    pub balances: OrdMap<(String, String), u128>,
    /// Used timeouts (ns since 1970) of unordered transactions, with the sender.
    pub nonces: OrdSet<(i128, String)>,
    /// Deployments.
    pub deployments: OrdMap<DeploymentKey, Deployment>,
    /// Groups of deployments.
    pub groups: OrdMap<GroupKey, Group>,
    /// Orders.
    pub orders: OrdMap<OrderKey, Order>,
    /// Bids.
    pub bids: OrdMap<BidKey, Bid>,
    /// Leases.
    pub leases: OrdMap<BidKey, Lease>,
    /// Escrow accounts.
    pub escrow_accounts: OrdMap<EscrowKey, AccountState>,
    /// Payments, by account and their own xid (gseq/oseq/provider).
    pub escrow_payments: OrdMap<(EscrowKey, String), PaymentState>,
    /// Certificates by owner and serial (decimal).
    pub certificates: OrdMap<(String, String), Certificate>,
    /// Providers by owner.
    pub providers: OrdMap<String, Provider>,
    /// Signed attributes by provider and auditor.
    pub audits: OrdMap<(String, String), AuditedProvider>,
    /// Fee allowances and deposit authorizations.
    pub grants: Grants,
    /// Burn-mint equilibrium: queue, ledger, vault, oracle price.
    pub bme: Bme,
}

impl State {
    /// An empty chain before its first block.
    pub fn new(chain_id: &str, time: OffsetDateTime) -> Self {
        Self {
            chain_id: chain_id.into(),
            height: 0,
            time,
            accounts: OrdMap::new(),
            next_account_number: 0,
            balances: OrdMap::new(),
            nonces: OrdSet::new(),
            deployments: OrdMap::new(),
            groups: OrdMap::new(),
            orders: OrdMap::new(),
            bids: OrdMap::new(),
            leases: OrdMap::new(),
            escrow_accounts: OrdMap::new(),
            escrow_payments: OrdMap::new(),
            certificates: OrdMap::new(),
            providers: OrdMap::new(),
            audits: OrdMap::new(),
            grants: Grants::default(),
            bme: Bme::default(),
        }
    }

    /// The height in the signed form that messages carry.
    pub fn signed_height(&self) -> i64 {
        i64::try_from(self.height).unwrap_or(i64::MAX)
    }

    /// What `address` holds of `denom`.
    pub fn balance(&self, address: &str, denom: &str) -> u128 {
        self.balances.get(&(address.to_owned(), denom.to_owned())).copied().unwrap_or(0)
    }

    /// All that `address` holds, by denomination.
    pub fn balances_of(&self, address: &str) -> Vec<Coin> {
        let from = (address.to_owned(), String::new());
        self.balances
            .range(from..)
            .take_while(|((owner, _), _)| owner == address)
            .map(|((_, denom), amount)| Coin { denom: denom.clone(), amount: amount.to_string() })
            .collect()
    }

    /// The compressed public key of an account that has sent a transaction.
    pub fn public_key(&self, address: &str) -> Option<&[u8]> {
        self.accounts.get(address)?.public_key.as_deref()
    }

    /// One deployment.
    pub fn deployment(&self, owner: &str, dseq: u64) -> Option<&Deployment> {
        self.deployments.get(&(owner.to_owned(), dseq))
    }

    /// The groups of one deployment, by gseq.
    pub fn groups_of(&self, owner: &str, dseq: u64) -> impl Iterator<Item = &Group> {
        let (from, to) = ((owner.to_owned(), dseq, 0), (owner.to_owned(), dseq, u32::MAX));
        self.groups.range(from..=to).map(|(_, group)| group)
    }

    /// The orders of one group, by oseq.
    pub fn orders_of(&self, id: &GroupId) -> impl Iterator<Item = &Order> {
        let key = |oseq| (id.owner.clone(), id.dseq, id.gseq, oseq);
        self.orders.range(key(0)..=key(u32::MAX)).map(|(_, order)| order)
    }

    /// The bids of one order, by provider.
    pub fn bids_of(&self, id: &OrderId) -> impl Iterator<Item = &Bid> {
        self.bids.range(order_range(id)).map(|(_, bid)| bid)
    }

    /// The leases of one order: none or one.
    pub fn leases_of(&self, id: &OrderId) -> impl Iterator<Item = &Lease> {
        self.leases.range(order_range(id)).map(|(_, lease)| lease)
    }

    /// The leases of one deployment.
    pub fn deployment_leases(&self, owner: &str, dseq: u64) -> impl Iterator<Item = &Lease> {
        let from = (owner.to_owned(), dseq, 0, 0, String::new(), 0);
        let to = (owner.to_owned(), dseq + 1, 0, 0, String::new(), 0);
        let to = if dseq == u64::MAX { Bound::Unbounded } else { Bound::Excluded(to) };
        let owner = owner.to_owned();
        self.leases
            .range((Bound::Included(from), to))
            .map(|(_, lease)| lease)
            .take_while(move |lease| lease.id.as_ref().is_some_and(|id| id.owner == owner))
    }

    /// One lease.
    pub fn lease(&self, id: &LeaseId) -> Option<&Lease> {
        self.leases.get(&lease_key(id))
    }

    /// One bid.
    pub fn bid(&self, id: &BidId) -> Option<&Bid> {
        self.bids.get(&bid_key(id))
    }

    /// One order.
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(&order_key(id))
    }

    /// The state of a deployment's escrow account.
    pub fn deployment_escrow(&self, owner: &str, dseq: u64) -> Option<&AccountState> {
        self.escrow_accounts.get(&deployment_escrow(owner, dseq))
    }

    /// The certificates of an owner, with their serials.
    pub fn certificates_of(&self, owner: &str) -> impl Iterator<Item = (&str, &Certificate)> {
        let owner = owner.to_owned();
        self.certificates
            .range((owner.clone(), String::new())..)
            .take_while(move |((of, _), _)| *of == owner)
            .map(|((_, serial), certificate)| (serial.as_str(), certificate))
    }
}

fn order_range(id: &OrderId) -> (Bound<BidKey>, Bound<BidKey>) {
    let key = |oseq| (id.owner.clone(), id.dseq, id.gseq, oseq, String::new(), 0);
    (
        Bound::Included(key(id.oseq)),
        id.oseq.checked_add(1).map_or(Bound::Unbounded, |next| Bound::Excluded(key(next))),
    )
}

/// The key of a deployment.
pub fn deployment_key(id: &DeploymentId) -> DeploymentKey {
    (id.owner.clone(), id.dseq)
}

/// The key of a group.
pub fn group_key(id: &GroupId) -> GroupKey {
    (id.owner.clone(), id.dseq, id.gseq)
}

/// The key of an order.
pub fn order_key(id: &OrderId) -> OrderKey {
    (id.owner.clone(), id.dseq, id.gseq, id.oseq)
}

/// The key of a bid.
pub fn bid_key(id: &BidId) -> BidKey {
    (id.owner.clone(), id.dseq, id.gseq, id.oseq, id.provider.clone(), id.bseq)
}

/// The key of a lease: that of its bid.
pub fn lease_key(id: &LeaseId) -> BidKey {
    (id.owner.clone(), id.dseq, id.gseq, id.oseq, id.provider.clone(), id.bseq)
}

/// The order that a bid is for.
pub fn order_of(id: &BidId) -> OrderId {
    OrderId { owner: id.owner.clone(), dseq: id.dseq, gseq: id.gseq, oseq: id.oseq }
}

/// The group that an order is for.
pub fn group_of(id: &OrderId) -> GroupId {
    GroupId { owner: id.owner.clone(), dseq: id.dseq, gseq: id.gseq }
}

/// The lease id of a bid.
pub fn lease_of(id: &BidId) -> LeaseId {
    LeaseId {
        owner: id.owner.clone(),
        dseq: id.dseq,
        gseq: id.gseq,
        oseq: id.oseq,
        provider: id.provider.clone(),
        bseq: id.bseq,
    }
}

/// The bid id of a lease.
pub fn bid_of(id: &LeaseId) -> BidId {
    BidId {
        owner: id.owner.clone(),
        dseq: id.dseq,
        gseq: id.gseq,
        oseq: id.oseq,
        provider: id.provider.clone(),
        bseq: id.bseq,
    }
}

/// The escrow account of a deployment.
pub fn deployment_escrow(owner: &str, dseq: u64) -> EscrowKey {
    (1, format!("{owner}/{dseq}"))
}

/// The escrow account of a bid.
pub fn bid_escrow(id: &BidId) -> EscrowKey {
    (2, format!("{}/{}/{}/{}/{}", id.owner, id.dseq, id.gseq, id.oseq, id.provider))
}

/// The payment of a lease within its deployment's account.
pub fn lease_payment(id: &BidId) -> (EscrowKey, String) {
    (deployment_escrow(&id.owner, id.dseq), format!("{}/{}/{}", id.gseq, id.oseq, id.provider))
}
