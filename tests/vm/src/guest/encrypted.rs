// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encrypted files: a folder with one in an ext4 file system, and keys that only hardware can unwrap.

use std::fs;

use super::command::{run, run_words};
use super::direct::Direct;
use super::mount::Mount;

/// Gives a mounted file system a key; then makes an encrypted folder with files in it, or reads one past the page cache.
/// A key that only hardware can unwrap is used for all files alike.
const FILE: &str = "
import fcntl, mmap, os, struct, sys
ADD_KEY, SET_POLICY = 0xc0506617, 0x800c6613
root, verb, text, wrapped = sys.argv[1:]
secret = bytes.fromhex(wrapped) or bytes(range(64))
key = bytearray(struct.pack('II32xIII28x', 2, 0, len(secret), 0, bool(wrapped)) + secret)
fcntl.ioctl(os.open(root, os.O_RDONLY), ADD_KEY, key)
folder = root + '/secret'
if verb == 'write':
    os.mkdir(folder)
    flags = 11 if wrapped else 3
    policy = struct.pack('BBBBB3x16s', 2, 1, 4, flags, 0, bytes(key[8:24]))
    fcntl.ioctl(os.open(folder, os.O_RDONLY), SET_POLICY, policy)
    for name, times in *((f'small{number}', 256) for number in range(8)), ('file', 65536):
        file = os.open(folder + '/' + name, os.O_WRONLY | os.O_CREAT)
        os.write(file, text.encode() * times)
        os.fsync(file)
else:
    file = os.open(folder + '/file', os.O_RDONLY | os.O_DIRECT)
    memory = mmap.mmap(-1, len(text) * 65536)
    os.readv(file, [memory])
    print(memory[:] == text.encode() * 65536)
";

/// Has a device make a key that only hardware can unwrap, and make it ready for use; prints that.
const WRAPPED_KEY: &str = "
import ctypes, fcntl, struct, sys
GENERATE, PREPARE = 0xc030128a, 0xc040128b
device = open(sys.argv[1], 'rb')
stored, ready = ctypes.create_string_buffer(128), ctypes.create_string_buffer(128)
words = bytearray(struct.pack('QQ32x', ctypes.addressof(stored), 128))
fcntl.ioctl(device, GENERATE, words)
size = struct.unpack_from('Q', words, 8)[0]
words = bytearray(struct.pack('QQQQ32x', ctypes.addressof(stored), size, ctypes.addressof(ready), 128))
fcntl.ioctl(device, PREPARE, words)
print(ready.raw[:struct.unpack_from('Q', words, 24)[0]].hex())
";

/// What the file says, again and again.
const TEXT: &str = "0123456789abcdef";

/// Name of the file in its file system.
pub(crate) const NAME: &str = "secret/file";

/// How many small ones there are beside it, each with a key of its own.
pub(crate) const OTHERS: u64 = 8;

/// Whether this kernel has file systems that leave encryption to the block layer.
pub(crate) fn is_possible() -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let has = |symbol: &str| symbols.lines().any(|line| line.ends_with(symbol));
    has(" fscrypt_set_bio_crypt_ctx") && has(" blk_crypto_fallback_start_using_mode")
}

/// Makes a file system that can have encrypted files, with blocks of so many bytes.
#[track_caller]
pub(crate) fn make_file_system(path: &str, block: u32) {
    let features = "encrypt,stable_inodes";
    run(&format!("mkfs.ext4 -q -F -b {block} -O {features} {path}"));
}

/// Writes a file of 1 MiB, and [`OTHERS`], to a folder that it makes and encrypts, down to the drive.
#[track_caller]
pub(crate) fn write(mount: &Mount) {
    file(mount, "write", "");
}

/// As [`write`], with a key of [`wrapped_key`].
#[track_caller]
pub(crate) fn write_with(mount: &Mount, wrapped: &str) {
    file(mount, "write", wrapped);
}

/// Reads the file from the drive, which has to give what was written.
#[track_caller]
pub(crate) fn read(mount: &Mount) {
    read_with(mount, "");
}

/// As [`read`], with a key of [`wrapped_key`].
#[track_caller]
pub(crate) fn read_with(mount: &Mount, wrapped: &str) {
    assert_eq!(file(mount, "read", wrapped).trim(), "True");
}

#[track_caller]
fn file(mount: &Mount, verb: &str, wrapped: &str) -> String {
    let folder = mount.folder().display().to_string();
    run_words(&["python3", "-c", FILE, &folder, verb, TEXT, wrapped])
}

/// A key that a device has made, as only its hardware can unwrap it.
#[track_caller]
pub(crate) fn wrapped_key(path: &str) -> String {
    let key = run_words(&["python3", "-c", WRAPPED_KEY, path]);
    key.trim().to_owned()
}

/// Asserts that a device does not have the text of the file on it, in the first so many bytes.
#[track_caller]
pub(crate) fn assert_hidden(path: &str, bytes: u64) {
    const MIB: usize = 1 << 20;
    let below = Direct::open_to_read(path);
    for place in (0..bytes).step_by(MIB) {
        let found = below.read(place, MIB);
        let text = found
            .chunks(512)
            .any(|sector| sector.starts_with(TEXT.as_bytes()));
        assert!(!text, "the text is on {path}, in the MiB at {place}");
    }
}
