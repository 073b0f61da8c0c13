// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RPCs of the node on which a volume is used. `rpc` calls them. What is done already is seen in the kernel's devices and
//! mounts, so that each can be done again.

use std::path::Path;

use shunt::model::Device;
use shunt_csi::proto::{Empty, GetCapabilitiesResponse, NodeGetInfoResponse, node};
use tonic::Status;
use uuid::Uuid;

use crate::{
    controller::capabilities,
    driver::Driver,
    mount::{self, Mounted},
    pool::{Drives, layout::Piece},
    volume,
};

mod expand;
mod health;
mod publish;
mod stage;
mod stats;

impl Driver {
    /// What the node can do.
    pub(crate) fn node_capabilities(&self, _: Empty) -> Result<GetCapabilitiesResponse, Status> {
        Ok(capabilities(&[
            node::STAGE_UNSTAGE_VOLUME,
            node::GET_VOLUME_STATS,
            node::EXPAND_VOLUME,
            node::SINGLE_NODE_MULTI_WRITER,
            node::GET_VOLUME_HEALTH,
            node::GET_STORAGE_HEALTH,
        ]))
    }

    /// Which node it is.
    pub(crate) fn node_info(&self, _: Empty) -> Result<NodeGetInfoResponse, Status> {
        Ok(NodeGetInfoResponse {
            node_id: self.node.clone(),
            max_volumes_per_node: 0,
            accessible_topology: Some(self.topology()),
        })
    }

    /// A volume of a request, which has to be there: its identity, the drives, its pieces.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) fn pieces(&self, id: &str) -> Result<(Uuid, Drives, Vec<Piece>), Status> {
        let not_found =
            || Status::not_found(format!("there is no volume {id} on node {}", self.node));
        let volume = volume::of_id(id).ok_or_else(not_found)?;
        let drives = self.pool.drives();
        let pieces = drives.volume(volume).ok_or_else(not_found)?;
        Ok((volume, drives, pieces))
    }
}

/// An argument that must be given.
fn required<'a>(text: &'a str, what: &str) -> Result<&'a str, Status> {
    match text {
        "" => Err(Status::invalid_argument(format!("no {what} is given"))),
        text => Ok(text),
    }
}

/// A path that must be given, from the root on.
fn path<'a>(text: &'a str, what: &str) -> Result<&'a Path, Status> {
    let path = Path::new(required(text, what)?);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(Status::invalid_argument(format!(
            "the {what} {text:?} does not begin at the root"
        ))),
    }
}

/// What is mounted, as an answer has it.
fn mounts() -> Result<Vec<Mounted>, Status> {
    mount::all().map_err(|why| internal("what is mounted cannot be read", &why))
}

fn internal(what: &str, why: &dyn std::fmt::Display) -> Status {
    Status::internal(format!("{what}: {why}"))
}

/// Numbers of a device, as mounts have them.
fn number(device: &Device) -> Result<String, Status> {
    let file = format!("/sys/block/{}/dev", device.disk_name());
    let text = std::fs::read_to_string(&file);
    text.map(|text| text.trim().to_owned())
        .map_err(|why| internal(&file, &why))
}

/// Whether a mount shows a device: its file system, or its node in `/dev`.
fn shows(mounted: &Mounted, device: &Device, number: &str) -> bool {
    mounted.number == number || shows_node(mounted, device)
}

/// Whether it shows the node.
fn shows_node(mounted: &Mounted, device: &Device) -> bool {
    mounted.kind == "devtmpfs" && mounted.root == format!("/{}", device.disk_name())
}
