// SPDX-License-Identifier: MIT OR Apache-2.0
//! How full a volume is.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use shunt::model::Device;
use shunt_csi::proto::{NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse, VolumeUsage, unit};
use tonic::Status;

use super::{internal, mounts, number, path, required, shows_node};
use crate::{controller::signed, device::Devices, driver::Driver, mount, volume};

/// How a volume is at a path.
pub(super) enum Shown {
    /// Its file system, of this kind.
    Mounted(String),
    /// The node of its device.
    Node,
}

impl Driver {
    /// Bytes and inodes of a file system; of a block device, its size.
    pub(crate) fn volume_stats(
        &self,
        request: NodeGetVolumeStatsRequest,
    ) -> Result<NodeGetVolumeStatsResponse, Status> {
        let id = required(&request.volume_id, "volume")?;
        let at = path(&request.volume_path, "volume path")?;
        let device = staged(id)?;
        let usage = match shown(&device, at)? {
            Shown::Node => vec![VolumeUsage {
                total: signed(device.size),
                unit: unit::BYTES,
                ..VolumeUsage::default()
            }],
            Shown::Mounted(_) => usage(at)?,
        };
        Ok(NodeGetVolumeStatsResponse { usage })
    }
}

/// The device of a volume that is staged.
pub(super) fn staged(id: &str) -> Result<Device, Status> {
    let not_found = || Status::not_found(format!("volume {id} is not staged here"));
    let volume = volume::of_id(id).ok_or_else(not_found)?;
    Devices::connect()?.of(volume)?.ok_or_else(not_found)
}

/// How a volume is at a path.
///
/// # Errors
/// `NOT_FOUND` if it is not there.
pub(super) fn shown(device: &Device, at: &Path) -> Result<Shown, Status> {
    let number = number(device)?;
    let all = mounts()?;
    match mount::at(&all, at) {
        Some(mounted) if mounted.number == number => Ok(Shown::Mounted(mounted.kind.clone())),
        Some(mounted) if shows_node(mounted, device) => Ok(Shown::Node),
        _ => Err(Status::not_found(format!(
            "{} is not at {}",
            device.name,
            at.display()
        ))),
    }
}

fn usage(at: &Path) -> Result<Vec<VolumeUsage>, Status> {
    let found = statvfs(at).map_err(|why| internal(&at.to_string_lossy(), &why))?;
    let block = found.fragment_size();
    let of = |total: u64, free: u64, available: u64, each: u64, unit| VolumeUsage {
        available: signed(available.saturating_mul(each)),
        total: signed(total.saturating_mul(each)),
        used: signed(total.saturating_sub(free).saturating_mul(each)),
        unit,
    };
    Ok(vec![
        of(
            found.blocks(),
            found.blocks_free(),
            found.blocks_available(),
            block,
            unit::BYTES,
        ),
        of(
            found.files(),
            found.files_free(),
            found.files_available(),
            1,
            unit::INODES,
        ),
    ])
}
