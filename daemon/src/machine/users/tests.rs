// SPDX-License-Identifier: MIT OR Apache-2.0
//! The search against a made-up /proc and /sys.

use std::os::unix::fs::symlink;

use super::*;

/// A folder that goes when the test ends.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn new(test: &str) -> Self {
        let name = format!("shunt-users-{test}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let machine = Self { root };
        // sdb with the partition sdb1, and dm-0.
        machine.write("sys/devices/sdb/dev", "8:16\n");
        machine.write("sys/devices/sdb/sdb1/dev", "8:17\n");
        machine.write("sys/devices/sdb/sdb1/partition", "1\n");
        machine.write("sys/devices/dm-0/dm/name", "vg-home\n");
        machine.link("../devices/sdb", "sys/block/sdb");
        machine.link("../devices/dm-0", "sys/block/dm-0");
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    fn users(&self) -> Vec<String> {
        self.uses().iter().map(Use::to_string).collect()
    }

    fn uses(&self) -> Vec<Use> {
        self.look().of_disk("sdb")
    }

    fn look(&self) -> Users {
        Users {
            proc: self.root.join("proc"),
            sys: self.root.join("sys"),
            run: self.root.join("run"),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn mounts_are_found_by_number_and_by_node() {
    let machine = Machine::new("mounts");
    machine.write(
        "proc/self/mountinfo",
        "21 1 8:1 / / rw,noatime - ext4 /dev/sda1 rw\n\
         22 21 8:16 / /mnt/my\\040disk rw shared:1 - ext4 /dev/disk/by-id/x rw\n\
         23 21 0:40 / /srv rw - btrfs /dev/sdb1 rw\n\
         24 21 0:41 / /home/me/\u{1b}]0;x rw - fuse.sshfs /dev/sdb rw\n",
    );
    assert_eq!(
        machine.users(),
        ["mounted at \"/mnt/my disk\"", "mounted at /srv (sdb1)"]
    );
}

#[test]
fn swap_and_devices_on_top_are_found() {
    let machine = Machine::new("swap");
    machine.write(
        "proc/swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb1 partition 4 0 -2\n",
    );
    machine.link("../../dm-0", "sys/devices/sdb/holders/dm-0");
    machine.link("../../shunt3", "sys/devices/sdb/holders/shunt3");
    assert_eq!(
        machine.users(),
        [
            "held by dm-0 (vg-home)",
            "held by shunt3",
            "in use as swap (sdb1)"
        ]
    );
}

#[test]
fn swap_is_found_on_the_disk_its_partitions_and_in_files() {
    let machine = Machine::new("swap-files");
    machine.write(
        "proc/self/mountinfo",
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
         22 21 8:16 / /mnt rw - ext4 /dev/disk/by-id/x rw\n\
         23 22 8:1 / /mnt/other rw - ext4 /dev/sda1 rw\n\
         24 21 0:40 / /srv/my\\040data rw - btrfs /dev/sdb1 rw\n",
    );
    machine.write(
        "proc/swaps",
        "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
         /dev/sdb1                               partition\t4\t\t0\t\t-2\n\
         /dev/sda2                               partition\t4\t\t0\t\t-3\n\
         /mnt/a                                  file\t\t4\t\t0\t\t-4\n\
         /mnt/other/b                            file\t\t4\t\t0\t\t-5\n\
         /mnt2/c                                 file\t\t4\t\t0\t\t-6\n\
         /srv/my\\040data/d                     file\t\t4\t\t0\t\t-7\n",
    );
    assert_eq!(
        machine.look().swap_on_disk("sdb"),
        ["/dev/sdb1", "/mnt/a", "/srv/my data/d"]
    );
    assert!(machine.look().swap_on_disk("dm-0").is_empty());
}

#[test]
fn a_program_is_named_if_nothing_else_is() {
    let machine = Machine::new("programs");
    machine.write("proc/77/comm", "fio\n");
    machine.link("/dev/sdb", "proc/77/fd/3");
    machine.write("proc/78/comm", "cat\n");
    machine.link("/dev/sda", "proc/78/fd/0");
    machine.link("/dev/sdb", "proc/tty/fd/0");
    assert_eq!(machine.users(), ["in use by fio (process 77)"]);
    machine.link("../../dm-0", "sys/devices/sdb/holders/dm-0");
    assert_eq!(machine.users(), ["held by dm-0 (vg-home)"]);
}

#[test]
fn udev_and_what_it_started_are_passing() {
    let machine = Machine::new("passing");
    for (process, name, parent) in [
        (70, "systemd-udevd", 1),
        (77, "fio", 1),
        (78, "(udev-worker)", 70),
        (79, "lvm", 78),
        (80, "sh", 1),
        (81, "blkid", 80),
    ] {
        machine.write(&format!("proc/{process}/comm"), &format!("{name}\n"));
        let status = format!("Name:\t{name}\nPPid:\t{parent}\nUid:\t0\n");
        machine.write(&format!("proc/{process}/status"), &status);
        machine.link("/dev/sdb", &format!("proc/{process}/fd/3"));
    }
    // Its parent has ended.
    let group = "0::/system.slice/systemd-udevd.service/udev\n";
    machine.write("proc/81/cgroup", group);
    let passing: Vec<_> = machine
        .uses()
        .iter()
        .map(|user| (user.to_string(), user.passing, user.open))
        .collect();
    let is = |words: &str, passing| (words.to_owned(), passing, true);
    assert_eq!(
        passing,
        [
            is("in use by (udev-worker) (process 78)", true),
            is("in use by blkid (process 81)", true),
            is("in use by fio (process 77)", false),
            is("in use by lvm (process 79)", true),
            is("in use by sh (process 80)", false),
            is("in use by systemd-udevd (process 70)", true),
        ]
    );
    machine.link("../../dm-0", "sys/devices/sdb/holders/dm-0");
    assert!(
        machine
            .uses()
            .iter()
            .all(|user| !user.passing && !user.open)
    );
}

#[test]
fn what_is_not_there_has_no_users() {
    let users = Users::of_this_machine();
    assert_eq!(users.of_disk("no-such-disk"), []);
    assert_eq!(users.of_path("/no/such/path"), []);
    assert_eq!(users.of_path("/dev/null"), []);
}
