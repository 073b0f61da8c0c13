// SPDX-License-Identifier: GPL-2.0-only

//! Tables: the targets of a device in their order.

use crate::{
    error::{Refused, TargetError},
    kernel_ext::{
        block::{
            bdev::{BlockDevice, DeviceId},
            bio_set::BioSet,
            disk_ref::DiskRef,
            inline_encryption::Engines,
            limits::QueueLimits,
            stacked_on::Drives,
            zones::ZoneReport,
        },
        patience::cancelled,
    },
    logic::{
        extent::SECTOR,
        table::{Layout, Part, Place, Shape, Zones, end_of, may_grow},
    },
    target::{Target, TargetSpec},
    uapi::State,
};
use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::{prelude::*, sync::Arc};

/// Instead of the number of a target whose drive is asked: nobody waits for its answer any more.
pub(crate) const NOBODY: usize = usize::MAX;

/// A table as it was asked for.
pub(crate) struct TableSpec {
    /// The targets; at least one.
    pub(crate) targets: KVec<TargetSpec>,
    /// Length of a chunk in bytes, if the targets take turns.
    pub(crate) stripe: Option<u64>,
}

/// A table whose targets are open. It does not change.
pub(crate) struct Table {
    targets: KVec<Arc<Target>>,
    layout: Layout,
    /// End of each target in the device, in sectors.
    ends: KVec<u64>,
    /// The first target on each drive: a flush goes to a drive once.
    drives: KVec<usize>,
    zones: Zones,
    /// Logical block size of the device in bytes: no table of it makes that smaller.
    block: u32,
    /// Bios for what goes to several targets; none with one target that has no zones.
    bios: Option<BioSet>,
}

impl Table {
    /// Opens the targets, and checks that they make a device. Sleeps, for ever if a drive does not let itself be opened;
    /// `asked` is the number of the target whose drive it is, meanwhile.
    ///
    /// A table that is to replace `old` has the targets of it that are asked for again as long as they were, but for those
    /// that may grow.
    pub(crate) fn open(
        spec: TableSpec,
        read_only: bool,
        old: Option<&Self>,
        asked: &AtomicUsize,
    ) -> Result<Self, Refused> {
        let (striped, count) = (spec.stripe.is_some(), spec.targets.len());
        let mut targets = KVec::with_capacity(spec.targets.len(), GFP_KERNEL)?;
        for (number, spec) in spec.targets.into_iter().enumerate() {
            asked.store(number, Ordering::Relaxed);
            let mut target = Target::open(spec, read_only).map_err(|e| e.at(number))?;
            let kept = old.and_then(|old| old.targets.get(number)).filter(|kept| {
                !may_grow(striped, number, count)
                    && target.piece().open_ended
                    && kept.begins_with(&target)
            });
            if let Some(kept) = kept {
                target.piece_mut().extent.shorten(kept.extent().sectors());
            }
            targets.push(target, GFP_KERNEL)?;
        }
        let block = old.map_or(0, |old| old.block);
        Self::of(targets, spec.stripe, block)
    }

    /// Sees that every drive answers, and that none stands on `disk`, which is to get the table: what it forwards would come
    /// back, again and again. Sleeps, for ever if a drive does not answer; `asked` is the number of its first target, meanwhile.
    pub(crate) fn ask(&self, disk: Option<&DiskRef>, asked: &AtomicUsize) -> Result<(), Refused> {
        for &number in &self.drives {
            asked.store(number, Ordering::Relaxed);
            if let Some(target) = self.targets.get(number) {
                if let Some(disk) = disk {
                    check_back_to(disk, number, target)?;
                }
                target.device().ask(target.extent().first())?;
            }
            if asked.load(Ordering::Relaxed) == NOBODY {
                return Err(cancelled().into());
            }
        }
        Ok(())
    }

    /// Sees that no drive stands on `disk`, which is shown as standing on all of them. Sleeps, and waits for whoever is opening
    /// or closing one of the disks that they are made of.
    pub(crate) fn check_back(&self, disk: &DiskRef) -> Result<(), Refused> {
        for &number in &self.drives {
            if let Some(target) = self.targets.get(number) {
                check_back_to(disk, number, target)?;
            }
        }
        Ok(())
    }

