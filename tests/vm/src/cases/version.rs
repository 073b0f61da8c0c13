// SPDX-License-Identifier: MIT OR Apache-2.0
//! Versions: of the programs, of the module that is loaded, and of the one that is installed.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::guest::command::{attempt, attempt_as_nobody, run};
use crate::guest::module::Module;
use crate::guest::shunt;
use crate::guest::ynl::Ynl;

cases! {
    the_module_tells_the_version_of_the_programs,
    a_module_that_is_not_the_installed_one_is_to_be_reloaded,
}

const PROGRAM: &str = env!("CARGO_PKG_VERSION");

#[track_caller]
fn versions() -> Value {
    shunt::json(&run("shunt version --json"))
}

fn the_module_tells_the_version_of_the_programs() {
    let before = versions();
    assert_eq!(before["program"], PROGRAM);
    assert_eq!(before["loaded"], false, "{before}");
    let module = Module::load();
    let file = "/sys/module/shunt/version";
    let attribute = fs::read_to_string(file).expect("a module has a version");
    assert_eq!(attribute.trim(), PROGRAM);
    let told = Ynl::start_as_nobody().ask("module-get", &json!({}));
    assert_eq!(told["version"], PROGRAM);
    assert_eq!(versions()["module"], PROGRAM);
    let ended = attempt_as_nobody(&["shunt", "version"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("program and module fit"),
        "{}",
        ended.stdout
    );
    drop(module);
    assert_eq!(versions()["loaded"], false, "asking loaded it again");
}

/// What modprobe finds, instead of the modules of the image, while it exists.
struct Installed(String);

impl Installed {
    /// The module under test with other digits for its version.
    #[track_caller]
    fn of_version(version: &str) -> Self {
        let (from, to) = (
            format!("\0version={PROGRAM}\0"),
            format!("\0version={version}\0"),
        );
        assert_eq!(from.len(), to.len());
        let mut module = fs::read("/payload/shunt.ko").expect("the payload has the module");
        // The first field of the section has nothing before it.
        let found = module
            .windows(from.len() - 1)
            .position(|part| part == &from.as_bytes()[1..]);
        let at = found.expect("the module has a version");
        module[at..at + to.len() - 1].copy_from_slice(&to.as_bytes()[1..]);

        let release = run("uname -r");
        let modules = format!("/usr/lib/modules/{}", release.trim());
        run(&format!("mount -t tmpfs tmpfs {modules}"));
        let installed = Self(modules);
        let folder = Path::new(&installed.0).join("updates");
        fs::create_dir(&folder).expect("a new file system takes a folder");
        fs::write(folder.join("shunt.ko"), module).expect("it takes a file");
        run("depmod");
        installed
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        run(&format!("umount {}", self.0));
    }
}

fn a_module_that_is_not_the_installed_one_is_to_be_reloaded() {
    let _module = Module::load();
    let same = Installed::of_version(PROGRAM);
    let now = versions();
    assert_eq!(now["installed"], PROGRAM, "{now}");
    assert_eq!(now["reload"], false, "{now}");
    run("shunt status");
    drop(same);
    let _other = Installed::of_version("9.9.9");
    let now = versions();
    assert_eq!(now["installed"], "9.9.9", "{now}");
    assert_eq!(now["reload"], true, "{now}");
    let status = attempt(&["shunt", "status", "--json"]);
    assert_eq!(status.code, Some(1), "{status:?}");
    let attention = &shunt::json(&status.stdout)["attention"][0];
    assert_eq!(attention["kind"], "module");
    let text = attention["text"].as_str().expect("it is a text");
    assert!(
        text.contains("9.9.9 is installed and") && text.contains("reboot"),
        "{text}"
    );
}
