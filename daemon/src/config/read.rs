// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads one configuration file: text to devices, or to all that is wrong with it. [`load`](super::load)
//! calls it for each file.

use std::ops::Range;

use shunt_uapi::TARGETS_MAX;
use toml::de::{DeTable, DeValue};

use super::{
    DriveName, Missing, Place, Policy, Problem, Wanted, WantedTarget, check,
    value::{Source, Value},
};
use crate::{
    model::{QueueMode, StatsMode},
    name,
};

/// What a file may have at the top, and what only the first one may have there.
const TOP: [&str; 3] = ["device", "defaults", "include"];
/// What a device may have, and what may be given for all devices.
const DEVICE: [&str; 7] = [
    "to",
    "stripe",
    "queue",
    "stats",
    "read-only",
    "missing",
    "policy",
];
const DEFAULTS: [&str; 5] = ["queue", "stats", "read-only", "missing", "policy"];
const TARGET: [&str; 3] = ["drive", "offset", "length"];

const A_DRIVE: &str =
    "a path such as \"/dev/disk/by-id/nvme-...\", \"PARTUUID=...\" or \"diskseq=...\"";

/// What holds for a device that does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    queue: QueueMode,
    stats: StatsMode,
    read_only: bool,
    missing: Missing,
    policy: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: QueueMode::Bio,
            stats: StatsMode::Full,
            read_only: false,
            missing: Missing::default(),
            policy: Policy::default(),
        }
    }
}

/// What a file has.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) devices: Vec<Wanted>,
    /// What holds for the devices of the files that follow, too.
    pub(super) defaults: Settings,
    /// Paths of more files, and where they are named.
    pub(super) includes: Vec<(String, Place)>,
}

/// Reads the devices of one file that stands alone.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Vec<Wanted>, Vec<Problem>> {
    let devices = contents(file, text, None)?.devices;
    match check::together(&devices) {
        problems if problems.is_empty() => Ok(devices),
        problems => Err(problems),
    }
}

/// Reads one file. The first has no `inherited` settings; it alone may set them and include more.
pub(super) fn contents(
    file: &str,
    text: &str,
    inherited: Option<Settings>,
) -> Result<Contents, Vec<Problem>> {
    let mut source = Source::new(file, text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let message = error.message().replace('\n', ", ");
        let text = format!("this is not TOML: {message}; see toml.io, or quote the text");
        source.wrong(&error.span().unwrap_or_default(), text);
    }
    if source.problems.is_empty() {
        let contents = top(&mut source, root.get_ref(), inherited);
        if source.problems.is_empty() {
            return Ok(contents);
        }
    }
    Err(source.problems)
}

fn top(source: &mut Source<'_>, root: &DeTable<'_>, inherited: Option<Settings>) -> Contents {
    let known = if inherited.is_none() {
        &TOP[..]
    } else {
        &TOP[..1]
    };
    source.keys("a configuration", root, known);
    let mut contents = Contents {
        defaults: inherited.unwrap_or_default(),
        ..Contents::default()
    };
    if let Some(value) = root.get("defaults").filter(|_| inherited.is_none()) {
        if let Some(table) = source.table("defaults", value, "[defaults], then its keys") {
            source.keys("defaults", table, &DEFAULTS);
            contents.defaults = settings(source, table, contents.defaults);
        }
    }
    if let Some(value) = root.get("include").filter(|_| inherited.is_none()) {
        contents.includes = includes(source, value);
    }
    if let Some(value) = root.get("device") {
        let named = "[device.NAME], then its keys";
        let table = source.table("device", value, named);
        let mut devices: Vec<_> = table.into_iter().flatten().collect();
        // In the order of the file, which the table does not keep.
        devices.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in devices {
            let Some(table) = source.table(name.get_ref(), value, named) else {
                continue;
            };
            let wanted = device(
                source,
                name.get_ref(),
                &name.span(),
                table,
                contents.defaults,
            );
            contents.devices.extend(wanted);
        }
    }
    contents
}

fn includes(source: &mut Source<'_>, value: &Value<'_>) -> Vec<(String, Place)> {
    let expected = "an array of paths, such as [\"more.toml\"]";
    let Some(array) = value.get_ref().as_array() else {
        source.not("include", value, expected);
        return Vec::new();
    };
    let mut paths = Vec::new();
    for value in array {
        let text = source.text("include", value, expected);
        paths.extend(text.map(|text| (text, source.place(&value.span()))));
    }
    paths
}

fn settings(source: &mut Source<'_>, table: &DeTable<'_>, defaults: Settings) -> Settings {
    let mut settings = defaults;
    for (key, value) in table {
        let key = key.get_ref().as_ref();
        match key {
            "queue" => {
                let word = source.word(key, value, &QueueMode::ALL, QueueMode::name);
                settings.queue = word.unwrap_or(settings.queue);
            }
            "stats" => {
                let word = source.word(key, value, &StatsMode::ALL, StatsMode::name);
                settings.stats = word.unwrap_or(settings.stats);
            }
            "missing" => {
                let word = source.word(key, value, &Missing::ALL, Missing::name);
                settings.missing = word.unwrap_or(settings.missing);
            }
            "policy" => {
                let word = source.word(key, value, &Policy::ALL, Policy::name);
                settings.policy = word.unwrap_or(settings.policy);
            }
            "read-only" => {
                let found = source.yes_or_no(key, value);
                settings.read_only = found.unwrap_or(settings.read_only);
            }
            _ => {}
        }
    }
    settings
}

