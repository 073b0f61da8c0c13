// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves metrics over HTTP, on TCP or a Unix socket. `shuntd` starts it.
//!
//! It has a thread of its own, which shares nothing with the loop of the daemon but a count, so that no
//! reader can hold that up: one loop accepts, reads and writes, and sleeps while nobody asks. There are
//! [`Limits::connections`] places. Who comes when all are taken has the place of who does least. A reader
//! that is slow or stuck is left after a deadline. Nothing is asked of the kernel module until somebody
//! has sent a request.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags};

use crate::{
    error::Result,
    poll::{readable, wait_for},
};

mod address;
mod http;
mod socket;

pub use address::{Address, DEFAULT};
use socket::{Connection, Listener};

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

/// Starts to serve in the background, until the process ends, what `source` writes as Prometheus reads it.
///
/// An address that cannot be had, as another program has it, is tried again and again, and a
/// warning says so: metrics are never a reason not to start.
///
/// # Errors
/// If there can be no thread.
pub fn start(
    address: Address,
    limits: Limits,
    source: impl Fn() -> Result<Vec<u8>> + Send + 'static,
) -> io::Result<()> {
    let builder = thread::Builder::new().name("metrics".to_owned());
    let run = move || {
        let listener = bind(&address);
        if address.is_exposed() {
            log::warn!(
                "metrics are served to whoever reaches {address}; nobody is asked who they are"
            );
        }
        log::info!("metrics are served on {address}");
        serve(&listener, limits, source);
    };
    builder.stack_size(STACK).spawn(run).map(|_| ())
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

/// Serves for ever.
fn serve(listener: &Listener, limits: Limits, source: impl Fn() -> Result<Vec<u8>>) {
    let mut places = Places {
        limits,
        taken: Vec::new(),
    };
    loop {
        let mut wanted = vec![readable(listener)];
        wanted.extend(places.taken.iter().map(Place::descriptor));
        let deadline = places.taken.iter().map(|place| place.deadline).min();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if let Err(error) = wait_for(&mut wanted, left) {
            log::debug!("{error}");
            thread::sleep(SHORTAGE);
        }
        places.go_on(&source);
        places.accept(listener, &source);
    }
}

/// Places for connections.
struct Places {
    limits: Limits,
    taken: Vec<Place>,
}

impl Places {
    /// Goes on with each connection as far as that can be without waiting.
    fn go_on(&mut self, source: &impl Fn() -> Result<Vec<u8>>) {
        let limits = self.limits;
        self.taken.retain_mut(|place| place.go_on(limits, source));
    }

    /// Accepts who has come, in one turn no more than have half of the places: however many come, who
    /// reads has done so since the turn before, and others go first.
    fn accept(&mut self, listener: &Listener, source: &impl Fn() -> Result<Vec<u8>>) {
        for _ in 0..(self.limits.connections / 2).max(1) {
            match listener.accept() {
                Ok(connection) => self.take(connection, source),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The reader gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    log::debug!("a connection for metrics cannot be accepted: {error}");
                    thread::sleep(SHORTAGE);
                    break;
                }
            }
        }
    }

    /// Gives a place to a connection. If all are taken, one goes that has not said yet what it wants,
    /// or else one that has not read for longest: who comes never waits for who does nothing.
    fn take(&mut self, connection: Box<dyn Connection>, source: impl Fn() -> Result<Vec<u8>>) {
        let mut place = Place {
            connection,
            work: Work::Asking(Vec::new()),
            moved: Instant::now(),
            deadline: Instant::now() + self.limits.request,
        };
        // A request comes with its connection, as a rule, and is answered at once.
        if !place.go_on(self.limits, source) {
            return;
        }
        if self.taken.len() >= self.limits.connections {
            let idlest = self.taken.iter().enumerate().min_by_key(|(_, place)| {
                let is_answered = matches!(place.work, Work::Answering { .. });
                (is_answered, place.moved)
            });
            if let Some(number) = idlest.map(|(number, _)| number) {
                self.taken.remove(number);
            }
        }
        self.taken.push(place);
    }
}

/// A connection with its place.
struct Place {
    connection: Box<dyn Connection>,
    work: Work,
    /// When something was read or written last.
    moved: Instant,
    /// When it is left, though it goes on.
    deadline: Instant,
}

enum Work {
    /// It says what it wants; what it has said so far.
    Asking(Vec<u8>),
    /// It reads the answer; how much of it it has.
    Answering { text: Vec<u8>, sent: usize },
}

impl Place {
    fn descriptor(&self) -> PollFd<'_> {
        let flags = match self.work {
            Work::Asking(_) => PollFlags::POLLIN,
            Work::Answering { .. } => PollFlags::POLLOUT,
        };
        PollFd::new(self.connection.as_fd(), flags)
    }

    /// Does what can be done without waiting; false once there is no more to do.
    fn go_on(&mut self, limits: Limits, source: impl Fn() -> Result<Vec<u8>>) -> bool {
        match self.move_on(limits, source) {
            Ok(more) => more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            // A reader that went away, or was too slow, does not want to know.
            Err(error) => {
                log::debug!("a reader of metrics was left: {error}");
                false
            }
        }
    }

    fn move_on(
        &mut self,
        limits: Limits,
        source: impl Fn() -> Result<Vec<u8>>,
    ) -> io::Result<bool> {
        loop {
            if Instant::now() >= self.deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match &mut self.work {
                Work::Asking(said) => {
                    let mut bytes = [0; 1024];
                    let length = self.connection.read(&mut bytes)?;
                    if length == 0 {
                        return Ok(false);
                    }
                    self.moved = Instant::now();
                    said.extend_from_slice(&bytes[..length]);
                    if let Some(request) = http::understand(said) {
                        let text = http::answer(&request, &source);
                        self.work = Work::Answering { text, sent: 0 };
                        self.deadline = Instant::now() + limits.answer;
                    }
                }
                Work::Answering { text, sent } => {
                    let rest = &text[*sent..];
                    if rest.is_empty() {
                        return Ok(false);
                    }
                    *sent += self.connection.write(rest)?;
                    self.moved = Instant::now();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
