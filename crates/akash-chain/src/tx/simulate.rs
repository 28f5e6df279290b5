//! Simulation: how much gas a transaction would use, or what the chain would refuse.
//!
//! This file must not decide what follows from a refusal.

use akash_proto::cosmos::tx::v1beta1::SimulateRequest;

use super::Draft;
use crate::{
    ChainError, QueryError,
    chain::Inner,
    errors,
    nodes::{ask::Answered, choice::Floor},
    query::tx_client,
};

/// What simulation found.
#[derive(Debug)]
pub(crate) enum Simulated {
    /// Gas used.
    Gas(u64),
    /// Refused; the message at fault where the chain says which.
    Refused { index: Option<usize>, error: ChainError },
}

impl Inner {
    /// Simulates a draft with the flags that it will be sent with. A refusal by a node that is behind what has already
    /// been seen does not count.
    pub(crate) async fn simulate(
        &self,
        draft: &Draft,
        public_key: [u8; 33],
    ) -> Result<Simulated, QueryError> {
        let tx_bytes = draft.unsigned(public_key);
        let what = "the simulation";
        let (node, answer) = self
            .read_any(what, None, Floor::Seen, async |caller| {
                tx_client(caller).simulate(SimulateRequest { tx_bytes: tx_bytes.clone() }).await
            })
            .await?;
        match answer {
            Answered::Answer(answer, _) => match answer.gas_info {
                Some(gas) => Ok(Simulated::Gas(gas.gas_used)),
                None => {
                    Err(QueryError::Malformed { what, endpoint: node.endpoint.to_string(), missing: "gas" })
                }
            },
            Answered::Error(status) => {
                let index = errors::message_index(status.message());
                let at_fault =
                    draft.messages.get(index.unwrap_or_default()).map(|message| message.type_url.as_str());
                let error = self.name_accounts(ChainError::from_text(status.message(), at_fault));
                Ok(Simulated::Refused { index, error })
            }
        }
    }
}
