// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of the report that tells in which functions the instructions of one I/O are.

use std::collections::BTreeMap;

use super::Part;
use crate::figure::Measure;
use crate::host::run::Run;
use crate::host::table::{grouped, markdown, row};
use crate::subject::{Stats, Subject};

/// Functions with fewer instructions than this, in both, are added up in one line.
const LEAST: f64 = 8.0;

/// dm-linear and the shunt that measures all, side by side, with what the drive itself needs taken away.
pub(super) fn part(run: &Run) -> Part {
    let subjects =
        [Subject::DM_LINEAR, Subject::bio(Stats::Full)].map(|subject| subject.to_string());
    let raw = Subject::Raw.to_string();
    let mut functions: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for figure in run.of(Measure::Function) {
        let count = figure.estimate().mean;
        let row = functions.entry(&figure.what).or_default();
        for (column, subject) in subjects.iter().enumerate() {
            if figure.subject == *subject {
                row[column] += count;
            } else if figure.subject == raw {
                row[column] -= count;
            }
        }
    }
    let mut rest = [0.0; 2];
    let mut shown: Vec<(&str, [f64; 2])> = Vec::new();
    for (name, added) in &functions {
        match added.iter().any(|count| count.abs() >= LEAST) {
            true => shown.push((name, *added)),
            false => rest
                .iter_mut()
                .zip(added)
                .for_each(|(sum, more)| *sum += more),
        }
    }
    shown.sort_by(|a, b| b.1[1].total_cmp(&a.1[1]).then(b.1[0].total_cmp(&a.1[0])));
    let cells = |added: [f64; 2]| added.map(|count| grouped(count.round()));
    let mut rows: Vec<_> = shown
        .iter()
        .map(|(name, added)| row(format!("`{name}`"), cells(*added)))
        .collect();
    if !rows.is_empty() {
        let sum = |column: usize| functions.values().map(|added| added[column]).sum();
        rows.push(row("others", cells(rest)));
        rows.push(row("**all**", cells([sum(0), sum(1)])));
    }
    let head = row("function", subjects);
    Part::text(format!(
        "## Where they go\n\n\
        Instructions that a 4 KiB pread needs in each function, beyond those on the raw drive: \
        each instruction that QEMU executed from the system call on, of the reads that took the median number of them (no interrupt fell into these).\n\n\
        {}![flame graphs](flame.svg)\n\n",
        markdown(&head, &rows)
    ))
}
