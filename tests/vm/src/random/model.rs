// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stack as it is known to be, and what each order may answer and leave then.

use nix::errno::Errno;
use shunt::{QueueMode, State, StatsMode};

use super::LEVELS;
use super::order::{Answer, Order, Shown, Verb};
use super::place::{Drive, needs};

/// What a device can say that cannot use what is below it.
const UNUSABLE: [Errno; 6] = [
    Errno::EIO,
    // What is gone has no size.
    Errno::ERANGE,
    Errno::ENXIO,
    Errno::ENODEV,
    Errno::ENOENT,
    Errno::ETIMEDOUT,
];

/// What refuses writes is refused as a target, or a drive to write to.
const READ_ONLY: [Errno; 3] = [Errno::EACCES, Errno::EROFS, Errno::EPERM];

/// Whether the drives of a device are there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Health {
    Live,
    Lost,
    /// Who is below is gone or lost; it may not have been told, as by dm.
    Unknown,
}

/// A device of a stack.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Device {
    queue: QueueMode,
    stats: StatsMode,
    read_only: bool,
    /// Whether its drives are open for reading alone.
    opened_read_only: bool,
    suspended: bool,
    place: usize,
    health: Health,
    /// Whether what it stands on was taken away by force, so that it holds nothing below.
    cut: bool,
}

/// A stack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stack {
    /// Whether dm-linear is between the two lower devices.
    through_dm: bool,
    devices: [Option<Device>; LEVELS],
    /// Whether something may be left of a device that was unmapped by force, or of one that was not mapped in time.
    left: [bool; LEVELS],
    /// Whether the drive that is late does not answer.
    stalled: bool,
    /// Whether the drive that can be torn out is out.
    torn: bool,
}

/// What else is going on while an order is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside {
    /// Whether the device is being unmapped by force.
    pub(crate) forced: bool,
    /// Whether a device below is.
    pub(crate) cut: bool,
    /// Whether a drive is being torn out.
    pub(crate) torn: bool,
}

/// What an order may answer, and the stack after it.
pub(crate) type Outcomes = Vec<(Answer, Stack)>;

impl Stack {
    /// Without devices.
    pub(crate) fn new(through_dm: bool) -> Self {
        Self {
            through_dm,
            devices: [None; LEVELS],
            left: [false; LEVELS],
            stalled: false,
            torn: false,
        }
    }

    /// What may come of an order; `home` is the place with the data.
    pub(crate) fn outcomes(&self, order: &Order, home: usize, beside: Beside) -> Outcomes {
        let level = order.level;
        let mut of = Outcome {
            stack: self,
            level,
            beside,
            outcomes: Vec::new(),
        };
        match order.verb {
            Verb::Stall | Verb::Answer => {
                of.becomes(Answer::Done, |stack| {
                    stack.stalled = order.verb == Verb::Stall;
                });
                return of.outcomes;
            }
            Verb::Tear => {
                of.becomes(Answer::Done, Self::tear);
                return of.outcomes;
            }
            Verb::Return => {
                of.becomes(Answer::Done, |stack| stack.torn = false);
                return of.outcomes;
            }
            Verb::Grow => {
                of.becomes(Answer::Done, |_| {});
                return of.outcomes;
            }
            Verb::Map {
                queue,
                stats,
                read_only,
            } => {
                let device = Device {
                    queue,
                    stats,
                    read_only,
                    opened_read_only: read_only,
                    suspended: false,
                    place: if level == 0 { home } else { 0 },
                    health: Health::Live,
                    cut: false,
                };
                self.map(&mut of, device);
            }
            _ => match &self.devices[level] {
                None => {
                    of.refused(&[Errno::ENODEV]);
                    if let Verb::Retarget(_) = order.verb {
                        // The sender opens the drives first.
                        of.refused(&[Errno::ENOENT, Errno::ENXIO]);
                    }
                    return of.outcomes;
                }
                Some(device) => self.change(&mut of, *device, order.verb),
            },
        }
        if beside.forced {
            of.refused(&[Errno::ECANCELED, Errno::ENODEV]);
        }
        if !matches!(order.verb, Verb::Show | Verb::Statistics)
            && (order.hasty || self.is_blocked(level))
        {
            of.refused(&[Errno::ETIMEDOUT]);
        }
        if let Verb::Map { .. } = order.verb {
            // It goes on by itself until its drive answers, and keeps its name so long.
            let timed_out = Answer::Refused(Errno::ETIMEDOUT as i32);
            let outcomes = of.outcomes.iter_mut();
            outcomes
                .filter(|(answer, _)| *answer == timed_out)
                .for_each(|(_, stack)| stack.left[level] = true);
        }
        of.outcomes
    }

