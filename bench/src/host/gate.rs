// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-bench quick`: the cost of an I/O may not rise above the kept one. `scripts/test` runs it.

use super::machine::{Clock, Machine};
use super::parts::{Choice, Parts};
use super::profile::{self, WHAT};
use super::run::Run;
use super::{Result, budget, plan};
use crate::estimate::Estimate;
use crate::figure::Measure;
use crate::job::Job;
use crate::record::Request;
use crate::subject::Subject;

/// How far a cost may lie above the kept one, as a share of it.
const TOLERANCE: f64 = 0.03;

/// Measures what is quick, and judges it; true if nothing rose.
pub(crate) fn run(choice: &Choice) -> Result<bool> {
    let parts = Parts::find(choice)?;
    let kept = Run::newest(&parts.release)?;
    let mut run = Run::begin(&parts)?;
    let mut machine = Machine::boot(&parts, Clock::Instructions)?;
    let request = Request::Cost {
        subjects: plan::BUDGET.to_vec(),
        jobs: vec![Job::BUDGET],
        effort: plan::PRECISE,
    };
    machine.ask(&request, |record| run.take(record))?;
    let (profile, missing) = profile::watch(
        &mut machine,
        &parts,
        &mut profile::Code::default(),
        &plan::WATCHED,
    )?;
    machine.stop()?;
    run.about.missing.extend(missing);
    run.figures.extend(profile::figures(&profile));

    let mut verdicts: Vec<_> = pairs(&run, kept.as_ref())
        .into_iter()
        .map(|(name, now, kept)| (name, judge(now, kept)))
        .collect();
    for (partition, added) in profile::partitions(&parts)? {
        verdicts.push((
            format!("{partition}, {WHAT}, 64 possible processors"),
            judge_partition(added),
        ));
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, verdict) in verdicts {
        match verdict {
            Verdict::Passed(why) => {
                passed += 1;
                println!("passed {name}: {why}");
            }
            Verdict::Failed(why) => {
                failed += 1;
                println!("FAILED {name}: {why}");
            }
            Verdict::Skipped(why) => {
                skipped += 1;
                println!("skipped {name}: {why}");
            }
        }
    }
    for claim in budget::claims(&run) {
        if let Some(value) = claim.value {
            let (what, limit) = (claim.what, claim.limit);
            println!("budget: {what}: {value:.0}, at most {limit:.0}");
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}

enum Verdict {
    Passed(String),
    Failed(String),
    Skipped(String),
}

/// What each shunt adds, now and in the kept run.
fn pairs(run: &Run, kept: Option<&Run>) -> Vec<(String, Option<Estimate>, Option<Estimate>)> {
    let exact = |run: &Run, subject: &str| {
        let of = |subject: &str| run.estimate(Measure::Exact, subject, WHAT, 0);
        Some(of(subject)?.minus(of(&Subject::Raw.to_string())?))
    };
    let job = Job::BUDGET.to_string();
    let mut pairs = Vec::new();
    let is_ours = |subject: &Subject| matches!(subject, Subject::Shunt { .. });
    for subject in plan::WATCHED.into_iter().filter(is_ours) {
        let subject = subject.to_string();
        pairs.push((
            format!("{subject}, {WHAT}, each instruction counted"),
            exact(run, &subject),
            kept.and_then(|kept| exact(kept, &subject)),
        ));
        pairs.push((
            format!("{subject}, {job}, mean of fio"),
            budget::added(run, &subject, &job),
            kept.and_then(|kept| budget::added(kept, &subject, &job)),
        ));
    }
    pairs
}

fn judge(now: Option<Estimate>, kept: Option<Estimate>) -> Verdict {
    let (now, kept) = match (now, kept) {
        (Some(now), Some(kept)) => (now, kept),
        (None, _) => return Verdict::Failed("it could not be measured".to_owned()),
        (Some(now), None) => {
            return Verdict::Skipped(format!(
                "{:.0} instructions added, and bench/runs keeps no figure for this kernel: scripts/bench makes one",
                now.mean
            ));
        }
    };
    // What the rounds disagree by is no rise.
    let noise: f64 = [now, kept]
        .iter()
        .map(|estimate| estimate.interval)
        .filter(|interval| interval.is_finite())
        .sum();
    let limit = kept.mean * (1.0 + TOLERANCE) + noise;
    let figures = format!("{:.0} instructions added, {:.0} kept", now.mean, kept.mean);
    match now.mean <= limit {
        true => Verdict::Passed(figures),
        false => Verdict::Failed(format!(
            "{figures}, at most {limit:.0}: find what got dearer with scripts/bench profile, or keep the new figures with scripts/bench"
        )),
    }
}

fn judge_partition(added: f64) -> Verdict {
    let figures = format!(
        "{added:.0} instructions more than of the device, at most {}",
        plan::PARTITION_LIMIT
    );
    match added <= plan::PARTITION_LIMIT {
        true => Verdict::Passed(figures),
        false => Verdict::Failed(figures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(mean: f64) -> Option<Estimate> {
        Some(Estimate {
            mean,
            interval: f64::INFINITY,
        })
    }

    #[test]
    fn a_rise_by_more_than_three_percent_fails() {
        assert!(matches!(
            judge(exactly(414.0), exactly(401.0)),
            Verdict::Failed(_)
        ));
        assert!(matches!(
            judge(exactly(412.0), exactly(401.0)),
            Verdict::Passed(_)
        ));
    }

    #[test]
    fn a_partition_may_cost_little() {
        assert!(matches!(judge_partition(60.0), Verdict::Passed(_)));
        assert!(matches!(judge_partition(60.1), Verdict::Failed(_)));
    }

    #[test]
    fn without_a_kept_figure_nothing_is_judged() {
        assert!(matches!(judge(exactly(401.0), None), Verdict::Skipped(_)));
    }

    #[test]
    fn what_cannot_be_measured_fails() {
        assert!(matches!(judge(None, exactly(401.0)), Verdict::Failed(_)));
    }
}
