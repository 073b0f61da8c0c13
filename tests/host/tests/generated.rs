// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is generated from `uapi/shunt.yaml` is what the spec says today.
//!
//! Without a kernel source the C header cannot be made again; libtest cannot say "skipped", so this test has a
//! `main` of its own.
#![expect(
    clippy::print_stdout,
    reason = "the verdict of a test goes to standard output"
)]

use std::process::{Command, ExitCode};

const NAME: &str = "generated_files_are_fresh";

/// Exit status of `gen-uapi --check` if the header could not be compared and all else is fresh.
const SKIPPED: i32 = 77;

fn main() -> ExitCode {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/gen-uapi");
    let output = match Command::new(script).arg("--check").output() {
        Ok(output) => output,
        Err(error) => {
            println!("test {NAME} ... FAILED: cannot run {script}: {error}");
            println!("0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let said = said.trim_end();
    match output.status.code() {
        Some(0) => {
            println!("test {NAME} ... ok\n1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Some(SKIPPED) => {
            println!("test {NAME} ... skipped\n{said}\n0 passed, 0 failed, 1 skipped");
            ExitCode::SUCCESS
        }
        _ => {
            println!("test {NAME} ... FAILED\n{said}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}
