// SPDX-License-Identifier: MIT OR Apache-2.0
//! One row of a table that is wanted, judged for itself: how the target that a device has there stands
//! to it. What follows from the verdicts over all rows is decided in one place, `compare`.

use super::{Difference, memory::Known};
use crate::{
    config::{DriveName, WantedTarget},
    machine::{Drive, Identity},
    model::{State, Target},
    units::Bytes,
    words::{shown, visible},
};

/// How a target stands to the row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is on the drive of the row, which is there; or the name of that leads nowhere for now.
    Same,
    /// It was lost, and its drive is back.
    Back,
    /// It was lost, and its drive is not there.
    Missing,
    /// It is on what the name led to, and the name leads to another drive now, or to one that cannot be
    /// told from another. Holds what to say of that. Never followed but by who has seen the plan.
    Moved(&'static str),
    /// It is on another drive than the row names, or there is none. Holds whether the name leads to
    /// another drive than it did, too.
    Other { stranger: bool },
}

/// A row with its verdict.
#[derive(Debug)]
pub(super) struct Row {
    /// About the drive.
    pub(super) verdict: Verdict,
    /// Whether it begins at another place of the drive, or has another length.
    pub(super) elsewhere: bool,
    /// What following it would change.
    pub(super) differences: Vec<Difference>,
}

impl Row {
    /// Judges a target, or that there is none; `title` is what it is called.
    pub(super) fn of(
        wanted: &WantedTarget,
        drive: Option<&Drive>,
        target: Option<&Target>,
        known: &Known<'_>,
        title: &str,
    ) -> Self {
        let Some(target) = target else {
            return Self::new(wanted, drive, known, title);
        };
        let verdict = verdict(wanted, drive, target, known);
        let mut differences = Vec::new();
        if !matches!(verdict, Verdict::Same | Verdict::Missing) {
            let moved = matches!(verdict, Verdict::Moved(_));
            let seen = known.of(&wanted.drive).filter(|seen| seen.had(target));
            differences.extend(match drive {
                Some(drive) if is_on_or_was(drive, target) => moved.then(|| {
                    with_the_same_numbers(drive, target, seen.map(|seen| &seen.identity), title)
                }),
                _ => Some(of_drive(wanted, drive, target, title)),
            });
        }
        let places = [
            ("offset", target.offset, Some(wanted.offset)),
            ("length", target.length, wanted.length),
        ];
        let mut elsewhere = false;
        for (word, from, to) in places {
            if let Some(to) = to.filter(|to| *to != from) {
                elsewhere = true;
                let (from, to) = (format!("{:#}", Bytes(from)), format!("{:#}", Bytes(to)));
                differences.push(Difference::new(format!("{word} of {title}"), from, to));
            }
        }
        Self {
            verdict,
            elsewhere,
            differences,
        }
    }

    /// A row that the table does not have yet.
    fn new(wanted: &WantedTarget, drive: Option<&Drive>, known: &Known<'_>, title: &str) -> Self {
        let stranger = drive.is_some_and(|drive| known.is_stranger(&wanted.drive, drive));
        Self {
            verdict: Verdict::Other { stranger },
            elsewhere: true,
            differences: vec![Difference::new(title, "none", now(wanted, drive))],
        }
    }

    /// Whether the file wants something else than there is, whoever changed it.
    pub(super) fn differs(&self) -> bool {
        self.elsewhere || matches!(self.verdict, Verdict::Other { .. })
    }
}

fn verdict(
    wanted: &WantedTarget,
    drive: Option<&Drive>,
    target: &Target,
    known: &Known<'_>,
) -> Verdict {
    let lost = target.state == State::Lost;
    let seen = known.of(&wanted.drive);
    let seen = seen.filter(|seen| seen.had(target));
    let by_name = seen.is_some() || names(wanted, drive, target);
    match drive {
        None if !by_name => Verdict::Other { stranger: false },
        None if lost => Verdict::Missing,
        None => Verdict::Same,
        Some(drive) if is_on(drive, target) => Verdict::Same,
        Some(_) if !lost && by_name => Verdict::Moved(NAME),
        Some(drive) if !by_name && !is_on_or_was(drive, target) => Verdict::Other {
            stranger: known.is_stranger(&wanted.drive, drive),
        },
        Some(drive) => match seen.map(|seen| seen.identity.is_same(&drive.identity)) {
            Some(Some(true)) => Verdict::Back,
            Some(Some(false)) => Verdict::Moved(ANOTHER),
            None if by_name && tells_apart(&wanted.drive) => Verdict::Back,
            Some(None) | None => Verdict::Moved(UNTOLD),
        },
    }
}

