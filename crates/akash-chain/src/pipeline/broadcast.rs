//! Handing a signed transaction to a node.
//!
//! The same bytes may be handed to any number of nodes: the chain takes them once. This file must not wait for
//! inclusion.

use std::future::Future;

use akash_proto::cosmos::tx::v1beta1::{BroadcastMode, BroadcastTxRequest};

use crate::{
    ChainError, FaultKind, Kind, QueryError,
    chain::Inner,
    nodes::{
        ask::{Answered, error_of},
        choice::Tries,
        fault::Fault,
    },
    query::tx_client,
    tx::Signed,
};

/// How often nodes that have no room for it are tried.
const FULL: u32 = 3;

/// What became of handing it over.
#[derive(Debug)]
pub(crate) enum Handed {
    /// A node took it: it is to be looked up by its hash.
    Over,
    /// An answer was lost, so a node may have it: it is to be looked up, and handed over again while it is not found.
    MaybeOver,
    /// Refused before it came into a block, and no node can have taken it.
    Refused(ChainError),
    /// No node was reached.
    NotSent(QueryError),
    /// No node was reached, and nobody wants it any more.
    Unwanted,
}

/// What one round over the endpoints came to without a node that took or refused it.
#[derive(Default)]
struct Round {
    /// An answer was lost.
    maybe: bool,
    faults: Vec<Fault>,
    /// A node has no room.
    full: Option<ChainError>,
}

impl Inner {
    /// Hands a transaction to the healthiest endpoint, to others if that one fails, and again until its time is up or
    /// `unwanted` is ready.
    pub(crate) async fn broadcast(&self, signed: &Signed, unwanted: impl Future<Output = ()>) -> Handed {
        let what = "the broadcast";
        let mut tries = Tries::within(what, self.config.tx_timeout);
        let mut full = 0;
        tokio::pin!(unwanted);
        loop {
            let round = match self.hand_round(signed).await {
                Ok(handed) => return handed,
                Err(round) => round,
            };
            if round.maybe {
                return Handed::MaybeOver;
            }
            full += u32::from(round.full.is_some());
            if let Some(error) = round.full.filter(|_| full >= FULL) {
                return Handed::Refused(error);
            }
            let Round { faults, .. } = round;
            let lasting = full == 0 && faults.iter().all(|fault| fault.kind != FaultKind::Passing);
            let asked = faults.iter().filter_map(|fault| fault.retry_after).min();
            let again = async { !lasting && tries.again(asked, faults.iter()).await };
            tokio::select! {
                again = again => if !again {
                    return Handed::NotSent(QueryError::Endpoints { what, faults });
                },
                () = &mut unwanted => return Handed::Unwanted,
            }
        }
    }

    /// Hands over once more what a node may have already. Whether one has it for certain now, or refuses it: after a
    /// lost answer that proves nothing, as the first try may be in a block and have used its nonce.
    pub(crate) async fn hand_again(&self, signed: &Signed) -> bool {
        self.hand_round(signed).await.is_ok()
    }

    async fn hand_round(&self, signed: &Signed) -> Result<Handed, Round> {
        let mut round = Round::default();
        for node in self.by_health() {
            if let Err(miss) = self.introduce(&node).await {
                round.faults.push(miss.into_fault());
                continue;
            }
            let request =
                BroadcastTxRequest { tx_bytes: signed.bytes.clone(), mode: BroadcastMode::Sync.into() };
            let answer =
                self.ask(&node, None, async |caller| tx_client(caller).broadcast_tx(request).await).await;
            let error = match answer {
                Err(fault) => {
                    round.maybe |= fault.maybe_done;
                    round.faults.push(fault);
                    continue;
                }
                Ok(Answered::Answer(answer, _)) => {
                    // A node without an answer's body took it as far as can be told.
                    let Some(answer) = answer.tx_response.filter(|answer| answer.code != 0) else {
                        return Ok(Handed::Over);
                    };
                    ChainError::new(answer.codespace, answer.code, &answer.raw_log)
                }
                Ok(Answered::Error(status)) => error_of(&status),
            };
            match error.kind() {
                // It is there already: from the try before, whose answer was lost.
                Kind::TxInCache => return Ok(Handed::Over),
                Kind::MempoolFull => round.full = Some(error),
                _ if round.maybe => return Ok(Handed::Over),
                _ => return Ok(Handed::Refused(self.name_accounts(error))),
            }
        }
        Err(round)
    }
}
