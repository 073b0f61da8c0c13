// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm random`: has the guest give random commands to stacks of devices, and shows what came of it.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::machine::{Machine, tail};
use super::parts::Parts;
use super::{Result, because, indented};
use crate::cases::Init;
use crate::guest::case::DEADLINE;
use crate::protocol::{Event, Outcome, Report, Request};

/// How long the guest may take to say that a deadline was missed.
const GRACE: Duration = Duration::from_secs(30);

/// Seeds are short enough to be typed again.
const SEEDS: u64 = 1_000_000_000;

/// Runs rounds for so many seconds; true if all went as it may.
pub(crate) fn run(release: Option<&str>, seed: Option<u64>, seconds: u64) -> Result<bool> {
    let parts = Parts::find(release)?;
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0) % SEEDS);
    println!("{}: seed {seed}", parts.release);
    fs::write(parts.console(), "").map_err(because(parts.console().display()))?;
    let mut machine = Machine::boot(&parts, Init::Runner)?;
    machine.send(&Request::Random { seed, seconds });
    let limit = parts.limit(Duration::from_secs(seconds) + DEADLINE + GRACE);
    let deadline = Instant::now() + limit;
    let report = loop {
        match machine.event(deadline) {
            Ok(Event::End(report)) => break report,
            Ok(_) => {}
            Err(gone) => {
                let errors = machine.abandon();
                let tail = tail(&parts.console());
                println!("FAILED seed {seed}: {gone}; its last words:\n{tail}{errors}");
                return Ok(false);
            }
        }
    };
    let passed = passed(seed, &report);
    match passed {
        true => machine.stop()?,
        false => {
            machine.abandon();
        }
    }
    let said = parts.complaints();
    if !said.is_empty() {
        let (log, said) = (parts.console(), indented(&said));
        println!(
            "FAILED seed {seed}: the kernel said (all of it is in {}):\n{said}",
            log.display()
        );
    }
    Ok(passed && said.is_empty())
}

/// Shows a report; whether all went as it may.
fn passed(seed: u64, report: &Report) -> bool {
    match &report.outcome {
        Outcome::Passed => {
            let figures = report.figures.join("; ");
            println!("ok {figures} ({:.1} s)", report.seconds);
            true
        }
        Outcome::Failed(why) | Outcome::Skipped(why) => {
            println!("FAILED, from seed {seed} on:\n{}", why.trim_end());
            false
        }
    }
}
