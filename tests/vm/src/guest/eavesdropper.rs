// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process without any privilege that has joined every group of generic netlink that may come, before a family has them:
//! the kernel keeps such memberships. Ended on drop.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::command::{NOBODY, command};
use super::debug_kernel;

/// Prints each message that it hears as hexadecimal digits, a line each, after a line that says that it listens.
const PROGRAM: &str = r#"
import socket
NETLINK_GENERIC, SOL_NETLINK, ADD_MEMBERSHIP = 16, 270, 1
listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
listener.bind((0, 0))
for group in range(1, 64):
    try:
        listener.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
    except OSError:
        pass
print("", flush=True)
while True:
    print(listener.recv(1 << 16).hex(), flush=True)
"#;

/// The process.
pub(crate) struct Eavesdropper {
    child: Child,
    heard: Receiver<Vec<u8>>,
}

impl Eavesdropper {
    /// Starts it; returns once it listens.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut python = command(&["python3", "-c", PROGRAM]);
        let python = python.uid(NOBODY).gid(NOBODY).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 is there");
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(bytes(&line)).is_err() {
                    break;
                }
            }
        });
        let eavesdropper = Self { child, heard };
        assert!(eavesdropper.next().is_empty(), "it says that it listens");
        eavesdropper
    }

    /// The next message, whole.
    #[track_caller]
    pub(crate) fn next(&self) -> Vec<u8> {
        let patience = debug_kernel::limit(Duration::from_secs(20));
        let message = self.heard.recv_timeout(patience);
        message.expect("something is heard in time")
    }
}

impl Drop for Eavesdropper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("it prints digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
