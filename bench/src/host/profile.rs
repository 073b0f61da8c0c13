// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench profile`: in which functions the instructions of one I/O are, by watching each of them in QEMU.

mod stacks;
mod trace;

use std::collections::BTreeMap;
use std::fs;

use super::machine::{Clock, Machine};
use super::parts::{Choice, Parts};
use super::run::write;
use super::{Result, because, flame, plan};
use crate::figure::{Figure, Measure, Missing};
use crate::record::{Record, Request};
use crate::subject::{Stats, Subject};
pub(crate) use stacks::Spent;
use stacks::{Names, spent};
use trace::Code;

/// I/Os that are watched on each subject.
const IOS: u32 = 48;

/// What they do, as figures name it.
pub(crate) const WHAT: &str = "pread 4k";

/// Where the instructions of one I/O go, by subject.
pub(crate) type Profile = BTreeMap<Subject, Spent>;

/// Watches and prints a table.
pub(crate) fn run(choice: &Choice) -> Result<bool> {
    let parts = Parts::find(choice)?;
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    let (profile, missing) = watch(&mut machine, &parts)?;
    machine.stop()?;
    print!("{}", table(&profile));
    for missing in missing {
        println!("{}: {}", missing.subject, missing.why);
    }
    let path = parts.work.join("profile.svg");
    write(&path, &picture(&profile))?;
    println!("{}", path.display());
    Ok(true)
}

/// Watches I/Os on each subject; tells too what was not there.
pub(crate) fn watch(machine: &mut Machine, parts: &Parts) -> Result<(Profile, Vec<Missing>)> {
    let mut code = Code::default();
    let mut logs = Vec::new();
    let mut gone = Vec::new();
    for subject in plan::WATCHED {
        let before = gone.len();
        machine.ask(&Request::Poise(subject), |record| {
            if let Record::Missing(missing) = record {
                gone.push(missing);
            }
        })?;
        if gone.len() == before {
            logs.push((subject, log(machine, parts, &mut code)?));
        }
        machine.ask(&Request::Relax, drop)?;
    }
    let mut addresses: Vec<u64> = logs.iter().flat_map(|(_, log)| log.clone()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut symbols = Vec::new();
    machine.ask(&Request::Symbols(addresses), |record| {
        if let Record::Symbols(some) = record {
            symbols = some;
        }
    })?;
    let names = Names::new(symbols);
    let profile: Profile = logs
        .into_iter()
        .map(|(subject, log)| (subject, spent(&log, &code, &names)))
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
    let path = parts.work.join("executed.log");
    let mut monitor = machine.monitor()?;
    monitor.command("one-insn-per-tb on")?;
    monitor.command(&format!("logfile {}", path.display()))?;
    monitor.command("log exec,nochain,in_asm")?;
    let read = machine.ask(&Request::Read(IOS), drop);
    monitor.command("log none")?;
    monitor.command("one-insn-per-tb off")?;
    read?;
    let executed = code.read_log(&path)?;
    fs::remove_file(&path).map_err(because(path.display()))?;
    Ok(executed)
}

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
