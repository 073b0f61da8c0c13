// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RPCs that make and remove volumes. `rpc` calls them. Each is done again with the same end, as it first looks at what is
//! there: a driver that was killed in the middle costs nothing.

use shunt_csi::proto::{
    Confirmed, CreateVolumeRequest, CreateVolumeResponse, DeleteVolumeRequest, Empty,
    GetCapabilitiesResponse, GetCapacityRequest, GetCapacityResponse, Int64Value, Kind,
    ServiceCapability, Topology, TopologyRequirement, ValidateVolumeCapabilitiesRequest,
    ValidateVolumeCapabilitiesResponse, Volume, controller,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    device::Devices,
    driver::{Driver, TOPOLOGY},
    pool::{
        Drives, alloc,
        layout::{GRAIN, size},
    },
    volume::{self, Sizes},
    wanted::{Capability, Parameters, floor},
};

/// Longest name that the interface allows.
const LONGEST: usize = 128;

impl Driver {
    /// What the controller can do. To grow a volume is for its node alone: there, it is in use.
    pub(crate) fn controller_capabilities(
        &self,
        _: Empty,
    ) -> Result<GetCapabilitiesResponse, Status> {
        Ok(capabilities(&[
            controller::CREATE_DELETE_VOLUME,
            controller::GET_CAPACITY,
            controller::SINGLE_NODE_MULTI_WRITER,
        ]))
    }

    /// Makes a volume: one write of one table.
    pub(crate) fn create_volume(
        &self,
        request: CreateVolumeRequest,
    ) -> Result<CreateVolumeResponse, Status> {
        let name = &request.name;
        if name.is_empty() || name.len() > LONGEST {
            return Err(Status::invalid_argument(format!(
                "a volume has a name of 1 to {LONGEST} bytes"
            )));
        }
        if request.volume_content_source.is_some() {
            return Err(Status::invalid_argument(
                "a volume begins empty: there are neither snapshots nor clones",
            ));
        }
        if !request.mutable_parameters.is_empty() {
            return Err(Status::invalid_argument(
                "no parameter of a volume can be changed later",
            ));
        }
        let wanted =
            Capability::all(&request.volume_capabilities).map_err(Status::invalid_argument)?;
        let parameters = Parameters::of(&request.parameters).map_err(Status::invalid_argument)?;
        let sizes = Sizes::of(request.capacity_range.as_ref())?;
        self.is_reached_from(request.accessibility_requirements.as_ref())?;

        let id = volume::of_name(name);
        let _taken = self.busy.take(id)?;
        let drives = self.pool.drives();
        let bytes = match existing(&drives, id, &sizes, &parameters)? {
            Some(bytes) => bytes,
            None => {
                let bytes = sizes.choose(floor(&wanted))?;
                self.allocate(id, bytes, &sizes, &parameters)?
            }
        };
        let volume = Volume {
            capacity_bytes: signed(bytes),
            volume_id: id.to_string(),
            volume_context: parameters.context(&request.parameters),
            accessible_topology: vec![self.topology()],
        };
        Ok(CreateVolumeResponse {
            volume: Some(volume),
        })
    }

    fn allocate(
        &self,
        id: Uuid,
        bytes: u64,
        sizes: &Sizes,
        parameters: &Parameters,
    ) -> Result<u64, Status> {
        let made = self.pool.change(|drives| {
            // Another driver of this node may have made it.
            if let Some(bytes) = existing(drives, id, sizes, parameters)? {
                return Ok(bytes);
            }
            let pool = &parameters.pool;
            let mut tables = drives.of_pool_mut(pool);
            if alloc::create(&mut tables, id, bytes).is_some() {
                return Ok(bytes);
            }
            let (largest, freed) = (alloc::largest(drives.of_pool(pool)), freed(drives, pool));
            Err(Status::resource_exhausted(format!(
                "no drive of pool {pool} has room for {bytes} bytes: the largest volume would have {largest}, and \
                 {freed} bytes are freed and not zeroed yet"
            )))
        })?;
        log::info!("volume {id} of {made} bytes is in pool {}", parameters.pool);
        Ok(made)
    }

    /// Frees a volume: one write of its table. What it held is zeroed later, and not given out before.
    pub(crate) fn delete_volume(&self, request: DeleteVolumeRequest) -> Result<Empty, Status> {
        if request.volume_id.is_empty() {
            return Err(Status::invalid_argument("no volume is given"));
        }
        let Some(id) = volume::of_id(&request.volume_id) else {
            return Ok(Empty {});
        };
        let _taken = self.busy.take(id)?;
        let mapped = match Devices::connect() {
            Ok(mut devices) => devices.of(id)?,
            // Without the module nothing is mapped.
            Err(why) if why.code() == tonic::Code::Unavailable => None,
            Err(why) => return Err(why),
        };
        if mapped.is_some() {
            return Err(Status::failed_precondition(format!(
                "volume {id} is staged on its node"
            )));
        }
        let found = self.pool.change(|drives| {
            let tables = drives.0.iter_mut().map(|drive| &mut drive.table);
            Ok(tables.fold(false, |found, table| table.free_volume(id) || found))
        })?;
        if found {
            log::info!("volume {id} is freed");
            self.bell.ring();
        }
        Ok(Empty {})
    }

