// SPDX-License-Identifier: GPL-2.0-only

//! The netlink family `shunt`: the only way to control the module.
//!
//! | command | handler |
//! |---|---|
//! | device-new, device-del, device-get, device-set, caps-get | [`device`] |
//! | stats-get, stats-set | [`stats`] |
//! | module-get | [`module`] |
//! | device-ntf | [`notify`] |
//! | stats-ntf | [`sampler`] |
//!
//! A handler decodes the request, calls the domain, and encodes the answer. The domain never
//! imports from here.

mod decode;
mod device;
mod encode;
mod module;
mod notify;
mod policy;
mod sampler;
mod stats;

use crate::{
    device::Settings,
    error::Refused,
    event,
    kernel_ext::{
        block::bdev::DeviceId,
        net::{
            attr::Place,
            genl::{Context, Family, Operation, Permission, Refusal, Registration},
            multicast::Group,
        },
        work::Work,
    },
    registry::{Lost, Registry},
    uapi::{self, Reason, State},
};
use kernel::{alloc::AllocError, prelude::*, sync::Arc};
use sampler::Sampler;

/// What the operations work on.
#[pin_data]
pub(crate) struct Control {
    registry: Arc<Registry>,
    #[pin]
    notifier: notify::Notifier,
    sampler: Work<Sampler>,
}

static OPERATIONS: [Operation<Control>; 10] = [
    Operation::later::<device::New>(),
    Operation::later::<device::Del>(),
    Operation::doit::<device::Get>(),
    Operation::dump::<device::Get>(),
    Operation::doit::<stats::Get>(),
    Operation::dump::<stats::Get>(),
    Operation::later::<device::Set>(),
    Operation::doit::<stats::Set>(),
    Operation::doit::<device::Caps>(),
    Operation::doit::<module::Get>(),
];

static GROUPS: [Group; 2] = [
    Group::new(uapi::group::CONFIG, Permission::Admin),
    Group::new(uapi::group::STATS, Permission::Anybody),
];

static FAMILY: Family<Control> = Family::new(
    uapi::FAMILY_NAME,
    uapi::FAMILY_VERSION,
    &OPERATIONS,
    &GROUPS,
);

/// Begins to take commands, until the result is dropped.
pub(crate) fn register() -> Result<Registration<Control>> {
    event::on_lost(lost);
    FAMILY.register(Arc::pin_init(
        try_pin_init!(Control {
            registry: Arc::pin_init(Registry::new(), GFP_KERNEL)?,
            notifier <- notify::Notifier::new(),
            sampler: Work::new(Sampler::new())?,
        }),
        GFP_KERNEL,
    )?)
}

/// A backing device goes: every device on it is lost at once. Then the listeners are told of each, and last the users, who
/// may have much to write to other drives.
fn lost(drive: DeviceId, surprise: bool) {
    FAMILY.with(|control| {
        let (mut after, mut untold) = (None, KVec::new());
        while let Some(lost) = control.registry.lose(drive, &mut after) {
            match untold.reserve(1, GFP_KERNEL) {
                // There is room for it.
                Ok(()) => drop(untold.push_within_capacity(lost)),
                Err(AllocError) => {
                    tell_listeners(control, &lost);
                    tell_users(control, &lost, surprise);
                }
            }
        }
        untold.iter().for_each(|lost| tell_listeners(control, lost));
        untold
            .iter()
            .for_each(|lost| tell_users(control, lost, surprise));
    });
}

/// Tells the listeners of a device that was lost, unless it has been unmapped or moved to other drives meanwhile, which they
/// have been told of.
fn tell_listeners(control: &Control, Lost(device, in_flight): &Lost) {
    let _ = control.registry.with(device, |device| {
        if device.with_settings(Settings::state) == State::Lost {
            let failed = Some(*in_flight);
            control.notifier.send(device, Reason::Lost, failed);
        }
        Ok(())
    });
}

/// Tells the users of a device that was lost, if it still is.
fn tell_users(control: &Control, Lost(device, _): &Lost, surprise: bool) {
    let users = control
        .registry
        .with(device, |device| Ok(device.users_of_lost()));
    if let Ok(Some(users)) = users {
        users.report_dead(surprise);
    }
}

impl Context for Control {
    fn family() -> &'static Family<Self> {
        &FAMILY
    }

    fn joined(&self, index: usize) {
        if index == uapi::group::STATS_INDEX {
            self.sampler.queue(self.sampler.interval_ms());
        }
    }
}

impl Refusal for Refused {
    fn error(&self) -> Error {
        self.error()
    }

    fn place(&self) -> Option<Place> {
        self.place()
    }

    fn write(&self, text: &mut dyn core::fmt::Write) -> core::fmt::Result {
        write!(text, "{self}")
    }
}
