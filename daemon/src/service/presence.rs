// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one daemon of a machine, as others see it: a file that it holds locked while it runs, and that
//! says what it keeps the kernel to. A second daemon does not start; `shunt apply` does not do what the
//! daemon would take back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
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

/// Held while the daemon runs; the kernel lets go of it however that ends.
#[derive(Debug)]
pub struct Presence(Flock<File>);

impl Presence {
    /// Takes the place of the daemon of this machine.
    ///
    /// # Errors
    /// [`Error::System`] if another one runs, or if the file cannot be made.
    pub fn take() -> Result<Self> {
        Self::take_at(Path::new(FILE))
    }

    fn take_at(path: &Path) -> Result<Self> {
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
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self(file)),
            Err((_, Errno::EWOULDBLOCK)) => Err(Error::System {
                action: "run twice: a shuntd runs already (systemctl status shuntd)",
                source: io::ErrorKind::AddrInUse.into(),
            }),
            Err((_, errno)) => Err(Error::System {
                action: "lock /run/shunt/shuntd.toml",
                source: errno.into(),
            }),
        }
    }

    /// Says what the kernel is kept to.
    pub fn tell(&mut self, devices: &[Wanted]) {
        let text = config::export(devices);
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
    pub fn restored() -> Vec<Wanted> {
        Self::restored_at(Path::new(FILE))
    }

    fn restored_at(path: &Path) -> Vec<Wanted> {
        let read = || {
            let mut file = File::open(path).ok()?;
            let mut text = String::new();
            file.read_to_string(&mut text).ok()?;
            // A lock that can be had is that of a daemon that ended.
            let held = Flock::lock(file, FlockArg::LockSharedNonblock).is_err();
            held.then_some(text)
        };
        let text = read().unwrap_or_default();
        let mut devices = config::parse(&path.to_string_lossy(), &text).unwrap_or_default();
        devices.retain(|device| device.policy == Policy::Restore);
        devices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/b'\npolicy = 'restore'\n";

    #[test]
    fn there_is_one_daemon_and_what_it_restores_is_known_while_it_runs() {
        let folder = std::env::temp_dir().join(format!("shunt-presence-{}", std::process::id()));
        let file = folder.join("shuntd.toml");
        assert_eq!(Presence::restored_at(&file), []);
        let mut first = Presence::take_at(&file).unwrap();
        let wanted = config::parse("f", TEXT).unwrap();
        first.tell(&wanted);
        assert_eq!(Presence::restored_at(&file), wanted[1..]);
        let refusal = Presence::take_at(&file).unwrap_err().to_string();
        assert!(refusal.contains("a shuntd runs already"), "{refusal}");
        assert_eq!(
            Presence::restored_at(&file),
            wanted[1..],
            "it is left alone"
        );
        drop(first);
        assert_eq!(Presence::restored_at(&file), []);
        Presence::take_at(&file).unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
