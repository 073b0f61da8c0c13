// SPDX-License-Identifier: GPL-2.0-only

//! One virtual block device: its settings, and the disk that forwards.

use crate::{
    error::Refused,
    io::{bio_path::Forward, complete::Measured},
    kernel_ext::{
        block::{
            bio_disk::{BioDisk, Settings},
            hook::{Contexts, Hooks},
            limits::QueueLimits,
        },
        module_pin::ModulePin,
    },
    logic::extent::SECTOR,
    stats::DeviceStats,
    target::Target,
    uapi::{QueueMode, State, StatsMode},
};
use kernel::{prelude::*, str::CString, sync::Arc};

/// A device as it was asked for.
pub(crate) struct DeviceSpec {
    /// Its name, already checked.
    pub(crate) name: CString,
    /// How it takes I/O.
    pub(crate) queue_mode: QueueMode,
    /// What it measures.
    pub(crate) stats_mode: StatsMode,
    /// Whether it refuses writes.
    pub(crate) read_only: bool,
}

/// A device that is in the system until it is dropped.
pub(crate) struct Device {
    id: u32,
    name: CString,
    generation: u64,
    queue_mode: QueueMode,
    read_only: bool,
    logical_block_size: u32,
    // Dropped in this order: when the disk is gone, the module may go.
    disk: BioDisk<Forward>,
    _pin: ModulePin,
}

impl Device {
    /// Puts device `id`, which forwards to `target`, into the system. Sleeps.
    pub(crate) fn new(
        contexts: Arc<Contexts<Measured>>,
        id: u32,
        generation: u64,
        spec: DeviceSpec,
        target: Target,
    ) -> Result<Self, Refused> {
        let pin = ModulePin::new()?;
        let mut limits = QueueLimits::stacking();
        limits.stack(target.device(), target.extent().first(), c"shunt");
        let node = CString::try_from_fmt(fmt!("shunt{id}"))?;
        let logical_block_size = target.device().logical_block_size();
        let sectors = target.extent().sectors();
        let disk: BioDisk<Forward> = BioDisk::new(
            Settings {
                name: &node,
                limits: &mut limits,
                sectors,
                read_only: spec.read_only,
            },
            Forward {
                target,
                stats_mode: spec.stats_mode,
                hooks: Hooks::new(DeviceStats::new()?, contexts)?,
            },
        )
        .map_err(Refused::Disk)?;
        disk.link(disk.data().target.device())?;
        Ok(Self {
            id,
            name: spec.name,
            generation,
            queue_mode: spec.queue_mode,
            read_only: spec.read_only,
            logical_block_size,
            disk,
            _pin: pin,
        })
    }

    /// Number N of /dev/shuntN.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Its name.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// What tells it from another device that had its id before.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What it does with I/O.
    pub(crate) fn state(&self) -> State {
        State::Live
    }

    /// How it takes I/O.
    pub(crate) fn queue_mode(&self) -> QueueMode {
        self.queue_mode
    }

    /// What it measures.
    pub(crate) fn stats_mode(&self) -> StatsMode {
        self.disk.data().stats_mode
    }

    /// Whether it refuses writes.
    pub(crate) fn read_only(&self) -> bool {
        self.read_only
    }

    /// Smallest unit of I/O, in bytes.
    pub(crate) fn logical_block_size(&self) -> u32 {
        self.logical_block_size
    }

    /// Its size in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.target().extent().sectors().saturating_mul(SECTOR)
    }

    /// What it forwards to.
    pub(crate) fn target(&self) -> &Target {
        &self.disk.data().target
    }

    /// Its statistics.
    pub(crate) fn stats(&self) -> &DeviceStats {
        self.disk.data().hooks.owner()
    }

    /// Operations that have begun and not ended; 0 unless they are measured in full.
    pub(crate) fn in_flight(&self) -> u64 {
        self.disk.data().hooks.in_flight()
    }

    /// Keeps everybody from opening it, before it is dropped. `EBUSY` if somebody has it open.
    pub(crate) fn forbid_open(&self) -> Result {
        self.disk.forbid_open()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.disk.unlink(self.target().device());
    }
}