    /// The same table, with what the drives have grown by: at the end of the last target, or of each stripe.
    pub(crate) fn grown(&self) -> Result<Self, Refused> {
        let (striped, count) = (self.stripe().is_some(), self.targets.len());
        self.remade(|number, target| match may_grow(striped, number, count) {
            true => target.grown(),
            false => Ok(target.again()),
        })
    }

    /// The same table, with the drives open for writing, too. Sleeps, for ever if a drive does not let itself be opened.
    pub(crate) fn writable(&self, asked: &AtomicUsize) -> Result<Self, Refused> {
        self.remade(|number, target| {
            asked.store(number, Ordering::Relaxed);
            target.writable()
        })
    }

    fn remade(
        &self,
        remake: impl Fn(usize, &Target) -> Result<Target, TargetError>,
    ) -> Result<Self, Refused> {
        let mut targets = KVec::with_capacity(self.targets.len(), GFP_KERNEL)?;
        for (number, target) in self.targets.iter().enumerate() {
            let target = remake(number, target).map_err(|e| e.at(number))?;
            targets.push(target, GFP_KERNEL)?;
        }
        Self::of(targets, self.stripe(), self.block)
    }

    /// A table of these targets, for a device with blocks of `kept` bytes, if it is there already.
    fn of(mut targets: KVec<Target>, stripe: Option<u64>, kept: u32) -> Result<Self, Refused> {
        let Shape {
            layout,
            zones,
            block,
        } = Shape::of(&mut targets, stripe, kept)?;
        let mut table = Self {
            targets: KVec::with_capacity(targets.len(), GFP_KERNEL)?,
            layout,
            ends: KVec::with_capacity(targets.len(), GFP_KERNEL)?,
            drives: KVec::new(),
            zones,
            block,
            bios: None,
        };
        if targets.len() > 1 || zones.size != 0 {
            table.bios = Some(BioSet::new()?);
        }
        let mut end = 0u64;
        for (number, target) in targets.into_iter().enumerate() {
            end = end_of(end, target.extent().sectors()).ok_or(Refused::TooLong)?;
            let id = target.device().id();
            if !table.drives().any(|drive| drive.device().id() == id) {
                table.drives.push(number, GFP_KERNEL)?;
            }
            table.ends.push(end, GFP_KERNEL)?;
            table
                .targets
                .push(Arc::new(target, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(table)
    }

    /// Every drive must take writes.
    pub(crate) fn check_writable(&self) -> Result<(), Refused> {
        let mut targets = self.targets.iter();
        match targets.position(|target| target.device().is_read_only()) {
            Some(number) => Err(TargetError::from(EACCES).at(number)),
            None => Ok(()),
        }
    }

    /// The targets, in the order of their sectors.
    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The first target on each drive.
    pub(crate) fn drives(&self) -> impl Iterator<Item = &Target> {
        let first = self.drives.iter();
        first.filter_map(|&number| Some(&**self.targets.get(number)?))
    }

    fn each_drive(&self) -> impl Iterator<Item = &BlockDevice> {
        self.drives().map(|target| &**target.device())
    }

    /// Bios for what goes to several targets.
    pub(crate) fn bios(&self) -> Option<&BioSet> {
        self.bios.as_ref()
    }

    /// Its length in sectors.
    pub(crate) fn sectors(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Size of a zone in sectors; 0 without zones.
    pub(crate) fn zone(&self) -> u64 {
        self.zones.size
    }

    /// Whether each zone is as another table has it: written in order, or in any order.
    pub(crate) fn has_zones_of(&self, other: &Self) -> bool {
        if self.zones != other.zones {
            return false;
        }
        let end = match self.zone() {
            0 => 0,
            _ => self.sectors().min(other.sectors()),
        };
        let mut sector = 0;
        while sector < end {
            if self.is_sequential(sector) != other.is_sequential(sector) {
                return false;
            }
            sector = sector.wrapping_add(self.zone());
        }
        true
    }

    #[inline(never)]
    fn is_sequential(&self, sector: u64) -> bool {
        self.find(sector).is_some_and(|(target, place)| {
            target
                .device()
                .is_sequential(target.extent().map(place.sector))
        })
    }

    /// Length of a chunk in bytes, if the targets take turns.
    pub(crate) fn stripe(&self) -> Option<u64> {
        match self.layout {
            Layout::Joined => None,
            Layout::Striped { chunk, .. } => Some(chunk.get() * SECTOR),
        }
    }

    /// The target that has `sector` of the device, and where; none past the end.
    pub(crate) fn find(&self, sector: u64) -> Option<(&Target, Place)> {
        let place = self.layout.find(&self.ends, sector);
        Some((self.targets.get(place.target)?, place))
    }

    /// What each target has of `sectors` sectors of the device from `first` on: where that begins
    /// on its drive, and its length.
    pub(crate) fn shares(
        &self,
        first: u64,
        sectors: u64,
    ) -> impl Iterator<Item = (&Target, u64, u64)> {
        let shares = self
            .targets
            .iter()
            .enumerate()
            .map(move |(number, target)| {
                let (begin, length) = self.layout.share(&self.ends, number, first, sectors);
                (&**target, target.extent().map(begin), length)
            });
        shares.filter(|(_, _, length)| *length != 0)
    }

    /// Where target `number` begins in the device, in bytes; for stripes, its first chunk.
    pub(crate) fn start_bytes(&self, number: usize) -> u64 {
        match self.layout {
            Layout::Joined => {
                let before = number
                    .checked_sub(1)
                    .and_then(|before| self.ends.get(before));
                before.map_or(0, |end| end * SECTOR)
            }
            Layout::Striped { chunk, .. } => number as u64 * chunk.get() * SECTOR,
        }
    }

    /// What a device with this table can take.
    pub(crate) fn limits(&self) -> QueueLimits {
        let mut limits = QueueLimits::stacking();
        for target in &self.targets {
            limits.stack(target.device(), target.extent().first(), c"shunt");
        }
        if let Layout::Striped { chunk, .. } = self.layout {
            limits.stripe(chunk.get(), self.targets.len());
        }
        limits.cut_atomic_writes(self.border());
        limits
    }

    /// What the engines of the drives can encrypt on a device with this table.
    pub(crate) fn engines(&self) -> Option<Engines> {
        Engines::of(self.each_drive(), self.border())
    }

    /// The largest power of two, in bytes, that divides every place where a target of the device ends and another begins;
    /// 0 with one target.
    fn border(&self) -> u64 {
        let inner = self.ends.split_last().map_or(&[][..], |(_, inner)| inner);
        let sectors = match self.layout {
            Layout::Joined => inner.iter().fold(0, |all, end| all | end),
            Layout::Striped { chunk, .. } => chunk.get(),
        };
        let bytes = sectors * SECTOR;
        // The lowest bit that is set.
        bytes & bytes.wrapping_neg()
    }

    /// Notes that the backing device `id` is gone. Whether a target is on it that was live.
    pub(crate) fn lose(&self, id: DeviceId) -> bool {
        // Every target on it is told.
        self.targets.iter().filter(|target| target.lose(id)).count() != 0
    }

    /// Live, or lost if any target is.
    pub(crate) fn state(&self) -> State {
        let lost = |target: &Arc<Target>| target.state() == State::Lost;
        if self.targets.iter().any(lost) {
            State::Lost
        } else {
            State::Live
        }
    }
}

/// Refuses target `number` if its drive stands on `disk`.
fn check_back_to(disk: &DiskRef, number: usize, target: &Target) -> Result<(), Refused> {
    match disk.is_below(target.device())? {
        true => Err(TargetError::LeadsBack.at(number)),
        false => Ok(()),
    }
}

impl Drives for Arc<Table> {
    fn first(&self, whole: bool) -> Option<&BlockDevice> {
        let first = self.targets.first()?;
        let fits = !whole || self.targets.len() == 1 && first.is_whole();
        fits.then(|| &**first.device())
    }

    fn each(&self) -> impl Iterator<Item = &BlockDevice> {
        self.each_drive()
    }

    fn report_zones(&self, report: &mut ZoneReport<'_>) -> Result {
        while let Some(sector) = report.next().filter(|sector| *sector < self.sectors()) {
            let (target, place) = self.find(sector).ok_or(EIO)?;
            let extent = target.extent();
            report.add(
                target.device(),
                extent.first(),
                sector - place.sector,
                extent.sectors(),
            )?;
        }
        Ok(())
    }
}
