// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm crash`: kills QEMU in the middle of writes and looks below the devices for all that the guest was told is
//! durable. The drives have a volatile write cache (`nbd`), which is lost with QEMU.
//!
//! Flushes go to emulated NVMe drives. FUA writes and ext4, which relies on them, go to emulated SCSI disks, since
//! QEMU's NVMe drive takes no notice of FUA.

mod image;

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::image::Image;
use super::machine::{Machine, tail};
use super::parts::Parts;
use super::{Result, because, nbd};
use crate::cases::Init;
use crate::crash::{LOADS, Load, WRITERS, number};
use crate::protocol::{Event, Outcome, Request};

/// Writes of every writer before the guest may be killed.
const ENOUGH: u64 = 12;

/// Longest time until there are that many.
const DEADLINE: Duration = Duration::from_secs(60);

/// Longest time from then on until the guest is killed, in ms.
const RANDOM_MS: u64 = 1500;

/// Runs so many rounds on each kernel; true if none failed.
pub(crate) fn run(releases: &[String], rounds: u32) -> Result<bool> {
    let parts = Parts::find_all(releases)?;
    let (mut passed, mut failed) = (0, 0);
    for parts in &parts {
        if parts.debug {
            return Err(format!("{} has no driver for the disks", parts.release));
        }
        for round in 1..=rounds {
            let name = format!("{}, round {round}", parts.release);
            match run_round(parts) {
                Ok(said) => {
                    passed += 1;
                    println!("ok {name}: {said}");
                }
                Err(why) => {
                    failed += 1;
                    println!("FAILED {name}: {}", why.trim_end());
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    Ok(failed == 0)
}

/// Boots, kills and looks; gives what there is to say of it.
fn run_round(parts: &Parts) -> Result<String> {
    let folder = Folder::make(parts)?;
    fs::write(parts.console(), "").map_err(because(parts.console().display()))?;
    let drives = Drives::serve(&folder.0)?;
    let mut machine = Machine::boot_with(parts, Init::Runner, &drives.arguments)?;
    let mut durable = Durable::default();
    let killed_after = wait_for_the_moment(parts, &mut machine, &mut durable)?;
    for event in machine.kill() {
        durable.hear(&event);
    }
    let images = drives.left()?;

    let said = parts.complaints().into_iter();
    let mut faults: Vec<String> = said
        .map(|line| format!("the kernel said: {line}"))
        .collect();
    let mut unseen = Vec::new();
    let mut lost_below = 0;
    for (index, (load, images)) in LOADS.iter().zip(images).enumerate() {
        let lost = match Image::open(load, &images, &folder.0) {
            Ok(image) => lost(&image, index, load, &durable),
            Err(why) => vec![why],
        };
        match (load.lossy, lost.is_empty()) {
            (false, _) => faults.extend(lost.iter().map(|lost| format!("{}: {lost}", load.name))),
            (true, true) => unseen.push(load.name),
            (true, false) => lost_below += lost.len(),
        }
    }
    if !unseen.is_empty() {
        let names = unseen.join(", ");
        faults.push(format!(
            "nothing was lost in {names}: the test would not see it"
        ));
    }
    match faults.is_empty() {
        true => Ok(format!(
            "killed after {} ms; of {} writes that were durable none is lost; without flush and FUA {lost_below} are",
            killed_after.as_millis(),
            durable.sum()
        )),
        false => Err(faults.join("\n    ")),
    }
}

/// Hears the guest until some random time after every writer has got somewhere.
fn wait_for_the_moment(
    parts: &Parts,
    machine: &mut Machine,
    durable: &mut Durable,
) -> Result<Duration> {
    let last_words = |why: &str| format!("{why}; its last words:\n{}", tail(&parts.console()));
    machine.send(&Request::Crash);
    let begun = Instant::now();
    let mut until = begun + DEADLINE;
    let mut chosen = false;
    while Instant::now() < until {
        match machine.event(until) {
            Ok(Event::End(report)) => {
                let (Outcome::Failed(why) | Outcome::Skipped(why)) = report.outcome else {
                    return Err(last_words("the loads ended"));
                };
                return Err(last_words(&format!("the loads ended: {why}")));
            }
            Ok(event) => durable.hear(&event),
            Err(_) if chosen => break,
            Err(gone) => return Err(last_words(&gone.to_string())),
        }
        if !chosen && durable.least() >= ENOUGH {
            chosen = true;
            let random = RandomState::new().hash_one(0) % RANDOM_MS;
            until = Instant::now() + Duration::from_millis(random);
        }
    }
    match chosen {
        true => Ok(begun.elapsed()),
        false => Err(last_words(&format!(
            "after {} s not every load had got somewhere: {durable:?}",
            DEADLINE.as_secs()
        ))),
    }
}

/// Up to which number the writes of each load and writer were acknowledged as durable.
#[derive(Debug, Default)]
struct Durable(HashMap<(usize, u64), u64>);

impl Durable {
    fn hear(&mut self, event: &Event) {
        if let Event::Durable(load, writer, number) = event {
            self.0.insert((*load, *writer), *number);
        }
    }

    fn of(&self, load: usize, writer: u64) -> u64 {
        self.0.get(&(load, writer)).copied().unwrap_or(0)
    }

    /// The number of the writer that is furthest behind.
    fn least(&self) -> u64 {
        let all = (0..LOADS.len()).flat_map(|load| (0..WRITERS).map(move |writer| (load, writer)));
        all.map(|(load, writer)| self.of(load, writer))
            .min()
            .unwrap_or(0)
    }

    /// How many writes of the loads that have to lose none.
    fn sum(&self) -> u64 {
        let sound = self.0.iter().filter(|((load, _), _)| !LOADS[*load].lossy);
        sound.map(|(_, number)| number).sum()
    }
}

/// Says of each block that holds an older write than it has to.
fn lost(image: &Image, index: usize, load: &Load, durable: &Durable) -> Vec<String> {
    let mut lost = Vec::new();
    for writer in 0..WRITERS {
        let mut wanted: HashMap<u64, u64> = HashMap::new();
        for number in 1..=durable.of(index, writer) {
            wanted.insert(load.place(writer, number), number);
        }
        for (place, wanted) in wanted {
            let found = image
                .block(writer, place)
                .and_then(|block| number(block, index, writer));
            // A later write to the same place may have become durable, too.
            let stands =
                found.is_some_and(|found| found >= wanted && load.place(writer, found) == place);
            if !stands {
                lost.push(format!(
                    "write {wanted} of writer {writer} at byte {place} was durable; found is {found:?}"
                ));
            }
        }
    }
    lost
}

/// The drives of all loads, being served.
struct Drives {
    /// What gives them to QEMU.
    arguments: Vec<String>,
    /// For each load, its drives.
    served: Vec<Vec<JoinHandle<io::Result<Vec<u8>>>>>,
}

impl Drives {
    fn serve(folder: &Path) -> Result<Self> {
        let mut arguments = vec![
            "-device".to_owned(),
            "virtio-scsi-pci,id=crashes".to_owned(),
        ];
        let mut served = Vec::new();
        for (index, load) in LOADS.iter().enumerate() {
            let mut drives = Vec::new();
            let names = load.drive_names(index);
            for (name, bytes) in names.into_iter().zip(image::first(load, folder)?) {
                let socket = folder.join(&name);
                let device = match load.has_file_system() {
                    true => {
                        format!("scsi-hd,bus=crashes.0,drive={name},product={name},dpofua=on")
                    }
                    false => format!("nvme,serial={name},drive={name}"),
                };
                arguments.extend([
                    "-blockdev".to_owned(),
                    format!(
                        "nbd,node-name={name},server.type=unix,server.path={}",
                        socket.display()
                    ),
                    "-device".to_owned(),
                    device,
                ]);
                drives.push(nbd::serve(&socket, bytes).map_err(because(socket.display()))?);
            }
            served.push(drives);
        }
        Ok(Self { arguments, served })
    }

    /// What is left of each drive of each load; to be called once QEMU is gone.
    fn left(self) -> Result<Vec<Vec<Vec<u8>>>> {
        let left = |drive: JoinHandle<io::Result<Vec<u8>>>| match drive.join() {
            Ok(left) => left.map_err(because("a drive")),
            Err(_) => Err("the thread of a drive panicked".to_owned()),
        };
        let of_load = |drives: Vec<_>| drives.into_iter().map(left).collect();
        self.served.into_iter().map(of_load).collect()
    }
}

/// A folder for sockets and images; removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn make(parts: &Parts) -> Result<Self> {
        let folder = Self(parts.work.join(format!("crash-{}", process::id())));
        fs::create_dir_all(&folder.0).map_err(because(folder.0.display()))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It holds little.
        let _ = fs::remove_dir_all(&self.0);
    }
}
