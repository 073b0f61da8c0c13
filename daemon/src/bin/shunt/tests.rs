// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands against the fake kernel, from the arguments to the output.

use std::{fs::File, time::Duration};

use serde_json::Value;
use shunt::{
    Client, Op,
    transport::fake::{Drive, Fake},
};

use super::*;

/// Takes so many writes, then goes as the reader of a pipe does; does something after each.
struct Reader<'a> {
    text: Vec<u8>,
    writes: usize,
    after: &'a dyn Fn(usize),
}

impl Write for Reader<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writes == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes -= 1;
        self.text.extend_from_slice(bytes);
        (self.after)(self.writes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn kernel() -> Fake {
    let kernel = Fake::new();
    kernel.add_drive("/dev/a", Drive::new(8, 0, 1 << 30));
    kernel.add_drive("/dev/b", Drive::new(8, 16, 1 << 20));
    kernel
}

/// Runs a command line until it ends or has written so often, and returns what it wrote.
fn run_for(
    kernel: &Fake,
    line: &str,
    writes: usize,
    after: &dyn Fn(usize),
) -> (Result<(), Failure>, String) {
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let mut reader = Reader {
        text: Vec::new(),
        writes,
        after,
    };
    let nowhere = File::open("/dev/null").unwrap();
    let mut output = Output::new(&mut reader, nowhere.as_fd(), cli.json);
    let client = Client::new(kernel.clone());
    let result = commands::ask(client, &cli.command, &mut output);
    (result, String::from_utf8(reader.text).unwrap())
}

fn done(kernel: &Fake, line: &str) -> String {
    let (result, text) = run_for(kernel, line, usize::MAX, &|_| {});
    assert_eq!(result, Ok(()), "{line}");
    text
}

fn failed(kernel: &Fake, line: &str) -> String {
    let (result, text) = run_for(kernel, line, usize::MAX, &|_| {});
    assert_eq!(text, "", "{line}");
    match result {
        Err(Failure::Explained(why)) => {
            assert_eq!(why.lines().count(), 1);
            why
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_device_is_mapped_listed_shown_and_unmapped() {
    let kernel = kernel();
    let map = "shunt map vol0 --to /dev/a,offset=1M --to /dev/b";
    assert_eq!(done(&kernel, map), "/dev/shunt0\n");
    assert!(done(&kernel, "shunt list").contains("vol0  /dev/shunt0  1 GiB"));
    let shown = done(&kernel, "shunt show vol0");
    assert!(
        shown.contains("size:               1 GiB (1073741824 bytes)"),
        "{shown}"
    );
    assert_eq!(done(&kernel, "shunt unmap vol0"), "");
    assert_eq!(done(&kernel, "shunt list").lines().count(), 1);
}

#[test]
fn the_options_of_map_reach_the_kernel() {
    let kernel = kernel();
    let line = "shunt map v --to /dev/a,offset=8s,length=1K --stats counters --read-only --json";
    let document: Value = serde_json::from_str(&done(&kernel, line)).unwrap();
    let device = &document["device"];
    assert_eq!(device["stats"], "counters");
    assert_eq!(device["read_only"], true);
    assert_eq!(device["targets"][0]["offset_bytes"], 4096);
    assert_eq!(device["targets"][0]["length_bytes"], 1024);
    assert_eq!(device["size_bytes"], 1024);
    let shown = done(&kernel, "shunt show v --json");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), document);
}

#[test]
fn refusals_tell_what_why_and_what_to_do() {
    let kernel = kernel();
    kernel.add_file("/etc/passwd");
    done(&kernel, "shunt map taken --to /dev/a,length=1M");
    for (line, why) in [
        (
            "shunt map taken --to /dev/b",
            "cannot map taken to /dev/b: shunt0 has that name already; choose another name, or unmap the device that has it",
        ),
        (
            "shunt map a/b --to /dev/b",
            "cannot map a/b to /dev/b: the name has a slash; shunt map --help tells what is taken",
        ),
        (
            "shunt map v --to /dev/none",
            "cannot map v to /dev/none: no such path; check the path; lsblk lists the drives that there are",
        ),
        (
            "shunt map v --to /dev/b --to /etc/passwd",
            "cannot map v: not a block device; give a block device; lsblk lists them",
        ),
        (
            "shunt map v --to /dev/b,offset=4097",
            "cannot map v to /dev/b: offset 4097 is not a multiple of the logical block, 512; shunt map --help tells what is taken",
        ),
        (
            "shunt map v --to /dev/b,length=1G",
            "cannot map v to /dev/b: length 1073741824 is above the 1048576 bytes from the offset on; stay within the drive; lsblk --bytes tells its size",
        ),
        (
            "shunt map v --to /dev/a,offset=512,length=512",
            "cannot map v to /dev/a: overlaps shunt0, which has 1048576 bytes from 0 on; end that use, or map a part of the drive that is free",
        ),
        (
            "shunt map v --to /dev/b --queue mq",
            "cannot map v to /dev/b: queue mode mq is not supported yet; do without it for now",
        ),
        (
            "shunt unmap v",
            "cannot unmap v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt show v",
            "cannot show v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt stats v",
            "cannot show the statistics of v: no device has that name; shunt list shows the devices",
        ),
    ] {
        let said = failed(&kernel, line);
        assert_eq!(said, why, "{line}");
    }
    let long = "x".repeat(64);
    let why = failed(&kernel, &format!("shunt map {long} --to /dev/b"));
    assert!(
        why.ends_with(
            "(name); a name is 1 to 63 bytes without slash, white space or control characters"
        ),
        "{why}"
    );
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn an_open_device_is_not_unmapped() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    kernel.set_open(0, true);
    let why = failed(&kernel, "shunt unmap v");
    assert!(why.starts_with("cannot unmap v: shunt0 is open"), "{why}");
    assert!(
        why.ends_with("; unmount it or end what has it open"),
        "{why}"
    );
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn force_is_refused_and_does_nothing() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    assert_eq!(
        failed(&kernel, "shunt unmap v --force"),
        "unmap --force is not supported yet; end what has v open, then: shunt unmap v"
    );
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn without_module_or_privilege_each_command_says_what_to_do() {
    let commands = ["list", "show v", "unmap v", "map v --to /dev/a", "events"];
    let kernel = kernel();
    kernel.set_privileged(false);
    for command in commands {
        let why = failed(&kernel, &format!("shunt {command}"));
        assert!(why.starts_with("cannot "), "{why}");
        assert!(
            why.contains("Operation not permitted; run it as root"),
            "{why}"
        );
    }
    done(&kernel, "shunt stats");
    kernel.set_loaded(false);
    for command in commands.into_iter().chain(["stats"]) {
        let why = failed(&kernel, &format!("shunt {command}"));
        assert!(
            why.starts_with("the shunt module is not loaded; load it"),
            "{why}"
        );
    }
}

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
}

#[test]
fn a_watch_shows_the_rates_between_samples_until_the_reader_goes() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    let busy = |_| {
        for _ in 0..50 {
            kernel.complete(0, Op::Read, 4096, Duration::from_micros(80), false);
        }
        kernel.advance(Duration::from_millis(100));
    };
    let (result, text) = run_for(&kernel, "shunt stats --watch 0.001", 2, &busy);
    assert_eq!(result, Err(Failure::ReaderGone));
    // No time passes before the second sample: the first table has no rates.
    let rows: Vec<_> = text.lines().filter(|line| line.contains("read")).collect();
    assert_eq!(rows.len(), 1, "{text}");
    assert!(rows[0].starts_with("a     read    500    2 MiB"), "{text}");
}

#[test]
fn a_watch_in_json_shows_totals_one_document_a_line() {
    let kernel = kernel();
    done(&kernel, "shunt map a --to /dev/a");
    let busy = |_| {
        kernel.complete(0, Op::Read, 4096, Duration::from_micros(80), false);
        kernel.advance(Duration::from_secs(1));
    };
    let (result, text) = run_for(&kernel, "shunt stats a --watch 0.001 --json", 3, &busy);
    assert_eq!(result, Err(Failure::ReaderGone));
    let ios: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|document| {
            document["devices"][0]["ops"]["read"]["ios"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(ios, [0, 1, 2]);
}

#[test]
fn events_tell_the_state_then_changes_and_after_a_loss_the_state_again() {
    let kernel = kernel();
    kernel.set_room(1);
    done(&kernel, "shunt map a --to /dev/a");
    let act = |left| match left {
        // After `ready`: one change that fits, then two of which one is lost.
        5 => drop(done(&kernel, "shunt map b --to /dev/b")),
        4 => {
            kernel.remove_drive("/dev/b");
            done(&kernel, "shunt unmap a");
        }
        1 => drop(done(&kernel, "shunt unmap b")),
        // One that finds the reader gone.
        0 => drop(done(&kernel, "shunt map a --to /dev/a")),
        _ => {}
    };
    let (result, text) = run_for(&kernel, "shunt events --json", 7, &act);
    assert_eq!(result, Err(Failure::ReaderGone));
    let lines: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            assert_eq!(event["schema"], 1);
            let name = event["device"]["name"].as_str().unwrap_or("-").to_owned();
            (
                event["seq"].as_u64().unwrap(),
                event["event"].as_str().unwrap().to_owned(),
                name,
            )
        })
        .collect();
    let expected = [
        (0, "exists", "a"),
        (0, "ready", "-"),
        (2, "created", "b"),
        (3, "overrun", "-"),
        (3, "exists", "b"),
        (3, "ready", "-"),
        (5, "destroyed", "b"),
    ];
    let expected = expected.map(|(seq, event, name)| (seq, event.to_owned(), name.to_owned()));
    assert_eq!(lines, expected);
}

#[test]
fn events_end_with_a_failure_when_the_module_goes() {
    let kernel = kernel();
    let unload = |_| kernel.set_loaded(false);
    let (result, text) = run_for(&kernel, "shunt events", usize::MAX, &unload);
    assert_eq!(text, "ready\n");
    let why = "the shunt module was unloaded; load it with: modprobe shunt (or insmod shunt.ko)";
    assert_eq!(result, Err(Failure::Explained(why.to_owned())));
}

#[test]
fn a_reader_that_goes_ends_a_command_without_a_complaint() {
    let kernel = kernel();
    for line in ["shunt list", "shunt stats --json", "shunt completions bash"] {
        let (result, _) = run_for(&kernel, line, 0, &|_| {});
        assert_eq!(result, Err(Failure::ReaderGone), "{line}");
    }
}

#[test]
fn completions_know_the_commands() {
    let kernel = kernel();
    for shell in ["bash", "zsh", "fish"] {
        let script = done(&kernel, &format!("shunt completions {shell}"));
        for word in ["unmap", "read-only", "watch"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
