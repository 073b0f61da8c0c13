// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest is made of: finds the files that `scripts/setup` and `scripts/build` left.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Result, because};

/// What the user may choose; the rest is found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Kernel release.
    pub(crate) kernel: Option<String>,
    /// The module.
    pub(crate) module: Option<PathBuf>,
    /// The program `shunt`.
    pub(crate) cli: Option<PathBuf>,
}

/// The files that a guest boots from; the paths were there when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) release: String,
    /// Folder with the kernel, its modules and its source.
    pub(crate) kernel: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) module: PathBuf,
    /// The module with its debugging information, where that was kept.
    pub(crate) unstripped: PathBuf,
    pub(crate) cli: PathBuf,
    /// The ublk server, where it could be made.
    pub(crate) kublk: Option<PathBuf>,
    /// Where logs and temporary images go.
    pub(crate) work: PathBuf,
}

impl Parts {
    /// The parts that the choice asks for. The kernel is the newest one unless it says another. The working directory is the repository.
    pub(crate) fn find(choice: &Choice) -> Result<Self> {
        let cache = cache()?;
        let release = match &choice.kernel {
            Some(release) => release.clone(),
            None => newest_release(&cache)?,
        };
        let kernel = cache.join("kernels").join(&release);
        let work = Path::new("target/bench").join(&release);
        fs::create_dir_all(&work).map_err(because(work.display()))?;
        let built = |chosen: &Option<PathBuf>, path: PathBuf| {
            there(chosen.clone().unwrap_or(path), "scripts/build")
        };
        there(kernel.join("vmlinuz"), "scripts/setup")?;
        let kublk = kernel.join("kublk");
        let out = Path::new("out").join(&release);
        let unstripped = out.join("obj/driver/shunt.ko");
        Ok(Self {
            kublk: kublk.exists().then_some(kublk),
            kernel,
            root: there(cache.join("images/root.ext4"), "scripts/setup")?,
            module: built(&choice.module, out.join("shunt.ko"))?,
            unstripped: choice.module.clone().unwrap_or(unstripped),
            cli: built(&choice.cli, PathBuf::from("out/bin/shunt"))?,
            work,
            release,
        })
    }
}

fn there(path: PathBuf, remedy: &str) -> Result<PathBuf> {
    match path.exists() {
        true => Ok(path),
        false => Err(format!(
            "{} is missing: run {remedy} in the repository",
            path.display()
        )),
    }
}

fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("SHUNT_CACHE") {
        return Ok(cache.into());
    }
    let home = env::var_os("HOME").ok_or("neither SHUNT_CACHE nor HOME is set: set one of them")?;
    Ok(Path::new(&home).join(".cache/shunt"))
}

/// The budget holds on the newest supported kernel, which `scripts/setup` lists last.
fn newest_release(cache: &Path) -> Result<String> {
    let list = cache.join("kernels/list");
    let text = fs::read_to_string(&list)
        .map_err(|why| format!("{}: {why}: run scripts/setup", list.display()))?;
    let last = text
        .lines()
        .last()
        .ok_or_else(|| format!("{} is empty: run scripts/setup", list.display()))?;
    Ok(last.to_owned())
}
