// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon knows of the kernel, also while the module comes and goes, and what it does so
//! that the devices are as configured. The loop gives it its turns; the sources ask it.

use std::time::{Duration, Instant};

use nix::poll::PollFd;

use super::{News, Wants, hand::Hand};
use crate::{
    apply::{Failed, Left},
    client::Client,
    error::{Error, Result},
    model::Device,
    monitor::{Monitor, Update},
    plan::Action,
    poll::readable,
    transport::{Arrivals, Kernel, Transport},
};

/// What the keeper tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// There is no module; it is waited for.
    Waiting,
    /// Something about the devices.
    Update(Update),
}

/// The one owner of what is known.
pub struct Keeper<K: Kernel> {
    kernel: K,
    arrivals: K::Arrivals,
    link: Option<Monitor<K::Transport>>,
    /// Whether the module may have come since it was last looked for.
    may_have_come: bool,
    overruns: u64,
    reloads: u64,
    /// Whether to read anew what is wanted.
    reload: bool,
    wants: Option<Wants>,
    hand: Hand,
    report: Box<dyn FnMut(Report)>,
}

impl<K: Kernel> Keeper<K> {
    /// Begins to follow a kernel, which may load the module for it. Without the module it waits.
    ///
    /// # Errors
    /// [`Error::System`] without the privilege or without sockets.
    pub fn start(kernel: K, report: impl FnMut(Report) + 'static) -> Result<Self> {
        // Listening for the module comes first, so that it is not missed between the two.
        let arrivals = kernel.arrivals()?;
        let mut keeper = Self {
            arrivals,
            link: None,
            may_have_come: false,
            overruns: 0,
            reloads: 0,
            reload: false,
            wants: None,
            hand: Hand::new()?,
            report: Box::new(report),
            kernel,
        };
        let client = keeper.kernel.connect();
        keeper.follow(client)?;
        if keeper.link.is_none() {
            (keeper.report)(Report::Waiting);
        }
        Ok(keeper)
    }

    /// Keeps the kernel to what is wanted from the next turn on.
    pub fn keep_to(&mut self, wants: Wants) {
        self.wants = Some(wants);
    }

    /// Has what is wanted read anew in the next turn, after what was told before.
    pub fn reload(&mut self) {
        self.reloads += 1;
        self.reload = true;
    }

    fn read_anew(&mut self) {
        if std::mem::take(&mut self.reload) {
            let present: Vec<Device> = self.devices().cloned().collect();
            if let Some(wants) = &mut self.wants {
                wants.reload(&present);
            }
        }
    }

    /// Takes up that something happened to a drive.
    pub fn drive_changed(&mut self, news: News) {
        if let Some(wants) = &mut self.wants {
            wants.drive_changed(news);
        }
    }

    /// Whether the module is loaded.
    pub fn is_loaded(&self) -> bool {
        self.link.is_some()
    }

