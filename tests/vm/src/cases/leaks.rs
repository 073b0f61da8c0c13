// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loading, mapping, refusing and their undoing leave no memory and no reference behind.

use std::collections::BTreeMap;
use std::fs;

use crate::guest::command::attempt;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, refused};
use crate::guest::sysfs;

cases! {
    loading_and_unloading_a_hundred_times_leaks_nothing,
    mapping_and_unmapping_two_hundred_times_leaks_nothing,
    refused_maps_leak_nothing,
    dumps_and_statistics_leak_nothing,
}

const ROUNDS: usize = 4;

fn loading_and_unloading_a_hundred_times_leaks_nothing() {
    leaks_nothing(100, || {
        drop(Module::load());
    });
}

fn mapping_and_unmapping_two_hundred_times_leaks_nothing() {
    let module = Module::load();
    let pattern = Buffer::pattern(1, 4096);
    leaks_nothing(200, || {
        let device = Device::map("vol0", &flash(0).path);
        let file = Direct::open(device.path());
        file.write(0, &pattern);
        file.flush().expect("a flush works");
    });
    assert_eq!(module.references(), 0);
}

fn refused_maps_leak_nothing() {
    let module = Module::load();
    let _holder = Device::map("vol0", &format!("{},length=1M", flash(0).path));
    let held = module.references();
    let taken = flash(0).path;
    let free = flash(1).path;
    let over = format!("{free},length=1T");
    leaks_nothing(100, || {
        for command in [
            ["map", "vol0", "--to", &free],
            ["map", "vol1", "--to", &taken],
            ["map", "vol1", "--to", &over],
        ] {
            refused(&command);
        }
    });
    assert_eq!(module.references(), held);
}

fn dumps_and_statistics_leak_nothing() {
    let module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let held = module.references();
    leaks_nothing(60, || {
        for command in [
            &["shunt", "list"][..],
            &["shunt", "show", "vol0"],
            &["shunt", "stats"],
        ] {
            assert_eq!(attempt(command).code, Some(0));
        }
    });
    assert_eq!(module.references(), held);
    drop(device);
}

/// Repeats `work` in rounds. Memory that grows in each round, by an object for every second time or by pages, is leaked;
/// what caches take once is not.
#[track_caller]
fn leaks_nothing(times: usize, work: impl Fn()) {
    let per_round = times / ROUNDS;
    (0..per_round / 4).for_each(|_| work());
    let mut readings = vec![memory()];
    for _ in 0..ROUNDS {
        (0..per_round).for_each(|_| work());
        readings.push(memory());
    }
    let figures = readings[0].keys();
    let grown: Vec<String> = figures
        .filter_map(|figure| growth(figure, &readings, per_round))
        .collect();
    let grown = grown.join("; ");
    assert!(
        grown.is_empty(),
        "memory grew in each of {ROUNDS} rounds of {per_round}: {grown}"
    );
}

/// The readings of a figure, if it grew too much from each to the next.
fn growth(figure: &str, readings: &[Memory], per_round: usize) -> Option<String> {
    let series: Vec<i64> = readings
        .iter()
        .map(|reading| *reading.get(figure).unwrap_or(&0))
        .collect();
    // Percpu is counted in KiB, vmalloc in bytes, and slab caches in objects.
    let allowed = if figure.starts_with("slab ") {
        per_round as i64 / 2
    } else {
        0
    };
    let grows = series.windows(2).all(|pair| pair[1] - pair[0] > allowed);
    grows.then(|| format!("{figure}: {series:?}"))
}

/// Figures of kernel memory by name.
type Memory = BTreeMap<String, i64>;

fn memory() -> Memory {
    // Slabs that hold nothing any more would be counted as used.
    for cache in sysfs::names("/sys/kernel/slab") {
        let _ = fs::write(format!("/sys/kernel/slab/{cache}/shrink"), "1");
    }
    let mut figures = Memory::new();
    for line in fs::read_to_string("/proc/slabinfo")
        .expect("slabinfo can be read")
        .lines()
        .skip(2)
    {
        let mut words = line.split_whitespace();
        if let (Some(cache), Some(Ok(objects))) = (words.next(), words.next().map(str::parse)) {
            figures.insert(format!("slab {cache}"), objects);
        }
    }
    // Areas of vmalloc are given back late and many at once; their callers say below what is in use.
    figures.remove("slab vmap_area");
    // Where leaks are looked for, each area has one of these.
    figures.remove("slab kmemleak_scan_area");
    for line in fs::read_to_string("/proc/meminfo")
        .expect("meminfo can be read")
        .lines()
    {
        let mut words = line.split_whitespace();
        if let (Some(name @ "Percpu:"), Some(Ok(size))) =
            (words.next(), words.next().map(str::parse))
        {
            figures.insert(name.to_owned(), size);
        }
    }
    for line in fs::read_to_string("/proc/vmallocinfo")
        .expect("vmallocinfo can be read")
        .lines()
    {
        let mut words = line.split_whitespace().skip(1);
        let (size, caller) = (words.next().map(str::parse::<i64>), words.next());
        // What is on its way back, and the stacks of tasks: the kernel's own workers come and go.
        let others = ["unpurged", "kernel_clone+"];
        let caller = caller.filter(|caller| !others.iter().any(|other| caller.starts_with(other)));
        if let (Some(Ok(size)), Some(caller)) = (size, caller) {
            *figures.entry(format!("vmalloc {caller}")).or_default() += size;
        }
    }
    figures
}
