// SPDX-License-Identifier: GPL-2.0-only

//! The netlink family `shunt`: the only way to control the module.
//!
//! | command | handler |
//! |---|---|
//! | device-new, device-del, device-get | [`device`] |
//! | stats-get | [`stats`] |
//! | device-ntf | [`notify`] |
//!
//! A handler decodes the request, calls the domain, and encodes the answer. The domain never
//! imports from here.

mod decode;
mod device;
mod encode;
mod notify;
mod policy;
mod stats;

use crate::{
    error::Refused,
    kernel_ext::net::genl::{Family, Group, Operation, Permission, Refusal, Registration},
    registry::Registry,
    uapi,
};
use kernel::{prelude::*, sync::Arc};

/// What the operations work on.
#[pin_data]
pub(crate) struct Control {
    #[pin]
    registry: Registry,
    notifier: notify::Notifier,
}

static OPERATIONS: [Operation<Control>; 6] = [
    Operation::doit::<device::New>(),
    Operation::doit::<device::Del>(),
    Operation::doit::<device::Get>(),
    Operation::dump::<device::Get>(),
    Operation::doit::<stats::Get>(),
    Operation::dump::<stats::Get>(),
];

static GROUPS: [Group; 1] = [Group::new(uapi::group::CONFIG, Permission::Admin)];

static FAMILY: Family<Control> = Family::new(
    uapi::FAMILY_NAME,
    uapi::FAMILY_VERSION,
    &OPERATIONS,
    &GROUPS,
);

/// Begins to take commands, until the result is dropped.
pub(crate) fn register() -> Result<Registration<Control>> {
    FAMILY.register(Arc::pin_init(
        try_pin_init!(Control {
            registry <- Registry::new(),
            notifier: notify::Notifier::new(),
        }),
        GFP_KERNEL,
    )?)
}

impl Refusal for Refused {
    fn error(&self) -> Error {
        self.error()
    }

    fn write(&self, text: &mut dyn core::fmt::Write) -> core::fmt::Result {
        self.write(text)
    }
}
