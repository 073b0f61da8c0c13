// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is known of a stack that several processes change at once: all states in which it may be, given what was answered.
//! An order takes effect at one moment between its begin and its end, and nobody knows at which: a world says for each
//! order that goes on whether it has, and with which answer.

use std::collections::BTreeMap;

use super::model::{Beside, Stack};
use super::order::{Answer, Order, Verb};

/// An order that goes on.
#[derive(Clone, Debug, PartialEq)]
struct Pending {
    order: Order,
    /// Where the data are.
    home: usize,
    /// The answer that it will give, once it has taken effect.
    answer: Option<Answer>,
}

/// One state that is possible.
#[derive(Clone, Debug, PartialEq)]
struct World {
    stack: Stack,
    /// By worker.
    pending: BTreeMap<usize, Pending>,
}

/// All that is possible.
#[derive(Debug)]
pub(crate) struct Worlds(Vec<World>);

impl Worlds {
    /// One alone.
    pub(crate) fn of(stack: Stack) -> Self {
        Self(vec![World {
            stack,
            pending: BTreeMap::new(),
        }])
    }

    /// A worker begins an order, with the data at `home`.
    pub(crate) fn begin(&mut self, worker: usize, order: Order, home: usize) {
        for world in &mut self.0 {
            let pending = Pending {
                order,
                home,
                answer: None,
            };
            world.pending.insert(worker, pending);
        }
    }

    /// The order of a worker has ended so.
    ///
    /// # Errors
    /// The answers that it could have, if this is none of them; then nothing is known any more.
    pub(crate) fn end(&mut self, worker: usize, answer: &Answer) -> Result<(), Vec<Answer>> {
        let mut possible = Vec::new();
        let mut next: Vec<World> = Vec::new();
        let mut left = std::mem::take(&mut self.0);
        let mut seen = left.clone();
        while let Some(world) = left.pop() {
            if let Some(expected) = world.pending.get(&worker).and_then(|order| order.answer) {
                if !possible.contains(&expected) {
                    possible.push(expected);
                }
                if answer.fits(&expected) {
                    let mut world = world;
                    world.pending.remove(&worker);
                    if !next.contains(&world) {
                        next.push(world);
                    }
                }
                continue;
            }
            for world in world.after_one_more() {
                if !seen.contains(&world) {
                    seen.push(world.clone());
                    left.push(world);
                }
            }
        }
        self.0 = next;
        match self.0.is_empty() {
            true => Err(possible),
            false => Ok(()),
        }
    }

    /// Whether I/O of a device, or a write, may end with an error.
    pub(crate) fn may_fail(&self, level: usize, write: bool) -> bool {
        self.0.iter().any(|world| {
            world.stack.may_fail(level, write)
                || world.pending.values().any(|pending| {
                    let order = pending.order;
                    match order.verb {
                        Verb::Force => order.level <= level,
                        Verb::ReadOnly(_) | Verb::Map { .. } => write && order.level <= level,
                        Verb::Tear => world.stack.can_be_torn(),
                        _ => false,
                    }
                })
        })
    }

    /// Whether a device is sure to take no write.
    pub(crate) fn is_read_only(&self, level: usize) -> bool {
        self.0.iter().all(|world| {
            let mut pending = world.pending.values().map(|pending| pending.order);
            world.stack.is_read_only(level)
                && !pending.any(|order| order.level <= level && order.verb == Verb::ReadOnly(false))
        })
    }

    /// Whether a device is there that needs a repair.
    pub(crate) fn is_lost(&self, level: usize) -> bool {
        self.0.iter().any(|world| world.stack.is_lost(level))
    }
}

