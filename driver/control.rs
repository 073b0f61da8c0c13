// SPDX-License-Identifier: GPL-2.0-only

//! The netlink family `shunt`: the only way to control the module.
//!
//! | command | handler |
//! |---|---|
//! | device-new, device-del, device-get, device-set, caps-get | [`device`] |
//! | stats-get, stats-set | [`stats`] |
//! | device-ntf | [`notify`] |
//! | stats-ntf | [`sampler`] |
//!
//! A handler decodes the request, calls the domain, and encodes the answer. The domain never
//! imports from here.

mod decode;
mod device;
mod encode;
mod notify;
mod policy;
mod sampler;
mod stats;

use crate::{
    error::Refused,
    event,
    kernel_ext::{
        block::bdev::DevT,
        net::genl::{Context, Family, Group, Operation, Permission, Refusal, Registration},
        work::Work,
    },
    registry::{Key, Registry},
    uapi::{self, Reason},
};
use kernel::{prelude::*, sync::Arc};
use sampler::Sampler;

/// What the operations work on.
#[pin_data]
pub(crate) struct Control {
    #[pin]
    registry: Registry,
    #[pin]
    notifier: notify::Notifier,
    sampler: Work<Sampler>,
}

static OPERATIONS: [Operation<Control>; 9] = [
    Operation::doit::<device::New>(),
    Operation::doit::<device::Del>(),
    Operation::doit::<device::Get>(),
    Operation::dump::<device::Get>(),
    Operation::doit::<stats::Get>(),
    Operation::dump::<stats::Get>(),
    Operation::doit::<device::Set>(),
    Operation::doit::<stats::Set>(),
    Operation::doit::<device::Caps>(),
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
            registry <- Registry::new(),
            notifier <- notify::Notifier::new(),
            sampler: Work::new(Sampler::new())?,
        }),
        GFP_KERNEL,
    )?)
}

/// A backing device goes: tells the users of each device on it, and the listeners.
fn lost(dev: DevT, surprise: bool) {
    FAMILY.with(|control| {
        let mut from = 0;
        while let Some(lost) = control.registry.lose(dev, &mut from) {
            if let Some(disk) = lost.disk {
                disk.report_dead(surprise);
            }
            // If it has been unmapped meanwhile, its listeners have been told of that.
            let _ = control.registry.with(&Key::Id(lost.id), |device| {
                control
                    .notifier
                    .send(device, Reason::Lost, Some(lost.in_flight));
                Ok(())
            });
        }
    });
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

    fn write(&self, text: &mut dyn core::fmt::Write) -> core::fmt::Result {
        self.write(text)
    }
}
