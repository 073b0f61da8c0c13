// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one daemon of a machine, as others see it: a file that it holds locked while it runs, and that
//! says what it keeps the kernel to. A second daemon does not start; `shunt apply` does not do what the
//! daemon would take back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use crate::{
    config::{self, Policy, Wanted},
    error::{Error, Result},
};

/// Where it is.
const FILE: &str = "/run/shunt/shuntd.toml";

/// The last line of it. Without that it is not whole: a daemon is at it, or had no room.
const END: &str = "# All is said.\n";

/// How long a daemon has to write all of it, which may wait for the module to load, and how long one
/// that starts waits for those who look.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before the next look.
const PAUSE: Duration = Duration::from_millis(20);

/// Held while the daemon runs; the kernel lets go of it however that ends.
#[derive(Debug)]
pub struct Presence(Flock<File>);

impl Presence {
    /// Takes the place of the daemon of this machine.
    ///
    /// # Errors
    /// [`Error::System`] if another one runs, or if the file cannot be made.
    pub fn take() -> Result<Self> {
        Self::take_at(Path::new(FILE), PATIENCE)
    }

    fn take_at(path: &Path, patience: Duration) -> Result<Self> {
        let open = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).mode(0o600);
            options.custom_flags(nix::libc::O_NOFOLLOW).open(path)
        };
        let file = open().map_err(|source| Error::System {
            action: "make /run/shunt/shuntd.toml, which there is while shuntd runs",
            source,
        })?;
        match lock(file, patience) {
            // What a daemon before said is not said of this one.
            Ok(file) => match file.set_len(0) {
                Ok(()) => Ok(Self(file)),
                Err(source) => Err(Error::System {
                    action: "empty /run/shunt/shuntd.toml",
                    source,
                }),
            },
            Err(Errno::EWOULDBLOCK) => Err(Error::System {
                action: "run twice: a shuntd runs already (systemctl status shuntd)",
                source: io::ErrorKind::AddrInUse.into(),
            }),
            Err(errno) => Err(Error::System {
                action: "lock /run/shunt/shuntd.toml",
                source: errno.into(),
            }),
        }
    }

    /// Says what the kernel is kept to.
    pub fn tell(&mut self, devices: &[Wanted]) {
        let text = config::export(devices) + END;
        let file = &mut *self.0;
        let mut write = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())
        };
        if let Err(error) = write() {
            log::warn!("cannot tell shunt apply what is wanted: {error}");
        }
    }

    /// The devices that a daemon makes as it wants them whoever changes them; none without a daemon.
    ///
    /// # Errors
    /// [`Error::System`] if a daemon runs, or may, and its word cannot be read.
    pub fn restored() -> Result<Vec<Wanted>> {
        Self::restored_at(Path::new(FILE), PATIENCE)
    }

    fn restored_at(path: &Path, patience: Duration) -> Result<Vec<Wanted>> {
        let until = Instant::now() + patience;
        loop {
            match word(path) {
                Ok(mut devices) => {
                    devices.retain(|device| device.policy == Policy::Restore);
                    return Ok(devices);
                }
                // It may be just about to be written.
                Err(_) if Instant::now() < until => thread::sleep(PAUSE),
                Err(source) => {
                    return Err(Error::System {
                        action: "read in /run/shunt/shuntd.toml what shuntd restores, which it may take back; \
                                 have it written again (systemctl reload shuntd) and look at its log",
                        source,
                    });
                }
            }
        }
    }
}

/// Locks a file as its daemon. Whoever looks whether there is one holds it for a moment.
fn lock(mut file: File, patience: Duration) -> Result<Flock<File>, Errno> {
    let until = Instant::now() + patience;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() < until => file,
            done => return done.map_err(|(_, errno)| errno),
        };
        thread::sleep(PAUSE);
    }
}

