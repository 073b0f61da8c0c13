// SPDX-License-Identifier: MIT OR Apache-2.0
//! Size of modules by `size`, and lines of code of the repository by room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::parts::Parts;
use super::{Result, because};
use crate::figure::{Figure, Measure};

/// The section that the budget is for, as figures name it.
pub(crate) const SECTION: &str = ".text";

/// What ours is compared with: the modules of the same kernel.
const OTHERS: [(&str, &str); 4] = [
    ("loop", "drivers/block/loop.ko.xz"),
    ("nbd", "drivers/block/nbd.ko.xz"),
    ("ublk_drv", "drivers/block/ublk_drv.ko.xz"),
    ("dm-mod", "drivers/md/dm-mod.ko.xz"),
];

/// Rooms of the repository, and what is code in them.
const ROOMS: [(&str, &[&str]); 8] = [
    ("uapi", &["rs"]),
    ("driver", &["rs"]),
    ("driver/kernel_ext", &["rs"]),
    ("driver/logic", &["rs"]),
    ("driver", &["c", "h"]),
    ("daemon", &["rs"]),
    ("tests", &["rs"]),
    ("bench", &["rs"]),
];

/// Rooms that are counted apart from the one that they are in.
const APART: [&str; 2] = ["driver/kernel_ext", "driver/logic"];

/// Bytes of the section `.text`, of all that `size` calls text, and of all that is loaded: of ours and of the others.
pub(crate) fn sizes(parts: &Parts) -> Result<Vec<Figure>> {
    let mut figures = size("shunt", &parts.module)?.to_vec();
    for (name, path) in OTHERS {
        let packed = parts.kernel.join("modules/kernel").join(path);
        let module = parts.work.join(format!("{name}.ko"));
        let file = fs::File::create(&module).map_err(because(module.display()))?;
        let unpacked = Command::new("xz")
            .args(["--decompress", "--stdout"])
            .arg(&packed)
            .stdout(Stdio::from(file))
            .status()
            .map_err(because("xz"))?;
        if !unpacked.success() {
            return Err(format!("xz cannot unpack {}", packed.display()));
        }
        figures.extend(size(name, &module)?);
        fs::remove_file(&module).map_err(because(module.display()))?;
    }
    Ok(figures)
}

/// What `size` says of a module.
fn size(name: &str, module: &Path) -> Result<[Figure; 3]> {
    let of = |what, bytes| Figure::new(Measure::Size, name, what, vec![bytes]);
    let sections = said(&["-A"], module)?;
    let section = sections
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find_map(|words| match words.as_slice() {
            [".text", bytes, ..] => bytes.parse().ok(),
            _ => None,
        });
    let totals = said(&[], module)?;
    let totals: Vec<f64> = totals
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    match (section, totals.as_slice()) {
        (Some(section), [text, _, _, all, ..]) => {
            Ok([of(SECTION, section), of("text", *text), of("all", *all)])
        }
        _ => Err(format!("size says nothing of {}", module.display())),
    }
}

fn said(options: &[&str], module: &Path) -> Result<String> {
    let output = Command::new("size")
        .args(options)
        .arg(module)
        .output()
        .map_err(because("size"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lines that hold code, by room: neither empty nor only a comment.
pub(crate) fn lines() -> Result<Vec<Figure>> {
    ROOMS
        .iter()
        .map(|(room, endings)| {
            let mut count = 0;
            for file in files(Path::new(room))? {
                let is_code = file
                    .extension()
                    .is_some_and(|ending| endings.iter().any(|known| ending == *known));
                let elsewhere = APART
                    .iter()
                    .any(|apart| apart != room && file.starts_with(apart));
                if is_code && !elsewhere {
                    let text = fs::read_to_string(&file).map_err(because(file.display()))?;
                    count += text.lines().filter(|line| is_code_line(line)).count();
                }
            }
            let what = endings.join(", ");
            Ok(Figure::new(Measure::Lines, room, what, vec![count as f64]))
        })
        .collect()
}

fn is_code_line(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty()
        && !["//", "/*", "* ", "*/"]
            .iter()
            .any(|mark| line.starts_with(mark))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(because(folder.display()))? {
        let path = entry.map_err(because(folder.display()))?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}
