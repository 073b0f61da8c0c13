// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets of either kind, and reading and writing that ends at a moment, however slowly the other
//! side goes on.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use super::Address;

/// Whoever has an account may read what anybody may ask the kernel for.
const MODE: u32 = 0o666;

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => TcpListener::bind(address).map(Self::Tcp),
            Address::Unix(path) => bind_path(path).map(Self::Unix),
        }
    }

    pub(super) fn accept(&self) -> io::Result<Box<dyn Timed>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let connection = listener.accept()?.0;
                // The end of an answer does not wait for what came before it to be acknowledged.
                connection.set_nodelay(true)?;
                Box::new(connection)
            }
            Self::Unix(listener) => Box::new(listener.accept()?.0),
        })
    }
}

fn bind_path(path: &Path) -> io::Result<UnixListener> {
    // A socket outlives who made it. What nobody listens to is left over and may go; anything else
    // is somebody's.
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// A connection whose next read and write can be limited in time.
pub(super) trait Timed: Send {
    fn read_within(&self, bytes: &mut [u8], limit: Duration) -> io::Result<usize>;
    fn write_within(&self, bytes: &[u8], limit: Duration) -> io::Result<usize>;
}

/// Both kinds of stream have these calls, but in no trait of the standard library.
macro_rules! timed {
    ($($stream:ty),*) => {$(
        impl Timed for $stream {
            fn read_within(&self, bytes: &mut [u8], limit: Duration) -> io::Result<usize> {
                self.set_read_timeout(Some(limit))?;
                let mut stream = self;
                stream.read(bytes)
            }

            fn write_within(&self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
                self.set_write_timeout(Some(limit))?;
                let mut stream = self;
                stream.write(bytes)
            }
        }
    )*};
}

timed!(TcpStream, UnixStream);

/// A connection until some moment; what is not done then fails with `TimedOut` or `WouldBlock`.
#[derive(Clone, Copy)]
pub(super) struct Until<'a> {
    connection: &'a dyn Timed,
    end: Instant,
}

impl<'a> Until<'a> {
    pub(super) fn new(connection: &'a dyn Timed, end: Instant) -> Self {
        Self { connection, end }
    }

    fn left(&self) -> io::Result<Duration> {
        match self.end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.connection.read_within(bytes, self.left()?)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.write_within(bytes, self.left()?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
