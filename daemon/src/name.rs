// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which names a device may have, as the kernel has it. Configuration and the in-memory kernel use it,
//! and who explains the rule.

use shunt_uapi::NAME_MAX;

/// The rule in words.
pub const RULE: &str = "1 to 63 bytes without slash, white space or control characters, and without -part and a number at the end";

/// What is wrong with a name, in the words of the kernel; none if a device may have it.
pub fn wrong(name: &str) -> Option<String> {
    let forbidden = |letter: &char| *letter == '/' || letter.is_whitespace() || letter.is_control();
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let why = match name.chars().find(forbidden) {
        _ if name.is_empty() => "is empty".to_owned(),
        _ if name.len() > NAME_MAX as usize => format!("is longer than {NAME_MAX} bytes"),
        _ if matches!(name, "." | "..") => "is that of a folder".to_owned(),
        Some('/') => "has a slash".to_owned(),
        Some(letter) => format!(
            "has white space or a control character, U+{:04X}",
            u32::from(letter)
        ),
        None if stem.len() < name.len() && stem.ends_with("-part") => {
            "ends in -part and a number, as links of partitions do".to_owned()
        }
        None => return None,
    };
    Some(format!("the name {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_has_the_number_of_the_specification() {
        assert!(RULE.contains(&format!(" {NAME_MAX} bytes")));
    }

    #[test]
    fn a_name_is_refused_with_what_is_wrong_with_it() {
        for (name, why) in [
            ("a\u{85}", "has white space or a control character, U+0085"),
            (
                "a\u{9b}31m",
                "has white space or a control character, U+009B",
            ),
            ("\u{a0}a", "has white space or a control character, U+00A0"),
            (
                "a\u{2028}b",
                "has white space or a control character, U+2028",
            ),
            (
                "a\u{3000}b",
                "has white space or a control character, U+3000",
            ),
            (
                "a-part1",
                "ends in -part and a number, as links of partitions do",
            ),
            (&"x".repeat(64), "is longer than 63 bytes"),
        ] {
            assert_eq!(wrong(name), Some(format!("the name {why}")), "{name:?}");
        }
        for name in ["vol0", "-x", "$(id)", "ü→", "a-part", "part1", "it's"] {
            assert_eq!(wrong(name), None, "{name}");
        }
    }
}
