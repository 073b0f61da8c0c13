// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands against the fake kernel, from the arguments to the output.

use std::fs::File;

use serde_json::Value;
use shunt::{
    Client,
    transport::fake::{Drive, Fake},
};

use super::*;

mod events;
mod refusals;
mod statistics;

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
fn a_list_lines_up_with_the_columns_that_were_asked_for() {
    let kernel = kernel();
    let empty = "ID  NAME  PATH  SIZE  STATE  QUEUE  STATS  TARGETS\n";
    assert_eq!(done(&kernel, "shunt list"), empty);
    done(
        &kernel,
        "shunt map vol0 --to /dev/a,length=512M --to /dev/b,length=512K",
    );
    done(
        &kernel,
        "shunt map longer --to /dev/a,offset=512M,length=512 --stats off",
    );
    assert_eq!(
        done(&kernel, "shunt list"),
        "\
ID  NAME    PATH              SIZE  STATE  QUEUE  STATS  TARGETS
 0  vol0    /dev/shunt0  512.5 MiB  live   bio    full   /dev/a +1
 1  longer  /dev/shunt1      512 B  live   bio    off    /dev/a
"
    );
    assert_eq!(
        done(
            &kernel,
            "shunt list --noheadings --bytes -o name,size,read-only"
        ),
        "\
vol0    537395200  no
longer        512  no
"
    );
}

#[test]
fn several_devices_are_changed_with_one_command() {
    let kernel = kernel();
    for (name, offset) in [("v", "0"), ("w", "1M"), ("x", "2M")] {
        let to = format!("/dev/a,offset={offset},length=1M");
        done(&kernel, &format!("shunt map {name} --to {to}"));
    }
    done(&kernel, "shunt suspend v w");
    let states = |state: &str| done(&kernel, "shunt list").matches(state).count();
    assert_eq!((states("suspended"), states("live")), (2, 1));
    done(&kernel, "shunt resume --all");
    assert_eq!(states("live"), 3);
    let lines = done(&kernel, "shunt show v w --json");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    // What is refused of one keeps no other back.
    let why = failed(&kernel, "shunt unmap v nothing w");
    assert!(why.contains("cannot unmap nothing"), "{why}");
    assert_eq!(done(&kernel, "shunt list").lines().count(), 2);
    done(&kernel, "shunt unmap --all");
    assert_eq!(done(&kernel, "shunt list").lines().count(), 1);
}

#[test]
fn what_is_open_keeps_no_other_device_from_being_unmapped() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    done(&kernel, "shunt map w --to /dev/b");
    kernel.set_open(0, true);
    let why = failed(&kernel, "shunt unmap --all");
    assert!(why.contains("cannot unmap v"), "{why}");
    assert_eq!(done(&kernel, "shunt list").lines().count(), 2);
}

