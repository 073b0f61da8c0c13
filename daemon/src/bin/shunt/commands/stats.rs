// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stats`: once, or again and again.

use nix::poll::PollFd;
use shunt::{Client, Selector, Stats, Transport};

use crate::{
    cli::StatsArgs,
    explain::{Failure, no_such_device, shown},
    output::{Output, json, table},
};

pub(super) fn stats<T: Transport>(
    mut client: Client<T>,
    args: &StatsArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let Some(interval) = args.watch else {
        let stats = sample(&mut client, args)?;
        return output.show(|| json::stats(&stats), || table::totals(&stats));
    };
    let mut before: Option<Vec<Stats>> = None;
    loop {
        let now = sample(&mut client, args)?;
        output.show(
            || json::stats(&now),
            || match &before {
                Some(before) => table::rates(before, &now),
                None => String::new(),
            },
        )?;
        before = Some(now);
        output.wait(None::<PollFd<'_>>, Some(interval))?;
    }
}

fn sample<T: Transport>(client: &mut Client<T>, args: &StatsArgs) -> Result<Vec<Stats>, Failure> {
    let (what, result) = match &args.name {
        Some(name) => (
            format!("show the statistics of {}", shown(name)),
            client.stats(&Selector::name(name)).map(|one| vec![one]),
        ),
        None => ("show statistics".to_owned(), client.all_stats()),
    };
    result.map_err(|error| no_such_device(&what, &error))
}
