// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names and values of `uapi/shunt.h`.

use super::super::Names;

const SOURCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../uapi/shunt.h"));

/// All macros with a value and all enumerators; a count and a maximum at the end of an enum are left out.
pub(crate) fn names() -> Names {
    let mut names = Names::new();
    let mut next = None;
    let mut in_comment = false;
    for line in SOURCE.lines() {
        let code = line.trim();
        in_comment |= code.starts_with("/*");
        if in_comment {
            in_comment = !code.ends_with("*/");
        } else if let Some(defined) = code.strip_prefix("#define ") {
            if let Some((name, value)) = defined.split_once(char::is_whitespace) {
                names.insert(name.to_owned(), value.trim().to_owned());
            }
        } else if code.starts_with("enum") {
            next = Some(0);
        } else if code == "};" {
            next = None;
        } else if let (Some(value), Some(enumerator)) = (next, code.strip_suffix(',')) {
            let (name, value) = match enumerator.split_once(" = ") {
                Some((name, given)) => (name, given.parse::<u32>().unwrap()),
                None => (enumerator, value),
            };
            if !name.starts_with("__") {
                names.insert(name.to_owned(), value.to_string());
            }
            next = Some(value + 1);
        }
    }
    names
}

/// What C calls a Rust constant; none if C has no word for it.
pub(crate) fn spelled(path: &str) -> Option<String> {
    if path.starts_with("group::") && path.ends_with("_INDEX") {
        return None;
    }
    let spelled = match path.split_once("::") {
        None => path.to_owned(),
        Some(("cmd", name)) => format!("CMD_{name}"),
        Some(("group", name)) => format!("MCGRP_{name}"),
        Some((kind, name)) if kind.starts_with(char::is_uppercase) => {
            format!("{}_{}", upper(kind), upper(name))
        }
        Some((set, name)) => format!("A_{}_{name}", set.to_uppercase()),
    };
    Some(format!("SHUNT_{spelled}"))
}

/// `WriteZeroes` to `WRITE_ZEROES`.
fn upper(camel: &str) -> String {
    let mut upper = String::new();
    for (at, letter) in camel.char_indices() {
        if at > 0 && letter.is_uppercase() {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}
