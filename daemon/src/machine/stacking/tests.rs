// SPDX-License-Identifier: MIT OR Apache-2.0
//! The search against a made-up /sys.

use std::os::unix::fs::symlink;

use super::*;

/// A folder that goes when the test ends.
struct Machine {
    root: PathBuf,
}

impl Machine {
    /// shunt0; sdb with the partition sdb1; nothing stands on anything.
    fn new(test: &str) -> Self {
        let name = format!("shunt-stacking-{test}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let machine = Self { root };
        machine.disk("shunt0", (240, 0));
        machine.disk("sdb", (8, 16));
        machine.disk("sdb/sdb1", (8, 17));
        machine.write("devices/sdb/sdb1/partition", "1\n");
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

    fn disk(&self, name: &str, (major, minor): (u32, u32)) {
        fs::create_dir_all(self.path(&format!("devices/{name}/slaves"))).unwrap();
        let link = self.path(&format!("dev/block/{major}:{minor}"));
        symlink(format!("../../devices/{name}"), link).unwrap();
        let short = name.rsplit('/').next().unwrap();
        let link = self.path(&format!("class/block/{short}"));
        symlink(format!("../../devices/{name}"), link).unwrap();
    }

    fn put_on(&self, upper: &str, lower: &str) {
        let name = lower.rsplit('/').next().unwrap();
        let link = self.path(&format!("devices/{upper}/slaves/{name}"));
        symlink(self.root.join("devices").join(lower), link).unwrap();
    }

    fn way(&self, (major, minor): (u32, u32)) -> Option<Vec<String>> {
        self.stacking()
            .way_from(libc::makedev(major, minor), "shunt0")
    }

    fn stacking(&self) -> Stacking {
        Stacking {
            sys: self.root.clone(),
            proc: self.root.join("proc"),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn way(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_way_over_other_stacking_drivers_is_found() {
    let machine = Machine::new("drivers");
    machine.disk("dm-0", (253, 0));
    machine.disk("md0", (9, 0));
    machine.put_on("md0", "sdb/sdb1");
    machine.put_on("md0", "dm-0");
    assert_eq!(machine.way((9, 0)), None);
    machine.put_on("dm-0", "shunt0");
    assert_eq!(machine.way((9, 0)), way(&["md0", "dm-0", "shunt0"]));
    assert_eq!(machine.way((253, 0)), way(&["dm-0", "shunt0"]));
    assert_eq!(machine.way((240, 0)), way(&["shunt0"]));
    assert_eq!(machine.way((8, 17)), None);
}

#[test]
fn a_partition_stands_on_what_its_disk_stands_on() {
    let machine = Machine::new("partition");
    machine.put_on("sdb", "shunt0");
    assert_eq!(machine.way((8, 17)), way(&["sdb", "shunt0"]));
}

#[test]
fn a_loop_device_stands_on_the_disk_of_its_file_which_is_not_asked() {
    let machine = Machine::new("loop");
    machine.disk("loop0", (7, 0));
    machine.disk("dm-1", (253, 1));
    machine.put_on("dm-1", "shunt0");
    // A file that there is would tell of the disk of this machine.
    for file in [
        "/no-such-place/a b/image",
        "/no-such-place/a b/image (deleted)",
    ] {
        machine.write("devices/loop0/loop/backing_file", &format!("{file}\n"));
        let mounts = |last: &str| {
            let mounts = [
                ("8:17", "/"),
                ("0:50", "/no-such-place/a\\040b"),
                (last, "/no-such-place/a\\040b"),
                ("8:17", "/no-such-place/a"),
                ("8:17", "/no-such-place/a\\040b/im"),
            ];
            let lines = mounts.map(|(number, place)| {
                format!("29 1 {number} / {place} rw shared:1 - nfs4 server:/a rw\n")
            });
            machine.write("proc/self/mountinfo", &lines.concat());
        };
        mounts("0:51");
        assert_eq!(machine.way((7, 0)), None);
        mounts("253:1");
        assert_eq!(machine.way((7, 0)), way(&["loop0", "dm-1", "shunt0"]));
    }
}

#[test]
fn devices_that_stand_on_each_other_end_the_search() {
    let machine = Machine::new("circle");
    machine.disk("dm-0", (253, 0));
    machine.disk("dm-1", (253, 1));
    machine.put_on("dm-0", "dm-1");
    machine.put_on("dm-1", "dm-0");
    assert_eq!(machine.way((253, 0)), None);
}

#[test]
fn what_lies_below_is_told_in_layers() {
    let machine = Machine::new("layers");
    machine.disk("dm-0", (253, 0));
    machine.disk("md0", (9, 0));
    machine.put_on("dm-0", "shunt0");
    machine.put_on("dm-0", "sdb/sdb1");
    machine.put_on("md0", "dm-0");
    machine.put_on("shunt0", "sdb");
    let layers = |name| machine.stacking().layers(name);
    assert_eq!(
        layers("md0"),
        [vec!["dm-0"], vec!["sdb", "shunt0"], vec!["sdb"]]
    );
    assert_eq!(layers("shunt0"), [["sdb"]]);
    assert_eq!(machine.stacking().drives("dm-0"), ["sdb1", "shunt0"]);
    assert!(layers("sdb1").is_empty());
    assert!(layers("no-such-disk").is_empty());
    machine.put_on("sdb", "dm-0");
    assert_eq!(layers("sdb1")[..2], [vec!["dm-0"], vec!["sdb", "shunt0"]]);
    assert_eq!(layers("sdb1").len(), MOST_LAYERS);
}

#[test]
fn what_is_no_block_device_stands_on_nothing() {
    let stacking = Stacking::of_this_machine();
    assert_eq!(stacking.way_down("/dev/null", "null"), None);
    assert_eq!(stacking.way_down("/no/such/path", "path"), None);
}
