// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which fields of which objects our instructions touch on the way of one I/O: QEMU's log has the registers before each
//! instruction, so each address is known, and each pointer that is followed leads to the next object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::objects::{BIO, CONTEXT, ELSEWHERE, LINKS, OBJECTS, PER_CPU};
use super::operand::{Access, REGISTERS, Registers, access};
use super::stacks::Names;
use super::structures::Structures;
use super::trace::{Code, KERNEL, executed_at};
use crate::host::{Result, because};

/// Bytes of a cache line.
pub(crate) const LINE: u64 = 64;

/// Part of the name of the function that gets the bio first.
const FIRST: &str = "submit_bio_callback";

const MODULE: &str = "shunt";

/// A field that is touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Touched {
    /// Number of the object in the order of the report, and its name.
    order: usize,
    pub(crate) object: &'static str,
    /// Where in the object.
    pub(crate) offset: u64,
    pub(crate) field: String,
}

/// What one I/O touches.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    /// How often each field is read and written.
    pub(crate) fields: BTreeMap<Touched, [u32; 2]>,
    /// Cache lines, all, and those that are written.
    pub(crate) lines: [usize; 2],
    /// Written lines that are neither this processor's, nor of the bio and its context.
    pub(crate) shared: usize,
}

/// An executed instruction, and the registers before it.
struct Step {
    address: u64,
    registers: Registers,
}

/// A log with registers.
pub(super) struct Watched {
    /// The instructions of each stay in the kernel.
    calls: Vec<Vec<Step>>,
}

impl Watched {
    /// Reads a log.
    pub(super) fn read(path: &Path, code: &mut Code) -> Result<Self> {
        let log = BufReader::new(File::open(path).map_err(because(path.display()))?);
        let mut calls = vec![Vec::new()];
        for line in log.split(b'\n') {
            let line = line.map_err(because(path.display()))?;
            let line = String::from_utf8_lossy(&line);
            let steps = calls.last_mut().expect("there is always one");
            if let Some(address) = executed_at(&line) {
                if address >= KERNEL {
                    let registers = Registers::default();
                    steps.push(Step { address, registers });
                } else if !steps.is_empty() {
                    calls.push(Vec::new());
                }
            } else if line.starts_with("0x") {
                code.add(&line);
            } else if let Some(step) = steps.last_mut() {
                dump(&line, &mut step.registers);
            }
        }
        Ok(Self { calls })
    }

    /// Where instructions were executed.
    pub(super) fn addresses(&self) -> Vec<u64> {
        self.calls
            .iter()
            .flatten()
            .map(|step| step.address)
            .collect()
    }

    /// What an I/O touches that is like most: what comes once a timer tick is left out.
    pub(super) fn footprint(
        &self,
        code: &Code,
        names: &Names,
        structures: &Structures,
    ) -> Result<Footprint> {
        let mut ios: Vec<Vec<(&Step, Access)>> = self
            .calls
            .iter()
            .map(|call| accesses(call, code, names))
            .filter(|io| !io.is_empty())
            .collect();
        ios.sort_by_key(Vec::len);
        let io = ios.get(ios.len() / 2).ok_or("no I/O was watched")?;
        let bases = bases(io, structures)?;
        Ok(footprint(io, &bases, structures))
    }
}

/// Our accesses in one call, off the stack, each with the step behind it; none if it is no I/O.
fn accesses<'a>(call: &'a [Step], code: &Code, names: &Names) -> Vec<(&'a Step, Access)> {
    let is_ours = |step: &&Step| names.is_in(step.address, MODULE);
    let ours: Vec<&Step> = call.iter().filter(is_ours).collect();
    let Some(first) = ours
        .iter()
        .position(|step| names.begins(step.address, FIRST))
    else {
        return Vec::new();
    };
    // The bio that comes in is the first object.
    let entry = Access {
        address: 0,
        per_cpu: false,
        on_stack: false,
        reads: false,
        writes: false,
        register: Some(5),
        before: 0,
    };
    let behind = ours[first..]
        .iter()
        .zip(ours[first + 1..].iter().chain(ours.last()));
    let found = behind.filter_map(|(step, behind)| {
        let access = access(code.text(step.address)?, &step.registers)?;
        (!access.on_stack).then_some((if access.writes { *step } else { *behind }, access))
    });
    [(ours[first], entry)].into_iter().chain(found).collect()
}

