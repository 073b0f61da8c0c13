// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and words in sentences for people. Configuration, daemon and programs use it.

/// Characters that are shown: as many as a path may have.
const SHOWN_MAX: usize = 4096;

/// What comes from outside (a name, a path, the words of another program) as it is shown in a line:
/// in quotes, with escapes, if it could be misread, or obeyed by a terminal.
pub fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_MAX).collect();
    let dots = if start.len() < text.len() { "..." } else { "" };
    if text.is_empty() || text.contains(misleads) {
        format!("{start:?}{dots}")
    } else {
        format!("{start}{dots}")
    }
}

/// Whether a letter does not show as itself: white space, and what Rust escapes as it cannot be
/// printed, such as control characters and marks that turn the direction of text.
fn misleads(letter: char) -> bool {
    letter.is_whitespace()
        || letter.escape_debug().to_string().starts_with("\\u{")
        || letter.is_control()
}

/// A word of a command that can be pasted into a shell as it stands, after `--` if it would be taken
/// for an option.
pub fn pasted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    let quoted = match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        // Nothing but the quote itself has a meaning between quotes.
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    match word.starts_with('-') {
        true => format!("-- {quoted}"),
        false => quoted,
    }
}

/// Words as a list: `a, b and c`.
pub fn listed<S: AsRef<str>>(words: &[S]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The known word that is most like what was written.
#[cfg(feature = "config")]
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    known
        .iter()
        .copied()
        .min_by_key(|word| strsim::damerau_levenshtein(&written, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_misread_is_quoted() {
        for (name, text) in [
            ("vol0", "vol0"),
            ("/dev/sdb", "/dev/sdb"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\n", "\"a\\n\""),
            ("a\u{9b}31m", "\"a\\u{9b}31m\""),
            ("a\u{85}", "\"a\\u{85}\""),
            ("a\u{2028}b", "\"a\\u{2028}b\""),
            ("a\u{202e}b", "\"a\\u{202e}b\""),
            ("it's", "it's"),
            ("größe\"鐵\\", "größe\"鐵\\"),
        ] {
            assert_eq!(shown(name), text);
        }
        let long = "a".repeat(SHOWN_MAX);
        assert_eq!(shown(&long), long);
        assert_eq!(shown(&(long.clone() + "b")), long + "...");
    }

    #[test]
    fn a_word_can_be_pasted_into_a_shell() {
        for (word, text) in [
            ("vol0", "vol0"),
            ("/dev/disk/by-id/a:b", "/dev/disk/by-id/a:b"),
            ("-x", "-- -x"),
            ("--help", "-- --help"),
            ("-$x", "-- '-$x'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("a#b", "'a#b'"),
            ("ü", "'ü'"),
            ("", "''"),
        ] {
            assert_eq!(pasted(word), text);
        }
    }

    #[test]
    fn words_are_listed_as_people_do() {
        assert_eq!(listed::<&str>(&[]), "");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    #[cfg(feature = "config")]
    fn the_nearest_word_is_found_through_swapped_letters_and_case() {
        let known = ["to", "stripe", "queue", "stats", "read-only"];
        for (written, word) in [
            ("qeuue", "queue"),
            ("Stats", "stats"),
            ("read_only", "read-only"),
            ("strip", "stripe"),
        ] {
            assert_eq!(nearest(written, &known), Some(word));
        }
    }
}
