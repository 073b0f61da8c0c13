// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves metrics over HTTP, on TCP or a Unix socket. `shuntd` starts it.
//!
//! It has threads of its own, which share nothing with the loop of the daemon but a count, so that
//! no reader can hold that up: one thread accepts, one for each connection answers, and all of
//! them sleep while nobody reads. There are at most [`Limits::connections`]; who comes when all are
//! taken waits in the kernel's queue. A reader that is slow or stuck is left after a deadline, so
//! a place becomes free in time. Nothing is asked of the kernel module until somebody reads.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{error::Result, prometheus::Snapshot};

mod address;
mod http;
mod socket;

pub use address::{Address, DEFAULT};
use socket::{Listener, Timed, Until};

/// How long to wait before an address that cannot be had is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How long to wait when a connection cannot be accepted, for want of memory or descriptors.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Enough for what a thread of the exporter does.
const STACK: usize = 256 * 1024;

/// What readers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many are served at the same time.
    pub connections: usize,
    /// Longest time until the request is there.
    pub request: Duration,
    /// Longest time from the request to the end of the answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8,
            request: Duration::from_secs(3),
            answer: Duration::from_secs(10),
        }
    }
}

/// Gives what is shown; asked once for each scrape, by one reader at a time.
type Source = dyn Fn() -> Result<Snapshot> + Send + Sync;

/// Starts to serve in the background, until the process ends.
///
/// An address that cannot be had, as another program has it, is tried again and again, and a
/// warning says so: metrics are never a reason not to start.
///
/// # Errors
/// If there can be no thread.
pub fn start(
    address: Address,
    limits: Limits,
    source: impl Fn() -> Result<Snapshot> + Send + Sync + 'static,
) -> io::Result<()> {
    named("metrics", move || {
        let listener = bind(&address);
        if address.is_exposed() {
            log::warn!(
                "metrics are served to whoever reaches {address}; nobody is asked who they are"
            );
        }
        log::info!("metrics are served on {address}");
        serve(&listener, limits, source);
    })
}

fn bind(address: &Address) -> Listener {
    let mut told = false;
    loop {
        match Listener::bind(address) {
            Ok(listener) => return listener,
            Err(error) if !told => {
                told = true;
                log::warn!(
                    "metrics cannot be served on {address}: {error}; trying again every {} s (--metrics \
                     gives another address)",
                    RETRY.as_secs()
                );
            }
            Err(_) => {}
        }
        thread::sleep(RETRY);
    }
}

/// Accepts connections for ever.
fn serve(
    listener: &Listener,
    limits: Limits,
    source: impl Fn() -> Result<Snapshot> + Send + Sync + 'static,
) {
    let source: Arc<Source> = Arc::new(source);
    let asking = Arc::new(Mutex::new(()));
    let places = Arc::new(Places::new(limits.connections));
    loop {
        let place = Place::take(&places);
        let connection = match listener.accept() {
            Ok(connection) => connection,
            // The reader gave up before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                log::debug!("a connection for metrics cannot be accepted: {error}");
                thread::sleep(SHORTAGE);
                continue;
            }
        };
        let (source, asking) = (Arc::clone(&source), Arc::clone(&asking));
        // If there can be no thread, the connection is closed with what would have gone there.
        let started = named("metrics reader", move || {
            let _place = place;
            answer(connection.as_ref(), limits, || {
                // One at a time, so that readers cannot multiply what asking takes.
                let _turn = asking.lock().unwrap_or_else(PoisonError::into_inner);
                source()
            });
        });
        if let Err(error) = started {
            log::debug!("no thread for a reader of metrics: {error}");
        }
    }
}

fn answer(connection: &dyn Timed, limits: Limits, source: impl FnOnce() -> Result<Snapshot>) {
    let begun = Instant::now();
    let request = http::read_request(Until::new(connection, begun + limits.request));
    let out = Until::new(connection, Instant::now() + limits.answer);
    // A reader that went away, or was too slow, does not want to know.
    if let Err(error) = request.and_then(|request| http::answer(request, out, source)) {
        log::debug!("a reader of metrics was left: {error}");
    }
}

fn named(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.stack_size(STACK).spawn(run).map(|_| ())
}

/// Places for connections.
struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            freed: Condvar::new(),
        }
    }
}

/// A place that a connection has; free again on drop.
struct Place(Arc<Places>);

impl Place {
    /// Waits for a free place.
    fn take(places: &Arc<Places>) -> Self {
        let free = places.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = places.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Self(Arc::clone(places))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
