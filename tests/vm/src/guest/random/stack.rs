// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stack of devices in the guest: carries out orders, and compares each answer with what it may be.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use shunt::transport::netlink::Netlink;
use shunt::{Client, Device, DeviceChange, DeviceSpec, Error, Selector, TargetSpec};

use super::super::command::attempt;
use super::super::direct::{Buffer, Direct};
use super::drives::Drives;
use super::journal::Journal;
use crate::random::LEVELS;
use crate::random::model;
use crate::random::order::{Answer, Order, Shown, Verb};
use crate::random::place::{Drive, PLACES, Piece, SIZE, STRIPE, needs, pieces};
use crate::random::worlds::Worlds;

/// How long a command waits, usually.
const USUAL: Duration = Duration::from_secs(5);

/// How long a hasty one does.
const HASTY: Duration = Duration::from_millis(10);

/// The path of what is not there.
const MISSING: &str = "/dev/shunt-missing";

/// Held by who maps a device, and shared by who opens one by its number: else it might be another stack's by then.
static NUMBERS: RwLock<()> = RwLock::new(());

/// A process that gives orders.
pub(super) struct Worker<'a> {
    number: usize,
    client: Client<Netlink>,
    journal: &'a Journal,
    /// Why the last order was refused.
    why: String,
}

impl<'a> Worker<'a> {
    /// The one with this number.
    #[track_caller]
    pub(super) fn new(number: usize, journal: &'a Journal) -> Self {
        Self {
            number,
            client: Client::connect().expect("the module is loaded"),
            journal,
            why: String::new(),
        }
    }

    /// An answer, or the error number of a refusal.
    #[track_caller]
    fn answer(&mut self, ended: Result<Answer, Error>) -> Answer {
        ended.unwrap_or_else(|why| {
            self.why = why.to_string();
            match why.errno() {
                Some(errno) => Answer::Refused(errno),
                None => panic!("{why}"),
            }
        })
    }
}

/// A stack.
pub(super) struct Stack<'a> {
    drives: &'a Drives,
    through_dm: bool,
    known: Mutex<Known>,
    /// Number of the place with the data. Whoever holds it has the data stay there, and what is held back stay so.
    home: Mutex<usize>,
}

/// What is known of it.
struct Known {
    worlds: Worlds,
    /// How often the device, or one below, was taken away by force.
    cuts: [u64; LEVELS],
    /// When I/O of a device, and a write, could last fail.
    failing: [[Option<Instant>; 2]; LEVELS],
    /// Since when a device is sure to be read-only.
    read_only: [Option<Instant>; LEVELS],
}

impl<'a> Stack<'a> {
    /// One without devices.
    #[track_caller]
    pub(super) fn on(drives: &'a Drives) -> Self {
        drives.begin();
        let through_dm = drives.stack % 2 == 1;
        Self {
            drives,
            through_dm,
            known: Mutex::new(Known {
                worlds: Worlds::of(model::Stack::new(through_dm)),
                cuts: [0; LEVELS],
                failing: [[None; 2]; LEVELS],
                read_only: [None; LEVELS],
            }),
            home: Mutex::new(0),
        }
    }

    /// Its number.
    pub(super) fn number(&self) -> usize {
        self.drives.stack
    }

    /// Carries out an order; gives its answer, which is one that it may have.
    #[track_caller]
    pub(super) fn order(&self, worker: &mut Worker<'_>, order: Order) -> Answer {
        let stays = match order.verb {
            Verb::Map { .. } | Verb::Unmap | Verb::Grow => true,
            Verb::Resume => order.level == 0,
            _ => false,
        };
        let home = stays.then(|| lock(&self.home));
        let answer = self.judged(worker, order, home.as_deref().copied().unwrap_or(0));
        drop(home);
        if order.verb == Verb::Force && answer == Answer::Done {
            let _home = lock(&self.home);
            // By now there may be another one.
            let gone = worker.client.device(&self.name(order.level)).is_err();
            if gone {
                self.forget(order.level);
            }
        }
        answer
    }

