// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the daemon knows of the kernel, also while the module comes and goes. The loop gives it its
//! turns; the sources ask it.

use nix::poll::PollFd;

use crate::{
    client::Client,
    error::{Error, Result},
    model::Device,
    monitor::{Monitor, Update},
    poll::readable,
    transport::{Arrivals, Kernel},
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

    /// A client of the kernel, while the module is loaded.
    pub fn client(&mut self) -> Option<&mut Client<K::Transport>> {
        self.link.as_mut().map(Monitor::client)
    }

    pub(super) fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>) {
        wanted.push(readable(&self.arrivals));
        wanted.extend(self.link.as_ref().map(readable));
    }

    /// Whether it wants another turn before the loop waits.
    pub(super) fn has_work(&self) -> bool {
        self.may_have_come && self.link.is_none()
    }

    /// Takes up what the kernel told. Never waits for something to happen.
    ///
    /// # Errors
    /// What the kernel is asked and does not answer, but for a module that is not there.
    pub fn turn(&mut self) -> Result<()> {
        self.may_have_come |= self.arrivals.take()?;
        if self.link.is_none() && std::mem::take(&mut self.may_have_come) {
            let client = self.kernel.connect_if_loaded();
            self.follow(client)?;
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        match tell(link, &mut self.overruns, &mut self.report) {
            Err(Error::Unloaded | Error::NotLoaded) => {
                self.link = None;
                // It may be back already.
                self.may_have_come = true;
                (self.report)(Report::Waiting);
                Ok(())
            }
            result => result,
        }
    }

    fn follow(&mut self, client: Result<Client<K::Transport>>) -> Result<()> {
        match client.and_then(Monitor::start) {
            Ok(link) => {
                self.link = Some(link);
                Ok(())
            }
            Err(Error::NotLoaded | Error::Unloaded) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Passes on what a monitor has.
fn tell<T: crate::Transport>(
    link: &mut Monitor<T>,
    overruns: &mut u64,
    report: &mut dyn FnMut(Report),
) -> Result<()> {
    while let Some(update) = link.next_update()? {
        *overruns += u64::from(update == Update::Overrun);
        report(Report::Update(update));
    }
    Ok(())
}
