// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench profile`: in which functions the instructions of one I/O are, by watching each of them in QEMU.

mod objects;
mod operand;
mod stacks;
mod structures;
mod touched;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::machine::{Clock, Machine};
use super::parts::{Choice, Parts};
use super::run::write;
use super::{Result, because, flame, plan};
use crate::figure::{Figure, Measure, Missing};
use crate::record::{Record, Request, Symbol};
use crate::subject::{Stats, Subject};
pub(crate) use stacks::Spent;
use stacks::{Names, spent};
use structures::Structures;
use touched::Watched;
pub(crate) use touched::{Footprint, LINE};
pub(crate) use trace::Code;

/// I/Os that are watched on each subject.
const IOS: u32 = 48;

/// What they do, as figures name it.
pub(crate) const WHAT: &str = "pread 4k";

/// I/Os whose registers are watched, which takes much longer.
const FEW: u32 = 6;

/// Where the instructions of one I/O go, by subject.
pub(crate) type Profile = BTreeMap<Subject, Spent>;

/// What one I/O touches, by subject.
pub(crate) type Footprints = BTreeMap<Subject, Footprint>;

/// What a partition adds to each kind of device, in instructions for each I/O, where there may be many processors.
pub(crate) fn partitions(parts: &Parts) -> Result<Vec<(Subject, f64)>> {
    let mut machine = Machine::boot(parts, Clock::ManyProcessors)?;
    let (profile, missing) = watch(
        &mut machine,
        parts,
        &mut Code::default(),
        plan::PARTITIONS.as_flattened(),
    )?;
    machine.stop()?;
    if let Some(missing) = missing.first() {
        return Err(format!("{}: {}", missing.subject, missing.why));
    }
    let total = |subject: &Subject| {
        let spent = profile.get(subject).map(|spent| spent.total);
        spent.ok_or_else(|| format!("{subject} was not measured"))
    };
    let added =
        |[device, partition]: &[Subject; 2]| Ok((*partition, total(partition)? - total(device)?));
    plan::PARTITIONS.iter().map(added).collect()
}

/// Watches and prints a table.
pub(crate) fn run(choice: &Choice) -> Result<bool> {
    let parts = Parts::find(choice)?;
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    let mut code = Code::default();
    let (profile, mut missing) = watch(&mut machine, &parts, &mut code, &plan::WATCHED)?;
    let (footprints, more) = footprints(&mut machine, &parts, &mut code)?;
    missing.extend(more);
    machine.stop()?;
    print!("{}", table(&profile));
    for figure in layout(&footprints) {
        super::full::show(&figure);
    }
    for missing in missing {
        println!("{}: {}", missing.subject, missing.why);
    }
    let path = parts.work.join("profile.svg");
    write(&path, &picture(&profile))?;
    println!("{}", path.display());
    Ok(true)
}

/// Watches I/Os on each subject; tells too what was not there. QEMU shows the code only once, so it is kept.
pub(crate) fn watch(
    machine: &mut Machine,
    parts: &Parts,
    code: &mut Code,
    subjects: &[Subject],
) -> Result<(Profile, Vec<Missing>)> {
    let mut logs = Vec::new();
    let mut gone = Vec::new();
    for &subject in subjects {
        let before = gone.len();
        machine.ask(&Request::Poise(subject), |record| {
            if let Record::Missing(missing) = record {
                gone.push(missing);
            }
        })?;
        if gone.len() == before {
            logs.push((subject, log(machine, parts, code)?));
        }
        machine.ask(&Request::Relax, drop)?;
    }
    let addresses = logs.iter().flat_map(|(_, log)| log.clone()).collect();
    let symbols = named(machine, addresses)?;
    let names = Names::new(symbols);
    let profile: Profile = logs
        .into_iter()
        .map(|(subject, log)| (subject, spent(&log, code, &names)))
        .collect();
    match profile.iter().find(|(_, spent)| spent.ios == 0) {
        Some((subject, _)) => Err(format!("QEMU's log shows no I/O on {subject}")),
        None => Ok((profile, gone)),
    }
}

/// The whole of it as figures.
pub(crate) fn figures(profile: &Profile) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (subject, spent) in profile {
        let total = Figure::new(Measure::Exact, subject, WHAT, vec![spent.total]);
        figures.push(total);
        figures.extend(
            spent
                .functions
                .iter()
                .map(|(name, count)| Figure::new(Measure::Function, subject, name, vec![*count])),
        );
    }
    figures
}

/// dm-linear and the shunt that measures all, as flame graphs of one scale.
pub(crate) fn picture(profile: &Profile) -> String {
    let panels: Vec<(String, &Spent)> = [Subject::DM_LINEAR, Subject::bio(Stats::Full)]
        .into_iter()
        .filter_map(|subject| Some((subject.to_string(), profile.get(&subject)?)))
        .collect();
    flame::draw(&panels)
}