    /// Has the data brought to a place.
    #[track_caller]
    pub(super) fn move_to(&self, worker: &mut Worker<'_>, place: usize) {
        let mut home = lock(&self.home);
        let order = |verb| Order::plain(0, verb);
        if place == *home || self.is_lost(0) {
            self.judged(worker, order(Verb::Retarget(*home)), *home);
            return;
        }
        let suspend = order(Verb::Suspend { freeze: false });
        if !matches!(self.judged(worker, suspend, *home), Answer::Device(_)) {
            return;
        }
        match self.drives.copy(*home, place) {
            Ok(()) => {
                let moved = self.judged(worker, order(Verb::Retarget(place)), *home);
                if matches!(moved, Answer::Device(_)) {
                    let old = std::mem::replace(&mut *home, place);
                    // A drive that is torn out keeps what is on it.
                    if let Err(why) = self.drives.spoil(old) {
                        worker
                            .journal
                            .notes(worker.number, format!("place {old}: {why}"));
                    }
                }
            }
            Err(why) => {
                let line = format!("copy from place {} to {place}: {why}", *home);
                worker.journal.notes(worker.number, line);
            }
        }
        self.judged(worker, order(Verb::Resume), *home);
    }

    /// Has a lost device live again.
    #[track_caller]
    pub(super) fn restore(&self, worker: &mut Worker<'_>, level: usize) {
        let home = lock(&self.home);
        let place = if level == 0 { *home } else { 0 };
        let order = Order::plain(level, Verb::Retarget(place));
        self.judged(worker, order, *home);
    }

    /// Gives back what is between devices.
    #[track_caller]
    pub(super) fn clear(&self) {
        let _home = lock(&self.home);
        for side in 0..2 {
            let name = self.between(side);
            let removed = attempt(&["dmsetup", "remove", "--retry", &name]);
            let gone = !std::path::Path::new(&format!("/dev/mapper/{name}")).exists();
            assert!(gone, "dmsetup remove {name}: {}", removed.stderr.trim());
        }
    }

    /// Opens a device, if it is there and takes writes.
    pub(super) fn open(&self, client: &mut Client<Netlink>, level: usize) -> Option<Direct> {
        let _numbers = NUMBERS.read().unwrap_or_else(PoisonError::into_inner);
        Direct::try_open(&self.path(client, level)?).ok()
    }

    /// The device node of a device, if it is there. Another stack's may have the number once [`NUMBERS`] is let go of.
    fn path(&self, client: &mut Client<Netlink>, level: usize) -> Option<String> {
        let device = client.device(&self.name(level)).ok()?;
        Some(device.path())
    }

    /// The bytes of a block as the drives have it; there are no devices.
    #[track_caller]
    pub(super) fn read_below(&self, block: u64) -> Buffer {
        self.drives.read(*lock(&self.home), block)
    }

    /// How often the device, or one below, has been taken away by force.
    pub(super) fn cuts(&self, level: usize) -> u64 {
        lock(&self.known).cuts[level]
    }

    /// Whether I/O of a device, or a write, could fail at some time since then.
    pub(super) fn might_fail(&self, level: usize, write: bool, since: Instant) -> bool {
        let known = lock(&self.known);
        let last = known.failing[level][usize::from(write)];
        known.worlds.may_fail(level, write) || last.is_some_and(|last| last >= since)
    }

    /// Whether no write of a device could succeed since then.
    pub(super) fn was_read_only(&self, level: usize, since: Instant) -> bool {
        lock(&self.known).read_only[level].is_some_and(|begun| begun < since)
    }

    /// Whether a device needs a repair.
    pub(super) fn is_lost(&self, level: usize) -> bool {
        lock(&self.known).worlds.is_lost(level)
    }

