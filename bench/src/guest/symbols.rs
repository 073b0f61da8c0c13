// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names addresses in the kernel by /proc/kallsyms.

use std::fs;

use super::{Result, because};
use crate::record::Symbol;

const FILE: &str = "/proc/kallsyms";

/// The symbols that hold some addresses, each symbol once.
pub(super) fn holding(addresses: Vec<u64>) -> Result<Vec<Symbol>> {
    let text = fs::read_to_string(FILE).map_err(because(FILE))?;
    let mut symbols: Vec<(u64, &str)> = text.lines().filter_map(parse).collect();
    symbols.sort_by_key(|(start, _)| *start);
    // Of several names for one place, the first is taken.
    symbols.dedup_by_key(|(start, _)| *start);
    let mut places: Vec<usize> = addresses
        .into_iter()
        .map(|address| symbols.partition_point(|(start, _)| *start <= address))
        .filter(|place| *place > 0)
        .collect();
    places.sort_unstable();
    places.dedup();
    let symbol = |place: usize| {
        let (start, rest) = symbols[place - 1];
        let mut words = rest.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let module = words.next().map(|word| word.trim_matches(['[', ']']));
        Symbol {
            start,
            end: symbols.get(place).map_or(u64::MAX, |(start, _)| *start),
            name,
            module: module.map(str::to_owned),
        }
    };
    Ok(places.into_iter().map(symbol).collect())
}

/// Parses "ffffffff81000000 T name [module]" of a function; the second part has the name and the module.
fn parse(line: &str) -> Option<(u64, &str)> {
    let (address, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let is_code = matches!(kind, "t" | "T" | "w" | "W");
    let address = u64::from_str_radix(address, 16).ok()?;
    is_code.then_some((address, rest))
}
