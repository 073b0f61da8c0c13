// SPDX-License-Identifier: GPL-2.0-only

//! What drives are asked and have not answered.
//!
//! A question that nobody waits for any more keeps a task until its drive answers, and whoever asked may ask again: a
//! drive has to leave tasks for the commands that have to do with others.

use crate::{
    error::{Refused, TargetError},
    kernel_ext::{block::bdev::DeviceId, patience::Patience},
    table::Table,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// Most questions to one drive that are not answered.
const UNANSWERED_MAX: usize = 8;

/// The drives of all questions, each as often as it is asked.
#[pin_data]
pub(super) struct Questions {
    #[pin]
    drives: Mutex<KVec<DeviceId>>,
}

impl Questions {
    /// None.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            drives <- new_mutex!(KVec::new()),
        })
    }

    /// Begins to ask the drives of a table, once each of them has answered most of its questions. Sleeps.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT` for one that does not; `ENOMEM`.
    pub(super) fn ask(
        self: Arc<Self>,
        table: &Arc<Table>,
        patience: &Patience,
    ) -> Result<Question, Refused> {
        let mut begun = Ok(());
        let _ = patience.wait(|| {
            begun = self.begin(table);
            !matches!(begun, Err(Refused::Target(_, TargetError::NoAnswer)))
        });
        begun?;
        Ok(Question {
            questions: self,
            table: table.clone(),
        })
    }

    fn begin(&self, table: &Table) -> Result<(), Refused> {
        let mut drives = self.drives.lock();
        for (number, target) in table.targets().iter().enumerate() {
            let id = target.device().id();
            if drives.iter().filter(|drive| **drive == id).count() >= UNANSWERED_MAX {
                return Err(TargetError::NoAnswer.at(number));
            }
        }
        drives.reserve(table.drives().count(), GFP_KERNEL)?;
        for drive in table.drives() {
            // There is room for it.
            let _ = drives.push_within_capacity(drive.device().id());
        }
        Ok(())
    }
}

/// A question to the drives of a table, until it is dropped.
pub(super) struct Question {
    questions: Arc<Questions>,
    table: Arc<Table>,
}

impl Question {
    /// The table.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut drives = self.questions.drives.lock();
        for drive in self.table.drives() {
            let id = drive.device().id();
            if let Some(place) = drives.iter().position(|drive| *drive == id) {
                let _ = drives.remove(place);
            }
        }
    }
}
