// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon as a user starts it, the file that it reads, and the devices that it leaves.

use std::fs::{self, File};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use ::shunt::{Client, Selector};
use nix::libc::EBUSY;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::case::show_on_failure;
use super::command::command;
use super::shunt::list;
use super::wait::{Poll, wait_until};

const CONFIG: &str = "/run/shunt.toml";
const LOG: &str = "/run/shuntd.log";

/// The configuration file; gone on drop, with all devices that there are.
pub(crate) struct Config;

impl Config {
    /// A file with this text.
    #[track_caller]
    pub(crate) fn new(text: &str) -> Self {
        let config = Self;
        config.write(text);
        config
    }

    /// Writes it anew.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        fs::write(CONFIG, text).expect("/run takes files");
    }

    /// Its path.
    pub(crate) fn path(&self) -> &'static str {
        CONFIG
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(CONFIG);
        if !Path::new("/sys/module/shunt").exists() {
            return;
        }
        // A program that was killed may hold a device for a moment after it was waited for: the kernel takes a ring of
        // io_uring, with the files in it, down in a worker of its own.
        let mut refusal = None;
        let gone = Poll::for_at_most(Duration::from_secs(20)).until(|| match unmap_all() {
            Err(why) if why.errno() == Some(EBUSY) => {
                refusal = Some(why);
                None
            }
            ended => Some(ended),
        });
        if let Some(why) = gone.map_or(refusal, Result::err) {
            assert!(thread::panicking(), "unmap all: {why}");
            eprintln!("unmap all: {why}");
        }
    }
}

/// Through the library: a thousand programs would take a minute.
fn unmap_all() -> ::shunt::Result<()> {
    let mut client = Client::connect()?;
    // From the top down: a device may stand on another.
    for device in client.devices()?.iter().rev() {
        client.delete_device(&Selector::Id(device.id))?;
    }
    Ok(())
}

/// A running daemon; killed on drop.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts it on the configuration file, with a log of its own.
    #[track_caller]
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_with(config, &[])
    }

    /// As [`start`](Self::start), with more options.
    #[track_caller]
    pub(crate) fn start_with(config: &Config, options: &[&str]) -> Self {
        let log = File::create(LOG).expect("/run takes files");
        show_on_failure(LOG);
        let words = ["shuntd", "--config", config.path()];
        // The usual port is for who asks for it.
        let metrics = ["--metrics", "off"];
        let metrics = if options.contains(&"--metrics") {
            &[][..]
        } else {
            &metrics
        };
        let child = command(&[&words[..], metrics, options].concat())
            .stderr(log)
            .spawn();
        Self {
            child: child.unwrap_or_else(|why| panic!("shuntd: {why}")),
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).expect("the daemon runs");
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(LOG).unwrap_or_default()
    }

    /// Waits until it has logged these words so many times.
    #[track_caller]
    pub(crate) fn says(&self, words: &str, times: usize) {
        wait_until(&format!("shuntd says {words:?}"), || {
            self.log().matches(words).count() >= times
        });
    }

    /// Has it read its file again, and waits until it has.
    #[track_caller]
    pub(crate) fn reload(&self) {
        let done = |log: String| {
            log.matches("devices wanted: ").count() + log.matches("is not taken").count()
        };
        let before = done(self.log());
        self.signal(Signal::SIGHUP);
        wait_until("the file is read again", || done(self.log()) > before);
    }

    /// Ends it as a service manager does.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let ended = Poll::for_at_most(Duration::from_secs(20))
            .until(|| self.child.try_wait().expect("a child can be waited for"));
        let status = ended.expect("shuntd does not end 20 s after SIGTERM");
        assert!(
            status.success(),
            "shuntd ended with {status}: {}",
            self.log()
        );
    }

    /// A number of its status in /proc: "VmRSS" or "voluntary_ctxt_switches".
    #[track_caller]
    pub(crate) fn status(&self, field: &str) -> u64 {
        let file = format!("/proc/{}/status", self.id());
        let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{file}: {why}"));
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{file} has no {field}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names, states and first paths of the devices, in the order of their names.
#[track_caller]
pub(crate) fn devices() -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let devices = list().into_iter().map(|device| {
        let path = text(&device["targets"][0]["path"]);
        (text(&device["name"]), text(&device["state"]), path)
    });
    let mut devices: Vec<_> = devices.collect();
    devices.sort();
    devices
}

/// Waits until the devices are these, each with its state and its first path.
#[track_caller]
pub(crate) fn wait_for_devices(expected: &[(&str, &str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, state, path)| ((*name).to_owned(), (*state).to_owned(), (*path).to_owned()))
        .collect();
    wait_until(&format!("the devices are {expected:?}"), || {
        devices() == expected
    });
}
