// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive with a volatile write cache, which QEMU has over the NBD protocol. What is in the cache is lost with the
//! machine: so it shows whether a flush or a FUA write has come all the way down. Used by `crash`.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

const SECTOR: u64 = 512;

const MAGIC: &[u8; 8] = b"NBDMAGIC";
const OPTION: &[u8; 8] = b"IHAVEOPT";
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

/// Handshake: options are answered one by one, and no zeroes pad the end.
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = (1 << 31) | 1;
const INFO_EXPORT: u16 = 0;
/// What the drive can do: it has flags, flush and FUA.
const HAS_FLUSH_AND_FUA: u16 = 1 | (1 << 2) | (1 << 3);

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const FLAG_FUA: u16 = 1;
const EINVAL: u32 = 22;

/// Longest request.
const LONGEST: u32 = 32 << 20;

/// What the drive holds.
struct Drive {
    /// What is read from it.
    now: Vec<u8>,
    /// What is left once the power is gone.
    durable: Vec<u8>,
    /// Sectors that are in the cache alone.
    cached: BTreeSet<u64>,
}

impl Drive {
    fn write(&mut self, offset: u64, bytes: &[u8], fua: bool) {
        let range = offset as usize..offset as usize + bytes.len();
        self.now[range.clone()].copy_from_slice(bytes);
        let sectors = offset / SECTOR..(offset + bytes.len() as u64) / SECTOR;
        if fua {
            self.durable[range].copy_from_slice(bytes);
            self.cached.retain(|sector| !sectors.contains(sector));
        } else {
            self.cached.extend(sectors);
        }
    }

    fn flush(&mut self) {
        for sector in mem::take(&mut self.cached) {
            let range = (sector * SECTOR) as usize..((sector + 1) * SECTOR) as usize;
            self.durable[range.clone()].copy_from_slice(&self.now[range]);
        }
    }
}

/// Listens at `socket` for one QEMU and is its drive, which holds `bytes` at first. The thread ends with QEMU, and gives
/// what of the drive is not lost then.
pub(super) fn serve(socket: &Path, bytes: Vec<u8>) -> io::Result<JoinHandle<io::Result<Vec<u8>>>> {
    let listener = UnixListener::bind(socket)?;
    Ok(thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut drive = Drive {
            now: bytes.clone(),
            durable: bytes,
            cached: BTreeSet::new(),
        };
        let served = agree(&mut stream, drive.now.len() as u64)
            .and_then(|()| while_there(&mut stream, &mut drive));
        match served.map_err(|why| (why.kind(), why)) {
            // So it is when QEMU is killed.
            Ok(())
            | Err((
                ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset,
                _,
            )) => Ok(drive.durable),
            Err((_, why)) => Err(why),
        }
    }))
}

/// The handshake.
fn agree(stream: &mut UnixStream, bytes: u64) -> io::Result<()> {
    let mut greeting = [MAGIC.as_slice(), OPTION].concat();
    greeting.extend(FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes());
    stream.write_all(&greeting)?;
    let _client_flags: [u8; 4] = take(stream)?;
    loop {
        if &take(stream)? != OPTION {
            return Err(wrong("an option"));
        }
        let option = u32::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?);
        // The name of the drive, and what is asked about it: there is one drive, and one thing to say of it.
        let _data = take_some(stream, length)?;
        let mut reply = |kind: u32, data: &[u8]| {
            let mut reply = OPTION_REPLY.to_be_bytes().to_vec();
            for word in [option, kind, data.len() as u32] {
                reply.extend(word.to_be_bytes());
            }
            reply.extend(data);
            stream.write_all(&reply)
        };
        if option != OPT_GO {
            reply(REP_UNSUPPORTED, &[])?;
            continue;
        }
        let mut info = INFO_EXPORT.to_be_bytes().to_vec();
        info.extend(bytes.to_be_bytes());
        info.extend(HAS_FLUSH_AND_FUA.to_be_bytes());
        reply(REP_INFO, &info)?;
        return reply(REP_ACK, &[]);
    }
}

/// Carries requests out one after another, until QEMU is gone.
fn while_there(stream: &mut UnixStream, drive: &mut Drive) -> io::Result<()> {
    loop {
        if u32::from_be_bytes(take(stream)?) != REQUEST {
            return Err(wrong("a request"));
        }
        let flags = u16::from_be_bytes(take(stream)?);
        let what = u16::from_be_bytes(take(stream)?);
        let cookie: [u8; 8] = take(stream)?;
        let offset = u64::from_be_bytes(take(stream)?);
        let length = u32::from_be_bytes(take(stream)?);
        let end = offset.checked_add(length.into());
        let fits = end.is_some_and(|end| end <= drive.now.len() as u64);
        let whole = offset % SECTOR == 0 && u64::from(length) % SECTOR == 0;
        let mut error = 0;
        let mut data: Vec<u8> = Vec::new();
        match what {
            READ if fits => data.extend(&drive.now[offset as usize..][..length as usize]),
            WRITE => {
                let bytes = take_some(stream, length)?;
                match fits && whole {
                    true => drive.write(offset, &bytes, flags & FLAG_FUA != 0),
                    false => error = EINVAL,
                }
            }
            FLUSH => drive.flush(),
            DISCONNECT => return Ok(()),
            _ => error = EINVAL,
        }
        let mut reply = REPLY.to_be_bytes().to_vec();
        reply.extend(error.to_be_bytes());
        reply.extend(cookie);
        reply.extend(data);
        stream.write_all(&reply)?;
    }
}

fn take<const N: usize>(stream: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_some(stream: &mut UnixStream, length: u32) -> io::Result<Vec<u8>> {
    if length > LONGEST {
        return Err(wrong("a length"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("QEMU did not send {what} of NBD"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_flushed_or_written_by_fua_is_left() {
        let mut drive = Drive {
            now: vec![0; 4096],
            durable: vec![0; 4096],
            cached: BTreeSet::new(),
        };
        drive.write(0, &[1; 1024], false);
        drive.flush();
        drive.write(0, &[2; 1024], false);
        drive.write(512, &[3; 512], true);
        drive.write(1024, &[4; 512], true);
        assert_eq!((drive.now[0], drive.now[512], drive.now[1024]), (2, 3, 4));
        let durable = |sector: usize| drive.durable[sector * 512];
        assert_eq!((durable(0), durable(1), durable(2)), (1, 3, 4));
        drive.flush();
        assert_eq!(drive.durable, drive.now);
    }
}
