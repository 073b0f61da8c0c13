// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that is a whole system, with systemd as its init and shunt installed and configured as
//! docs/administration.md says. The root takes it all, and is thrown away with the guest.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shunt::{Client, Selector};

use super::debug_kernel;
use super::flash::find_ready;
use super::wait::Poll;
use super::work::prepare;

/// How many devices there are that have their drive.
pub(crate) const PRESENT: u64 = 19;

/// The device whose drive is missing at boot: it is to be plugged into slot 0.
pub(crate) const LATE: &str = "late";

/// Where the file system of the first device is mounted.
pub(crate) const MOUNTED: &str = "/srv/vol0";

/// What is wanted of shunt.
pub(crate) const CONFIG: &str = "/etc/shunt/shunt.toml";

/// Size of each device.
const SIZE: u64 = 8 << 20;

/// Has the cases run at the end of the boot.
const RUNNER: &str = "\
[Unit]
Description=The runner of the cases
DefaultDependencies=no
After=basic.target

[Service]
Environment=SHUNT_VM=system
ExecStart=/payload/bin/shunt-vm guest
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=basic.target
";

/// Has udev look at drives only, of all that was there before it.
const COLDPLUG: &str = "\
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=nvme --subsystem-match=block
";

/// What a boot takes most of its time for, and has nothing to do with block devices: units, programs that make units, and
/// the rule that has udev load drivers.
const MASKED: [(&str, &[&str]); 3] = [
    (
        "/etc/systemd/system",
        &[
            "dev-hugepages.mount",
            "dev-mqueue.mount",
            "kmod-static-nodes.service",
            "proc-sys-fs-binfmt_misc.automount",
            "run-lock.mount",
            "sys-fs-fuse-connections.mount",
            "sys-kernel-config.mount",
            "systemd-ask-password-console.path",
            "systemd-binfmt.service",
            "systemd-journal-flush.service",
            "systemd-random-seed.service",
            "systemd-remount-fs.service",
            "systemd-sysctl.service",
            "systemd-tmpfiles-setup-dev-early.service",
            "systemd-tmpfiles-setup-dev.service",
            "systemd-tmpfiles-setup.service",
            "systemd-udev-load-credentials.service",
            "timers.target",
            "tmp.mount",
        ],
    ),
    (
        "/etc/systemd/system-generators",
        &[
            "systemd-debug-generator",
            "systemd-getty-generator",
            "systemd-gpt-auto-generator",
            "systemd-hibernate-resume-generator",
            "systemd-rc-local-generator",
            "systemd-run-generator",
            "systemd-ssh-generator",
            "systemd-system-update-generator",
            "systemd-sysv-generator",
            "systemd-tpm2-generator",
        ],
    ),
    ("/etc/udev/rules.d", &["80-drivers.rules"]),
];

/// Whether this is one.
pub(crate) fn runs() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// The configuration of one device more, on the same drive as the first ones.
pub(crate) fn device(name: &str, number: u64) -> String {
    format!(
        "[device.{name}]\nto = {{ drive = \"{}\", offset = {}, length = {SIZE} }}\n",
        by_id("flash0"),
        number * SIZE
    )
}

/// Makes the root what an administrator makes of a machine, and becomes its init.
pub(super) fn boot() -> Result<(), String> {
    let drive = Poll::for_at_most(Duration::from_secs(20)).until(|| find_ready("flash0"));
    let drive = drive.ok_or("there is no drive flash0")?.path;
    run("cp --archive --no-target-directory /payload/installed /")?;
    run(&format!("mkfs.ext4 -q -F {drive} {}k", SIZE >> 10))?;

    let devices = (0..PRESENT).map(|number| device(&format!("vol{number}"), number));
    let late = format!("[device.{LATE}]\nto = \"{}\"\n", by_id("hot0"));
    let config: String = devices.chain([late]).collect();
    let fstab = format!("/dev/shunt/by-name/vol0 {MOUNTED} ext4 defaults 0 2\n");
    let files = [
        (CONFIG, config.as_str()),
        ("/etc/fstab", &fstab),
        ("/etc/systemd/system/runner.service", RUNNER),
        (
            "/etc/systemd/system/systemd-udev-trigger.service.d/drives.conf",
            COLDPLUG,
        ),
    ];
    for (file, text) in files {
        let folder = Path::new(file).parent().unwrap_or(Path::new("/"));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
        written.map_err(|why| format!("{file}: {why}"))?;
    }
    for (folder, names) in MASKED {
        let masked = fs::create_dir_all(folder).and_then(|()| {
            let mut links = names.iter().map(|name| Path::new(folder).join(name));
            links.try_for_each(|link| symlink("/dev/null", link))
        });
        masked.map_err(|why| format!("{folder}: {why}"))?;
    }
    run("systemctl enable --quiet shuntd.service runner.service")?;
    Err(format!("/sbin/init: {}", Command::new("/sbin/init").exec()))
}

/// Unmaps every device and unloads the module, before the scan for leaks.
pub(super) fn take_down() {
    if !debug_kernel::runs() {
        return;
    }
    let unmount = format!("umount {MOUNTED}");
    let ended = ["systemctl stop shuntd.service", &unmount, "udevadm settle"]
        .into_iter()
        .try_for_each(run)
        .and_then(|()| unmap_all().map_err(|why| why.to_string()))
        .and_then(|()| run("rmmod shunt"));
    if let Err(why) = ended {
        debug_kernel::tell(&format!("BUG: shunt does not go: {why}"));
    }
}

fn unmap_all() -> Result<(), shunt::Error> {
    let mut client = Client::connect()?;
    for device in client.devices()? {
        client.delete_device(&Selector::Id(device.id))?;
    }
    Ok(())
}

/// Ends the system in good order.
pub(super) fn power_off() -> Result<(), String> {
    // QEMU ends at a reboot too.
    run("systemctl --no-block reboot")
}

/// The name that udev gives a drive with this serial number.
fn by_id(serial: &str) -> String {
    format!("/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_{serial}")
}

fn run(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let ended = prepare(Command::new(words[0]).args(&words[1..])).status();
    let ended = ended.and_then(|status| match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(status.to_string())),
    });
    ended.map_err(|why| format!("{line}: {why}"))
}
