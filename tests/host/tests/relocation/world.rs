// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device of three blocks that moves, and all that can happen next.

use shunt_logic::relocation::{Leg, Phase, Relocation, Side, Told, Way};

const BLOCKS: usize = 3;

/// The head is copied last, so that a move that breaks off leaves no drive that looks like a file system.
const ORDER: [usize; BLOCKS] = [1, 2, 0];
const HEAD: usize = 0;

/// What a block holds that was zeroed; before any write blocks hold [`BEFORE`], after write N they hold N + 1.
const ZEROED: u8 = 9;
const BEFORE: u8 = 0;

/// What fails, once, at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Break {
    Nothing,
    /// The new drive takes no more writes.
    New,
    /// The old drive is gone.
    Old,
}

impl Break {
    pub(crate) const ALL: [Self; 3] = [Self::Nothing, Self::New, Self::Old];
}

/// What an implementation could do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A window is read while a write that touches it is in flight.
    ReadAtOnce,
    /// A write goes into a closed window.
    PassWindow,
    /// Two writes of a block go to both drives at once.
    PassWrite,
    /// A write is acknowledged before it is noted that the new drive failed it.
    TellFirst,
    /// The configuration is renamed before the kernel knows.
    RenameFirst,
    /// The head of the old drive is zeroed before the configuration names the new one.
    HideFirst,
    /// I/O goes on before the head of the old drive is zeroed.
    HideLate,
    /// The head is copied first.
    HeadFirst,
    /// A write of what has been copied goes to the old drive alone.
    OldAlone,
}

impl Mistake {
    pub(crate) const ALL: [Self; 9] = [
        Self::ReadAtOnce,
        Self::PassWindow,
        Self::PassWrite,
        Self::TellFirst,
        Self::RenameFirst,
        Self::HideFirst,
        Self::HideLate,
        Self::HeadFirst,
        Self::OldAlone,
    ];
}

/// Takes up what can happen next: a step, and what it changes.
type Next<'a> = dyn FnMut(&'static str, &dyn Fn(&mut World)) + 'a;

/// The part of a write that goes to one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Pending,
    Ended(Leg),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    NotYet,
    Held,
    Sent {
        old: Part,
        new: Part,
    },
    /// It ended, and nobody is told yet.
    Parked {
        old: Leg,
        new: Leg,
    },
    Told {
        ok: bool,
    },
}

/// The part of the device that is just being copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Window {
    Open,
    Closed,
    Read(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    relocation: Relocation,
    blocks: [usize; 2],
    stages: [Stage; 2],
    /// Whether the one write was acknowledged before the other was submitted.
    in_row: [bool; 2],
    old: [u8; BLOCKS],
    new: [u8; BLOCKS],
    order: [usize; BLOCKS],
    copied: usize,
    window: Window,
    /// What the configuration names.
    file: Side,
    /// New I/O waits, and what was in flight has ended.
    frozen: bool,
    breaks: Break,
    is_broken: bool,
}

impl World {
    /// A move that begins, with writes of these blocks to come.
    pub(crate) fn new(blocks: [usize; 2], breaks: Break) -> Self {
        Self {
            relocation: Relocation::begin(true),
            blocks,
            stages: [Stage::NotYet; 2],
            in_row: [false; 2],
            old: [BEFORE; BLOCKS],
            new: [BEFORE + ZEROED; BLOCKS],
            order: ORDER,
            copied: 0,
            window: Window::Open,
            file: Side::Old,
            frozen: false,
            breaks,
            is_broken: false,
        }
    }

