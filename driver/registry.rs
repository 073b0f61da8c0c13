// SPDX-License-Identifier: GPL-2.0-only

//! The devices that there are, and what may be done to them.
//!
//! Changes of different devices have nothing to do with each other: each has its own turn. What they share, names, numbers
//! and claims on drives, is taken first, under `devices`, which is held only to look and to write down: nobody who has it
//! waits for I/O. Whatever may wait for a drive ends with the patience of who asked for it (`kernel_ext/patience.rs`).

mod claims;
mod devices;
mod place;
mod questions;

use crate::{
    device::{Device, DeviceSpec, Turn},
    error::{Refused, TargetError},
    event,
    io::complete::Measured,
    kernel_ext::{
        block::{bdev::DeviceId, hook::Contexts},
        patience::{Patience, timed_out},
        task,
    },
    logic::{extent::Extent, table::DEEPEST},
    table::{NOBODY, Table, TableSpec},
};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use devices::{By, Devices};
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
};
pub(crate) use place::Place;
use place::Unlisted;
use questions::Questions;

/// The devices.
#[pin_data]
pub(crate) struct Registry {
    contexts: Arc<Contexts<Measured>>,
    next_generation: AtomicU64,
    questions: Arc<Questions>,
    #[pin]
    devices: Mutex<Devices>,
}

/// How a request names a device.
pub(crate) struct Key {
    /// By its number or its name.
    pub(crate) name: KeyName,
    /// The generation that it must have.
    pub(crate) generation: Option<u64>,
}

/// By what a request names a device.
pub(crate) enum KeyName {
    /// Its number.
    Id(u32),
    /// Its name.
    Name(CString),
}

impl Key {
    /// By its number.
    pub(crate) fn id(id: u32) -> Self {
        Self {
            name: KeyName::Id(id),
            generation: None,
        }
    }

    /// That device, and no other that takes its number.
    pub(crate) fn exactly(device: &Device) -> Self {
        Self {
            name: KeyName::Id(device.id()),
            generation: Some(device.generation()),
        }
    }

    fn find<'a>(&self, devices: &'a Devices) -> Result<&'a Arc<Device>, Refused> {
        let (by, unknown) = match &self.name {
            KeyName::Id(id) => (By::Id(*id), Refused::UnknownId(*id)),
            KeyName::Name(name) => (By::Name(name), Refused::UnknownName),
        };
        let device = devices.find(by).ok_or(unknown)?;
        match self.generation {
            Some(wanted) if wanted != device.generation() => Err(Refused::Generation {
                wanted,
                generation: device.generation(),
            }),
            _ => Ok(device),
        }
    }
}

/// Gives a device back that was found. If it has been unmapped meanwhile, and nobody else has it, a task of its own waits for
/// the end of it: a command does not wait for the drive of a device that is gone. May sleep.
pub(crate) fn give_back(device: Arc<Device>) {
    if let Some(last) = Arc::into_unique_or_drop(device) {
        let _ = task::spawn(move |_pin| drop(last));
    }
}

/// Why a claim is refused.
enum Found {
    /// The device with this number has that piece.
    Claimed(u32, Extent),
    /// There is no memory to note it.
    NoMemory,
}

/// A device that has just lost a drive, and how many operations were in flight.
pub(crate) struct Lost(pub(crate) Key, pub(crate) u64);

