// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel refused of a device or its table: which path it was, who uses it, what to do.

use std::borrow::Cow;

use nix::libc::{
    E2BIG, EACCES, EBUSY, EEXIST, EINVAL, ELOOP, ENODEV, ENOENT, ENOTBLK, ENXIO, EOPNOTSUPP,
    ERANGE, EROFS,
};
use shunt::{Error, Refusal, TargetSpec, machine::Users, name};

use crate::explain::{Failure, explain_with, shown};

const PLAN_AGAIN: &str = "shunt plan shows what that means";

const CHECK_THE_PATH: &str = "check the path; lsblk lists the drives that there are";

/// What to do about a refusal: its number and the part of the request that was wrong tell.
fn remedy(refusal: &Refusal, targets: &[TargetSpec], striped: bool) -> Cow<'static, str> {
    let remedy = match (refusal.errno, refusal.word()) {
        _ if refusal.is_other_table() => PLAN_AGAIN,
        (EEXIST, _) => "choose another name, or unmap the device that has it",
        (ENODEV, "name" | "id") => "shunt list shows the devices",
        (_, "name") => return format!("a name is {}", name::RULE).into(),
        (ENOENT | ENXIO | ENODEV, _) => CHECK_THE_PATH,
        (ENOTBLK, _) => "give a block device; lsblk lists them",
        (EACCES | EROFS, _) => "make the drive writable, or use it with --read-only",
        (ERANGE, "offset" | "length") => "stay within the drive; lsblk --bytes tells its size",
        (ERANGE, "timeout") => "give a shorter one",
        (ERANGE, _) => {
            "a device that is there does not shrink: give targets as long as it, or map a new one"
        }
        (EOPNOTSUPP, "stripe" | "queue") => "leave that out, or give drives without zones",
        (EOPNOTSUPP, _) if refusal.text.is_some() => {
            "its users rely on that: give drives that can do it too, or map a new device"
        }
        (EOPNOTSUPP, _) => "do without it for now",
        (ELOOP, _) => "give a drive that does not stand on it",
        (E2BIG, _) => "give fewer",
        (EINVAL, "stripe") if targets.len() < 2 => "give --to once more, or leave --stripe out",
        (EINVAL, "stripe") => "give --stripe a multiple of it, such as 64K",
        (EINVAL, "length") if striped => {
            "leave length= out, or give each target that length; at least one chunk must fit in each"
        }
        (EINVAL, "target") => "give each target a part of its own",
        (EINVAL, "drive") => "give drives whose zones are alike",
        (EINVAL, _) => "shunt map --help tells what is taken",
        (EBUSY, "target" | "drive") => "end that use, or choose a part of the drive that is free",
        (EBUSY, "freeze") => "without --freeze it goes on",
        (_, "freeze") => "see dmesg; without --freeze it goes on",
        _ => "",
    };
    remedy.into()
}

/// A table that was refused by `map` or `retarget`.
pub(super) fn table(
    verb: &str,
    name: &str,
    targets: &[TargetSpec],
    stripe: Option<u64>,
    error: &Error,
) -> Failure {
    let to = match targets {
        [only] => format!(" to {}", shown(&only.path)),
        _ => String::new(),
    };
    let what = format!("{verb} {}{to}", shown(name));
    explained(&what, targets, stripe.is_some(), error)
}

/// Another change that was refused.
pub(super) fn change(verb: &str, name: &str, error: &Error) -> Failure {
    explained(&format!("{verb} {}", shown(name)), &[], false, error)
}

fn explained(what: &str, targets: &[TargetSpec], striped: bool, error: &Error) -> Failure {
    let Error::Refused(refusal) = error else {
        let advice = match error {
            Error::LedElsewhere { .. } => PLAN_AGAIN,
            _ => "",
        };
        return explain_with(what, error, &[], advice);
    };
    let wrong = match refusal.target().and_then(|number| targets.get(number)) {
        Some(target) => std::slice::from_ref(target),
        None => targets,
    };
    let advice = remedy(refusal, targets, striped);
    explain_with(what, error, &uses(wrong, refusal.errno), &advice)
}

/// Who uses the drives of a table that was refused as busy.
fn uses(targets: &[TargetSpec], errno: i32) -> Vec<String> {
    if errno != EBUSY {
        return Vec::new();
    }
    let users = Users::of_this_machine();
    let mut uses: Vec<String> = Vec::new();
    for target in targets {
        let of_drive = users.of_path(&target.path).into_iter();
        uses.extend(of_drive.map(|user| format!("{} is {user}", shown(&target.path))));
    }
    uses.dedup();
    uses
}

#[cfg(test)]
mod tests;
