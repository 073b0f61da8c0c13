// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command says that is refused, by the kernel or before it is asked: what, why, and what to do.

use super::*;

#[test]
fn refusals_tell_what_why_and_what_to_do() {
    let kernel = kernel();
    kernel.add_file("/etc/passwd");
    let large_blocks = Drive {
        logical_block_size: 4096,
        ..Drive::new(8, 32, 1 << 30)
    };
    kernel.add_drive("/dev/large-blocks", large_blocks);
    done(&kernel, "shunt map taken --to /dev/a,length=1M");
    for (line, why) in [
        (
            "shunt map taken --to /dev/b",
            "cannot map taken to /dev/b: shunt0 has that name already; choose another name, or unmap the device that has it",
        ),
        (
            "shunt map a/b --to /dev/b",
            "cannot map a/b to /dev/b: the name has a slash; a name is 1 to 63 bytes without slash, white space or control characters, and without -part and a number at the end",
        ),
        (
            "shunt map v --to /dev/none",
            "cannot map v to /dev/none: no such path; check the path; lsblk lists the drives that there are",
        ),
        (
            "shunt map v --to /dev/b --to /etc/passwd",
            "cannot map v: target 2, /etc/passwd: not a block device; give a block device; lsblk lists them",
        ),
        (
            "shunt map v --to /dev/b,offset=4097",
            "cannot map v to /dev/b: offset 4097 is not a multiple of the logical block, 512; shunt map --help tells what is taken",
        ),
        (
            "shunt map v --to /dev/b,length=1G",
            "cannot map v to /dev/b: length 1073741824 is above 1048576, the rest of the drive; stay within the drive; lsblk --bytes tells its size",
        ),
        (
            "shunt map v --to /dev/a,offset=512,length=512",
            "cannot map v to /dev/a: overlaps shunt0, 1048576 bytes from 0 on; end that use, or choose a part of the drive that is free",
        ),
        (
            "shunt map v --to /dev/b --stripe 4K",
            "cannot map v to /dev/b: stripes need at least two targets; give --to once more, or leave --stripe out",
        ),
        (
            "shunt map v --to /dev/b,length=1K --to /dev/b,offset=512",
            "cannot map v: target 2, /dev/b: overlaps target 1 of the table; give each target a part of its own",
        ),
        (
            "shunt retarget v --to /dev/b",
            "cannot retarget v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt retarget taken --to /dev/b,length=512",
            "cannot retarget taken to /dev/b: the table has 512 bytes, the device 1048576; a device that is there does not shrink: give targets as long as it, or map a new one",
        ),
        (
            "shunt retarget taken --to /dev/shunt0",
            "cannot retarget taken to /dev/shunt0: leads back to the device itself; give a drive that does not stand on it",
        ),
        (
            "shunt retarget taken --to /dev/large-blocks",
            "cannot retarget taken to /dev/large-blocks: the device has promised a smaller logical block, which the table lacks; its users rely on that: give drives that can do it too, or map a new device",
        ),
        (
            "shunt suspend v",
            "cannot suspend v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt unmap v --force",
            "cannot unmap v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt unmap v",
            "cannot unmap v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt show v",
            "cannot show v: no device has that name; shunt list shows the devices",
        ),
        (
            "shunt stats v",
            "cannot show the statistics of v: no device has that name; shunt list shows the devices",
        ),
    ] {
        let said = failed(&kernel, line);
        assert_eq!(said, why, "{line}");
    }
    let long = "x".repeat(64);
    let why = failed(&kernel, &format!("shunt map {long} --to /dev/b"));
    assert!(
        why.ends_with(&format!("(name); a name is {}", shunt::name::RULE)),
        "{why}"
    );
    assert_eq!(kernel.devices().len(), 1);
}

#[test]
fn without_module_or_privilege_each_command_says_what_to_do() {
    let commands = [
        "list",
        "show v",
        "unmap v",
        "unmap v --force",
        "map v --to /dev/a",
        "retarget v --to /dev/a",
        "suspend v",
        "resume v",
        "resize v",
        "set v --read-only",
        "events",
    ];
    let kernel = kernel();
    kernel.set_privileged(false);
    for command in commands {
        let why = failed(&kernel, &format!("shunt {command}"));
        assert!(why.starts_with("cannot "), "{why}");
        assert!(
            why.contains("Operation not permitted; run it as root"),
            "{why}"
        );
    }
    done(&kernel, "shunt stats");
    kernel.set_loaded(false);
    for command in commands.into_iter().chain(["stats"]) {
        let why = failed(&kernel, &format!("shunt {command}"));
        assert!(
            why.starts_with("the shunt module is not loaded; load it"),
            "{why}"
        );
    }
}
