// SPDX-License-Identifier: MIT OR Apache-2.0
//! Volumes as requests name them: identity, size, and one RPC at a time.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use shunt_csi::proto::CapacityRange;
use tonic::Status;
use uuid::Uuid;

use crate::pool::layout::GRAIN;

/// Size of a volume of which nobody says how large it is to be.
const USUAL: u64 = 1 << 30;

/// The volume of a name, the same each time. Kubernetes gives names that are UUIDs, and each volume keeps its own.
pub(crate) fn of_name(name: &str) -> Uuid {
    let given = name.strip_prefix("pvc-").and_then(|rest| {
        // Only as it is written usually: so that no two names mean the same volume.
        let id = Uuid::try_parse(rest).ok()?;
        (id.to_string() == rest).then_some(id)
    });
    given.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

/// The volume of an identity in a request; none if there can be no such volume.
pub(crate) fn of_id(id: &str) -> Option<Uuid> {
    let volume = Uuid::try_parse(id).ok()?;
    (volume.to_string() == id).then_some(volume)
}

/// Sizes that a request allows, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    least: u64,
    most: u64,
}

impl Sizes {
    /// What a request asks for.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a negative size, `OUT_OF_RANGE` if no size is allowed.
    pub(crate) fn of(range: Option<&CapacityRange>) -> Result<Self, Status> {
        let (required, limit) =
            range.map_or((0, 0), |range| (range.required_bytes, range.limit_bytes));
        let unsigned = |size: i64| {
            u64::try_from(size)
                .map_err(|_| Status::invalid_argument(format!("the size {size} is negative")))
        };
        let (least, most) = (unsigned(required)?, unsigned(limit)?);
        let most = if most == 0 { i64::MAX as u64 } else { most };
        if least > most {
            return Err(Status::out_of_range(format!(
                "{least} bytes are required, and at most {most} allowed"
            )));
        }
        Ok(Self { least, most })
    }

    /// Whether a size is allowed.
    pub(crate) fn allow(&self, size: u64) -> bool {
        (self.least..=self.most).contains(&size)
    }

    /// The size for a new volume that must have `floor` bytes for its file system: whole MiB.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` if that is not allowed.
    pub(crate) fn choose(&self, floor: u64) -> Result<u64, Status> {
        let wanted = match self.least {
            0 => USUAL.min(self.most - self.most % GRAIN),
            least => least,
        };
        self.at_least(wanted.max(floor).max(GRAIN))
    }

    /// The size for a volume that has `size` bytes and is to have what is asked for.
    ///
    /// # Errors
    /// As [`choose`](Self::choose).
    pub(crate) fn at_least(&self, size: u64) -> Result<u64, Status> {
        let size = size.max(self.least).checked_next_multiple_of(GRAIN);
        size.filter(|size| *size <= self.most).ok_or_else(|| {
            Status::out_of_range(format!(
                "a volume has whole MiB, and there is no such size from {} to {} bytes",
                self.least, self.most
            ))
        })
    }
}

/// Volumes that an RPC is at work on.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<HashSet<Uuid>>);

/// A volume that is taken; given back on drop.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    busy: &'a Busy,
    volume: Uuid,
}

impl Busy {
    /// Takes a volume for an RPC.
    ///
    /// # Errors
    /// `ABORTED` if another one has it.
    pub(crate) fn take(&self, volume: Uuid) -> Result<Taken<'_>, Status> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.insert(volume) {
            true => Ok(Taken { busy: self, volume }),
            false => Err(Status::aborted(format!(
                "another call is at work on volume {volume}; try again"
            ))),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut taken = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.volume);
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn sizes(required_bytes: i64, limit_bytes: i64) -> Result<Sizes, Code> {
        let range = CapacityRange {
            required_bytes,
            limit_bytes,
        };
        Sizes::of(Some(&range)).map_err(|why| why.code())
    }

    #[test]
    fn a_name_means_one_volume_and_no_two_names_the_same() {
        let id = "0aaaaaaa-2222-4333-8444-555555555555";
        assert_eq!(of_name(&format!("pvc-{id}")).to_string(), id);
        let names = [
            format!("pvc-{id}"),
            format!("pvc-{}", id.to_uppercase()),
            format!("pvc-{}", id.replace('-', "")),
            format!("pvc-{{{id}}}"),
            id.to_owned(),
            "x".repeat(128),
        ];
        let volumes: HashSet<_> = names.iter().map(|name| of_name(name)).collect();
        assert_eq!(volumes.len(), names.len());
        assert_eq!(of_name("x"), of_name("x"));
    }

    #[test]
    fn only_an_identity_as_it_was_given_is_one() {
        let id = "0aaaaaaa-2222-4333-8444-555555555555";
        assert!(of_id(id).is_some());
        for other in ["", "no", &id.to_uppercase(), &id.replace('-', "")] {
            assert_eq!(of_id(other), None, "{other}");
        }
    }

    #[test]
    fn a_size_is_chosen_within_what_is_allowed() {
        let choose = |required, limit, floor| {
            sizes(required, limit)?
                .choose(floor)
                .map_err(|why| why.code())
        };
        assert_eq!(choose(0, 0, 0), Ok(USUAL));
        assert_eq!(choose(1, 0, 0), Ok(GRAIN));
        assert_eq!(choose(0, 5_000_000, 0), Ok(4 * GRAIN));
        assert_eq!(choose(GRAIN as i64 + 1, 0, 0), Ok(2 * GRAIN));
        assert_eq!(choose(1, 0, 300 * GRAIN), Ok(300 * GRAIN));
        assert_eq!(
            choose(GRAIN as i64 + 1, GRAIN as i64 + 2, 0),
            Err(Code::OutOfRange)
        );
        assert_eq!(choose(1, GRAIN as i64, 300 * GRAIN), Err(Code::OutOfRange));
        assert_eq!(choose(i64::MAX, 0, 0), Err(Code::OutOfRange));
        assert_eq!(choose(2, 1, 0), Err(Code::OutOfRange));
        assert_eq!(choose(-1, 0, 0), Err(Code::InvalidArgument));
    }

    #[test]
    fn a_volume_is_taken_once() {
        let busy = Busy::default();
        let volume = of_name("x");
        let taken = busy.take(volume).unwrap();
        assert_eq!(busy.take(volume).unwrap_err().code(), Code::Aborted);
        drop(taken);
        assert!(busy.take(volume).is_ok());
    }
}
