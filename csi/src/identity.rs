// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RPCs that say who the driver is. `rpc` calls them.

use shunt::{
    Error,
    transport::{Kernel, netlink::RunningKernel},
};
use shunt_csi::proto::{
    BoolValue, Empty, GetPluginCapabilitiesResponse, GetPluginInfoResponse, Kind, Pairs,
    PluginCapability, PluginCapabilityType, ProbeResponse, plugin,
};
use tonic::Status;

use crate::driver::{Driver, NAME};

impl Driver {
    /// Name and version.
    pub(crate) fn plugin_info(&self, _: Empty) -> Result<GetPluginInfoResponse, Status> {
        Ok(GetPluginInfoResponse {
            name: NAME.to_owned(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
            manifest: Pairs::new(),
        })
    }

    /// A controller, volumes that only their node reaches, growth in use.
    pub(crate) fn plugin_capabilities(
        &self,
        _: Empty,
    ) -> Result<GetPluginCapabilitiesResponse, Status> {
        use PluginCapabilityType::{Service, VolumeExpansion};
        let kinds = [
            Service(Kind {
                kind: plugin::CONTROLLER_SERVICE,
            }),
            Service(Kind {
                kind: plugin::VOLUME_ACCESSIBILITY_CONSTRAINTS,
            }),
            VolumeExpansion(Kind {
                kind: plugin::EXPANSION_ONLINE,
            }),
        ];
        let capabilities = kinds.map(|kind| PluginCapability { kind: Some(kind) });
        Ok(GetPluginCapabilitiesResponse {
            capabilities: capabilities.to_vec(),
        })
    }

    /// Ready once the module is loaded, which whoever runs the node sees to: a driver without it is healthy and waits.
    pub(crate) fn probe(&self, _: Empty) -> Result<ProbeResponse, Status> {
        let ready = match RunningKernel::default().connect_if_loaded() {
            Ok(_) => true,
            Err(Error::NotLoaded | Error::Unloaded) => false,
            Err(why) => return Err(Status::failed_precondition(why.to_string())),
        };
        Ok(ProbeResponse {
            ready: Some(BoolValue { value: ready }),
        })
    }
}
