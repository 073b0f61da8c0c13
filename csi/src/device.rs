// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shunt device of a volume, by the library. Its name is made from the volume's, so nothing has to be remembered.

use nix::libc::{EEXIST, ENODEV};
use shunt::{
    Client, Error, Selector,
    model::{Device, DeviceChange, DeviceSpec, State, TargetSpec},
    transport::{
        Kernel,
        netlink::{Netlink, RunningKernel},
    },
    unmap,
};
use tonic::Status;
use uuid::Uuid;

/// Name of the device of a volume: that of the persistent volume, as Kubernetes makes it.
pub(crate) fn name(volume: Uuid) -> String {
    format!("pvc-{volume}")
}

/// The volume of a device; none if it is nobody's.
pub(crate) fn volume(name: &str) -> Option<Uuid> {
    Uuid::parse_str(name.strip_prefix("pvc-")?).ok()
}

/// The kernel module, asked for devices of volumes.
#[derive(Debug)]
pub(crate) struct Devices(Client<Netlink>);

impl Devices {
    /// Asks the module, which is never loaded for that.
    ///
    /// # Errors
    /// `UNAVAILABLE` without it.
    pub(crate) fn connect() -> Result<Self, Status> {
        RunningKernel::default()
            .connect_if_loaded()
            .map(Self)
            .map_err(|why| status(&why))
    }

    /// The device of a volume, if it is mapped.
    pub(crate) fn of(&mut self, volume: Uuid) -> Result<Option<Device>, Status> {
        match self.0.device(&Selector::name(name(volume))) {
            Ok(device) => Ok(Some(device)),
            Err(why) if why.errno() == Some(ENODEV) => Ok(None),
            Err(why) => Err(status(&why)),
        }
    }

    /// All devices of volumes.
    pub(crate) fn all(&mut self) -> Result<Vec<(Uuid, Device)>, Status> {
        let devices = self.0.devices().map_err(|why| status(&why))?;
        let ours = devices.into_iter();
        Ok(ours
            .filter_map(|device| Some((volume(&device.name)?, device)))
            .collect())
    }

    /// Operations of the device that ended with an error since it was mapped.
    pub(crate) fn errors(&mut self, device: &Device) -> Result<u64, Status> {
        let stats = self
            .0
            .stats(&Selector::name(device.name.as_str()))
            .map_err(|why| status(&why))?;
        Ok(stats.ops.iter().map(|op| op.errors).sum())
    }

    /// Maps a volume.
    pub(crate) fn map(&mut self, spec: &DeviceSpec) -> Result<Device, Status> {
        match self.0.create_device(spec) {
            Err(why) if why.errno() == Some(EEXIST) => {
                let device = self.0.device(&Selector::name(spec.name.as_str()));
                device.map_err(|why| status(&why))
            }
            done => done.map_err(|why| status(&why)),
        }
    }

    /// Leads the device to where its volume is now, if that has changed; it grows with it. Whether it was lost.
    pub(crate) fn follow(
        &mut self,
        device: Device,
        targets: Vec<TargetSpec>,
    ) -> Result<(Device, bool), Status> {
        let was_lost = device.state == State::Lost;
        if !was_lost && are_those(&device, &targets) {
            return Ok((device, false));
        }
        let stripe = None;
        let change = DeviceChange::Retarget { targets, stripe };
        let changed = self.0.change_device(&Selector::of(&device), &change);
        Ok((changed.map_err(|why| status(&why))?, was_lost))
    }

    /// Lets writes through, or not.
    pub(crate) fn set_read_only(&mut self, device: &Device, read_only: bool) -> Result<(), Status> {
        if device.read_only == read_only {
            return Ok(());
        }
        let change = DeviceChange::Settings {
            stats: None,
            read_only: Some(read_only),
        };
        let changed = self.0.change_device(&Selector::of(device), &change);
        changed.map(drop).map_err(|why| status(&why))
    }

    /// Unmaps the device.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` if somebody has it open.
    pub(crate) fn unmap(&mut self, device: &Device) -> Result<(), Status> {
        match unmap::unmap(&mut self.0, &Selector::of(device)) {
            Ok(()) => Ok(()),
            Err(not) if matches!(not.error.errno(), Some(ENODEV)) => Ok(()),
            Err(not) => Err(status(&not.error)),
        }
    }
}

/// Whether a device leads to these places.
fn are_those(device: &Device, targets: &[TargetSpec]) -> bool {
    let pairs = device.targets.iter().zip(targets);
    device.targets.len() == targets.len()
        && pairs.into_iter().all(|(is, wanted)| {
            let number = wanted.planned.map(|id| (id.major, id.minor));
            let diskseq = wanted.planned.and_then(|id| id.diskseq);
            is.offset == wanted.offset
                && Some(is.length) == wanted.length
                && number == Some(is.number())
                && diskseq.is_none_or(|diskseq| diskseq == is.diskseq)
        })
}

/// What is answered for an error of the module.
pub(crate) fn status(why: &Error) -> Status {
    use nix::libc::{EBUSY, EINVAL};
    let text = why.to_string();
    match why {
        Error::NotLoaded | Error::Unloaded => Status::unavailable(text),
        Error::LedElsewhere { .. } => Status::unavailable(text),
        _ => match why.errno() {
            Some(EBUSY) => Status::failed_precondition(text),
            Some(EINVAL) => Status::invalid_argument(text),
            _ => Status::internal(text),
        },
    }
}
