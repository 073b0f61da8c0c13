// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans of what the kernel would refuse, at the place in the file that wants it.

use super::*;

#[test]
fn a_shorter_table_is_refused() {
    let kernel = kernel();
    map(&kernel, V);
    let text = "[device.v]\nto = { drive = '/dev/a', length = '1M' }\n";
    let words = apply(&kernel, text);
    assert!(
        one(&words)
            .starts_with("refused: f:1:9: v: the table has 1048576 bytes (1 MiB), and the device"),
        "{words:?}"
    );
}

#[test]
fn larger_blocks_are_refused() {
    let kernel = kernel();
    let drive = Drive {
        logical_block_size: 4096,
        ..Drive::new(9, 0, 8 * MIB)
    };
    kernel.add_drive("/dev/k", drive);
    map(&kernel, V);
    let words = apply(&kernel, "[device.v]\nto = '/dev/k'\n");
    assert!(
        one(&words).contains("/dev/k has logical blocks of 4096 bytes"),
        "{words:?}"
    );
}

#[test]
fn what_does_not_fit_its_drive_is_refused_at_its_place() {
    let kernel = kernel();
    kernel.add_file("/dev/file");
    for (to, words) in [
        (
            "{ drive = '/dev/a', offset = '1M', length = '8M' }",
            "/dev/a: length 8388608 is above 7340032, the rest of the drive; make it smaller",
        ),
        (
            "{ drive = '/dev/a', offset = '8M' }",
            "/dev/a: offset 8388608 is not below the drive's size, 8388608; make it",
        ),
        ("'/dev/file'", "not a block device"),
    ] {
        let found = apply(&kernel, &format!("[device.v]\nto = {to}\n"));
        assert!(
            one(&found).starts_with(&format!("refused: f:2:6: v: {words}")),
            "{found:?}"
        );
    }
}

#[test]
fn two_names_of_one_drive_do_not_hide_an_overlap() {
    let kernel = kernel();
    kernel.add_drive("/dev/also-a", Drive::new(8, 0, 8 * MIB));
    let text = format!("{V}[device.w]\nto = '/dev/also-a'\n");
    let words = apply(&kernel, &text);
    assert_eq!(words.len(), 2, "{words:?}");
    assert_eq!(words[0], "map v on /dev/a");
    assert!(
        words[1]
            .starts_with("refused: f:4:6: w: /dev/also-a from 0 to the end overlaps what device v"),
        "{words:?}"
    );
}

#[test]
fn a_loop_through_its_own_device_is_refused() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    let words = apply(
        &kernel,
        "[device.v]\nto = '/dev/shunt1'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    assert!(
        words[0].starts_with(
            "refused: f:2:6: v: /dev/shunt1 leads back to the device itself (shunt1 on shunt0)"
        ),
        "{words:?}"
    );
}

#[test]
fn a_loop_that_only_the_files_have_is_refused() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/b'\n",
    );
    let words = apply(
        &kernel,
        "[device.v]\nto = '/dev/shunt1'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(
        words
            .iter()
            .all(|w| w.contains("leads back to the device itself")),
        "{words:?}"
    );
}

#[test]
fn a_path_with_several_lines_breaks_no_line_of_a_plan() {
    let kernel = kernel();
    let large = Drive {
        logical_block_size: 4096,
        ..Drive::new(9, 0, 8 * MIB)
    };
    kernel.add_drive("/dev/k\nmap", large);
    kernel.add_drive("/dev/l\nmap", Drive::new(9, 1, 8 * MIB));
    kernel.add_drive("/dev/also\nl", Drive::new(9, 1, 8 * MIB));
    map(&kernel, V);
    for (to, words) in [
        // Larger blocks than those of the device; beyond the end; twice the same.
        (
            "\"/dev/k\\nmap\"",
            "f:1:9: v: \"/dev/k\\nmap\" has logical blocks",
        ),
        (
            "{ drive = \"/dev/l\\nmap\", offset = '8M' }",
            "f:2:6: v: \"/dev/l\\nmap\": offset",
        ),
        (
            "[\"/dev/l\\nmap\", \"/dev/also\\nl\"]",
            "f:2:22: v: \"/dev/also\\nl\" from 0",
        ),
    ] {
        let words_of_plan = apply(&kernel, &format!("[device.v]\nto = {to}\n"));
        assert_eq!(words_of_plan[0].lines().count(), 1, "{words_of_plan:?}");
        assert!(
            words_of_plan[0].starts_with(&format!("refused: {words}")),
            "{words_of_plan:?}"
        );
    }
}
