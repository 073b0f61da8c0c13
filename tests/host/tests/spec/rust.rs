// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names and values of `uapi/src/consts.rs`, read as text: rustfmt leaves one item a line.

use super::super::Names;

const SOURCE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../uapi/src/consts.rs"
));

/// All public constants and enum values; those in an `impl` are left out.
pub(crate) fn names() -> Names {
    let mut names = Names::new();
    let mut room = None;
    for line in SOURCE.lines() {
        let code = line.trim();
        if let Some(opened) = code.strip_suffix(" {") {
            if !line.starts_with(' ') {
                room = Some(opened);
            }
        } else if line == "}" {
            room = None;
        } else if let Some((name, value)) = item(code, room) {
            let before = names.insert(name, value.trim_start_matches('c').to_owned());
            assert_eq!(before, None, "{line} is there twice");
        }
    }
    names
}

/// The path and the value of an item in a module, an enum or the root.
fn item(code: &str, room: Option<&str>) -> Option<(String, String)> {
    let constant = || {
        let (name, value) = code
            .strip_prefix("pub const ")?
            .strip_suffix(';')?
            .split_once(" = ")?;
        Some((name.split_once(':')?.0, value))
    };
    let (prefix, (name, value)) = match room {
        None => (String::new(), constant()?),
        Some(opened) => {
            if let Some(module) = opened.strip_prefix("pub mod ") {
                (format!("{module}::"), constant()?)
            } else {
                let kind = opened.strip_prefix("pub enum ")?;
                (
                    format!("{kind}::"),
                    code.strip_suffix(',')?.split_once(" = ")?,
                )
            }
        }
    };
    Some((prefix + name, value.to_owned()))
}
