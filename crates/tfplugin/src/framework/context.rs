//! What an operation gets besides its values.

use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

type Hook = Box<dyn FnOnce() + Send>;

/// Handed to every operation of a provider.
#[derive(Clone, Debug)]
pub struct Context {
    cancel: CancellationToken,
    answered: Answered,
}

impl Context {
    pub(crate) const fn new(cancel: CancellationToken, answered: Answered) -> Self {
        Self { cancel, answered }
    }

    /// Cancelled when Terraform asks the provider to stop (the user pressed Ctrl-C). An operation then returns soon,
    /// with what it has done so far as its state.
    pub const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Runs `hook` after the last byte of this operation's answer has been handed to the operating system. Never
    /// before, and not at all if the connection breaks first. The hook must not block: it runs on the task that
    /// serves the connection.
    pub fn on_returned(&self, hook: impl FnOnce() + Send + 'static) {
        self.answered.add(Box::new(hook));
    }
}

/// What waits for one answer to leave.
#[derive(Clone, Default)]
pub(crate) struct Answered(Arc<Mutex<Vec<Hook>>>);

impl Answered {
    pub(crate) fn add(&self, hook: Hook) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// Runs and forgets the hooks.
    pub(crate) fn run(&self) {
        let hooks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for hook in hooks {
            hook();
        }
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answered")
    }
}
