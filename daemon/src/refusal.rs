// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel refused: its number, its words, and the part of the request that was wrong.

use std::{fmt, io};

use nix::libc::ESTALE;
use shunt_logic::refusal::Refused;
use shunt_uapi::device;

use crate::{error::plain, wire::request, words::shown};

/// A refusal of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Error number, positive.
    pub errno: i32,
    /// The kernel's own words, if it gave any.
    pub text: Option<String>,
    /// The part of the request that was wrong, if it was one.
    pub part: Option<Part>,
}

/// A part of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What it is in the user's words, as "name" or "offset"; "target" is one as a whole.
    pub word: String,
    /// Number of the target that it belongs to, from 0; none if it is of the device.
    pub target: Option<usize>,
    /// Path of that target, if the request has several.
    pub path: Option<String>,
}

impl Refusal {
    /// A refusal with words, of no part of the request.
    pub fn new(errno: i32, text: impl Into<String>) -> Self {
        Self {
            errno,
            text: Some(text.into()),
            part: None,
        }
    }

    /// The same for a part of the request.
    #[must_use]
    pub fn of(mut self, word: &str) -> Self {
        self.part.get_or_insert_default().word = word.to_owned();
        self
    }

    /// The same for target `number`, from 0: for the part of it that was wrong, or for it as a whole.
    #[must_use]
    pub fn at(mut self, number: usize) -> Self {
        let whole = || Part {
            word: "target".to_owned(),
            ..Part::default()
        };
        self.part.get_or_insert_with(whole).target = Some(number);
        self
    }

    /// What the part that was wrong is in the user's words; nothing if it was none.
    pub fn word(&self) -> &str {
        self.part.as_ref().map_or("", |part| &part.word)
    }

    /// Whether it is that the device has another table than the one that was seen.
    pub fn is_other_table(&self) -> bool {
        self.errno == ESTALE && Some(self.word()) == request::word_of(device::TABLE_NUMBER, None)
    }

    /// Number of the target that was wrong, from 0.
    pub fn target(&self) -> Option<usize> {
        self.part.as_ref()?.target
    }

    /// The words of the number, for a refusal without any.
    pub fn words_of(errno: i32) -> String {
        plain(&io::Error::from_raw_os_error(errno))
    }
}

/// What the kernel's acknowledgement of such a refusal is read as.
impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let part = refused.attribute().and_then(|attribute| {
            let word = request::word_of(attribute.kind, attribute.within)?;
            Some(Part {
                word: word.to_owned(),
                target: (attribute.kind == device::TARGET).then_some(attribute.index),
                path: None,
            })
        });
        Self {
            errno: refused.errno().number(),
            text: Some(refused.to_string()).filter(|text| !text.is_empty()),
            part,
        }
    }
}

/// `target 2, /dev/sdb: not a block device`, and without the target if there is no other.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Part {
            target: Some(number),
            path: Some(path),
            ..
        }) = &self.part
        {
            write!(f, "target {}, {}: ", number + 1, shown(path))?;
        }
        match (&self.text, self.word()) {
            (Some(text), _) => f.write_str(text),
            (None, "") => f.write_str(&Self::words_of(self.errno)),
            (None, word) => write!(f, "{} ({word})", Self::words_of(self.errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_targets_is_named_as_people_count() {
        let mut refusal = Refusal::new(33, "not a block device").at(1);
        assert_eq!(refusal.to_string(), "not a block device");
        refusal.part.as_mut().unwrap().path = Some("/dev/x y".into());
        assert_eq!(
            refusal.to_string(),
            "target 2, \"/dev/x y\": not a block device"
        );
    }

    #[test]
    fn what_is_said_of_a_part_of_a_target_stays_so() {
        let refusal = Refusal::new(34, "length 9 is too long").of("length").at(0);
        assert_eq!((refusal.word(), refusal.target()), ("length", Some(0)));
    }

    #[test]
    fn a_refusal_without_words_shows_those_of_its_number_and_the_part() {
        let refusal = Refusal {
            errno: 22,
            ..Refusal::default()
        };
        assert_eq!(refusal.to_string(), "Invalid argument");
        assert_eq!(refusal.of("name").to_string(), "Invalid argument (name)");
    }
}
