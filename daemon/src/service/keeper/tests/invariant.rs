// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random files, drives that go, come back, are copied and renumbered, administrators, and daemons that
//! start anew or beside another, against one invariant: data never moves to a drive that the file, read by a
//! person, does not name for that row, and never without a line that shows it.

use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;

mod drives;
mod play;
mod reader;

use play::Play;

/// Names of drives. One by a serial number leads to its own drive only.
const NAMES: [&str; 4] = [
    "/dev/p0",
    "/dev/p1",
    "/dev/disk/by-id/p2",
    "/dev/disk/by-path/p3",
];
const DEVICES: [&str; 2] = ["v", "w"];

/// What a drive has of each device: each has its own part of every drive.
const PART: u64 = 64 * MIB;

/// A device in a file.
#[derive(Clone, Debug)]
struct Entry {
    /// Names of its rows.
    rows: Vec<usize>,
    /// Length of each row, and where it begins in its part of a drive, in MiB.
    length: u64,
    offset: u64,
    stripe: bool,
    mq: bool,
    off: bool,
    restore: bool,
    skip: bool,
}

impl Entry {
    fn text(&self, number: usize) -> String {
        let offset = PART * number as u64 + self.offset * MIB;
        let rows = self.rows.iter().map(|row| {
            let (name, length) = (NAMES[*row], self.length);
            format!("{{ drive = '{name}', offset = {offset}, length = '{length}M' }}")
        });
        let rows: Vec<_> = rows.collect();
        let choose = |what, one, other| if what { one } else { other };
        format!(
            "[device.{}]\nto = [{}]\nqueue = '{}'\nstats = '{}'\npolicy = '{}'\nmissing = '{}'\n{}",
            DEVICES[number],
            rows.join(", "),
            choose(self.mq, "mq", "bio"),
            choose(self.off, "off", "full"),
            choose(self.restore, "restore", "adopt"),
            choose(self.skip, "skip", "wait"),
            choose(self.stripe && self.rows.len() > 1, "stripe = '64K'\n", ""),
        )
    }
}

/// A file; a device may be left out of it.
#[derive(Clone, Debug)]
struct File([Option<Entry>; 2]);

impl File {
    fn text(&self) -> String {
        let entries = self.0.iter().enumerate();
        let texts = entries.filter_map(|(number, entry)| Some(entry.as_ref()?.text(number)));
        texts.collect()
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A daemon's file is written, and read by it.
    Reload(usize, File),
    /// A file is applied, while a name may turn, and may be the daemon's from then on.
    Apply {
        file: File,
        turn: Option<usize>,
        reload: bool,
    },
    /// A drive is pulled; the kernel may have no memory to tell of that.
    Go(usize, bool),
    /// The drive that had the name first is there, maybe under another number.
    Come(usize, bool),
    /// Another drive has the name, while the one that had it may still be there, or went, and its number
    /// may be that of the other now. It may say nothing of itself.
    Copy {
        name: usize,
        pulled: bool,
        renumbered: bool,
        silent: bool,
    },
    /// Another drive has the name once that is looked at and opened.
    Turn(usize),
    /// An administrator maps a device, moves it, unmaps it, or has it opened or closed.
    Map(usize, usize),
    Retarget(usize, usize),
    Unmap(usize),
    Open(usize, bool),
    /// The daemon is killed, and another one starts.
    Restart,
    /// A daemon with another file starts beside the first, or ends. There is none but where somebody
    /// removed the file that the first has locked.
    Second(Option<File>),
}

fn file() -> impl Strategy<Value = File> {
    let entry = || {
        let rows = subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..4).prop_shuffle();
        let places = (prop::sample::select(&[4, 4, 8, 12]), 0..2u64);
        let rarely = || prop::bool::weighted(0.2);
        let rest = (rarely(), rarely(), any::<bool>(), any::<bool>(), rarely());
        (rows, places, rest).prop_map(
            |(rows, (length, offset), (stripe, mq, off, restore, skip))| Entry {
                rows,
                length,
                offset,
                stripe,
                mq,
                off,
                restore,
                skip,
            },
        )
    };
    let entry = || prop::option::weighted(0.9, entry());
    (entry(), entry()).prop_map(|(v, w)| File([v, w]))
}

fn event() -> impl Strategy<Value = Event> {
    let name = || 0..NAMES.len();
    let device = || 0..DEVICES.len();
    prop_oneof![
        6 => (prop::bool::weighted(0.1), file())
            .prop_map(|(second, file)| Event::Reload(second.into(), file)),
        3 => (file(), prop::option::weighted(0.3, name()), any::<bool>())
            .prop_map(|(file, turn, reload)| Event::Apply { file, turn, reload }),
        6 => (name(), prop::bool::weighted(0.1)).prop_map(|(name, unheard)| Event::Go(name, unheard)),
        8 => (name(), any::<bool>()).prop_map(|(name, renumbered)| Event::Come(name, renumbered)),
        8 => (name(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(name, pulled, renumbered, silent)| Event::Copy { name, pulled, renumbered, silent }
        ),
        2 => name().prop_map(Event::Turn),
        1 => (device(), name()).prop_map(|(device, name)| Event::Map(device, name)),
        4 => (device(), name()).prop_map(|(device, name)| Event::Retarget(device, name)),
        3 => device().prop_map(Event::Unmap),
        1 => (device(), any::<bool>()).prop_map(|(device, open)| Event::Open(device, open)),
        2 => Just(Event::Restart),
        1 => prop::option::of(file()).prop_map(Event::Second),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200.max(ProptestConfig::default().cases),
        ..ProptestConfig::default()
    })]
    #[test]
    fn data_never_moves_but_to_what_the_file_names_and_with_a_line_that_shows_it(
        first in file(),
        events in vec(event(), 1..14),
    ) {
        let mut play = Play::begin(first);
        for event in &events {
            play.play(event);
        }
    }
}
