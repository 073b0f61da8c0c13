// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls of the driver for Kubernetes, with the arguments that cases vary, as kubelet and the sidecars make them.

use std::fs;
use std::path::PathBuf;

use shunt_csi::client;
use shunt_csi::proto::*;

use super::mount::MOUNTS;

/// What a call ends with: an answer, or a code with words.
pub(crate) type Answer<A> = Result<A, (i32, String)>;

/// Codes of gRPC.
pub(crate) mod code {
    pub(crate) const INVALID_ARGUMENT: i32 = 3;
    pub(crate) const NOT_FOUND: i32 = 5;
    pub(crate) const ALREADY_EXISTS: i32 = 6;
    pub(crate) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(crate) const FAILED_PRECONDITION: i32 = 9;
    pub(crate) const ABORTED: i32 = 10;
    pub(crate) const OUT_OF_RANGE: i32 = 11;
    pub(crate) const UNAVAILABLE: i32 = 14;
}

/// A MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// The calls, each with the arguments that cases vary.
pub(crate) trait Calls {
    fn ask<Q, A>(&self, service: &str, method: &str, request: Q) -> Answer<A>
    where
        Q: client::Message + 'static,
        A: client::Message + Default + 'static;

    fn create(&self, request: CreateVolumeRequest) -> Answer<Volume> {
        let made: CreateVolumeResponse = self.ask(CONTROLLER, "CreateVolume", request)?;
        Ok(made.volume.expect("an answer has a volume"))
    }

    fn delete(&self, volume: &str) -> Answer<Empty> {
        let volume_id = volume.to_owned();
        self.ask(
            CONTROLLER,
            "DeleteVolume",
            DeleteVolumeRequest { volume_id },
        )
    }

    fn stage(&self, request: NodeStageVolumeRequest) -> Answer<Empty> {
        self.ask(NODE, "NodeStageVolume", request)
    }

    fn unstage(&self, volume: &str) -> Answer<Empty> {
        let request = NodeUnstageVolumeRequest {
            volume_id: volume.to_owned(),
            staging_target_path: staging(volume),
        };
        self.ask(NODE, "NodeUnstageVolume", request)
    }

    fn publish(&self, request: NodePublishVolumeRequest) -> Answer<Empty> {
        self.ask(NODE, "NodePublishVolume", request)
    }

    fn unpublish(&self, volume: &str, target: &str) -> Answer<Empty> {
        let request = NodeUnpublishVolumeRequest {
            volume_id: volume.to_owned(),
            target_path: target.to_owned(),
        };
        self.ask(NODE, "NodeUnpublishVolume", request)
    }

    fn stats(&self, volume: &str, path: &str) -> Answer<Vec<VolumeUsage>> {
        let request = NodeGetVolumeStatsRequest {
            volume_id: volume.to_owned(),
            volume_path: path.to_owned(),
            staging_target_path: String::new(),
        };
        let answer: NodeGetVolumeStatsResponse = self.ask(NODE, "NodeGetVolumeStats", request)?;
        Ok(answer.usage)
    }

    fn expand(&self, volume: &str, path: &str, bytes: u64) -> Answer<u64> {
        let request = NodeExpandVolumeRequest {
            volume_id: volume.to_owned(),
            volume_path: path.to_owned(),
            capacity_range: Some(range(bytes, 0)),
            ..Default::default()
        };
        let answer: NodeExpandVolumeResponse = self.ask(NODE, "NodeExpandVolume", request)?;
        Ok(answer.capacity_bytes as u64)
    }

    /// Expands a volume to `bytes`, the call made twice; what is at `path` must have more than `more` bytes more then.
    #[track_caller]
    fn grow(&self, volume: &str, path: &str, bytes: u64, more: u64) {
        let size = || {
            self.stats(volume, path)
                .expect("a volume in use has figures")[0]
                .total as u64
        };
        let small = size();
        for _ in 0..2 {
            assert_eq!(self.expand(volume, path, bytes), Ok(bytes));
        }
        let large = size();
        assert!(large > small + more, "{small} and then {large}");
    }

    fn health(&self, volume: &str) -> Answer<Vec<HealthEntry>> {
        let request = NodeGetVolumeHealthRequest {
            volume_id: volume.to_owned(),
            ..Default::default()
        };
        let answer: NodeGetVolumeHealthResponse = self.ask(NODE, "NodeGetVolumeHealth", request)?;
        Ok(answer
            .volume_health
            .expect("an answer has a health")
            .health_statuses)
    }

    fn capacity(&self) -> Answer<GetCapacityResponse> {
        self.ask(CONTROLLER, "GetCapacity", GetCapacityRequest::default())
    }
}

impl Calls for client::Client {
    fn ask<Q, A>(&self, service: &str, method: &str, request: Q) -> Answer<A>
    where
        Q: client::Message + 'static,
        A: client::Message + Default + 'static,
    {
        self.call(service, method, request)
            .map_err(|why| (why.code() as i32, why.message().to_owned()))
    }
}

/// Sizes of a request.
pub(crate) fn range(required: u64, limit: u64) -> CapacityRange {
    CapacityRange {
        required_bytes: required as i64,
        limit_bytes: limit as i64,
    }
}

/// A file system of this kind, to be used in this mode.
pub(crate) fn mounted(kind: &str, mode: i32) -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Mount(MountVolume {
            fs_type: kind.to_owned(),
            ..Default::default()
        })),
        access_mode: Some(AccessMode { mode }),
    }
}

/// A block device, to be used in this mode.
pub(crate) fn block(mode: i32) -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Block(BlockVolume {})),
        access_mode: Some(AccessMode { mode }),
    }
}

/// A volume of this name and size.
pub(crate) fn wanted(name: &str, bytes: u64, capability: &VolumeCapability) -> CreateVolumeRequest {
    CreateVolumeRequest {
        name: name.to_owned(),
        capacity_range: Some(range(bytes, 0)),
        volume_capabilities: vec![capability.clone()],
        ..Default::default()
    }
}

/// Where a volume is staged; made as kubelet does.
pub(crate) fn staging(volume: &str) -> String {
    let path = PathBuf::from(MOUNTS).join("csi").join(volume);
    fs::create_dir_all(&path).expect("/run takes folders");
    path.to_string_lossy().into_owned()
}

/// Where it is published for a pod; its parent is made as kubelet does.
pub(crate) fn target(volume: &str, pod: u32) -> String {
    let parent = PathBuf::from(MOUNTS).join(format!("csi-pod{pod}"));
    fs::create_dir_all(&parent).expect("/run takes folders");
    parent.join(volume).to_string_lossy().into_owned()
}

/// To be staged like this.
pub(crate) fn to_stage(volume: &Volume, capability: &VolumeCapability) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_id: volume.volume_id.clone(),
        staging_target_path: staging(&volume.volume_id),
        volume_capability: Some(capability.clone()),
        volume_context: volume.volume_context.clone(),
    }
}

/// To be published for a pod like this.
pub(crate) fn to_publish(
    volume: &Volume,
    capability: &VolumeCapability,
    pod: u32,
) -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: volume.volume_id.clone(),
        staging_target_path: staging(&volume.volume_id),
        target_path: target(&volume.volume_id, pod),
        volume_capability: Some(capability.clone()),
        readonly: false,
        volume_context: volume.volume_context.clone(),
    }
}

/// What a call has to end with: this code.
#[track_caller]
pub(crate) fn refused<A: std::fmt::Debug>(answer: Answer<A>, code: i32) {
    match answer {
        Err((found, _)) if found == code => {}
        other => panic!("code {code} was to come, and not {other:?}"),
    }
}
