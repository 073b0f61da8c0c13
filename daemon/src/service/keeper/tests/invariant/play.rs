// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plays what happens, and looks after each step of a daemon or of `shunt apply` whether the invariant
//! holds.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    super::{Stage, *},
    DEVICES, Event, File, NAMES, PART,
    drives::{Content, Drives},
    reader::Reader,
};
use crate::{
    config,
    model::{DeviceSpec, Target},
    plan::Authority,
};

thread_local! {
    /// What the daemons of this test have logged.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOG.with_borrow_mut(|log| log.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = log::set_logger(&Logger);
        log::set_max_level(log::LevelFilter::Info);
    });
    LOG.with_borrow_mut(Vec::clear);
}

/// Where a row is, or was before its drive went.
#[derive(Clone, Debug, PartialEq)]
struct Was {
    content: Content,
    lost: bool,
    path: String,
    offset: u64,
    length: u64,
}

/// A daemon with its file, and a person who knows what that means.
struct Daemon {
    stage: Stage,
    reader: Reader,
    /// What the file is by now, if it was not read since.
    written: File,
}

impl Daemon {
    fn start(kernel: &Fake, file: &File) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut stage = Stage::new(&format!("invariant-{count}"), &file.text());
        stage.kernel = kernel.clone();
        stage.restart();
        Self {
            stage,
            reader: Reader::of(file),
            written: file.clone(),
        }
    }

    fn restart(&mut self) {
        self.stage.restart();
        self.reader = Reader::of(&self.written);
    }

    fn write(&mut self, file: &File) {
        self.written = file.clone();
        self.stage.write(&file.text());
    }

    /// Reads its file again; one that cannot be is not taken.
    fn reload(&mut self) {
        let wanted = wanted(&self.written);
        let present = self.stage.kernel.devices();
        if config::check(&wanted, &present, &self.stage.kernel).is_empty() {
            self.reader.takes(&self.written);
        }
        self.stage.keeper().reload();
    }
}

fn wanted(file: &File) -> Vec<config::Wanted> {
    config::parse("f", &file.text()).unwrap()
}

pub(super) struct Play {
    kernel: Fake,
    daemons: Vec<Daemon>,
    drives: Drives,
    /// Where each row of each device is.
    rows: BTreeMap<usize, Vec<Was>>,
    /// Whether there was a drive that had the name of another, or one went and the kernel did not tell.
    doubts: bool,
}

impl Play {
    pub(super) fn begin(first: File) -> Self {
        listen();
        let kernel = Fake::new();
        let mut play = Self {
            daemons: Vec::new(),
            drives: Drives::of(&kernel),
            rows: BTreeMap::new(),
            doubts: false,
            kernel,
        };
        for name in 0..NAMES.len() {
            play.drives.put(name, name as u32, name as Content, false);
        }
        play.daemons.push(Daemon::start(&play.kernel, &first));
        play.watch(None);
        play
    }

    fn client(&self) -> Client<Fake> {
        Client::new(self.kernel.clone())
    }

    fn device(&self, number: usize) -> Option<Device> {
        let devices = self.kernel.devices().into_iter();
        devices
            .filter(|device| device.name == DEVICES[number])
            .last()
    }

