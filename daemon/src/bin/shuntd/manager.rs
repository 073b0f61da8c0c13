// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the service manager is told (see sd_notify(3)): that the daemon is ready, how it is, and
//! that it is alive. Without a service manager nothing is told.

use std::time::{Duration, Instant};

use nix::poll::PollFd;
use sd_notify::{NotifyState, notify, watchdog_enabled};
use shunt::{
    State,
    service::{Flow, Keeper, Source},
    transport::Kernel,
};

/// Tells the service manager. To be the last source of the loop: it is ready when all before it
/// have had their turns.
pub(crate) struct Manager {
    /// How often the configuration had been read anew when it was told last that all is done.
    ready: Option<u64>,
    told: Option<Health>,
    watchdog: Option<Watchdog>,
}

/// What the status line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Health {
    loaded: bool,
    devices: usize,
    suspended: usize,
    lost: usize,
}

struct Watchdog {
    interval: Duration,
    next: Instant,
}

impl Manager {
    /// The manager that the environment names.
    pub(crate) fn of_environment() -> Self {
        let watchdog = watchdog_enabled().map(|limit| Watchdog {
            // Half of what is allowed, as sd_watchdog_enabled(3) advises.
            interval: limit / 2,
            next: Instant::now(),
        });
        Self {
            ready: None,
            told: None,
            watchdog,
        }
    }
}

impl<K: Kernel> Source<K> for Manager {
    fn descriptors<'a>(&'a self, _: &mut Vec<PollFd<'a>>) {}

    fn deadline(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    fn turn(&mut self, keeper: &mut Keeper<K>) -> shunt::Result<Flow> {
        let now = Instant::now();
        if let Some(watchdog) = self.watchdog.as_mut().filter(|dog| dog.next <= now) {
            watchdog.next = now + watchdog.interval;
            tell(&[NotifyState::Watchdog]);
        }
        if keeper.has_work() {
            return Ok(Flow::On);
        }
        let health = Health::of(keeper);
        if self.told != Some(health) {
            self.told = Some(health);
            tell(&[NotifyState::Status(&health.to_string())]);
        }
        if self.ready != Some(keeper.reloads()) {
            self.ready = Some(keeper.reloads());
            tell(&[NotifyState::Ready]);
        }
        Ok(Flow::On)
    }
}

/// Tells that the configuration is read again; the [`Manager`] tells when what it says is done.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => log::debug!("the time cannot be told: {error}"),
    }
}

/// Tells that the daemon ends because it was told to.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // The daemon does its work whether or not somebody looks after it.
    if let Err(error) = notify(state) {
        log::debug!("the service manager cannot be told: {error}");
    }
}

impl Health {
    fn of<K: Kernel>(keeper: &Keeper<K>) -> Self {
        let count = |state| {
            keeper
                .devices()
                .filter(|device| device.state == state)
                .count()
        };
        Self {
            loaded: keeper.is_loaded(),
            devices: keeper.devices().count(),
            suspended: count(State::Suspended),
            lost: count(State::Lost),
        }
    }
}

/// `3 devices, 1 suspended, 1 lost`.
impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.loaded {
            return f.write_str("waiting for the shunt module");
        }
        let plural = if self.devices == 1 { "" } else { "s" };
        write!(f, "{} device{plural}", self.devices)?;
        for (count, state) in [(self.suspended, State::Suspended), (self.lost, State::Lost)] {
            if count > 0 {
                write!(f, ", {count} {}", state.name())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_what_is_not_as_it_should_be() {
        let health = |loaded, devices, suspended, lost| {
            let health = Health {
                loaded,
                devices,
                suspended,
                lost,
            };
            health.to_string()
        };
        assert_eq!(health(false, 0, 0, 0), "waiting for the shunt module");
        assert_eq!(health(true, 0, 0, 0), "0 devices");
        assert_eq!(health(true, 1, 0, 0), "1 device");
        assert_eq!(health(true, 3, 0, 1), "3 devices, 1 lost");
        assert_eq!(health(true, 3, 2, 1), "3 devices, 2 suspended, 1 lost");
    }
}
