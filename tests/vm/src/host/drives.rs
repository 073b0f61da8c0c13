// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drives of a guest: the payload image and the flash drives, as files in a folder that goes with the machine.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::parts::Parts;
use super::tool::run;
use super::{Result, because, installed};
use crate::cases::Init;

const MIB: u64 = 1 << 20;

/// Size and logical block size of each flash drive; its serial is `flash` and its number. The third ends off any round
/// number, so that the last sector is where a mistake shows.
const FLASH: [(u64, u32); 4] = [
    (256 * MIB, 512),
    (128 * MIB, 512),
    (96 * MIB + 7 * 512, 512),
    (192 * MIB, 4096),
];

/// Drives that are not plugged in at boot, as block nodes `hotN`, and as many slots for them, `slotN`.
const HOT: [u64; 2] = [64 * MIB, 64 * MIB];

/// Zoned drives, the same in all: size, zone size, what can be written of a zone. Their serials are `zoned` and a number.
const ZONED: [(u64, u64, u64); 2] = [(64 * MIB, 4 * MIB, 3 * MIB); 2];

/// Size of the drive that can do what few can: protection information, atomic writes, write streams. Its serial is `rich`.
const RICH: u64 = 64 * MIB;

/// Name of such a folder, before the number of the process that it belongs to.
const FOLDER: &str = "drives-";

/// A folder with the images of one boot; removed on drop.
pub(crate) struct Drives {
    folder: PathBuf,
}

impl Drives {
    /// Makes blank flash drives and a payload image with the runner, the tools and the modules; for a whole system, also
    /// with all that is installed.
    pub(crate) fn make(parts: &Parts, init: Init) -> Result<Self> {
        clear_abandoned(&parts.work);
        let folder = parts.work.join(format!("{FOLDER}{}", process::id()));
        let drives = Self { folder };
        fs::create_dir_all(&drives.folder).map_err(because(drives.folder.display()))?;
        for (index, (bytes, _)) in FLASH.iter().enumerate() {
            sparse(&drives.flash(index), *bytes)?;
        }
        for (index, bytes) in HOT.iter().enumerate() {
            sparse(&drives.hot(index), *bytes)?;
        }
        sparse(&drives.rich(), RICH)?;
        for (index, (bytes, ..)) in ZONED.iter().enumerate() {
            sparse(&drives.zoned(index), *bytes)?;
        }
        drives.make_payload(parts, init)?;
        Ok(drives)
    }

