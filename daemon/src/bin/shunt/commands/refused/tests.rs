// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's refusals in the user's words.

use nix::libc::EIO;

use super::*;

fn line(failure: Failure) -> String {
    match failure {
        Failure::Explained(line) => line,
        other => panic!("{other:?}"),
    }
}

fn said(targets: &[&str], stripe: Option<u64>, refusal: Refusal) -> String {
    let targets: Vec<_> = targets
        .iter()
        .map(|path| TargetSpec::whole(*path))
        .collect();
    line(table(
        "retarget",
        "v",
        &targets,
        stripe,
        &Error::Refused(refusal),
    ))
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
        table("retarget", "v", &[TargetSpec::whole("/dev/sdb")], None, &error),
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
        said(
            &["/dev/none-a"],
            None,
            Refusal::new(ENOENT, "no such path").of("drive").at(0)
        ),
        "cannot retarget v to /dev/none-a: no such path; check the path; lsblk lists the drives that there are"
    );
}

#[test]
fn each_refusal_of_the_kernel_has_a_remedy() {
    for (errno, word, remedy) in [
        (EEXIST, "name", "choose another name"),
        (EINVAL, "name", name::RULE),
        (ERANGE, "name", name::RULE),
        (ENODEV, "id", "shunt list"),
        (ERANGE, "", "does not shrink"),
        (ERANGE, "offset", "stay within the drive"),
        (EOPNOTSUPP, "", "give drives that can do it too"),
        (EOPNOTSUPP, "queue", "without zones"),
        (ELOOP, "target", "does not stand on it"),
        (E2BIG, "target", "give fewer"),
        (EINVAL, "stripe", "give --stripe a multiple of it"),
        (EINVAL, "length", "shunt map --help"),
        (EINVAL, "target", "a part of its own"),
        (EACCES, "drive", "make the drive writable"),
    ] {
        let refusal = Refusal::new(errno, "words").of(word);
        let line = said(&["/dev/none-a", "/dev/none-b"], None, refusal);
        assert!(line.contains(remedy), "{line}");
    }
}

#[test]
fn a_stripe_has_remedies_of_its_own() {
    let chunk = Some(1000);
    let of = |word| Refusal::new(EINVAL, "words").of(word);
    let line = said(&["/dev/none-a"], chunk, of("stripe"));
    assert!(line.contains("give --to once more"), "{line}");
    let line = said(&["/dev/none-a", "/dev/none-b"], chunk, of("length").at(1));
    assert!(line.contains("leave length= out"), "{line}");
}

#[test]
fn a_file_system_that_does_not_stop_is_told_with_where_to_look() {
    for (errno, advice) in [
        (EIO, "see dmesg; without --freeze it goes on"),
        (EBUSY, "without --freeze it goes on"),
    ] {
        let refusal = Refusal::new(errno, "the file system could not be stopped").of("freeze");
        assert_eq!(
            line(change("suspend", "v", &Error::Refused(refusal))),
            format!("cannot suspend v: the file system could not be stopped; {advice}")
        );
    }
}