    fn drive(&self, side: Side) -> &[u8; BLOCKS] {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    fn fails(&self, side: Side) -> Option<Leg> {
        match (self.breaks, side) {
            (Break::New, Side::New) if self.is_broken => Some(Leg::Failed),
            (Break::Old, Side::Old) if self.is_broken => Some(Leg::Gone),
            _ => None,
        }
    }

    /// Whether a block may hold this: what it holds is not older than a write that was acknowledged.
    fn is_stale(&self, block: usize, value: u8) -> bool {
        (0..2).any(|write| {
            let acknowledged = self.stages[write] == Stage::Told { ok: true };
            let is_later = match value {
                _ if value == write as u8 + 1 => false,
                BEFORE | ZEROED => true,
                // The other one: older only if it was over before this one began.
                _ => self.in_row[1 - write],
            };
            acknowledged && self.blocks[write] == block && is_later
        })
    }

    /// What must never be; `is_end` if nothing can happen any more.
    pub(crate) fn check(&self, is_end: bool) -> Result<(), &'static str> {
        let phase = self.relocation.phase();
        let named = self.relocation.named();
        for (side, is_named) in [(Side::Old, named.old), (Side::New, named.new)] {
            // A drive that is gone has nothing to boot from, and says so.
            if self.fails(side) == Some(Leg::Gone) {
                continue;
            }
            let drive = self.drive(side);
            let lacks = (0..BLOCKS).any(|block| self.is_stale(block, drive[block]));
            if is_named && lacks {
                return Err("a drive that is named lacks what was acknowledged");
            }
            if self.file == side && (lacks || drive.contains(&ZEROED)) {
                return Err("the next boot lacks something");
            }
        }
        let has_head = |drive: &[u8; BLOCKS]| drive[HEAD] != ZEROED;
        if phase == Phase::Copying && self.copied < BLOCKS && has_head(&self.new) {
            return Err("a copy that is not complete has a head");
        }
        let is_alone = phase == Phase::Finished && !self.frozen;
        if is_alone && self.fails(Side::Old).is_none() && has_head(&self.old) {
            return Err("the old drive still looks like the device");
        }
        let is_quiet = self
            .stages
            .iter()
            .all(|stage| matches!(stage, Stage::NotYet | Stage::Told { .. }));
        let is_in_step = matches!(phase, Phase::InStep | Phase::Settling);
        if is_quiet && is_in_step && !self.is_broken && self.old != self.new {
            return Err("the drives differ");
        }
        let is_stuck = self
            .stages
            .iter()
            .any(|stage| !matches!(stage, Stage::Told { .. }));
        if is_end && is_stuck {
            return Err("a write never ends");
        }
        Ok(())
    }

