//! A panic in an operation becomes that operation's error; the process goes on.

use futures::FutureExt;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};

thread_local! {
    /// Where this thread panicked last. The hook runs on the thread that polls the operation.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Reports panics as log lines, without a backtrace among the user's messages.
pub(crate) fn install_hook() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let location = info.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
        tracing::error!(location, "the provider panicked: {}", text(info.payload()));
        LOCATION.set(Some(location));
    }));
}

/// Runs an operation; the error is what to tell the user of a panic in it.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| {
        let place = LOCATION.take().map(|location| format!(" at {location}")).unwrap_or_default();
        format!(
            "The provider stopped in the middle of an operation{place}: {}. This is a bug in the provider, which \
             should be reported to its developers.",
            text(&*payload)
        )
    })
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
