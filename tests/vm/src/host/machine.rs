// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running guest: QEMU as a child, its control port as requests and events. `test` and `demo` drive it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::drives::Drives;
use super::parts::Parts;
use super::qmp::Qmp;
use super::{Result, because, indented};
use crate::cases::Init;
use crate::protocol::{Answer, Event, Order, Request, line};

/// Longest time from the start of QEMU until the guest says it is ready; a few seconds on an idle machine.
const BOOT_DEADLINE: Duration = Duration::from_secs(90);

/// Longest time from the request to power off until QEMU ends.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Finds the root by its partition, since NVMe drives get their numbers in any order, and reboots on every bug. A
/// drive in a subsystem of its own is one drive, not a path to one. The kernel does not try its timer by counting what comes in
/// a hundredth of a second, which on a machine with more to do may be nothing.
pub(crate) const PARAMETERS: &str = "root=PARTUUID=7368756e-01 rootwait=30 init=/init console=ttyS0 panic=-1 oops=panic no_timer_check nvme.poll_queues=1 nvme_core.multipath=N";

/// Makes the first program bring up a whole system, as far as `basic.target`: what follows that is no matter of ours.
const SYSTEM: &str = "rw SHUNT_VM=system systemd.unit=basic.target systemd.condition_needs_update=0 systemd.show_status=no systemd.log_level=notice";

/// Why no event came.
#[derive(Debug)]
pub(crate) enum Gone {
    /// QEMU has ended.
    Died,
    /// Nothing came until the deadline.
    Silent,
}

/// Why there is no guest.
enum BootError {
    /// QEMU ended before the guest was ready.
    Died(String),
    Other(String),
}

impl std::fmt::Display for Gone {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Died => "the guest died",
            Self::Silent => "the guest hangs",
        })
    }
}

/// A guest that is up. Killed on drop.
pub(crate) struct Machine {
    qemu: Child,
    requests: ChildStdin,
    events: Receiver<Event>,
    errors: Option<JoinHandle<String>>,
    stop_limit: Duration,
    monitor: Option<Qmp>,
    drives: Drives,
}

impl Machine {
    /// Boots a guest with blank flash drives and waits until it is ready. The console log grows by this boot.
    pub(crate) fn boot(parts: &Parts, init: Init) -> Result<Self> {
        Self::boot_with(parts, init, &[])
    }

    /// As [`boot`](Self::boot), with more arguments for QEMU. A bare kernel that died before it was ready is booted once more:
    /// nothing of ours was in it, and QEMU itself dies now and then while a guest looks for its hardware.
    pub(crate) fn boot_with(parts: &Parts, init: Init, more: &[String]) -> Result<Self> {
        let first = Self::try_boot(parts, init, more);
        match (first, init) {
            (Err(BootError::Died(why)), Init::Runner) => {
                println!("{}: booted again, since {why}", parts.release);
                Self::try_boot(parts, init, more)
            }
            (first, _) => first,
        }
        .map_err(|why| match why {
            BootError::Died(why) | BootError::Other(why) => why,
        })
    }

    fn try_boot(
        parts: &Parts,
        init: Init,
        more: &[String],
    ) -> std::result::Result<Self, BootError> {
        let mut machine = Self::start(parts, init, more).map_err(BootError::Other)?;
        let gone = match machine.event(Instant::now() + parts.limit(BOOT_DEADLINE)) {
            Ok(Event::Ready) => return Ok(machine),
            Ok(other) => {
                let why = format!("the guest said {other:?} before it was ready");
                return Err(BootError::Other(why));
            }
            Err(gone) => gone,
        };
        let errors = machine.end();
        let tail = tail(&parts.console());
        let why = format!("{gone} before it was ready; its last words:\n{tail}{errors}");
        Err(match gone {
            Gone::Died => BootError::Died(why),
            Gone::Silent => BootError::Other(why),
        })
    }

    fn start(parts: &Parts, init: Init, more: &[String]) -> Result<Self> {
        let drives = Drives::make(parts, init)?;
        let parameters = match init {
            Init::Runner => PARAMETERS.to_owned(),
            Init::Systemd => format!("{PARAMETERS} {SYSTEM}"),
        };
        let mut qemu = command(parts, &parameters)
            .args([
                "-chardev",
                &format!(
                    "file,id=console,append=on,path={}",
                    parts.console().display()
                ),
            ])
            .args(["-chardev", "stdio,id=control,signal=off"])
            .args(["-serial", "chardev:console", "-serial", "chardev:control"])
            .args(["-qmp", &drives.monitor_argument()])
            .args(drives.arguments(&parts.root))
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(because(
                "qemu-system-x86_64 (run this by scripts/in-sysroot)",
            ))?;
        let requests = qemu.stdin.take().expect("stdin is piped");
        let output = qemu.stdout.take().expect("stdout is piped");
        let mut stderr = qemu.stderr.take().expect("stderr is piped");

        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            // What is no event is noise of the firmware, which knows the port too.
            let lines = BufReader::new(output)
                .split(b'\n')
                .map_while(std::result::Result::ok);
            let parsed = lines.filter_map(|line| serde_json::from_slice(&line).ok());
            for event in parsed {
                if sender.send(event).is_err() {
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
            events,
            errors: Some(errors),
            stop_limit: parts.limit(STOP_DEADLINE),
            monitor: None,
            drives,
        })
    }

