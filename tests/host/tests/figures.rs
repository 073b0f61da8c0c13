// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures that the documents give are those of the kept benchmark run.

use std::{collections::BTreeMap, fs, path::PathBuf};

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn document(path: &str) -> String {
    let text = fs::read_to_string(repository().join(path)).expect("the document is there");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The report of the newest run.
fn report() -> String {
    let runs = fs::read_dir(repository().join("bench/runs")).expect("a run is kept");
    let runs = runs.map(|run| run.expect("it can be read").path());
    let newest = runs.max().expect("a run is kept");
    fs::read_to_string(newest.join("report.md")).expect("a run has a report")
}

/// What a 4 KiB read takes, and what that is more than on the raw drive, as they are printed.
fn costs() -> BTreeMap<String, (String, String)> {
    let report = report();
    let (_, section) = report
        .split_once("## One I/O: randread 4k psync")
        .expect("the report has it");
    let (section, _) = section.split_once("\n## ").expect("it is not the last");
    let figure = |cell: &str| cell.split('±').next().unwrap_or("").trim().to_owned();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", name, taken, added, ..] if taken.contains('±') => {
                Some((name.to_owned(), (figure(taken), figure(added))))
            }
            _ => None,
        }
    });
    rows.collect()
}

#[test]
fn what_is_said_of_the_cost_of_an_io_was_measured() {
    let costs = costs();
    let taken = |name: &str| costs[name].0.as_str();
    let added = |name: &str| costs[name].1.as_str();
    let readme = document("README.md");
    for said in [
        format!("| `off` | nothing | {} |", added("shunt bio off")),
        format!(
            "| `counters` | operations and bytes of each operation | {} |",
            added("shunt bio counters")
        ),
        format!("`/proc/diskstats` | {} |", added("shunt bio full")),
        format!("the raw drive taking {};", taken("raw")),
        format!("dm-linear adds {},", added("dm-linear")),
        format!("dm-linear with dm-stats {},", added("dm-linear + dm-stats")),
        format!("loop {}.", added("loop")),
    ] {
        assert!(readme.contains(&said), "README.md does not say {said:?}");
    }
    let statistics = document("docs/statistics.md");
    for said in [
        format!("| `off` | {} |", added("shunt bio off")),
        format!("| `counters` | {} |", added("shunt bio counters")),
        format!("| `full` | {} |", added("shunt bio full")),
        format!(
            "| `full`, one listener every 100 ms | {} |",
            added("shunt bio full + listener")
        ),
    ] {
        assert!(
            statistics.contains(&said),
            "docs/statistics.md does not say {said:?}"
        );
    }
}
