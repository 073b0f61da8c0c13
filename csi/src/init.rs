// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-csi init`: gives a drive to a pool.

use std::{fs, path::Path};

use nix::libc::O_EXCL;

use crate::{
    pool::{
        Pool, disk,
        layout::{Entry, GRAIN, Kind, Table},
        table,
    },
    program::Program,
};

/// Longest name of a pool: a table has room for so many letters in the name of a partition.
const LONGEST: usize = 36;

/// What a pool may be called.
///
/// # Errors
/// The rule.
pub(crate) fn pool_name(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST).contains(&text.len());
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match fits && plain {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "the name of a pool has 1 to {LONGEST} letters, digits, '-', '_' or '.'"
        )),
    }
}

/// Gives a drive to a pool. All that was on it is zeroed by the driver before any of it is given out.
///
/// # Errors
/// In words, if there is anything on the drive, or anybody uses it; then nothing was written.
pub(crate) fn init(state: &Path, path: &Path, pool: &str) -> Result<String, String> {
    let shown = path.display();
    let path = fs::canonicalize(path).map_err(|why| format!("{shown}: {why}"))?;
    let name = path
        .strip_prefix("/dev")
        .unwrap_or(&path)
        .to_string_lossy()
        .replace('/', "!");
    if !Path::new("/sys/block").join(&name).exists() {
        return Err(format!(
            "{shown} is not a whole drive; lsblk lists those that there are"
        ));
    }
    let disk =
        disk::of(&name).ok_or_else(|| format!("{shown} is empty, or something stands on it"))?;
    let turn = Pool::new(state).turn()?;
    if let Some(found) = table::read(&path)? {
        return match found.pool() {
            Some(its) if its == pool => Ok(format!("{shown} is in the pool {pool} already")),
            Some(its) => Err(format!("{shown} is in the pool {its}")),
            None => Err(format!(
                "{shown} has partitions; if nobody needs them, wipefs --all removes them"
            )),
        };
    }
    refuse_signatures(&path)?;
    free_of_users(&path)?;
    write(&disk, pool, &turn)?;
    Ok(format!(
        "{shown} is in the pool {pool}; the driver zeroes it before it gives it out"
    ))
}

fn refuse_signatures(path: &Path) -> Result<(), String> {
    let found = Program::new("blkid")
        .args(["--probe", "--output", "export"])
        .arg(path)
        .end()?;
    match found.code {
        Some(2) => Ok(()),
        Some(0 | 8) => {
            let words: Vec<&str> = found
                .stdout
                .lines()
                .filter(|line| line.contains("TYPE="))
                .collect();
            let (path, what) = (path.display(), words.join(", "));
            Err(format!(
                "{path} has something on it ({what}); if nobody needs it, wipefs --all removes it"
            ))
        }
        _ => Err(found.why()),
    }
}

/// Who has the drive for himself keeps it.
fn free_of_users(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_EXCL)
        .open(path);
    opened
        .map(drop)
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// Writes the mark, and behind it one piece that is freed: all the rest.
fn write(disk: &disk::Disk, pool: &str, lock: &fs::File) -> Result<(), String> {
    let end = disk.size.saturating_sub(GRAIN) / GRAIN * GRAIN;
    let rest = end.checked_sub(2 * GRAIN).filter(|rest| *rest > 0);
    let rest = rest.ok_or_else(|| format!("{} is too small", disk.path.display()))?;
    let table = Table {
        id: String::new(),
        sector: disk.sector,
        first: GRAIN,
        end,
        entries: vec![
            Entry::new(Kind::Mark(pool.to_owned()), GRAIN, GRAIN),
            Entry::new(Kind::Freed, 2 * GRAIN, rest),
        ],
    };
    table::write(&disk.path, &table, lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_a_name_that_a_table_takes_as_it_is() {
        for name in [
            "default",
            "fast-1",
            "a",
            "0123456789abcdef0123456789abcdef.012",
        ] {
            assert_eq!(pool_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            "a b",
            "a\"",
            "ä",
            "0123456789abcdef0123456789abcdef.0123",
        ] {
            assert!(pool_name(name).is_err(), "{name}");
        }
    }
}
