// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The phases of a move, in which the contents of a device go to other drives while it is in use.
//!
//! One rule is behind all of them: a write is acknowledged only when every drive has it that the next boot may take. These
//! drives are called [`Named`]. `tests/host` looks at every state that two writes, the worker, a failure, the program and a crash
//! can lead to.

/// The drives on one side of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Those that the device is on when the move begins.
    Old,
    /// Those that it goes to.
    New,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// What is on the old drives is copied; writes of what has been copied go to both.
    Copying,
    /// All is on both, and every write goes to both.
    InStep,
    /// The program is about to make the configuration name the new drives.
    Settling,
    /// A drive failed, and it is not known yet which one the configuration names: writes wait.
    Undecided,
    /// The device is on the new drives.
    Finished,
    /// The device stays on the old drives.
    Ended,
}

/// The drives that the next boot may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// The old ones.
    pub old: bool,
    /// The new ones.
    pub new: bool,
}

impl Named {
    /// One side alone.
    fn only(side: Side) -> Self {
        Self {
            old: side == Side::Old,
            new: side == Side::New,
        }
    }
}

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// To the drives of one side.
    To(Side),
    /// To both; it ends when both have ended.
    Both,
    /// To none, until it is decided which side stays.
    Wait,
}

/// How the part of a write ended that went to one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// There was none.
    None,
    /// It is there.
    Done,
    /// It failed on a drive that is there.
    Failed,
    /// Its drive is gone.
    Gone,
}

/// What the submitter of a write is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// What its part on this side ended with.
    Status(Side),
    /// Nothing, until it is decided which side stays.
    Nothing,
}

/// Why a change of the phase is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotNow {
    /// It makes no sense in this phase.
    Phase(Phase),
    /// The new drives lack a write.
    NewLacks,
    /// The old drives are gone.
    OldGone,
}

/// A move. All of it changes under one lock, which a completion that saw an error takes before its submitter is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relocation {
    phase: Phase,
    named: Named,
    /// The configuration names the device, so the next boot takes what that says.
    lasting: bool,
    /// A write that went to both is not on the new drives.
    new_lacks: bool,
    old_gone: bool,
}

impl Relocation {
    /// A move that begins, of a device that a configuration names, if it is `lasting`.
    pub fn begin(lasting: bool) -> Self {
        Self {
            phase: Phase::Copying,
            named: Named::only(Side::Old),
            lasting,
            new_lacks: false,
            old_gone: false,
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The drives that the next boot may take.
    pub fn named(&self) -> Named {
        self.named
    }

    /// Whether the new drives have all that was acknowledged, so that they can be named.
    pub fn new_is_whole(&self) -> bool {
        !self.new_lacks && !matches!(self.phase, Phase::Copying | Phase::Ended)
    }

    /// Whether the old drives are there.
    pub fn old_is_there(&self) -> bool {
        !self.old_gone
    }

    /// Where a write goes, of which part `is_copied`.
    pub fn way(&self, is_copied: bool) -> Way {
        match self.phase {
            Phase::Copying if is_copied => Way::Both,
            Phase::Copying | Phase::Ended => Way::To(Side::Old),
            Phase::InStep | Phase::Settling => Way::Both,
            Phase::Undecided => Way::Wait,
            Phase::Finished => Way::To(Side::New),
        }
    }

    /// Where a read goes; none has to wait.
    pub fn read_from(&self) -> Side {
        match self.phase {
            Phase::Finished => Side::New,
            Phase::Undecided if self.old_gone => Side::New,
            _ => Side::Old,
        }
    }

    /// Notes how a write ended, and says what its submitter is told.
    pub fn ended(&mut self, old: Leg, new: Leg) -> Told {
        if self.phase == Phase::Finished {
            return Told::Status(Side::New);
        }
        self.old_gone |= old == Leg::Gone;
        let new_failed = matches!(new, Leg::Failed | Leg::Gone);
        match self.phase {
            // Lost, as without a move.
            Phase::Copying if self.old_gone => self.end(),
            Phase::InStep if old == Leg::Gone => {
                self.new_lacks |= new_failed;
                self.phase = Phase::Undecided;
            }
            Phase::Copying | Phase::InStep if new_failed => self.end(),
            Phase::Settling if new_failed || old == Leg::Gone => {
                self.new_lacks |= new_failed;
                self.phase = Phase::Undecided;
            }
            Phase::Undecided => self.new_lacks |= new_failed,
            _ => {}
        }
        match self.phase {
            Phase::Undecided => Told::Nothing,
            _ => Told::Status(Side::Old),
        }
    }

    /// What the submitter of a write is told that had to wait, now that it is decided; none while it is not. A side that has not
    /// got it is sent it again.
    pub fn decided(&self) -> Option<Side> {
        match self.phase {
            Phase::Finished => Some(Side::New),
            Phase::Ended => Some(Side::Old),
            _ => None,
        }
    }

    /// All has been copied, and the new drives have been flushed.
    pub fn all_is_copied(&mut self) -> Result<(), NotNow> {
        match self.phase {
            Phase::Copying => {
                self.phase = Phase::InStep;
                Ok(())
            }
            phase => Err(NotNow::Phase(phase)),
        }
    }

    /// The program is about to make the configuration name the new drives.
    pub fn settle(&mut self) -> Result<(), NotNow> {
        match self.phase {
            Phase::InStep => {
                self.phase = Phase::Settling;
                self.named = Named {
                    old: true,
                    new: true,
                };
                Ok(())
            }
            phase => Err(NotNow::Phase(phase)),
        }
    }

    /// The device goes on on the new drives, which the configuration names, if it is named at all. Nothing may be in flight.
    pub fn finish(&mut self) -> Result<(), NotNow> {
        match self.phase {
            Phase::Settling | Phase::Undecided => {}
            Phase::InStep if !self.lasting => {}
            phase => return Err(NotNow::Phase(phase)),
        }
        if self.new_lacks {
            return Err(NotNow::NewLacks);
        }
        self.phase = Phase::Finished;
        self.named = Named::only(Side::New);
        Ok(())
    }

    /// The device stays on the old drives, which the configuration names, if it is named at all.
    pub fn cancel(&mut self) -> Result<(), NotNow> {
        match self.phase {
            Phase::Ended | Phase::Finished => Err(NotNow::Phase(self.phase)),
            _ if self.old_gone => Err(NotNow::OldGone),
            _ => {
                self.end();
                Ok(())
            }
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.named = Named::only(Side::Old);
    }
}
