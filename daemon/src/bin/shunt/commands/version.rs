// SPDX-License-Identifier: MIT OR Apache-2.0
//! `version`: of the program, of the module that is loaded, and of its file that the next load takes; what follows from
//! them. `status` asks here, too.

use std::{
    env,
    process::{Command, Stdio},
};

use shunt::{Client, Error, Transport, transport::Kernel};

use crate::{
    explain::{Failure, explain},
    output::{Output, json},
};

/// Version of the programs.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What the kernel has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// No module.
    Nothing,
    /// One from before a module told its version.
    Old,
    /// One of this version.
    Version(String),
}

/// All versions of a machine.
#[derive(Debug)]
pub(crate) struct Versions {
    pub(crate) loaded: Loaded,
    /// That of the file that modprobe would load, if there is one.
    pub(crate) installed: Option<String>,
}

impl Versions {
    fn of<T: Transport>(client: &mut Client<T>) -> Result<Self, Failure> {
        let version = client.module_version();
        let version = version.map_err(|error| explain("ask for the version", &error))?;
        Ok(Self {
            loaded: version.map_or(Loaded::Old, Loaded::Version),
            installed: installed(),
        })
    }

    /// What to do, if the module that is loaded is not the one that is installed.
    pub(crate) fn advice(&self) -> Option<String> {
        let installed = self.installed.as_deref()?;
        let loaded = match &self.loaded {
            Loaded::Nothing => return None,
            Loaded::Old => "an older one",
            Loaded::Version(version) if version == installed => return None,
            Loaded::Version(version) => version,
        };
        Some(format!(
            "the module {installed} is installed and {loaded} is loaded: unmap the devices and reload it (modprobe -r shunt; \
             modprobe shunt), or reboot"
        ))
    }

    fn text(&self) -> String {
        let loaded = match &self.loaded {
            Loaded::Nothing => "not loaded",
            Loaded::Old => "loaded, older than 0.1.0",
            Loaded::Version(version) => &format!("{version}, loaded"),
        };
        let installed = match &self.installed {
            Some(version) => version,
            None => "none for this kernel",
        };
        let mut text = format!(
            "program    {PROGRAM}\nmodule     {loaded}\ninstalled  {installed}\n{}\n",
            self.fit()
        );
        if let Some(advice) = self.advice() {
            text += &advice;
            text.push('\n');
        }
        text
    }

    /// Whether the program and the module fit: the family only grows, so what both know means the same.
    fn fit(&self) -> &'static str {
        match &self.loaded {
            Loaded::Nothing => "there is no module to fit",
            Loaded::Version(version) if version == PROGRAM => "program and module fit",
            _ => {
                "program and module fit as far as both go: what only one of them knows is refused, or left out"
            }
        }
    }
}

/// Version of the file that modprobe would load on the kernel that runs.
pub(crate) fn installed() -> Option<String> {
    // It is where only an administrator's path leads.
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let asked = Command::new("modinfo")
        .env("PATH", path)
        .args(["--field=version", "shunt"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    // A file without a version is one from before it had any.
    asked
        .status
        .success()
        .then_some(version)
        .filter(|version| !version.is_empty())
}

/// Asks the kernel if it has the module, and does not have it loaded.
pub(super) fn of_kernel(kernel: &impl Kernel, output: &mut Output<'_>) -> Result<(), Failure> {
    match kernel.connect_if_loaded() {
        Ok(client) => version(client, output),
        Err(Error::NotLoaded) => show(
            &Versions {
                loaded: Loaded::Nothing,
                installed: installed(),
            },
            output,
        ),
        Err(error) => Err(explain("ask the kernel", &error)),
    }
}

pub(super) fn version<T: Transport>(
    mut client: Client<T>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    show(&Versions::of(&mut client)?, output)
}

/// What of the versions needs attention.
pub(super) fn attention<T: Transport>(client: &mut Client<T>) -> Result<Option<String>, Failure> {
    Ok(Versions::of(client)?.advice())
}

fn show(versions: &Versions, output: &mut Output<'_>) -> Result<(), Failure> {
    output.show(|| json::version(PROGRAM, versions), || versions.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(loaded: Loaded, installed: Option<&str>) -> Versions {
        Versions {
            loaded,
            installed: installed.map(str::to_owned),
        }
    }

    fn loaded(version: &str) -> Loaded {
        Loaded::Version(version.to_owned())
    }

    #[test]
    fn a_module_is_reloaded_only_if_another_one_is_installed() {
        assert_eq!(versions(loaded("0.1.0"), Some("0.1.0")).advice(), None);
        assert_eq!(versions(loaded("0.1.0"), None).advice(), None);
        assert_eq!(versions(Loaded::Nothing, Some("0.1.0")).advice(), None);
        for (other, is) in [(loaded("0.1.0"), "0.1.0"), (Loaded::Old, "an older one")] {
            let advice = versions(other, Some("0.2.0")).advice().unwrap();
            let expected = format!("the module 0.2.0 is installed and {is} is loaded: unmap");
            assert!(advice.starts_with(&expected), "{advice}");
        }
    }

    #[test]
    fn a_module_of_another_version_fits_as_far_as_both_go() {
        assert_eq!(
            versions(loaded(PROGRAM), None).fit(),
            "program and module fit"
        );
        for other in [loaded("0.0.9"), Loaded::Old] {
            assert!(versions(other, None).fit().contains("as far as both go"));
        }
    }
}
