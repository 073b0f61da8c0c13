// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of the report on processors, commands, many devices and memory.

use super::Part;
use crate::estimate::Estimate;
use crate::figure::{Figure, Measure};
use crate::host::chart::{Series, lines};
use crate::host::plan;
use crate::host::run::Run;
use crate::host::table::{estimate, grouped, markdown, mean, row};
use crate::job::Job;
use crate::subject::Subject;

const TOOLS: [&str; 2] = ["shunt", "dmsetup"];

/// How much more two processors get done than one.
pub(super) fn throughput(run: &Run) -> Part {
    let job = Job::BUDGET.to_string();
    let rounds = |subject: &str, jobs: u32| {
        run.of(Measure::Throughput)
            .find(|figure| figure.subject == subject && figure.at == jobs)
            .map(|figure| figure.rounds.clone())
    };
    // Each pair of one round, since the load of the host differs from round to round.
    let ratio = |above: Option<Vec<f64>>, below: Option<Vec<f64>>| {
        let pairs = above?.into_iter().zip(below?);
        let ratios: Vec<f64> = pairs.map(|(above, below)| above / below).collect();
        let Estimate { mean, interval } = Estimate::of(&ratios);
        Some(format!("{mean:.2} ± {interval:.2}"))
    };
    let raw = Subject::Raw.to_string();
    let rows: Vec<_> = plan::SHARED
        .iter()
        .map(Subject::to_string)
        .filter(|subject| rounds(subject, 1).is_some())
        .map(|subject| {
            let cells = [
                ratio(rounds(&subject, 2), rounds(&subject, 1)),
                ratio(rounds(&subject, 1), rounds(&raw, 1)),
                ratio(rounds(&subject, 2), rounds(&raw, 2)),
            ];
            row(subject, cells.map(Option::unwrap_or_default))
        })
        .collect();
    let head = row(
        "",
        ["2 jobs / 1 job", "1 job / raw", "2 jobs / raw"].map(str::to_owned),
    );
    Part::text(format!(
        "## Two processors\n\n\
        Rates of {job}, one job on each processor, as ratios of measurements that were made in turns. \
        What two processors write to in common, a lock or a cache line, would show in the first column as less than the raw drive has.\n\n{}",
        markdown(&head, &rows)
    ))
}

/// Each command on one device.
pub(super) fn commands(run: &Run) -> Part {
    let mut names: Vec<&str> = Vec::new();
    for figure in run.of(Measure::Control) {
        if !names.contains(&figure.what.as_str()) {
            names.push(&figure.what);
        }
    }
    let rows: Vec<_> = names
        .iter()
        .map(|name| {
            let cells = TOOLS.map(|tool| estimate(run.estimate(Measure::Control, tool, name, 0)));
            row(name, cells)
        })
        .collect();
    let head = row("", TOOLS.map(str::to_owned));
    Part::text(format!(
        "## Commands\n\n\
        Instructions from the start of the program until it has ended, waiting included. \
        A retarget by dmsetup is load, suspend and resume, three programs; busy is with 32 reads under way all the time. \
        dm-mod is loaded by modprobe from a compressed file, shunt.ko by insmod.\n\n{}",
        markdown(&head, &rows)
    ))
}

/// Commands where there are ever more devices.
pub(super) fn scale(run: &Run) -> Part {
    let mut series: Vec<(String, Vec<&Figure>)> = Vec::new();
    for figure in run.of(Measure::Scale) {
        let name = format!("{} {}", figure.subject, figure.what);
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, figures)) => figures.push(figure),
            None => series.push((name, vec![figure])),
        }
    }
    let rows: Vec<_> = series
        .iter()
        .map(|(name, figures)| {
            let cells = plan::STEPS.iter().map(|step| {
                let figure = figures.iter().find(|figure| figure.at == *step);
                mean(figure.map(|figure| figure.estimate()))
            });
            row(name, cells)
        })
        .collect();
    let head = row("devices", plan::STEPS.map(|step| grouped(step.into())));
    let points = |figures: &[&Figure]| {
        figures
            .iter()
            .map(|figure| (f64::from(figure.at), figure.estimate().mean))
            .collect()
    };
    let lines_of = |wanted: [&str; 2]| -> Vec<Series> {
        series
            .iter()
            .filter(|(name, _)| wanted.iter().any(|what| name.ends_with(what)))
            .map(|(name, figures)| Series {
                name: name.clone(),
                points: points(figures),
            })
            .collect()
    };
    let plot = |title: &str, wanted| lines(title, "devices", "instructions", &lines_of(wanted));
    Part {
        text: format!(
            "## Many devices\n\n\
            Instructions of a whole command where there are so many devices: to map one more, to take it away, to list all, to show one, \
            to show the statistics of all (of dmsetup: the status of all).\n\n\
            {}![map, unmap and show](scale-one.svg)\n\n![list and stats](scale-all.svg)\n\n",
            markdown(&head, &rows)
        ),
        plots: vec![
            (
                "scale-one.svg",
                plot("Commands on one device", [" map", " show"]),
            ),
            (
                "scale-all.svg",
                plot("Commands on all devices", [" list", " stats"]),
            ),
        ],
    }
}

/// What a device takes.
pub(super) fn memory(run: &Run) -> Part {
    let mut kinds: Vec<&str> = Vec::new();
    for figure in run.of(Measure::Memory) {
        if !kinds.contains(&figure.what.as_str()) {
            kinds.push(&figure.what);
        }
    }
    let rows: Vec<_> = plan::KEPT
        .iter()
        .map(Subject::to_string)
        .filter(|subject| {
            run.of(Measure::Memory)
                .any(|figure| figure.subject == *subject)
        })
        .map(|subject| {
            let cells = kinds
                .iter()
                .map(|kind| mean(run.estimate(Measure::Memory, &subject, kind, plan::DEVICES)));
            row(&subject, cells)
        })
        .collect();
    let head = row("", kinds.iter().map(|kind| (*kind).to_owned()));
    Part::text(format!(
        "## Memory\n\nBytes of one device as a mean of {}, on one processor, by /proc/meminfo.\n\n{}",
        plan::DEVICES,
        markdown(&head, &rows)
    ))
}
