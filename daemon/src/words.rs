// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and words in sentences for people. Configuration, daemon and programs use it. Text from outside,
//! which anybody may have written, is shown by [`shown`] in a sentence; what a program prints or logs as a
//! whole goes through [`visible`], or as JSON through [`escaped`], so that nothing of it steers a terminal.

use std::borrow::Cow;

/// Characters that are shown: as many as a path may have.
const SHOWN_MAX: usize = 4096;

/// Whether a character is not seen, or steers what is seen: controls of both sets, spaces but the usual
/// one, marks that turn the direction of writing, letters without width.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Text with what is not seen in it written out, as in `\u{1b}`; it may have several lines.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| c != '\n' && is_hidden(c);
    if !text.contains(is_bad) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_bad(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown.into()
}

/// A line of JSON with what is not seen in it written out, as in `\u200b`: whoever parses it reads the same.
pub fn escaped(json: &str) -> Cow<'_, str> {
    // Between its texts a line has only what is seen.
    if !json.contains(is_hidden) {
        return json.into();
    }
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match is_hidden(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => line.push(c),
        }
    }
    line.into()
}

/// A name or a path as it is shown in a line: in quotes if it could be misread.
pub fn shown(name: &str) -> String {
    let start: String = name.chars().take(SHOWN_MAX).collect();
    let dots = if start.len() < name.len() { "..." } else { "" };
    if name.is_empty() || name.contains(|c: char| c == ' ' || is_hidden(c)) {
        let quoted = format!("{start:?}");
        // What Rust takes for printable may still not be seen.
        format!("{}{dots}", visible(&quoted))
    } else {
        format!("{start}{dots}")
    }
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
            ("a\u{a0}b", "\"a\\u{a0}b\""),
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
    fn nothing_that_is_shown_steers_a_terminal() {
        for (text, seen) in [
            ("one\ntwo", "one\ntwo"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9d}0;x\r", "\\u{9d}0;x\\u{d}"),
            ("line\u{2028}end\u{85}", "line\\u{2028}end\\u{85}"),
        ] {
            assert_eq!(visible(text), seen);
        }
    }

    #[test]
    fn no_json_steers_a_terminal() {
        let path = "a\u{7f}\u{9b}31m\u{a0}\u{200b}\u{202e} ä𝄞\u{feff}";
        let json = format!("{{\"path\":\"{path}\"}}");
        assert_eq!(
            escaped(&json),
            r#"{"path":"a\u007f\u009b31m\u00a0\u200b\u202e ä𝄞\ufeff"}"#
        );
        let plain = r#"{"path":"a b\n\u001bä"}"#;
        assert_eq!(escaped(plain), plain);
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
