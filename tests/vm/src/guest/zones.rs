// SPDX-License-Identifier: MIT OR Apache-2.0
//! Zones of block devices, by `blkzone`.

use super::command::run;

/// A zone as it is reported; in sectors of 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) capacity: u64,
    /// Where the next write goes, from the start.
    pub(crate) written: u64,
    /// `em` empty, `oi` and `oe` open, `cl` closed, `fu` full, `nw` conventional.
    pub(crate) condition: String,
}

/// `blkzone report` of all zones.
#[track_caller]
pub(crate) fn zones(path: &str) -> Vec<Zone> {
    run(&format!("blkzone report {path}"))
        .lines()
        .map(parse)
        .collect()
}

/// `blkzone VERB` of `count` zones of `zone` bytes from zone `first` on.
#[track_caller]
pub(crate) fn order(verb: &str, path: &str, first: u64, count: u64, zone: u64) {
    let sectors = zone / 512;
    run(&format!(
        "blkzone {verb} --offset {} --length {} {path}",
        first * sectors,
        count * sectors
    ));
}

/// Empties every zone at once.
#[track_caller]
pub(crate) fn reset_all(path: &str) {
    run(&format!("blkzone reset {path}"));
}

/// Parses "  start: 0x000002000, len 0x002000, cap 0x001800, wptr 0x000008 reset:0 non-seq:0, zcond: 2(oi) [type: 2(...)]".
#[track_caller]
fn parse(line: &str) -> Zone {
    let after = |word: &str| {
        let rest = line.split_once(word).map(|(_, rest)| rest.trim_start());
        rest.unwrap_or_else(|| panic!("no {word} in {line:?}"))
    };
    let number = |word: &str| {
        let text = after(word).trim_start_matches("0x");
        let digits = text.split(|c: char| !c.is_ascii_hexdigit()).next();
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .unwrap_or_else(|| panic!("no number after {word} in {line:?}"))
    };
    let condition = after("zcond:").split(['(', ')']).nth(1);
    Zone {
        start: number("start:"),
        length: number("len"),
        capacity: number("cap"),
        written: number("wptr"),
        condition: condition.unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_from_a_line_of_a_report() {
        let line = "  start: 0x000002000, len 0x002000, cap 0x001800, wptr 0x000008 reset:0 non-seq:0, zcond: 2(oi) [type: 2(SEQ_WRITE_REQUIRED)]";
        let zone = Zone {
            start: 0x2000,
            length: 0x2000,
            capacity: 0x1800,
            written: 8,
            condition: "oi".to_owned(),
        };
        assert_eq!(parse(line), zone);
    }
}
