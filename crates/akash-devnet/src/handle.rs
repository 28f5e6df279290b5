//! The chain as those see it who live inside the devnet: the providers.
//!
//! What they do goes the way of every transaction: signed, checked, in a block.

use std::{sync::Arc, time::Duration};

use akash_proto::{
    Any, Message as _,
    akash::{
        deployment::{v1::Deployment, v1beta4::Group},
        market::{
            v1::{BidId, Lease, LeaseId, OrderId},
            v1beta5::{Bid, Order},
        },
    },
    any,
    cosmos::{
        base::v1beta1::Coin,
        crypto::secp256k1::PubKey,
        tx::{
            signing::v1beta1::SignMode,
            v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw, mode_info},
        },
    },
};
use time::OffsetDateTime;
use tokio::sync::{broadcast, watch};

use crate::{
    chain::state::State,
    faults::Faults,
    node::{Block, Node, TxRecord, tx_hash},
    wallet::Wallet,
};

/// Gas limit of transactions made here: above anything a provider sends.
const GAS: u64 = 2_000_000;
/// Their fee: twice the node's least price.
const FEE: u64 = 10_000;
/// How long after the block time they stay valid.
const TIMEOUT: time::Duration = time::Duration::minutes(5);

/// A transaction that did not do what it was sent for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The chain refused it, when checked or delivered.
    #[error("{codespace} {code}: {text}")]
    Refused {
        /// The module.
        codespace: String,
        /// The number within it.
        code: u32,
        /// The raw log.
        text: String,
    },
    /// It was accepted and did not come into a block in time.
    #[error("transaction {0} did not come into a block in time")]
    NotIncluded(String),
}

/// The chain from within the devnet. Cheap to clone; see the crate's documentation for how a provider uses it.
#[derive(Debug, Clone)]
pub struct ChainHandle {
    node: Arc<Node>,
}

impl ChainHandle {
    /// A handle on `node`.
    pub fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// The chain's id.
    pub fn chain_id(&self) -> String {
        self.state().chain_id.to_string()
    }

    /// The chain as of the last block. A snapshot: it does not change under you.
    pub fn state(&self) -> State {
        self.node.state()
    }

    /// Height and time of the last block.
    pub fn now(&self) -> (u64, OffsetDateTime) {
        let state = self.state();
        (state.height, state.time)
    }

