// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a request wants of a volume: how it is accessed, in which pool it is, how its device is.

use shunt::model::{QueueMode, StatsMode};
use shunt_csi::proto::{AccessType, Pairs, VolumeCapability, access};
use tonic::Status;

use crate::{init, pool::layout::GRAIN};

/// Names and values that Kubernetes adds begin so.
const KUBERNETES: &str = "csi.storage.k8s.io/";

/// What the sidecar `--extra-create-metadata` tells, and what it is called in a volume's context.
pub(crate) const CLAIM: [(&str, &str); 3] = [
    ("csi.storage.k8s.io/pvc/name", "persistentvolumeclaim"),
    ("csi.storage.k8s.io/pvc/namespace", "namespace"),
    ("csi.storage.k8s.io/pv/name", "persistentvolume"),
];

/// File systems that the driver makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FsKind {
    Ext4,
    Xfs,
}

impl FsKind {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Bytes that it needs: mkfs.xfs refuses less than 300 MiB.
    pub(crate) fn floor(self) -> u64 {
        match self {
            Self::Ext4 => 4 * GRAIN,
            Self::Xfs => 300 * GRAIN,
        }
    }
}

/// How a volume is accessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// As a block device.
    Block,
    /// By a file system, mounted with these options.
    Mount(FsKind, Vec<String>),
}

/// A capability that the driver has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    pub(crate) access: Access,
    /// Nobody writes to it.
    pub(crate) reader: bool,
    /// Several may have it on this node.
    pub(crate) many: bool,
}

impl Capability {
    /// A capability of a request.
    ///
    /// # Errors
    /// In words, if the driver does not have it.
    pub(crate) fn of(wanted: &VolumeCapability) -> Result<Self, String> {
        let access = match &wanted.access_type {
            None => {
                return Err(
                    "it is not said whether the volume is a block device or mounted".to_owned(),
                );
            }
            Some(AccessType::Block(_)) => Access::Block,
            Some(AccessType::Mount(mount)) => {
                let kind = match &*mount.fs_type {
                    "" | "ext4" => FsKind::Ext4,
                    "xfs" => FsKind::Xfs,
                    other => {
                        return Err(format!(
                            "there is no file system {other:?} here, but ext4 and xfs"
                        ));
                    }
                };
                Access::Mount(kind, mount.mount_flags.clone())
            }
        };
        let mode = wanted.access_mode.as_ref().map_or(0, |mode| mode.mode);
        let (reader, many) = match mode {
            access::SINGLE_NODE_WRITER | access::SINGLE_NODE_SINGLE_WRITER => (false, false),
            access::SINGLE_NODE_READER_ONLY => (true, false),
            access::SINGLE_NODE_MULTI_WRITER => (false, true),
            0 => return Err("no access mode is given".to_owned()),
            _ => return Err("a volume is on one node, and no other reaches it".to_owned()),
        };
        Ok(Self {
            access,
            reader,
            many,
        })
    }

    /// All capabilities of a request that creates or validates.
    ///
    /// # Errors
    /// In words, if there is none, or one that the driver does not have.
    pub(crate) fn all(wanted: &[VolumeCapability]) -> Result<Vec<Self>, String> {
        match wanted {
            [] => Err("no capability is given".to_owned()),
            some => some.iter().map(Self::of).collect(),
        }
    }

    /// The one of a request of a node.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` without one, `FAILED_PRECONDITION` for one that the driver does not have.
    pub(crate) fn one(wanted: Option<&VolumeCapability>) -> Result<Self, Status> {
        let wanted =
            wanted.filter(|wanted| wanted.access_type.is_some() && wanted.access_mode.is_some());
        let wanted =
            wanted.ok_or_else(|| Status::invalid_argument("no volume capability is given"))?;
        Self::of(wanted).map_err(Status::failed_precondition)
    }
}

/// Bytes that a volume needs for the file systems it may have.
pub(crate) fn floor(capabilities: &[Capability]) -> u64 {
    let floors = capabilities
        .iter()
        .map(|capability| match capability.access {
            Access::Mount(kind, _) => kind.floor(),
            Access::Block => 0,
        });
    floors.max().unwrap_or(0)
}

/// Parameters of a storage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) pool: String,
    pub(crate) queue: QueueMode,
    pub(crate) stats: StatsMode,
}

impl Parameters {
    /// Those of a request, or of a volume's context.
    ///
    /// # Errors
    /// In words, if one is not known.
    pub(crate) fn of(pairs: &Pairs) -> Result<Self, String> {
        let mut parameters = Self {
            pool: "default".to_owned(),
            queue: QueueMode::Bio,
            stats: StatsMode::Full,
        };
        for (name, value) in pairs {
            let unknown = || format!("the parameter {name} has no value {value:?}");
            match &**name {
                "pool" => parameters.pool = init::pool_name(value)?,
                "queue" => {
                    let known = QueueMode::ALL.into_iter().find(|mode| mode.name() == value);
                    parameters.queue = known.ok_or_else(unknown)?;
                }
                "stats" => {
                    let known = StatsMode::ALL.into_iter().find(|mode| mode.name() == value);
                    parameters.stats = known.ok_or_else(unknown)?;
                }
                name if name.starts_with(KUBERNETES)
                    || name.starts_with("storage.kubernetes.io/") => {}
                name if CLAIM.iter().any(|(_, known)| *known == name) => {}
                name => {
                    return Err(format!(
                        "there is no parameter {name:?}, but pool, queue and stats"
                    ));
                }
            }
        }
        Ok(parameters)
    }

    /// The context of a volume that was made with these pairs: all that a node must know to stage it.
    pub(crate) fn context(&self, pairs: &Pairs) -> Pairs {
        let claim = CLAIM
            .into_iter()
            .filter_map(|(given, name)| Some((name.to_owned(), pairs.get(given)?.clone())));
        let own = [
            ("pool", self.pool.as_str()),
            ("queue", self.queue.name()),
            ("stats", self.stats.name()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        claim.chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Pairs {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_context_is_understood_as_the_parameters_that_it_was_made_from() {
        let given = pairs(&[
            ("pool", "fast"),
            ("queue", "mq"),
            ("stats", "counters"),
            ("csi.storage.k8s.io/pvc/name", "data"),
            ("csi.storage.k8s.io/pvc/namespace", "db"),
            ("csi.storage.k8s.io/pv/name", "pvc-1"),
        ]);
        let parameters = Parameters::of(&given).unwrap();
        let context = parameters.context(&given);
        assert_eq!(Parameters::of(&context), Ok(parameters));
        assert_eq!(context["persistentvolumeclaim"], "data");
        assert_eq!(context["namespace"], "db");
    }

    #[test]
    fn a_parameter_that_is_not_known_is_refused_with_its_name() {
        for (name, value) in [
            ("pol", "x"),
            ("queue", "fast"),
            ("stats", ""),
            ("pool", "a b"),
        ] {
            let why = Parameters::of(&pairs(&[(name, value)])).unwrap_err();
            assert!(why.contains(name), "{why}");
        }
    }
}
