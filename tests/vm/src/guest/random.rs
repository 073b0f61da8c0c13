// SPDX-License-Identifier: MIT OR Apache-2.0
//! The random test: rounds in which several processes change two stacks of devices at once, under verified I/O, while drives
//! below fail. `crate::random` says what comes and what it may answer; `host/random.rs` starts it.

mod drives;
mod journal;
mod lane;
mod stack;

use std::panic;
use std::process::{self, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use self::drives::Drives;
use self::journal::Journal;
use self::lane::{Content, LANES, exercise};
use self::stack::{Stack, Worker};
use super::case::{figure, say_in_a_line};
use super::command::attempt;
use super::debug_kernel;
use super::module::Module;
use super::wait::Poll;
use crate::random::order::{Answer, Order, Verb};
use crate::random::place::GROWING;
use crate::random::sequence::{Failure, Step, steps};
use crate::random::{LEVELS, STACKS, WORKERS};

/// Held by who has failed.
static FAILED: Mutex<()> = Mutex::new(());

/// The worker that ends a round.
const LAST: usize = WORKERS + STACKS;

/// Longest time until all I/O of a round has ended, once nothing holds it up.
const END: Duration = Duration::from_secs(30);

/// Runs rounds for so many seconds, the first of which has this seed, and each other the next one.
pub(crate) fn run(seed: u64, seconds: u64) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        // The others only follow from the first.
        let _first = FAILED.lock();
        journal::tell();
        say_in_a_line(info);
        let_go();
        process::exit(1);
    }));
    let module = Module::load();
    let drives: Vec<Drives> = (0..STACKS).map(Drives::make).collect();
    let (begun, limit) = (Instant::now(), Duration::from_secs(seconds));
    let (mut rounds, mut sums) = (0, [0; 3]);
    while rounds == 0 || begun.elapsed() < limit {
        let figures = round(seed.wrapping_add(rounds), &drives);
        sums.iter_mut()
            .zip(figures)
            .for_each(|(sum, figure)| *sum += figure);
        rounds += 1;
    }
    drop(drives);
    drop(module);
    let [orders, refused, ios] = sums;
    figure(&format!(
        "seed {seed}: {rounds} rounds, {orders} commands, {refused} of them refused; {ios} verified reads and writes"
    ));
    ExitCode::SUCCESS
}

/// Takes away what the program waits for: else it could not end.
fn let_go() {
    for stack in 0..STACKS {
        attempt(&["dmsetup", "resume", &format!("late{stack}")]);
        for level in (0..LEVELS).rev() {
            let name = stack::called(stack, level);
            attempt(&["shunt", "unmap", &name, "--force", "--timeout", "1"]);
        }
    }
}

/// One round; how many orders there were, how many of them were refused, and how many reads and writes there were.
fn round(seed: u64, drives: &[Drives]) -> [u64; 3] {
    let journal = Journal::begin(seed, LAST + 1);
    let stacks: Vec<Stack> = drives.iter().map(Stack::on).collect();
    let done = AtomicBool::new(false);
    let contents = thread::scope(|scope| {
        let (stacks, done, journal) = (&stacks, &done, &journal);
        let lanes: Vec<_> = (0..STACKS * LEVELS * LANES)
            .map(|number| {
                let (stack, lane) = (number % STACKS, number / STACKS);
                let (level, lane) = (lane % LEVELS, lane / LEVELS);
                scope.spawn(move || exercise(&stacks[stack], level, lane, seed, done))
            })
            .collect();
        let workers: Vec<_> = (0..LAST)
            .map(|number| scope.spawn(move || work(seed, number, stacks, journal)))
            .collect();
        journal.watch(|| workers.iter().all(thread::ScopedJoinHandle::is_finished));
        let mut worker = Worker::new(LAST, journal);
        for stack in stacks {
            settle(stack, &mut worker);
        }
        done.store(true, Ordering::Relaxed);
        let ended = Poll::for_at_most(END).until(|| {
            lanes
                .iter()
                .all(thread::ScopedJoinHandle::is_finished)
                .then_some(())
        });
        assert!(ended.is_some(), "I/O hangs after all has been resumed");
        let contents: Vec<Content> = lanes
            .into_iter()
            .map(|lane| lane.join().expect("a lane that fails ends the program"))
            .collect();
        for stack in stacks {
            take_down(stack, &mut worker);
        }
        contents
    });
    let mut ios = 0;
    for (number, content) in contents.iter().enumerate() {
        content.verify_below(&stacks[number % STACKS]);
        ios += content.ios();
    }
    let [orders, refused] = journal.orders();
    [orders, refused, ios]
}

/// Does what the sequence of a worker says.
fn work(seed: u64, number: usize, stacks: &[Stack], journal: &Journal) {
    let mut worker = Worker::new(number, journal);
    for step in steps(seed, number) {
        match step {
            Step::Order(stack, order) => {
                stacks[stack].order(&mut worker, order);
            }
            Step::Move(stack, place) => stacks[stack].move_to(&mut worker, place),
            Step::Grow(stack) => {
                stacks[stack].move_to(&mut worker, GROWING);
                for verb in [Verb::Grow, Verb::Resize] {
                    stacks[stack].order(&mut worker, Order::plain(0, verb));
                }
            }
            Step::Fail(stack, failure, ms) => {
                let (begin, end) = match failure {
                    Failure::Late => (Verb::Stall, Verb::Answer),
                    Failure::Torn => (Verb::Tear, Verb::Return),
                };
                stacks[stack].order(&mut worker, Order::plain(0, begin));
                thread::sleep(debug_kernel::limit(Duration::from_millis(ms)));
                stacks[stack].order(&mut worker, Order::plain(0, end));
            }
            Step::Wait(ms) => thread::sleep(Duration::from_millis(ms)),
        }
    }
}

/// Lets all I/O go on.
fn settle(stack: &Stack, worker: &mut Worker<'_>) {
    for level in 0..LEVELS {
        stack.order(worker, Order::plain(level, Verb::Resume));
        if stack.is_lost(level) {
            stack.restore(worker, level);
        }
    }
}

/// Unmaps all, which has to work once nobody uses it.
fn take_down(stack: &Stack, worker: &mut Worker<'_>) {
    for level in (0..LEVELS).rev() {
        if level == 0 {
            stack.clear();
        }
        let gone = Poll::for_at_most(END).until(|| {
            let answer = stack.order(worker, Order::plain(level, Verb::Unmap));
            let gone = Answer::Refused(Errno::ENODEV as i32);
            (answer == Answer::Done || answer == gone).then_some(())
        });
        assert!(gone.is_some(), "device {level} cannot be unmapped");
    }
}
