// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all RPCs of the driver share. It holds no state that a table of a drive, the kernel or `/run` does not have.

use std::{path::Path, sync::Arc};

use crate::{
    keeper::{self, Bell},
    pool::Pool,
};

/// Name of the driver in a cluster, and before the slash in that of its topology.
pub(crate) const NAME: &str = "shunt.csi.local";

/// The driver of a node.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) pool: Arc<Pool>,
    pub(crate) bell: Bell,
}

impl Driver {
    /// Begins to do what it does by itself.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn start(state: &Path) -> std::io::Result<Self> {
        let pool = Arc::new(Pool::new(state));
        let bell = keeper::start(Arc::clone(&pool))?;
        Ok(Self { pool, bell })
    }
}
