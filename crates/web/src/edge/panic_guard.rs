//! A panic in a handler is one 500; the process and the connection live on.

use std::{any::Any, cell::RefCell, panic};

use mainstay_core::{SecurityEvent, SecurityRecord};

use crate::{codes, respond::Problem, security};

thread_local! {
    /// Where the last panic of this thread was; the hook writes it, the guard takes it.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics silent on stderr and remembers where they were, for the request line.
///
/// The message of a panic may hold request data (`{value:?}`), so it is not printed. Call once,
/// after the log is open: from then on the place of a panic is told there and nowhere else.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        tracing::error!(place = place.as_deref().unwrap_or("unknown"), "panicked");
        security::record(SecurityRecord::new(SecurityEvent::Crashed));
        PLACE.with(|slot| *slot.borrow_mut() = place);
    }));
}

/// The answer to a panic. A message that is a literal cannot hold data, so it is kept as the cause.
pub(super) fn problem(payload: &(dyn Any + Send)) -> Problem {
    let place = PLACE.with(|slot| slot.borrow_mut().take());
    let message = payload.downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
    let place = place.as_deref().unwrap_or("an unknown place");
    Problem::new(codes::INTERNAL).caused_by(format_args!("panic at {place}: {message}"))
}
