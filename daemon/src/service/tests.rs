// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop against the fake, on a thread of its own.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
};

use super::*;
use crate::{
    client::Client,
    model::{DeviceSpec, Reason, TargetSpec},
    monitor::Update,
    poll::readable,
    transport::fake::{Drive, Fake},
};

/// Says stop when its other end is closed, and has the files read anew when that sends something.
struct Stop(UnixStream);

impl Source<Fake> for Stop {
    fn descriptors<'a>(&'a self, wanted: &mut Vec<PollFd<'a>>) {
        wanted.push(readable(&self.0));
    }

    fn turn(&mut self, keeper: &mut Keeper<Fake>) -> Result<Flow> {
        let mut all = [0; 8];
        match self.0.read(&mut all) {
            Ok(0) => Ok(Flow::Stop),
            Ok(_) => {
                keeper.reload();
                Ok(Flow::On)
            }
            Err(_) => Ok(Flow::On),
        }
    }
}

const DEADLINE: Duration = Duration::from_secs(60);

struct Running {
    kernel: Fake,
    reports: Receiver<Report>,
    stop: UnixStream,
    thread: JoinHandle<Result<()>>,
}

impl Running {
    fn start(kernel: Fake) -> Self {
        Self::start_with(kernel, None)
    }

    /// Starts it with a file that it keeps the kernel to.
    fn start_with(kernel: Fake, file: Option<PathBuf>) -> Self {
        let (stop, stopped) = UnixStream::pair().unwrap();
        stopped.set_nonblocking(true).unwrap();
        let (sender, reports) = mpsc::channel();
        let clone = kernel.clone();
        let thread = std::thread::spawn(move || {
            let machine = clone.clone();
            let mut keeper = Keeper::start(clone, move |report| sender.send(report).unwrap())?;
            if let Some(file) = file {
                keeper.keep_to(Wants::of_file(file, false, move || {
                    Box::new(machine.clone())
                }));
            }
            run(&mut keeper, &mut [&mut Stop(stopped)])
        });
        Self {
            kernel,
            reports,
            stop,
            thread,
        }
    }

    fn next(&self) -> Report {
        self.reports.recv_timeout(DEADLINE).unwrap()
    }

    /// Waits until there are so many devices.
    fn wait_for(&self, devices: usize) {
        let begin = Instant::now();
        while self.kernel.devices().len() != devices {
            assert!(begin.elapsed() < DEADLINE, "{:?}", self.kernel.devices());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(self) -> Result<()> {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

fn map(kernel: &Fake, name: &str) {
    let spec = DeviceSpec::new(name, vec![TargetSpec::whole(format!("/dev/{name}"))]);
    Client::new(kernel.clone()).create_device(&spec).unwrap();
}

fn kernel() -> Fake {
    let kernel = Fake::new();
    kernel.add_drive("/dev/a", Drive::new(8, 0, 1 << 20));
    kernel.add_drive("/dev/b", Drive::new(8, 16, 1 << 20));
    kernel
}

#[test]
fn what_is_there_and_what_comes_is_reported_until_the_stop() {
    let kernel = kernel();
    map(&kernel, "a");
    let running = Running::start(kernel);
    assert!(matches!(running.next(), Report::Update(Update::Exists(device)) if device.name == "a"));
    assert!(matches!(running.next(), Report::Update(Update::Ready(changes)) if changes.len() == 1));
    map(&running.kernel, "b");
    match running.next() {
        Report::Update(Update::Changed(change)) => {
            assert_eq!(change.reason, Reason::Created);
            assert_eq!(change.device.name, "b");
        }
        other => panic!("{other:?}"),
    }
    running.stop().unwrap();
}

#[test]
fn a_module_that_comes_late_and_goes_is_waited_for() {
    let kernel = kernel();
    kernel.set_loaded(false);
    let running = Running::start(kernel);
    assert_eq!(running.next(), Report::Waiting);
    running.kernel.set_loaded(true);
    assert_eq!(running.next(), Report::Update(Update::Ready(Vec::new())));
    running.kernel.set_loaded(false);
    assert_eq!(running.next(), Report::Waiting);
    running.kernel.set_loaded(true);
    assert_eq!(running.next(), Report::Update(Update::Ready(Vec::new())));
    running.stop().unwrap();
}

#[test]
fn a_stop_is_obeyed_while_the_module_is_waited_for() {
    let kernel = kernel();
    kernel.set_loaded(false);
    let running = Running::start(kernel);
    assert_eq!(running.next(), Report::Waiting);
    running.stop().unwrap();
}

#[test]
fn a_missing_privilege_ends_the_service_with_its_error() {
    let kernel = kernel();
    kernel.set_privileged(false);
    let running = Running::start(kernel);
    assert_eq!(running.thread.join().unwrap().unwrap_err().errno(), Some(1));
}

#[test]
fn a_stop_waits_for_a_device_that_is_being_mapped_anew_and_for_no_other() {
    let text = "[device.v]\nto = '/dev/a'\n";
    let name = format!("shunt-service-stop-{}.toml", std::process::id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, text).unwrap();
    let mut running = Running::start_with(kernel(), Some(file.clone()));
    running.wait_for(1);
    let more = "queue = 'mq'\n[device.w]\nto = '/dev/b'\n";
    fs::write(&file, format!("{text}{more}")).unwrap();
    for path in ["/dev/a", "/dev/b"] {
        running.kernel.set_hung(path, true);
    }
    running.stop.write_all(b"r").unwrap();
    running.wait_for(0);
    let kernel = running.kernel.clone();
    let answer = std::thread::spawn(move || {
        // Long enough for a stop that waits for nothing but its turn.
        std::thread::sleep(Duration::from_secs(1));
        kernel.set_hung("/dev/a", false);
    });
    let kernel = running.kernel.clone();
    let begin = Instant::now();
    running.stop().unwrap();
    let devices = kernel.devices();
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["v"]);
    assert!(begin.elapsed() < LAST, "it waits for the other as well");
    kernel.set_hung("/dev/b", false);
    answer.join().unwrap();
    fs::remove_file(file).unwrap();
}
