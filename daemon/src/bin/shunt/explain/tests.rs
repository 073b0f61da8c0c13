// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one line that a failure is told in.

use nix::libc::{EBUSY, EINVAL};
use shunt::Refusal;

use super::*;

fn refused(errno: i32, text: Option<&str>) -> Error {
    Error::Refused(Refusal {
        errno,
        text: text.map(str::to_owned),
        part: None,
    })
}

fn line(failure: Failure) -> String {
    match failure {
        Failure::Explained(line) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_module_is_told_with_how_to_load_it() {
    assert_eq!(
        line(explain("list the devices", &Error::NotLoaded)),
        "the shunt module is not loaded; load it with: modprobe shunt (or insmod shunt.ko)"
    );
}

#[test]
fn a_missing_privilege_is_told_with_how_to_get_it() {
    let error = refused(EPERM, None);
    assert_eq!(
        line(explain_with("map v", &error, &[], "other advice")),
        "cannot map v: Operation not permitted; run it as root, for example with sudo (it needs CAP_SYS_ADMIN)"
    );
}

#[test]
fn the_kernels_words_come_first_then_the_causes_then_the_advice() {
    let error = refused(EBUSY, Some("the device is open"));
    let causes = ["mounted at /mnt".to_owned(), "held by dm-0".to_owned()];
    assert_eq!(
        line(explain_with("unmap v", &error, &causes, "unmount it")),
        "cannot unmap v: the device is open: mounted at /mnt, held by dm-0; unmount it"
    );
}

#[test]
fn a_device_that_is_not_there_is_told_with_where_to_look() {
    let error = refused(ENODEV, Some("no device has that name"));
    assert_eq!(
        line(no_such_device("show v", &error)),
        "cannot show v: no device has that name; shunt list shows the devices"
    );
    let other = refused(EINVAL, None);
    assert_eq!(
        line(no_such_device("show v", &other)),
        "cannot show v: Invalid argument"
    );
}