    pub(super) fn play(&mut self, event: &Event) {
        let mut reloaded = None;
        match event {
            Event::Reload(number, file) => {
                let number = *number % self.daemons.len();
                self.daemons[number].write(file);
                self.daemons[number].reload();
                reloaded = Some(number);
            }
            Event::Apply { file, turn, reload } => {
                if let Some(name) = turn {
                    self.doubts |= self.drives.turn(*name);
                }
                self.apply(file);
                if *reload {
                    self.daemons[0].write(file);
                    self.daemons[0].reload();
                    reloaded = Some(0);
                }
            }
            Event::Go(name, unheard) => self.doubts |= self.drives.go(*name, *unheard),
            Event::Come(name, renumbered) => self.drives.come(*name, *renumbered),
            Event::Copy {
                name,
                pulled,
                renumbered,
                silent,
            } => self.doubts |= self.drives.copy(*name, *pulled, *renumbered, *silent),
            Event::Turn(name) => self.doubts |= self.drives.turn(*name),
            Event::Restart => self.daemons[0].restart(),
            Event::Second(file) => {
                self.daemons.truncate(1);
                let second = file.iter().map(|file| Daemon::start(&self.kernel, file));
                self.daemons.extend(second);
            }

            Event::Map(..) | Event::Retarget(..) | Event::Unmap(_) | Event::Open(..) => {
                self.administrate(event);
            }
        }
        for daemon in &mut self.daemons {
            daemon.stage.keeper().drive_changed(News::Anything);
        }
        self.watch(reloaded);
    }

    /// Nobody wonders about what a person does by hand.
    fn administrate(&mut self, event: &Event) {
        let mut client = self.client();
        let target = |device: usize, name: usize, length| TargetSpec {
            path: NAMES[name].to_owned(),
            offset: PART * device as u64,
            length: Some(length),
            planned: None,
        };
        let _ = match event {
            Event::Map(device, name) => {
                let targets = vec![target(*device, *name, 4 * MIB)];
                let made = client.create_device(&DeviceSpec::new(DEVICES[*device], targets));
                made.map(|_| ())
            }
            Event::Retarget(device, name) => {
                let length = self.device(*device).map_or(0, |device| device.size);
                let change = DeviceChange::Retarget {
                    targets: vec![target(*device, *name, length)],
                    stripe: None,
                };
                let changed = client.change_device(&Selector::name(DEVICES[*device]), &change);
                changed.map(|_| ())
            }
            Event::Unmap(device) => client.delete_device(&Selector::name(DEVICES[*device])),
            Event::Open(device, open) => {
                if let Some(device) = self.device(*device) {
                    self.kernel.set_open(device.id, *open);
                }
                Ok(())
            }
            _ => Ok(()),
        };
        self.drives.opened();
        self.rows = self.now();
    }

    /// As `shunt apply` does: but for what a daemon would take back.
    fn apply(&mut self, file: &File) {
        let restored: Vec<_> = self
            .daemons
            .iter()
            .flat_map(|daemon| wanted(&daemon.reader.file))
            .filter(|device| device.policy == config::Policy::Restore)
            .collect();
        let mut free = wanted(file);
        free.retain(|device| {
            let mut others = restored.iter().filter(|other| other.name == device.name);
            others.all(|other| device.is_made_like(other))
        });
        let seen = Reader::who_looked(file, &self.drives);
        let applied = crate::apply::apply(&mut self.client(), &free, || self.kernel.clone());
        let done = applied.unwrap().done;
        let said: Vec<_> = done.iter().map(|(step, _)| step.to_string()).collect();
        self.drives.opened();
        self.check(&seen, Authority::Apply, &said);
    }

    /// Lets the daemons do all that there is to do, and looks after each step.
    fn watch(&mut self, reloaded: Option<usize>) {
        for _ in 0..1000 {
            let mut rest = false;
            for number in 0..self.daemons.len() {
                let devices = self.kernel.devices();
                let daemon = &mut self.daemons[number];
                daemon.reader.look(&devices, &self.drives);
                let keeper = daemon.stage.keeper();
                keeper.turn().unwrap();
                while keeper.is_busy() {
                    keeper.wait();
                    keeper.turn().unwrap();
                }
                rest |= keeper.has_work();
                self.drives.opened();
                let reader = daemon.reader.clone();
                let authority = match reloaded == Some(number) {
                    true => Authority::Reload,
                    false => Authority::Keep,
                };
                let said = LOG.with_borrow_mut(std::mem::take);
                self.check(&reader, authority, &said);
            }
            if !rest {
                return;
            }
        }
        panic!("the daemons go round in circles");
    }