    /// Arguments that give QEMU the drives; `root` is left as it is on the disk.
    pub(crate) fn arguments(&self, root: &Path) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut drive = |id: &str, file: &Path, options: &str| {
            let file = file.display();
            arguments.push("-drive".to_owned());
            arguments.push(format!("if=none,id={id},format=raw,file={file},{options}"));
        };
        drive("root", root, "snapshot=on");
        drive("payload", &self.payload(), "readonly=on");
        for index in 0..FLASH.len() {
            drive(
                &format!("flash{index}"),
                &self.flash(index),
                "discard=unmap,cache=unsafe",
            );
        }
        drive("rich", &self.rich(), "discard=unmap,cache=unsafe");
        for index in 0..ZONED.len() {
            drive(&format!("zoned{index}"), &self.zoned(index), "cache=unsafe");
        }
        let mut device = |text: String| arguments.extend(["-device".to_owned(), text]);
        device("nvme,serial=root,drive=root".to_owned());
        device("nvme,serial=payload,drive=payload".to_owned());
        for (index, (_, block)) in FLASH.iter().enumerate() {
            device(format!("nvme,id=nvme{index},serial=flash{index}"));
            device(format!(
                "nvme-ns,bus=nvme{index},drive=flash{index},logical_block_size={block},physical_block_size={block}"
            ));
        }
        device("nvme-subsys,id=streams,fdp=on,fdp.nruh=4".to_owned());
        device(
            "nvme,id=nvmerich,serial=rich,subsys=streams,atomic.awun=15,atomic.awupf=15".to_owned(),
        );
        device("nvme-ns,bus=nvmerich,drive=rich,shared=off,ms=8,pi=1,fdp.ruhs=1;2;3".to_owned());
        for (index, (_, zone, capacity)) in ZONED.iter().enumerate() {
            device(format!("nvme,id=znvme{index},serial=zoned{index}"));
            device(format!(
                "nvme-ns,bus=znvme{index},drive=zoned{index},zoned=on,zoned.zone_size={zone},zoned.zone_capacity={capacity},\
                 zoned.max_open=8,zoned.max_active=12"
            ));
        }
        for index in 0..HOT.len() {
            let number = index + 1;
            device(format!(
                "pcie-root-port,id=slot{index},chassis={number},slot={number}"
            ));
        }
        for index in 0..HOT.len() {
            arguments.push("-blockdev".to_owned());
            arguments.push(format!(
                "raw,node-name=hot{index},discard=unmap,cache.no-flush=on,file.driver=file,file.filename={}",
                self.hot(index).display()
            ));
        }
        // The slots are the kernel's own business, by interrupts of the port, and not that of the firmware: so a drive can
        // also go unannounced.
        arguments.push("-global".to_owned());
        arguments.push("ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off".to_owned());
        arguments
    }

    /// The socket of QEMU's monitor.
    pub(crate) fn monitor(&self) -> PathBuf {
        self.folder.join("monitor")
    }

    /// Argument that makes QEMU listen there.
    pub(crate) fn monitor_argument(&self) -> String {
        format!("unix:{},server=on,wait=off", self.monitor().display())
    }

    fn rich(&self) -> PathBuf {
        self.folder.join("rich.raw")
    }

    fn zoned(&self, index: usize) -> PathBuf {
        self.folder.join(format!("zoned{index}.raw"))
    }

    fn hot(&self, index: usize) -> PathBuf {
        self.folder.join(format!("hot{index}.raw"))
    }

    fn flash(&self, index: usize) -> PathBuf {
        self.folder.join(format!("flash{index}.raw"))
    }

    fn payload(&self) -> PathBuf {
        self.folder.join("payload.ext4")
    }

    fn make_payload(&self, parts: &Parts, init: Init) -> Result<()> {
        let tree = self.folder.join("payload");
        let copy = |from: &Path, name: &str| {
            let to = tree.join(name);
            fs::copy(from, &to).map_err(because(format!("{} to {}", from.display(), to.display())))
        };
        fs::create_dir_all(tree.join("bin")).map_err(because(tree.display()))?;
        copy(Path::new("/proc/self/exe"), "bin/shunt-vm")?;
        copy(&parts.module, "shunt.ko")?;
        copy(&parts.test_drives, "testdrive.ko")?;
        copy(&parts.spec, "shunt.yaml")?;
        for entry in fs::read_dir(&parts.tools).map_err(because(parts.tools.display()))? {
            let entry = entry.map_err(because(parts.tools.display()))?;
            if entry.path().is_file() && entry.file_name() != "shunt-vm" {
                copy(
                    &entry.path(),
                    &format!("bin/{}", entry.file_name().to_string_lossy()),
                )?;
            }
        }
        let first = tree.join("init");
        let why = because(first.display());
        fs::write(&first, "#!/bin/sh\nexec /payload/bin/shunt-vm guest\n")
            .and_then(|()| fs::set_permissions(&first, fs::Permissions::from_mode(0o755)))
            .map_err(why)?;

        if init == Init::Systemd {
            installed::install(parts, &tree.join("installed"))?;
        }

        let bytes = bytes_in(&tree).map_err(because(tree.display()))?;
        sparse(&self.payload(), bytes + bytes / 4 + 8 * MIB)?;
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args([
            "-q",
            "-F",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
            "-d",
        ])
        .args([&tree, &self.payload()]);
        run(&mut mkfs, &[0])
    }
}

impl Drop for Drives {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folders of harnesses that were killed.
fn clear_abandoned(work: &Path) {
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The size of all files in a folder.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_in(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}

fn sparse(path: &Path, bytes: u64) -> Result<()> {
    File::create(path)
        .and_then(|file| file.set_len(bytes))
        .map_err(because(path.display()))
}
