// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loads of the crash test: each write is told to the host once it was acknowledged as durable, and they go on until
//! the machine is gone. `host/crash.rs` is the other end.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::panic;
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::case::say_in_a_line;
use super::command::run;
use super::direct::Buffer;
use super::init::CONTROL;
use super::module::Module;
use super::mount::Mount;
use super::shunt::Device;
use super::sysfs;
use super::wait::Poll;
use crate::crash::{BLOCK, BLOCKS, By, LOADS, Load, OFFSET, STRIPE, WRITERS, file_name, fill};
use crate::protocol::{Event, line};

/// Writes that are made durable together.
const BATCH: u64 = 3;

/// Runs every load; comes back only if one of them fails.
pub(crate) fn run_loads() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        say_in_a_line(info);
        // The other writers would go on.
        process::exit(1);
    }));
    run("modprobe sd_mod");
    run("modprobe virtio_scsi");
    let _module = Module::load();
    let ready: Vec<Ready> = LOADS
        .iter()
        .enumerate()
        .map(|(index, load)| Ready::make(index, load))
        .collect();
    thread::scope(|scope| {
        for (index, ready) in ready.iter().enumerate() {
            for writer in 0..WRITERS {
                scope.spawn(move || ready.write(index, writer));
            }
        }
    });
    ExitCode::FAILURE
}

/// A load that can begin.
struct Ready {
    load: &'static Load,
    device: Device,
    mount: Option<Mount>,
}

impl Ready {
    #[track_caller]
    fn make(index: usize, load: &'static Load) -> Self {
        let disks: Vec<String> = load
            .drive_names(index)
            .iter()
            .map(|name| disk(name))
            .collect();
        let targets: Vec<String> = disks
            .iter()
            .map(|disk| format!("/dev/{disk},offset={OFFSET}"))
            .collect();
        let stripe = STRIPE.to_string();
        let mut options = vec!["--queue", load.queue];
        for target in &targets[1..] {
            options.extend(["--to", target]);
        }
        if targets.len() > 1 {
            options.extend(["--stripe", &stripe]);
        }
        let device = Device::map_with(&format!("crash{index}"), &targets[0], &options);
        let mount = load.has_file_system().then(|| Mount::ext4(device.path()));
        let ready = Self {
            load,
            device,
            mount,
        };
        if load.by == By::Fua {
            (0..WRITERS).for_each(|writer| ready.allocate(writer));
        }
        if load.lossy {
            // The block layer then takes each flush and FUA for done before it reaches the drive.
            for disk in &disks {
                let file = format!("/sys/block/{disk}/queue/write_cache");
                fs::write(&file, "write through").unwrap_or_else(|why| panic!("{file}: {why}"));
            }
        }
        ready
    }

    /// What a writer writes to.
    fn path(&self, writer: u64) -> PathBuf {
        match &self.mount {
            Some(mount) => mount.folder().join(file_name(writer)),
            None => self.device.path().into(),
        }
    }

    /// Writes all of a file, so that later writes change no metadata, which a FUA write alone would not make durable.
    #[track_caller]
    fn allocate(&self, writer: u64) {
        let file = File::create(self.path(writer)).expect("the file system takes files");
        let zeroes = Buffer::zeroed(BLOCK * BLOCKS as usize);
        file.write_all_at(&zeroes, 0).expect("there is room");
        file.sync_all().expect("fsync works");
    }

    /// Writes on and on.
    #[track_caller]
    fn write(&self, index: usize, writer: u64) {
        let (more_flags, batch) = match self.load.by {
            By::Fua => (OFlag::O_DSYNC, 1),
            By::Flush | By::Commit => (OFlag::empty(), BATCH),
        };
        let file = OpenOptions::new()
            .write(true)
            .create(self.load.by == By::Commit)
            .custom_flags((OFlag::O_DIRECT | more_flags).bits())
            .open(self.path(writer))
            .expect("what was made can be opened");
        let mut host = OpenOptions::new()
            .write(true)
            .open(CONTROL)
            .expect("the port is there");
        let mut block = Buffer::zeroed(BLOCK);
        for number in 1.. {
            fill(&mut block, index, writer, number);
            let written = file.write_at(&block, self.load.place(writer, number));
            assert_eq!(
                written.ok(),
                Some(BLOCK),
                "write {number} of {:?}",
                self.load
            );
            if number % batch != 0 {
                continue;
            }
            match self.load.by {
                By::Flush => file.sync_all().expect("fsync works"),
                By::Commit => file.sync_data().expect("fdatasync works"),
                By::Fua => {}
            }
            let durable = Event::Durable(index, writer, number);
            host.write_all(line(&durable).as_bytes())
                .expect("the host listens");
        }
    }
}

/// Name in /sys/block of the drive whose serial number, or product, this is.
#[track_caller]
fn disk(name: &str) -> String {
    let is_it = |disk: &String| {
        ["serial", "model"].iter().any(|file| {
            sysfs::read(&format!("/sys/block/{disk}/device/{file}"))
                .is_some_and(|text| text.trim() == name)
        })
    };
    let found = Poll::for_at_most(Duration::from_secs(20))
        .until(|| sysfs::names("/sys/block").into_iter().find(is_it));
    found.unwrap_or_else(|| panic!("there is no drive {name}"))
}
