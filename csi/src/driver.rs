// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all RPCs of the driver share. It holds no state that a table of a drive, the kernel or `/run` does not have.

/// Name of the driver in a cluster, and before the slash in that of its topology.
pub(crate) const NAME: &str = "shunt.csi.local";

/// The driver of a node.
#[derive(Debug)]
pub(crate) struct Driver {}
