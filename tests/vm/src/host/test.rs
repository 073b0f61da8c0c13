// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm test`: has the guest run the cases one by one, shows each verdict as it comes, and judges the console log.

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::machine::{Gone, Machine, tail};
use super::parts::Parts;
use super::{Result, because, indented};
use crate::cases::{self, Case, Init};
use crate::guest::case::DEADLINE;
use crate::protocol::{Event, Outcome, Report, Request};

/// Longest time for all cases together.
const TOTAL_DEADLINE: Duration = Duration::from_secs(45 * 60);

/// How long the guest may take on top of a case's own deadline to say that it was missed.
const GRACE: Duration = Duration::from_secs(30);

/// What a thread of ours says last that ends so.
const PANICKED: &str = "the harness panicked";

/// Prints the names of the cases.
pub(crate) fn list(wanted: &[String]) -> Result<bool> {
    for case in select(wanted)? {
        println!("{}", case.full_name());
    }
    Ok(true)
}

/// Runs the cases whose name holds one of the texts (all if there is none) on each kernel, all kernels at once, and in two guests
/// each if they `share` them; true if none failed. The debug kernel, which is slow and looks for faults of the module, gets
/// those of the programs only if they are asked for.
pub(crate) fn run(releases: &[String], wanted: &[String], share: bool) -> Result<bool> {
    let cases = select(wanted)?;
    let parts = Parts::find_all(releases)?;
    let of = |parts: &Parts| {
        let is_for = |case: &&Case| !parts.debug || !wanted.is_empty() || !case.is_of_programs();
        cases.iter().copied().filter(is_for).collect::<Vec<_>>()
    };
    for parts in &parts {
        println!("{} cases on {}", of(parts).len(), parts.release);
    }

    // Lines of several kernels come as they come: each says whose it is.
    let label = |of: &Parts| match parts.len() {
        1 => String::new(),
        _ => format!("{}: ", short(&of.release)),
    };
    let tallies: Vec<Result<Vec<Tally>>> = thread::scope(|scope| {
        let begin = |parts| {
            let (cases, label) = (of(parts), label(parts));
            scope.spawn(move || run_on(parts, share, &cases, &label))
        };
        let runs: Vec<_> = parts.iter().map(begin).collect();
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|_| Err(PANICKED.to_owned())))
            .collect()
    });

    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (parts, tallies) in parts.iter().zip(tallies) {
        let mut seconds = Vec::new();
        for tally in tallies.map_err(because(&parts.release))? {
            passed += tally.passed;
            failed += tally.failed;
            skipped += tally.skipped;
            seconds.extend(tally.seconds);
        }
        keep_times(parts, seconds)?;
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}

/// Writes down which cases took how long, the longest first.
fn keep_times(parts: &Parts, mut seconds: Vec<(f64, String)>) -> Result<()> {
    seconds.sort_by(|one, other| other.0.total_cmp(&one.0));
    let lines = seconds.iter();
    let lines: String = lines
        .map(|(seconds, name)| format!("{seconds:7.1} {name}\n"))
        .collect();
    let file = parts.work.join("seconds.txt");
    fs::write(&file, lines).map_err(because(file.display()))
}

/// A release without what is the same in all: `7.3.4`.
fn short(release: &str) -> &str {
    release.split('+').next().unwrap_or(release)
}

/// Topics that no guest has begun, in their order; a case that takes long is as good as one.
type Topics = Mutex<VecDeque<Vec<&'static Case>>>;

/// The cases that a guest is to run: those of the topic that it has begun, then of the next one that none has.
struct Left<'a> {
    begun: VecDeque<&'static Case>,
    topics: &'a Topics,
}

impl Left<'_> {
    /// The next case.
    fn next(&mut self) -> Option<&'static Case> {
        if self.begun.is_empty() {
            let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
            self.begun.extend(topics.pop_front().into_iter().flatten());
        }
        self.begun.front().copied()
    }

    /// The next case, which is not left any more, if it runs in such a guest.
    fn pop_in(&mut self, init: Init) -> Option<&'static Case> {
        let case = self.next().filter(|case| case.init() == init)?;
        self.begun.pop_front();
        Some(case)
    }
}

/// Runs the cases on one kernel, in a guest, or in two that share them; then those that need the machine for themselves. A tally
/// of each guest.
fn run_on(parts: &Parts, share: bool, cases: &[&'static Case], label: &str) -> Result<Vec<Tally>> {
    // On the debug kernel times have five times as long, and it takes too long in one.
    let is_alone = |case: &&&Case| share && !parts.debug && case.is_timed();
    let (timed, others): (Vec<_>, Vec<_>) = cases.iter().partition(is_alone);
    let mut guests = vec![parts.clone()];
    if share || parts.debug {
        guests.push(parts.beside("beside")?);
    }
    let mut tallies = run_in_each(&guests, &others, label)?;
    tallies.extend(run_in_each(&[parts.beside("alone")?], &timed, label)?);
    Ok(tallies)
}

/// Runs the cases in guests that share them.
fn run_in_each(guests: &[Parts], cases: &[&'static Case], label: &str) -> Result<Vec<Tally>> {
    let topics = cases.chunk_by(|one, next| one.topic() == next.topic() && !one.is_long());
    let topics = Mutex::new(topics.map(<[_]>::to_vec).collect());
    thread::scope(|scope| {
        let topics = &topics;
        let begin = |guest| scope.spawn(move || run_in(guest, topics, label.to_owned()));
        let runs: Vec<_> = guests.iter().map(begin).collect();
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|_| Err(PANICKED.to_owned())))
            .collect()
    })
}

