// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `shunt` program as a user runs it, its JSON, and a mapped device that is unmapped on drop.

use std::thread;

use serde_json::Value;

use super::command::{Ended, attempt, run_words};

/// The ways in which a device can carry I/O, as options of `shunt map`.
pub(crate) const MODES: [&[&str]; 4] = [
    &["--stats", "full"],
    &["--stats", "counters"],
    &["--stats", "off"],
    &["--queue", "mq"],
];

/// The queue modes, as `--queue` takes them.
pub(crate) const QUEUES: [&str; 2] = ["bio", "mq"];

/// Options that have a command wait for a drive for as long as any may.
pub(crate) const PATIENT: [&str; 2] = ["--timeout", "60"];

/// A mapped device; unmapped on drop, which fails the case if that is refused.
pub(crate) struct Device {
    name: String,
    shown: Value,
    mapped: bool,
}

impl Device {
    /// `shunt map NAME --to TO`
    #[track_caller]
    pub(crate) fn map(name: &str, to: &str) -> Self {
        Self::map_with(name, to, &[])
    }

    /// `shunt map NAME --to TO OPTIONS...`
    #[track_caller]
    pub(crate) fn map_with(name: &str, to: &str, options: &[&str]) -> Self {
        let text = run_words(&[&["shunt", "map", name, "--to", to, "--json"], options].concat());
        Self {
            name: name.to_owned(),
            shown: json(&text)["device"].clone(),
            mapped: true,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What `shunt map --json` said of it.
    pub(crate) fn shown(&self) -> &Value {
        &self.shown
    }

    /// Its device node.
    #[track_caller]
    pub(crate) fn path(&self) -> &str {
        self.shown["path"].as_str().expect("a device has a path")
    }

    /// Its name in /sys/block.
    #[track_caller]
    pub(crate) fn disk(&self) -> &str {
        self.path()
            .strip_prefix("/dev/")
            .expect("a device node is in /dev")
    }

    /// Its size in bytes, as shown.
    #[track_caller]
    pub(crate) fn bytes(&self) -> u64 {
        self.shown["size_bytes"]
            .as_u64()
            .expect("a device has a size")
    }

    /// Its statistics now.
    #[track_caller]
    pub(crate) fn stats(&self) -> Stats {
        let text = run_words(&["shunt", "stats", &self.name, "--json"]);
        Stats(only(&json(&text)["devices"]))
    }

    /// What `shunt show` says of it now.
    #[track_caller]
    pub(crate) fn now(&self) -> Value {
        show(&self.name)
    }

    /// `shunt VERB NAME WORDS...`, which has to work.
    #[track_caller]
    pub(crate) fn order(&self, verb: &str, words: &[&str]) {
        run_words(&[&["shunt", verb, &self.name], words].concat());
    }

    /// `shunt retarget NAME --to TO`
    #[track_caller]
    pub(crate) fn retarget(&self, to: &str) {
        self.order("retarget", &["--to", to]);
    }

    /// `shunt unmap NAME --force`
    #[track_caller]
    pub(crate) fn force_unmap(mut self) {
        self.mapped = false;
        run_words(&["shunt", "unmap", &self.name, "--force"]);
    }

    /// Says that somebody else has unmapped it.
    pub(crate) fn assume_gone(mut self) {
        self.mapped = false;
    }

    /// `shunt unmap NAME`, which has to work.
    #[track_caller]
    pub(crate) fn unmap(mut self) {
        self.mapped = false;
        run_words(&["shunt", "unmap", &self.name]);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if !self.mapped {
            return;
        }
        let ended = attempt(&["shunt", "unmap", &self.name]);
        if ended.code != Some(0) {
            assert!(
                thread::panicking(),
                "unmap {}: {}",
                self.name,
                ended.stderr.trim()
            );
            eprintln!("unmap {}: {}", self.name, ended.stderr.trim());
        }
    }
}

/// The statistics of one device.
pub(crate) struct Stats(Value);

impl Stats {
    /// Operations that have begun and not ended; `None` in a mode that does not count them.
    pub(crate) fn in_flight(&self) -> Option<u64> {
        self.0["in_flight"].as_u64()
    }

    /// Operations of one kind.
    pub(crate) fn ios(&self, op: &str) -> u64 {
        self.figure(op, "ios")
    }

    /// Bytes that operations of one kind covered.
    pub(crate) fn bytes(&self, op: &str) -> u64 {
        self.figure(op, "bytes")
    }

    /// Operations of one kind that ended with an error.
    pub(crate) fn errors(&self, op: &str) -> u64 {
        self.figure(op, "errors")
    }

    /// Operations of one kind in the buckets of the latency histogram.
    pub(crate) fn in_buckets(&self, op: &str) -> u64 {
        self.buckets(op).iter().map(|(_, count)| count).sum()
    }

    /// The buckets of the latency histogram of one kind of operation that are not empty: bound in ns, and operations.
    pub(crate) fn buckets(&self, op: &str) -> Vec<(u64, u64)> {
        let buckets = self.0["ops"][op]["latency_ns"]["buckets"].as_array();
        let figure = |bucket: &Value, name| bucket[name].as_u64().expect("a bucket has both");
        let buckets = buckets.into_iter().flatten();
        buckets
            .map(|bucket| (figure(bucket, "le"), figure(bucket, "count")))
            .collect()
    }

    /// Sum of the latencies of one kind of operation in ns.
    pub(crate) fn latency_sum(&self, op: &str) -> u64 {
        self.0["ops"][op]["latency_ns"]["sum"].as_u64().unwrap_or(0)
    }

    /// A quantile of the latencies of one kind of operation in ns, by its name: `p50`.
    #[track_caller]
    pub(crate) fn quantile(&self, op: &str, name: &str) -> u64 {
        let quantiles = &self.0["ops"][op]["latency_ns"]["quantiles"];
        quantiles[name]
            .as_u64()
            .unwrap_or_else(|| panic!("there is no {name} of {op}"))
    }

    /// A figure of an operation; what a mode does not measure is absent or null, and 0 here.
    fn figure(&self, op: &str, figure: &str) -> u64 {
        self.0["ops"][op][figure].as_u64().unwrap_or(0)
    }
}

/// The devices of `shunt list --json`.
#[track_caller]
pub(crate) fn list() -> Vec<Value> {
    let text = run_words(&["shunt", "list", "--json"]);
    json(&text)["devices"]
        .as_array()
        .expect("a list has devices")
        .clone()
}

/// The device of `shunt show NAME --json`.
#[track_caller]
pub(crate) fn show(name: &str) -> Value {
    json(&run_words(&["shunt", "show", name, "--json"]))["device"].clone()
}

/// Runs `shunt`, which has to be refused the way every refusal is: exit 1, nothing on standard output, one line on
/// standard error. Gives the line.
#[track_caller]
pub(crate) fn refused(words: &[&str]) -> String {
    refusal(&attempt(&[&["shunt"], words].concat()), words)
}

/// The line of a refusal.
#[track_caller]
pub(crate) fn refusal(ended: &Ended, words: &[&str]) -> String {
    let words = words.join(" ");
    assert!(
        ended.code == Some(1),
        "shunt {words}: exit {:?} instead of 1; it said {ended:?}",
        ended.code
    );
    assert!(
        ended.stdout.is_empty(),
        "shunt {words}: a refusal said {:?} on standard output",
        ended.stdout
    );
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(
        lines.len() == 1,
        "shunt {words}: a refusal is one line, this is {:?}",
        ended.stderr
    );
    lines[0].to_owned()
}

/// Text as JSON of our schema.
#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|why| panic!("{why} in {text:?}"));
    assert!(value["schema"] == 1, "schema 1 expected in {text}");
    value
}

#[track_caller]
fn only(array: &Value) -> Value {
    match array.as_array().map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => panic!("exactly one expected in {array}"),
    }
}
