// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report of a run: Markdown and plots, all of it from the figures.

mod control;
mod cost;
mod functions;
mod layout;

use std::path::Path;

use super::Result;
use super::budget::{Claim, claims};
use super::modules::SECTION;
use super::run::{Run, write};
use super::table::{grouped, markdown, row};
use crate::figure::Measure;

/// A part of the report with its plots: file name and picture.
struct Part {
    text: String,
    plots: Vec<(&'static str, String)>,
}

impl Part {
    fn text(text: String) -> Self {
        Self {
            text,
            plots: Vec::new(),
        }
    }
}

/// Makes the report of the run in a folder again.
pub(crate) fn again(folder: &Path) -> Result<bool> {
    make(&Run::load(folder)?)?;
    Ok(true)
}

/// Writes the report and its plots into the folder of the run.
pub(crate) fn make(run: &Run) -> Result<()> {
    let parts = [
        about(run),
        budget(run),
        cost::one(run),
        functions::part(run),
        layout::part(run),
        cost::matrix(run),
        cost::tables(run),
        control::throughput(run),
        control::commands(run),
        control::scale(run),
        control::memory(run),
        sizes(run),
        missing(run),
    ];
    let mut text = String::new();
    for part in parts {
        text += &part.text;
        for (name, plot) in part.plots {
            write(&run.folder().join(name), &plot)?;
        }
    }
    write(
        &run.folder().join("report.md"),
        &format!("{}\n", text.trim_end()),
    )
}

fn about(run: &Run) -> Part {
    let about = &run.about;
    Part::text(format!(
        "<!-- Written by scripts/bench; do not edit. -->\n\
        # What a shunt costs: {date}, kernel {kernel}\n\n\
        Commit {commit}; {qemu}; {fio}.\n\n\
        Where instructions are given, QEMU runs `{counted}`: one processor, and a clock that goes by one ns for each instruction of the guest, \
        so that a time is a number of instructions and does not depend on the machine. \
        Where rates are given, it runs `{timed}`. Drives are null drives that complete each operation at once (null_blk, irqmode 0). \
        ± is half the 95 % interval. `raw.csv` has each round.\n\n",
        date = about.date,
        kernel = about.kernel,
        commit = about.commit,
        qemu = about.qemu,
        fio = about.fio,
        counted = about.counted,
        timed = about.timed,
    ))
}

fn budget(run: &Run) -> Part {
    let line = |claim: &Claim| {
        let value = claim.value.map_or("–".to_owned(), grouped);
        row(
            &claim.what,
            [
                value,
                grouped(claim.limit),
                claim.unit.to_owned(),
                claim.verdict().to_owned(),
            ],
        )
    };
    let rows: Vec<_> = claims(run).iter().map(line).collect();
    let head = row("", ["is", "at most", "", ""].map(str::to_owned));
    Part::text(format!("## The budget\n\n{}", markdown(&head, &rows)))
}

fn sizes(run: &Run) -> Part {
    let size = |name: &str, what: &str| {
        let size = run.estimate(Measure::Size, name, what, 0);
        super::table::mean(size)
    };
    let rows: Vec<_> = run
        .of(Measure::Size)
        .filter(|figure| figure.what == "text")
        .map(|figure| {
            let name = &figure.subject;
            row(name, [SECTION, "text", "all"].map(|what| size(name, what)))
        })
        .collect();
    let head = row(
        "module",
        [&format!("section {SECTION}"), "text", "all"].map(str::to_owned),
    );
    let mut text = format!(
        "## Size\n\nBytes, by `size`. What it calls text has constants, the unwinder's tables and the places that the kernel patches besides the code.\n\n{}",
        markdown(&head, &rows)
    );
    let rows: Vec<_> = run
        .of(Measure::Lines)
        .map(|figure| {
            row(
                &figure.subject,
                [figure.what.clone(), grouped(figure.estimate().mean)],
            )
        })
        .collect();
    let head = row("room", ["", "lines of code"].map(str::to_owned));
    text += "Lines that are neither empty nor only a comment.\n\n";
    text += &markdown(&head, &rows);
    Part::text(text)
}

fn missing(run: &Run) -> Part {
    if run.about.missing.is_empty() {
        return Part::text(String::new());
    }
    let rows: Vec<_> = run
        .about
        .missing
        .iter()
        .map(|missing| {
            row(
                &missing.subject,
                [missing.what.clone(), missing.why.clone()],
            )
        })
        .collect();
    let head = row("", ["doing", "why"].map(str::to_owned));
    Part::text(format!(
        "## Not there\n\nWhat was asked for and could not be had.\n\n{}",
        markdown(&head, &rows)
    ))
}
