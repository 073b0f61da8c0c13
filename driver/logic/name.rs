// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Which names a device may have: those that can be a file's name and one word of a shell, show as what they are, and give
//! links in /dev that nothing else has.

use super::uapi::NAME_MAX;
use core::fmt;

/// The rule in words.
pub const RULE: &str = "1 to 63 bytes without slash, white space or control characters, and without -part and a number at the end";

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It has more than `NAME_MAX` bytes.
    TooLong,
    /// It is `.` or `..`.
    Dots,
    /// It is not UTF-8.
    NotUtf8,
    /// It has this letter: a slash, white space or a control character.
    Letter(char),
    /// It ends in `-part` and a number, as the link of a partition does.
    Partition,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong => write!(f, "the name is longer than {NAME_MAX} bytes"),
            Self::Dots => f.write_str("the name is that of a folder"),
            Self::NotUtf8 => f.write_str("the name is not UTF-8"),
            Self::Letter('/') => f.write_str("the name has a slash"),
            Self::Letter(letter) => {
                let code = u32::from(letter);
                write!(
                    f,
                    "the name has white space or a control character, U+{code:04X}"
                )
            }
            Self::Partition => {
                f.write_str("the name ends in -part and a number, as links of partitions do")
            }
        }
    }
}

/// Checks a name, given without its NUL.
pub fn check(name: &[u8]) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_MAX as usize {
        return Err(NameError::TooLong);
    }
    let Ok(name) = core::str::from_utf8(name) else {
        return Err(NameError::NotUtf8);
    };
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    // Those of Unicode: a terminal obeys U+009B as it does ESC [, and some parsers end a line at U+0085 or U+2028.
    let forbidden = |letter: &char| *letter == '/' || letter.is_whitespace() || letter.is_control();
    if let Some(letter) = name.chars().find(forbidden) {
        return Err(NameError::Letter(letter));
    }
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if stem.len() < name.len() && stem.ends_with("-part") {
        return Err(NameError::Partition);
    }
    Ok(())
}