    /// Carries out an order with the data at `home`, and judges its answer.
    #[track_caller]
    fn judged(&self, worker: &mut Worker<'_>, order: Order, home: usize) -> Answer {
        let wait = if order.hasty { HASTY } else { USUAL };
        let line = format!("stack {}: {order}", self.number());
        let mut known = lock(&self.known);
        worker.journal.begins(worker.number, line, wait);
        known.worlds.begin(worker.number, order, home);
        if order.verb == Verb::Force {
            known.cuts[order.level..]
                .iter_mut()
                .for_each(|cuts| *cuts += 1);
        }
        known.note_failing();
        drop(known);

        worker
            .client
            .set_timeout(wait)
            .expect("a socket takes time-outs");
        let answer = self.carry_out(worker, order, home);

        let mut known = lock(&self.known);
        known.note_failing();
        let judged = known.worlds.end(worker.number, &answer);
        known.note_failing();
        let why = std::mem::take(&mut worker.why);
        worker.journal.ended(worker.number, &answer, &why);
        // While nothing is known any more, everybody else waits.
        if let Err(possible) = judged {
            let possible: Vec<String> = possible.iter().map(Answer::to_string).collect();
            panic!(
                "worker {}, stack {}: {order} answered: {answer}; it may answer: {}",
                worker.number,
                self.number(),
                possible.join("; ")
            );
        }
        answer
    }

    #[track_caller]
    fn carry_out(&self, worker: &mut Worker<'_>, order: Order, home: usize) -> Answer {
        let level = order.level;
        let this = self.name(level);
        let client = &mut worker.client;
        let change = |client: &mut Client<Netlink>, change| client.change_device(&this, &change);
        let settings = |stats, read_only| DeviceChange::Settings { stats, read_only };
        let done = match order.verb {
            Verb::Stall => return self.below(Drives::stall),
            Verb::Answer => return self.below(Drives::answer),
            Verb::Tear => return self.below(Drives::tear),
            Verb::Return => return self.below(Drives::bring_back),
            Verb::Grow if needs(home, Drive::Growing) => return self.below(Drives::grow),
            Verb::Grow => return Answer::Done,
            Verb::Map {
                queue,
                stats,
                read_only,
            } => {
                let _numbers = NUMBERS.write().unwrap_or_else(PoisonError::into_inner);
                let is_first = self.is_between(level) && self.path(client, level).is_none();
                if is_first {
                    self.put_between(client);
                }
                self.begin_to_use(level, home);
                let below = level
                    .checked_sub(1)
                    .and_then(|below| self.path(client, below));
                let (targets, stripe) = self.table(level, if level == 0 { home } else { 0 }, below);
                let mapped = client.create_device(&DeviceSpec {
                    queue,
                    stats,
                    read_only,
                    stripe,
                    ..DeviceSpec::new(called(self.number(), level), targets)
                });
                if is_first && mapped.is_err() {
                    self.take_from_between();
                }
                mapped
            }
            Verb::Unmap => {
                let unmapped = client.delete_device(&this);
                if unmapped.is_ok() {
                    self.forget(level);
                }
                return worker.answer(unmapped.map(|()| Answer::Done));
            }
            Verb::Force => {
                let unmapped = client.force_delete_device(&this);
                return worker.answer(unmapped.map(|()| Answer::Done));
            }
            Verb::Statistics => {
                let stats = client.stats(&this);
                return worker.answer(stats.map(|_| Answer::Done));
            }
            Verb::Show => client.device(&this),
            Verb::Suspend { freeze } => change(client, DeviceChange::Suspend { freeze }),
            Verb::Resume => change(client, DeviceChange::Resume),
            Verb::Resize => change(client, DeviceChange::Resize),
            Verb::Stats(mode) => change(client, settings(Some(mode), None)),
            Verb::ReadOnly(read_only) => change(client, settings(None, Some(read_only))),
            Verb::Retarget(place) => {
                let _numbers = NUMBERS.read().unwrap_or_else(PoisonError::into_inner);
                self.begin_to_use(level, place);
                let below = level
                    .checked_sub(1)
                    .and_then(|below| self.path(client, below));
                let (targets, stripe) = self.table(level, place, below);
                change(client, DeviceChange::Retarget { targets, stripe })
            }
        };
        worker.answer(done.map(|device| Answer::Device(self.shown(level, &device))))
    }

    fn name(&self, level: usize) -> Selector {
        Selector::name(called(self.number(), level))
    }

