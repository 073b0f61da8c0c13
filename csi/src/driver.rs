// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all RPCs of the driver share. It holds no state that a table of a drive, the kernel or `/run` does not have.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    claim::Claims,
    device,
    keeper::{self, Bell},
    pool::Pool,
    volume::Busy,
};

/// Name of the driver in a cluster, and before the slash in that of its topology.
pub(crate) const NAME: &str = "shunt.csi.local";

/// What tells the nodes apart in its topology.
pub(crate) const TOPOLOGY: &str = "shunt.csi.local/node";

/// Longest value in a topology.
const LONGEST: usize = 63;

/// The driver of a node.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) node: String,
    pub(crate) pool: Arc<Pool>,
    pub(crate) busy: Arc<Busy>,
    pub(crate) claims: Claims,
    pub(crate) bell: Bell,
    state: PathBuf,
}

impl Driver {
    /// Begins to do what it does by itself, on the node of this name.
    ///
    /// # Errors
    /// If there can be no thread, or no node of this name.
    pub(crate) fn start(node: String, state: &Path) -> io::Result<Self> {
        if node.is_empty() || node.len() > LONGEST {
            let why = format!("the name of a node has 1 to {LONGEST} letters, and not {node:?}");
            return Err(io::Error::other(why));
        }
        let pool = Arc::new(Pool::new(state));
        let busy = Arc::new(Busy::default());
        Ok(Self {
            bell: keeper::start(Arc::clone(&pool), Arc::clone(&busy))?,
            claims: Claims::new(state),
            state: state.to_owned(),
            node,
            pool,
            busy,
        })
    }

    /// A place for a mount of this volume that nobody else is to see.
    pub(crate) fn private(&self, volume: Uuid) -> PathBuf {
        self.state.join(format!("{}.mount", device::name(volume)))
    }
}
