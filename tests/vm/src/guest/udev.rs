// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running udevd with our rules; ended on drop, with the links that it made.

use std::fs::{self, File};
use std::process::Child;
use std::time::Duration;

use super::case::{figure, show_on_failure};
use super::command::{attempt, command, run, run_words};
use super::wait::Poll;

/// Where its links are; before it there are none.
const LINKS: [&str; 2] = ["/dev/disk", "/dev/shunt"];

const RULES: &str = "/run/udev/rules.d/60-shunt.rules";

const SLOW_RULES: &str = "/run/udev/rules.d/61-slow.rules";

/// There while a program of [`Udev::look_slowly`] has a device open.
pub(crate) const LOOKS: &str = "/run/udev-looks";

/// What a failure is told with: the events of the kernel, and of udev.
const EVENTS: &str = "/run/udev-events";

/// The daemon.
pub(crate) struct Udev {
    monitor: Child,
}

impl Udev {
    /// Starts it, with the program of the rules where it is here.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let rules = include_str!("../../../../packaging/udev/60-shunt.rules");
        let here = rules.replace("/usr/sbin/shunt", "/payload/bin/shunt");
        assert_ne!(here, rules);
        fs::create_dir_all("/run/udev/rules.d")
            .and_then(|()| fs::write(RULES, here))
            .expect("/run takes files");
        // The cases' dmsetup works without it; that of its rules does not.
        run("env --unset=DM_DISABLE_UDEV /usr/lib/systemd/systemd-udevd --daemon");
        let events = File::create(EVENTS).expect("/run takes files");
        show_on_failure(EVENTS);
        let monitor = command(&[
            "udevadm",
            "monitor",
            "--kernel",
            "--udev",
            "--subsystem-match=block",
        ])
        .stdout(events)
        .spawn();
        Self {
            monitor: monitor.expect("there is udevadm"),
        }
    }

    /// Has the rules call a program that fails in place of ours.
    #[track_caller]
    pub(crate) fn lose_the_program(&self) {
        let rules = fs::read_to_string(RULES).expect("the rules are there");
        fs::write(RULES, rules.replace("/payload/bin/shunt", "/bin/false"))
            .expect("/run takes files");
        run("udevadm control --reload");
    }

    /// Has it run a program for each change of a device, which opens it and keeps it open for 3 s.
    #[track_caller]
    pub(crate) fn look_slowly(&self) {
        let rule = format!(
            "ACTION==\"change\", KERNEL==\"shunt[0-9]*\", ENV{{DEVTYPE}}==\"disk\", \
             PROGRAM=\"/bin/sh -c 'exec 9<$devnode; touch {LOOKS}; sleep 3; rm {LOOKS}'\"\n"
        );
        fs::write(SLOW_RULES, rule).expect("/run takes files");
        run("udevadm control --reload");
    }

    /// Waits until nothing is left to look at, which has to come soon.
    #[track_caller]
    pub(crate) fn settle(&self) {
        settle();
    }

    /// Has it look at a disk or partition again, as a change of the drive's would, until nothing is left to look at.
    #[track_caller]
    pub(crate) fn look_at(&self, disk: &str) {
        run(&format!(
            "udevadm trigger --action=change --settle /sys/class/block/{disk}"
        ));
        self.settle();
    }
}

/// Where a link leads now, as a name in /dev.
pub(crate) fn end_of(link: &str) -> Option<String> {
    let end = fs::canonicalize(link).ok()?;
    let name = end.strip_prefix("/dev").ok()?.to_str()?;
    Some(name.to_owned())
}

#[track_caller]
fn settle() {
    run("udevadm settle --timeout=60");
}

/// Waits until a link leads to a disk, or is gone, and udev has nothing left to look at.
///
/// A link is there before udev has finished: only then it watches who writes to the device, and keeps it open no longer.
#[track_caller]
pub(crate) fn wait_for_link(link: &str, disk: Option<&str>) {
    let mut end = None;
    let leads = Poll::for_at_most(Duration::from_secs(20)).until(|| {
        end = end_of(link);
        if end.as_deref() == disk {
            settle();
            end = end_of(link);
        }
        (end.as_deref() == disk).then_some(())
    });
    assert!(
        leads.is_some(),
        "waited 20 s in vain until {link} leads to {disk:?}: it leads to {end:?}; udev knows of {disk:?}:\n{}",
        all_known(disk)
    );
}

/// All that udev knows of a disk.
fn all_known(disk: Option<&str>) -> String {
    let name = format!("--name={}", disk.unwrap_or("nothing"));
    let said = [
        attempt(&["udevadm", "info", "--query=all", &name]),
        attempt(&["lsblk", "--output=NAME,MAJ:MIN,SIZE,TYPE,PARTUUID"]),
    ];
    said.map(|said| said.stdout + &said.stderr).concat()
}

/// What udev knows of a block device, as lsblk shows it, in words.
#[track_caller]
pub(crate) fn known(path: &str, columns: &str) -> String {
    let columns = format!("--output={columns}");
    let said = run_words(&["lsblk", "--nodeps", "--noheadings", &columns, path]);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Mounts by a word such as `UUID=...`, which has to lead to this device.
#[track_caller]
pub(crate) fn mounts(word: &str, path: &str) {
    run_words(&["mount", word, "/mnt"]);
    let source = run("findmnt --noheadings --output=SOURCE /mnt");
    run("umount /mnt");
    assert_eq!(source.trim(), path, "mount {word}");
}

/// Whether nothing of it is left, soon.
fn ends() -> bool {
    let gone = Poll::for_at_most(Duration::from_secs(20));
    gone.until(|| (attempt(&["pgrep", "udev"]).code != Some(0)).then_some(()))
        .is_some()
}

impl Drop for Udev {
    fn drop(&mut self) {
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
        let asked = attempt(&["udevadm", "control", "--exit"]);
        // Its workers may still make links for a while.
        if !ends() {
            // What it is busy with is not ours to judge, as long as it can be killed.
            figure(&format!("udev is killed; it was asked to end: {asked:?}"));
            let processes = run("ps -e -o pid=,ppid=,stat=,wchan=,args=");
            for line in processes.lines().filter(|line| !line.ends_with(']')) {
                figure(line);
            }
            let _ = attempt(&["pkill", "-KILL", "udev"]);
            assert!(ends(), "udev does not end, though it was killed");
        }
        for file in [RULES, SLOW_RULES] {
            let _ = fs::remove_file(file);
        }
        // Later cases find drives by the names that the kernel gave them.
        for folder in LINKS {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
