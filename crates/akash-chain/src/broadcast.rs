//! Handing a signed transaction to a node.
//!
//! The same bytes may be handed to any number of nodes: the chain takes them once. This file must not wait for
//! inclusion.

use std::time::Duration;

use akash_proto::cosmos::tx::v1beta1::{BroadcastMode, BroadcastTxRequest};

use crate::{
    ChainError, Kind, QueryError,
    chain::Inner,
    endpoint::fault::Fault,
    query::tx_client,
    read::{Answered, backoff, error_of},
    tx::Signed,
};

/// How often all endpoints are tried.
const ROUNDS: u32 = 3;

/// What became of handing it over.
#[derive(Debug)]
pub(crate) enum Handed {
    /// A node took it, or may have: it is to be looked up by its hash.
    Over,
    /// Refused before it came into a block, and no node can have taken it.
    Refused(ChainError),
    /// No node was reached.
    NotSent(QueryError),
}

impl Inner {
    /// Hands a transaction to the healthiest endpoint, and to others if that one fails.
    pub(crate) async fn broadcast(&self, signed: &Signed) -> Handed {
        let what = "the broadcast";
        let mut maybe_taken = false;
        let mut faults: Vec<Fault> = Vec::new();
        let mut full = None;
        for round in 0..ROUNDS {
            if round > 0 {
                let asked = faults.iter().filter_map(|fault| fault.retry_after).min().unwrap_or_default();
                tokio::time::sleep(backoff(round).max(asked.min(Duration::from_secs(5)))).await;
            }
            faults.clear();
            for node in self.by_health() {
                if let Err(miss) = self.introduce(&node).await {
                    faults.push(miss.into_fault());
                    continue;
                }
                let request =
                    BroadcastTxRequest { tx_bytes: signed.bytes.clone(), mode: BroadcastMode::Sync.into() };
                let answer =
                    self.ask(&node, None, async |caller| tx_client(caller).broadcast_tx(request).await).await;
                let error = match answer {
                    Err(fault) => {
                        maybe_taken |= fault.maybe_done;
                        faults.push(fault);
                        continue;
                    }
                    Ok(Answered::Answer(answer, _)) => {
                        // A node without an answer's body took it as far as can be told.
                        let Some(answer) = answer.tx_response.filter(|answer| answer.code != 0) else {
                            return Handed::Over;
                        };
                        ChainError::new(answer.codespace, answer.code, &answer.raw_log)
                    }
                    Ok(Answered::Error(status)) => error_of(&status),
                };
                match error.kind() {
                    // It is there already: from the try before, whose answer was lost.
                    Kind::TxInCache => return Handed::Over,
                    Kind::MempoolFull => full = Some(error),
                    // After a lost answer a refusal proves nothing: the first try may be in a block, and its nonce used.
                    _ if maybe_taken => return Handed::Over,
                    _ => return Handed::Refused(error),
                }
            }
            if maybe_taken {
                return Handed::Over;
            }
        }
        match full {
            Some(error) => Handed::Refused(error),
            None => Handed::NotSent(QueryError::Endpoints { what, faults }),
        }
    }
}
