// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds and reads the files of a configuration: the one that is named, what it includes, and the
//! folder beside it. `shunt plan` and `apply` and the daemon call it.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nix::libc::{O_NOCTTY, O_NONBLOCK};

use super::{
    Config, Place, Problem, check,
    read::{Contents, contents},
};

/// Reads a file, the files that it includes, and `*.toml` in the folder of the same name with `.d`
/// after it, in the order of their names.
///
/// # Errors
/// All that is wrong with them.
pub fn load(file: &Path) -> Result<Config, Vec<Problem>> {
    let mut reading = Reading::default();
    let first = reading.read(file, None, None).unwrap_or_default();
    reading.go_on(file, &first)
}

/// As [`load`], but a file that is not there is as an empty one.
///
/// # Errors
/// As [`load`].
pub fn load_if_there(file: &Path) -> Result<Config, Vec<Problem>> {
    match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Reading::default().go_on(file, &Contents::default())
        }
        _ => load(file),
    }
}

#[derive(Default)]
struct Reading {
    config: Config,
    problems: Vec<Problem>,
}

impl Reading {
    /// Reads what belongs to the first file.
    fn go_on(mut self, file: &Path, first: &Contents) -> Result<Config, Vec<Problem>> {
        for (include, place) in &first.includes {
            let folder = file.parent().unwrap_or(Path::new("."));
            self.read(&folder.join(include), Some(place), Some(first));
        }
        for dropped_in in self.folder(file) {
            self.read(&dropped_in, None, Some(first));
        }
        if self.problems.is_empty() {
            self.problems = check::together(&self.config.devices);
        }
        if self.problems.is_empty() {
            Ok(self.config)
        } else {
            Err(self.problems)
        }
    }

    /// Reads one file and takes its devices. `named_at` is where another file names it, `first` what
    /// the first file has.
    fn read(
        &mut self,
        file: &Path,
        named_at: Option<&Place>,
        first: Option<&Contents>,
    ) -> Option<Contents> {
        // The first one was named by whoever waits for it, and may well be a pipe.
        let text = match first {
            None => fs::read_to_string(file),
            Some(_) => read_regular(file),
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
                    _ => error.to_string(),
                };
                let path = file.display();
                let place = named_at.cloned();
                let text = match place {
                    Some(_) => format!(
                        "cannot include {path}: {why}; correct the path, or make it readable"
                    ),
                    None => format!("cannot read it: {why}; correct the path, or make it readable"),
                };
                let place = place.unwrap_or_else(|| Place::file(path.to_string()));
                self.problems.push(Problem { place, text });
                return None;
            }
        };
        match contents(
            &file.to_string_lossy(),
            &text,
            first.map(|first| first.defaults),
        ) {
            Ok(mut contents) => {
                self.config.files.push(file.to_owned());
                self.config.devices.append(&mut contents.devices);
                Some(contents)
            }
            Err(mut problems) => {
                self.problems.append(&mut problems);
                None
            }
        }
    }

    /// The files in the folder beside a file, by name.
    fn folder(&mut self, file: &Path) -> Vec<PathBuf> {
        let mut folder = file.as_os_str().to_owned();
        folder.push(".d");
        let folder = PathBuf::from(folder);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                let place = Place::file(folder.display().to_string());
                let text = format!("cannot read the folder: {error}; make it readable");
                self.problems.push(Problem { place, text });
                return Vec::new();
            }
        };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        // What an editor leaves there while it is at work is hidden, or ends otherwise.
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".toml") && !name.starts_with('.')
        });
        files.sort();
        files
    }
}

/// Reads a file that was found, which whoever reads it never waits for: what is no regular file, as a
/// FIFO that nobody writes to, is refused. It is looked at once it is open, so that it is the one that is read.
fn read_regular(path: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NONBLOCK | O_NOCTTY);
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
