// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver for Kubernetes as a node runs it, called as kubelet and the sidecars call it: by gRPC on its socket.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use ::shunt::{Client, Selector};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use shunt_csi::client;

use super::case::show_on_failure;
use super::command::{attempt, command, run, run_words};
use super::csi_calls::Calls;
use super::mount::MOUNTS;
use super::wait::{Poll, wait_until};

const SOCKET: &str = "/run/csi.sock";
const LOG: &str = "/run/shunt-csi.log";

/// Name of the node.
pub(crate) const NODE_NAME: &str = "node-1";

/// The drives of a pool and the driver over them. All of it is gone on drop.
pub(crate) struct Driver {
    child: Child,
    client: client::Client,
    drives: Vec<String>,
}

impl Driver {
    /// Gives these drives to the pool `default` and starts the driver; returns once they are zeroed.
    #[track_caller]
    pub(crate) fn start(drives: &[&str]) -> Self {
        for drive in drives {
            run(&format!("wipefs --all --quiet --force {drive}"));
        }
        let words = [&["shunt-csi", "init"], drives].concat();
        run_words(&words);
        let drives = drives.iter().map(|drive| (*drive).to_owned()).collect();
        let child = spawn();
        let driver = Self {
            client: connect(),
            child,
            drives,
        };
        driver.settled();
        driver
    }

    /// Kills the driver and the programs that it runs, from one moment to the next, as the end of a container does.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        let group = Pid::from_raw(self.child.id() as i32);
        killpg(group, Signal::SIGKILL).expect("the driver runs");
        self.child.wait().expect("a child can be waited for");
    }

    /// Starts it again.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.child = spawn();
        self.client = connect();
    }

    /// Another connection, for another thread.
    #[track_caller]
    pub(crate) fn another(&self) -> Caller {
        Caller(connect())
    }

    /// Waits until all that is freed is zeroed.
    #[track_caller]
    pub(crate) fn settled(&self) {
        wait_until("nothing is left to be zeroed", || {
            let list = list();
            let drives = list["drives"].as_array().expect("a list has drives");
            drives.iter().all(|drive| drive["freed_bytes"] == 0)
        });
    }

    /// Fails if tables overlap, or sfdisk finds fault with one.
    #[track_caller]
    pub(crate) fn check_tables(&self) {
        for drive in &self.drives {
            // Words about what could be larger are no fault; its exit status is.
            run(&format!("sfdisk --verify {drive}"));
        }
        let list = list();
        let mut places: Vec<(String, u64, u64)> = Vec::new();
        for volume in list["volumes"].as_array().expect("a list has volumes") {
            for piece in volume["pieces"].as_array().expect("a volume has pieces") {
                let number = |name: &str| piece[name].as_u64().expect("a piece has a place");
                let path = piece["path"].as_str().unwrap_or_default().to_owned();
                places.push((path, number("offset_bytes"), number("length_bytes")));
            }
        }
        places.sort();
        for pair in places.windows(2) {
            let overlap = pair[0].0 == pair[1].0 && pair[0].1 + pair[0].2 > pair[1].1;
            assert!(!overlap, "{pair:?}");
        }
    }

    /// Waits until all that is freed is zeroed. Fails if it is not the `room` bytes that were free before there was a volume.
    #[track_caller]
    pub(crate) fn leaked_nothing(&self, room: i64) {
        self.settled();
        self.check_tables();
        let free = self.capacity().expect("a driver knows its pools");
        assert_eq!(free.available_capacity, room, "nothing leaks");
    }

    /// A number of its status in /proc: "VmRSS".
    #[track_caller]
    pub(crate) fn status_kib(&self, field: &str) -> u64 {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{file}: {why}"));
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{file} has no {field}"))
    }
}

impl std::ops::Deref for Driver {
    type Target = client::Client;

    fn deref(&self) -> &client::Client {
        &self.client
    }
}

/// A connection of a thread of its own.
pub(crate) struct Caller(client::Client);

impl std::ops::Deref for Caller {
    type Target = client::Client;

    fn deref(&self) -> &client::Client {
        &self.0
    }
}

#[track_caller]
fn spawn() -> Child {
    let log = File::options().create(true).append(true).open(LOG);
    show_on_failure(LOG);
    let endpoint = format!("unix://{SOCKET}");
    let words = [
        "shunt-csi",
        "serve",
        "--endpoint",
        &endpoint,
        "--node",
        NODE_NAME,
    ];
    let words = [&words[..], &["--log-level", "debug"]].concat();
    let started = command(&words)
        .process_group(0)
        .stderr(log.expect("/run takes files"))
        .spawn();
    started.unwrap_or_else(|why| panic!("shunt-csi: {why}"))
}

#[track_caller]
fn connect() -> client::Client {
    let connected =
        Poll::for_at_most(Duration::from_secs(20)).until(|| client::Client::connect(SOCKET).ok());
    connected.expect("the driver listens")
}

impl Drop for Driver {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let ours = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for place in ours
            .filter(|place| place.starts_with(MOUNTS))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let _ = umount2(place, MntFlags::MNT_DETACH);
        }
        if let Ok(mut client) = Client::connect() {
            for device in client.devices().unwrap_or_default() {
                let gone = Poll::for_at_most(Duration::from_secs(20))
                    .until(|| client.delete_device(&Selector::Id(device.id)).ok());
                assert!(gone.is_some(), "{} stays in use", device.name);
            }
        }
        for drive in &self.drives {
            if Path::new(drive).exists() {
                attempt(&["wipefs", "--all", "--quiet", "--force", drive]);
            }
        }
        let _ = fs::remove_dir_all("/run/shunt-csi");
        let _ = fs::remove_file(LOG);
    }
}

/// What `shunt-csi list` shows.
#[track_caller]
pub(crate) fn list() -> Value {
    let text = run("shunt-csi list --json");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why} in {text:?}"))
}

/// A generator that gives the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
