// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages against bytes that were written by others: by Python's protobuf with the descriptors of CSI 1.1 in the package
//! ember-csi of PyPI. What came after 1.1 is written out by hand, field number by field number.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use prost::Message;
use shunt_csi::proto::*;

fn pairs(name: &str, value: &str) -> Pairs {
    Pairs::from([(name.to_owned(), value.to_owned())])
}

fn mount() -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Mount(MountVolume {
            fs_type: "xfs".into(),
            mount_flags: vec!["noatime".into(), "discard".into()],
            ..Default::default()
        })),
        access_mode: Some(AccessMode {
            mode: access::SINGLE_NODE_WRITER,
        }),
    }
}

fn block() -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Block(BlockVolume {})),
        access_mode: Some(AccessMode {
            mode: access::SINGLE_NODE_WRITER,
        }),
    }
}

fn topology() -> Topology {
    Topology {
        segments: pairs("k", "n"),
    }
}

fn capability(kind: i32) -> ServiceCapability {
    ServiceCapability {
        rpc: Some(Kind { kind }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The message is written as these bytes, and they are read as the message.
#[track_caller]
fn both_ways<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, bytes: &str) {
    assert_eq!(hex(&message.encode_to_vec()), bytes);
    assert_eq!(&M::decode(&unhex(bytes)[..]).unwrap(), message);
}

#[test]
fn what_the_plugin_says_of_itself_is_written_as_others_write_it() {
    both_ways(
        &GetPluginInfoResponse {
            name: "n".into(),
            vendor_version: "1".into(),
            manifest: pairs("a", "b"),
        },
        "0a016e1201311a060a0161120162",
    );
    both_ways(
        &ProbeResponse {
            ready: Some(BoolValue { value: true }),
        },
        "0a020801",
    );
    // A readiness of false is said, and not left out as a default is.
    both_ways(
        &ProbeResponse {
            ready: Some(BoolValue { value: false }),
        },
        "0a00",
    );
    let services = [
        plugin::CONTROLLER_SERVICE,
        plugin::VOLUME_ACCESSIBILITY_CONSTRAINTS,
    ];
    let services = services.map(|kind| PluginCapabilityType::Service(Kind { kind }));
    let growth = PluginCapabilityType::VolumeExpansion(Kind {
        kind: plugin::EXPANSION_ONLINE,
    });
    let capabilities = services.into_iter().chain([growth]);
    let capabilities = capabilities
        .map(|kind| PluginCapability { kind: Some(kind) })
        .collect();
    both_ways(
        &GetPluginCapabilitiesResponse { capabilities },
        "0a040a0208010a040a0208020a0412020801",
    );
}

#[test]
fn the_controllers_messages_are_written_as_others_write_them() {
    let from = "32050a030a0173";
    let request = "0a057076632d31120c0880808080041080808080081a1d12170a0378667312076e6f6174696d651207646973636172641a0208011a060a001a02080122090a04706f6f6c12017032050a030a01733a140a080a060a016b12016e12080a060a016b12016e";
    let created = CreateVolumeRequest {
        name: "pvc-1".into(),
        capacity_range: Some(CapacityRange {
            required_bytes: 1 << 30,
            limit_bytes: 1 << 31,
        }),
        volume_capabilities: vec![mount(), block()],
        parameters: pairs("pool", "p"),
        volume_content_source: Some(VolumeContentSource {}),
        accessibility_requirements: Some(TopologyRequirement {
            requisite: vec![topology()],
            preferred: vec![topology()],
        }),
        mutable_parameters: Pairs::new(),
    };
    // What the source is, the driver does not read, but that there is one.
    assert_eq!(
        CreateVolumeRequest::decode(&unhex(request)[..]).unwrap(),
        created
    );
    assert_eq!(hex(&created.encode_to_vec()), request.replace(from, "3200"));
    let volume = Volume {
        capacity_bytes: 5,
        volume_id: "v".into(),
        volume_context: pairs("a", "b"),
        accessible_topology: vec![topology()],
    };
    both_ways(
        &CreateVolumeResponse {
            volume: Some(volume),
        },
        "0a1708051201761a060a01611201622a080a060a016b12016e",
    );
    both_ways(
        &DeleteVolumeRequest {
            volume_id: "v".into(),
        },
        "0a0176",
    );
    both_ways(
        &ValidateVolumeCapabilitiesRequest {
            volume_id: "v".into(),
            volume_context: pairs("a", "b"),
            volume_capabilities: vec![mount()],
            parameters: pairs("c", "d"),
            mutable_parameters: Pairs::new(),
        },
        "0a017612060a01611201621a1d12170a0378667312076e6f6174696d651207646973636172641a02080122060a0163120164",
    );
    let confirmed = Confirmed {
        volume_context: pairs("a", "b"),
        volume_capabilities: vec![mount()],
        parameters: pairs("c", "d"),
    };
    both_ways(
        &ValidateVolumeCapabilitiesResponse {
            confirmed: Some(confirmed),
            message: "m".into(),
        },
        "0a2f0a060a0161120162121d12170a0378667312076e6f6174696d651207646973636172641a0208011a060a016312016412016d",
    );
    both_ways(
        &GetCapacityRequest {
            volume_capabilities: vec![mount()],
            parameters: pairs("c", "d"),
            accessible_topology: Some(topology()),
        },
        "0a1d12170a0378667312076e6f6174696d651207646973636172641a02080112060a01631201641a080a060a016b12016e",
    );
    // Since 1.4: the largest volume (2) and the smallest (3), each wrapped.
    both_ways(
        &GetCapacityResponse {
            available_capacity: 77,
            maximum_volume_size: Some(Int64Value { value: 5 }),
            minimum_volume_size: Some(Int64Value { value: 1 }),
        },
        "084d120208051a020801",
    );
    let capabilities = [controller::CREATE_DELETE_VOLUME, controller::GET_CAPACITY].map(capability);
    both_ways(
        &GetCapabilitiesResponse {
            capabilities: capabilities.to_vec(),
        },
        "0a040a0208010a040a020804",
    );
}

#[test]
fn the_nodes_messages_are_written_as_others_write_them() {
    let capabilities = [
        node::STAGE_UNSTAGE_VOLUME,
        node::GET_VOLUME_STATS,
        node::EXPAND_VOLUME,
    ];
    let capabilities = capabilities.map(capability).to_vec();
    both_ways(
        &GetCapabilitiesResponse { capabilities },
        "0a040a0208010a040a0208020a040a020803",
    );
    let stage = NodeStageVolumeRequest {
        volume_id: "v".into(),
        staging_target_path: "/s".into(),
        volume_capability: Some(mount()),
        volume_context: pairs("a", "b"),
    };
    // With a publish context and secrets, which the driver passes over.
    let with_more = "0a017612060a01781201791a022f73221d12170a0378667312076e6f6174696d651207646973636172641a0208012a060a017312017432060a0161120162";
    assert_eq!(
        NodeStageVolumeRequest::decode(&unhex(with_more)[..]).unwrap(),
        stage
    );
    both_ways(
        &NodeUnstageVolumeRequest {
            volume_id: "v".into(),
            staging_target_path: "/s".into(),
        },
        "0a017612022f73",
    );
    both_ways(
        &NodePublishVolumeRequest {
            volume_id: "v".into(),
            staging_target_path: "/s".into(),
            target_path: "/t".into(),
            volume_capability: Some(block()),
            readonly: true,
            volume_context: pairs("a", "b"),
        },
        "0a01761a022f7322022f742a060a001a020801300142060a0161120162",
    );
    both_ways(
        &NodeUnpublishVolumeRequest {
            volume_id: "v".into(),
            target_path: "/t".into(),
        },
        "0a017612022f74",
    );
    // Since 1.2: where it is staged (3).
    both_ways(
        &NodeGetVolumeStatsRequest {
            volume_id: "v".into(),
            volume_path: "/p".into(),
            staging_target_path: "/s".into(),
        },
        "0a017612022f701a022f73",
    );
    let bytes = VolumeUsage {
        available: 1,
        total: 3,
        used: 2,
        unit: unit::BYTES,
    };
    let inodes = VolumeUsage {
        available: 4,
        total: 9,
        used: 5,
        unit: unit::INODES,
    };
    both_ways(
        &NodeGetVolumeStatsResponse {
            usage: vec![bytes, inodes],
        },
        "0a0808011003180220010a080804100918052002",
    );
    both_ways(
        &NodeExpandVolumeRequest {
            volume_id: "v".into(),
            volume_path: "/p".into(),
            capacity_range: Some(CapacityRange {
                required_bytes: 9,
                limit_bytes: 0,
            }),
            ..Default::default()
        },
        "0a017612022f701a020809",
    );
    both_ways(&NodeExpandVolumeResponse { capacity_bytes: 9 }, "0809");
    both_ways(
        &NodeGetInfoResponse {
            node_id: "n".into(),
            max_volumes_per_node: 3,
            accessible_topology: Some(topology()),
        },
        "0a016e10031a080a060a016b12016e",
    );
}

#[test]
fn health_is_written_as_1_13_has_it() {
    let entry = HealthEntry {
        status: health::INACCESSIBLE,
        reason: "R".into(),
        message: "m".into(),
    };
    let volume = VolumeHealth {
        volume_id: "v".into(),
        health_statuses: vec![entry.clone()],
    };
    both_ways(
        &NodeGetVolumeHealthResponse {
            volume_health: Some(volume),
        },
        "0a0d0a0176120808011201521a016d",
    );
    both_ways(
        &NodeGetStorageHealthResponse {
            backend_health: vec![entry],
        },
        "0a0808011201521a016d",
    );
}