impl Registry {
    /// Without devices.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            contexts: Arc::new(Contexts::new()?, GFP_KERNEL)?,
            next_generation: AtomicU64::new(1),
            questions: Arc::pin_init(Questions::new(), GFP_KERNEL)?,
            devices <- new_mutex!(Devices::new()),
        })
    }

    /// Looks at one device. Sleeps. `ENODEV` if there is none.
    pub(crate) fn with<R>(
        &self,
        key: &Key,
        look: impl FnOnce(&Device) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        look(key.find(&self.devices.lock())?)
    }

    /// The lowest id of a device from `from` on. Sleeps.
    pub(crate) fn next_id(&self, from: u32) -> Option<u32> {
        self.devices.lock().next_id(from)
    }

    /// The most that `measure` gives for a device; 0 without devices. Sleeps.
    pub(crate) fn most(&self, measure: impl Fn(&Device) -> usize) -> usize {
        let devices = self.devices.lock();
        let figures = devices.all().iter().map(|device| measure(device));
        figures.max().unwrap_or(0)
    }

    /// A number that differs once a device came or went; never 0. Sleeps.
    pub(crate) fn version(&self) -> u32 {
        self.devices.lock().version()
    }

    /// Notes that the backing device `drive` is gone, on the next device above number `after` that is on it and does not know
    /// it yet. Sleeps, but waits for no I/O and no change.
    pub(crate) fn lose(&self, drive: DeviceId, after: &mut Option<u32>) -> Option<Lost> {
        let devices = self.devices.lock();
        while let Some(id) = devices.claims.next_on(drive, *after) {
            *after = Some(id);
            let device = devices.find(By::Id(id));
            let lost = device.and_then(|device| Some((device, device.lose(drive)?)));
            if let Some((device, in_flight)) = lost {
                return Some(Lost(Key::exactly(device), in_flight));
            }
        }
        None
    }

    /// A device. Sleeps. `ENODEV` if there is none, `ESTALE` if it has another generation.
    pub(crate) fn find(&self, key: &Key) -> Result<Arc<Device>, Refused> {
        key.find(&self.devices.lock()).cloned()
    }

    /// Makes a device. Sleeps. `tell` tells of it, before anybody can find it; the registry is locked meanwhile.
    pub(crate) fn create(
        self: &Arc<Self>,
        spec: DeviceSpec,
        table: TableSpec,
        tell: impl FnOnce(&Device) + Send + 'static,
        patience: &Patience,
    ) -> Result<Arc<Device>, Refused> {
        let place = Place::take(self, &spec.name)?;
        let read_only = spec.read_only;
        let table = asking(patience, move |asked| {
            Table::open(table, read_only, None, asked)
        })?;
        let table = Arc::new(table, GFP_KERNEL)?;
        let questions = self.questions.clone();
        let claimed = place.claim(&table, patience);
        let question = match claimed.and_then(|()| questions.ask(&table, patience)) {
            Ok(question) => question,
            Err(refused) => {
                close(table, patience);
                return Err(refused);
            }
        };
        let make = move |asked: &AtomicUsize| {
            question.table().ask(None, asked)?;
            drop(question);
            Device::new(spec, table, place).map(Unlisted::new)
        };
        // Who lists the devices sees none that nobody is told of: it is listed while the caller waits for it.
        let made = asking_then(patience, make, move |made| Ok(made?.list(tell)))?;
        match made {
            Ok(device) => {
                check_drives(device.table(), patience);
                Ok(device)
            }
            Err((refused, unlisted)) => {
                let _ = patience.run(move || drop(unlisted));
                Err(refused)
            }
        }
    }

    /// Replaces the table of a device. Sleeps.
    pub(crate) fn retarget(
        &self,
        turn: &Turn<'_>,
        table: TableSpec,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let (old, read_only) = (turn.device().table(), turn.device().opens_read_only());
        let table = asking(patience, move |asked| {
            Table::open(table, read_only, Some(&old), asked)
        })?;
        self.replace(turn, table, read_only, true, patience)
    }

    /// Lets a device take up what its drives have grown by. Sleeps.
    pub(crate) fn resize(&self, turn: &Turn<'_>, patience: &Patience) -> Result<(), Refused> {
        let table = turn.device().table().grown()?;
        let read_only = turn.device().opens_read_only();
        self.replace(turn, table, read_only, false, patience)
    }

    /// Lets a device refuse writes, or not. Sleeps.
    pub(crate) fn set_read_only(
        &self,
        turn: &Turn<'_>,
        read_only: bool,
        patience: &Patience,
    ) -> Result<(), Refused> {
        if !read_only && turn.device().opens_read_only() {
            let old = turn.device().table();
            let table = asking(patience, move |asked| old.writable(asked))?;
            self.replace(turn, table, false, false, patience)?;
        }
        if !read_only {
            turn.device().table().check_writable()?;
        }
        turn.set_read_only(read_only, patience)
    }

    /// Lets new I/O of a device wait, and with `freeze` what stands on it. Sleeps.
    pub(crate) fn suspend(
        &self,
        turn: &Turn<'_>,
        freeze: bool,
        patience: &Patience,
    ) -> Result<(), Refused> {
        self.check_below(turn.device().id())?;
        if freeze {
            self.check_above(turn.device().id())?;
        }
        turn.suspend(freeze, patience)
    }

    /// Refuses to freeze what stands on a device that is suspended itself: it could only end by a time-out.
    fn check_above(&self, id: u32) -> Result<(), Refused> {
        let devices = self.devices.lock();
        for above in devices.all().iter().filter(|above| above.is_suspended()) {
            let below = devices.below(above.id())?;
            if below.contains(&id) {
                return Err(Refused::UnderSuspended(above.id()));
            }
        }
        Ok(())
    }

    fn replace(
        &self,
        turn: &Turn<'_>,
        table: Table,
        read_only: bool,
        other_drives: bool,
        patience: &Patience,
    ) -> Result<(), Refused> {
        let table = Arc::new(table, GFP_KERNEL)?;
        let (device, old) = (turn.device(), turn.device().table());
        if let Err(refused) = self.claim(device.id(), &table, patience) {
            close(table, patience);
            return Err(refused);
        }
        let set = self
            .check_below(device.id())
            .and_then(|()| match other_drives {
                true => {
                    let question = self.questions.clone().ask(&table, patience)?;
                    let disk = device.reference();
                    asking(patience, move |asked| {
                        question.table().ask(Some(&disk), asked)
                    })
                }
                false => Ok(()),
            })
            .and_then(|()| turn.set_table(table.clone(), read_only, patience));
        // One of the two tables is out of use now; if it is the old one, nothing of it is on its way any more.
        let (used, unused) = match set {
            Ok(()) => (table, old),
            Err(_) => (old, table),
        };
        self.devices.lock().claims.remove(device.id(), &unused);
        if set.is_ok() {
            check_drives(used, patience);
        }
        close(unused, patience);
        set
    }

    /// Claims the pieces of a table for a device, which must not come to stand on itself. What a device has that comes or
    /// goes is waited for: it may be free in a moment. Sleeps.
    fn claim(&self, id: u32, table: &Table, patience: &Patience) -> Result<(), Refused> {
        let mut conflict = None;
        let _ = patience.wait(|| {
            let mut devices = self.devices.lock();
            conflict = devices.claims.add(id, table).err();
            match &conflict {
                Some((_, Found::Claimed(other, _))) => devices.find(By::Id(*other)).is_some(),
                _ => true,
            }
        });
        if let Some((number, found)) = conflict {
            return Err(match found {
                Found::NoMemory => ENOMEM.into(),
                Found::Claimed(id, extent) => TargetError::Overlaps {
                    id,
                    offset: extent.offset_bytes(),
                    length: extent.length_bytes(),
                }
                .at(number),
            });
        }
        let mut devices = self.devices.lock();
        let standing = check_standing(&devices, id);
        if standing.is_err() {
            devices.claims.remove(id, table);
        }
        standing
    }

    /// Refuses what would wait for a device below, since it is suspended: that could only end by a time-out.
    fn check_below(&self, id: u32) -> Result<(), Refused> {
        let devices = self.devices.lock();
        let below = devices.below(id)?;
        match below.iter().find(|id| devices.is_suspended(**id)) {
            Some(suspended) => Err(Refused::OnSuspended(*suspended)),
            None => Ok(()),
        }
    }

    /// Takes a device out of the list, so that nobody finds it any more. Sleeps.
    pub(crate) fn remove(&self, turn: &Turn<'_>) {
        self.devices.lock().remove(turn.device());
    }
}

