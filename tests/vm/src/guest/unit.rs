// SPDX-License-Identifier: MIT OR Apache-2.0
//! A unit of a system that runs, as systemd tells of it.

use super::command::run;
use super::wait::wait_until;

/// A unit, by its name.
#[derive(Clone, Copy)]
pub(crate) struct Unit(pub(crate) &'static str);

impl Unit {
    /// A property, as `systemctl show` gives it.
    #[track_caller]
    pub(crate) fn property(self, name: &str) -> String {
        let said = run(&format!(
            "systemctl show --value --property={name} {}",
            self.0
        ));
        said.trim().to_owned()
    }

    /// A property that is a number: of a process, of times, or a moment in microseconds since the boot.
    #[track_caller]
    pub(crate) fn number(self, name: &str) -> u64 {
        let text = self.property(name);
        text.parse()
            .unwrap_or_else(|_| panic!("{name} of {} is {text:?}", self.0))
    }

    /// Waits until it is active.
    #[track_caller]
    pub(crate) fn wait_until_active(self) {
        wait_until(&format!("{} is active", self.0), || {
            self.property("ActiveState") == "active"
        });
    }

    /// `systemctl VERB UNIT`
    #[track_caller]
    pub(crate) fn order(self, verb: &str) {
        run(&format!("systemctl {verb} {}", self.0));
    }
}
