// SPDX-License-Identifier: MIT OR Apache-2.0
//! `manual`: a manual page for the program and for each command that is shown in its help. `make
//! install` runs it.

use std::{fs::File, io, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::{cli::Cli, explain::Failure};

/// System administration.
const SECTION: &str = "8";

pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    write_pages(folder).map_err(|error| {
        Failure::Explained(format!(
            "cannot write manual pages into {}: {error}; give a folder that exists",
            folder.display()
        ))
    })
}

fn write_pages(folder: &Path) -> io::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives the commands what they have from the program: its options, and their full names.
    program.build();
    let shown = program.get_subcommands().filter(|sub| !sub.is_hide_set());
    for command in shown.chain([&program]) {
        write_page(command, folder)?;
    }
    Ok(())
}

fn write_page(command: &Command, folder: &Path) -> io::Result<()> {
    let page = Man::new(command.clone()).section(SECTION);
    page.render(&mut File::create(folder.join(page.get_filename()))?)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn each_command_has_a_page_with_its_options() {
        let folder = env::temp_dir().join(format!("shunt-manual-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        write(&folder).unwrap();
        let page = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert!(page("shunt.8").contains("shunt\\-map(8)"));
        assert!(page("shunt-map.8").contains("\\-\\-stripe"));
        assert!(page("shunt-map.8").contains("\\-\\-json"));
        // What is not for people has none.
        assert!(!folder.join("shunt-udev-name.8").exists());
        assert!(!page("shunt.8").contains("udev"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(write(&folder).is_err());
    }
}
