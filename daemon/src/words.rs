// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and words in sentences for people. Configuration, daemon and programs use it.

/// Characters of a name or a path that are shown; longer ones are never right.
const SHOWN_MAX: usize = 256;

/// A name or a path as it is shown in a line: in quotes if it could be misread.
pub fn shown(name: &str) -> String {
    let start: String = name.chars().take(SHOWN_MAX).collect();
    let dots = if start.len() < name.len() { "..." } else { "" };
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        format!("{start:?}{dots}")
    } else {
        format!("{start}{dots}")
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
        ] {
            assert_eq!(shown(name), text);
        }
        assert_eq!(shown(&"a".repeat(300)), format!("{}...", "a".repeat(256)));
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
