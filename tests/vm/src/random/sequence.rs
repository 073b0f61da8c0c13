// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker does, one step after the other: a matter of the seed and the worker's number alone.

use shunt::{QueueMode, StatsMode};

use super::order::{Order, Verb};
use super::place::PLACES;
use super::{LEVELS, STACKS, WORKERS};

/// Numbers that have little to do with each other.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed and of whoever uses them.
    pub(crate) fn new(seed: u64, user: u64) -> Self {
        let mut random = Self(seed ^ user.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Whether something happens that does so once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// A command to a stack.
    Order(usize, Order),
    /// Has the data of a stack brought to a place: suspend, copy, retarget, resume.
    Move(usize, usize),
    /// The data of a stack come to a drive that grows, and the device is to take that up.
    Grow(usize),
    /// A drive of a stack fails for so many ms.
    Fail(usize, Failure, u64),
    /// Lets so many ms pass.
    Wait(u64),
}

/// How a drive fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    /// It answers late.
    Late,
    /// It is torn out.
    Torn,
}

/// Steps of a worker in a round.
const STEPS: usize = 30;

/// Steps of whoever has drives fail in a round.
const FAILURES: usize = 5;

/// How often a verb comes, and how it is made.
type Share = (u64, fn(&mut Random) -> Verb);

/// Verbs, each as often as it is to come among all.
const COMMANDS: &[Share] = &[
    (16, map),
    (4, |_| Verb::Unmap),
    (2, |_| Verb::Force),
    (9, |random| Verb::Suspend {
        freeze: random.once_in(3),
    }),
    (18, |_| Verb::Resume),
    (14, |random| Verb::Retarget(random.below(2) as usize)),
    (5, |_| Verb::Resize),
    (6, |random| Verb::Stats(stats(random))),
    (2, |_| Verb::ReadOnly(true)),
    (6, |_| Verb::ReadOnly(false)),
    (7, |_| Verb::Show),
    (3, |_| Verb::Statistics),
];

fn stats(random: &mut Random) -> StatsMode {
    random.one_of(&[StatsMode::Off, StatsMode::Counters, StatsMode::Full])
}

/// The steps of the worker with this number in the round of this seed. Those from [`WORKERS`] on have drives fail, each those
/// of a stack.
pub(crate) fn steps(seed: u64, worker: usize) -> Vec<Step> {
    let mut random = Random::new(seed, worker as u64);
    match worker.checked_sub(WORKERS) {
        None => {
            let mut steps = first(&mut random, worker);
            steps.extend((0..STEPS).map(|_| command(&mut random)));
            steps
        }
        Some(stack) => (0..FAILURES)
            .flat_map(|_| failure(&mut random, stack))
            .collect(),
    }
}

/// Some workers begin with a whole stack each.
fn first(random: &mut Random, worker: usize) -> Vec<Step> {
    let levels = 0..if worker < STACKS { LEVELS } else { 0 };
    let map = |level| {
        let verb = map(random);
        Step::Order(worker, Order::plain(level, verb))
    };
    levels.map(map).collect()
}

fn map(random: &mut Random) -> Verb {
    Verb::Map {
        queue: random.one_of(&[QueueMode::Bio, QueueMode::Mq]),
        stats: stats(random),
        read_only: random.once_in(20),
    }
}

fn command(random: &mut Random) -> Step {
    let stack = random.below(STACKS as u64) as usize;
    if random.once_in(12) {
        return Step::Wait(random.below(100));
    }
    if random.once_in(8) {
        return Step::Move(stack, random.below(PLACES.len() as u64) as usize);
    }
    let level = random.below(LEVELS as u64) as usize;
    let all = COMMANDS.iter().map(|(share, _)| share).sum();
    let mut number = random.below(all);
    let chosen = COMMANDS.iter().find(|(share, _)| {
        let is_it = number < *share;
        number = number.saturating_sub(*share);
        is_it
    });
    let verb = chosen.map_or(Verb::Show, |(_, make)| make(random));
    let hasty = random.once_in(10);
    match (verb, level) {
        // The lowest device is retargeted to where the data are.
        (Verb::Retarget(_), 0) => Step::Move(stack, random.below(PLACES.len() as u64) as usize),
        _ => Step::Order(stack, Order { level, verb, hasty }),
    }
}

fn failure(random: &mut Random, stack: usize) -> [Step; 2] {
    let pause = Step::Wait(100 + random.below(900));
    let what = match random.below(5) {
        0 | 1 => Step::Fail(stack, Failure::Torn, random.below(300)),
        2 => Step::Grow(stack),
        // Now and then longer than a command waits.
        _ if random.once_in(6) => Step::Fail(stack, Failure::Late, 5500),
        _ => Step::Fail(stack, Failure::Late, random.below(600)),
    };
    [pause, what]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_steps_of_each_worker_and_another_has_others() {
        for worker in 0..WORKERS + STACKS {
            assert_eq!(steps(7, worker), steps(7, worker));
            assert_ne!(steps(7, worker), steps(8, worker));
            assert_ne!(steps(7, worker), steps(7, worker + 1));
        }
    }

    #[test]
    fn every_command_comes() {
        let mut seen = Vec::new();
        for seed in 0..50 {
            for step in steps(seed, 0) {
                if let Step::Order(_, order) = step {
                    seen.push(std::mem::discriminant(&order.verb));
                }
            }
        }
        let of_a_command = |(_, make): &Share| {
            seen.contains(&std::mem::discriminant(&make(&mut Random::new(0, 0))))
        };
        assert!(COMMANDS.iter().all(of_a_command));
    }
}