    /// Sends a request; a guest that is gone shows at the next event.
    pub(crate) fn send(&mut self, request: &Request) {
        self.write(&line(request));
    }

    fn write(&mut self, line: &str) {
        let _ = self
            .requests
            .write_all(line.as_bytes())
            .and_then(|()| self.requests.flush());
    }

    /// The next event; what is ordered of the machine meanwhile is done here.
    pub(crate) fn event(&mut self, deadline: Instant) -> std::result::Result<Event, Gone> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).map_err(|why| match why {
                RecvTimeoutError::Timeout => Gone::Silent,
                RecvTimeoutError::Disconnected => Gone::Died,
            })?;
            let Event::Monitor(order) = event else {
                return Ok(event);
            };
            let answer = self.obey(&order);
            self.write(&line(&answer));
        }
    }

    fn obey(&mut self, order: &Order) -> Answer {
        let monitor = match self.monitor.take() {
            Some(monitor) => monitor,
            None => Qmp::connect(&self.drives.monitor())?,
        };
        self.monitor.insert(monitor).obey(order)
    }

    /// Asks the guest to power off and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.send(&Request::Stop);
        let deadline = Instant::now() + self.stop_limit;
        match self.event(deadline) {
            Err(Gone::Died) => Ok(()),
            Err(Gone::Silent) => Err(format!(
                "the guest did not power off in {} s",
                self.stop_limit.as_secs()
            )),
            Ok(other) => Err(format!("the guest said {other:?} instead of powering off")),
        }
    }

    /// Kills the guest as it is, as a power cut would; gives what it had said until then and nobody has heard.
    pub(crate) fn kill(mut self) -> Vec<Event> {
        self.end();
        // The end of QEMU ends the thread that hears it.
        self.events.iter().collect()
    }

    /// Gives a guest that cannot go on the time to power off by itself, so that its console is whole; ends it, and gives
    /// what QEMU said on its standard error.
    pub(crate) fn abandon(&mut self) -> String {
        let _ = self.event(Instant::now() + Duration::from_secs(10));
        self.end()
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

/// QEMU with the kernel, without drives and ports.
pub(crate) fn command(parts: &Parts, parameters: &str) -> Command {
    // Shadow memory takes an eighth. With five levels of page tables, an interrupt in the midst of the kernel's look at its
    // first processor, while the bit for them is not set yet, would have KASAN take each of its own addresses for a wild one.
    let (memory, processor) = match parts.debug {
        true => ("3G", "max,la57=off"),
        false => ("2G", "max"),
    };
    let parameters = match parts.debug {
        true => format!("{parameters} {}", debug_parameters()),
        false => parameters.to_owned(),
    };
    // QEMU ends with the harness, however that ends.
    let mut qemu = Command::new("setpriv");
    qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            processor,
            "-m",
            memory,
            "-smp",
            // Without ACPI a kernel sees one processor a socket.
            "2,sockets=2",
            "-machine",
            "q35",
        ])
        .args(["-nodefaults", "-no-reboot", "-display", "none"])
        .arg("-kernel")
        .arg(&parts.kernel)
        .args(["-append", &parameters]);
    qemu
}

/// What the debug kernel is told. Its driver of slots would end lockdep, see `guest/hot.rs`. Without ACPI it finds nothing to
/// measure the processor's clock by, and would count its own ticks.
fn debug_parameters() -> String {
    let clock = host_khz().map(|khz| format!(" tsc_early_khz={khz} tsc=reliable"));
    format!("pcie_ports=compat{}", clock.unwrap_or_default())
}

/// Rate of this machine's clock, which an emulated processor shows as its own.
fn host_khz() -> Option<u64> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("cpu MHz"))?;
    let mhz: f64 = line.split_once(':')?.1.trim().parse().ok()?;
    Some((mhz * 1000.0) as u64)
}

/// The last lines of the console.
pub(crate) fn tail(console: &Path) -> String {
    const LINES: usize = 60;
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    indented(&lines[lines.len().saturating_sub(LINES)..])
}
