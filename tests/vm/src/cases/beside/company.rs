// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stacks block devices beside us, as the rows of the matrix see it. Called by `row`.

use crate::guest::crypt::Crypt;
use crate::guest::loop_device::Loop;
use crate::guest::lvm::Lvm;
use crate::guest::md::Md;
use crate::guest::partition::Partition;
use crate::guest::shunt::Device;
use crate::guest::thin::Thin;
use crate::guest::wide_fs::WideFs;

const MIB: u64 = 1 << 20;

/// A kind of it.
#[derive(Clone, Copy)]
pub(super) enum Company {
    Partition,
    Lvm,
    /// An array of this level.
    Md(u32),
    Crypt,
    Thin,
    Loop,
    /// A device of ours, with this queue.
    Shunt(&'static str),
    Btrfs,
    Xfs,
}

/// One that stands on its drives; gone on drop.
pub(super) enum Layer {
    Partition(Partition),
    Lvm(Lvm),
    Md(Md),
    Crypt(Crypt),
    Thin(Thin),
    Loop(Loop),
    Shunt(Device),
    Fs(WideFs),
}

impl Company {
    /// How many drives it takes.
    pub(super) fn drives(self) -> usize {
        match self {
            Self::Md(5) => 3,
            Self::Md(_) | Self::Thin | Self::Btrfs | Self::Xfs => 2,
            _ => 1,
        }
    }

    /// Size of each in MiB: what it needs for itself, and room for 8 MiB of data.
    pub(super) fn mib(self) -> u32 {
        match self {
            Self::Btrfs => 144,
            Self::Xfs => 320,
            _ => 16,
        }
    }

    /// Whether it goes on when one of its drives is lost.
    pub(super) fn survives_a_loss(self) -> bool {
        matches!(self, Self::Md(_) | Self::Btrfs)
    }

    /// Sets it up on these drives, which hold zeroes.
    #[track_caller]
    pub(super) fn stand_on(self, drives: &[String]) -> Layer {
        match self {
            Self::Partition => Layer::Partition(Partition::create(&drives[0], MIB, 12 * MIB)),
            Self::Lvm => Layer::Lvm(Lvm::on(&drives[0])),
            Self::Md(level) => {
                let drives: Vec<&str> = drives.iter().map(String::as_str).collect();
                let options = "--metadata=1.2 --bitmap=internal";
                Layer::Md(Md::create(&level.to_string(), &drives, options))
            }
            Self::Crypt => Layer::Crypt(Crypt::on(&drives[0])),
            Self::Thin => Layer::Thin(Thin::on(&drives[0], &drives[1])),
            Self::Loop => Layer::Loop(Loop::bind(&drives[0], "--direct-io=on")),
            Self::Shunt(queue) => {
                Layer::Shunt(Device::map_with("under", &drives[0], &["--queue", queue]))
            }
            Self::Btrfs => Layer::Fs(WideFs::btrfs(drives)),
            Self::Xfs => Layer::Fs(WideFs::xfs(drives)),
        }
    }
}

impl Layer {
    /// What it gives: a device node, or a file.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Partition(layer) => layer.path(),
            Self::Lvm(layer) => layer.path(),
            Self::Md(layer) => layer.path().to_owned(),
            Self::Crypt(layer) => layer.path(),
            Self::Thin(layer) => layer.path(),
            Self::Loop(layer) => layer.path().to_owned(),
            Self::Shunt(layer) => layer.path().to_owned(),
            Self::Fs(layer) => layer.path(),
        }
    }
}
