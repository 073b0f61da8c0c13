// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose volume it is: names of its claim, for the metrics. Written when it is staged, below `/run`: only the metrics lack it
//! if it is gone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use shunt_csi::proto::Pairs;
use uuid::Uuid;

use crate::{device, wanted::CLAIM};

/// A folder with a file for each volume that is staged.
#[derive(Clone, Debug)]
pub(crate) struct Claims(PathBuf);

impl Claims {
    pub(crate) fn new(state: &Path) -> Self {
        Self(state.join("claims"))
    }

    fn file(&self, volume: Uuid) -> PathBuf {
        self.0.join(device::name(volume))
    }

    /// Remembers a volume's claim, as its context has it.
    pub(crate) fn write(&self, volume: Uuid, context: &Pairs) -> io::Result<()> {
        let names = CLAIM
            .into_iter()
            .filter_map(|(_, name)| Some((name, context.get(name)?)));
        let names: BTreeMap<_, _> = names.collect();
        fs::create_dir_all(&self.0)?;
        let text = serde_json::to_string(&names)?;
        // Whole or not at all.
        let new = self.file(volume).with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, self.file(volume))
    }

    /// Forgets it.
    pub(crate) fn remove(&self, volume: Uuid) {
        let _ = fs::remove_file(self.file(volume));
    }

    /// Names and values of the claim of a volume; none if they are not known.
    pub(crate) fn of(&self, volume: Uuid) -> Pairs {
        let text = fs::read_to_string(self.file(volume)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}
