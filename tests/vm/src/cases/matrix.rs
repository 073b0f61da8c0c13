// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of docs/capabilities.md holds: each operation is tried on the drive, on dm-linear over it, and on a device
//! over it.

use std::fs;

use crate::cases::reservations::PR;
use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::encrypted;
use crate::guest::flash::{ZONE, flash, rich, zoned};
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::nvmet::Namespace;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::Device;
use crate::guest::test_drive::{ALL_UNITS, TestDrive, TestDrives};
use crate::guest::trace::issued_during;
use crate::guest::zones::{order, reset_all, zones};

cases! {
    the_table_of_operations_holds,
}

const DOCUMENT: &str = include_str!("../../../../docs/capabilities.md");

/// What operations are tried on: a path, and the name of the drive that it leads to.
struct Subject<'a> {
    path: &'a str,
    drive: &'a str,
}

/// An operation, and whether it worked.
type Row = (&'static str, fn(&Subject<'_>) -> bool);

/// On a drive that can do what few can.
const PLAIN: &[Row] = &[
    ("read", |on| {
        works(&[
            "dd",
            "iflag=direct",
            "bs=4k",
            "count=1",
            "of=/dev/null",
            &format!("if={}", on.path),
        ])
    }),
    ("write", |on| {
        Direct::open(on.path)
            .try_write(0, &Buffer::pattern(1, 4096))
            .is_ok()
    }),
    ("flush reaches the drive", |on| {
        reaches(on, "FF", || Direct::open(on.path).flush().is_ok())
    }),
    ("FUA reaches the drive", |on| {
        let sync = || {
            works(&[
                "dd",
                "oflag=direct,dsync",
                "bs=4k",
                "count=1",
                "if=/dev/zero",
                &format!("of={}", on.path),
            ])
        };
        reaches(on, "WF", sync)
    }),
    ("discard", |on| {
        reaches(on, "D", || {
            works(&["blkdiscard", "--force", "--length", "1M", on.path])
        })
    }),
    ("write zeroes, blocks kept", |on| {
        reaches(on, "WZ", || {
            works(&["fallocate", "--zero-range", "--length", "1M", on.path])
        })
    }),
    ("write zeroes, blocks freed", |on| {
        reaches(on, "WZ", || {
            works(&["fallocate", "--punch-hole", "--length", "1M", on.path])
        })
    }),
    ("polled read", |on| {
        fio(on, "ioengine=io_uring hipri=1 rw=read")
    }),
    ("read with NOWAIT", |on| {
        fio(on, "ioengine=pvsync2 nowait=1 rw=read")
    }),
    ("atomic write", |on| {
        queue(on, "atomic_write_unit_max_bytes")
    }),
    ("write stream", |on| queue(on, "max_write_streams")),
    ("protection information", |on| {
        fs::read_to_string(format!("/sys/block/{}/integrity/format", disk(on)))
            .is_ok_and(|format| format.trim() != "none")
    }),
    ("DAX", |on| queue(on, "dax")),
    ("partitions (BLKRRPART)", |on| {
        works(&[
            "sh",
            "-c",
            &format!(
                "echo 'start=2048, size=2048' | sfdisk --quiet --force {}",
                on.path
            ),
        ]) && works(&["blockdev", "--rereadpt", on.path])
            && sysfs_has_a_partition(&disk(on))
    }),
    ("BLKFLSBUF", |on| {
        works(&["blockdev", "--flushbufs", on.path])
    }),
    ("HDIO_GETGEO", |on| {
        let ask = format!(
            "import fcntl; fcntl.ioctl(open({:?}, 'rb'), 0x0301, bytearray(16))",
            on.path
        );
        works(&["python3", "-c", &ask])
    }),
    ("NVMe admin command", |on| {
        works(&["nvme", "id-ctrl", on.path])
    }),
    ("NVMe I/O command", |on| {
        works(&[
            "nvme",
            "read",
            on.path,
            "--start-block=0",
            "--block-count=0",
            "--data-size=512",
            "--data=/run/block",
        ])
    }),
];

/// On a drive in memory.
const IN_MEMORY: &[Row] = &[("secure erase", |on| {
    reaches(on, "DE", || {
        works(&[
            "blkdiscard",
            "--force",
            "--secure",
            "--length",
            "1M",
            on.path,
        ])
    })
})];

/// On that too, where the kernel has it.
const ENCRYPTED: &[Row] = &[("inline encryption by the drive", |on| {
    let drive = TestDrive::named(on.drive);
    let before = drive.keys_programmed();
    encrypted::make_file_system(on.path, 4096);
    encrypted::write(&Mount::ext4_encrypted_inline(on.path));
    drive.keys_programmed() > before
})];

/// On a drive with zones.
const ZONED: &[Row] = &[
    ("zone report", |on| zones(on.path).len() == 16),
    ("write at the write pointer", |on| {
        Direct::open(on.path)
            .try_write(0, &Buffer::pattern(1, 4096))
            .is_ok()
    }),
    ("zone append", |on| {
        fs::write("/run/append", &*Buffer::pattern(2, 4096)).expect("/run takes files");
        let namespace = Namespace::over(on.path).expect("the kernel has an NVMe target");
        namespace.append(0, "/run/append", 4096) == 8
    }),
    ("zone open", |on| is_then(on, "open", "oe")),
    ("zone close", |on| is_then(on, "close", "cl")),
    ("zone finish", |on| is_then(on, "finish", "fu")),
    ("zone reset", |on| is_then(on, "reset", "em")),
    ("reset of all zones", |on| {
        reset_all(on.path);
        zones(on.path).iter().all(|zone| zone.condition == "em")
    }),
];

