// SPDX-License-Identifier: MIT OR Apache-2.0
//! The budget of the design, held against what was measured.

use super::modules::SECTION;
use super::run::Run;
use crate::figure::Measure;
use crate::job::Job;
use crate::subject::{Queue, Stats, Subject};

/// A line of the budget.
pub(super) struct Claim {
    pub(super) what: String,
    /// The most that it may be.
    pub(super) limit: f64,
    /// What it is, if it was measured.
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
}

impl Claim {
    /// Whether it holds.
    pub(super) fn verdict(&self) -> &'static str {
        match self.value {
            None => "not measured",
            Some(value) if value <= self.limit => "met",
            Some(_) => "**missed**",
        }
    }
}

/// Instructions that a device adds to a job, which runs on the drive itself as well.
pub(super) fn added(run: &Run, subject: &str, job: &str) -> Option<crate::estimate::Estimate> {
    let of = |subject: &str| run.estimate(Measure::Cost, subject, job, 0);
    Some(of(subject)?.minus(of(&Subject::Raw.to_string())?))
}

/// All lines.
pub(super) fn claims(run: &Run) -> Vec<Claim> {
    let job = Job::BUDGET.to_string();
    let mut claims = Vec::new();
    for (stats, limit) in [
        (Stats::Off, 450.0),
        (Stats::Counters, 450.0),
        (Stats::Full, 800.0),
    ] {
        let subject = Subject::bio(stats).to_string();
        claims.push(Claim {
            what: format!("{subject}: instructions added to {job}"),
            limit,
            value: added(run, &subject, &job).map(|added| added.mean),
            unit: "instructions",
        });
    }
    let mq = Subject::shunt(Queue::Mq, Stats::Full).to_string();
    let looped = Subject::Loop.to_string();
    for job in super::plan::jobs() {
        let job = job.to_string();
        let Some(limit) = run.estimate(Measure::Cost, &looped, &job, 0) else {
            continue;
        };
        claims.push(Claim {
            what: format!("{mq}: instructions of {job}, against loop"),
            limit: limit.mean,
            value: run
                .estimate(Measure::Cost, &mq, &job, 0)
                .map(|cost| cost.mean),
            unit: "instructions",
        });
    }
    let full = Subject::bio(Stats::Full).to_string();
    let memory: Vec<f64> = run
        .of(Measure::Memory)
        // Per-CPU memory lies in areas of vmalloc, a large one for many devices: it would count twice.
        .filter(|figure| figure.subject == full && figure.what != "VmallocUsed")
        .map(|figure| figure.estimate().mean)
        .collect();
    claims.push(Claim {
        what: format!("{full}: memory of one device on one CPU"),
        limit: 65536.0,
        value: (!memory.is_empty()).then(|| memory.iter().sum()),
        unit: "bytes",
    });
    for figure in run
        .of(Measure::Control)
        .filter(|figure| figure.subject == "shunt")
    {
        let Some(limit) = run.estimate(Measure::Control, "dmsetup", &figure.what, 0) else {
            continue;
        };
        claims.push(Claim {
            what: format!("shunt: {}, against dmsetup", figure.what),
            limit: limit.mean,
            value: Some(figure.estimate().mean),
            unit: "instructions",
        });
    }
    claims.push(Claim {
        what: format!("shunt.ko: {SECTION}"),
        limit: 40_000.0,
        value: run
            .estimate(Measure::Size, "shunt", SECTION, 0)
            .map(|size| size.mean),
        unit: "bytes",
    });
    claims
}
