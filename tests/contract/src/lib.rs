// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract of the family `shunt`: claims that hold for whoever answers its requests.
//!
//! The same claims are tried on the module in a VM (`tests/vm`, topic `contract`) and, by this crate's own tests, on the
//! in-memory kernel that all other tests of userspace rely on. So that one is true.

mod changes;
mod tables;

use std::fmt::Debug;

use shunt::{Client, Device, DeviceSpec, Error, Refusal, Selector, TargetSpec, Transport};
use shunt_logic::refusal::Refused;

/// Bytes that each of the two drives must have at least.
pub const DRIVE: u64 = 64 * MIB;

const MIB: u64 = 1 << 20;

/// A kernel without devices, and two drives with logical blocks of 512 bytes that nobody uses.
#[derive(Debug)]
pub struct Kernel<T: Transport> {
    client: Client<T>,
    drives: [String; 2],
}

/// A claim, with its name.
#[derive(Clone, Copy, Debug)]
pub struct Claim<T: Transport> {
    /// What it says.
    pub name: &'static str,
    /// Tries it. It panics if it does not hold.
    pub check: fn(&mut Kernel<T>),
}

macro_rules! claims {
    ($($topic:ident::$name:ident),+ $(,)?) => {
        vec![$(Claim { name: stringify!($name), check: $topic::$name }),+]
    };
}

/// All claims.
pub fn claims<T: Transport>() -> Vec<Claim<T>> {
    claims![
        tables::names_are_refused_by_the_rulebook,
        tables::a_name_is_taken_once,
        tables::pieces_stay_within_their_drive,
        tables::pieces_do_not_overlap,
        tables::joined_targets_follow_each_other,
        tables::stripes_are_equally_long,
        tables::a_table_has_as_many_targets_as_it_may,
        changes::a_device_is_found_by_what_it_is,
        changes::a_change_of_a_table_that_is_gone_is_refused,
        changes::a_retarget_keeps_what_was_promised,
        changes::what_grows_is_the_end,
        changes::no_device_stands_on_itself,
        changes::a_suspended_device_is_shown_as_such,
        changes::settings_that_are_not_given_stay,
        changes::a_number_is_used_again_and_a_generation_is_not,
    ]
}

impl<T: Transport> Kernel<T> {
    /// The kernel that `client` talks to, and the paths of its drives.
    pub fn new(client: Client<T>, drives: [String; 2]) -> Self {
        Self { client, drives }
    }

    fn piece(&self, drive: usize, offset: u64, length: impl Into<Option<u64>>) -> TargetSpec {
        TargetSpec {
            offset,
            length: length.into(),
            ..TargetSpec::whole(&self.drives[drive])
        }
    }

    /// Maps a device that no claim is about.
    #[track_caller]
    fn map(&mut self, name: &str, targets: Vec<TargetSpec>) -> Device {
        let spec = DeviceSpec::new(name, targets);
        accepted(self.client.create_device(&spec))
    }

    #[track_caller]
    fn unmap(&mut self, name: &str) {
        accepted(self.client.delete_device(&Selector::name(name)));
    }
}

#[track_caller]
fn accepted<R>(answer: Result<R, Error>) -> R {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("refused: {error:?}"),
    }
}

/// The answer must be what the rulebook says, in number, words and place.
#[track_caller]
fn is_refused<R: Debug>(answer: Result<R, Error>, reason: Refused) {
    let Err(Error::Refused(mut refusal)) = answer else {
        panic!("not refused ({reason}): {answer:?}");
    };
    // Which path it is, the library adds.
    if let Some(part) = &mut refusal.part {
        part.path = None;
    }
    assert_eq!(refusal, Refusal::from(reason));
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt::transport::fake::{Drive, Fake};

    #[test]
    fn the_kernel_in_memory_keeps_the_contract() {
        for claim in claims::<Fake>() {
            eprintln!("{}", claim.name);
            let kernel = Fake::new();
            let drives = ["/dev/one", "/dev/other"].map(str::to_owned);
            for (minor, path) in drives.iter().enumerate() {
                kernel.add_drive(
                    path,
                    Drive::new(8, minor as u32, DRIVE + minor as u64 * MIB),
                );
            }
            let mut kernel = Kernel::new(Client::new(kernel), drives);
            (claim.check)(&mut kernel);
        }
    }
}
