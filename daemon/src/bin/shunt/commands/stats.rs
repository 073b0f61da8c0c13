// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stats`: once, as the samples come, or recorded and drawn.

use std::time::Duration;

use nix::libc::EPERM;
use shunt::{Client, Figures, Stream, Transport, metrics::Interval, poll::readable};

use super::named::selector;
use crate::{
    cli::StatsArgs,
    explain::{Failure, explain, no_such_device, shown},
    output::{
        Output,
        figures::{self, Last},
        json,
    },
};

mod record;

pub(super) fn stats<T: Transport>(
    mut client: Client<T>,
    args: &StatsArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    if let Some(file) = &args.heatmap {
        return record::record(client, args, file, output);
    }
    if args.watch.is_some() {
        return watch(client, args, output);
    }
    let stats = match &args.name {
        Some(name) => selector(&mut client, name)
            .and_then(|selector| client.stats(&selector))
            .map(|one| vec![one]),
        None => client.all_stats(),
    };
    let stats = stats.map_err(|error| no_such_device(&what(args), &error))?;
    output.show(|| json::stats(&stats), || figures::totals(&stats))
}

fn what(args: &StatsArgs) -> String {
    match &args.name {
        Some(name) => format!("show the statistics of {}", shown(name)),
        None => "show statistics".to_owned(),
    }
}

/// Prints figures as they come, until the reader goes.
fn watch<T: Transport>(
    client: Client<T>,
    args: &StatsArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut followed = Followed::start(client, args)?;
    let mut last = Last::default();
    loop {
        while let Some(figures) = followed.next()? {
            let devices = match &figures {
                Figures::All(devices) | Figures::Some(devices) => devices.as_slice(),
                Figures::Overrun => continue,
            };
            if output.is_json() {
                let stream = &followed.stream;
                let (sequence, overruns) = (stream.sequence(), stream.overruns());
                let dropped = stream.dropped();
                output.show(
                    || json::samples(sequence, overruns, dropped, devices),
                    String::new,
                )?;
                continue;
            }
            let intervals = match figures {
                Figures::All(devices) => last.take_all(devices),
                Figures::Some(devices) => last.take(devices),
                Figures::Overrun => Vec::new(),
            };
            if !intervals.is_empty() {
                output.bytes(figures::rates(&named(&last, intervals)).as_bytes())?;
            }
        }
        output.wait(Some(readable(&followed.stream)), None)?;
    }
}

fn named(last: &Last, intervals: Vec<(u32, Interval)>) -> Vec<(String, Interval)> {
    let name = |id| {
        last.of(id)
            .map_or_else(String::new, |stats| stats.name.clone())
    };
    let named = |(id, interval)| (name(id), interval);
    intervals.into_iter().map(named).collect()
}

/// The stream that a command follows, which tells on stderr what the reader should know.
struct Followed<T: Transport> {
    stream: Stream<T>,
    what: String,
    /// The interval that was wanted and could not be set.
    refused: Option<Duration>,
}

impl<T: Transport> Followed<T> {
    fn start(mut client: Client<T>, args: &StatsArgs) -> Result<Self, Failure> {
        let what = what(args);
        let mut refused = None;
        if let Some(wanted) = args.watch.flatten() {
            match client.set_interval(wanted) {
                Ok(_) => {}
                Err(error) if error.errno() == Some(EPERM) => refused = Some(wanted),
                Err(error) => return Err(explain("set the interval", &error)),
            }
        }
        let only = args.name.as_deref();
        let only = only.map(|name| selector(&mut client, name)).transpose();
        let only = only.map_err(|error| no_such_device(&what, &error))?;
        let stream = Stream::start(client, only).map_err(|error| no_such_device(&what, &error))?;
        Ok(Self {
            stream,
            what,
            refused,
        })
    }

    fn next(&mut self) -> Result<Option<Figures>, Failure> {
        let figures = self.stream.next_figures();
        let figures = figures.map_err(|error| no_such_device(&self.what, &error))?;
        if let Some(Figures::Overrun) = figures {
            log::warn!(
                "samples were lost; the next figures are of the whole time since the last ones \
                 (a larger --receive-buffer loses less)"
            );
        }
        if let (Some(wanted), Some(holds)) = (self.refused, self.stream.interval()) {
            self.refused = None;
            if wanted.as_millis() != holds.as_millis() {
                log::warn!(
                    "samples come every {} s and not every {} s; root can change that",
                    holds.as_secs_f64(),
                    wanted.as_secs_f64()
                );
            }
        }
        Ok(figures)
    }
}
