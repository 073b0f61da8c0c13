// SPDX-License-Identifier: MIT OR Apache-2.0
//! A volume grows while it is in use: its table, its device, its file system, in this order. Each step looks at what the one
//! before has left, so a driver that was killed between two goes on with the next.

use std::path::Path;

use shunt_csi::proto::{NodeExpandVolumeRequest, NodeExpandVolumeResponse};
use tonic::Status;

use super::{
    path, required,
    stats::{Shown, shown},
};
use crate::{
    controller::signed,
    device::Devices,
    driver::Driver,
    filesystem,
    pool::{alloc, layout::size},
    volume::Sizes,
    wanted::Capability,
};

impl Driver {
    /// Lets a volume grow to what is asked for; one that is as large already stays as it is.
    pub(crate) fn expand_volume(
        &self,
        request: NodeExpandVolumeRequest,
    ) -> Result<NodeExpandVolumeResponse, Status> {
        let id = required(&request.volume_id, "volume")?;
        let at = path(&request.volume_path, "volume path")?;
        let sizes = Sizes::of(request.capacity_range.as_ref())?;
        if let Some(wanted) = &request.volume_capability {
            Capability::of(wanted).map_err(Status::invalid_argument)?;
        }
        let (volume, ..) = self.pieces(id)?;
        let _taken = self.busy.take(volume)?;
        let mut devices = Devices::connect()?;
        let not_found = || Status::not_found(format!("volume {volume} is not staged here"));
        let device = devices.of(volume)?.ok_or_else(not_found)?;
        let as_what = match shown(&device, at) {
            // A block device is staged at a path where nothing is to be seen.
            Err(_) if is_staging(&request, at) => Shown::Node,
            found => found?,
        };

        let bytes = self.pool.change(|drives| {
            let pieces = drives.volume(volume).ok_or_else(not_found)?;
            let has = size(&pieces);
            let bytes = sizes.at_least(has)?;
            if bytes == has {
                return Ok(bytes);
            }
            let last = pieces.last().and_then(|piece| drives.0.get_mut(piece.drive));
            let table = last.map(|drive| &mut drive.table).ok_or_else(not_found)?;
            match alloc::grow(table, volume, bytes - has) {
                true => Ok(bytes),
                false => Err(Status::out_of_range(format!(
                    "the drive has no room for {} bytes more: it has {}, and {} are freed and not zeroed yet",
                    bytes - has,
                    table.free(),
                    table.freed()
                ))),
            }
        })?;
        let (_, drives, pieces) = self.pieces(id)?;
        let turn = self.pool.turn().map_err(Status::internal)?;
        let (device, _) = devices.follow(device, drives.targets(&pieces))?;
        drop(turn);
        if let Shown::Mounted(kind) = as_what {
            filesystem::grow(&device.path(), at, &kind).map_err(Status::internal)?;
        }
        log::info!("volume {volume} has {bytes} bytes");
        Ok(NodeExpandVolumeResponse {
            capacity_bytes: signed(bytes),
        })
    }
}

fn is_staging(request: &NodeExpandVolumeRequest, at: &Path) -> bool {
    !request.staging_target_path.is_empty() && at == Path::new(&request.staging_target_path)
}
