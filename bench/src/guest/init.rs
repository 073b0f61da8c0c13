// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves the host: takes requests, tells what it measured. The `init` of the payload (`host/payload.rs`) starts it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::poised::Poised;
use super::{Result, because, control, cost, drive, fio, scale, symbols, throughput};
use crate::figure::Missing;
use crate::record::{Record, Request, line};

const CONTROL: &str = "/dev/ttyS1";
pub(super) const MODULE: &str = "/payload/shunt.ko";

/// Serves the host until it says stop.
pub(crate) fn serve() -> Result<()> {
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(CONTROL)
        .map_err(because(CONTROL))?;
    make_raw(&control).map_err(because(CONTROL))?;
    let mut requests = BufReader::new(&control).lines();
    let mut tell = |record: Record| {
        (&control)
            .write_all(line(&record).as_bytes())
            .map_err(because(CONTROL))
    };
    match prepare() {
        Ok(fio) => tell(Record::Ready { fio })?,
        Err(why) => return tell(Record::Failed(why)),
    }
    let mut poised = None;
    while let Some(Ok(text)) = requests.next() {
        let request = serde_json::from_str(&text).map_err(because(format!("request {text:?}")))?;
        if matches!(request, Request::Stop) {
            break;
        }
        // What fails is told, and the rest measured all the same.
        if let Err(why) = answer(request, &mut poised, &mut tell) {
            let name = text.split('"').nth(1).unwrap_or_default();
            tell(Record::Missing(Missing::new("guest", name, why)))?;
        }
        tell(Record::Done)?;
    }
    Ok(())
}

fn answer(
    request: Request,
    poised: &mut Option<Poised>,
    tell: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<()> {
    match request {
        Request::Cost {
            subjects,
            jobs,
            effort,
        } => subjects
            .into_iter()
            .try_for_each(|subject| cost::measure(subject, &jobs, effort, tell)),
        Request::Throughput { subjects, rounds } => throughput::measure(subjects, rounds, tell),
        Request::Control { rounds } => control::measure(rounds, tell),
        Request::Scale { steps, rounds } => scale::measure(&steps, rounds, tell),
        Request::Memory { subjects, devices } => scale::memory(&subjects, devices, tell),
        Request::Poise(subject) => match Poised::make(subject) {
            Ok(made) => {
                *poised = Some(made);
                Ok(())
            }
            Err(why) => tell(Record::Missing(Missing::new(subject, "", why))),
        },
        Request::Read(ios) => poised.as_mut().ok_or("nothing to read from")?.read(ios),
        Request::Relax => {
            *poised = None;
            Ok(())
        }
        Request::Symbols(addresses) => tell(Record::Symbols(symbols::holding(addresses)?)),
        Request::Stop => Ok(()),
    }
}

fn make_raw(port: &File) -> nix::Result<()> {
    let mut settings = tcgetattr(port)?;
    cfmakeraw(&mut settings);
    tcsetattr(port, SetArg::TCSANOW, &settings)
}

/// Loads the module and makes the null drives; gives the version of fio.
fn prepare() -> Result<String> {
    let module = File::open(MODULE).map_err(because(MODULE))?;
    finit_module(module, c"", ModuleInitFlags::empty()).map_err(because(MODULE))?;
    drive::make_all()?;
    fio::version()
}