/// Where each object is: the pointers to it are followed from the bio on.
fn bases(io: &[(&Step, Access)], structures: &Structures) -> Result<BTreeMap<&'static str, u64>> {
    let value = |(step, access): &(&Step, Access)| {
        let register = access.register?;
        Some(step.registers[register].wrapping_sub(access.before))
    };
    let mut bases = BTreeMap::from([(BIO, value(&io[0]).unwrap_or(0))]);
    for _ in &LINKS {
        for link in &LINKS {
            let Some(base) = bases.get(link.from) else {
                continue;
            };
            let place = base + structures.offset(link.way)? + link.behind;
            let is_meant = |(_, access): &&(&Step, Access)| {
                access.address == place && !access.per_cpu && access.writes == link.stored
            };
            if let Some(base) = io[1..].iter().filter(is_meant).find_map(value) {
                bases.entry(link.to).or_insert(base);
            }
        }
    }
    Ok(bases)
}

fn footprint(
    io: &[(&Step, Access)],
    bases: &BTreeMap<&'static str, u64>,
    structures: &Structures,
) -> Footprint {
    let mut footprint = Footprint::default();
    let mut lines: BTreeMap<(bool, u64), (bool, bool)> = BTreeMap::new();
    for (_, access) in &io[1..] {
        let touched = touched(access, bases, structures);
        let own = access.per_cpu || [BIO, CONTEXT].contains(&touched.object);
        let line = lines
            .entry((access.per_cpu, access.address / LINE))
            .or_default();
        line.0 |= access.writes;
        line.1 |= access.writes && !own;
        let counts = footprint.fields.entry(touched).or_default();
        counts[0] += u32::from(access.reads);
        counts[1] += u32::from(access.writes);
    }
    footprint.lines = [lines.len(), lines.values().filter(|line| line.0).count()];
    footprint.shared = lines.values().filter(|line| line.1).count();
    footprint
}

fn touched(
    access: &Access,
    bases: &BTreeMap<&'static str, u64>,
    structures: &Structures,
) -> Touched {
    // Of those of a processor only the beginning is known: the nearest one in front is meant.
    let nearest = OBJECTS
        .iter()
        .enumerate()
        .filter_map(|(order, (object, structure))| {
            let fields = structures.fields(structure);
            let bytes = match (access.per_cpu, fields.last()) {
                (false, Some(last)) => last.offset + last.bytes,
                _ => u64::MAX,
            };
            let offset = access.address.checked_sub(*bases.get(object)?)?;
            let is_here = offset < bytes && access.per_cpu == object.ends_with(PER_CPU);
            is_here.then_some((offset, order, *object, fields))
        });
    let Some((offset, order, object, fields)) = nearest.min_by_key(|(offset, ..)| *offset) else {
        return Touched {
            order: OBJECTS.len(),
            object: ELSEWHERE,
            offset: 0,
            field: String::new(),
        };
    };
    let field = match fields.iter().rfind(|field| field.offset <= offset) {
        Some(field) if field.offset == offset => field.name.clone(),
        Some(field) => format!("{} + {}", field.name, offset - field.offset),
        None => String::new(),
    };
    Touched {
        order,
        object,
        offset,
        field,
    }
}

/// Parses "RAX=0000000000000001 RBX=... ".
fn dump(line: &str, registers: &mut Registers) {
    for (place, _) in line.match_indices('=') {
        let name = place
            .checked_sub(3)
            .and_then(|start| line.get(start..place));
        let number = name.and_then(|name| REGISTERS.iter().position(|known| *known == name));
        let value = line.get(place + 1..place + 17);
        let value = value.and_then(|value| u64::from_str_radix(value, 16).ok());
        if let (Some(number), Some(value)) = (number, value) {
            registers[number] = value;
        }
    }
}