    /// Blocks as they are made, with their events. A receiver that falls 1024 blocks behind is told so and should look
    /// at [`ChainHandle::state`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Block>> {
        self.node.subscribe()
    }

    /// The height, as it grows.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.node.heights()
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        self.node.faults()
    }

    /// Counts a connection to a provider's gateway.
    pub fn count_gateway_connection(&self, provider: &str) {
        self.node.count_gateway_connection(provider);
    }

    /// Counts a request to a provider's gateway.
    pub fn count_gateway_request(&self, provider: &str) {
        self.node.count_gateway_request(provider);
    }

    /// One deployment with its groups.
    pub fn deployment(&self, owner: &str, dseq: u64) -> Option<(Deployment, Vec<Group>)> {
        let state = self.state();
        let deployment = state.deployment(owner, dseq)?.clone();
        let groups = state.groups_of(owner, dseq).cloned().collect();
        Some((deployment, groups))
    }

    /// One order.
    pub fn order(&self, id: &OrderId) -> Option<Order> {
        self.state().order(id).cloned()
    }

    /// One bid.
    pub fn bid(&self, id: &BidId) -> Option<Bid> {
        self.state().bid(id).cloned()
    }

    /// One lease.
    pub fn lease(&self, id: &LeaseId) -> Option<Lease> {
        self.state().lease(id).cloned()
    }

    /// The leases of one deployment with one provider, in any state.
    pub fn leases(&self, owner: &str, dseq: u64, provider: &str) -> Vec<Lease> {
        self.state()
            .deployment_leases(owner, dseq)
            .filter(|lease| lease.id.as_ref().is_some_and(|id| id.provider == provider))
            .cloned()
            .collect()
    }

    /// The compressed public key of an account: known once it has sent a transaction.
    pub fn public_key(&self, address: &str) -> Option<Vec<u8>> {
        self.state().public_key(address).map(<[u8]>::to_vec)
    }

    /// The valid certificates (PEM) of an account, by serial.
    pub fn valid_certificates(&self, owner: &str) -> Vec<(String, Vec<u8>)> {
        use akash_proto::akash::cert::v1::State as CertificateState;
        self.state()
            .certificates_of(owner)
            .filter(|(_, certificate)| certificate.state() == CertificateState::Valid)
            .map(|(serial, certificate)| (serial.to_owned(), certificate.cert.clone()))
            .collect()
    }

    /// Signs `messages` with `wallet`, sends them in one unordered transaction and waits until it is in a block.
    ///
    /// # Errors
    /// When the chain refuses it, or blocks are made for a long time without it.
    pub async fn submit(&self, wallet: &Wallet, messages: Vec<Any>) -> Result<Arc<TxRecord>, SubmitError> {
        let bytes = self.sign(wallet, messages);
        let mut blocks = self.subscribe();
        let hash = tx_hash(&bytes);
        let checked = self.node.broadcast(&bytes);
        if checked.code != 0 {
            let (codespace, code, text) = (checked.codespace, checked.code, checked.raw_log);
            return Err(SubmitError::Refused { codespace, code, text });
        }
        let included = tokio::time::timeout(Duration::from_secs(120), async {
            loop {
                match blocks.recv().await {
                    Ok(block) => {
                        if let Some(tx) = block.txs.iter().find(|tx| tx.hash == hash) {
                            return Some(tx.clone());
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        match included.await.ok().flatten() {
            Some(tx) if tx.result.code == 0 => Ok(tx),
            Some(tx) => Err(SubmitError::Refused {
                codespace: tx.result.codespace.clone(),
                code: tx.result.code,
                text: tx.result.raw_log.clone(),
            }),
            None => Err(SubmitError::NotIncluded(hash)),
        }
    }

    /// An unordered transaction of `messages` with a timeout of its own.
    fn sign(&self, wallet: &Wallet, messages: Vec<Any>) -> Vec<u8> {
        let state = self.state();
        let jitter: u32 = rand::random();
        let timeout = state.time + TIMEOUT + time::Duration::nanoseconds(i64::from(jitter));
        let fee = Coin { denom: "uakt".to_owned(), amount: FEE.to_string() };
        sign_transaction(wallet, &state, messages, Ordering::Unordered(timeout), GAS, vec![fee])
    }
}

/// How a transaction is kept from being carried out twice.
#[derive(Debug, Clone, Copy)]
pub enum Ordering {
    /// By a timeout that is used once.
    Unordered(OffsetDateTime),
    /// By the account's sequence.
    Sequence(u64),
}

/// Signs a transaction for the chain of `state`.
pub fn sign_transaction(
    wallet: &Wallet,
    state: &State,
    messages: Vec<Any>,
    order: Ordering,
    gas_limit: u64,
    fee: Vec<Coin>,
) -> Vec<u8> {
    let (unordered, sequence, timeout_timestamp) = match order {
        Ordering::Unordered(timeout) => {
            let nanos = i32::try_from(timeout.nanosecond()).unwrap_or(0);
            (true, 0, Some(akash_proto::Timestamp { seconds: timeout.unix_timestamp(), nanos }))
        }
        Ordering::Sequence(sequence) => (false, sequence, None),
    };
    let body = TxBody { messages, unordered, timeout_timestamp, ..TxBody::default() };
    let key = PubKey { key: wallet.public_key().to_vec() };
    let single = mode_info::Single { mode: SignMode::Direct.into() };
    let signer = SignerInfo {
        public_key: Some(any(&key)),
        mode_info: Some(ModeInfo { sum: Some(mode_info::Sum::Single(single)) }),
        sequence,
    };
    let auth =
        AuthInfo { signer_infos: vec![signer], fee: Some(Fee { amount: fee, gas_limit, ..Fee::default() }) };
    let document = SignDoc {
        body_bytes: body.encode_to_vec(),
        auth_info_bytes: auth.encode_to_vec(),
        chain_id: state.chain_id.to_string(),
        account_number: state.accounts.get(wallet.address()).map_or(0, |account| account.number),
    };
    let signature = wallet.sign(&document.encode_to_vec());
    let SignDoc { body_bytes, auth_info_bytes, .. } = document;
    TxRaw { body_bytes, auth_info_bytes, signatures: vec![signature] }.encode_to_vec()
}
