// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets of either kind, none of which ever waits.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    net::TcpListener,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::{
            fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
};

use nix::libc;

use super::Address;

/// Whoever has an account may read what anybody may ask the kernel for.
const MODE: u32 = 0o666;

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
pub(super) trait Connection: Read + Write + AsFd {}

impl<T: Read + Write + AsFd> Connection for T {}

impl Listener {
    pub(super) fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Address::Unix(path) => {
                let listener = bind_path(path)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener))
            }
        }
    }

    pub(super) fn accept(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let connection = listener.accept()?.0;
                // The end of an answer does not wait for what came before it to be acknowledged.
                connection.set_nodelay(true)?;
                connection.set_nonblocking(true)?;
                Box::new(connection)
            }
            Self::Unix(listener) => {
                let connection = listener.accept()?.0;
                connection.set_nonblocking(true)?;
                Box::new(connection)
            }
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

fn bind_path(path: &Path) -> io::Result<UnixListener> {
    // A socket outlives who made it. What nobody has any more may go; anything else is somebody's, a
    // socket of another type, too, which refuses to be connected to in another way.
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // By the file itself: whoever may write to the folder may have put a link at the path meanwhile.
    let mut options = OpenOptions::new();
    options.read(true);
    options.custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
    let file = options.open(path)?;
    if file.metadata()?.file_type().is_socket() {
        let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::set_permissions(itself, fs::Permissions::from_mode(MODE))?;
    }
    Ok(listener)
}