/// A device; none if it cannot be told what is wanted.
fn device(
    source: &mut Source<'_>,
    name: &str,
    span: &Range<usize>,
    table: &DeTable<'_>,
    defaults: Settings,
) -> Option<Wanted> {
    if let Some(wrong) = wrong_name(name) {
        source.wrong(span, wrong);
    }
    source.keys(&format!("device {name}"), table, &DEVICE);
    let settings = settings(source, table, defaults);
    let stripe = table.get("stripe");
    let stripe_bytes = stripe.and_then(|value| source.size("stripe", value));
    let Some(to) = table.get("to") else {
        source.wrong(
            span,
            format!("device {name} has no drive; write to = {A_DRIVE}"),
        );
        return None;
    };
    let targets = targets(source, to);
    if let Some(stripe) = stripe {
        let span = stripe.span();
        if stripe_bytes == Some(0) {
            source.wrong(&span, "stripe 0 is too short; write a size such as \"64K\"");
        } else if targets.len() == 1 {
            let wrong = "stripes need at least two targets; add one to 'to', or leave stripe out";
            source.wrong(&span, wrong);
        }
    }
    if targets.len() > TARGETS_MAX as usize {
        let count = targets.len();
        let wrong = format!("a device has at most {TARGETS_MAX} targets, not {count}; give fewer");
        source.wrong(&to.span(), wrong);
    }
    Some(Wanted {
        name: name.to_owned(),
        targets,
        stripe: stripe_bytes,
        queue: settings.queue,
        stats: settings.stats,
        read_only: settings.read_only,
        missing: settings.missing,
        policy: settings.policy,
        place: source.place(span),
    })
}

fn wrong_name(name: &str) -> Option<String> {
    name::check(name.as_bytes()).err()?;
    let rule = name::RULE;
    Some(format!("{name:?} is no name of a device; take {rule}"))
}

fn targets(source: &mut Source<'_>, to: &Value<'_>) -> Vec<WantedTarget> {
    match to.get_ref() {
        DeValue::Array(array) if array.is_empty() => {
            source.wrong(&to.span(), format!("'to' is empty; give {A_DRIVE}"));
            Vec::new()
        }
        DeValue::Array(array) => {
            let targets = array.iter().map(|value| target(source, value));
            targets.collect::<Vec<_>>().into_iter().flatten().collect()
        }
        _ => target(source, to).into_iter().collect(),
    }
}

/// A drive, or a table that tells which part of one.
fn target(source: &mut Source<'_>, value: &Value<'_>) -> Option<WantedTarget> {
    let part = "a table such as { drive = \"/dev/...\", offset = \"1M\", length = \"10G\" }";
    let place = source.place(&value.span());
    let DeValue::Table(table) = value.get_ref() else {
        let drive = drive(source, "to", value, &format!("{A_DRIVE}, or {part}"))?;
        return Some(WantedTarget {
            drive,
            offset: 0,
            length: None,
            place,
        });
    };
    source.keys("a target", table, &TARGET);
    let offset = table.get("offset");
    let offset = offset.map_or(Some(0), |value| source.size("offset", value));
    let length = table.get("length");
    let length_bytes = length.map(|value| source.size("length", value));
    if let (Some(value), Some(Some(0))) = (length, length_bytes) {
        let wrong = "length 0 is too short; leave it out for all to the end of the drive";
        source.wrong(&value.span(), wrong);
    }
    let Some(named) = table.get("drive") else {
        let wrong = format!("a target has no drive; write drive = {A_DRIVE}");
        source.wrong(&value.span(), wrong);
        return None;
    };
    let drive = drive(source, "drive", named, A_DRIVE)?;
    let (offset, length) = (offset?, length_bytes);
    if let Some(None) = length {
        return None;
    }
    let length = length.flatten();
    if offset.checked_add(length.unwrap_or(0)).is_none() {
        let wrong = "offset and length together are more than any drive has; make them smaller";
        source.wrong(&value.span(), wrong);
    }
    Some(WantedTarget {
        drive,
        offset,
        length,
        place,
    })
}

fn drive(
    source: &mut Source<'_>,
    key: &str,
    value: &Value<'_>,
    expected: &str,
) -> Option<DriveName> {
    let text = source.text(key, value, expected)?;
    let found = match text.split_once('=') {
        Some(("PARTUUID", uuid)) if !uuid.is_empty() => {
            Some(DriveName::PartUuid(uuid.to_lowercase()))
        }
        Some(("diskseq", number)) => number.parse().ok().map(DriveName::DiskSeq),
        _ if text.starts_with('/') => Some(DriveName::Path(text.clone())),
        _ => None,
    };
    if found.is_none() {
        let wrong = format!("'{text}' names no drive; write {A_DRIVE}");
        source.wrong(&value.span(), wrong);
    }
    found
}
