// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wanted of the kernel, and when to look whether it is so. The keeper owns it and carries
//! out its plans.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    path::PathBuf,
};

use log::Level;

use super::News;
use crate::{
    config::{self, Policy, Problem, Wanted},
    error::Error,
    machine::Machine,
    model::{Device, Reason},
    plan::{Action, Authority, Plan, Step, plan},
    world::Change,
};

/// The configuration that the keeper keeps the kernel to.
pub struct Wants {
    file: PathBuf,
    /// Whether the file may be absent, which is as if it were empty.
    optional: bool,
    machine: Box<dyn Fn() -> Box<dyn Machine>>,
    devices: Vec<Wanted>,
    /// Whether to look, and how far the changes may go.
    pending: Option<Authority>,
    /// What was found when it was looked last, and is not done yet.
    steps: VecDeque<Step>,
    /// How far those go.
    authority: Authority,
    /// Whether something would be done if a drive came.
    unsettled: bool,
    /// Whether a device waits for a drive.
    waiting: bool,
    /// Devices that are not mapped until the files are read again, and why.
    unmapped: BTreeMap<String, String>,
    /// What was said last of each device.
    told: BTreeMap<String, String>,
    /// Steps that were done and changed nothing; once is enough.
    idle: BTreeMap<String, Step>,
}

impl Wants {
    /// Reads a file. What is wrong with it is logged, and nothing is wanted then. `machine` looks at
    /// the drives anew each time.
    pub fn of_file(
        file: impl Into<PathBuf>,
        optional: bool,
        machine: impl Fn() -> Box<dyn Machine> + 'static,
    ) -> Self {
        let mut wants = Self {
            file: file.into(),
            optional,
            machine: Box::new(machine),
            devices: Vec::new(),
            pending: None,
            steps: VecDeque::new(),
            authority: Authority::Keep,
            unsettled: false,
            waiting: false,
            unmapped: BTreeMap::new(),
            told: BTreeMap::new(),
            idle: BTreeMap::new(),
        };
        match wants.read() {
            Ok(devices) => wants.devices = devices,
            Err(problems) => refuse(&problems, "no device is looked after until it is mended"),
        }
        let (count, file) = (wants.devices.len(), wants.file.display());
        log::info!("devices wanted by {file}: {count}");
        wants.pending = Some(Authority::Keep);
        wants
    }

    fn read(&self) -> Result<Vec<Wanted>, Vec<Problem>> {
        let load = if self.optional {
            config::load_if_there
        } else {
            config::load
        };
        Ok(load(&self.file)?.devices)
    }

    /// Reads the files again. If something is wrong with them, or with the drives for them, that
    /// is logged, and all stays as it is.
    pub(super) fn reload(&mut self, present: &[Device]) {
        let read = self.read().and_then(|devices| {
            let problems = config::check(&devices, present, &*(self.machine)());
            let problems: Vec<_> = problems.into_iter().map(|(_, problem)| problem).collect();
            if problems.is_empty() {
                Ok(devices)
            } else {
                Err(problems)
            }
        });
        match read {
            Ok(devices) => {
                log::info!("devices wanted: {}", devices.len());
                let names: BTreeSet<_> = devices.iter().map(|device| &device.name).collect();
                for before in &self.devices {
                    if !names.contains(&before.name) {
                        log::info!("{} is wanted no more and is left as it is", before.name);
                    }
                }
                self.devices = devices;
                self.forget();
                self.pending = Some(Authority::Reload);
            }
            Err(problems) => refuse(&problems, "all stays as it was"),
        }
    }

    /// Takes up that the module came, without devices or with those of a daemon before.
    pub(super) fn module_came(&mut self) {
        self.forget();
        self.pending = Some(Authority::Keep);
    }

    fn forget(&mut self) {
        self.steps.clear();
        self.unmapped.clear();
        self.told.clear();
        self.idle.clear();
    }

    /// Takes up that somebody else changed a device.
    pub(super) fn changed(&mut self, change: &Change) {
        let name = &change.device.name;
        let Some(wanted) = self.devices.iter().find(|wanted| wanted.name == *name) else {
            // It may have given up what another waits for.
            if self.unsettled {
                self.look();
            }
            return;
        };
        match change.reason {
            Reason::Destroyed if wanted.policy == Policy::Adopt => {
                let why =
                    "it was unmapped by somebody else and stays so (policy adopt) until a reload";
                self.unmapped.insert(name.clone(), why.to_owned());
            }
            Reason::Created => {
                self.unmapped.remove(name);
            }
            _ => {}
        }
        self.look();
    }

