// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first program of the guest: takes requests from the host, runs each as a child, reaps what is orphaned,
//! and powers off. Started by the init of the root image as `/payload/init`.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::system;
use super::work::{Work, prepare};
use super::{case, debug_kernel};
use crate::protocol::{Event, Outcome, Report, Request, line};

/// The port that the host is at.
pub(super) const CONTROL: &str = "/dev/ttyS1";
const SAID: &str = "/run/case.said";

/// Serves the host until it says stop, or gives the person at the console a shell; then powers off. For a whole system,
/// hands over to its init, of which it is a service later.
pub(crate) fn run() -> Result<bool, String> {
    let mode = env::var("SHUNT_VM").unwrap_or_default();
    let served = match (std::process::id(), mode.as_str()) {
        (1, "shell") => run_shell(),
        (1, "system") => system::boot(),
        (_, "system") => {
            serve()?;
            system::take_down();
            debug_kernel::look_for_leaks();
            return system::power_off().map(|()| true);
        }
        (1, _) => serve(),
        _ => {
            return Err(
                "guest is for the first program of the guest: use test, demo or shell".to_owned(),
            );
        }
    };
    if let Err(why) = served {
        eprintln!("shunt-vm guest: {why}");
    }
    debug_kernel::look_for_leaks();
    // QEMU ends at a reboot too, and a kernel without ACPI cannot power off.
    reboot(RebootMode::RB_AUTOBOOT).map_err(|why| format!("power off: {why}"))?;
    Ok(false)
}

fn run_shell() -> Result<(), String> {
    println!("shunt.ko is loaded, shunt is in the path; the flash drives:");
    for line in [
        "insmod /payload/shunt.ko",
        "lsblk -o NAME,SERIAL,SIZE,LOG-SEC",
        "setsid --ctty --wait bash -i",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = Command::new(words[0]);
        let ended = prepare(command.args(&words[1..]))
            .current_dir("/root")
            .status();
        ended.map_err(|why| format!("{line}: {why}"))?;
    }
    Ok(())
}

fn serve() -> Result<(), String> {
    debug_kernel::forget_leaks();
    // The port is nobody's terminal: else a case, which is a process group of its own, could not read from it.
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(CONTROL)
        .map_err(|why| format!("{CONTROL}: {why}"))?;
    make_raw(&control).map_err(|why| format!("{CONTROL}: {why}"))?;
    let control = Arc::new(control);
    let mut requests = BufReader::new(&*control).lines();
    say(&control, &Event::Ready);
    while let Some(Ok(text)) = requests.next() {
        let request =
            serde_json::from_str(&text).map_err(|why| format!("request {text:?}: {why}"))?;
        let report = match request {
            Request::Case(name) => run_child(&["guest", "case", &name]),
            Request::Demo { colour } => run_demo(&control, colour),
            Request::Crash => run_child(&["guest", "crash"]),
            Request::Random { seed, seconds } => {
                let words = [seed, seconds].map(|number| number.to_string());
                run_child_for(
                    &["guest", "random", &words[0], &words[1]],
                    Duration::from_secs(seconds) + case::DEADLINE,
                )
            }
            Request::Stop => break,
        };
        let clean = report.clean;
        say(&control, &Event::End(report));
        if !clean {
            break;
        }
    }
    Ok(())
}

fn make_raw(port: &File) -> nix::Result<()> {
    let mut settings = tcgetattr(port)?;
    cfmakeraw(&mut settings);
    tcsetattr(port, SetArg::TCSANOW, &settings)
}

fn say(mut control: &File, event: &Event) {
    if let Err(why) = control.write_all(line(event).as_bytes()) {
        eprintln!("shunt-vm guest: {CONTROL}: {why}");
    }
}

fn run_child(words: &[&str]) -> Report {
    run_child_for(words, case::DEADLINE)
}

fn run_child_for(words: &[&str], limit: Duration) -> Report {
    let said = File::create(SAID).and_then(|file| Ok((file.try_clone()?, file)));
    let started = said.and_then(|(stdout, stderr)| {
        let mut child = Command::new("/proc/self/exe");
        child
            .args(words)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        Work::start_for(&mut child, limit)
    });
    match started {
        Ok((work, _)) => {
            work.finish(|| fs::read_to_string(SAID).unwrap_or_else(|why| format!("{SAID}: {why}")))
        }
        Err(why) => broken(&why),
    }
}

fn run_demo(control: &Arc<File>, colour: bool) -> Report {
    let mut demo = Command::new("/proc/self/exe");
    demo.args(["guest", "demo"]).stdin(Stdio::null());
    if colour {
        demo.arg("--colour");
    }
    let (work, output) = match Work::start(demo.stdout(Stdio::piped())) {
        Ok(started) => started,
        Err(why) => return broken(&why),
    };
    let mut output = output.expect("stdout is piped");
    let port = Arc::clone(control);
    let last = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&last);
    let relay = thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(line) = text.lines().rfind(|line| !line.trim().is_empty()) {
                line.clone_into(&mut heard.lock().expect("no holder panics"));
            }
            say(&port, &Event::Text(text));
        }
    });
    work.finish(|| {
        // A relay that broke has said all it can.
        let _ = relay.join();
        last.lock().expect("no holder panics").clone()
    })
}

fn broken(why: &dyn std::error::Error) -> Report {
    let outcome = Outcome::Failed(format!("cannot start it: {why}"));
    Report {
        outcome,
        figures: Vec::new(),
        seconds: 0.0,
        kernel: Vec::new(),
        clean: false,
    }
}
