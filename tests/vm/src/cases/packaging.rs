// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of packaging/, taken up by what they are for.

use std::fs;

use crate::guest::case::figure;
use crate::guest::command::{attempt, run, run_with_input};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs;
use crate::guest::udev::{Udev, wait_for_link};

cases! {
    links_by_name_and_sequence_come_and_go_with_the_device,
    the_units_are_sound_and_confined,
}

fn links_by_name_and_sequence_come_and_go_with_the_device() {
    let _module = Module::load();
    let udev = Udev::start();
    let drive = flash(0);
    run_with_input(&["sfdisk", "--quiet", &drive.path], "label: gpt\nsize=8M\n");
    for name in ["vol0", "back{up}", "vol0"] {
        let device = Device::map(name, &drive.path);
        let disk = device.disk().to_owned();
        let encoded = name.replace('{', "\\x7b").replace('}', "\\x7d");
        let by_name = format!("/dev/shunt/by-name/{encoded}");
        let sequence = sysfs::number(&format!("/sys/block/{disk}/diskseq"));
        let by_sequence = format!("/dev/disk/by-diskseq/{sequence}");
        wait_for_link(&by_name, Some(&disk));
        wait_for_link(&by_sequence, Some(&disk));
        wait_for_link(&format!("{by_name}-part1"), Some(&format!("{disk}p1")));
        // udevd looks at it yet, and has it open.
        run("udevadm settle");
        device.unmap();
        wait_for_link(&by_name, None);
        wait_for_link(&by_sequence, None);
    }
    run("udevadm settle");
    drop(udev);
    run(&format!("wipefs --quiet --all {}", drive.path));
}

fn the_units_are_sound_and_confined() {
    let folder = "/run/units";
    fs::create_dir_all(folder).expect("/run takes folders");
    let service = include_str!("../../../../packaging/systemd/shuntd.service");
    let target = include_str!("../../../../packaging/systemd/shunt-ready.target");
    let here = service.replace("/usr/sbin/shuntd", "/payload/bin/shuntd");
    fs::write(format!("{folder}/shuntd.service"), here)
        .and_then(|()| fs::write(format!("{folder}/shunt-ready.target"), target))
        .expect("/run takes files");
    let unit = format!("{folder}/shuntd.service");
    let words = [
        "systemd-analyze",
        "verify",
        "--man=no",
        &unit,
        &format!("{folder}/shunt-ready.target"),
    ];
    let ended = attempt(&words);
    assert!(
        ended.code == Some(0) && !ended.stderr.contains("shunt"),
        "{ended:?}"
    );
    let said = run(&format!(
        "systemd-analyze security --no-pager --offline=true --threshold=25 {unit}"
    ));
    let score = said.lines().last().unwrap_or_default();
    figure(
        score
            .trim_start_matches(|letter: char| !letter.is_ascii())
            .trim(),
    );
    fs::remove_dir_all(folder).expect("the folder is there");
}