    /// Whether a volume can be used in these ways.
    pub(crate) fn validate_volume_capabilities(
        &self,
        request: ValidateVolumeCapabilitiesRequest,
    ) -> Result<ValidateVolumeCapabilitiesResponse, Status> {
        if request.volume_id.is_empty() {
            return Err(Status::invalid_argument("no volume is given"));
        }
        if request.volume_capabilities.is_empty() {
            return Err(Status::invalid_argument("no capability is given"));
        }
        self.pieces(&request.volume_id)?;
        let known = Capability::all(&request.volume_capabilities)
            .and_then(|_| Parameters::of(&request.parameters))
            .and_then(|_| Parameters::of(&request.volume_context))
            .and_then(|_| match request.mutable_parameters.is_empty() {
                true => Ok(()),
                false => Err("no parameter of a volume can be changed later".to_owned()),
            });
        Ok(match known {
            Ok(()) => ValidateVolumeCapabilitiesResponse {
                confirmed: Some(Confirmed {
                    volume_context: request.volume_context,
                    volume_capabilities: request.volume_capabilities,
                    parameters: request.parameters,
                }),
                message: String::new(),
            },
            Err(message) => ValidateVolumeCapabilitiesResponse {
                confirmed: None,
                message,
            },
        })
    }

    /// The room in a pool of this node.
    pub(crate) fn capacity(
        &self,
        request: GetCapacityRequest,
    ) -> Result<GetCapacityResponse, Status> {
        let parameters = Parameters::of(&request.parameters).map_err(Status::invalid_argument)?;
        let here = request
            .accessible_topology
            .as_ref()
            .is_none_or(|topology| self.is_here(topology));
        let capable = request
            .volume_capabilities
            .iter()
            .all(|wanted| Capability::of(wanted).is_ok());
        if !here || !capable {
            return Ok(GetCapacityResponse::default());
        }
        let drives = self.pool.drives();
        let pool = || drives.of_pool(&parameters.pool);
        let free = pool().map(|table| table.free()).sum();
        let wrapped = |bytes| {
            Some(Int64Value {
                value: signed(bytes),
            })
        };
        Ok(GetCapacityResponse {
            available_capacity: signed(free),
            maximum_volume_size: wrapped(alloc::largest(pool())),
            minimum_volume_size: wrapped(GRAIN),
        })
    }

    /// Where volumes of this node are reached from.
    pub(crate) fn topology(&self) -> Topology {
        let segments = [(TOPOLOGY.to_owned(), self.node.clone())].into();
        Topology { segments }
    }

    /// Whether a place is this node, as far as it says anything of ours.
    fn is_here(&self, topology: &Topology) -> bool {
        topology
            .segments
            .get(TOPOLOGY)
            .is_none_or(|node| *node == self.node)
    }

    /// Whether a volume here is where it is wanted.
    fn is_reached_from(&self, wanted: Option<&TopologyRequirement>) -> Result<(), Status> {
        let places = wanted.map(|wanted| match &wanted.requisite[..] {
            [] => &wanted.preferred[..],
            some => some,
        });
        match places {
            None | Some([]) => Ok(()),
            Some(places) if places.iter().any(|place| self.is_here(place)) => Ok(()),
            Some(_) => Err(Status::resource_exhausted(format!(
                "volumes of node {} are reached from there alone",
                self.node
            ))),
        }
    }
}

/// Size of a volume that is there already; none if there is none.
fn existing(
    drives: &Drives,
    id: Uuid,
    sizes: &Sizes,
    parameters: &Parameters,
) -> Result<Option<u64>, Status> {
    let Some(pieces) = drives.volume(id) else {
        return Ok(None);
    };
    let (bytes, pool) = (size(&pieces), drives.pool_of(&pieces).unwrap_or_default());
    if !sizes.allow(bytes) {
        return Err(Status::already_exists(format!(
            "volume {id} is there and has {bytes} bytes"
        )));
    }
    if pool != parameters.pool {
        return Err(Status::already_exists(format!(
            "volume {id} is there, in pool {pool}"
        )));
    }
    Ok(Some(bytes))
}

fn freed(drives: &Drives, pool: &str) -> u64 {
    drives.of_pool(pool).map(|table| table.freed()).sum()
}

/// A size as messages have it.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Capabilities by their numbers.
pub(crate) fn capabilities(kinds: &[i32]) -> GetCapabilitiesResponse {
    let of = |kind: &i32| ServiceCapability {
        rpc: Some(Kind { kind: *kind }),
    };
    GetCapabilitiesResponse {
        capabilities: kinds.iter().map(of).collect(),
    }
}
