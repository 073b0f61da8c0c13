// SPDX-License-Identifier: MIT OR Apache-2.0
//! The search against a made-up /dev and /sys. Device nodes cannot be made up: what is at one is
//! tried in the VM.

use std::os::unix::fs::symlink;

use super::*;

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("shunt-drives-{test}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn disk(&self, disk: &str, number: &str, files: &[(&str, &str)]) {
        let place = self.0.join("sys/devices").join(disk);
        for (file, text) in files {
            let file = place.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        for (link, up) in [
            (
                format!("class/block/{}", name(Path::new(disk))),
                "../../devices",
            ),
            (format!("block/{disk}"), "../devices"),
            (format!("dev/block/{number}"), "../../devices"),
        ] {
            let link = self.0.join("sys").join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            let _ = symlink(format!("{up}/{disk}"), link);
        }
    }

    fn machine(&self) -> ThisMachine {
        ThisMachine::at(self.0.join("dev"), self.0.join("sys"), self.0.join("udev"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn size_and_blocks_of_a_partition_are_read() {
    let folder = Folder::new("sizes");
    let block = ("queue/logical_block_size", "4096\n");
    folder.disk("sda", "8:0", &[("size", "2048\n"), block]);
    folder.disk("sda/sda1", "8:1", &[("size", "8\n"), ("partition", "1\n")]);
    let drive = |disk: &str, minor, size| {
        Found::Drive(Drive {
            path: "/dev/x".into(),
            disk: disk.into(),
            major: 8,
            minor,
            size,
            logical_block_size: 4096,
            identity: Identity {
                partition: (minor == 1).then(|| "1".to_owned()),
                ..Identity::default()
            },
        })
    };
    let machine = folder.machine();
    assert_eq!(machine.drive("/dev/x", 8, 0), drive("sda", 0, 1 << 20));
    assert_eq!(machine.drive("/dev/x", 8, 1), drive("sda1", 1, 4096));
}

#[test]
fn a_partition_is_told_by_its_disk_its_place_and_what_udev_found_on_it() {
    let folder = Folder::new("identity");
    let wwid = ("device/wwid", "naa.5000c500a1b2c3d4\n");
    folder.disk(
        "sda",
        "8:0",
        &[("size", "2048\n"), ("diskseq", "12\n"), wwid],
    );
    let uuid = ("uevent", "PARTUUID=AB-01\n");
    let size = ("size", "8\n");
    folder.disk("sda/sda1", "8:1", &[size, ("partition", "1\n"), uuid]);
    let found = folder.0.join("udev/data/b8:1");
    fs::create_dir_all(found.parent().unwrap()).unwrap();
    fs::write(found, "S:disk/by-uuid/f00d\nE:ID_FS_UUID=f00d\n").unwrap();
    let Found::Drive(drive) = folder.machine().drive("/dev/x", 8, 1) else {
        panic!("it is there")
    };
    let known = |text: &str| Some(text.to_owned());
    let expected = Identity {
        hardware: known("naa.5000c500a1b2c3d4"),
        partition: known("ab-01"),
        file_system: known("f00d"),
        sequence: Some(12),
    };
    assert_eq!(drive.identity, expected);
}

#[test]
fn what_is_read_of_two_disks_is_no_drive() {
    let folder = Folder::new("two");
    folder.disk("sda", "8:0", &[("size", "2048\n"), ("diskseq", "12\n")]);
    let disk = folder.0.join("sys/devices/sda");
    // A pipe: whoever reads it waits for what is written below.
    let wwid = disk.join("wwid");
    let mode = nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR;
    nix::unistd::mkfifo(&wwid, mode).unwrap();
    let look = {
        let (dev, sys, udev) = ("dev", "sys", "udev");
        let [dev, sys, udev] = [dev, sys, udev].map(|part| folder.0.join(part));
        std::thread::spawn(move || ThisMachine::at(dev, sys, udev).drive("/dev/sda", 8, 0))
    };
    let mut pipe = fs::OpenOptions::new().write(true).open(&wwid).unwrap();
    fs::write(disk.join("diskseq"), "13\n").unwrap();
    std::io::Write::write_all(&mut pipe, b"eui.0001\n").unwrap();
    drop(pipe);
    assert_eq!(look.join().unwrap(), Found::Missing);
}

#[test]
fn what_udev_knows_of_the_disk_before_is_not_taken_for_this_one() {
    let folder = Folder::new("before");
    folder.disk("sda", "8:0", &[("size", "2048\n"), ("diskseq", "12\n")]);
    let found = folder.0.join("udev/data/b8:0");
    fs::create_dir_all(found.parent().unwrap()).unwrap();
    let link = folder.0.join("dev/disk/by-label/data");
    for (links, is_of_before) in [
        ("S:disk/by-diskseq/12\nS:disk/by-label/data\n", false),
        ("S:disk/by-label/data\nS:disk/by-diskseq/11\n", true),
        ("S:disk/by-label/data\n", false),
    ] {
        fs::write(&found, format!("{links}E:ID_FS_UUID=f00d\n")).unwrap();
        let machine = folder.machine();
        let by_link = machine.drive(&link.display().to_string(), 8, 0);
        assert_eq!(by_link == Found::Missing, is_of_before, "{links}");
        let Found::Drive(drive) = machine.drive("/dev/sda", 8, 0) else {
            panic!("no link led there")
        };
        let file_system = (!is_of_before).then(|| "f00d".to_owned());
        assert_eq!(drive.identity.file_system, file_system, "{links}");
    }
}

#[test]
fn drives_have_their_names_once_the_queue_of_udev_is_empty() {
    let folder = Folder::new("settled");
    let queue = folder.0.join("udev/queue");
    fs::create_dir_all(queue.parent().unwrap()).unwrap();
    fs::write(&queue, "").unwrap();
    assert!(!folder.machine().is_settled());
    fs::remove_file(&queue).unwrap();
    assert!(folder.machine().is_settled());
}

#[test]
fn a_drive_without_a_medium_is_missing() {
    let folder = Folder::new("empty");
    folder.disk("loop0", "7:0", &[("size", "0\n")]);
    let machine = folder.machine();
    assert_eq!(machine.drive("/dev/loop0", 7, 0), Found::Missing);
    assert_eq!(machine.drive("/dev/loop1", 7, 1), Found::Missing);
}

#[test]
fn what_is_no_block_device_is_wrong() {
    let wrong = ThisMachine::now().find(&DriveName::Path("/dev/null".into()));
    assert!(
        matches!(wrong, Found::Wrong(why) if why.starts_with("/dev/null is not a block device;"))
    );
    let folder = Folder::new("wrong");
    fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("a\nb");
    fs::write(&file, "").unwrap();
    let wrong = ThisMachine::now().find(&DriveName::Path(file.display().to_string()));
    assert!(matches!(wrong, Found::Wrong(why) if why.lines().count() == 1));
    let missing = ThisMachine::now().find(&DriveName::Path("/dev/no-such-drive".into()));
    assert_eq!(missing, Found::Missing);
}

#[test]
fn two_partitions_with_one_identifier_are_neither() {
    let folder = Folder::new("uuids");
    let uuid = ("uevent", "MAJOR=8\nPARTN=1\nPARTUUID=AB-01\n");
    folder.disk("sda/sda1", "8:1", &[uuid]);
    let wanted = DriveName::PartUuid("ab-01".into());
    // The node is not there.
    assert_eq!(folder.machine().find(&wanted), Found::Missing);
    assert_eq!(folder.machine().parts()["ab-01"], ["sda1"]);
    folder.disk("sdb/sdb1", "8:17", &[uuid]);
    let found = folder.machine().find(&wanted);
    assert!(matches!(found, Found::Wrong(why) if why.starts_with("PARTUUID=ab-01 is on several")));
}

#[test]
fn disks_are_found_by_the_number_in_which_they_came() {
    let folder = Folder::new("diskseq");
    folder.disk("sda", "8:0", &[("diskseq", "12\n")]);
    let machine = folder.machine();
    assert_eq!(machine.sequence()[&12], "sda");
    assert_eq!(machine.find(&DriveName::DiskSeq(13)), Found::Missing);
}
