// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stage of the keeper's tests: daemons start, drives come and go, and others change the devices.

use std::{fs, path::PathBuf};

use super::*;

/// A kernel, a file, and the daemon that keeps the one to the other.
pub(super) struct Stage {
    pub(super) kernel: Fake,
    pub(super) file: PathBuf,
    pub(super) keeper: Option<Keeper<Fake>>,
}

impl Stage {
    /// With drives a to c; the daemon is not started.
    pub(super) fn new(test: &str, text: &str) -> Self {
        let kernel = Fake::new();
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            let drive = Drive::new(8, 16 * number as u32, 8 * MIB);
            kernel.add_drive(&format!("/dev/{name}"), drive);
        }
        let name = format!("shunt-keeper-{test}-{}.toml", std::process::id());
        let stage = Self {
            kernel,
            file: std::env::temp_dir().join(name),
            keeper: None,
        };
        stage.write(text);
        stage
    }

    pub(super) fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }

    pub(super) fn start(&mut self) {
        self.restart();
        self.turn();
    }

    /// Starts a daemon that has done nothing yet.
    pub(super) fn restart(&mut self) {
        let mut keeper = Keeper::start(self.kernel.clone(), |_| {}).unwrap();
        let machine = self.kernel.clone();
        keeper.keep_to(Wants::of_file(&self.file, false, move || {
            Box::new(machine.clone())
        }));
        self.keeper = Some(keeper);
    }

    pub(super) fn keeper(&mut self) -> &mut Keeper<Fake> {
        self.keeper.as_mut().unwrap()
    }

    /// Lets the daemon do all that there is to do. What it does not wait for because the machine is slow is
    /// waited for here, but for what a drive holds up.
    pub(super) fn turn(&mut self) {
        let hung = self.kernel.hung();
        let keeper = self.keeper();
        for _ in 0..1000 {
            keeper.turn().unwrap();
            while keeper.steps() > hung {
                keeper.wait();
                keeper.turn().unwrap();
            }
            if !keeper.has_work() {
                return;
            }
        }
        panic!("the keeper goes round in circles");
    }

    /// Lets the daemon have one turn, and the kernel do what it is asked for there, should that take long.
    pub(super) fn one_turn(&mut self) {
        let hung = self.kernel.hung();
        let keeper = self.keeper();
        keeper.turn().unwrap();
        if keeper.steps() > hung {
            keeper.wait();
        }
    }

    /// Lets it do all that there is to do once the kernel has answered what it is at.
    pub(super) fn settle(&mut self) {
        while self.keeper().is_busy() {
            self.keeper().wait();
            self.turn();
        }
    }

    pub(super) fn reload(&mut self) {
        self.keeper().reload();
        self.turn();
    }

    pub(super) fn news(&mut self, news: News) {
        self.keeper().drive_changed(news);
        self.turn();
    }

    pub(super) fn add(&mut self, path: &str, minor: u32) {
        self.kernel.add_drive(path, Drive::new(9, minor, 8 * MIB));
        self.news(News::Came);
    }

    /// Plugs drive a in again.
    pub(super) fn add_again(&mut self, minor: u32) {
        let same = Drive::new(8, 0, 8 * MIB);
        self.kernel.add_drive(
            "/dev/a",
            Drive {
                major: 9,
                minor,
                ..same
            },
        );
        self.news(News::Came);
    }

    /// What somebody else does.
    pub(super) fn change(&mut self, change: &DeviceChange) {
        let mut client = Client::new(self.kernel.clone());
        client.change_device(&Selector::name("v"), change).unwrap();
    }

    pub(super) fn retarget(&mut self, path: &str) {
        self.change(&DeviceChange::Retarget {
            targets: vec![TargetSpec::whole(path)],
            stripe: None,
        });
    }

    pub(super) fn unmap(&mut self) {
        let mut client = Client::new(self.kernel.clone());
        client.delete_device(&Selector::name("v")).unwrap();
    }

    /// Names and first drives of the devices.
    pub(super) fn devices(&self) -> Vec<(String, String)> {
        let devices = self.kernel.devices().into_iter();
        devices
            .map(|device| (device.name.clone(), device.targets[0].path.clone()))
            .collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// What [`Stage::devices`] gives for these.
pub(super) fn on(devices: &[(&str, &str)]) -> Vec<(String, String)> {
    let devices = devices.iter();
    devices
        .map(|(name, path)| ((*name).to_owned(), (*path).to_owned()))
        .collect()
}
