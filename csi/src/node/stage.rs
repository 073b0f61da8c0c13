// SPDX-License-Identifier: MIT OR Apache-2.0
//! A volume comes to its node and goes: its device, and the file system on it, mounted once for all who use it.

use std::{fs, path::Path};

use shunt::model::{Device, DeviceSpec};
use shunt_csi::proto::{Empty, NodeStageVolumeRequest, NodeUnstageVolumeRequest};
use tonic::Status;

use super::{internal, mounts, number, path, publish::hide, required, shows};
use crate::{
    device::{self, Devices},
    driver::Driver,
    filesystem, mount, volume,
    wanted::{Access, Capability, FsKind, Parameters},
};

impl Driver {
    /// Maps the device of a volume; makes its file system, if it has none, and mounts it.
    pub(crate) fn stage_volume(&self, request: NodeStageVolumeRequest) -> Result<Empty, Status> {
        let id = required(&request.volume_id, "volume")?;
        let staging = path(&request.staging_target_path, "staging target path")?;
        let wanted = Capability::one(request.volume_capability.as_ref())?;
        let parameters =
            Parameters::of(&request.volume_context).map_err(Status::invalid_argument)?;
        let (volume, ..) = self.pieces(id)?;
        let _taken = self.busy.take(volume)?;
        // Again, now that nobody changes it.
        let (volume, drives, pieces) = self.pieces(id)?;

        let mut devices = Devices::connect()?;
        let targets = drives.targets(&pieces);
        // Who writes a table has its drive for himself, unless a device has it.
        let turn = self.pool.turn().map_err(Status::internal)?;
        let (device, was_lost) = match devices.of(volume)? {
            Some(device) => devices.follow(device, targets)?,
            None => {
                let spec = DeviceSpec {
                    queue: parameters.queue,
                    stats: parameters.stats,
                    ..DeviceSpec::new(device::name(volume), targets)
                };
                (devices.map(&spec)?, false)
            }
        };
        drop(turn);
        if let Err(why) = self.claims.write(volume, &request.volume_context) {
            log::warn!("the metrics of volume {volume} lack its claim: {why}");
        }
        match &wanted.access {
            Access::Block => stage_block(&device, staging)?,
            Access::Mount(kind, options) => {
                stage_mount(&device, staging, *kind, options, was_lost)?
            }
        }
        log::info!("volume {volume} is staged on {}", device.path());
        Ok(Empty {})
    }

    /// Unmounts a volume that nobody uses any more, and unmaps its device. Its drive may be away.
    pub(crate) fn unstage_volume(
        &self,
        request: NodeUnstageVolumeRequest,
    ) -> Result<Empty, Status> {
        let id = required(&request.volume_id, "volume")?;
        let staging = path(&request.staging_target_path, "staging target path")?;
        let Some(volume) = volume::of_id(id) else {
            return Ok(Empty {});
        };
        let _taken = self.busy.take(volume)?;
        let mut devices = match Devices::connect() {
            Ok(devices) => devices,
            // Without the module nothing is mapped, so nothing is staged.
            Err(why) if why.code() == tonic::Code::Unavailable => return Ok(Empty {}),
            Err(why) => return Err(why),
        };
        let Some(device) = devices.of(volume)? else {
            return Ok(Empty {});
        };
        let number = number(&device)?;
        hide(&self.private(volume)).map_err(|why| internal("unmount", &why))?;
        let all = mounts()?;
        let others = all
            .iter()
            .filter(|mounted| shows(mounted, &device, &number));
        let others: Vec<_> = others.filter(|mounted| mounted.at != staging).collect();
        if let Some(other) = others.first() {
            return Err(Status::failed_precondition(format!(
                "volume {volume} is still published at {}",
                other.at.display()
            )));
        }
        if mount::at(&all, staging).is_some_and(|mounted| shows(mounted, &device, &number)) {
            mount::unmount(staging).map_err(|why| internal("unmount", &why))?;
        }
        devices.unmap(&device)?;
        self.claims.remove(volume);
        log::info!("volume {volume} is no longer staged");
        Ok(Empty {})
    }
}

/// A block device is staged by being there.
fn stage_block(device: &Device, staging: &Path) -> Result<(), Status> {
    let number = number(device)?;
    match mount::at(&mounts()?, staging).is_some_and(|mounted| mounted.number == number) {
        true => Err(Status::already_exists(
            "the volume is staged as a file system",
        )),
        false => Ok(()),
    }
}

fn stage_mount(
    device: &Device,
    staging: &Path,
    kind: FsKind,
    options: &[String],
    was_lost: bool,
) -> Result<(), Status> {
    let number = number(device)?;
    let all = mounts()?;
    if all.iter().any(|mounted| super::shows_node(mounted, device)) {
        return Err(Status::already_exists(
            "the volume is published as a block device",
        ));
    }
    if let Some(mounted) = mount::at(&all, staging) {
        if mounted.number != number {
            let (at, kind) = (staging.display(), &mounted.kind);
            return Err(Status::already_exists(format!(
                "something else, {kind}, is mounted at {at}"
            )));
        }
        if mounted.kind != kind.name() {
            return Err(Status::already_exists(format!(
                "the volume is staged as {}",
                mounted.kind
            )));
        }
        let published = all
            .iter()
            .any(|other| other.number == number && other.at != staging);
        if !was_lost || published {
            return Ok(());
        }
        // The file system has shut down with its drive. Nobody uses it, so it is mounted anew.
        mount::unmount(staging).map_err(|why| internal("unmount", &why))?;
    }
    let path = device.path();
    filesystem::prepare(&path, kind).map_err(Status::failed_precondition)?;
    fs::create_dir_all(staging).map_err(|why| internal(&staging.to_string_lossy(), &why))?;
    mount::filesystem(&path, staging, kind.name(), options)
        .map_err(|why| internal(&format!("mount {path} with options {options:?}"), &why))?;
    // A volume that was to grow while it was not staged, or whose driver was killed while it grew.
    if !options
        .iter()
        .flat_map(|option| option.split(','))
        .any(|option| option == "ro")
    {
        filesystem::grow(&path, staging, kind.name()).map_err(Status::internal)?;
    }
    Ok(())
}