    fn below(&self, happens: impl FnOnce(&Drives)) -> Answer {
        happens(self.drives);
        Answer::Done
    }

    /// A drive that has grown is as long as its piece again before it is used to its end.
    fn begin_to_use(&self, level: usize, place: usize) {
        if level == 0 && needs(place, Drive::Growing) {
            self.drives.shrink();
        }
    }

    /// The table of a device at a place; `below` is the device that it stands on, if that is there.
    fn table(
        &self,
        level: usize,
        place: usize,
        below: Option<String>,
    ) -> (Vec<TargetSpec>, Option<u64>) {
        if level == 0 {
            let target = |piece: Piece| TargetSpec {
                path: self.drives.path(piece.drive),
                offset: piece.offset,
                // The one that grows is to its end.
                length: (piece.drive != Drive::Growing).then_some(piece.length),
                planned: None,
            };
            let stripe = PLACES[place].striped.then_some(STRIPE);
            return (pieces(place).map(target).collect(), stripe);
        }
        let path = match self.is_between(level) {
            true => format!("/dev/mapper/{}", self.between(place)),
            false => below.unwrap_or_else(|| MISSING.to_owned()),
        };
        (vec![TargetSpec::whole(path)], None)
    }

    /// What an answer shows of a device.
    fn shown(&self, level: usize, device: &Device) -> Shown {
        let is_at = |place: &usize| {
            let (targets, stripe) = self.table(level, *place, None);
            let is_target = |(target, wanted): (&shunt::Target, &TargetSpec)| {
                let long = wanted.length.is_none_or(|length| target.length == length);
                target.path == wanted.path && target.offset == wanted.offset && long
            };
            device.stripe == stripe
                && device.targets.len() == targets.len()
                && device.targets.iter().zip(&targets).all(is_target)
                && device.size == SIZE
        };
        let places = match level {
            0 => PLACES.len(),
            _ if self.is_between(level) => 2,
            // What it stands on may have another number by now.
            _ => 0,
        };
        let place = match places {
            0 => Some(0),
            _ => (0..places).find(is_at),
        };
        Shown {
            state: Some(device.state),
            queue: device.queue,
            stats: device.stats,
            read_only: Some(device.read_only),
            place,
        }
    }

    /// A device has gone.
    fn forget(&self, level: usize) {
        if self.is_between(level) {
            self.take_from_between();
        }
    }

    /// Whether dm-linear is below a device.
    fn is_between(&self, level: usize) -> bool {
        self.through_dm && level == 1
    }

    /// Name of what is between the two lower devices, on one of its sides.
    fn between(&self, side: usize) -> String {
        format!("between{}{side}", self.number())
    }

    fn put_between(&self, client: &mut Client<Netlink>) {
        // If they are there, and nothing uses them, they may be of another device.
        self.take_from_between();
        let Some(path) = self.path(client, 0) else {
            return;
        };
        let table = format!("0 {} linear {path} 0", SIZE / 512);
        for side in 0..2 {
            // If it cannot be made, it is not there.
            attempt(&["dmsetup", "create", &self.between(side), "--table", &table]);
        }
    }

    fn take_from_between(&self) {
        for side in 0..2 {
            // Whoever uses it keeps it.
            attempt(&["dmsetup", "remove", &self.between(side)]);
        }
    }
}

impl Known {
    /// To be called before and after each change of what is known.
    fn note_failing(&mut self) {
        for (level, failing) in self.failing.iter_mut().enumerate() {
            for write in [false, true] {
                if self.worlds.may_fail(level, write) {
                    failing[usize::from(write)] = Some(Instant::now());
                }
            }
        }
        for (level, since) in self.read_only.iter_mut().enumerate() {
            *since = match self.worlds.is_read_only(level) {
                true => since.or_else(|| Some(Instant::now())),
                false => None,
            };
        }
    }
}

/// The name of a device of a stack.
pub(super) fn called(stack: usize, level: usize) -> String {
    format!("random{stack}{level}")
}

/// Whoever panics ends the program.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
