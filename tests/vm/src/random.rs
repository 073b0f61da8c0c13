// SPDX-License-Identifier: MIT OR Apache-2.0
//! The random test: which commands come, and what each may answer. Pure: `guest/random.rs` carries them out, and `main` tries
//! the arithmetic on the host.

pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod place;
pub(crate) mod sequence;
pub(crate) mod worlds;

/// Devices that stand on each other in a stack.
pub(crate) const LEVELS: usize = 3;

/// Stacks; what is between the two lower devices of the second is dm-linear.
pub(crate) const STACKS: usize = 2;

/// Processes that give commands to both stacks, beside one for each stack that has its drives fail.
pub(crate) const WORKERS: usize = 4;
