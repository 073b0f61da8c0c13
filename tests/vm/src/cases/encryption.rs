// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system that leaves encryption to the block layer can do so on a device.

use std::fs;

use crate::guest::case::skip;
use crate::guest::command::{run, run_words};
use crate::guest::direct::Direct;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, QUEUES};

cases!("encryption":
    what_is_encrypted_inline_is_encrypted_on_the_drive,
);

const MIB: usize = 1 << 20;

/// Gives a mounted file system a key; then makes an encrypted folder with a file in it, or reads that.
const FILE: &str = "
import fcntl, os, struct, sys
ADD_KEY, SET_POLICY = 0xc0506617, 0x800c6613
root, verb, text = sys.argv[1:]
key = bytearray(struct.pack('II32xIII28x', 2, 0, 64, 0, 0) + bytes(range(64)))
fcntl.ioctl(os.open(root, os.O_RDONLY), ADD_KEY, key)
folder = root + '/secret'
if verb == 'write':
    os.mkdir(folder)
    policy = struct.pack('BBBBB3x16s', 2, 1, 4, 3, 0, bytes(key[8:24]))
    fcntl.ioctl(os.open(folder, os.O_RDONLY), SET_POLICY, policy)
    with open(folder + '/file', 'w') as file:
        file.write(text * 65536)
        os.fsync(file.fileno())
else:
    print(open(folder + '/file').read() == text * 65536)
";

const TEXT: &str = "0123456789abcdef";

fn needed() {
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let has = |symbol: &str| symbols.lines().any(|line| line.ends_with(symbol));
    if !has(" fscrypt_set_bio_crypt_ctx") || !has(" blk_crypto_fallback_start_using_mode") {
        skip("this kernel does not encrypt inline");
    }
}

fn file(mount: &Mount, verb: &str) -> String {
    let folder = mount.folder().display().to_string();
    run_words(&["python3", "-c", FILE, &folder, verb, TEXT])
}

fn what_is_encrypted_inline_is_encrypted_on_the_drive() {
    needed();
    let drive = flash(0);
    for queue in QUEUES {
        {
            let _module = Module::load();
            let to = format!("{},length=32M", drive.path);
            let device = Device::map_with("vol0", &to, &["--queue", queue]);
            run(&format!("mkfs.ext4 -q -F -O encrypt {}", device.path()));
            let mount = Mount::ext4_encrypted_inline(device.path());
            file(&mount, "write");
            assert_eq!(file(&mount, "read").trim(), "True");
        }
        let below = Direct::open_to_read(&drive.path);
        for place in 0..32 {
            let bytes = below.read((place * MIB) as u64, MIB);
            let text = bytes
                .chunks(4096)
                .any(|block| block.starts_with(TEXT.as_bytes()));
            assert!(!text, "the text is on the drive, in MiB {place}");
        }
        // The file system itself makes the same of it.
        let mount = Mount::ext4(&drive.path);
        assert_eq!(file(&mount, "read").trim(), "True");
    }
}
