// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of the report that tells which memory one I/O touches.

use std::collections::BTreeMap;

use super::Part;
use crate::figure::Measure;
use crate::host::plan;
use crate::host::profile::{LINE, LINES};
use crate::host::run::Run;
use crate::host::table::{markdown, mean, row};
use crate::subject::Subject;

/// Whether a field is read and whether it is written, in each mode.
type Done = [[bool; 2]; plan::TOUCHED.len()];

/// Each field by object and cache line, and what an I/O does to it in each mode.
pub(super) fn part(run: &Run) -> Part {
    let subjects = plan::TOUCHED.map(|subject| subject.to_string());
    // Object and offset, as the figures have them: their order is that of the way of an I/O.
    let mut objects: Vec<&str> = Vec::new();
    let mut fields: BTreeMap<(usize, u32), (&str, Done)> = BTreeMap::new();
    for (measure, written) in [(Measure::Reads, 0), (Measure::Writes, 1)] {
        for figure in run.of(measure) {
            let column = subjects
                .iter()
                .position(|subject| *subject == figure.subject);
            let (Some(column), Some((object, field))) = (column, figure.what.split_once(": "))
            else {
                continue;
            };
            let place = objects.iter().position(|known| *known == object);
            let place = place.unwrap_or_else(|| {
                objects.push(object);
                objects.len() - 1
            });
            let entry = fields
                .entry((place, figure.at))
                .or_insert((field, Default::default()));
            entry.1[column][written] |= figure.rounds.iter().any(|count| *count > 0.0);
        }
    }
    let rows: Vec<_> = fields
        .iter()
        .map(|((place, offset), (field, done))| {
            let line = u64::from(*offset) / LINE;
            let cells = done.map(|[reads, writes]| {
                let word = match (reads, writes) {
                    (true, true) => "read, written",
                    (true, false) => "read",
                    (false, true) => "written",
                    (false, false) => "",
                };
                word.to_owned()
            });
            let what = [field.to_string(), offset.to_string(), line.to_string()];
            row(objects[*place], what.into_iter().chain(cells))
        })
        .collect();
    let subject = |subject: &Subject| subject.to_string();
    let head = row(
        "object",
        ["field", "offset", "line"]
            .map(str::to_owned)
            .into_iter()
            .chain(plan::TOUCHED.iter().map(subject)),
    );
    let counts = LINES.map(|what| {
        row(
            what,
            subjects
                .iter()
                .map(|subject| mean(run.estimate(Measure::CacheLines, subject, what, 0))),
        )
    });
    let counts_head = row("", subjects.iter().cloned());
    Part::text(format!(
        "## What one I/O touches\n\n\
        Memory off the stack that instructions of shunt.ko touch for one 4 KiB pread on one target: \
        each address is worked out from the registers that QEMU logs before each instruction, \
        each pointer is followed to the next object, and `pahole` tells the fields. Lines are of {LINE} bytes, counted from the beginning of the structure. \
        A line that two processors write to would be among those of the last row; \
        bio and context belong to one I/O, and go from one processor to another only if the drive completes elsewhere.\n\n{}{}",
        markdown(&counts_head, &counts),
        markdown(&head, &rows)
    ))
}
