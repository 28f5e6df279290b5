//! The chain as a pure state machine: a state and a transaction or an operator's act give a new state. No I/O, no
//! clock, no tasks.

pub mod ante;
pub mod bank;
pub mod bme;
pub mod certificates;
pub mod deployment;
pub mod errors;
pub mod escrow;
pub mod events;
pub mod exec;
pub mod gas;
pub mod grants;
pub mod market;
pub mod message;
pub mod operator;
pub mod providers;
pub mod query;
pub mod requirements;
pub mod state;
pub mod validate;

use akash_proto::{Message as _, cosmos::base::abci::v1beta1::TxMsgData};
use time::OffsetDateTime;

use self::{
    ante::{Mode, Tx},
    errors::{ChainError, sdk},
    events::{ChainEvent, Event},
    exec::Exec,
    state::State,
};

/// What the rules of the moment are, beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether the chain takes unordered transactions.
    pub unordered: bool,
    /// Makes the messages run out of gas, whatever the limit.
    pub out_of_gas: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { unordered: true, out_of_gas: false }
    }
}

/// What a delivered transaction has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// 0, or the error's code.
    pub code: u32,
    /// The error's codespace, empty for 0.
    pub codespace: String,
    /// Empty, or the error's text.
    pub raw_log: String,
    /// The gas limit.
    pub gas_wanted: u64,
    /// Gas used.
    pub gas_used: u64,
    /// The encoded responses of the messages.
    pub data: Vec<u8>,
    /// Events, of the ante checks alone when a message failed.
    pub events: Vec<Event>,
    /// The typed ones.
    pub typed: Vec<ChainEvent>,
}

/// What a simulation has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// Gas used.
    pub gas_used: u64,
    /// The encoded responses.
    pub data: Vec<u8>,
    /// Events.
    pub events: Vec<Event>,
}

impl State {
    /// Begins a block: height and time move on, nonces whose timeout has passed are forgotten.
    pub fn begin_block(&mut self, height: u64, time: OffsetDateTime) {
        self.height = height;
        self.time = time;
        let now = time.unix_timestamp_nanos();
        while let Some(oldest) = self.nonces.get_min().filter(|(timeout, _)| *timeout < now).cloned() {
            self.nonces.remove(&oldest);
        }
    }

    /// Ends a block; gives its own events.
    pub fn end_block(&mut self) -> Vec<ChainEvent> {
        bme::end_block(self)
    }

    /// Checks a transaction for the mempool. On success the state holds its fee, sequence and nonce.
    ///
    /// # Errors
    /// The error that the node answers a broadcast with.
    pub fn check(&mut self, bytes: &[u8], rules: Rules) -> Result<(), ChainError> {
        if bytes.len() > ante::MAX_TX_BYTES {
            return Err(sdk::TX_TOO_LARGE.plain());
        }
        let tx = Tx::decode(bytes)?;
        tx.validate_basic()?;
        let mut exec = Exec::new(self.clone(), tx.gas_limit());
        ante::run(&mut exec, &tx, Mode::Check, rules.unordered)?;
        *self = exec.state;
        Ok(())
    }

    /// Runs a transaction without keeping anything.
    ///
    /// # Errors
    /// The text that the node answers with, gas included.
    pub fn simulate(&self, bytes: &[u8], rules: Rules) -> Result<Simulated, String> {
        let told = |error: &ChainError, gas: u64| format!("{} with gas used: '{gas}'", error.text);
        let tx = Tx::decode(bytes).map_err(|error| error.text)?;
        tx.validate_basic().map_err(|error| told(&error, gas::BASIC))?;
        let mut exec = Exec::new(self.clone(), u64::MAX);
        let outcome = ante::run(&mut exec, &tx, Mode::Simulate, rules.unordered)
            .and_then(|()| messages(&mut exec, &tx));
        match outcome {
            Ok(data) => Ok(Simulated { gas_used: exec.gas.used(), data, events: exec.events }),
            Err(error) => Err(told(&error, exec.gas.used())),
        }
    }

    /// Carries a transaction out in the block begun last. A failing message takes back all of them; fee, sequence and
    /// nonce stay.
    pub fn deliver(&mut self, bytes: &[u8], rules: Rules) -> Delivered {
        let tx = match Tx::decode(bytes).and_then(|tx| tx.validate_basic().map(|()| tx)) {
            Ok(tx) => tx,
            Err(error) => return Delivered::failed(error, 0, 0, Vec::new()),
        };
        let wanted = tx.gas_limit();
        let mut exec = Exec::new(self.clone(), wanted);
        if let Err(error) = ante::run(&mut exec, &tx, Mode::Deliver, rules.unordered) {
            return Delivered::failed(error, wanted, exec.gas.used(), Vec::new());
        }
        let (ante_state, ante_events) = (exec.state.clone(), exec.events.clone());
        let outcome = if rules.out_of_gas {
            exec.charge(wanted.saturating_sub(exec.gas.used()) + 1).map(|()| Vec::new())
        } else {
            messages(&mut exec, &tx)
        };
        match outcome {
            Ok(data) => {
                let Exec { state, events, typed, gas } = exec;
                *self = state;
                Delivered {
                    code: 0,
                    codespace: String::new(),
                    raw_log: String::new(),
                    gas_wanted: wanted,
                    gas_used: gas.used(),
                    data,
                    events,
                    typed,
                }
            }
            Err(error) => {
                *self = ante_state;
                Delivered::failed(error, wanted, exec.gas.used(), ante_events)
            }
        }
    }
}

impl Delivered {
    fn failed(error: ChainError, gas_wanted: u64, gas_used: u64, events: Vec<Event>) -> Self {
        Self {
            code: error.code,
            codespace: error.codespace.to_owned(),
            raw_log: error.text,
            gas_wanted,
            gas_used,
            data: Vec::new(),
            events,
            typed: Vec::new(),
        }
    }
}

/// Runs the messages in order; gives their encoded responses. An error says which message it was, except out of gas.
fn messages(exec: &mut Exec, tx: &Tx) -> Result<Vec<u8>, ChainError> {
    let mut responses = Vec::with_capacity(tx.messages.len());
    for (index, (message, packed)) in tx.messages.iter().zip(&tx.body.messages).enumerate() {
        let first = exec.events.len();
        let module = message::module(&packed.type_url);
        exec.emit_plain(
            "message",
            &[("action", &packed.type_url), ("sender", message.signer()), ("module", module)],
        );
        let response = message.clone().execute(exec).map_err(|error| {
            if error.is_out_of_gas() {
                return error;
            }
            ChainError {
                text: format!("failed to execute message; message index: {index}: {}", error.text),
                ..error
            }
        })?;
        for event in exec.events.iter_mut().skip(first) {
            event.attributes.push(("msg_index".to_owned(), index.to_string()));
        }
        responses.push(response);
    }
    Ok(TxMsgData { msg_responses: responses, ..TxMsgData::default() }.encode_to_vec())
}