/// Closes the drives of a table that nobody uses. If one does not answer in time, that goes on by itself.
fn close(table: Arc<Table>, patience: &Patience) {
    let _ = patience.run(move || drop(table));
}

/// Tells of the drives of a new table that went before it was there. Who is told may wait for another drive; if that does not
/// answer in time, the rest goes on by itself.
fn check_drives(table: Arc<Table>, patience: &Patience) {
    if table.drives().any(|drive| drive.device().is_going()) {
        let _ = patience.run(move || event::check(&table));
    }
}

/// Whether what a device stands on is neither the device itself, nor more than there can be on each other.
fn check_standing(devices: &Devices, id: u32) -> Result<(), Refused> {
    let below = devices.below(id)?;
    if below.contains(&id) {
        return Err(TargetError::LeadsBack.at(0));
    }
    match devices.height(id)? {
        height if height > DEEPEST => Err(TargetError::TooDeep.at(0)),
        _ => Ok(()),
    }
}

/// Runs what asks drives for something. If one does not answer in time, it goes on by itself, and the refusal says which
/// one it is.
fn asking<T: Send + Unpin + 'static>(
    patience: &Patience,
    ask: impl FnOnce(&AtomicUsize) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    asking_then(patience, ask, |answer| answer)
}

/// The same; what `then` makes of the answer is made only if the caller gets it.
fn asking_then<T: Send + 'static, U: Send + Unpin + 'static>(
    patience: &Patience,
    ask: impl FnOnce(&AtomicUsize) -> Result<T, Refused> + Send + 'static,
    then: impl FnOnce(Result<T, Refused>) -> Result<U, Refused> + Send + 'static,
) -> Result<U, Refused> {
    let asked = Arc::new(AtomicUsize::new(0), GFP_KERNEL)?;
    let progress = asked.clone();
    match patience.run_then(move || ask(&progress), then) {
        Ok(result) => result,
        Err(error) => {
            let number = asked.swap(NOBODY, Ordering::Relaxed);
            match error == timed_out() {
                true => Err(TargetError::NoAnswer.at(number)),
                false => Err(error.into()),
            }
        }
    }
}
