// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is mounted where, as the kernel says, and mounting.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Numbers of the disk, `259:3`.
    pub(crate) number: String,
    /// What of the file system is mounted: `/` for all, else a folder or a file of it.
    pub(crate) root: String,
    pub(crate) at: PathBuf,
    /// This mount is only to be read.
    pub(crate) read_only: bool,
    pub(crate) kind: String,
}

/// All that is mounted, the later ones last.
pub(crate) fn all() -> io::Result<Vec<Mounted>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(parse).collect())
}

/// Fields 3 to 6 are number, root, place and options; the kind is the first behind the lone dash.
fn parse(line: &str) -> Option<Mounted> {
    let (before, behind) = line.split_once(" - ")?;
    let mut words = before.split(' ').skip(2);
    let number = words.next()?.to_owned();
    let root = plain(words.next()?);
    let at = plain(words.next()?).into();
    let options = words.next()?;
    Some(Mounted {
        number,
        root,
        at,
        read_only: options.split(',').any(|option| option == "ro"),
        kind: behind.split(' ').next()?.to_owned(),
    })
}

/// A path with what the kernel writes as `\040` as it is.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let octal = more.get(..3).filter(|_| *first == b'\\');
        let value = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is mounted at a path: the topmost.
pub(crate) fn at<'a>(all: &'a [Mounted], path: &Path) -> Option<&'a Mounted> {
    all.iter().rev().find(|mounted| mounted.at == path)
}

/// Mounts a file system with options as users write them.
pub(crate) fn filesystem(
    device: &str,
    path: &Path,
    kind: &str,
    options: &[String],
) -> io::Result<()> {
    let (flags, data) = understood(options);
    mount(Some(device), path, Some(kind), flags, Some(&*data)).map_err(io::Error::from)
}

/// Options that are flags of a mount, and the others as the file system takes them.
fn understood(options: &[String]) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for option in options.iter().flat_map(|option| option.split(',')) {
        let (flag, set) = match option {
            "" | "defaults" => continue,
            "ro" => (MsFlags::MS_RDONLY, true),
            "rw" => (MsFlags::MS_RDONLY, false),
            "noatime" => (MsFlags::MS_NOATIME, true),
            "atime" => (MsFlags::MS_NOATIME, false),
            "nodiratime" => (MsFlags::MS_NODIRATIME, true),
            "relatime" => (MsFlags::MS_RELATIME, true),
            "strictatime" => (MsFlags::MS_STRICTATIME, true),
            "lazytime" => (MsFlags::MS_LAZYTIME, true),
            "nosuid" => (MsFlags::MS_NOSUID, true),
            "nodev" => (MsFlags::MS_NODEV, true),
            "noexec" => (MsFlags::MS_NOEXEC, true),
            "sync" => (MsFlags::MS_SYNCHRONOUS, true),
            "dirsync" => (MsFlags::MS_DIRSYNC, true),
            other => {
                data.push(other);
                continue;
            }
        };
        flags.set(flag, set);
    }
    (flags, data.join(","))
}

/// Shows what is at one path at another, too.
pub(crate) fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let nothing: Option<&str> = None;
    mount(Some(from), to, nothing, MsFlags::MS_BIND, nothing).map_err(io::Error::from)
}

/// Lets nobody write through this mount; through others it goes on.
pub(crate) fn make_read_only(at: &Path) -> io::Result<()> {
    let nothing: Option<&str> = None;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(nothing, at, nothing, flags, nothing).map_err(io::Error::from)
}

/// Takes away all that is mounted at a path; nothing is as well.
pub(crate) fn unmount(path: &Path) -> io::Result<()> {
    while at(&all()?, path).is_some() {
        umount2(path, MntFlags::UMOUNT_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_understood() {
        let line = "91 29 253:2 / /var/lib/a\\040b rw,noatime shared:7 - ext4 /dev/shunt0 rw,errors=continue";
        let mounted = parse(line).unwrap();
        assert_eq!((&*mounted.number, &*mounted.root), ("253:2", "/"));
        assert_eq!(mounted.at, Path::new("/var/lib/a b"));
        assert_eq!((mounted.read_only, &*mounted.kind), (false, "ext4"));
        let line = "92 29 0:6 /shunt0 /run/x ro,nosuid - devtmpfs udev rw,size=4k";
        let mounted = parse(line).unwrap();
        assert_eq!(
            (&*mounted.root, mounted.read_only, &*mounted.kind),
            ("/shunt0", true, "devtmpfs")
        );
        assert_eq!(parse("92 29 0:6 /"), None);
    }

    #[test]
    fn flags_and_data_are_told_apart() {
        let options = [
            "noatime,discard".to_owned(),
            "ro".to_owned(),
            "data=ordered".to_owned(),
        ];
        let (flags, data) = understood(&options);
        assert_eq!(flags, MsFlags::MS_NOATIME | MsFlags::MS_RDONLY);
        assert_eq!(data, "discard,data=ordered");
    }
}