    /// Where all rows are now.
    fn now(&self) -> BTreeMap<usize, Vec<Was>> {
        let mut rows = BTreeMap::new();
        for number in 0..DEVICES.len() {
            let Some(device) = self.device(number) else {
                continue;
            };
            let before = self.rows.get(&number);
            let of = |(row, target): (usize, &Target)| {
                let was = before.and_then(|rows| rows.get(row));
                Was {
                    // One that is lost was there before.
                    content: match self.drives.of_target(target) {
                        Some(content) => content,
                        None => was.map_or(Content::MAX, |was| was.content),
                    },
                    lost: target.state == State::Lost,
                    path: target.path.clone(),
                    offset: target.offset,
                    length: target.length,
                }
            };
            let targets = device.targets.iter().enumerate();
            rows.insert(number, targets.map(of).collect());
        }
        rows
    }

    /// The invariant, after a step of who goes by what a reader knows.
    fn check(&mut self, reader: &Reader, authority: Authority, said: &[String]) {
        let now = self.now();
        let before = std::mem::replace(&mut self.rows, now);
        for (number, rows) in &self.rows {
            let (name, device) = (DEVICES[*number], self.device(*number));
            let targets = device.map(|device| device.targets).unwrap_or_default();
            let of_device = said
                .iter()
                .filter(|line| line.contains(&format!(" {name}: ")));
            let says = |words: &str| of_device.clone().any(|line| line.contains(words));
            let Some(before) = before.get(number) else {
                // Who has a file read anew has a device that is not there mapped on what there is.
                let rows = rows.iter().enumerate();
                for (row, now) in rows.filter(|_| authority != Authority::Reload) {
                    self.may_be(reader, *number, row, now, None);
                }
                continue;
            };
            for (row, now) in rows.iter().enumerate() {
                let was = before.get(row);
                if was.is_some_and(|was| was.offset != now.offset) {
                    assert!(says("offset of"), "{name} without a word: {said:?}");
                }
                if was.is_some_and(|was| was.length != now.length) {
                    assert!(says("length of"), "{name} without a word: {said:?}");
                }
                if now.lost || was.is_some_and(|was| was.content == now.content) {
                    continue;
                }
                self.may_be(reader, *number, row, now, was);
                let shown = format!("-> {} (8:{})", now.path, targets[row].minor);
                assert!(
                    says(&shown),
                    "row {row} of {name}: {shown} without a word: {said:?}"
                );
            }
            let away = before.len().saturating_sub(rows.len());
            let shown = of_device.flat_map(|line| line.matches(") -> none")).count();
            assert!(away <= shown, "{name} without a word: {said:?}");
        }
        self.no_false_alarm(said);
    }

    /// Whether the file, read by a person, names for a row what that is on now.
    fn may_be(&self, reader: &Reader, device: usize, row: usize, now: &Was, was: Option<&Was>) {
        let name = reader.name(device, row);
        let name = name.unwrap_or_else(|| panic!("the file has no row {row} of {device}"));
        // If nobody knows, it was on a drive of that name.
        let was_on = || {
            let was = was.filter(|was| was.lost && was.path == NAMES[name]);
            was.map(|was| was.content)
        };
        let means = reader.meant(device, name).or_else(was_on);
        assert!(
            means.is_none_or(|means| means == now.content),
            "row {row} of {} was at {was:?} and is at {now:?}; {} means {means:?}",
            DEVICES[device],
            NAMES[name],
        );
    }

    /// A drive is taken for another only if there is another.
    fn no_false_alarm(&self, said: &[String]) {
        let alarms = [
            "its drive has another name now",
            "what has the name of its drive is another drive",
            "its name leads to another drive than it did",
            "is another drive than it was",
        ];
        let alarm = said
            .iter()
            .find(|line| alarms.iter().any(|alarm| line.contains(alarm)));
        assert!(self.doubts || alarm.is_none(), "{alarm:?}");
    }
}
