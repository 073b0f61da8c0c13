// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver does by itself, on a thread of its own: it zeroes what is freed.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use crate::pool::{Pool, wipe};

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
pub(crate) fn start(pool: Arc<Pool>) -> std::io::Result<Bell> {
    let (bell, rung) = mpsc::sync_channel(1);
    let run = move || run(&pool, &rung);
    thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(run)?;
    Ok(Bell(bell))
}

fn run(pool: &Pool, rung: &Receiver<()>) {
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
        let _ = rung.recv_timeout(LOOK);
    }
}
