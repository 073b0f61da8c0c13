// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver does by itself, on a thread of its own: it zeroes what is freed, and leads the device of a volume to its
//! drive again that was away.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use shunt::model::State;
use tonic::Status;

use crate::{
    device::Devices,
    pool::{Pool, wipe},
    volume::Busy,
};

/// How often it looks without being told: a drive may have come.
const LOOK: Duration = Duration::from_secs(5);

/// Tells the thread that there is something to do.
#[derive(Clone, Debug)]
pub(crate) struct Bell(SyncSender<()>);

impl Bell {
    /// Rings. It is enough once.
    pub(crate) fn ring(&self) {
        let _ = self.0.try_send(());
    }
}

/// Starts the thread.
///
/// # Errors
/// If there can be none.
pub(crate) fn start(pool: Arc<Pool>, busy: Arc<Busy>) -> std::io::Result<Bell> {
    let (bell, rung) = mpsc::sync_channel(1);
    let run = move || run(&pool, &busy, &rung);
    thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(run)?;
    Ok(Bell(bell))
}

fn run(pool: &Pool, busy: &Busy, rung: &Receiver<()>) {
    let mut told = String::new();
    loop {
        match wipe::all(pool) {
            Ok(()) => told.clear(),
            Err(why) if why != told => {
                log::warn!("what is freed is not zeroed yet: {why}");
                told = why;
            }
            Err(_) => {}
        }
        // Without the module, or while a drive is on its way out, the next time will do.
        if let Err(why) = follow_drives(pool, busy) {
            log::debug!("{}", why.message());
        }
        let _ = rung.recv_timeout(LOOK);
    }
}

/// Makes devices live again whose drives are back, under whatever name. What had a file system on it has seen that shut down;
/// a block device just goes on.
fn follow_drives(pool: &Pool, busy: &Busy) -> Result<(), Status> {
    let mut devices = Devices::connect()?;
    let lost = devices.all()?.into_iter();
    for (volume, _) in lost.filter(|(_, device)| device.state == State::Lost) {
        // No call finds it busy while there is nothing to be done.
        if pool.drives().volume(volume).is_none() {
            continue;
        }
        let Ok(_taken) = busy.take(volume) else {
            continue;
        };
        let drives = pool.drives();
        let (Some(pieces), Some(device)) = (drives.volume(volume), devices.of(volume)?) else {
            continue;
        };
        let _turn = pool.turn().map_err(Status::internal)?;
        devices.follow(device, drives.targets(&pieces))?;
        log::info!("the drive of volume {volume} is back");
    }
    Ok(())
}
