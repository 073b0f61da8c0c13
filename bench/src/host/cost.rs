// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench cost`: what one I/O costs, for the one job that the budget is written for.

use super::machine::{Clock, Machine};
use super::parts::{Choice, Parts};
use super::{Result, plan};
use crate::estimate::Estimate;
use crate::figure::Figure;
use crate::job::Job;
use crate::record::{Effort, Record, Request};
use crate::subject::Subject;

/// Measures and prints a table.
pub(crate) fn run(choice: &Choice, requests: bool, effort: Effort) -> Result<bool> {
    let parts = Parts::find(choice)?;
    println!(
        "{} on {}, {}",
        parts.module.display(),
        parts.release,
        Job::BUDGET
    );
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    println!("{:<22} {:>20} {:>18}", "", "instructions per I/O", "added");
    let subjects: &[Subject] = match requests {
        true => &plan::REQUESTS,
        false => &plan::BUDGET,
    };
    let request = Request::Cost {
        subjects: subjects.to_vec(),
        jobs: vec![Job::BUDGET],
        effort,
    };
    let mut raw = None;
    machine.ask(&request, |record| match record {
        Record::Figure(figure) => show(&figure, &mut raw),
        Record::Missing(missing) => println!("{:<22} {}", missing.subject, missing.why),
        _ => {}
    })?;
    machine.stop()?;
    Ok(true)
}

fn show(figure: &Figure, raw: &mut Option<Estimate>) {
    let whole = figure.estimate();
    let added = whole.minus(*raw.get_or_insert(whole));
    let added = match figure.subject == Subject::Raw.to_string() {
        true => String::new(),
        false => format!("{:.0} ± {:.0}", added.mean, added.interval),
    };
    let whole = format!("{:.0} ± {:.0}", whole.mean, whole.interval);
    println!("{:<22} {whole:>20} {added:>18}", figure.subject);
}
