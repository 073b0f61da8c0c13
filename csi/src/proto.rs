// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of CSI 1.13 that the driver takes or gives, with the numbers of their fields as the interface has them. What is
//! not used of a message is left out: an unknown field is passed over, and one that is not there has its default.
//!
//! Written as structs: some 45 messages need no compiler of the protocol's language at each build.
#![allow(
    missing_docs,
    reason = "the specification of the interface says what each field means"
)]

use std::collections::HashMap;

use prost::{Message, Oneof};

mod of_node;

pub use of_node::*;

/// Names and values.
pub type Pairs = HashMap<String, String>;

/// Package and service of the RPCs of each kind, as in `/csi.v1.Identity/Probe`.
pub const IDENTITY: &str = "csi.v1.Identity";
pub const CONTROLLER: &str = "csi.v1.Controller";
pub const NODE: &str = "csi.v1.Node";

// ---- what several of them have ----

/// Numbers of the access modes.
pub mod access {
    pub const SINGLE_NODE_WRITER: i32 = 1;
    pub const SINGLE_NODE_READER_ONLY: i32 = 2;
    pub const MULTI_NODE_READER_ONLY: i32 = 3;
    pub const MULTI_NODE_SINGLE_WRITER: i32 = 4;
    pub const MULTI_NODE_MULTI_WRITER: i32 = 5;
    pub const SINGLE_NODE_SINGLE_WRITER: i32 = 6;
    pub const SINGLE_NODE_MULTI_WRITER: i32 = 7;
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlockVolume {}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct MountVolume {
    #[prost(string, tag = "1")]
    pub fs_type: String,
    #[prost(string, repeated, tag = "2")]
    pub mount_flags: Vec<String>,
    #[prost(string, tag = "3")]
    pub volume_mount_group: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct AccessMode {
    #[prost(int32, tag = "1")]
    pub mode: i32,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub enum AccessType {
    #[prost(message, tag = "1")]
    Block(BlockVolume),
    #[prost(message, tag = "2")]
    Mount(MountVolume),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct VolumeCapability {
    #[prost(oneof = "AccessType", tags = "1, 2")]
    pub access_type: Option<AccessType>,
    #[prost(message, optional, tag = "3")]
    pub access_mode: Option<AccessMode>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct CapacityRange {
    #[prost(int64, tag = "1")]
    pub required_bytes: i64,
    #[prost(int64, tag = "2")]
    pub limit_bytes: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Topology {
    #[prost(map = "string, string", tag = "1")]
    pub segments: Pairs,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct TopologyRequirement {
    #[prost(message, repeated, tag = "1")]
    pub requisite: Vec<Topology>,
    #[prost(message, repeated, tag = "2")]
    pub preferred: Vec<Topology>,
}

/// What a volume is to be made from; the driver knows only that it is not empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct VolumeContentSource {}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Volume {
    #[prost(int64, tag = "1")]
    pub capacity_bytes: i64,
    #[prost(string, tag = "2")]
    pub volume_id: String,
    #[prost(map = "string, string", tag = "3")]
    pub volume_context: Pairs,
    #[prost(message, repeated, tag = "5")]
    pub accessible_topology: Vec<Topology>,
}

/// An answer, or a question, without a word.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Empty {}

/// `RPC` and `Service` of the messages of capabilities: all have one number.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Kind {
    #[prost(int32, tag = "1")]
    pub kind: i32,
}

// ---- identity ----

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetPluginInfoResponse {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub vendor_version: String,
    #[prost(map = "string, string", tag = "3")]
    pub manifest: Pairs,
}

/// Numbers of the capabilities of a plugin.
pub mod plugin {
    pub const CONTROLLER_SERVICE: i32 = 1;
    pub const VOLUME_ACCESSIBILITY_CONSTRAINTS: i32 = 2;
    /// Of its kinds of growth: while a volume is in use.
    pub const EXPANSION_ONLINE: i32 = 1;
}

#[derive(Clone, Copy, PartialEq, Eq, Oneof)]
pub enum PluginCapabilityType {
    #[prost(message, tag = "1")]
    Service(Kind),
    #[prost(message, tag = "2")]
    VolumeExpansion(Kind),
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct PluginCapability {
    #[prost(oneof = "PluginCapabilityType", tags = "1, 2")]
    pub kind: Option<PluginCapabilityType>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetPluginCapabilitiesResponse {
    #[prost(message, repeated, tag = "1")]
    pub capabilities: Vec<PluginCapability>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ProbeResponse {
    /// A wrapped boolean: its one field has number 1.
    #[prost(message, optional, tag = "1")]
    pub ready: Option<BoolValue>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct BoolValue {
    #[prost(bool, tag = "1")]
    pub value: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Int64Value {
    #[prost(int64, tag = "1")]
    pub value: i64,
}

// ---- controller ----

#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateVolumeRequest {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub capacity_range: Option<CapacityRange>,
    #[prost(message, repeated, tag = "3")]
    pub volume_capabilities: Vec<VolumeCapability>,
    #[prost(map = "string, string", tag = "4")]
    pub parameters: Pairs,
    #[prost(message, optional, tag = "6")]
    pub volume_content_source: Option<VolumeContentSource>,
    #[prost(message, optional, tag = "7")]
    pub accessibility_requirements: Option<TopologyRequirement>,
    #[prost(map = "string, string", tag = "8")]
    pub mutable_parameters: Pairs,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateVolumeResponse {
    #[prost(message, optional, tag = "1")]
    pub volume: Option<Volume>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeleteVolumeRequest {
    #[prost(string, tag = "1")]
    pub volume_id: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateVolumeCapabilitiesRequest {
    #[prost(string, tag = "1")]
    pub volume_id: String,
    #[prost(map = "string, string", tag = "2")]
    pub volume_context: Pairs,
    #[prost(message, repeated, tag = "3")]
    pub volume_capabilities: Vec<VolumeCapability>,
    #[prost(map = "string, string", tag = "4")]
    pub parameters: Pairs,
    #[prost(map = "string, string", tag = "6")]
    pub mutable_parameters: Pairs,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Confirmed {
    #[prost(map = "string, string", tag = "1")]
    pub volume_context: Pairs,
    #[prost(message, repeated, tag = "2")]
    pub volume_capabilities: Vec<VolumeCapability>,
    #[prost(map = "string, string", tag = "3")]
    pub parameters: Pairs,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct ValidateVolumeCapabilitiesResponse {
    #[prost(message, optional, tag = "1")]
    pub confirmed: Option<Confirmed>,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetCapacityRequest {
    #[prost(message, repeated, tag = "1")]
    pub volume_capabilities: Vec<VolumeCapability>,
    #[prost(map = "string, string", tag = "2")]
    pub parameters: Pairs,
    #[prost(message, optional, tag = "3")]
    pub accessible_topology: Option<Topology>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct GetCapacityResponse {
    #[prost(int64, tag = "1")]
    pub available_capacity: i64,
    #[prost(message, optional, tag = "2")]
    pub maximum_volume_size: Option<Int64Value>,
    #[prost(message, optional, tag = "3")]
    pub minimum_volume_size: Option<Int64Value>,
}

/// Numbers of the capabilities of a controller.
pub mod controller {
    pub const CREATE_DELETE_VOLUME: i32 = 1;
    pub const GET_CAPACITY: i32 = 4;
    pub const SINGLE_NODE_MULTI_WRITER: i32 = 13;
}

/// Numbers of the capabilities of a node. 4 was that of a condition in the answer about usage, which 1.13 has no more.
pub mod node {
    pub const STAGE_UNSTAGE_VOLUME: i32 = 1;
    pub const GET_VOLUME_STATS: i32 = 2;
    pub const EXPAND_VOLUME: i32 = 3;
    pub const SINGLE_NODE_MULTI_WRITER: i32 = 5;
    pub const GET_VOLUME_HEALTH: i32 = 7;
    pub const GET_STORAGE_HEALTH: i32 = 8;
}

/// A capability of the controller or of the node.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ServiceCapability {
    #[prost(message, optional, tag = "1")]
    pub rpc: Option<Kind>,
}

/// What the controller and the node answer when they are asked what they can do.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetCapabilitiesResponse {
    #[prost(message, repeated, tag = "1")]
    pub capabilities: Vec<ServiceCapability>,
}