/// The instructions that are executed while the guest reads.
fn log(machine: &mut Machine, parts: &Parts, code: &mut Code) -> Result<Vec<u64>> {
    logged(machine, parts, "exec,nochain,in_asm", IOS, |path| {
        code.read_log(path)
    })
}

/// What `read` makes of QEMU's log while the guest reads so many times.
fn logged<T>(
    machine: &mut Machine,
    parts: &Parts,
    what: &str,
    ios: u32,
    read: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let path = parts.work.join("executed.log");
    let mut monitor = machine.monitor()?;
    monitor.command("one-insn-per-tb on")?;
    monitor.command(&format!("logfile {}", path.display()))?;
    monitor.command(&format!("log {what}"))?;
    let done = machine.ask(&Request::Read(ios), drop);
    monitor.command("log none")?;
    monitor.command("one-insn-per-tb off")?;
    done?;
    let made = read(&path)?;
    fs::remove_file(&path).map_err(because(path.display()))?;
    Ok(made)
}

/// Finds what an I/O touches on each shunt with a queue of bios; tells too what was not there.
pub(crate) fn footprints(
    machine: &mut Machine,
    parts: &Parts,
    code: &mut Code,
) -> Result<(Footprints, Vec<Missing>)> {
    let missing = |why| Missing::new("shunt", "layout of what an I/O touches", why);
    let structures = match Structures::read(&parts.unstripped, &objects::structures()) {
        Ok(structures) => structures,
        Err(why) => return Ok((Footprints::new(), vec![missing(why)])),
    };
    let mut footprints = Footprints::new();
    for subject in plan::TOUCHED {
        machine.ask(&Request::Poise(subject), drop)?;
        let watched = logged(machine, parts, "exec,nochain,in_asm,cpu", FEW, |path| {
            Watched::read(path, code)
        })?;
        machine.ask(&Request::Relax, drop)?;
        let names = Names::new(named(machine, watched.addresses())?);
        footprints.insert(subject, watched.footprint(code, &names, &structures)?);
    }
    Ok((footprints, Vec::new()))
}

/// The symbols that hold some addresses.
fn named(machine: &mut Machine, mut addresses: Vec<u64>) -> Result<Vec<Symbol>> {
    addresses.sort_unstable();
    addresses.dedup();
    let mut symbols = Vec::new();
    machine.ask(&Request::Symbols(addresses), |record| {
        if let Record::Symbols(some) = record {
            symbols = some;
        }
    })?;
    Ok(symbols)
}

/// What I/Os touch, as figures: how often each field is read and written, and how many cache lines there are.
pub(crate) fn layout(footprints: &Footprints) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (subject, footprint) in footprints {
        let lines = [
            (LINES[0], footprint.lines[0]),
            (LINES[1], footprint.lines[1]),
            (LINES[2], footprint.shared),
        ];
        figures.extend(lines.map(|(what, lines)| {
            Figure::new(Measure::CacheLines, subject, what, vec![lines as f64])
        }));
        for (touched, counts) in &footprint.fields {
            let what = format!("{}: {}", touched.object, touched.field);
            let offset = touched.offset as u32;
            for (measure, count) in [(Measure::Reads, counts[0]), (Measure::Writes, counts[1])] {
                let figure = Figure::new(measure, subject, &what, vec![count.into()]);
                figures.push(figure.at(offset));
            }
        }
    }
    figures
}

/// Counts of cache lines, as figures name them.
pub(crate) const LINES: [&str; 3] = [
    "cache lines",
    "of these written",
    "of these neither the processor's nor the bio's or its context's",
];

/// Functions and their instructions, those with the greatest difference to the drive itself first.
pub(crate) fn table(profile: &Profile) -> String {
    let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (column, spent) in profile.values().enumerate() {
        for (function, count) in &spent.functions {
            let row = rows
                .entry(function)
                .or_insert_with(|| vec![0.0; profile.len()]);
            row[column] = *count;
        }
    }
    let mut rows: Vec<(&str, Vec<f64>)> = rows.into_iter().collect();
    let weight = |row: &Vec<f64>| row.last().unwrap_or(&0.0) - row[0];
    rows.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
    let line = |name: &str, figures: &mut dyn Iterator<Item = String>| {
        let figures: String = figures.map(|figure| format!("{figure:>20}")).collect();
        format!("{figures}  {name}\n")
    };
    let mut text = line("", &mut profile.keys().map(Subject::to_string));
    text += &line(
        "all",
        &mut profile.values().map(|spent| format!("{:.0}", spent.total)),
    );
    for (name, row) in rows {
        text += &line(name, &mut row.iter().map(|count| format!("{count:.1}")));
    }
    text
}
