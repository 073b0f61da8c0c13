// SPDX-License-Identifier: MIT OR Apache-2.0
//! The requests that reach a drive, as the kernel's tracepoint of the block layer shows them.

use std::fs;

use super::sysfs;

const TRACING: &str = "/sys/kernel/tracing";

/// A request as the drive's driver gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    /// What it does: F before the operation is a flush, after a W it is FUA; D discards, W writes, R reads, S is sync.
    pub(crate) what: String,
    /// First sector of 512 bytes; 0 for a flush.
    pub(crate) sector: u64,
    /// Sectors of 512 bytes.
    pub(crate) sectors: u64,
}

/// Runs `work` and gives the control word of each Write Zeroes command that `disk`, an NVMe drive, was given meanwhile:
/// it says whether the blocks are to be freed.
#[track_caller]
pub(crate) fn zeroes_during(disk: &str, work: impl FnOnce()) -> Vec<String> {
    fields_during(disk, "nvme_cmd_write_zeroes ", "ctrl=", work)
}

/// Runs `work` and gives how the data of each Write command is to be managed that `disk`, an NVMe drive, was given
/// meanwhile: it says which stream they belong to.
#[track_caller]
pub(crate) fn management_during(disk: &str, work: impl FnOnce()) -> Vec<String> {
    fields_during(disk, "nvme_cmd_write ", "dsmgmt=", work)
}

/// Runs `work` and gives a field of each command of a kind that `disk`, an NVMe drive, was given meanwhile.
#[track_caller]
fn fields_during(disk: &str, command: &str, field: &str, work: impl FnOnce()) -> Vec<String> {
    let filter = format!("disk == \"{disk}\"");
    let lines = lines_during("nvme/nvme_setup_cmd", &filter, work);
    let commands = lines.iter().filter(|line| line.contains(command));
    commands
        .filter_map(|line| line.split_once(field))
        .filter_map(|(_, rest)| rest.split([',', ')']).next())
        .map(str::to_owned)
        .collect()
}

/// Runs `work` and gives the requests that `disk` (a name in /sys/block) was given meanwhile.
#[track_caller]
pub(crate) fn issued_during(disk: &str, work: impl FnOnce()) -> Vec<Issued> {
    let lines = lines_during("block/block_rq_issue", &of(disk), work);
    lines.iter().map(|line| parse(line)).collect()
}

/// Runs `work` and gives first sector and length, in sectors, of each request that `disk` ended meanwhile.
#[track_caller]
pub(crate) fn requests_completed_during(disk: &str, work: impl FnOnce()) -> Vec<(u64, u64)> {
    let lines = lines_during("block/block_rq_complete", &of(disk), work);
    lines.iter().map(|line| place(line)).collect()
}

/// Runs `work` and gives first sector and length, in sectors, of each bio of `disk` that an event was about meanwhile.
#[track_caller]
pub(crate) fn bios_during(disk: &str, event: &str, work: impl FnOnce()) -> Vec<(u64, u64)> {
    let lines = lines_during(&format!("block/{event}"), &of(disk), work);
    lines.iter().map(|line| place(line)).collect()
}

/// The filter for events of a disk.
#[track_caller]
fn of(disk: &str) -> String {
    let device = sysfs::read(&format!("/sys/block/{disk}/dev")).expect("a disk has a number");
    let (major, minor) = device
        .split_once(':')
        .expect("a device number has two parts");
    let number = |text: &str| text.parse::<u32>().expect("a device number has numbers");
    format!("dev == {}", (number(major) << 20) | number(minor))
}

/// First sector and length in "259,3 R 2048 + 8 [0]".
#[track_caller]
fn place(text: &str) -> (u64, u64) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plus = words.iter().position(|word| *word == "+");
    let plus = plus.unwrap_or_else(|| panic!("no sectors in {text:?}"));
    let number = |index: usize| words.get(index).and_then(|word| word.parse().ok());
    number(plus - 1)
        .zip(number(plus + 1))
        .unwrap_or_else(|| panic!("no sectors in {text:?}"))
}

/// Runs `work` and gives what a tracepoint said meanwhile.
#[track_caller]
fn lines_during(event: &str, filter: &str, work: impl FnOnce()) -> Vec<String> {
    let (_, name) = event.split_once('/').expect("a group and a name");
    let event = format!("events/{event}");
    set("trace", "");
    set(&format!("{event}/filter"), filter);
    set(&format!("{event}/enable"), "1");
    work();
    set(&format!("{event}/enable"), "0");
    let trace = fs::read_to_string(format!("{TRACING}/trace")).expect("the trace can be read");
    let mark = format!("{name}: ");
    trace
        .lines()
        .filter_map(|line| line.split_once(&mark))
        .map(|(_, text)| text.to_owned())
        .collect()
}

/// Parses "259,3 WFS 4096 () 2048 + 8 none,0,0 [program]".
#[track_caller]
fn parse(text: &str) -> Issued {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plus = words
        .iter()
        .position(|word| *word == "+")
        .unwrap_or_else(|| panic!("no sectors in {text:?}"));
    let number = |index: usize| {
        words[index]
            .parse()
            .unwrap_or_else(|_| panic!("no number in {text:?}"))
    };
    Issued {
        what: words[1].to_owned(),
        sector: number(plus - 1),
        sectors: number(plus + 1),
    }
}

#[track_caller]
fn set(file: &str, value: &str) {
    let path = format!("{TRACING}/{file}");
    fs::write(&path, value).unwrap_or_else(|why| panic!("{path}: {why}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_from_a_line_of_the_trace() {
        let fua = parse("259,3 WFS 4096 () 2048 + 8 none,0,0 [shunt-vm]");
        assert_eq!(
            (fua.what.as_str(), fua.sector, fua.sectors),
            ("WFS", 2048, 8)
        );
        let flush = parse("259,3 FF 0 () 0 + 0 none,0,0 [kworker/0:1H]");
        assert_eq!(
            (flush.what.as_str(), flush.sector, flush.sectors),
            ("FF", 0, 0)
        );
    }
}
