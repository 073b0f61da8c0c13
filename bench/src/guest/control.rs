// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times the commands of `shunt` and of `dmsetup` on the same work, from start to end of the program.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};
use shunt::{Client, DeviceSpec, TargetSpec};

use super::drive::Drive;
use super::{Result, because, command};
use crate::figure::{Figure, Measure, Missing};
use crate::record::Record;

/// Devices that dmsetup makes at once.
const BATCH: u32 = 200;

/// A program that controls devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Shunt,
    Dmsetup,
}

impl Tool {
    pub(super) const ALL: [Self; 2] = [Self::Shunt, Self::Dmsetup];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Shunt => "shunt",
            Self::Dmsetup => "dmsetup",
        }
    }

    /// Maps device `number`, a MiB of the drive for each.
    pub(super) fn map(self, number: u32) -> Result<String> {
        let name = &device_name(number);
        let to = self.to(number);
        match self {
            Self::Shunt => command::run(&["shunt", "map", name, &to]),
            Self::Dmsetup => command::run(&["dmsetup", "create", name, "--table", &to]),
        }
    }

    /// Maps all devices whose numbers are in a range, as fast as that goes.
    pub(super) fn fill(self, numbers: Range<u32>) -> Result<()> {
        match self {
            Self::Shunt => {
                let mut client = Client::connect().map_err(because("netlink"))?;
                for number in numbers {
                    let piece = self.drive().piece(number);
                    let mut target = TargetSpec::whole(piece.drive.path());
                    target.offset = piece.offset;
                    target.length = Some(piece.length);
                    client
                        .create_device(&DeviceSpec::new(device_name(number), vec![target]))
                        .map_err(because(device_name(number)))?;
                }
            }
            Self::Dmsetup => {
                for number in numbers.clone().step_by(BATCH as usize) {
                    let batch = number..numbers.end.min(number + BATCH);
                    let tables: Vec<String> = batch
                        .map(|number| format!("{},,,rw,{}", device_name(number), self.to(number)))
                        .collect();
                    command::run(&["dmsetup", "create", "--concise", &tables.join(";")])?;
                }
            }
        }
        Ok(())
    }

    /// Takes a device away.
    pub(super) fn unmap(self, number: u32) -> Result<String> {
        let name = &device_name(number);
        match self {
            Self::Shunt => command::run(&["shunt", "unmap", name]),
            Self::Dmsetup => command::run(&["dmsetup", "remove", name]),
        }
    }

    /// Points a device at the place that another number has.
    fn retarget(self, number: u32, place: u32) -> Result<String> {
        let name = &device_name(number);
        let to = self.to(place);
        match self {
            Self::Shunt => command::run(&["shunt", "retarget", name, &to]),
            Self::Dmsetup => {
                command::run(&["dmsetup", "load", name, "--table", &to])?;
                command::run(&["dmsetup", "suspend", "--noflush", "--nolockfs", name])?;
                command::run(&["dmsetup", "resume", name])
            }
        }
    }

    /// Lists all devices.
    pub(super) fn list(self) -> Result<String> {
        match self {
            Self::Shunt => command::run(&["shunt", "list"]),
            Self::Dmsetup => command::run(&["dmsetup", "info", "-c"]),
        }
    }

    /// Shows one device.
    pub(super) fn show(self, number: u32) -> Result<String> {
        let name = &device_name(number);
        match self {
            Self::Shunt => command::run(&["shunt", "show", name]),
            Self::Dmsetup => command::run(&["dmsetup", "info", name]),
        }
    }

    /// Shows what all devices have counted.
    pub(super) fn stats(self) -> Result<String> {
        match self {
            Self::Shunt => command::run(&["shunt", "stats", "--json"]),
            Self::Dmsetup => command::run(&["dmsetup", "status"]),
        }
    }

    /// Loads or unloads the module.
    fn module(self, load: bool) -> Result<String> {
        match (self, load) {
            (Self::Shunt, true) => command::run(&["insmod", super::init::MODULE]),
            (Self::Shunt, false) => command::run(&["rmmod", "shunt"]),
            (Self::Dmsetup, true) => command::run(&["modprobe", "dm_mod"]),
            (Self::Dmsetup, false) => command::run(&["rmmod", "dm_mod"]),
        }
    }

    /// Device node of the first device.
    fn first_node(self) -> String {
        match self {
            Self::Shunt => "/dev/shunt0".to_owned(),
            Self::Dmsetup => format!("/dev/mapper/{}", device_name(0)),
        }
    }

    /// The drive below its devices: both are there at once, and each holds its drive for itself.
    fn drive(self) -> Drive {
        match self {
            Self::Shunt => Drive::Plain,
            Self::Dmsetup => Drive::Polled,
        }
    }

    /// A piece of the drive, in the words of the tool.
    fn to(self, number: u32) -> String {
        let piece = self.drive().piece(number);
        let (path, offset, length) = (piece.drive.path(), piece.offset, piece.length);
        match self {
            Self::Shunt => format!("--to={path},offset={offset},length={length}"),
            Self::Dmsetup => format!("0 {} linear {path} {}", length / 512, offset / 512),
        }
    }
}

