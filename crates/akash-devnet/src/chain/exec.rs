//! What a message handler works on: a state it may change, the events it has caused, the gas it has used.

use super::{
    errors::ChainError,
    events::{ChainEvent, Event},
    gas::Meter,
    state::State,
};

/// One transaction under way.
#[derive(Debug)]
pub struct Exec {
    /// The state, kept or thrown away by whoever made this.
    pub state: State,
    /// Events as a node reports them, in order.
    pub events: Vec<Event>,
    /// The typed ones among them.
    pub typed: Vec<ChainEvent>,
    /// Gas.
    pub gas: Meter,
}

impl Exec {
    /// A transaction on `state` that may use `gas_limit`.
    pub fn new(state: State, gas_limit: u64) -> Self {
        Self { state, events: Vec::new(), typed: Vec::new(), gas: Meter::new(gas_limit) }
    }

    /// Uses gas.
    pub fn charge(&mut self, amount: u64) -> Result<(), ChainError> {
        self.gas.consume(amount)
    }

    /// Reports a typed event.
    pub fn emit(&mut self, event: ChainEvent) {
        self.events.push(Event::from(&event));
        self.typed.push(event);
    }

    /// Reports an event that is not typed.
    pub fn emit_plain(&mut self, kind: &str, attributes: &[(&str, &str)]) {
        self.events.push(Event::new(kind, attributes));
    }
}
