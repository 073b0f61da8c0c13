// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel refused of a device or its table: which path it was, who uses it, what to do.

use nix::libc::{
    E2BIG, EACCES, EBUSY, EEXIST, EINVAL, ELOOP, ENODEV, ENOENT, ENOTBLK, ENXIO, EOPNOTSUPP,
    ERANGE, EROFS,
};
use shunt::{Error, Refusal, TargetSpec, machine::Users, name};

use crate::explain::{Failure, explain_with, shown};

/// Error numbers with what the kernel's words for them have in them, and what to do. The first
/// that fits holds.
#[rustfmt::skip]
const REMEDIES: [(i32, &str, &str); 20] = [
    (EEXIST, "", "choose another name, or unmap the device that has it"),
    (ENODEV, "no device has", "shunt list shows the devices"),
    (ENOENT, "", CHECK_THE_PATH),
    (ENXIO, "", CHECK_THE_PATH),
    (ENOTBLK, "", "give a block device; lsblk lists them"),
    (EACCES, "", "make the drive writable, or use it with --read-only"),
    (EROFS, "", "make the drive writable, or use it with --read-only"),
    (ERANGE, "the table has", "a device that is there does not shrink: give targets as long as it, or map a new one"),
    (ERANGE, "", "stay within the drive; lsblk --bytes tells its size"),
    (EOPNOTSUPP, "has promised", "its users rely on that: give drives that can do it too, or map a new device"),
    (EOPNOTSUPP, "zoned", "give a drive without zones"),
    (EOPNOTSUPP, "", "do without it for now"),
    (ELOOP, "", "give a drive that does not stand on it"),
    (E2BIG, "", "give fewer"),
    (EINVAL, "at least two", "give --to once more, or leave --stripe out"),
    (EINVAL, "all stripes", "leave length= out, or give each target that length; at least one chunk must fit in each"),
    (EINVAL, "stripe ", "give --stripe a multiple of it, such as 64K"),
    (EINVAL, "overlaps", "give each target a part of its own"),
    (EBUSY, "", "end that use, or choose a part of the drive that is free"),
    (EINVAL, "", "shunt map --help tells what is taken"),
];
const CHECK_THE_PATH: &str = "check the path; lsblk lists the drives that there are";

fn remedy(refusal: &Refusal) -> String {
    if refusal.attribute.as_deref() == Some("name") {
        return format!("a name is {}", name::RULE);
    }
    let text = refusal.text.as_deref().unwrap_or("");
    let mut remedies = REMEDIES.iter();
    let found = remedies.find(|(errno, words, _)| *errno == refusal.errno && text.contains(words));
    found.map_or("", |(_, _, remedy)| remedy).to_owned()
}

/// A table that was refused by `map` or `retarget`.
pub(super) fn table(verb: &str, name: &str, targets: &[TargetSpec], error: &Error) -> Failure {
    let to = match targets {
        [only] => format!(" to {}", shown(&only.path)),
        _ => String::new(),
    };
    explained(&format!("{verb} {}{to}", shown(name)), targets, error)
}

/// Another change that was refused.
pub(super) fn change(verb: &str, name: &str, error: &Error) -> Failure {
    let what = format!("{verb} {}", shown(name));
    match error {
        Error::Refused(Refusal {
            text: Some(text), ..
        }) if text.contains("file system") => {
            explain_with(&what, error, &[], "see dmesg; without --freeze it goes on")
        }
        error => explained(&what, &[], error),
    }
}

fn explained(what: &str, targets: &[TargetSpec], error: &Error) -> Failure {
    let Error::Refused(refusal) = error else {
        let advice = match error {
            Error::LedElsewhere { .. } => "shunt plan shows what that means",
            _ => "",
        };
        return explain_with(what, error, &[], advice);
    };
    let number = number_of(targets, refusal);
    let wrong = match number.and_then(|number| targets.get(number)) {
        Some(target) => std::slice::from_ref(target),
        None => targets,
    };
    let refusal = in_users_words(refusal, number, wrong);
    let advice = remedy(&refusal);
    let uses = uses(wrong, refusal.errno);
    explain_with(what, &Error::Refused(refusal), &uses, &advice)
}

/// Which of several targets the kernel means, counted from 0. It numbers all but the first.
fn number_of(targets: &[TargetSpec], refusal: &Refusal) -> Option<usize> {
    let text = refusal.text.as_deref().unwrap_or("");
    let numbered = text.strip_prefix("target ");
    if let Some((number, _)) = numbered.and_then(|text| text.split_once(": ")) {
        return number.parse().ok();
    }
    let first = match refusal.errno {
        ENOENT | ENOTBLK | ENXIO | EACCES | EBUSY => true,
        _ => text.starts_with("offset ") || text.starts_with("length "),
    };
    (first && targets.len() > 1).then_some(0)
}

/// The refusal with the path of the target, and its number as `show` counts, from 1.
fn in_users_words(refusal: &Refusal, number: Option<usize>, wrong: &[TargetSpec]) -> Refusal {
    let mut refusal = refusal.clone();
    let (Some(number), Some(text)) = (number, &mut refusal.text) else {
        return refusal;
    };
    let numbered = text
        .strip_prefix("target ")
        .and_then(|t| t.split_once(": "));
    let mut words = numbered
        .map_or(text.as_str(), |(_, words)| words)
        .to_owned();
    let other = words.strip_prefix("overlaps target ");
    if let Some((other, rest)) = other.and_then(|other| other.split_once(' ')) {
        let other = other.parse().map_or(0, |other: usize| other + 1);
        words = format!("overlaps target {other} {rest}");
    }
    let path = match wrong {
        [only] => format!(", {}", shown(&only.path)),
        _ => String::new(),
    };
    *text = format!("target {}{path}: {words}", number + 1);
    refusal
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
