// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the kernel may not have loaded the module though it was asked. Both programs say it.

use std::{fs, io, path::Path};

use nix::sys::utsname::uname;

/// What is known to stand between the kernel that runs and the module, and what to do; none if nothing is.
pub fn obstacle() -> Option<String> {
    let release = uname().ok()?.release().to_string_lossy().into_owned();
    let list = Path::new("/lib/modules").join(&release).join("modules.dep");
    told(&release, fs::read_to_string(list), signed_only())
}

/// Whether the kernel takes only modules that are signed by a key that it knows.
fn signed_only() -> bool {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let lockdown = read("/sys/kernel/security/lockdown");
    read("/sys/module/module/parameters/sig_enforce").starts_with('Y')
        || lockdown.contains("[integrity]")
        || lockdown.contains("[confidentiality]")
}

/// As [`obstacle`], of a kernel with this list of modules. One that cannot be read says nothing, as a daemon without access to modules
/// cannot.
fn told(release: &str, modules: io::Result<String>, signed_only: bool) -> Option<String> {
    let there = modules.map(|list| {
        let mut files = list.lines().filter_map(|line| line.split(':').next());
        files.any(|file| file.contains("/shunt.ko"))
    });
    match there {
        Ok(false) => Some(format!(
            "none is installed for this kernel, {release}: apt install shunt-dkms, boot a kernel that has it, or insmod \
             one that was built for it"
        )),
        _ if signed_only => Some(
            "this kernel takes only modules whose key it knows (EKEYREJECTED; Secure Boot): mokutil --import \
             /var/lib/dkms/mok.pub, reboot, and enrol the key"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> io::Result<String> {
        Ok(text.to_owned())
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_what_to_do() {
        let has = "updates/dkms/shunt.ko.xz: kernel/lib/x.ko.xz\n";
        let lacks = "kernel/net/shunt/other.ko.xz:\n";
        let unknown = || Err(io::ErrorKind::PermissionDenied.into());
        assert_eq!(told("7.3", list(has), false), None);
        assert_eq!(told("7.3", unknown(), false), None);
        let missing = told("7.3", list(lacks), false).unwrap();
        assert!(
            missing.contains("kernel, 7.3: apt install shunt-dkms"),
            "{missing}"
        );
        for modules in [list(has), unknown()] {
            let rejected = told("7.3", modules, true).unwrap();
            assert!(rejected.contains("mokutil --import"), "{rejected}");
        }
    }
}
