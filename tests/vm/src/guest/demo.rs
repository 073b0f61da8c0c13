// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main job of shunt, done in the guest the way a user types it: each step is said, its command shown and run, and
//! the first one that fails ends the demo.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use super::command;
use super::flash::{Flash, flash};
use super::scrape::{ADDRESS, scrape};
use super::sysfs::DiskStats;
use super::wait::{Poll, wait_until};

const EVENTS: &str = "/run/events";

/// Runs the demo with its output on standard output, coloured or not.
pub(crate) fn run(colour: bool) -> ExitCode {
    let demo = Demo { colour };
    match demo.main_job(&flash(0)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            demo.say("31", &format!("\n{why}\n"));
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), String>;

struct Demo {
    colour: bool,
}

impl Demo {
    fn main_job(&self, drive: &Flash) -> Done {
        let path = &drive.path;
        self.step("Load the module into Debian's own kernel");
        self.run("uname -r")?;
        self.run("insmod /payload/shunt.ko")?;
        let mut events = Background::events()?;

        self.step("Map 200 MiB of a flash drive, from 8 MiB on, through a new device");
        self.run("lsblk -o NAME,SERIAL,SIZE,LOG-SEC")?;
        self.run(&format!("shunt map vol0 --to {path},offset=8M,length=200M"))?;
        self.run("shunt list")?;
        self.run(&format!("lsblk -o NAME,TYPE,SIZE {path}"))?;

        self.step("Put a file system on it, and files into that");
        self.run("mkfs.ext4 -q /dev/shunt0")?;
        self.run("mount /dev/shunt0 /mnt")?;
        self.run("cp -r /usr/lib/python3 /usr/sbin /mnt")?;
        self.run("(cd /mnt && find . -type f -exec sha256sum {} +) > /run/sums")?;
        self.run("echo $(wc -l < /run/sums) files; df -h /mnt")?;

        self.step("Watch the device while fio reads and writes a file on it");
        let load = "fio --name=load --directory=/mnt --rw=randrw --bsrange=4k-64k --size=48M --direct=1 --ioengine=io_uring \
                    --iodepth=8 --rate=8M --time_based --runtime=8 --unlink=1 --output=/run/fio";
        let before = DiskStats::of("shunt0").reads;
        let mut fio = self.start(load)?;
        wait_until("fio reads", || DiskStats::of("shunt0").reads > before + 100);
        self.run_while(
            "timeout --signal=INT 6 shunt stats vol0 --watch 1",
            &[0, 124, 130],
        )?;
        fio.finish("fio")?;

        self.step("Have shuntd keep the device as it is, and serve what it measures");
        self.run("shunt export | tee /run/shunt.toml")?;
        let daemon = self.start("shuntd --config /run/shunt.toml")?;
        self.metrics(&["shunt_ios_total", "shunt_bytes_total", "shunt_in_flight"])?;

        self.step("Kill it: no I/O passes through it, the device stays");
        self.run("pkill -KILL -x shuntd")?;
        drop(daemon);
        self.run("shunt list")?;

        self.step("Take it all down");
        self.run("umount /mnt")?;
        self.run("shunt stats vol0")?;
        self.run("shunt unmap vol0")?;

        self.step("The files are on the drive itself, 8 MiB from its start");
        // On a whole system udevd loads what the first loop device needs.
        command::run("modprobe loop");
        self.run(&format!("mount -o ro,loop,offset=8M {path} /mnt"))?;
        self.run("(cd /mnt && sha256sum --check --quiet /run/sums) && echo every file is as it was written")?;
        self.run("umount /mnt")?;

        self.step("What a listener was told meanwhile");
        events.stop()?;
        self.run(&format!("cat {EVENTS}"))?;

        self.step("Unload the module");
        self.run("rmmod shunt")?;
        self.say("1;32", "\nEvery step worked.\n");
        Ok(())
    }

    /// Asks for the metrics as Prometheus does, and shows those with these names.
    fn metrics(&self, names: &[&str]) -> Done {
        let connect = || TcpStream::connect(ADDRESS).ok();
        let connection = Poll::for_at_most(Duration::from_secs(10)).until(connect);
        let text = scrape(connection.ok_or_else(|| format!("nobody listens at {ADDRESS}"))?);
        let shown = text.lines().filter(|line| {
            let mut names = names.iter();
            names.any(|name| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('{'))
            })
        });
        let shown: String = shown.map(|line| format!("{line}\n")).collect();
        self.say("36", &format!("GET http://{ADDRESS}/metrics, in part:\n"));
        self.say("0", &shown);
        Ok(())
    }

    fn step(&self, what: &str) {
        self.say("1", &format!("\n== {what}\n"));
    }

    /// Shows a command line and runs it, which has to succeed.
    fn run(&self, line: &str) -> Done {
        self.run_while(line, &[0])
    }

    /// Shows a command line and runs it, which has to end with one of these codes.
    fn run_while(&self, line: &str, good: &[i32]) -> Done {
        self.show(line);
        let ended = shell(line).status().map_err(|why| format!("sh: {why}"))?;
        match ended.code() {
            Some(code) if good.contains(&code) => Ok(()),
            _ => Err(format!("{line}: {ended}")),
        }
    }

    /// Shows a command line and runs it in the background.
    fn start(&self, line: &str) -> Result<Background, String> {
        self.show(&format!("{line} &"));
        let child = shell(line).spawn().map_err(|why| format!("sh: {why}"))?;
        Ok(Background { child })
    }

    fn show(&self, line: &str) {
        self.say(
            "36",
            &format!(
                "$ {}\n",
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            ),
        );
    }

    fn say(&self, colour: &str, text: &str) {
        let mut out = std::io::stdout();
        let shown = if self.colour {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        };
        // The host went away: there is nobody to tell.
        let _ = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
    }
}

/// A command line whose errors go where its output goes.
fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("exec 2>&1; {line}"))
        .stdin(Stdio::null());
    shell
}

/// A program in the background; ended on drop.
struct Background {
    child: Child,
}

impl Background {
    /// Records events in a file, from a moment on at which no device exists.
    fn events() -> Result<Self, String> {
        let file = File::create(EVENTS).map_err(|why| format!("{EVENTS}: {why}"))?;
        let child = Command::new("shunt")
            .arg("events")
            .stdout(file)
            .spawn()
            .map_err(|why| format!("shunt: {why}"))?;
        let listens = || fs::metadata(EVENTS).ok().filter(|file| file.len() > 0);
        let background = Self { child };
        let ready = Poll::for_at_most(Duration::from_secs(10)).until(listens);
        ready
            .map(|_| background)
            .ok_or_else(|| "shunt events said nothing in 10 s".to_owned())
    }

    fn finish(&mut self, name: &str) -> Done {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            ended => Err(format!("{name}: {ended:?}")),
        }
    }

    fn stop(&mut self) -> Done {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(|_| ())
            .map_err(|why| format!("shunt events: {why}"))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop();
    }
}
