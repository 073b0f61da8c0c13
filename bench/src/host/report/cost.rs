// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of the report that tell what an I/O costs.

use super::Part;
use crate::figure::Measure;
use crate::host::budget::added;
use crate::host::chart::{Bar, bars};
use crate::host::plan;
use crate::host::run::Run;
use crate::host::table::{estimate, markdown, mean, row};
use crate::job::Job;
use crate::subject::Subject;

/// The one job that the budget is written for.
pub(super) fn one(run: &Run) -> Part {
    let job = Job::BUDGET.to_string();
    let raw = Subject::Raw.to_string();
    let mut rows = Vec::new();
    let mut plot = Vec::new();
    let mut seen = Vec::new();
    for figure in run
        .of(Measure::Cost)
        .filter(|figure| figure.what == job && !figure.subject.contains(" targets"))
    {
        // The precise figures come first; the matrix has the job once more.
        if seen.contains(&figure.subject) || figure.subject.contains(" stripes") {
            continue;
        }
        seen.push(figure.subject.clone());
        let more = added(run, &figure.subject, &job);
        let exact = run.estimate(
            Measure::Exact,
            &figure.subject,
            super::super::profile::WHAT,
            0,
        );
        let (more, shown) = match figure.subject == raw {
            true => (None, String::new()),
            false => (more, estimate(more)),
        };
        rows.push(row(
            &figure.subject,
            [estimate(Some(figure.estimate())), shown, mean(exact)],
        ));
        if let Some(more) = more {
            plot.push(Bar {
                name: figure.subject.clone(),
                value: more.mean,
                interval: more.interval,
                ours: figure.subject.starts_with("shunt"),
            });
        }
    }
    let head = row(
        "",
        ["instructions", "added", "in the kernel alone"].map(str::to_owned),
    );
    let text = format!(
        "## One I/O: {job}\n\n\
        From fio's submission until it has the result; in the last column only the system call, with each instruction counted.\n\n\
        {}![instructions added](added.svg)\n\n",
        markdown(&head, &rows)
    );
    let title = format!("Instructions added to one {job}");
    Part {
        text,
        plots: vec![("added.svg", bars(&title, &plot))],
    }
}

/// All jobs on all devices.
pub(super) fn matrix(run: &Run) -> Part {
    let subjects: Vec<String> = plan::MATRIX
        .iter()
        .map(Subject::to_string)
        .filter(|subject| {
            run.of(Measure::Cost)
                .any(|figure| figure.subject == *subject)
        })
        .collect();
    let rows: Vec<_> = plan::jobs()
        .iter()
        .map(|job| {
            let job = job.to_string();
            let cells = subjects.iter().enumerate().map(|(index, subject)| {
                mean(match index {
                    0 => run.estimate(Measure::Cost, subject, &job, 0),
                    _ => added(run, subject, &job),
                })
            });
            row(&job, cells)
        })
        .collect();
    let head = row("", subjects.iter().cloned());
    Part::text(format!(
        "## All jobs\n\n\
        Instructions of one operation on the raw drive, and what each device adds to them. \
        At depth 1 by latency; at more by the run time that each operation takes up, which has fio's own work in it. \
        Flushes and discards are on a drive that keeps what is written; a flush is the one after each write, without the write.\n\n{}",
        markdown(&head, &rows)
    ))
}

/// Tables of several targets.
pub(super) fn tables(run: &Run) -> Part {
    let jobs: Vec<String> = plan::table_jobs().iter().map(Job::to_string).collect();
    let rows: Vec<_> = plan::tables()
        .iter()
        .map(Subject::to_string)
        .filter(|subject| {
            run.of(Measure::Cost)
                .any(|figure| figure.subject == *subject)
        })
        .map(|subject| {
            let cells = jobs.iter().map(|job| mean(added(run, &subject, job)));
            row(&subject, cells)
        })
        .collect();
    let head = row("", jobs.iter().cloned());
    Part::text(format!(
        "## Tables of several targets\n\nInstructions added.\n\n{}",
        markdown(&head, &rows)
    ))
}