/// On a SCSI disk.
const SCSI: &[Row] = &[("SG_IO", |on| {
    let id = |path: &str| {
        attempt(&[
            "/usr/lib/udev/scsi_id",
            "--whitelisted",
            &format!("--device={path}"),
        ])
        .stdout
    };
    let found = id(on.path);
    !found.is_empty() && found == id(&format!("/dev/{}", on.drive))
})];

/// On a drive that can be reserved.
const RESERVABLE: &[Row] = &[("persistent reservations", |on| {
    let pr = |words: &[&str]| works(&[&["python3", "-c", PR, on.path], words].concat());
    pr(&["register", "0", "5", "0", "0"]) && pr(&["show"]) && pr(&["clear", "5", "0", "0"])
})];

fn works(words: &[&str]) -> bool {
    attempt(words).code == Some(0)
}

fn fio(on: &Subject<'_>, options: &str) -> bool {
    let options = options
        .split_whitespace()
        .map(|option| format!("--{option}"));
    let mut words: Vec<String> = [
        "fio",
        "--name=job",
        "--direct=1",
        "--bs=4k",
        "--number_ios=8",
        "--size=1M",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--filename={}", on.path));
    words.extend(options);
    works(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whether `work` works, and the drive gets a request of that kind meanwhile.
fn reaches(on: &Subject<'_>, what: &str, work: impl FnOnce() -> bool) -> bool {
    let mut worked = false;
    let issued = issued_during(on.drive, || worked = work());
    worked && issued.iter().any(|request| request.what.starts_with(what))
}

/// The name that a path has in /sys/block; nodes of the device mapper have names of their own.
fn disk(on: &Subject<'_>) -> String {
    let number = run(&format!("stat --format=%Hr:%Lr {}", on.path));
    let place = fs::canonicalize(format!("/sys/dev/block/{}", number.trim()));
    let place = place.expect("sysfs has the device");
    let name = place.file_name().expect("it has a name");
    name.to_string_lossy().into_owned()
}

/// Whether a limit of the queue is not 0.
fn queue(on: &Subject<'_>, file: &str) -> bool {
    fs::read_to_string(format!("/sys/block/{}/queue/{file}", disk(on)))
        .is_ok_and(|text| text.trim() != "0")
}

fn sysfs_has_a_partition(disk: &str) -> bool {
    let has = fs::exists(format!("/sys/block/{disk}/{disk}p1")).is_ok_and(|is| is);
    let _ = attempt(&["wipefs", "--all", "--force", &format!("/dev/{disk}")]);
    let _ = attempt(&["blockdev", "--rereadpt", &format!("/dev/{disk}")]);
    has
}

/// Whether zone 3 has a condition after an order.
fn is_then(on: &Subject<'_>, verb: &str, condition: &str) -> bool {
    order(verb, on.path, 3, 1, ZONE.0);
    zones(on.path)[3].condition == condition
}

/// Tries operations on a drive, on dm-linear over it, and on a device over it; a line of the table for each.
#[track_caller]
fn lines(path: &str, prepare: impl Fn(&str), rows: &[Row]) -> Vec<String> {
    let drive = path.trim_start_matches("/dev/");
    let bytes = run(&format!("blockdev --getsize64 {path}"));
    let bytes = bytes.trim().parse().expect("a drive has a size");
    let on = |path: &str| -> Vec<bool> {
        prepare(path);
        rows.iter()
            .map(|(_, try_it)| try_it(&Subject { path, drive }))
            .collect()
    };
    let raw = on(path);
    let linear = {
        let dm = Dm::linear("matrix", path, bytes);
        on(&dm.path())
    };
    let device = Device::map("vol0", path);
    let device = on(device.path());
    let word = |worked: bool| if worked { "yes" } else { "no" };
    let all = rows.iter().zip(raw).zip(linear).zip(device);
    all.map(|((((name, _), raw), linear), device)| {
        format!(
            "| {name} | {} | {} | {} |",
            word(raw),
            word(linear),
            word(device)
        )
    })
    .collect()
}

fn the_table_of_operations_holds() {
    let _module = Module::load();
    // Blocks without protection information, which were never written, cannot be read: so dd writes to the very end,
    // where it fails.
    let of = format!("of={}", rich().path);
    let _ = attempt(&["dd", "if=/dev/zero", &of, "bs=1M", "oflag=direct"]);
    let mut found = lines(&rich().path, |_| {}, PLAIN);
    found.extend({
        let drives = TestDrives::load("");
        lines(&drives.drive(0).path, |_| {}, IN_MEMORY)
    });
    if encrypted::is_possible() {
        let drives = TestDrives::load(&format!("data_units={ALL_UNITS}"));
        found.extend(lines(&drives.drive(0).path, |_| {}, ENCRYPTED));
    }
    found.extend(lines(&zoned(0).path, reset_all, ZONED));
    let scsi = ScsiDebug::load("dev_size_mb=16");
    found.extend(lines(scsi.path(), |_| {}, SCSI));
    let namespace = Namespace::reservable(&flash(0).path).expect("the kernel has an NVMe target");
    found.extend(lines(namespace.path(), |_| {}, RESERVABLE));
    let table = DOCUMENT
        .split_once("<!-- operations -->")
        .map(|(_, rest)| rest);
    let table = table.and_then(|rest| rest.split_once("<!-- end -->"));
    let (table, _) = table.expect("the document has a table of operations");
    let is_possible = |line: &&str| {
        encrypted::is_possible() || !line.starts_with(&format!("| {} |", ENCRYPTED[0].0))
    };
    let said: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .filter(is_possible)
        .collect();
    assert_eq!(
        said,
        found,
        "the document says otherwise than\n{}\n",
        found.join("\n")
    );
}
