// SPDX-License-Identifier: MIT OR Apache-2.0
//! A staged volume appears where a pod sees it, and goes from there.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    path::Path,
};

use shunt::model::Device;
use shunt_csi::proto::{Empty, NodePublishVolumeRequest, NodeUnpublishVolumeRequest};
use tonic::Status;

use super::{internal, mounts, number, path, required, shows, shows_node};
use crate::{
    device::Devices,
    driver::Driver,
    mount::{self, Mounted},
    volume,
    wanted::{Access, Capability},
};

impl Driver {
    /// Shows a volume at a path, in a folder or as the node of its device.
    pub(crate) fn publish_volume(
        &self,
        request: NodePublishVolumeRequest,
    ) -> Result<Empty, Status> {
        let id = required(&request.volume_id, "volume")?;
        let target = path(&request.target_path, "target path")?;
        let wanted = Capability::one(request.volume_capability.as_ref())?;
        if request.staging_target_path.is_empty() {
            return Err(Status::failed_precondition(
                "no staging target path is given",
            ));
        }
        let staging = path(&request.staging_target_path, "staging target path")?;
        let (volume, ..) = self.pieces(id)?;
        let _taken = self.busy.take(volume)?;
        let mut devices = Devices::connect()?;
        let staged = devices.of(volume)?;
        let device = staged
            .ok_or_else(|| Status::failed_precondition(format!("volume {volume} is not staged")))?;
        let number = number(&device)?;
        let private = self.private(volume);
        hide(&private).map_err(|why| internal("unmount", &why))?;
        let all = mounts()?;
        let read_only = request.readonly || wanted.reader;

        if let Some(mounted) = mount::at(&all, target) {
            return again(mounted, &device, &number, &wanted, read_only);
        }
        let mut published = all
            .iter()
            .filter(|mounted| shows(mounted, &device, &number));
        let first = published.find(|mounted| mounted.at != staging);
        if let (Some(first), false) = (first, wanted.many) {
            return Err(Status::failed_precondition(format!(
                "volume {volume} is published at {}, and may be at one place only",
                first.at.display()
            )));
        }
        match wanted.access {
            Access::Block => {
                if first.is_some() && device.read_only != read_only {
                    return Err(Status::failed_precondition(
                        "a block device is published to be read only, or to be written to, and not both",
                    ));
                }
                devices.set_read_only(&device, read_only)?;
                let made =
                    make_file(target).and_then(|()| mount::bind(Path::new(&device.path()), target));
                made.map_err(|why| internal(&request.target_path, &why))?;
            }
            Access::Mount(..) => {
                if mount::at(&all, staging).is_none_or(|mounted| mounted.number != number) {
                    return Err(Status::failed_precondition(format!(
                        "volume {volume} is not mounted at {}",
                        staging.display()
                    )));
                }
                show_folder(staging, target, read_only.then_some(&*private))
                    .map_err(|why| internal(&request.target_path, &why))?;
            }
        }
        log::info!("volume {volume} is published at {}", target.display());
        Ok(Empty {})
    }

    /// Takes a volume away from where a pod saw it. A volume that is not known may be on a drive that is away, so that is no
    /// error: what must not be left is what is mounted.
    pub(crate) fn unpublish_volume(
        &self,
        request: NodeUnpublishVolumeRequest,
    ) -> Result<Empty, Status> {
        let id = required(&request.volume_id, "volume")?;
        let target = path(&request.target_path, "target path")?;
        let _taken = volume::of_id(id)
            .map(|volume| self.busy.take(volume))
            .transpose()?;
        mount::unmount(target).map_err(|why| internal(&request.target_path, &why))?;
        let removed = match fs::symlink_metadata(target) {
            Ok(found) if found.is_dir() => fs::remove_dir(target),
            Ok(_) => fs::remove_file(target),
            Err(why) => Err(why),
        };
        match removed {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                Err(internal(&request.target_path, &why))
            }
            _ => Ok(Empty {}),
        }
    }
}

/// A volume is asked for where it is already.
fn again(
    mounted: &Mounted,
    device: &Device,
    number: &str,
    wanted: &Capability,
    read_only: bool,
) -> Result<Empty, Status> {
    let is_it = match wanted.access {
        Access::Block => shows_node(mounted, device) && device.read_only == read_only,
        Access::Mount(kind, _) => {
            mounted.number == number
                && mounted.kind == kind.name()
                && mounted.read_only == read_only
        }
    };
    match is_it {
        true => Ok(Empty {}),
        false => Err(Status::already_exists(format!(
            "something else, or the volume in another way, is at {}",
            mounted.at.display()
        ))),
    }
}

/// Shows a mounted file system at another place. One that is to be read only never shows there before it is: it is made so
/// at a place of its own, which is shown then, and goes.
fn show_folder(staging: &Path, target: &Path, private: Option<&Path>) -> io::Result<()> {
    let make_folder = |path: &Path| match fs::create_dir(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(why),
        _ => Ok(()),
    };
    make_folder(target)?;
    let Some(private) = private else {
        return mount::bind(staging, target);
    };
    make_folder(private)?;
    let shown = mount::bind(staging, private)
        .and_then(|()| mount::make_read_only(private))
        .and_then(|()| mount::bind(private, target));
    hide(private)?;
    shown
}

/// Takes a place of a volume's own away, which a driver that was killed may have left.
pub(super) fn hide(private: &Path) -> io::Result<()> {
    mount::unmount(private)?;
    match fs::remove_dir(private) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

fn make_file(target: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(target)
        .map(drop)
}
