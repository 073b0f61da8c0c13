// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stats --heatmap`: records samples for a while and draws latency over time.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use shunt::{Client, Figures, Op, Transport, poll::readable};

use super::Followed;
use crate::{
    cli::StatsArgs,
    explain::Failure,
    heat::{Column, svg},
    output::{Output, figures::Last},
};

pub(super) fn record<T: Transport>(
    client: Client<T>,
    args: &StatsArgs,
    path: &Path,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    // Before anything is recorded: a run is not to be lost for a wrong path.
    let drawing = Drawing::begin(path)?;
    let mut followed = Followed::start(client, args)?;
    let mut columns: [Vec<Column>; Op::ALL.len()] = Default::default();
    let mut last = Last::default();
    let end = Instant::now() + args.run;
    loop {
        while let Some(figures) = followed.next()? {
            let intervals = match figures {
                Figures::All(devices) => last.take_all(devices),
                Figures::Some(devices) => last.take(devices),
                Figures::Overrun => continue,
            };
            for (id, interval) in intervals {
                let until = last.of(id).map_or(0, |stats| stats.time);
                for (columns, op) in columns.iter_mut().zip(&interval.ops) {
                    Column::add(columns, until, interval.seconds, &op.latency);
                    Column::thin(columns);
                }
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        output.wait(Some(readable(&followed.stream)), Some(left))?;
    }
    let title = match &args.name {
        Some(name) => format!("Latency of {name}"),
        None => "Latency of all devices".to_owned(),
    };
    let panels: Vec<(&str, &[Column])> = Op::ALL
        .iter()
        .zip(&columns)
        .map(|(op, columns)| (op.name(), columns.as_slice()))
        .collect();
    drawing.finish(&svg::draw(&title, &panels))?;
    output.bytes(format!("{}\n", path.display()).as_bytes())
}

/// A file that appears under its name only when it is whole, and leaves nothing behind when the program is
/// ended before.
struct Drawing {
    path: PathBuf,
    part: PathBuf,
}

impl Drawing {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        if path.is_dir() {
            return Err(failed(path, &io::ErrorKind::IsADirectory.into()));
        }
        let tried = File::create_new(&part).and_then(|_| fs::remove_file(&part));
        tried.map_err(|why| failed(path, &why))?;
        Ok(Self {
            path: path.to_owned(),
            part,
        })
    }

    fn finish(self, text: &str) -> Result<(), Failure> {
        let file = File::create_new(&self.part);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        let named = written.and_then(|()| fs::rename(&self.part, &self.path));
        named.map_err(|why| failed(&self.path, &why))
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        // Once it has its name it is not there any more.
        let _ = fs::remove_file(&self.part);
    }
}

fn failed(path: &Path, why: &io::Error) -> Failure {
    Failure::Explained(format!(
        "cannot write {}: {why}; give a file in a folder that is there and writable",
        path.display()
    ))
}
