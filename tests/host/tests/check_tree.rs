// SPDX-License-Identifier: MIT OR Apache-2.0
//! `make` refuses a kernel tree that will not do with one line that says why: `scripts/check-tree`.
#![expect(
    clippy::unwrap_used,
    reason = "a folder that cannot be written fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

const RUSTC: &str = "rustc 1.85.1 (4eb161250 2025-03-15)";

/// A folder that looks like a prepared tree; removed on drop.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let tree = std::env::temp_dir().join(format!("shunt-tree-{name}-{}", process::id()));
        let tree = Self(tree);
        for file in [
            "rust/libkernel.rmeta",
            "rust/libmacros.so",
            "include/config/kernel.release",
            "Module.symvers",
        ] {
            tree.write(file, "");
        }
        tree.configure(&format!(
            "CONFIG_RUST=y\nCONFIG_BLK_DEV_ZONED=y\nCONFIG_RUSTC_VERSION_TEXT=\"{RUSTC}\"\n"
        ));
        // A compiler that says which it is.
        tree.write("rustc", &format!("#!/bin/sh\necho '{RUSTC}'\n"));
        tree
    }

    fn configure(&self, text: &str) {
        self.write(".config", text);
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.0.join(file)).unwrap();
    }

    /// What is said of it, without its path.
    fn said(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check-tree");
        let ended = Command::new("sh")
            .arg(script)
            .arg(&self.0)
            .env("RUSTC", format!("sh {}", self.0.join("rustc").display()))
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        assert_eq!(ended.status.success(), said.is_empty(), "{said}");
        said.trim_end()
            .replace(&format!("shunt: {} ", self.0.display()), "")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[track_caller]
fn refused(tree: &Tree, words: &str) {
    let said = tree.said();
    assert!(said.contains(words), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_prepared_tree_is_accepted() {
    assert_eq!(Tree::new("good").said(), "");
}

#[test]
fn what_is_no_tree_is_refused() {
    let tree = Tree::new("none");
    tree.remove(".config");
    refused(&tree, "is not a prepared kernel tree");
}

#[test]
fn a_kernel_without_rust_is_refused() {
    let tree = Tree::new("rust");
    tree.configure("# CONFIG_RUST is not set\nCONFIG_BLK_DEV_ZONED=y\n");
    refused(&tree, "CONFIG_RUST is not set");
}

#[test]
fn a_kernel_without_zoned_drives_is_refused() {
    let tree = Tree::new("zoned");
    tree.configure("CONFIG_RUST=y\n");
    refused(&tree, "CONFIG_BLK_DEV_ZONED is not set");
}

#[test]
fn headers_without_rust_metadata_are_refused() {
    let tree = Tree::new("headers");
    tree.remove("rust/libkernel.rmeta");
    refused(&tree, "has no rust/libkernel.rmeta");
}

#[test]
fn another_compiler_is_refused() {
    let tree = Tree::new("rustc");
    tree.write("rustc", "#!/bin/sh\necho 'rustc 1.90.0'\n");
    refused(
        &tree,
        &format!(
            "was built by '{RUSTC}', and sh {}",
            tree.0.join("rustc").display()
        ),
    );
}
