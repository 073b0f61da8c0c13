// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest is made of: finds the files that `scripts/setup` and `scripts/build` left.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Result, because};
use crate::complaint::is_complaint;
use crate::guest::debug_kernel::SLOWNESS;

/// The files that a guest boots from; the paths were there when it was made.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) release: String,
    /// Whether it is the kernel that looks for bugs, which does everything more slowly.
    pub(crate) debug: bool,
    pub(crate) kernel: PathBuf,
    /// The kernel's own modules.
    pub(crate) modules: PathBuf,
    /// The tree that modules are built with.
    pub(crate) tree: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) module: PathBuf,
    /// The module with the drives of the tests.
    pub(crate) test_drives: PathBuf,
    pub(crate) tools: PathBuf,
    pub(crate) spec: PathBuf,
    /// Where logs and temporary images go.
    pub(crate) work: PathBuf,
}

impl Parts {
    /// The parts for a kernel release, or for the default one. The working directory is the repository.
    pub(crate) fn find(release: Option<&str>) -> Result<Self> {
        let cache = cache()?;
        let release = match release {
            Some(release) => release.to_owned(),
            None => default_release(&cache)?,
        };
        let debug_kernel = cache.join("kernels-debug").join(&release);
        let debug = debug_kernel.exists();
        let kernel = match debug {
            true => debug_kernel,
            false => cache.join("kernels").join(&release),
        };
        let work = Path::new("target/vm").join(&release);
        let there = |path: PathBuf, remedy: &str| match path.exists() {
            true => Ok(path),
            false => Err(format!(
                "{} is missing: run {remedy} in the repository",
                path.display()
            )),
        };
        let built = Path::new("out").join(&release);
        let parts = Self {
            kernel: there(kernel.join("vmlinuz"), "scripts/setup")?,
            modules: there(kernel.join("modules"), "scripts/setup")?,
            tree: there(kernel.join("build"), "scripts/setup")?,
            root: there(cache.join("images/root.ext4"), "scripts/setup")?,
            module: there(built.join("shunt.ko"), "scripts/build")?,
            test_drives: there(built.join("testdrive.ko"), "scripts/build")?,
            tools: there(PathBuf::from("out/bin"), "scripts/build")?,
            spec: there(PathBuf::from("uapi/shunt.yaml"), "this")?,
            work,
            release,
            debug,
        };
        fs::create_dir_all(&parts.work).map_err(because(parts.work.display()))?;
        Ok(parts)
    }

    /// The parts for each of these releases, or for the default one if there are none.
    pub(crate) fn find_all(releases: &[String]) -> Result<Vec<Self>> {
        match releases {
            [] => Ok(vec![Self::find(None)?]),
            some => some
                .iter()
                .map(|release| Self::find(Some(release)))
                .collect(),
        }
    }

    /// The parts of another guest with this kernel, with a work folder of its own.
    pub(crate) fn beside(&self, name: &str) -> Result<Self> {
        let work = self.work.join(name);
        fs::create_dir_all(&work).map_err(because(work.display()))?;
        Ok(Self {
            work,
            ..self.clone()
        })
    }

    /// A limit on the time of something in the guest, for this kernel.
    pub(crate) fn limit(&self, limit: Duration) -> Duration {
        limit * if self.debug { SLOWNESS } else { 1 }
    }

    /// Where the kernel's console is kept after the run.
    pub(crate) fn console(&self) -> PathBuf {
        self.work.join("console.log")
    }

    /// Lines of the console that mean a bug of the kernel.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let console = fs::read(self.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines = console.lines().filter(|line| is_complaint(line));
        lines.map(str::to_owned).collect()
    }
}

fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("SHUNT_CACHE") {
        return Ok(cache.into());
    }
    let home = env::var_os("HOME").ok_or("neither SHUNT_CACHE nor HOME is set: set one of them")?;
    Ok(Path::new(&home).join(".cache/shunt"))
}

fn default_release(cache: &Path) -> Result<String> {
    let list = cache.join("kernels/list");
    let text = fs::read_to_string(&list)
        .map_err(|why| format!("{}: {why}: run scripts/setup", list.display()))?;
    let first = text
        .lines()
        .next()
        .ok_or_else(|| format!("{} is empty: run scripts/setup", list.display()))?;
    Ok(first.to_owned())
}
