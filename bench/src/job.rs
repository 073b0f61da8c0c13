// SPDX-License-Identifier: MIT OR Apache-2.0
//! The workloads: what fio does to a device. The host says which, the guest runs them (`guest/fio.rs`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) access: Access,
    /// Bytes of one operation; of a flush, those of the write before it.
    pub(crate) bytes: u32,
    pub(crate) engine: Engine,
}

/// What an operation does, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Access {
    RandomRead,
    Read,
    RandomWrite,
    Write,
    /// The flush after each write; the write is not counted.
    Flush,
    RandomDiscard,
}

/// How operations are submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Engine {
    /// pread and pwrite, one after the other.
    Psync,
    /// io_uring with so many at once; if polled, without interrupts.
    IoUring { depth: u32, polled: bool },
}

impl Job {
    /// The one that the budget is written for.
    pub(crate) const BUDGET: Self = Self {
        access: Access::RandomRead,
        bytes: 4096,
        engine: Engine::Psync,
    };

    /// Whether the drive has to keep what it is given, which flushes and discards need.
    pub(crate) fn needs_memory(self) -> bool {
        matches!(self.access, Access::Flush | Access::RandomDiscard)
    }

    /// Whether the drive needs a queue that is polled.
    pub(crate) fn is_polled(self) -> bool {
        matches!(self.engine, Engine::IoUring { polled: true, .. })
    }

    /// Operations at once.
    pub(crate) fn depth(self) -> u32 {
        match self.engine {
            Engine::Psync => 1,
            Engine::IoUring { depth, .. } => depth,
        }
    }
}

impl Access {
    /// Its name, which for reads and writes is fio's own.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::RandomRead => "randread",
            Self::Read => "read",
            Self::RandomWrite => "randwrite",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::RandomDiscard => "discard",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match self.bytes {
            bytes if bytes % 1024 == 0 => format!("{}k", bytes / 1024),
            bytes => bytes.to_string(),
        };
        let engine = match self.engine {
            Engine::Psync => "psync".to_owned(),
            Engine::IoUring { depth, polled } => {
                format!("io_uring {depth}{}", if polled { " polled" } else { "" })
            }
        };
        out.pad(&format!("{} {bytes} {engine}", self.access.word()))
    }
}