    /// The devices as they were last heard of, in the order of their numbers; none without the
    /// module.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.link.iter().flat_map(|link| link.world().devices())
    }

    /// How often changes were lost, so that all devices were read anew.
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// How often what is wanted was read anew.
    pub fn reloads(&self) -> u64 {
        self.reloads
    }

    /// A client of the kernel, while the module is loaded.
    pub fn client(&mut self) -> Option<&mut Client<K::Transport>> {
        self.link.as_mut().map(Monitor::client)
    }

    pub(super) fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>) {
        wanted.push(readable(&self.arrivals));
        wanted.extend(self.link.as_ref().map(readable));
        wanted.push(readable(&self.hand));
    }

    /// When it wants a turn at the latest though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let wants = self.link.as_ref().and(self.wants.as_ref());
        wants.and_then(Wants::deadline)
    }

    /// Whether it wants another turn before the loop waits: as far as it knows, not all is done that
    /// can be done.
    pub fn has_work(&self) -> bool {
        match self.link {
            _ if self.reload => true,
            Some(_) => self.wants.as_ref().is_some_and(Wants::is_pending),
            None => self.may_have_come,
        }
    }

    /// Takes up what the kernel told, and has one step done of what is to be done about it: however
    /// many there are, signals and the watchdog have their turns. A step that the kernel does not answer
    /// in time goes on beside, while the other devices are looked after.
    ///
    /// # Errors
    /// What the kernel is asked and does not answer, but for a module that is not there.
    pub fn turn(&mut self) -> Result<()> {
        self.may_have_come |= self.arrivals.take()?;
        if self.link.is_none() && std::mem::take(&mut self.may_have_come) {
            let client = self.kernel.connect_if_loaded();
            self.follow(client)?;
        }
        // What a step did is told before it ends, so nothing that is heard after that is older.
        let late = self.hand.ended();
        let heard = self.with_link(|turn, link, _, _| turn.listen(link))?;
        self.read_anew();
        if let Some(wants) = &mut self.wants {
            late.iter().for_each(|ended| wants.ended(ended));
        }
        if !heard {
            return Ok(());
        }
        if let Some(wants) = &mut self.wants {
            wants.tick(Instant::now());
        }
        self.with_link(|turn, link, hand, kernel| turn.keep(link, hand, kernel))?;
        Ok(())
    }

    /// Waits, at most so long, for what would leave a device unmapped if the program ended now. No turn
    /// may follow.
    pub fn finish(&mut self, patience: Duration) {
        for ended in self.hand.finish(patience) {
            if let Some(wants) = &mut self.wants {
                wants.ended(&ended);
            }
        }
    }

    /// Does something at the link; false if there is none, or none any more.
    fn with_link(
        &mut self,
        work: impl FnOnce(&mut Turn<'_>, &mut Monitor<K::Transport>, &mut Hand, &K) -> Result<()>,
    ) -> Result<bool> {
        let Some(link) = &mut self.link else {
            return Ok(false);
        };
        let mut turn = Turn {
            overruns: &mut self.overruns,
            wants: &mut self.wants,
            report: &mut self.report,
        };
        match work(&mut turn, link, &mut self.hand, &self.kernel) {
            Ok(()) => Ok(true),
            Err(Error::Unloaded | Error::NotLoaded) => {
                self.link = None;
                // It may be back already.
                self.may_have_come = true;
                (self.report)(Report::Waiting);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(test)]
    fn steps(&self) -> usize {
        self.hand.steps()
    }

    #[cfg(test)]
    fn is_busy(&self) -> bool {
        self.steps() > 0
    }

    #[cfg(test)]
    fn wait(&self) {
        crate::poll::wait([readable(&self.hand)], None).unwrap();
    }

    fn follow(&mut self, client: Result<Client<K::Transport>>) -> Result<()> {
        match client.and_then(Monitor::start) {
            Ok(link) => {
                self.link = Some(link);
                if let Some(wants) = &mut self.wants {
                    wants.module_came();
                }
                Ok(())
            }
            Err(Error::NotLoaded | Error::Unloaded) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What the keeper uses while it is at the link.
struct Turn<'a> {
    overruns: &'a mut u64,
    wants: &'a mut Option<Wants>,
    report: &'a mut dyn FnMut(Report),
}

impl Turn<'_> {
    /// Takes up and passes on what the kernel told.
    fn listen<T: Transport>(&mut self, link: &mut Monitor<T>) -> Result<()> {
        while let Some(update) = link.next_update()? {
            let changes = match &update {
                Update::Changed(change) => std::slice::from_ref(change),
                Update::Ready(changes) => changes,
                Update::Exists(_) => &[],
                Update::Overrun => {
                    *self.overruns += 1;
                    &[]
                }
            };
            if let Some(wants) = self.wants {
                changes.iter().for_each(|change| wants.changed(change));
            }
            (self.report)(Report::Update(update));
        }
        Ok(())
    }

    /// Has the next step done.
    fn keep<K: Kernel>(
        &mut self,
        link: &mut Monitor<K::Transport>,
        hand: &mut Hand,
        kernel: &K,
    ) -> Result<()> {
        let Some(wants) = self.wants else {
            return Ok(());
        };
        let present = || link.world().devices().cloned().collect();
        let Some(step) = wants.next_step(&present) else {
            return Ok(());
        };
        let Some(ended) = hand.carry_out(kernel, step.clone()) else {
            wants.takes_long(&step);
            return Ok(());
        };
        let gone = match &step.action {
            Action::Remap { before, .. } => Some(before),
            _ => None,
        };
        // Nothing was heard since it began, so its answer is the newest that there is.
        match &ended.result {
            Ok(device) => {
                gone.into_iter().for_each(|before| link.forget(before));
                link.learn(device.clone());
            }
            Err(failed) if failed.left == Left::Gone => {
                gone.into_iter().for_each(|before| link.forget(before));
            }
            Err(_) => {}
        }
        wants.ended(&ended);
        match ended.result {
            Err(Failed {
                error: error @ (Error::NotLoaded | Error::Unloaded),
                ..
            }) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
