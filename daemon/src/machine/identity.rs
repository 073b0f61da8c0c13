// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tells a drive from all others, also after it was away and has other numbers. The machine
//! reads it, the plan compares it with what it was.

use std::fmt;

/// What a drive says of itself. Nothing at all for one that says nothing, as a ram disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// World wide name or serial number of the disk.
    pub hardware: Option<String>,
    /// Which partition of the disk it is, by its identifier in the table.
    pub partition: Option<String>,
    /// Identifier of the file system on it.
    pub file_system: Option<String>,
    /// The number that the kernel gave its disk when it came. No other disk has it until the next boot,
    /// and the same one has another after it was away.
    pub sequence: Option<u64>,
}

impl Identity {
    /// Whether two are of one drive; none if they do not tell. A copy of a drive has its partitions
    /// and file systems, so the disk itself has the first word.
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        if let Some(false) = same(&self.hardware, &other.hardware) {
            return Some(false);
        }
        if let Some(true) = same(&self.sequence, &other.sequence) {
            return Some(self.partition == other.partition);
        }
        match (
            same(&self.hardware, &other.hardware),
            same(&self.partition, &other.partition),
        ) {
            (Some(hardware), None) if self.partition == other.partition => Some(hardware),
            // A part of a disk is not the whole.
            (Some(_), None) => Some(false),
            (_, Some(partition)) => Some(partition),
            (None, None) => same(&self.file_system, &other.file_system),
        }
    }

    /// Whether they are of two disks for certain, if both have the same numbers: what is written on a
    /// disk changes while it is there, the disk does not.
    pub(crate) fn is_of_another_disk(&self, other: &Self) -> bool {
        same(&self.hardware, &other.hardware) == Some(false)
            || same(&self.sequence, &other.sequence) == Some(false)
            || self.hardware.is_some() != other.hardware.is_some()
    }
}

/// None if one of them is not known.
fn same<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> Option<bool> {
    Some(one.as_ref()? == other.as_ref()?)
}

/// `disk S6Z2NF0W, partition 7368756e-02, diskseq 7`
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("disk", &self.hardware),
            ("partition", &self.partition),
            ("file system", &self.file_system),
        ];
        let words = parts
            .into_iter()
            .filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?)));
        let sequence = self.sequence.map(|number| format!("diskseq {number}"));
        let words: Vec<_> = words.chain(sequence).collect();
        match words.as_slice() {
            [] => f.write_str("says nothing of itself"),
            words => f.write_str(&words.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(hardware: &str, partition: &str, file_system: &str) -> Identity {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Identity {
            hardware: known(hardware),
            partition: known(partition),
            file_system: known(file_system),
            sequence: None,
        }
    }

    #[test]
    fn a_copy_is_another_drive_and_one_that_says_nothing_is_not_told() {
        for (one, other, expected) in [
            (("s", "", ""), ("s", "", ""), Some(true)),
            (("s", "", "f"), ("s", "", "g"), Some(true)),
            (("s", "p", "f"), ("t", "p", "f"), Some(false)),
            (("s", "p", ""), ("s", "q", ""), Some(false)),
            (("s", "p", ""), ("s", "", ""), Some(false)),
            (("", "p", "f"), ("", "p", "g"), Some(true)),
            (("", "p", ""), ("s", "p", ""), Some(true)),
            (("", "", "f"), ("", "", "f"), Some(true)),
            (("", "", "f"), ("", "", "g"), Some(false)),
            (("", "", ""), ("", "", ""), None),
            (("s", "", ""), ("", "", ""), None),
        ] {
            let identity =
                |(hardware, partition, file_system)| identity(hardware, partition, file_system);
            let (one, other) = (identity(one), identity(other));
            assert_eq!(one.is_same(&other), expected, "{one} and {other}");
            assert_eq!(other.is_same(&one), expected, "{other} and {one}");
        }
    }
}