fn device_name(number: u32) -> String {
    format!("bench{number}")
}

/// The time that something takes, in ns of the guest.
pub(super) fn time(work: impl FnOnce() -> Result<String>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_nanos() as f64)
}

/// Times each command so many times.
pub(super) fn measure(rounds: u32, tell: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    for tool in Tool::ALL {
        let mut told = |what: &str, values: Result<Vec<f64>>| {
            tell(match values {
                Ok(values) => {
                    Record::Figure(Figure::new(Measure::Control, tool.name(), what, values))
                }
                Err(why) => Record::Missing(Missing::new(tool.name(), what, why)),
            })
        };
        // Both are measured unloaded and loaded again, where they were loaded before.
        let mut loads = Vec::new();
        tool.module(true).or_else(|_| tool.list())?;
        for _ in 0..rounds {
            tool.module(false)?;
            loads.push(time(|| tool.module(true))?);
        }
        told("load the module", Ok(loads))?;

        let (mut maps, mut unmaps) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            maps.push(time(|| tool.map(0))?);
            unmaps.push(time(|| tool.unmap(0))?);
        }
        told("map", Ok(maps))?;
        told("unmap", Ok(unmaps))?;

        tool.map(0)?;
        let timed = |work: &dyn Fn(u32) -> Result<String>| -> Result<Vec<f64>> {
            (0..rounds).map(|round| time(|| work(round))).collect()
        };
        told("list", timed(&|_| tool.list()))?;
        told("show", timed(&|_| tool.show(0)))?;
        told("stats", timed(&|_| tool.stats()))?;
        told(
            "retarget, idle",
            timed(&|round| tool.retarget(0, 1 + round % 2)),
        )?;
        let busy = Busy::start(&tool.first_node())?;
        told(
            "retarget, busy",
            timed(&|round| tool.retarget(0, 1 + round % 2)),
        )?;
        drop(busy);
        tool.unmap(0)?;
    }
    Ok(())
}

/// Readers on a device; ended on drop.
struct Busy(Child);

impl Busy {
    fn start(node: &str) -> Result<Self> {
        let child = Command::new("fio")
            .args(["--name=busy", "--rw=randread", "--bs=4k", "--direct=1"])
            .args(["--ioengine=io_uring", "--iodepth=32", "--time_based"])
            // Threads, so that none of them outlives the program.
            .args(["--thread", "--runtime=1h", "--filename"])
            .arg(node)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(because("fio"))?;
        let busy = Self(child);
        let number = fs::metadata(node).map_err(because(node))?.rdev();
        let stat = format!("/sys/dev/block/{}:{}/stat", major(number), minor(number));
        let reads = || -> Option<u64> {
            let text = fs::read_to_string(&stat).ok()?;
            text.split_whitespace().next()?.parse().ok()
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        let before = reads();
        while Instant::now() < deadline {
            if reads() > before.map(|reads| reads + 1000) {
                return Ok(busy);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(format!("fio does not read from {node}"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
