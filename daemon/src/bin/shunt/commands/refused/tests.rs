// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's refusals in the user's words.

use super::*;

fn said(targets: &[&str], errno: i32, text: &str) -> String {
    let targets: Vec<_> = targets
        .iter()
        .map(|path| TargetSpec::whole(*path))
        .collect();
    let error = Error::Refused(Refusal {
        errno,
        text: Some(text.to_owned()),
        attribute: None,
    });
    match table("retarget", "v", &targets, &error) {
        Failure::Explained(line) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_of_several_targets_is_named_by_path_and_number() {
    let two = ["/dev/none-a", "/dev/none-b"];
    for (errno, text, begin) in [
        (ENOENT, "no such path", "target 1, /dev/none-a: no such"),
        (
            ENOENT,
            "target 1: no such path",
            "target 2, /dev/none-b: no such",
        ),
        (
            ERANGE,
            "length 9 is above",
            "target 1, /dev/none-a: length 9",
        ),
        (
            EINVAL,
            "target 1: overlaps target 0 of the table",
            "target 2, /dev/none-b: overlaps target 1 of the table; give each",
        ),
        // About the table as a whole.
        (
            ERANGE,
            "the table has 1 bytes, the device 2",
            "the table has 1",
        ),
        (ELOOP, "leads back to the device itself", "leads back to"),
    ] {
        let line = said(&two, errno, text);
        let expected = format!("cannot retarget v: {begin}");
        assert!(line.starts_with(&expected), "{line}");
    }
}

#[test]
fn a_path_that_led_elsewhere_is_told_with_both_drives() {
    let drive = |minor, diskseq| shunt::DriveId {
        major: 8,
        minor,
        diskseq: Some(diskseq),
    };
    let error = Error::LedElsewhere {
        path: "/dev/sdb".to_owned(),
        planned: drive(16, 7),
        found: drive(32, 9),
    };
    assert_eq!(
        table("retarget", "v", &[TargetSpec::whole("/dev/sdb")], &error),
        Failure::Explained(
            "cannot retarget v to /dev/sdb: /dev/sdb led to 8:16 (diskseq 7) when this was planned and \
             leads to 8:32 (diskseq 9) now; shunt plan shows what that means"
                .to_owned()
        )
    );
}

#[test]
fn the_only_target_is_named_once() {
    assert_eq!(
        said(&["/dev/none-a"], ENOENT, "no such path"),
        "cannot retarget v to /dev/none-a: no such path; check the path; lsblk lists the drives that there are"
    );
}

#[test]
fn each_refusal_of_the_kernel_has_a_remedy() {
    for (errno, text, remedy) in [
        (
            ERANGE,
            "the table has 1 bytes, the device 2",
            "does not shrink",
        ),
        (
            EOPNOTSUPP,
            "the device has promised discard, which the table lacks",
            "give drives that can do it too",
        ),
        (
            EOPNOTSUPP,
            "zoned drives are not supported yet",
            "without zones",
        ),
        (
            ELOOP,
            "leads back to the device itself",
            "does not stand on it",
        ),
        (E2BIG, "a table has at most 1024 targets", "give fewer"),
        (
            EINVAL,
            "stripes need at least two targets",
            "give --to once more",
        ),
        (
            EINVAL,
            "stripe 1000 is not a multiple of the logical block, 512",
            "give --stripe a multiple of it",
        ),
        (
            EINVAL,
            "target 1: length 512, but all stripes must have the same, 1024",
            "leave length= out",
        ),
        (
            EACCES,
            "read-only, or not permitted",
            "make the drive writable",
        ),
        (ENODEV, "no device has the id 3", "shunt list"),
    ] {
        let line = said(&["/dev/none-a", "/dev/none-b"], errno, text);
        assert!(line.contains(remedy), "{line}");
    }
}

#[test]
fn a_file_system_that_does_not_stop_is_told_with_where_to_look() {
    let error = Error::Refused(Refusal {
        errno: EBUSY,
        text: Some("the file system could not be stopped".into()),
        attribute: None,
    });
    assert_eq!(
        change("suspend", "v", &error),
        Failure::Explained(
            "cannot suspend v: the file system could not be stopped; see dmesg; without --freeze it goes on".into()
        )
    );
}
