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
    /// Whether what there is now is of the drive that this was of; none if they do not tell. A copy
    /// of a drive has its partitions and file systems, so the disk itself has the first word.
    pub fn is_same(&self, now: &Self) -> Option<bool> {
        if let Some(false) = same(&self.hardware, &now.hardware) {
            return Some(false);
        }
        if let Some(true) = same(&self.sequence, &now.sequence) {
            return Some(self.partition == now.partition);
        }
        if self.hardware.is_some() && now.hardware.is_none() {
            // The drive would say it, in time; a copy in a ram disk has all but that.
            return None;
        }
        match (
            same(&self.hardware, &now.hardware),
            same(&self.partition, &now.partition),
        ) {
            (Some(hardware), None) if self.partition == now.partition => Some(hardware),
            // A part of a disk is not the whole.
            (Some(_), None) => Some(false),
            (_, Some(partition)) => Some(partition),
            (None, None) => same(&self.file_system, &now.file_system),
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
        for (before, now, expected) in [
            (("s", "", ""), ("s", "", ""), Some(true)),
            (("s", "", "f"), ("s", "", "g"), Some(true)),
            (("s", "p", "f"), ("t", "p", "f"), Some(false)),
            (("s", "p", ""), ("s", "q", ""), Some(false)),
            (("s", "p", ""), ("s", "", ""), Some(false)),
            (("s", "", ""), ("s", "p", ""), Some(false)),
            (("", "p", "f"), ("", "p", "g"), Some(true)),
            (("", "p", ""), ("s", "p", ""), Some(true)),
            (("s", "p", "f"), ("", "p", "f"), None),
            (("s", "", "f"), ("", "", "f"), None),
            (("", "", "f"), ("s", "", "f"), Some(true)),
            (("", "", "f"), ("", "", "f"), Some(true)),
            (("", "", "f"), ("", "", "g"), Some(false)),
            (("", "", ""), ("", "", ""), None),
            (("s", "", ""), ("", "", ""), None),
            (("", "", ""), ("s", "", ""), None),
        ] {
            let identity =
                |(hardware, partition, file_system)| identity(hardware, partition, file_system);
            let (before, now) = (identity(before), identity(now));
            assert_eq!(before.is_same(&now), expected, "{before}, now {now}");
        }
    }

    #[test]
    fn the_number_of_a_disk_tells_while_its_serial_number_is_not_said() {
        let numbered = |hardware, sequence| Identity {
            sequence: Some(sequence),
            ..identity(hardware, "p", "f")
        };
        let before = numbered("s", 7);
        assert_eq!(before.is_same(&numbered("", 7)), Some(true));
        assert_eq!(before.is_same(&numbered("", 8)), None);
    }
}
