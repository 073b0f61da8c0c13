// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cases, one topic a file. The name of a case is a claim; a case panics if the claim does not hold and prints
//! nothing if it does. Each begins and ends with the module unloaded, but for those of a whole system (see [`Init`]).

/// Names the cases of a topic, in the order in which they run. The topic is called what its file is.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const CASES: &[crate::cases::Case] =
            &[$(crate::cases::Case { module: module_path!(), name: stringify!($name), run: $name }),*];
    };
}

mod beside;
mod boot;
mod busy;
mod caps;
mod config;
mod contract;
mod csi;
mod csi_access;
mod csi_errors;
mod csi_faults;
mod csi_pool;
mod daemon;
mod data;
mod drained;
mod encryption;
mod errors;
mod events;
mod faults;
mod flush;
mod force;
mod freeze;
mod genetlink;
mod hot;
mod identity;
mod ioctls;
mod leaks;
mod limits;
mod loss;
mod many;
mod matrix;
mod metrics;
mod modes;
mod names;
mod observed;
mod overrun;
mod pace;
mod packaging;
mod polled;
mod privilege;
mod queue;
mod ranges;
mod read_only;
mod refusals;
mod reservations;
mod resize;
mod retarget;
mod scale;
mod secure_erase;
mod set;
mod stacked_queues;
mod stacking;
mod stats;
mod stream;
mod stuck;
mod suspend;
mod tables;
mod tree;
mod truth;
mod udev;
mod version;
mod ynl;
mod zoned;

/// The topics in the order in which they run. Of one that is not here the compiler says that it is never used.
///
/// A macro that declares the modules by this list would spare their names above, but rustfmt passes by the files of modules
/// that a macro declares.
const TOPICS: &[&[Case]] = &[
    // They take longest, where they run: the guests end together if they begin with them.
    faults::CASES,
    data::CASES,
    ranges::CASES,
    secure_erase::CASES,
    flush::CASES,
    encryption::CASES,
    errors::CASES,
    stats::CASES,
    truth::CASES,
    overrun::CASES,
    stream::CASES,
    modes::CASES,
    limits::CASES,
    caps::CASES,
    read_only::CASES,
    refusals::CASES,
    names::CASES,
    contract::CASES,
    busy::CASES,
    privilege::CASES,
    tree::CASES,
    stacking::CASES,
    stacked_queues::CASES,
    observed::CASES,
    events::CASES,
    ynl::CASES,
    many::CASES,
    polled::CASES,
    zoned::CASES,
    ioctls::CASES,
    reservations::CASES,
    matrix::CASES,
    tables::CASES,
    queue::CASES,
    retarget::CASES,
    pace::CASES,
    drained::CASES,
    suspend::CASES,
    freeze::CASES,
    resize::CASES,
    identity::CASES,
    set::CASES,
    force::CASES,
    stuck::CASES,
    genetlink::CASES,
    beside::CASES,
    metrics::CASES,
    scale::CASES,
    packaging::CASES,
    udev::CASES,
    version::CASES,
    leaks::CASES,
    // Take drives away and bring them back, so they come last.
    config::CASES,
    daemon::CASES,
    csi::CASES,
    csi_errors::CASES,
    csi_access::CASES,
    csi_pool::CASES,
    csi_faults::CASES,
    loss::CASES,
    hot::CASES,
    // In a boot of their own.
    boot::CASES,
];

/// What the guest is that a case runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// A bare kernel: nothing runs but the case.
    Runner,
    /// A whole system: systemd has brought it up, with shunt installed.
    Systemd,
}

/// One claim and the function that tries it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
}

impl Case {
    /// What its file is called.
    pub(crate) fn topic(&self) -> &'static str {
        let last = self.module.rsplit("::").next();
        last.unwrap_or(self.module)
    }

    fn is_of(&self, topic: &[Self]) -> bool {
        topic.iter().any(|case| case.module == self.module)
    }

    /// Topic and name, by which the case is known.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.topic(), self.name)
    }

    /// Whether it is a matter of minutes, so that guests side by side had better take one each.
    pub(crate) fn is_long(&self) -> bool {
        self.is_of(faults::CASES)
    }

    /// Whether it holds times against figures, so that nothing else may take its share of the machine.
    pub(crate) fn is_timed(&self) -> bool {
        let timed = [pace::CASES, scale::CASES, stream::CASES, truth::CASES];
        timed.iter().any(|topic| self.is_of(topic))
    }

    /// Whether it tries what the programs make of the module, and nothing of the module that other cases do not try.
    pub(crate) fn is_of_programs(&self) -> bool {
        let programs = [
            csi::CASES,
            csi_access::CASES,
            csi_errors::CASES,
            csi_faults::CASES,
            csi_pool::CASES,
            metrics::CASES,
            packaging::CASES,
            scale::CASES,
            version::CASES,
        ];
        programs.iter().any(|topic| self.is_of(topic))
    }

    /// What it runs in.
    pub(crate) fn init(&self) -> Init {
        match self.is_of(boot::CASES) {
            true => Init::Systemd,
            false => Init::Runner,
        }
    }
}

/// All cases in the order in which they run.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    TOPICS.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_two_cases_have_the_same_name() {
        let names: HashSet<String> = super::all().map(super::Case::full_name).collect();
        assert_eq!(names.len(), super::all().count());
    }
}
