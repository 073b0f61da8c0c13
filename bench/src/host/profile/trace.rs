// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's log of executed instructions, one a line: which there were, in their order.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::host::{Result, because};

/// Addresses from here on are the kernel's.
pub(super) const KERNEL: u64 = 1 << 63;

/// What is known of the instructions of a program; QEMU shows each when it first meets it.
#[derive(Default)]
pub(crate) struct Code {
    /// The instructions: how many bytes each has, and its text.
    instructions: HashMap<u64, (u64, String)>,
}

impl Code {
    /// Where the function that the instruction at `address` calls returns to, if it calls one.
    pub(super) fn returns_to(&self, address: u64) -> Option<u64> {
        let (bytes, text) = self.instructions.get(&address)?;
        text.starts_with("call").then_some(address + bytes)
    }

    /// The instruction at an address.
    pub(super) fn text(&self, address: u64) -> Option<&str> {
        let (_, text) = self.instructions.get(&address)?;
        Some(text)
    }

    /// Takes up a line of a log that shows an instruction.
    pub(super) fn add(&mut self, line: &str) {
        if let Some((address, bytes, text)) = instruction(line) {
            self.instructions.insert(address, (bytes, text.to_owned()));
        }
    }

    /// Reads a log: the addresses of the executed instructions. Those of userspace are all 0.
    pub(super) fn read_log(&mut self, path: &Path) -> Result<Vec<u64>> {
        let log = File::open(path).map_err(because(path.display()))?;
        let mut log = BufReader::with_capacity(1 << 20, log);
        let mut executed = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = log
                .read_until(b'\n', &mut line)
                .map_err(because(path.display()))?;
            if length == 0 {
                return Ok(executed);
            }
            let Ok(text) = std::str::from_utf8(&line) else {
                continue;
            };
            if let Some(address) = executed_at(text) {
                executed.push(if address >= KERNEL { address } else { 0 });
            } else {
                self.add(text);
            }
        }
    }
}

/// Parses "Trace 0: 0x7fc00f721e00 [00000000/ffffffff813c3f22/18c0c2b0/ff022201] ".
pub(super) fn executed_at(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("Trace ")?;
    let address = rest.split('/').nth(1)?;
    u64::from_str_radix(address, 16).ok()
}

/// Parses "0xffffffff81000000:  e8 00 00 00 00           callq    0xffffffff81000005": address, bytes and text.
fn instruction(line: &str) -> Option<(u64, u64, &str)> {
    let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let rest = rest.trim();
    let is_byte = |word: &&str| word.len() == 2 && u8::from_str_radix(word, 16).is_ok();
    let bytes = rest.split(' ').take_while(is_byte).count();
    Some((address, bytes as u64, rest.get(3 * bytes..)?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executed_instruction_is_known_by_its_address() {
        let line = "Trace 0: 0x7fc00f721e00 [00000000/ffffffff813c3f22/18c0c2b0/ff022201] \n";
        assert_eq!(executed_at(line), Some(0xffff_ffff_813c_3f22));
    }

    fn shown(line: &str) -> Code {
        let mut code = Code::default();
        code.add(line);
        code
    }

    #[test]
    fn a_call_returns_behind_its_own_bytes() {
        let code =
            shown("0xffffffff81000010:  e8 fb ff ff ff           callq    0xffffffff81000010\n");
        assert_eq!(
            code.returns_to(0xffff_ffff_8100_0010),
            Some(0xffff_ffff_8100_0015)
        );
    }

    #[test]
    fn a_jump_is_no_call() {
        let code =
            shown("0xffffffff813c3a71:  eb 28                    jmp      0xffffffff813c3a9b\n");
        assert_eq!(code.returns_to(0xffff_ffff_813c_3a71), None);
        assert_eq!(
            code.text(0xffff_ffff_813c_3a71),
            Some("jmp      0xffffffff813c3a9b")
        );
    }
}