    fn map(&self, of: &mut Outcome<'_>, device: Device) {
        let level = of.level;
        let mut may = true;
        if self.devices[level].is_some() {
            of.refused(&[Errno::EEXIST]);
            may = false;
        }
        if self.left[level] {
            of.refused(&[Errno::EBUSY, Errno::EEXIST]);
            of.refused(&UNUSABLE);
        }
        may &= self.can_stand(of, device.place, device.read_only, true);
        if may {
            of.shows(|stack| {
                stack.devices[level] = Some(Device {
                    health: stack.health_at(level, device.place),
                    cut: stack.is_below_gone(level),
                    ..device
                });
                stack.left[level] = false;
            });
        }
    }

    /// Notes why a device could not use what is below it; whether it may all the same.
    fn can_stand(&self, of: &mut Outcome<'_>, place: usize, read_only: bool, is_new: bool) -> bool {
        let level = of.level;
        if level == 0 {
            let missing = self.torn && needs(place, Drive::Null);
            if missing {
                of.refused(&UNUSABLE);
            }
            // It may have been opened before.
            return !missing || of.beside.torn;
        }
        let mut may = true;
        match self.devices[level - 1] {
            None => {
                of.refused(&UNUSABLE);
                // It may have been opened before.
                may = of.beside.cut || !is_new && self.is_through_dm(level);
            }
            Some(below) if below.read_only && !read_only => of.refused(&READ_ONLY),
            Some(_) => {}
        }
        if self.is_broken_below(level) {
            of.refused(&UNUSABLE);
        }
        may & self.is_below_live(of)
    }

    /// Notes that what is below is suspended; whether that can pass unseen.
    fn is_below_live(&self, of: &mut Outcome<'_>) -> bool {
        let suspended = |device: &Option<Device>| device.is_some_and(|device| device.suspended);
        let below = &self.devices[..of.level];
        if below.iter().any(suspended) {
            of.refused(&[Errno::EBUSY, Errno::ETIMEDOUT]);
        }
        let cut = self.devices[of.level].is_some_and(|device| device.cut);
        cut || self.is_through_dm(of.level) || !below.last().is_some_and(suspended)
    }

    fn change(&self, of: &mut Outcome<'_>, device: Device, verb: Verb) {
        let level = of.level;
        match verb {
            Verb::Unmap => {
                // Who does I/O may have it open.
                of.refused(&[Errno::EBUSY]);
                if !self.is_held(level) {
                    of.becomes(Answer::Done, |stack| stack.devices[level] = None);
                }
            }
            Verb::Force => of.becomes(Answer::Done, |stack| stack.force(level)),
            Verb::Suspend { freeze } => {
                let may = self.is_below_live(of);
                if freeze
                    && (device.suspended || self.devices[level + 1..].iter().any(Option::is_some))
                {
                    of.refused(&[Errno::EBUSY]);
                }
                if freeze && self.is_broken(level) {
                    of.refused(&UNUSABLE);
                }
                if may {
                    of.device(|device| device.suspended = true);
                }
            }
            Verb::Resume => of.device(|device| device.suspended = false),
            Verb::Retarget(place) => {
                if self.can_stand(of, place, device.opened_read_only, false) {
                    of.shows(|stack| {
                        let (health, cut) =
                            (stack.health_at(level, place), stack.is_below_gone(level));
                        if let Some(device) = &mut stack.devices[level] {
                            device.health = health;
                            device.cut = cut;
                            if level == 0 || stack.through_dm && level == 1 {
                                device.place = place;
                            }
                        }
                    });
                }
            }
            Verb::Resize => {
                if self.is_broken(level) {
                    of.refused(&UNUSABLE);
                }
                if self.is_below_live(of) {
                    of.device(|_| {});
                }
            }
            Verb::Stats(mode) => of.device(|device| device.stats = mode),
            Verb::ReadOnly(true) => of.device(|device| device.read_only = true),
            Verb::ReadOnly(false) => {
                let below = level.checked_sub(1).and_then(|below| self.devices[below]);
                if below.is_some_and(|below| below.read_only) {
                    of.refused(&READ_ONLY);
                }
                let mut may = true;
                if device.opened_read_only {
                    may = self.is_below_live(of);
                    if self.is_broken(level) {
                        of.refused(&UNUSABLE);
                    }
                }
                if may {
                    of.device(|device| {
                        device.read_only = false;
                        device.opened_read_only = false;
                    });
                }
            }
            Verb::Show => of.device(|_| {}),
            Verb::Statistics => of.becomes(Answer::Done, |_| {}),
            Verb::Map { .. }
            | Verb::Stall
            | Verb::Answer
            | Verb::Tear
            | Verb::Return
            | Verb::Grow => {}
        }
    }

    /// The devices that are on the drive lose it.
    fn tear(&mut self) {
        self.torn = true;
        if !self.can_be_torn() {
            return;
        }
        for (level, device) in self.devices.iter_mut().enumerate() {
            let Some(device) = device else { continue };
            device.health = match level {
                0 => Health::Lost,
                _ => Health::Unknown,
            };
        }
    }

