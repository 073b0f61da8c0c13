// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one and two processors get done, turn by turn, so that the load of the host is about the same for each pair.

use super::device::Device;
use super::drive::Drive;
use super::{Result, fio};
use crate::figure::{Figure, Measure, Missing};
use crate::job::Job;
use crate::record::Record;
use crate::subject::Subject;

/// Jobs at once.
const JOBS: [u32; 2] = [1, 2];

/// Operations of each job in a round.
const IOS: u32 = 20_000;

/// Measures all subjects in each round.
pub(super) fn measure(
    subjects: Vec<Subject>,
    rounds: u32,
    tell: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    let mut rates: Vec<_> = subjects
        .into_iter()
        .map(|subject| (subject, JOBS.map(|_| Vec::new())))
        .collect();
    for _ in 0..rounds {
        let mut there = Vec::new();
        for (subject, mut rates) in rates {
            let device = match Device::over(subject, Drive::Plain) {
                Ok(device) => device,
                Err(why) => {
                    tell(Record::Missing(Missing::new(subject, "throughput", why)))?;
                    continue;
                }
            };
            for (jobs, rates) in JOBS.into_iter().zip(&mut rates) {
                rates.push(fio::throughput(device.path(), jobs, IOS)?);
            }
            there.push((subject, rates));
        }
        rates = there;
    }
    for (subject, rates) in rates {
        for (jobs, rates) in JOBS.into_iter().zip(rates) {
            let figure = Figure::new(Measure::Throughput, subject, Job::BUDGET, rates);
            tell(Record::Figure(figure.at(jobs)))?;
        }
    }
    Ok(())
}
