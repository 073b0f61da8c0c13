// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench full`: measures everything, and writes the run and its report into `bench/runs`.

use std::time::Instant;

use super::machine::{Clock, Machine};
use super::parts::{Choice, Parts};
use super::run::{Run, write};
use super::{Result, modules, plan, profile, report};
use crate::figure::Figure;
use crate::job::Job;
use crate::record::{Record, Request};

/// Takes only the steps whose names hold a text, and shows their figures as they come.
pub(crate) fn some(choice: &Choice, wanted: &str) -> Result<bool> {
    let parts = Parts::find(choice)?;
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    let steps = counted();
    for (_, request) in steps.iter().filter(|(name, _)| name.contains(wanted)) {
        machine.ask(request, |record| match record {
            Record::Figure(figure) => show(&figure),
            Record::Missing(missing) => {
                println!("{}, {}: {}", missing.subject, missing.what, missing.why);
            }
            _ => {}
        })?;
    }
    machine.stop()?;
    Ok(true)
}

pub(super) fn show(figure: &Figure) {
    let Figure {
        subject, what, at, ..
    } = figure;
    let at = if *at == 0 {
        String::new()
    } else {
        format!(", {at}")
    };
    let estimate = super::table::estimate(Some(figure.estimate()));
    let unit = figure.measure.unit();
    println!("{subject}, {what}{at}: {estimate} {unit}");
}

/// Measures everything.
pub(crate) fn run(choice: &Choice) -> Result<bool> {
    let parts = Parts::find(choice)?;
    let mut run = Run::begin(&parts)?;
    let begun = Instant::now();
    let step = |what: &str| println!("{:>5.0} s  {what}", begun.elapsed().as_secs_f64());

    step("boot, counting instructions");
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    run.about.fio = machine.fio().to_owned();
    step("profile of one I/O");
    let mut code = profile::Code::default();
    let (profile, missing) = profile::watch(&mut machine, &parts, &mut code, &plan::WATCHED)?;
    run.about.missing.extend(missing);
    run.figures.extend(profile::figures(&profile));
    step("what one I/O touches");
    let (footprints, missing) = profile::footprints(&mut machine, &parts, &mut code)?;
    run.about.missing.extend(missing);
    run.figures.extend(profile::layout(&footprints));
    for (what, request) in counted() {
        step(&what);
        machine.ask(&request, |record| run.take(record))?;
    }
    machine.stop()?;

    step("boot, two processors");
    let mut machine = Machine::boot(&parts, Clock::Wall)?;
    step("one and two jobs");
    let request = Request::Throughput {
        subjects: plan::SHARED.to_vec(),
        rounds: plan::THROUGHPUT_ROUNDS,
    };
    machine.ask(&request, |record| run.take(record))?;
    machine.stop()?;

    step("sizes");
    run.figures.extend(modules::sizes(&parts)?);
    run.figures.extend(modules::lines()?);
    run.save()?;
    write(&run.folder().join("flame.svg"), &profile::picture(&profile))?;
    report::make(&run)?;
    step(&format!("{}", run.folder().join("report.md").display()));
    Ok(true)
}

/// What the guest that counts instructions is asked.
fn counted() -> Vec<(String, Request)> {
    let cost = |subjects: Vec<_>, jobs, effort| Request::Cost {
        subjects,
        jobs,
        effort,
    };
    let mut asked = vec![(
        "one 4 KiB read".to_owned(),
        cost(plan::BUDGET.to_vec(), vec![Job::BUDGET], plan::PRECISE),
    )];
    asked.extend(plan::MATRIX.map(|subject| {
        (
            format!("all jobs on {subject}"),
            cost(vec![subject], plan::jobs(), plan::ROUGH),
        )
    }));
    asked.extend([
        (
            "tables of several targets".to_owned(),
            cost(plan::tables(), plan::table_jobs(), plan::ROUGH),
        ),
        (
            "memory of a device".to_owned(),
            Request::Memory {
                subjects: plan::KEPT.to_vec(),
                devices: plan::DEVICES,
            },
        ),
        (
            "commands on one device".to_owned(),
            Request::Control {
                rounds: plan::CONTROL_ROUNDS,
            },
        ),
        (
            "commands where there are many devices".to_owned(),
            Request::Scale {
                steps: plan::STEPS.to_vec(),
                rounds: plan::SCALE_ROUNDS,
            },
        ),
    ]);
    asked
}