#[test]
fn status_tells_what_needs_attention_by_its_exit_status_too() {
    let kernel = kernel();
    let file = std::env::temp_dir().join(format!("shunt-status-{}.toml", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let status = format!("shunt status --config {}", file.display());
    done(&kernel, "shunt map v --to /dev/a");
    assert!(done(&kernel, &status).contains("nothing needs attention"));
    done(&kernel, "shunt suspend v");
    let (result, text) = run_for(&kernel, &status, usize::MAX, &|_| {});
    assert_eq!(result, Err(Failure::Printed));
    assert!(text.contains("waits for shunt resume v"), "{text}");
    done(&kernel, "shunt resume v");
    std::fs::write(&file, "[device.w]\nto = '/dev/not-there'\n").unwrap();
    let (result, text) = run_for(&kernel, &format!("{status} --json"), usize::MAX, &|_| {});
    assert_eq!(result, Err(Failure::Printed));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["attention"][0]["device"], "w");
    assert_eq!(document["attention"][0]["kind"], "waiting");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_version_of_the_module_is_told_to_everybody() {
    let kernel = kernel();
    kernel.set_privileged(false);
    kernel.set_version(Some("9.9.9"));
    assert!(done(&kernel, "shunt version").contains("module     9.9.9, loaded\n"));
    kernel.set_version(None);
    assert!(done(&kernel, "shunt version").contains("loaded, older than 0.1.0"));
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
fn an_open_device_is_not_unmapped() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    kernel.set_open(0, true);
    let why = failed(&kernel, "shunt unmap v");
    assert!(why.starts_with("cannot unmap v: shunt0 is open"), "{why}");
    assert!(
        why.ends_with(
            "; unmount it or end what has it open; or let its I/O fail: shunt unmap --force v"
        ),
        "{why}"
    );
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn a_device_that_is_open_for_a_moment_is_waited_for() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    kernel.set_open_for(0, 3);
    assert_eq!(done(&kernel, "shunt unmap v"), "");
    assert_eq!(kernel.devices(), []);
}

#[test]
fn force_unmaps_an_open_device() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    kernel.set_open(0, true);
    assert_eq!(done(&kernel, "shunt unmap v --force"), "");
    assert_eq!(kernel.devices(), []);
}

#[test]
fn json_has_nothing_that_steers_a_terminal_and_is_read_as_it_was() {
    let kernel = kernel();
    // Of the controls one of each set, marks that turn the direction of writing, a letter without width.
    let path = "/dev/\u{1b}]0;\u{7f}\u{9b}31m\u{a0}\u{200b}\u{202e}\u{feff}ä\"\\𝄞";
    kernel.add_drive(path, Drive::new(8, 32, 1 << 20));
    let mapped = done(&kernel, &format!("shunt map v --to {path} --json"));
    let (_, followed) = run_for(&kernel, "shunt events --json", 1, &|_| {});
    for text in [
        mapped,
        done(&kernel, "shunt show v --json"),
        done(&kernel, "shunt list --json"),
        followed.lines().next().unwrap().to_owned(),
    ] {
        let line = text.trim_end_matches('\n');
        assert_eq!(shunt::words::visible(line), line);
        assert!(line.contains("ä\\\"\\\\𝄞"), "what is seen stays: {line}");
        let document: Value = serde_json::from_str(line).unwrap();
        let device = match &document["devices"] {
            Value::Null => &document["device"],
            devices => &devices[0],
        };
        assert_eq!(device["targets"][0]["path"], path);
    }
}

#[test]
fn what_is_exported_is_read_again_whatever_the_letters_of_its_paths() {
    let kernel = kernel();
    let path = "/dev/\u{1b}\u{7f}\u{9b}\u{a0}\u{ad}\u{200b}\u{202e}\u{feff}ä\"\\";
    // Not the numbers of a drive of this machine.
    kernel.add_drive(path, Drive::new(4095, 32, 1 << 20));
    let name = "v\u{200b}\u{202e}";
    done(&kernel, &format!("shunt map {name} --to {path}"));
    let text = done(&kernel, "shunt export");
    let wanted = shunt::config::parse("f", &text).unwrap();
    assert_eq!(wanted[0].name, name);
    assert_eq!(wanted[0].targets[0].drive.to_string(), path);
}

/// What a command shows in JSON; the same as `show` shows after it.
fn device_after(kernel: &Fake, line: &str) -> Value {
    let document = done(kernel, &format!("shunt {line} --json"));
    assert_eq!(document, done(kernel, "shunt show v --json"), "{line}");
    serde_json::from_str::<Value>(&document).unwrap()["device"].clone()
}

#[test]
fn changes_print_nothing_or_the_device_as_it_is_then() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/b");
    for (change, field, value) in [
        ("suspend v", "state", Value::from("suspended")),
        ("resume v", "state", "live".into()),
        ("set v --stats off", "stats", "off".into()),
        ("set v --read-only", "read_only", true.into()),
        ("set v --read-write --stats full", "read_only", false.into()),
        ("retarget v --to /dev/a", "size_bytes", (1 << 30).into()),
        ("resize v", "size_bytes", (1 << 30).into()),
    ] {
        assert_eq!(done(&kernel, &format!("shunt {change}")), "");
        assert_eq!(device_after(&kernel, change)[field], value, "{change}");
    }
    assert_eq!(device_after(&kernel, "resume v")["stats"], "full");
}

#[test]
fn a_freeze_reaches_the_kernel() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a");
    done(&kernel, "shunt suspend v");
    assert!(!kernel.is_frozen(0));
    done(&kernel, "shunt resume v");
    done(&kernel, "shunt suspend v --freeze");
    assert!(kernel.is_frozen(0));
}

#[test]
fn a_striped_device_is_mapped_and_retargeted_to_a_joined_one() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/a --to /dev/b --stripe 64K");
    let striped = device_after(&kernel, "resume v");
    assert_eq!(striped["stripe_bytes"], 65_536);
    // As long as the shorter drive.
    assert_eq!(striped["size_bytes"], 2 << 20);
    assert_eq!(striped["targets"][1]["start_bytes"], 65_536);
    let joined = device_after(&kernel, "retarget v --to /dev/b --to /dev/a,length=1M");
    assert_eq!(joined.get("stripe_bytes"), None);
    assert_eq!(joined["targets"][1]["start_bytes"], 1 << 20);
}

#[test]
fn a_grown_drive_is_taken_up() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/b");
    kernel.add_drive("/dev/b", Drive::new(8, 16, 3 << 20));
    assert_eq!(device_after(&kernel, "resume v")["size_bytes"], 1 << 20);
    assert_eq!(device_after(&kernel, "resize v")["size_bytes"], 3 << 20);
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

#[test]
fn caps_shows_what_differs_and_why() {
    let kernel = kernel();
    let large_blocks = Drive {
        logical_block_size: 4096,
        ..Drive::new(8, 32, 1 << 30)
    };
    kernel.add_drive("/dev/c", large_blocks);
    done(&kernel, "shunt map vol0 --to /dev/a --to /dev/c");
    let table = done(&kernel, "shunt caps vol0");
    let line = table.lines().nth(1).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "logical block 512 B, 4 KiB 4 KiB the most of the drives"
    );
    let document: Value = serde_json::from_str(&done(&kernel, "shunt caps vol0 --json")).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["device"]["name"], "vol0");
    let first = &document["capabilities"][0];
    assert_eq!(first["drives"], serde_json::json!([512, 4096]));
    assert_eq!(
        (&first["device"], &first["passed"]),
        (&4096.into(), &false.into())
    );
    assert!(failed(&kernel, "shunt caps nope").contains("shunt list shows the devices"));
}