/// Runs topics in a guest until none is left. A guest that died or is not clean is booted again for the rest, as is one
/// of another kind than the next case wants.
fn run_in(parts: &Parts, topics: &Topics, label: String) -> Result<Tally> {
    fs::write(parts.console(), "").map_err(because(parts.console().display()))?;
    let total = parts.limit(TOTAL_DEADLINE);
    let deadline = Instant::now() + total;
    let mut tally = Tally {
        label,
        ..Tally::default()
    };
    let mut left = Left {
        begun: VecDeque::new(),
        topics,
    };
    while Instant::now() < deadline {
        let Some(init) = left.next().map(Case::init) else {
            break;
        };
        let mut machine = Machine::boot(parts, init)?;
        let mut sound = true;
        while sound && Instant::now() < deadline {
            let Some(case) = left.pop_in(init) else { break };
            sound = match run_case(parts, &mut machine, case) {
                Ok(report) => tally.add(case, report),
                Err(gone) => {
                    let errors = machine.abandon();
                    let tail = tail(&parts.console());
                    tally.fail(
                        &case.full_name(),
                        &format!("{gone}; its last words:\n{tail}{errors}"),
                    );
                    false
                }
            };
        }
        match sound {
            true => machine.stop()?,
            false => {
                machine.abandon();
                tally.excuse_console(parts);
            }
        }
    }
    while let Some(case) = left.next() {
        left.begun.pop_front();
        tally.fail(
            &case.full_name(),
            &format!(
                "not run: all cases together took over {} s",
                total.as_secs()
            ),
        );
    }
    tally.judge_console(parts);
    Ok(tally)
}

fn select(wanted: &[String]) -> Result<Vec<&'static Case>> {
    if let Some(nothing) = wanted
        .iter()
        .find(|text| !cases::all().any(|case| case.full_name().contains(*text)))
    {
        return Err(format!("no case has {nothing:?} in its name: see --list"));
    }
    let is_wanted = |case: &&Case| {
        wanted.is_empty() || wanted.iter().any(|text| case.full_name().contains(text))
    };
    Ok(cases::all().filter(is_wanted).collect())
}

fn run_case(
    parts: &Parts,
    machine: &mut Machine,
    case: &Case,
) -> std::result::Result<Report, Gone> {
    machine.send(&Request::Case(case.full_name()));
    let deadline = Instant::now() + parts.limit(DEADLINE + GRACE);
    loop {
        match machine.event(deadline)? {
            Event::End(report) => return Ok(report),
            Event::Ready | Event::Text(_) | Event::Monitor(_) | Event::Durable(..) => {}
        }
    }
}

#[derive(Default)]
struct Tally {
    /// Opens each line.
    label: String,
    passed: u32,
    failed: u32,
    skipped: u32,
    /// Complaints of the kernel that a case was failed for.
    blamed: Vec<String>,
    /// How long each case took, in seconds.
    seconds: Vec<(f64, String)>,
}

impl Tally {
    /// Shows the verdict on a case; true if the guest can go on.
    fn add(&mut self, case: &Case, report: Report) -> bool {
        let name = case.full_name();
        self.seconds.push((report.seconds, name.clone()));
        let clean = report.clean && report.kernel.is_empty();
        let outcome = match report.outcome {
            Outcome::Passed | Outcome::Skipped(_) if !report.kernel.is_empty() => {
                Outcome::Failed(format!("the kernel said:\n{}", indented(&report.kernel)))
            }
            Outcome::Failed(why) if !report.kernel.is_empty() => Outcome::Failed(format!(
                "{why}\n  and the kernel said:\n{}",
                indented(&report.kernel)
            )),
            outcome => outcome,
        };
        self.blamed.extend(report.kernel);
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                let mut text = format!("ok {name} ({:.1} s)", report.seconds);
                for figure in report.figures {
                    // In one piece: another guest may be about to say something.
                    text += &format!("\n{}    {figure}", self.label);
                }
                self.show(&text);
            }
            Outcome::Failed(why) => self.fail(&name, &why),
            Outcome::Skipped(why) => {
                self.skipped += 1;
                self.show(&format!("skipped {name}: {why}"));
            }
        }
        clean
    }

    fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        self.show(&format!("FAILED {name}: {}", why.trim_end()));
    }

    /// Takes what the console complained of so far as part of the failure that was just shown.
    fn excuse_console(&mut self, parts: &Parts) {
        let new = self.complaints(parts);
        self.blamed.extend(new);
    }

    /// Complaints that came during no case (at boot, at power-off) are a failure of their own.
    fn judge_console(&mut self, parts: &Parts) {
        let new = self.complaints(parts);
        if !new.is_empty() {
            let (log, new) = (parts.console(), indented(&new));
            self.fail(
                "console",
                &format!(
                    "the kernel said (all of it is in {}):\n{new}",
                    log.display()
                ),
            );
        }
    }

    /// Complaints in the console log that no case was failed for.
    fn complaints(&self, parts: &Parts) -> Vec<String> {
        let is_known = |line: &str| {
            self.blamed
                .iter()
                .any(|known| line.contains(known.as_str()))
        };
        let mut new = parts.complaints();
        new.retain(|line| !is_known(line));
        new
    }

    /// One line of progress, at once.
    fn show(&self, line: &str) {
        println!("{}{line}", self.label);
        // Whoever closed the pipe wants no more of it.
        let _ = std::io::stdout().flush();
    }
}