/// What the daemon says that it wants; nothing if there is none.
fn word(path: &Path) -> io::Result<Vec<Wanted>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    // Before it is read, so that what is read is not of a daemon that ended.
    let mut file = match Flock::lock(file, FlockArg::LockSharedNonblock) {
        // A lock that can be had is that of a daemon that ended.
        Ok(_) => return Ok(Vec::new()),
        Err((file, Errno::EWOULDBLOCK)) => file,
        Err((_, errno)) => return Err(errno.into()),
    };
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if !text.ends_with(END) {
        let why = "its end is missing, as without room in /run";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    config::parse(&path.to_string_lossy(), &text).map_err(|problems| {
        let first = problems.first().map(ToString::to_string);
        io::Error::new(io::ErrorKind::InvalidData, first.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/b'\npolicy = 'restore'\n";

    fn folder(test: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("shunt-presence-{test}-{}", std::process::id()))
    }

    fn take(file: &Path) -> Result<Presence> {
        Presence::take_at(file, Duration::ZERO)
    }

    fn restored(file: &Path) -> Result<Vec<Wanted>> {
        Presence::restored_at(file, Duration::ZERO)
    }

    #[test]
    fn there_is_one_daemon_and_what_it_restores_is_known_while_it_runs() {
        let folder = folder("one");
        let file = folder.join("shuntd.toml");
        assert_eq!(restored(&file).unwrap(), []);
        let mut first = take(&file).unwrap();
        let wanted = config::parse("f", TEXT).unwrap();
        first.tell(&wanted);
        assert_eq!(restored(&file).unwrap(), wanted[1..]);
        let refusal = take(&file).unwrap_err().to_string();
        assert!(refusal.contains("a shuntd runs already"), "{refusal}");
        assert_eq!(restored(&file).unwrap(), wanted[1..], "it is left alone");
        drop(first);
        assert_eq!(restored(&file).unwrap(), []);
        take(&file).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_daemon_whose_word_cannot_be_read_is_not_taken_for_none() {
        let folder = folder("cut");
        let file = folder.join("shuntd.toml");
        let mut daemon = take(&file).unwrap();
        daemon.tell(&config::parse("f", TEXT).unwrap());
        let whole = fs::read_to_string(&file).unwrap();
        let cut = |length: usize| whole[..length].to_owned();
        let all_but_the_end = cut(whole.len() - 1);
        for text in [String::new(), cut(12), all_but_the_end, format!("?\n{END}")] {
            fs::write(&file, &text).unwrap();
            let refusal = restored(&file).unwrap_err().to_string();
            assert!(refusal.contains("shuntd.toml"), "{text:?}: {refusal}");
            assert!(
                refusal.contains("systemctl reload shuntd"),
                "{text:?}: {refusal}"
            );
        }
        fs::write(&file, [0xff]).unwrap();
        restored(&file).unwrap_err();
        drop(daemon);
        assert_eq!(
            restored(&file).unwrap(),
            [],
            "without a daemon it is nobody's"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_a_daemon_before_said_is_not_said_of_the_next() {
        let folder = folder("next");
        let file = folder.join("shuntd.toml");
        let mut first = take(&file).unwrap();
        first.tell(&config::parse("f", TEXT).unwrap());
        drop(first);
        let mut next = take(&file).unwrap();
        restored(&file).unwrap_err();
        let reader = {
            let file = file.clone();
            thread::spawn(move || Presence::restored_at(&file, Duration::from_secs(60)))
        };
        next.tell(&[]);
        assert_eq!(reader.join().unwrap().unwrap(), []);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_daemon_starts_while_somebody_looks_whether_there_is_one() {
        let folder = folder("look");
        let file = folder.join("shuntd.toml");
        drop(take(&file).unwrap());
        let look = File::open(&file).unwrap();
        let look = Flock::lock(look, FlockArg::LockSharedNonblock).unwrap();
        take(&file).unwrap_err();
        let daemon = {
            let file = file.clone();
            thread::spawn(move || Presence::take_at(&file, Duration::from_secs(60)))
        };
        thread::sleep(2 * PAUSE);
        drop(look);
        daemon.join().unwrap().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
