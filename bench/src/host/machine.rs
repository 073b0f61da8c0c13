// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running guest: QEMU as a child, its second serial port as requests and records.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::monitor::Monitor;
use super::parts::Parts;
use super::payload::Payload;
use super::{Result, because};
use crate::record::{Record, Request, line};

/// Longest time without a word from the guest.
const SILENCE: Duration = Duration::from_secs(600);

/// The root is found by its partition, since NVMe drives get their numbers in any order.
const PARAMETERS: &str =
    "root=PARTUUID=7368756e-01 rootwait=30 init=/init console=ttyS0 quiet panic=-1";

/// What the guest's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// One processor, one ns for each instruction.
    Instructions,
    /// The same, where 64 processors may come.
    ManyProcessors,
    /// Two processors, the host's time.
    Wall,
}

impl Clock {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Instructions => &["-accel", "tcg", "-smp", "1", "-icount", "shift=0,sleep=off"],
            Self::ManyProcessors => &[
                "-accel",
                "tcg",
                "-smp",
                "1,maxcpus=64",
                "-icount",
                "shift=0,sleep=off",
            ],
            Self::Wall => &["-accel", "tcg,thread=multi", "-smp", "2"],
        }
    }

    /// QEMU's words that matter to a measurement, as the report shows them.
    pub(crate) fn flags(self) -> String {
        format!("{} -cpu max -machine q35 -m 2G", self.arguments().join(" "))
    }
}

/// A guest that is up. Killed on drop.
pub(crate) struct Machine {
    qemu: Child,
    requests: ChildStdin,
    records: Receiver<Record>,
    errors: Option<JoinHandle<String>>,
    console: PathBuf,
    monitor: PathBuf,
    fio: String,
    _payload: Payload,
}

impl Machine {
    /// Boots a guest and waits until it is ready.
    pub(crate) fn boot(parts: &Parts, clock: Clock) -> Result<Self> {
        let mut machine = Self::start(parts, clock)?;
        match machine.record()? {
            Record::Ready { fio } => {
                machine.fio = fio;
                Ok(machine)
            }
            other => Err(format!("the guest said {other:?} before it was ready")),
        }
    }

    fn start(parts: &Parts, clock: Clock) -> Result<Self> {
        let payload = Payload::make(parts)?;
        let console = payload.folder().join("console.log");
        let monitor = payload.folder().join("monitor");
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(clock.arguments())
            .args(["-cpu", "max", "-machine", "q35", "-m", "2G"])
            .args(["-nodefaults", "-no-reboot", "-display", "none"])
            .arg("-kernel")
            .arg(parts.kernel.join("vmlinuz"))
            .args(["-append", PARAMETERS])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-chardev", "stdio,id=control,signal=off"])
            .args(["-serial", "chardev:control"])
            .args([
                "-monitor",
                &format!("unix:{},server=on,wait=off", monitor.display()),
            ])
            .args(drive("root", &parts.root, "snapshot=on"))
            .args(drive("payload", &payload.image(), "readonly=on"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(because("qemu-system-x86_64 (run this by scripts/bench)"))?;
        let requests = qemu.stdin.take().expect("stdin is piped");
        let output = qemu.stdout.take().expect("stdout is piped");
        let mut stderr = qemu.stderr.take().expect("stderr is piped");
        let (sender, records) = mpsc::channel();
        thread::spawn(move || {
            // What is no record is noise of the firmware, which knows the port too.
            let lines = BufReader::new(output)
                .split(b'\n')
                .map_while(std::result::Result::ok);
            let parsed = lines.filter_map(|line| serde_json::from_slice(&line).ok());
            for record in parsed {
                if sender.send(record).is_err() {
                    break;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            // An error ends the text, as the end of QEMU does.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self {
            qemu,
            requests,
            records,
            errors: Some(errors),
            console,
            monitor,
            fio: String::new(),
            _payload: payload,
        })
    }

    /// Has the guest do something; each record on the way goes to `take`.
    pub(crate) fn ask(&mut self, request: &Request, mut take: impl FnMut(Record)) -> Result<()> {
        self.send(request);
        loop {
            match self.record()? {
                Record::Done => return Ok(()),
                record => take(record),
            }
        }
    }

    /// Version of fio in the guest.
    pub(crate) fn fio(&self) -> &str {
        &self.fio
    }

    /// QEMU's monitor.
    pub(super) fn monitor(&self) -> Result<Monitor> {
        Monitor::open(&self.monitor)
    }

    /// Sends a request; a guest that is gone shows at the next record.
    fn send(&mut self, request: &Request) {
        let _ = self
            .requests
            .write_all(line(request).as_bytes())
            .and_then(|()| self.requests.flush());
    }

    /// The next record.
    fn record(&mut self) -> Result<Record> {
        let why = match self.records.recv_timeout(SILENCE) {
            Ok(Record::Failed(why)) => return Err(format!("the guest: {why}")),
            Ok(record) => return Ok(record),
            Err(RecvTimeoutError::Disconnected) => "the guest died",
            Err(RecvTimeoutError::Timeout) => "the guest hangs",
        };
        let errors = self.end();
        let tail = self.tail();
        Err(format!("{why}; its last words:\n{tail}{errors}"))
    }

    /// Asks the guest to power off and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.send(&Request::Stop);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.records.recv_timeout(left) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err("the guest did not power off in 60 s".to_owned());
                }
            }
        }
    }

    /// The last lines of the console.
    fn tail(&self) -> String {
        const LINES: usize = 40;
        let text = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..]
            .iter()
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    /// Ends QEMU and gives what it said on its standard error.
    fn end(&mut self) -> String {
        // It may have ended by itself, which is as good.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        self.errors
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

/// An NVMe drive over an image file.
fn drive(name: &str, image: &std::path::Path, options: &str) -> [String; 4] {
    [
        "-drive".to_owned(),
        format!(
            "if=none,id={name},format=raw,file={},{options}",
            image.display()
        ),
        "-device".to_owned(),
        format!("nvme,serial={name},drive={name}"),
    ]
}