    /// Takes up that something happened to a drive.
    pub(super) fn drive_changed(&mut self, news: News) {
        let matters = match news {
            News::Anything | News::Resized => !self.devices.is_empty(),
            News::Came => self.unsettled,
            // Else what a step does would bring about the next.
            News::OwnCame => self.waiting,
        };
        if matters {
            self.look();
        }
    }

    fn look(&mut self) {
        self.pending = self.pending.or(Some(Authority::Keep));
    }

    /// Whether there may be something to do.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some() || !self.steps.is_empty()
    }

    /// What is to be done next, if there is something. When all that was found is done, it is looked
    /// for more.
    pub(super) fn next_step(&mut self, present: impl FnOnce() -> Vec<Device>) -> Option<Step> {
        if self.steps.is_empty() {
            self.authority = self.pending.take()?;
            self.steps = self.find_steps(&present()).into();
        }
        self.steps.pop_front()
    }

    /// All that is to be done now. What cannot be done is logged, if it was not yet.
    fn find_steps(&mut self, present: &[Device]) -> Vec<Step> {
        let mut plan = plan(&self.devices, present, &*(self.machine)(), self.authority);
        for waiting in plan
            .waiting
            .iter()
            .filter(|waiting| waiting.skip && !waiting.mapped)
        {
            self.unmapped
                .insert(waiting.device.clone(), waiting.to_string());
        }
        plan.waiting
            .retain(|waiting| !self.unmapped.contains_key(&waiting.device));
        plan.steps.retain(|step| match &step.action {
            Action::Map(_) => !self.unmapped.contains_key(&step.device),
            _ => self.idle.get(&step.device) != Some(step),
        });
        self.remark(&plan);
        plan.steps
    }

    /// Logs what is not as it is wanted, each thing once.
    fn remark(&mut self, plan: &Plan) {
        let waiting = plan.waiting.iter();
        let waiting = waiting.map(|waiting| (&waiting.device, Level::Warn, waiting.to_string()));
        let refused = plan.refused.iter();
        let refused = refused.map(|remark| (&remark.device, Level::Error, remark.to_string()));
        let left = plan.left.iter();
        let left = left.map(|remark| (&remark.device, Level::Warn, remark.to_string()));
        let unmapped = self.unmapped.iter();
        let unmapped = unmapped.map(|(name, why)| (name, Level::Warn, format!("{name}: {why}")));
        // What was said of a step that failed holds until it is tried again.
        let tried = plan
            .steps
            .iter()
            .filter_map(|step| self.told.remove_entry(&step.device));
        let mut told: BTreeMap<_, _> = tried.collect();
        for (name, level, text) in waiting.chain(refused).chain(left).chain(unmapped) {
            if self.told.get(name) != Some(&text) {
                log::log!(level, "{text}");
            }
            told.insert(name.clone(), text);
        }
        self.told = told;
        self.waiting = !plan.waiting.is_empty();
        self.unsettled = self.waiting || !plan.refused.is_empty();
    }

    /// Takes up that a step was done. What it gave up, another may have waited for.
    pub(super) fn done(&mut self, step: &Step, device: &Device) {
        log::info!("{step}: {device}");
        match &step.action {
            Action::Change { before, .. } if before == device => {
                self.idle.insert(step.device.clone(), step.clone());
            }
            _ => {
                self.idle.remove(&step.device);
            }
        }
        self.told.remove(&step.device);
        self.pending = Some(match self.pending {
            Some(Authority::Reload) => Authority::Reload,
            _ => self.authority,
        });
    }

    /// Takes up that a step was refused.
    pub(super) fn failed(&mut self, step: &Step, error: &Error) {
        let (verb, name, place) = (step.action.name(), &step.device, &step.place);
        let text = format!("{place}: cannot {verb} {name}: {error}; it stays as it was");
        if self.told.get(name) != Some(&text) {
            log::error!("{text}");
        }
        self.told.insert(name.clone(), text);
        self.unsettled = true;
    }
}

fn refuse(problems: &[Problem], then: &str) {
    for problem in problems {
        log::error!("{problem}");
    }
    log::error!("the configuration is not taken: {then}");
}

impl fmt::Debug for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wants")
            .field("file", &self.file)
            .field("devices", &self.devices)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
