// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stats` and `top` against the fake kernel.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use shunt::Op;

use super::*;

#[test]
fn statistics_are_shown_of_one_device_and_of_all() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    done(&kernel, "shunt map b --to /dev/b");
    kernel.complete(1, Op::Write, 4096, Duration::from_micros(80), false);
    let all: Value = serde_json::from_str(&done(&kernel, "shunt stats --json")).unwrap();
    assert_eq!(all["devices"].as_array().unwrap().len(), 2);
    let one: Value = serde_json::from_str(&done(&kernel, "shunt stats b --json")).unwrap();
    assert_eq!(one["devices"], Value::from(vec![all["devices"][1].clone()]));
    assert_eq!(one["devices"][0]["ops"]["write"]["ios"], 1);
    let table = done(&kernel, "shunt stats b");
    assert!(table.contains("b     write    1  4 KiB"), "{table}");
    assert_eq!(
        one["devices"][0]["ops"]["write"]["sizes"]["buckets"][0]["le"],
        4096
    );
}

/// Runs a command while a device does 50 reads in each 100 ms and samples are sent.
fn under_load(kernel: &Fake, line: &str, writes: usize) -> (Result<(), Failure>, String) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for _ in 0..50 {
                    kernel.complete(0, Op::Read, 4096, Duration::from_micros(80), false);
                }
                kernel.advance(Duration::from_millis(100));
                kernel.send_samples();
                thread::yield_now();
            }
        });
        let ended = run_for(kernel, line, writes, &|_| {});
        done.store(true, Ordering::Relaxed);
        ended
    })
}

#[test]
fn a_watch_shows_the_rates_between_samples_until_the_reader_goes() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    let (result, text) = under_load(&kernel, "shunt stats --watch", 3);
    assert_eq!(result, Err(Failure::ReaderGone));
    let rows: Vec<_> = text.lines().filter(|line| line.contains("read")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    // The first may begin in the middle of a round.
    assert!(rows[2].starts_with("a     read    500    2 MiB"), "{text}");
}

#[test]
fn a_watch_in_json_shows_totals_one_document_a_line() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    let busy = |_| {
        kernel.complete(0, Op::Read, 4096, Duration::from_micros(80), false);
        kernel.advance(Duration::from_secs(1));
        kernel.send_samples();
    };
    let (result, text) = run_for(&kernel, "shunt stats a --watch --json", 3, &busy);
    assert_eq!(result, Err(Failure::ReaderGone));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ios = |line: &Value| line["devices"][0]["ops"]["read"]["ios"].as_u64();
    assert_eq!(
        lines.iter().map(ios).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    let numbers: Vec<_> = lines.iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, [None, Some(1), Some(2)]);
}

#[test]
fn a_watch_counts_what_it_lost_and_goes_on_with_what_the_kernel_has() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    kernel.set_room(1);
    let act = |left| {
        // The second finds no room, so the first is dropped too.
        for _ in 0..if left == 2 { 3 } else { 1 } {
            kernel.complete(0, Op::Read, 4096, Duration::from_micros(80), false);
            kernel.advance(Duration::from_secs(1));
            kernel.send_samples();
        }
    };
    let (_, text) = run_for(&kernel, "shunt stats --watch --json", 3, &act);
    let told: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            let ios = &line["devices"][0]["ops"]["read"]["ios"];
            (line["overruns"].as_u64(), ios.as_u64())
        })
        .collect();
    let expected = [(0, 0), (1, 3), (1, 4)].map(|(lost, ios)| (Some(lost), Some(ios)));
    assert_eq!(told, expected);
}

#[test]
fn a_watch_sets_the_interval_if_it_may_and_else_goes_on_with_the_one_that_holds() {
    let kernel = kernel();
    let mut root = Client::new(kernel.clone());
    let (result, _) = run_for(&kernel, "shunt stats --watch 0.25 --json", 0, &|_| {});
    assert_eq!(result, Err(Failure::ReaderGone));
    assert_eq!(root.interval().unwrap(), Duration::from_millis(250));
    let (result, _) = run_for(&kernel, "shunt stats --watch --json", 0, &|_| {});
    assert_eq!(result, Err(Failure::ReaderGone));
    assert_eq!(root.interval().unwrap(), Duration::from_millis(250));
    kernel.set_privileged(false);
    let (result, text) = run_for(&kernel, "shunt stats --watch 5 --json", 1, &|_| {
        kernel.send_samples();
        kernel.set_loaded(false);
    });
    assert_eq!(text.lines().count(), 1);
    assert!(matches!(result, Err(Failure::Explained(why)) if why.contains("was unloaded")));
}

#[test]
fn a_recorded_run_is_drawn_into_a_file_that_is_there_only_when_whole() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    let folder = std::env::temp_dir().join(format!("shunt-heatmap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("a.svg");
    let line = format!("shunt stats a --for 0.3 --heatmap {}", file.display());
    let (result, text) = under_load(&kernel, &line, usize::MAX);
    assert_eq!(result, Ok(()));
    assert_eq!(text, format!("{}\n", file.display()));
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.contains("Latency of a</text>") && svg.contains(">read: "));
    let failing = folder.join("b.svg");
    let line = format!("shunt stats none --heatmap {}", failing.display());
    failed(&kernel, &line);
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    std::fs::remove_dir_all(&folder).unwrap();
    let why = failed(&kernel, "shunt stats a --heatmap /none/a.svg");
    assert!(why.starts_with("cannot write /none/a.svg: "), "{why}");
}

#[cfg(feature = "tui")]
#[test]
fn top_is_refused_politely_without_a_terminal() {
    let why = failed(&kernel(), "shunt top");
    let words = "cannot show top: stdout is not a terminal; shunt stats --watch prints rows";
    assert_eq!(why, words);
    assert!(failed(&kernel(), "shunt top --json").contains("shunt stats --watch --json"));
}
