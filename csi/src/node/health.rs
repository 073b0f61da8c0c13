// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a volume, or with the drives of the node.

use shunt::model::State;
use shunt_csi::proto::{
    Empty, HealthEntry, NodeGetStorageHealthResponse, NodeGetVolumeHealthRequest,
    NodeGetVolumeHealthResponse, VolumeHealth, health,
};
use tonic::Status;

use super::required;
use crate::{device::Devices, driver::Driver, volume};

impl Driver {
    /// A volume whose drive is lost is not to be reached; one with failed I/O is not as it should be.
    pub(crate) fn volume_health(
        &self,
        request: NodeGetVolumeHealthRequest,
    ) -> Result<NodeGetVolumeHealthResponse, Status> {
        let id = required(&request.volume_id, "volume")?;
        let not_found =
            || Status::not_found(format!("there is no volume {id} on node {}", self.node));
        let volume = volume::of_id(id).ok_or_else(not_found)?;
        let mut devices = Devices::connect()?;
        let device = devices.of(volume)?;
        let mut health_statuses = Vec::new();
        match device {
            None => drop(self.pieces(id)?),
            Some(device) if device.state == State::Lost => health_statuses.push(HealthEntry {
                status: health::INACCESSIBLE,
                reason: "DriveLost".to_owned(),
                message: format!("a drive below {} is gone", device.path()),
            }),
            Some(device) => {
                let errors = devices.errors(&device)?;
                if errors > 0 {
                    health_statuses.push(HealthEntry {
                        status: health::DEGRADED,
                        reason: "IoErrors".to_owned(),
                        message: format!(
                            "{errors} operations on {} have failed since it was staged",
                            device.path()
                        ),
                    });
                }
            }
        }
        Ok(NodeGetVolumeHealthResponse {
            volume_health: Some(VolumeHealth {
                volume_id: id.to_owned(),
                health_statuses,
            }),
        })
    }

    /// A drive that is lost is one less for all.
    pub(crate) fn storage_health(&self, _: Empty) -> Result<NodeGetStorageHealthResponse, Status> {
        let devices = Devices::connect()?.all()?;
        let lost = devices
            .into_iter()
            .filter(|(_, device)| device.state == State::Lost);
        let lost: Vec<String> = lost.map(|(volume, _)| volume.to_string()).collect();
        let entry = HealthEntry {
            status: health::STORAGE_DEGRADED,
            reason: "DriveLost".to_owned(),
            message: format!("a drive is gone below the volumes {}", lost.join(", ")),
        };
        Ok(NodeGetStorageHealthResponse {
            backend_health: if lost.is_empty() {
                Vec::new()
            } else {
                vec![entry]
            },
        })
    }
}