const NAME: &str = "its drive has another name now";
const ANOTHER: &str = "what has the name of its drive is another drive";
const UNTOLD: &str = "nothing tells whether this is the drive that it was on";

/// Whether a target that is live is on a drive. The drive may have the numbers of one that went, of which
/// the kernel's word is still to be read.
pub(super) fn is_on(drive: &Drive, target: &Target) -> bool {
    let sequence = drive.identity.sequence;
    target.is_on(drive.number()) && sequence.is_none_or(|sequence| sequence == target.diskseq)
}

/// Whether a target has the numbers of a drive; one that was lost may have those of another by now.
fn is_on_or_was(drive: &Drive, target: &Target) -> bool {
    drive.number() == target.number()
}

/// Whether a target is where it is wanted, by its drive or by the name of that.
pub(super) fn is_at(wanted: &WantedTarget, drive: &Drive, target: &Target) -> bool {
    let by_name = || names(wanted, Some(drive), target);
    wanted.offset == target.offset && (is_on_or_was(drive, target) || by_name())
}

/// Whether a target has the name of the row.
fn names(wanted: &WantedTarget, drive: Option<&Drive>, target: &Target) -> bool {
    match (&wanted.drive, drive) {
        (DriveName::Path(path), _) => *path == target.path,
        (_, Some(drive)) if drive.path == target.path => true,
        (DriveName::PartUuid(uuid), _) => {
            let link = target.path.strip_prefix("/dev/disk/by-partuuid/");
            link == Some(uuid.as_str())
        }
        (DriveName::DiskSeq(_), _) => false,
    }
}

/// A drive with its numbers, since two drives may have had one name: `/dev/sdb (8:16)`
pub(super) fn numbered(drive: &Drive) -> String {
    format!("{} ({}:{})", shown(&drive.path), drive.major, drive.minor)
}

/// Whether a name is of one drive, and not of a place that one is plugged into.
fn tells_apart(name: &DriveName) -> bool {
    let links = ["id", "partuuid", "uuid", "diskseq"];
    match name {
        DriveName::PartUuid(_) | DriveName::DiskSeq(_) => true,
        DriveName::Path(path) => {
            let folder = path
                .strip_prefix("/dev/disk/by-")
                .and_then(|rest| rest.split_once('/'));
            folder.is_some_and(|(folder, _)| links.contains(&folder))
        }
    }
}

/// Another drive.
fn of_drive(
    wanted: &WantedTarget,
    drive: Option<&Drive>,
    target: &Target,
    title: &str,
) -> Difference {
    Difference::new(title, was(target), now(wanted, drive))
}

/// A drive that has the numbers of the one before, which show nothing then: with what else there is to
/// tell them apart by.
fn with_the_same_numbers(
    drive: &Drive,
    target: &Target,
    seen: Option<&Identity>,
    title: &str,
) -> Difference {
    let before = Identity {
        sequence: Some(target.diskseq),
        ..seen.cloned().unwrap_or_default()
    };
    let from = format!("{} [{}]", was(target), visible(&before.to_string()));
    let text = drive.identity.to_string();
    let after = visible(&text);
    Difference::new(title, from, format!("{} [{after}]", numbered(drive)))
}

/// The drive of a row, with its numbers if it is there.
fn now(wanted: &WantedTarget, drive: Option<&Drive>) -> String {
    match drive {
        Some(drive) => numbered(drive),
        None => shown(&wanted.drive.to_string()),
    }
}

/// The drive that a target is on or was on: `/dev/sdb (8:16)`
pub(super) fn was(target: &Target) -> String {
    let path = shown(&target.path);
    format!("{path} ({}:{})", target.major, target.minor)
}
