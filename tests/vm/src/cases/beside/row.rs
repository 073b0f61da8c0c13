// SPDX-License-Identifier: MIT OR Apache-2.0
//! A row of the matrix: a device and its company, through every change under verified I/O, then a loss, then the end by force.

use std::time::Duration;

use super::company::{Company, Layer};
use crate::guest::background::{Background, succeeds_within};
use crate::guest::case::step;
use crate::guest::command::run;
use crate::guest::fio::Fio;
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::Device;
use crate::guest::verified::while_verified;
use crate::guest::wait::wait_until;

/// Longest time for what must not hang.
const SOON: Duration = Duration::from_secs(30);

/// What is left out of a drive at first, for the device to grow.
const REST: u64 = 1 << 20;

/// The drives of a company, and one to move to.
struct Drives {
    all: Vec<NullDrive>,
    spare: NullDrive,
}

impl Drives {
    #[track_caller]
    fn make(company: Company) -> Self {
        let make = |name: &str| NullDrive::make_named(name, company.mib());
        Self {
            all: (0..company.drives())
                .map(|number| make(&format!("drive{number}")))
                .collect(),
            spare: NullDrive::make_named("spare", company.mib() * company.drives() as u32),
        }
    }

    fn paths(&self) -> Vec<String> {
        self.all
            .iter()
            .map(|drive| drive.path().to_owned())
            .collect()
    }
}

/// The device stands on the company.
#[track_caller]
pub(super) fn on(queue: &str, company: Company) {
    let module = Module::load();
    let drives = Drives::make(company);
    let layer = company.stand_on(&drives.paths());
    let bytes = size(&layer.path());
    let less = format!("{},length={}", layer.path(), bytes - REST);
    let device = Device::map_with("vol0", &less, &["--queue", queue]);
    // What the other drive can do more than the company it promises from there on, so there is no way back.
    change(
        &device,
        device.path(),
        (&layer.path(), bytes),
        &[drives.spare.path()],
    );
    device.unmap();

    step("loss of a drive below");
    let device = Device::map_with("vol0", &layer.path(), &["--queue", queue]);
    drives.all[0].take_out();
    used(device.path(), company.survives_a_loss());
    end_by_force(vec![device], &[]);
    drop(layer);
    drop((drives, module));
}

/// The company stands on the devices.
#[track_caller]
pub(super) fn below(queue: &str, company: Company) {
    let module = Module::load();
    let drives = Drives::make(company);
    let bytes = u64::from(company.mib()) << 20;
    let mut devices = Vec::new();
    for (number, drive) in drives.paths().iter().enumerate() {
        let less = format!("{drive},length={}", bytes - REST);
        devices.push(Device::map_with(
            &format!("vol{number}"),
            &less,
            &["--queue", queue],
        ));
    }
    let paths: Vec<String> = devices
        .iter()
        .map(|device| device.path().to_owned())
        .collect();
    let layer = company.stand_on(&paths);
    let last = devices.len() - 1;
    let drive = drives.all[last].path();
    change(
        &devices[last],
        &layer.path(),
        (drive, bytes),
        &[drives.spare.path(), drive],
    );

    step("loss of a drive");
    drives.all[0].take_out();
    wait_until("its device is lost", || devices[0].now()["state"] == "lost");
    used(&layer.path(), company.survives_a_loss());
    end_by_force(devices, &[&layer]);
    drop(layer);
    drop((drives, module));
}

/// Every change of a device that is used by `top`, on a drive of which it does not have the end, and that moves on to others.
#[track_caller]
pub(super) fn change(device: &Device, top: &str, (drive, bytes): (&str, u64), others: &[&str]) {
    step("write and verify");
    used(top, true);
    step("changes under verified I/O");
    while_verified(top, 1, |_| {
        step("suspend and resume");
        device.order("suspend", &[]);
        device.order("resume", &[]);
        step("resize without growth");
        device.order("resize", &[]);
        step("growth by a retarget");
        device.retarget(&format!("{drive},length={bytes}"));
        assert_eq!(device.now()["size_bytes"], bytes);
        let mut from = drive;
        for to in others {
            step("move to another drive");
            device.order("suspend", &[]);
            copy(from, to, bytes);
            device.retarget(&format!("{to},length={bytes}"));
            device.order("resume", &[]);
            from = to;
        }
        step("changes under verified I/O");
    });
    used(top, true);
}

/// Copies the data of a drive that is held back to another.
#[track_caller]
pub(super) fn copy(from: &str, to: &str, bytes: u64) {
    let mib = bytes >> 20;
    assert_eq!(mib << 20, bytes);
    run(&format!(
        "dd if={from} of={to} bs=1M count={mib} iflag=direct oflag=direct conv=notrunc status=none"
    ));
}

/// Writes and reads back; must not hang, and must succeed if `works`.
#[track_caller]
pub(super) fn used(top: &str, works: bool) {
    if works {
        Fio::run(
            top,
            "ioengine=io_uring rw=randwrite bsrange=4k-64k size=4M iodepth=16 verify=crc32c verify_fatal=1",
        );
        return;
    }
    Background::read(top).ends_in(SOON);
    Background::write(top).ends_in(SOON);
}

/// Takes the devices away from whoever has them open, which must neither hang nor leave anything that does.
#[track_caller]
pub(super) fn end_by_force(devices: Vec<Device>, tops: &[&Layer]) {
    step("forced unmap");
    for device in devices {
        succeeds_within(SOON, &["shunt", "unmap", device.name(), "--force"]);
        device.assume_gone();
    }
    for top in tops {
        used(&top.path(), false);
    }
    step("end");
}

#[track_caller]
fn size(drive: &str) -> u64 {
    let bytes = run(&format!("blockdev --getsize64 {drive}"));
    // What is copied is whole MiB.
    bytes.trim().parse::<u64>().expect("a size is a number") >> 20 << 20
}
