// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layout of structures, as `pahole` reads it from the debugging information of the module.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::host::{Result, because};

/// A field of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// Structures by their names.
#[derive(Default)]
pub(super) struct Structures(HashMap<&'static str, Vec<Field>>);

impl Structures {
    /// Reads some structures from an object with debugging information.
    pub(super) fn read(object: &Path, names: &[&'static str]) -> Result<Self> {
        let mut structures = Self::default();
        for name in names {
            let output = Command::new("pahole")
                .args(["-C", name])
                .arg(object)
                .output()
                .map_err(because("pahole"))?;
            let fields: Vec<Field> = String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter_map(field)
                .collect();
            if fields.is_empty() {
                let object = object.display();
                return Err(format!("pahole finds no {name} in {object}"));
            }
            structures.0.insert(name, fields);
        }
        Ok(structures)
    }

    /// The fields of a structure, in the order of their places.
    pub(super) fn fields(&self, name: &str) -> &[Field] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Where a field of a field is: the structures on the way, each with the name of a field.
    pub(super) fn offset(&self, way: &[(&str, &str)]) -> Result<u64> {
        let offset = |(structure, name): &(&str, &str)| {
            let fields = self.fields(structure).iter();
            let found = fields.clone().find(|field| field.name == *name);
            found
                .map(|field| field.offset)
                .ok_or_else(|| format!("{structure} has no field {name}"))
        };
        way.iter().map(offset).sum()
    }
}

/// Parses "u64 sector __attribute__((__aligned__(8))); /*    32     8 */", a tab in front of it.
fn field(line: &str) -> Option<Field> {
    let (code, comment) = line.strip_suffix("*/")?.split_once(';')?;
    // Of a structure within, only the line that the whole has.
    let depth = line.len() - line.trim_start_matches('\t').len();
    let mut numbers = comment.trim().strip_prefix("/*")?.split_whitespace();
    let code = code.split(" __attribute__").next()?;
    let name = code.split_whitespace().next_back()?;
    let name = name.split('[').next()?.trim_start_matches('*');
    (depth == 1).then_some(Field {
        name: name.to_owned(),
        offset: numbers.next()?.parse().ok()?,
        bytes: numbers.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_its_place() {
        let line = "\tunion MaybeUninit<shunt::io::complete::Measured> data __attribute__((__aligned__(8))); /*    48    16 */";
        let wanted = Field {
            name: "data".to_owned(),
            offset: 48,
            bytes: 16,
        };
        assert_eq!(field(line), Some(wanted));
        let line = "\tstruct AtomicU64           peaks[6] __attribute__((__aligned__(8))); /*     8    48 */";
        assert_eq!(
            field(line).map(|field| field.name),
            Some("peaks".to_owned())
        );
        assert_eq!(
            field("\t/* --- cacheline 1 boundary (64 bytes) --- */"),
            None
        );
        assert_eq!(field("\tbool is_whole(struct Target *);"), None);
    }
}
