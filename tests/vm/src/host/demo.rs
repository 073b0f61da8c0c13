// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm demo`: boots a guest, has it do the main job, and shows what it shows.

use std::fs;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::machine::{Machine, tail};
use super::parts::Parts;
use super::{Result, because};
use crate::cases::Init;
use crate::protocol::{Event, Outcome, Request};

/// Longest time for the demo.
const DEADLINE: Duration = Duration::from_secs(180);

/// Runs the demo; true if each of its steps worked.
pub(crate) fn run(release: Option<&str>) -> Result<bool> {
    let parts = Parts::find(release)?;
    fs::write(parts.console(), "").map_err(because(parts.console().display()))?;
    let mut out = std::io::stdout();
    println!(
        "Booting Debian's kernel {} in QEMU, with four emulated NVMe flash drives and two zoned ones ...",
        parts.release
    );
    let mut machine = Machine::boot(&parts, Init::Runner)?;
    machine.send(&Request::Demo {
        colour: out.is_terminal(),
    });

    let deadline = Instant::now() + DEADLINE;
    let outcome = loop {
        match machine
            .event(deadline)
            .map_err(|gone| format!("{gone}; its last words:\n{}", tail(&parts.console())))?
        {
            Event::Text(text) => {
                // Whoever closed the pipe wants no more of it.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            Event::End(report) => break report.outcome,
            Event::Ready | Event::Monitor(_) | Event::Durable(..) => {}
        }
    };
    machine.stop()?;
    match outcome {
        Outcome::Passed => Ok(true),
        Outcome::Failed(why) | Outcome::Skipped(why) => Err(format!("the demo failed: {why}")),
    }
}
