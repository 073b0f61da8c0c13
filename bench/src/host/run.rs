// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that one run measured, as it is kept in `bench/runs`: `raw.csv` has each round of each figure, `about.json` the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::machine::Clock;
use super::parts::Parts;
use super::{Result, because, csv};
use crate::estimate::Estimate;
use crate::figure::{Figure, Measure, Missing};
use crate::record::Record;

/// Where runs are kept.
const KEPT: &str = "bench/runs";

/// What was measured, and with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) date: String,
    pub(crate) kernel: String,
    /// The commit, and whether the tree differed from it.
    pub(crate) commit: String,
    pub(crate) qemu: String,
    pub(crate) fio: String,
    /// What QEMU was told where instructions are counted, and where time is measured.
    pub(crate) counted: String,
    pub(crate) timed: String,
    pub(crate) missing: Vec<Missing>,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) about: About,
    pub(crate) figures: Vec<Figure>,
}

impl Run {
    /// One without figures, now.
    pub(crate) fn begin(parts: &Parts) -> Result<Self> {
        let changed = !said("git", &["status", "--porcelain", "--", "driver", "uapi"])?.is_empty();
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"])?;
        Ok(Self {
            about: About {
                date: said("date", &["-u", "+%Y-%m-%d"])?,
                kernel: parts.release.clone(),
                commit: format!("{commit}{}", if changed { " with changes" } else { "" }),
                qemu: said("qemu-system-x86_64", &["--version"])?,
                fio: String::new(),
                counted: Clock::Instructions.flags(),
                timed: Clock::Wall.flags(),
                missing: Vec::new(),
            },
            figures: Vec::new(),
        })
    }

    /// Takes up what a guest told.
    pub(crate) fn take(&mut self, record: Record) {
        match record {
            Record::Figure(figure) => self.figures.push(figure),
            Record::Missing(missing) => self.about.missing.push(missing),
            _ => {}
        }
    }

    /// The figures of one measure, in the order that they were measured.
    pub(crate) fn of(&self, measure: Measure) -> impl Iterator<Item = &Figure> {
        self.figures
            .iter()
            .filter(move |figure| figure.measure == measure)
    }

    /// The estimate of a figure that was measured.
    pub(crate) fn estimate(
        &self,
        measure: Measure,
        subject: &str,
        what: &str,
        at: u32,
    ) -> Option<Estimate> {
        self.of(measure)
            .find(|figure| figure.subject == subject && figure.what == what && figure.at == at)
            .map(Figure::estimate)
    }

    /// The folder that it is kept in.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(KEPT).join(format!("{}-{}", self.about.date, self.about.kernel))
    }

    /// Writes it into its folder, which has nothing else afterwards.
    pub(crate) fn save(&self) -> Result<()> {
        let folder = self.folder();
        // A folder that is not there is what this is for.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(because(folder.display()))?;
        let about = serde_json::to_string_pretty(&self.about).map_err(because("about.json"))?;
        write(&folder.join("about.json"), &format!("{about}\n"))?;
        write(&folder.join("raw.csv"), &csv::write(&self.figures))
    }

    /// Reads one that was saved.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(because(path.display()))
        };
        Ok(Self {
            about: serde_json::from_str(&read("about.json")?).map_err(because("about.json"))?,
            figures: csv::read(&read("raw.csv")?)?,
        })
    }

    /// The newest one that is kept for a kernel release.
    pub(crate) fn newest(release: &str) -> Result<Option<Self>> {
        let entries = fs::read_dir(KEPT).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with(&format!("-{release}")))
            .max()
            .map(|path| Self::load(&path))
            .transpose()
    }
}

/// Writes a file of a run.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(because(path.display()))
}

/// The first line that a program of the host says.
fn said(program: &str, words: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(because(program))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()),
        false => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
