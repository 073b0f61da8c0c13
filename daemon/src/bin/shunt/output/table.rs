// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables and lines for people. The commands print them unless JSON is asked for.

use std::fmt::Write;

use shunt::{Device, DeviceCaps, Target, Update, units::Bytes, words::shown};

use crate::capabilities::{Verdict, verdicts};

/// A column: its head, and whether its cells are numbers, which stand at the right.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Text(&'static str),
    Number(&'static str),
}
use Column::{Number, Text};

/// Lines the cells of a table up under its heads.
pub(super) fn align<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let rows: Vec<&[String]> = rows.iter().map(|row| row.as_slice()).collect();
    lines(&columns, &rows, true)
}

/// As [`align`], with as many columns as there are, and with heads or without.
pub(super) fn lines(columns: &[Column], rows: &[&[String]], heads: bool) -> String {
    let names: Vec<String> = columns
        .iter()
        .map(|(Text(name) | Number(name))| (*name).to_owned())
        .collect();
    let head = heads.then_some(names.as_slice());
    let rows: Vec<&[String]> = head.into_iter().chain(rows.iter().copied()).collect();
    let length = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..columns.len())
        .map(|n| rows.iter().map(|row| length(&row[n])).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(&widths) {
            let space = " ".repeat(width - length(cell));
            line += &match column {
                Text(_) => format!("{cell}{space}  "),
                Number(_) => format!("{space}{cell}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `show`.
pub(crate) fn device(device: &Device) -> String {
    let mut fields = vec![
        ("name", shown(&device.name)),
        ("path", device.path()),
        ("id", device.id.to_string()),
        ("state", device.state.name().to_owned()),
        ("queue", device.queue.name().to_owned()),
        ("stats", device.stats.name().to_owned()),
        (
            "read-only",
            if device.read_only { "yes" } else { "no" }.to_owned(),
        ),
        (
            "size",
            format!("{} ({} bytes)", Bytes(device.size), device.size),
        ),
        (
            "logical block size",
            format!("{} bytes", device.logical_block_size),
        ),
    ];
    if let Some(stripe) = device.stripe {
        fields.push(("stripe", format!("{:#}", Bytes(stripe))));
    }
    let mut text = String::new();
    for (key, value) in fields {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<20}{value}", format!("{key}:"));
    }
    let columns = [
        Number("TARGET"),
        Text("PATH"),
        Text("DEV"),
        Number("START"),
        Number("OFFSET"),
        Number("LENGTH"),
        Text("STATE"),
    ];
    let row = |(index, target): (usize, &Target)| {
        [
            (index + 1).to_string(),
            shown(&target.path),
            format!("{}:{}", target.major, target.minor),
            format!("{:#}", Bytes(target.start)),
            format!("{:#}", Bytes(target.offset)),
            format!("{:#}", Bytes(target.length)),
            target.state.name().to_owned(),
        ]
    };
    let rows: Vec<_> = device.targets.iter().enumerate().map(row).collect();
    format!("{text}\n{}", align(columns, &rows))
}

/// `caps`.
pub(crate) fn caps(caps: &DeviceCaps) -> String {
    let columns = [
        Text("CAPABILITY"),
        Text("DRIVE"),
        Text("DEVICE"),
        Text("WHY"),
    ];
    let row = |verdict: Verdict| {
        let mut drives: Vec<u64> = verdict.drives;
        drives.sort_unstable();
        drives.dedup();
        let shown = |value: &u64| verdict.unit.shown(*value);
        let drives: Vec<String> = match drives.as_slice() {
            [first, .., last] if drives.len() > 2 => vec![shown(first), "...".into(), shown(last)],
            all => all.iter().map(shown).collect(),
        };
        [
            verdict.name.to_owned(),
            drives.join(", "),
            shown(&verdict.device),
            verdict.why.unwrap_or_default().to_owned(),
        ]
    };
    let rows: Vec<_> = verdicts(caps).into_iter().map(row).collect();
    align(columns, &rows)
}

/// One line of `events`.
pub(crate) fn event(update: &Update) -> String {
    match update {
        Update::Exists(device) => format!("exists     {device}\n"),
        Update::Ready(_) => "ready\n".to_owned(),
        Update::Overrun => "overrun    changes were missed; what is there now follows\n".to_owned(),
        Update::Changed(change) => {
            let failed = change.failed.filter(|failed| *failed > 0);
            let failed = failed.map_or(String::new(), |failed| format!(", {failed} I/O failed"));
            format!("{:<10} {}{failed}\n", change.reason.name(), change.device)
        }
    }
}

#[cfg(test)]
mod tests;