impl World {
    /// What it can become by one more order that takes effect.
    fn after_one_more(&self) -> Vec<Self> {
        let mut after = Vec::new();
        for (worker, pending) in &self.pending {
            if pending.answer.is_some() {
                continue;
            }
            let order = pending.order;
            let others = || self.pending.values().map(|other| other.order);
            let forces = |other: &Order| other.verb == Verb::Force;
            let beside = Beside {
                forced: others().any(|other| forces(&other) && other.level == order.level),
                cut: others().any(|other| forces(&other) && other.level < order.level),
                torn: others().any(|other| other.verb == Verb::Tear),
            };
            let outcomes = self.stack.outcomes(&order, pending.home, beside);
            for (answer, stack) in outcomes {
                let mut world = self.clone();
                world.stack = stack;
                if let Some(pending) = world.pending.get_mut(worker) {
                    pending.answer = Some(answer);
                }
                after.push(world);
            }
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use shunt::{QueueMode, State, StatsMode};

    use super::super::order::Shown;
    use super::*;

    const MAP: Verb = Verb::Map {
        queue: QueueMode::Bio,
        stats: StatsMode::Full,
        read_only: false,
    };

    fn shown(state: State) -> Answer {
        Answer::Device(Shown {
            state: Some(state),
            queue: QueueMode::Bio,
            stats: StatsMode::Full,
            read_only: Some(false),
            place: Some(0),
        })
    }

    fn refused(errno: Errno) -> Answer {
        Answer::Refused(errno as i32)
    }

    /// A stack in which one order after the other was answered so.
    fn after(answered: &[(usize, Verb, Answer)]) -> Worlds {
        let mut worlds = Worlds::of(Stack::new(false));
        for (level, verb, answer) in answered {
            worlds.begin(0, Order::plain(*level, *verb), 0);
            worlds.end(0, answer).expect("it is as expected");
        }
        worlds
    }

    fn live() -> Worlds {
        after(&[(0, MAP, shown(State::Live)), (1, MAP, shown(State::Live))])
    }

    #[track_caller]
    fn answers(worlds: &mut Worlds, level: usize, verb: Verb, answer: &Answer) {
        worlds.begin(0, Order::plain(level, verb), 0);
        worlds.end(0, answer).expect("it may answer so");
    }

    #[track_caller]
    fn never(mut worlds: Worlds, level: usize, verb: Verb, answer: &Answer) {
        worlds.begin(0, Order::plain(level, verb), 0);
        worlds.end(0, answer).expect_err("it may not answer so");
    }

    #[test]
    fn one_order_after_the_other_has_one_state() {
        let suspend = Verb::Suspend { freeze: false };
        let mut worlds = live();
        answers(&mut worlds, 1, suspend, &shown(State::Suspended));
        assert_eq!(worlds.0.len(), 1);
        never(worlds, 1, Verb::Show, &shown(State::Live));
    }

    #[test]
    fn what_is_held_is_not_unmapped_and_what_is_not_there_is_not_changed() {
        never(live(), 0, Verb::Unmap, &Answer::Done);
        never(live(), 2, Verb::Resume, &shown(State::Live));
        let mut worlds = live();
        answers(&mut worlds, 0, Verb::Unmap, &refused(Errno::EBUSY));
        answers(&mut worlds, 2, Verb::Resume, &refused(Errno::ENODEV));
        answers(&mut worlds, 1, Verb::Unmap, &Answer::Done);
        answers(&mut worlds, 0, Verb::Unmap, &Answer::Done);
    }

    #[test]
    fn a_change_that_nothing_holds_up_does_not_run_out_of_time() {
        let suspend = Verb::Suspend { freeze: false };
        never(live(), 1, suspend, &refused(Errno::ETIMEDOUT));
        let mut worlds = live();
        answers(&mut worlds, 0, suspend, &shown(State::Suspended));
        never(worlds, 1, Verb::Retarget(0), &shown(State::Live));
    }

    #[test]
    fn orders_at_the_same_time_take_effect_in_either_order() {
        let suspend = Verb::Suspend { freeze: false };
        for seen in [State::Live, State::Suspended] {
            let mut worlds = live();
            worlds.begin(0, Order::plain(1, suspend), 0);
            worlds.begin(1, Order::plain(1, Verb::Show), 0);
            worlds.end(1, &shown(seen)).expect("it may have happened");
            worlds.end(0, &shown(State::Suspended)).expect("it has");
            never(worlds, 1, Verb::Show, &shown(State::Live));
        }
    }

    #[test]
    fn io_fails_only_while_it_may() {
        let mut worlds = live();
        assert!(!worlds.may_fail(1, true));
        worlds.begin(1, Order::plain(0, Verb::ReadOnly(true)), 0);
        assert!(worlds.may_fail(1, true) && !worlds.may_fail(1, false));
        let mut worlds = live();
        worlds.begin(0, Order::plain(0, Verb::Force), 0);
        assert!(worlds.may_fail(1, false));
        worlds.end(0, &Answer::Done).expect("it is done");
        assert!(worlds.may_fail(1, false) && worlds.is_lost(1));
    }
}