    /// Everything that can happen next.
    pub(crate) fn steps(&self, mistake: Option<Mistake>) -> Vec<(&'static str, Self)> {
        let mut next = Vec::new();
        let mut add = |step: &'static str, change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            next.push((step, world));
        };
        if !self.is_broken && self.breaks != Break::Nothing {
            add("a drive breaks", &|world| world.is_broken = true);
        }
        for write in 0..2 {
            let name = ["first", "second"][write];
            match self.stages[write] {
                Stage::NotYet => add(name, &|world| {
                    world.in_row[1 - write] = world.stages[1 - write] == Stage::Told { ok: true };
                    world.stages[write] = Stage::Held;
                }),
                Stage::Held => {
                    if let Some(stage) = self.enter(write, mistake) {
                        add(name, &|world| world.stages[write] = stage);
                    }
                }
                Stage::Sent { old, new } => self.go_on(write, old, new, mistake, &mut add),
                Stage::Parked { old, new } => {
                    let leg = self.relocation.decided().map(|side| match side {
                        Side::Old => old,
                        Side::New => new,
                    });
                    match leg {
                        Some(leg) => add(name, &|world| {
                            world.stages[write] = Stage::Told {
                                ok: leg == Leg::Done,
                            };
                        }),
                        // The time is over.
                        None => add(name, &|world| {
                            world.stages[write] = Stage::Told { ok: false }
                        }),
                    }
                }
                Stage::Told { .. } => {}
            }
        }
        self.copy(mistake, &mut add);
        self.decide(mistake, &mut add);
        next
    }

    /// Where a write goes that is submitted, or was held; none while it waits.
    fn enter(&self, write: usize, mistake: Option<Mistake>) -> Option<Stage> {
        let block = self.blocks[write];
        let is_closed = self.window != Window::Open && self.order[self.copied] == block;
        if self.frozen || is_closed && mistake != Some(Mistake::PassWindow) {
            return None;
        }
        let other = self.stages[1 - write];
        let goes_to_both = matches!(other, Stage::Sent { old, new } if old != Part::Ended(Leg::None) && new != Part::Ended(Leg::None));
        let overlaps = self.blocks[1 - write] == block && goes_to_both;
        if overlaps && mistake != Some(Mistake::PassWrite) {
            return None;
        }
        let is_copied = self.order[..self.copied].contains(&block);
        let (pending, none) = (Part::Pending, Part::Ended(Leg::None));
        let (old, new) = match self.relocation.way(is_copied) {
            Way::Both if mistake == Some(Mistake::OldAlone) => (pending, none),
            Way::Both => (pending, pending),
            Way::To(Side::Old) => (pending, none),
            Way::To(Side::New) => (none, pending),
            // Its time is over, or it is decided.
            Way::Wait => return Some(Stage::Told { ok: false }),
        };
        Some(Stage::Sent { old, new })
    }

    /// The parts of a write end, in any order, and then itself.
    fn go_on(
        &self,
        write: usize,
        old: Part,
        new: Part,
        mistake: Option<Mistake>,
        add: &mut Next<'_>,
    ) {
        let (block, value) = (self.blocks[write], write as u8 + 1);
        if old == Part::Pending {
            let leg = self.fails(Side::Old).unwrap_or(Leg::Done);
            add("old has it", &|world| {
                if leg == Leg::Done {
                    world.old[block] = value;
                }
                world.stages[write] = Stage::Sent {
                    old: Part::Ended(leg),
                    new,
                };
            });
        }
        if new == Part::Pending {
            let leg = self.fails(Side::New).unwrap_or(Leg::Done);
            // What failed may be there all the same.
            for is_there in [leg == Leg::Done, true] {
                add("new has it", &|world| {
                    if is_there {
                        world.new[block] = value;
                    }
                    world.stages[write] = Stage::Sent {
                        old,
                        new: Part::Ended(leg),
                    };
                });
            }
        }
        if let (Part::Ended(old), Part::Ended(new)) = (old, new) {
            add("it ends", &|world| {
                let told = match mistake {
                    Some(Mistake::TellFirst) => Told::Status(Side::Old),
                    _ => world.relocation.ended(old, new),
                };
                world.break_off();
                world.stages[write] = match told {
                    Told::Status(Side::Old) => Stage::Told {
                        ok: old == Leg::Done,
                    },
                    Told::Status(Side::New) => Stage::Told {
                        ok: new == Leg::Done,
                    },
                    Told::Nothing => Stage::Parked { old, new },
                };
            });
        }
    }

    /// A move that has ended leaves no head on the new drive.
    fn break_off(&mut self) {
        if self.relocation.phase() == Phase::Ended {
            self.window = Window::Open;
            self.new[HEAD] = ZEROED;
        }
    }

    /// The worker closes a window, waits, reads, writes and opens it.
    fn copy(&self, mistake: Option<Mistake>, add: &mut Next<'_>) {
        if self.relocation.phase() != Phase::Copying {
            return;
        }
        let Some(&block) = self.order.get(self.copied) else {
            add("all is copied", &|world| {
                let _ = world.relocation.all_is_copied();
            });
            return;
        };
        let touches = |write: usize| {
            self.blocks[write] == block && matches!(self.stages[write], Stage::Sent { .. })
        };
        let end = |world: &mut Self| {
            let _ = world.relocation.cancel();
            world.break_off();
        };
        match self.window {
            Window::Open => add("a window closes", &|world| {
                if mistake == Some(Mistake::HeadFirst) {
                    world.order = [0, 1, 2];
                }
                world.window = Window::Closed;
            }),
            Window::Closed if self.fails(Side::Old).is_some() => {}
            Window::Closed if (0..2).any(touches) && mistake != Some(Mistake::ReadAtOnce) => {}
            Window::Closed => add("it is read", &|world| {
                world.window = Window::Read(world.old[block])
            }),
            Window::Read(_) if self.fails(Side::New).is_some() => add("it cannot be written", &end),
            Window::Read(value) => add("it is written", &|world| {
                world.new[block] = value;
                world.copied += 1;
                world.window = Window::Open;
            }),
        }
    }

    /// The program settles, renames and finishes, or cancels; each of it may come late or never.
    fn decide(&self, mistake: Option<Mistake>, add: &mut Next<'_>) {
        let phase = self.relocation.phase();
        let is_drained = !self
            .stages
            .iter()
            .any(|stage| matches!(stage, Stage::Sent { .. }));
        if phase == Phase::InStep {
            add("settle", &|world| {
                let _ = world.relocation.settle();
            });
        }
        let renames = match phase {
            Phase::Settling => true,
            Phase::InStep => mistake == Some(Mistake::RenameFirst),
            // Who finds the old drives gone names the others.
            Phase::Undecided => !self.relocation.old_is_there() && self.relocation.new_is_whole(),
            _ => false,
        };
        if renames && self.file == Side::Old {
            add("the file names new", &|world| world.file = Side::New);
        }
        // New I/O waits from here on, until the old head is gone.
        let may_finish = self.file == Side::New && is_drained;
        if may_finish && self.relocation.clone().finish().is_ok() {
            add("finish", &|world| {
                let _ = world.relocation.finish();
                world.frozen = true;
            });
        }
        let is_time = match mistake {
            Some(Mistake::HideFirst) => phase == Phase::Settling,
            Some(Mistake::HideLate) => phase == Phase::Finished,
            _ => self.frozen,
        };
        if is_time && self.old[HEAD] != ZEROED {
            add("the old head is zeroed", &|world| world.old[HEAD] = ZEROED);
        }
        let is_hidden = self.old[HEAD] == ZEROED || mistake == Some(Mistake::HideLate);
        if self.frozen && (is_hidden || self.fails(Side::Old).is_some()) {
            add("thaw", &|world| world.frozen = false);
        }
        if !self.frozen && self.relocation.old_is_there() {
            if self.file == Side::New && phase != Phase::Finished {
                add("the file names old", &|world| world.file = Side::Old);
            }
            if self.file == Side::Old && is_drained {
                add("cancel", &|world| {
                    if world.relocation.cancel().is_ok() {
                        world.break_off();
                    }
                });
            }
        }
    }
}
