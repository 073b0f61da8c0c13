// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures what jobs cost on subjects: rounds of each, until they agree.

use super::device::Device;
use super::drive::Drive;
use super::{Result, fio};
use crate::estimate::Estimate;
use crate::figure::{Figure, Measure, Missing};
use crate::job::Job;
use crate::record::{Effort, Record};
use crate::subject::Subject;

/// Widest 95 % interval that is good enough, as a share of the mean.
const AGREED: f64 = 0.01;

/// Measures each job on a subject and tells the results.
pub(super) fn measure(
    subject: Subject,
    jobs: &[Job],
    effort: Effort,
    tell: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    for drive in Drive::ALL {
        let jobs: Vec<Job> = jobs
            .iter()
            .copied()
            .filter(|job| Drive::of(job) == drive)
            .collect();
        if jobs.is_empty() {
            continue;
        }
        let records = match Device::over(subject, drive) {
            Ok(mut device) => {
                let records = rounds(subject, device.path(), jobs, effort)?;
                device.check()?;
                records
            }
            Err(why) => vec![Record::Missing(Missing::new(subject, "", why))],
        };
        for record in records {
            tell(record)?;
        }
    }
    Ok(())
}

fn rounds(subject: Subject, path: &str, jobs: Vec<Job>, effort: Effort) -> Result<Vec<Record>> {
    let mut done = Vec::new();
    let mut left: Vec<(Job, Vec<f64>)> = jobs.into_iter().map(|job| (job, Vec::new())).collect();
    let mut round = 0;
    while !left.is_empty() {
        let rounds = if round == 0 { effort.least } else { 1 };
        let jobs: Vec<Job> = left.iter().map(|(job, _)| *job).collect();
        let figures = fio::run(path, &jobs.repeat(rounds as usize), effort.ios, round)?;
        round += rounds;
        for (index, (job, mut values)) in std::mem::take(&mut left).into_iter().enumerate() {
            let figures = figures.iter().skip(index).step_by(jobs.len()).cloned();
            match figures.collect::<Result<Vec<f64>>>() {
                Ok(figures) => values.extend(figures),
                Err(why) => {
                    done.push(Record::Missing(Missing::new(subject, job, why)));
                    continue;
                }
            }
            let agreed = Estimate::of(&values).relative() < AGREED;
            match agreed || round >= effort.most {
                true => done.push(Record::Figure(Figure::new(
                    Measure::Cost,
                    subject,
                    job,
                    values,
                ))),
                false => left.push((job, values)),
            }
        }
    }
    Ok(done)
}
