// SPDX-License-Identifier: GPL-2.0-only

//! Waits that end: at a given time, or when nobody waits for the result any more.

use super::{
    clock::{monotonic_ns, sleep_us},
    net::sender::Sender,
    task,
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// How long somebody is willing to wait.
#[derive(Clone)]
pub(crate) struct Patience {
    /// When it ends, in ns of `CLOCK_MONOTONIC`.
    until: u64,
    sender: Arc<Sender>,
    /// Whether somebody wants it to end, if that can be.
    unwanted: Option<Arc<AtomicUsize>>,
}

/// `ETIMEDOUT`: the time is over.
pub(crate) fn timed_out() -> Error {
    Error::from_errno(-(kernel::bindings::ETIMEDOUT as c_int))
}

/// `ECANCELED`: nobody waits any more.
pub(crate) fn cancelled() -> Error {
    Error::from_errno(-(kernel::bindings::ECANCELED as c_int))
}

impl Patience {
    /// Of the sender of a request, for `ms` from now on.
    pub(crate) fn of(sender: Arc<Sender>, ms: u32) -> Self {
        Self {
            until: monotonic_ns().saturating_add(u64::from(ms) * 1_000_000),
            sender,
            unwanted: None,
        }
    }

    /// The same, but it also ends while `unwanted` is not 0.
    pub(crate) fn unless(&self, unwanted: Arc<AtomicUsize>) -> Self {
        Self {
            unwanted: Some(unwanted),
            ..self.clone()
        }
    }

    /// `ETIMEDOUT` or `ECANCELED` once it has ended. Any context.
    #[inline(never)]
    pub(crate) fn check(&self) -> Result {
        let unwanted = self.unwanted.as_ref();
        let is_unwanted = unwanted.is_some_and(|count| count.load(Ordering::Relaxed) != 0);
        if is_unwanted || self.sender.is_gone() {
            Err(cancelled())
        } else if monotonic_ns() >= self.until {
            Err(timed_out())
        } else {
            Ok(())
        }
    }

    /// Waits until `done` is true, which is asked at least once. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Self::check`].
    pub(crate) fn wait(&self, mut done: impl FnMut() -> bool) -> Result {
        self.wait_for(&mut done)
    }

    // One copy serves all that is waited for.
    #[inline(never)]
    fn wait_for(&self, done: &mut dyn FnMut() -> bool) -> Result {
        // What is waited for takes some tens of microseconds on flash; nothing is to pay for a wake-up.
        let mut us = 20;
        while !done() {
            self.check()?;
            sleep_us(us);
            us = (2 * us).min(5_000);
        }
        Ok(())
    }

    /// Runs what may take for ever, and waits for its result. If the patience ends before it does, it goes on by itself, and
    /// its result is dropped when it comes. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Self::check`]; `ENOMEM`.
    pub(crate) fn run<T: Send + Unpin + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.run_then(run, |value| value)
    }

    /// The same; while somebody waits for its result, and only then, `then` makes of it what is waited for: either that is
    /// done and the caller gets it, or it is not done. `then` must not wait for I/O. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Self::check`]; `ENOMEM`.
    pub(crate) fn run_then<T: Send + 'static, U: Send + Unpin + 'static>(
        &self,
        run: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U> {
        let result = Arc::pin_init(
            pin_init!(Outcome { state <- new_mutex!(State::Running) }),
            GFP_KERNEL,
        )?;
        let place = result.clone();
        task::spawn(move |pin| {
            let value = run();
            let mut state = place.state.lock();
            let abandoned = matches!(*state, State::Abandoned);
            if !abandoned {
                drop(pin);
                *state = State::Done(then(value));
                return;
            }
            // Its drop may take for ever, too.
            drop(state);
            drop(value);
        })?;
        let waited = self.wait(|| matches!(*result.state.lock(), State::Done(_)));
        let state = core::mem::replace(&mut *result.state.lock(), State::Abandoned);
        match state {
            State::Done(value) => Ok(value),
            _ => Err(waited.err().unwrap_or(timed_out())),
        }
    }
}

/// What became of a run.
#[pin_data]
struct Outcome<T> {
    #[pin]
    state: Mutex<State<T>>,
}

enum State<T> {
    Running,
    Done(T),
    /// Nobody waits for it.
    Abandoned,
}
