// SPDX-License-Identifier: GPL-2.0-only

//! Which names a device may have: those that can be a file's name and one word of a shell, show as what they are, and give
//! links in /dev that nothing else has.

use crate::uapi::NAME_MAX;

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