    fn force(&mut self, level: usize) {
        self.devices[level] = None;
        self.left[level] = true;
        for (above, device) in self.devices.iter_mut().enumerate().skip(level + 1) {
            let Some(device) = device else { continue };
            device.health = Health::Unknown;
            device.cut |= above == level + 1;
        }
    }

    /// Whether a device has the one of this level open.
    fn is_held(&self, level: usize) -> bool {
        let above = self.devices.get(level + 1).copied().flatten();
        above.is_some_and(|above| !above.cut)
    }

    fn is_through_dm(&self, level: usize) -> bool {
        self.through_dm && level == 1
    }

    /// Whether I/O of a device may wait for something below.
    fn is_blocked(&self, level: usize) -> bool {
        let stalls = |device: Device| self.stalled && needs(device.place, Drive::Late);
        let waits = |device: &Option<Device>| device.is_some_and(|device| device.suspended);
        self.devices[0].is_some_and(stalls) || self.devices[..level].iter().any(waits)
    }

    fn is_broken(&self, level: usize) -> bool {
        let broken = |device: &Option<Device>| {
            device.is_none_or(|device| device.health != Health::Live || device.cut)
        };
        self.devices[..=level].iter().any(broken)
    }

    fn is_broken_below(&self, level: usize) -> bool {
        let cut = self.devices[level].is_some_and(|device| device.cut);
        self.is_through_dm(level) && cut || level > 0 && self.is_broken(level - 1)
    }

    fn is_below_gone(&self, level: usize) -> bool {
        level > 0 && self.devices[level - 1].is_none()
    }

    /// The health of a device that comes to stand at a place.
    fn health_at(&self, level: usize, place: usize) -> Health {
        match level {
            0 if self.torn && needs(place, Drive::Null) => Health::Lost,
            1.. if self.is_broken_below(level) => Health::Unknown,
            _ => Health::Live,
        }
    }

    /// Whether I/O of a device, or a write, may end with an error.
    pub(crate) fn may_fail(&self, level: usize, write: bool) -> bool {
        let read_only = |device: &Option<Device>| device.is_some_and(|device| device.read_only);
        self.is_broken(level) || write && self.devices[..=level].iter().any(read_only)
    }

    /// Whether the lowest device is on the drive that can be torn out.
    pub(crate) fn can_be_torn(&self) -> bool {
        self.devices[0].is_some_and(|device| needs(device.place, Drive::Null))
    }

    /// Whether a device, or one below it, is there and read-only.
    pub(crate) fn is_read_only(&self, level: usize) -> bool {
        let read_only = |device: &Option<Device>| device.is_some_and(|device| device.read_only);
        self.devices[..=level].iter().any(read_only)
    }

    /// Whether a device is there that cannot be used.
    pub(crate) fn is_lost(&self, level: usize) -> bool {
        self.devices[level].is_some() && self.is_broken(level)
    }

    fn shown(&self, level: usize) -> Option<Shown> {
        let device = self.devices[level]?;
        let below_is_read_only = self.devices[..level]
            .iter()
            .any(|below| below.is_none_or(|below| below.read_only));
        Some(Shown {
            state: match device.health {
                Health::Live if device.suspended => Some(State::Suspended),
                Health::Live => Some(State::Live),
                Health::Lost => Some(State::Lost),
                Health::Unknown => None,
            },
            queue: device.queue,
            stats: device.stats,
            read_only: (!below_is_read_only).then_some(device.read_only),
            place: (device.health == Health::Live).then_some(device.place),
        })
    }
}

/// Outcomes of an order, as they are found.
struct Outcome<'a> {
    stack: &'a Stack,
    level: usize,
    beside: Beside,
    outcomes: Outcomes,
}

impl Outcome<'_> {
    fn refused(&mut self, errors: &[Errno]) {
        for errno in errors {
            let refused = (Answer::Refused(*errno as i32), self.stack.clone());
            if !self.outcomes.contains(&refused) {
                self.outcomes.push(refused);
            }
        }
    }

    fn becomes(&mut self, answer: Answer, change: impl FnOnce(&mut Stack)) {
        let mut stack = self.stack.clone();
        change(&mut stack);
        self.outcomes.push((answer, stack));
    }

    /// Answered with the device after a change of the stack.
    fn shows(&mut self, change: impl FnOnce(&mut Stack)) {
        let mut stack = self.stack.clone();
        change(&mut stack);
        if let Some(shown) = stack.shown(self.level) {
            self.outcomes.push((Answer::Device(shown), stack));
        }
    }

    /// Answered with the device after a change of it.
    fn device(&mut self, change: impl FnOnce(&mut Device)) {
        let level = self.level;
        self.shows(|stack| {
            if let Some(device) = &mut stack.devices[level] {
                change(device);
            }
        });
    }
}
