// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times the commands where there are ever more devices, and tells how much memory a device takes.

use std::fs;

use super::control::{Tool, time};
use super::device::Device;
use super::drive::Drive;
use super::{Result, because};
use crate::figure::{Figure, Measure, Missing};
use crate::record::Record;
use crate::subject::Subject;

const MEMINFO: &str = "/proc/meminfo";

/// What of /proc/meminfo a block device takes, in its words.
const KINDS: [&str; 3] = ["Slab", "Percpu", "VmallocUsed"];

/// Times the commands of both tools at each step. The devices stay: it is the last thing that a guest is asked.
pub(super) fn measure(
    steps: &[u32],
    rounds: u32,
    tell: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    for tool in Tool::ALL {
        let mut mapped = 0;
        for step in steps {
            if let Err(why) = tool.fill(mapped..*step) {
                let what = format!("map {step} devices");
                tell(Record::Missing(Missing::new(tool.name(), what, why)))?;
                break;
            }
            mapped = *step;
            let mut values: [(&str, Vec<f64>); 5] =
                ["map", "unmap", "list", "show", "stats"].map(|what| (what, Vec::new()));
            for _ in 0..rounds {
                values[0].1.push(time(|| tool.map(mapped))?);
                values[1].1.push(time(|| tool.unmap(mapped))?);
                values[2].1.push(time(|| tool.list())?);
                values[3].1.push(time(|| tool.show(mapped - 1))?);
                values[4].1.push(time(|| tool.stats())?);
            }
            for (what, values) in values {
                let figure = Figure::new(Measure::Scale, tool.name(), what, values);
                tell(Record::Figure(figure.at(*step)))?;
            }
        }
    }
    Ok(())
}

/// Tells the memory of one device of each subject, as a mean of many.
pub(super) fn memory(
    subjects: &[Subject],
    devices: u32,
    tell: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    // All stay until the end: the kernel keeps per-CPU pages that were freed, and the next would seem to need none.
    let mut kept = Vec::new();
    for (subject, first) in subjects.iter().zip((0..).step_by(devices as usize)) {
        // Ours and device-mapper each hold their drive for themselves.
        let drive = match subject {
            Subject::Shunt { .. } => Drive::Plain,
            _ => Drive::Polled,
        };
        let before = used()?;
        let made: Result<Vec<Device>> = (first..first + devices)
            .map(|number| Device::make(*subject, &format!("bench{number}"), &drive.piece(number)))
            .collect();
        match made {
            Ok(made) => {
                let after = used()?;
                for ((kind, before), after) in KINDS.into_iter().zip(before).zip(after) {
                    let each = (after - before) / f64::from(devices);
                    let figure = Figure::new(Measure::Memory, subject, kind, vec![each]);
                    tell(Record::Figure(figure.at(devices)))?;
                }
                kept.push(made);
            }
            Err(why) => tell(Record::Missing(Missing::new(subject, "memory", why)))?,
        }
    }
    Ok(())
}

/// Bytes in use of each kind.
fn used() -> Result<[f64; 3]> {
    let text = fs::read_to_string(MEMINFO).map_err(because(MEMINFO))?;
    let mut used = [0.0; 3];
    for (kind, used) in KINDS.into_iter().zip(&mut used) {
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .ok_or_else(|| format!("{MEMINFO} has no {kind}"))?;
        *used = kib * 1024.0;
    }
    Ok(used)
}
