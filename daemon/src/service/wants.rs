// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wanted of the kernel, and when to look whether it is so. The keeper owns it and carries
//! out its plans.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use log::Level;
use nix::libc::{ENODEV, ESTALE};

use super::{
    News, Presence,
    hand::Ended,
    kept::{Begun, Kept},
};
use crate::{
    apply::{Failed, Left},
    config::{self, Policy, Problem, Wanted},
    error::Error,
    machine::Machine,
    model::{Device, Reason},
    plan::{Action, Authority, Memory, Plan, Step, plan},
    words::shown,
    world::Change,
};

/// How long to wait for drives to have their names at a boot before it is looked again.
const SETTLING: Duration = Duration::from_secs(1);

/// The configuration that the keeper keeps the kernel to.
pub struct Wants {
    file: PathBuf,
    /// Whether the file may be absent, which is as if it were empty.
    optional: bool,
    machine: Box<dyn Fn() -> Box<dyn Machine>>,
    devices: Vec<Wanted>,
    /// What the drives are known again by.
    memory: Memory,
    /// Whether to look, and how far the changes may go.
    pending: Option<Authority>,
    /// When to look at the latest though nothing happens.
    again: Option<Instant>,
    /// Devices that are looked at next, and how far the changes of each may go. What is done about it is
    /// planned when it has its turn.
    names: VecDeque<(String, Authority)>,
    /// Whether something would be done if a drive came, or if a device gave something up.
    waiting: bool,
    unsettled: bool,
    /// What is remembered of each device.
    kept: BTreeMap<String, Kept>,
    /// Where others see what is wanted.
    presence: Option<Presence>,
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
            memory: Memory::default(),
            pending: Some(Authority::Keep),
            again: None,
            names: VecDeque::new(),
            waiting: false,
            unsettled: false,
            kept: BTreeMap::new(),
            presence: None,
        };
        match wants.read() {
            Ok(devices) => wants.devices = devices,
            Err(problems) => refuse(&problems, "no device is looked after until it is mended"),
        }
        let (count, file) = (wants.devices.len(), wants.file.display());
        log::info!("devices wanted by {file}: {count}");
        wants
    }

    /// Lets others see what is wanted.
    #[must_use]
    pub fn seen_in(mut self, mut presence: Presence) -> Self {
        presence.tell(&self.devices);
        self.presence = Some(presence);
        self
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
                        let name = shown(&before.name);
                        log::info!("{name} is wanted no more and is left as it is");
                    }
                }
                if let Some(presence) = &mut self.presence {
                    presence.tell(&devices);
                }
                self.devices = devices;
                self.memory.retain(&self.devices);
                self.forget();
                for begun in self
                    .kept
                    .values_mut()
                    .filter_map(|kept| kept.begun.as_mut())
                {
                    begun.reread = true;
                }
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
        self.names.clear();
        self.kept.values_mut().for_each(Kept::forget);
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
        let kept = self.kept.entry(name.clone()).or_default();
        match change.reason {
            Reason::Destroyed if kept.unmaps(&change.device) => {}
            Reason::Destroyed if wanted.policy == Policy::Adopt => {
                kept.left_out = Some(UNMAPPED.to_owned());
            }
            Reason::Created => kept.left_out = None,
            _ => {}
        }
        self.look();
    }

    /// Takes up that something happened to a drive.
    pub(super) fn drive_changed(&mut self, news: News) {
        let matters = match news {
            // Also when all is well: udev may only now say what the drive below a device is known again by.
            News::Anything | News::Resized | News::Came => !self.devices.is_empty(),
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

    /// When it wants to look at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Looks if it is time to.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            self.look();
        }
    }

    /// Whether there may be something to do.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some() || !self.names.is_empty()
    }

    /// What is to be done next, if there is something: planned from what is there now, and with
    /// nothing but that in mind.
    pub(super) fn next_step(&mut self, present: &dyn Fn() -> Vec<Device>) -> Option<Step> {
        loop {
            while let Some((name, authority)) = self.names.pop_front() {
                if let Some(step) = self.step_of(&name, authority, &present()) {
                    let kept = self.kept.entry(name).or_default();
                    kept.begun = Some(Begun {
                        step: step.clone(),
                        authority,
                        reread: false,
                    });
                    return Some(step);
                }
            }
            let authority = self.pending.take()?;
            let names = self.look_at(authority, &present());
            self.names = names.into_iter().map(|name| (name, authority)).collect();
        }
    }

    fn step_of(&mut self, name: &str, authority: Authority, present: &[Device]) -> Option<Step> {
        let wanted = self.devices.iter().find(|wanted| wanted.name == name)?;
        let wanted = std::slice::from_ref(wanted);
        let machine = (self.machine)();
        // What a name leads to now is what it means, should it lead elsewhere before the step is done.
        self.memory.learn(wanted, present, &*machine);
        let mut device = present.iter().filter(|device| device.name == name);
        let device = device.next().map_or(&[][..], std::slice::from_ref);
        let mut plan = plan(wanted, device, &*machine, &self.memory, authority);
        plan.steps
            .pop()
            .filter(|step| self.may(step, authority).is_ok())
    }

    /// Whether a step may be done now; else what is to be said of that, if anything.
    fn may(&self, step: &Step, authority: Authority) -> Result<(), Option<String>> {
        let Some(kept) = self.kept.get(&step.device) else {
            return Ok(());
        };
        if kept.begun.is_some() || kept.idle.as_ref() == Some(step) {
            return Err(None);
        }
        if matches!(step.action, Action::Map(_)) && kept.left_out.is_some() {
            // Said with all that are left out.
            return Err(None);
        }
        match kept.tired(Instant::now()) {
            Some(_) if authority == Authority::Keep => Err(Some(format!(
                "{}: somebody takes back what is done about it again and again ({step}); it is left as \
                 it is for a while. Find out who does, or give it policy adopt",
                shown(&step.device)
            ))),
            _ => Ok(()),
        }
    }

    /// The devices that something is to be done about. What cannot be done is logged, if it was not
    /// yet.
    fn look_at(&mut self, authority: Authority, present: &[Device]) -> VecDeque<String> {
        let machine = (self.machine)();
        self.memory.learn(&self.devices, present, &*machine);
        let mut plan = plan(&self.devices, present, &*machine, &self.memory, authority);
        let skips = |waiting: &&crate::plan::Waiting| waiting.skip && !waiting.mapped;
        for waiting in plan.waiting.iter().filter(skips) {
            if machine.is_settled() {
                let kept = self.kept.entry(waiting.device.clone()).or_default();
                kept.left_out = Some(waiting.to_string());
            } else {
                // It may only not have its name yet.
                self.again = Some(Instant::now() + SETTLING);
            }
        }
        let is_left_out = |name: &String| {
            let kept = self.kept.get(name);
            kept.is_some_and(|kept| kept.left_out.is_some())
        };
        plan.waiting.retain(|waiting| !is_left_out(&waiting.device));
        let mut names = VecDeque::new();
        let mut tired = Vec::new();
        for step in std::mem::take(&mut plan.steps) {
            match self.may(&step, authority) {
                Ok(()) => names.push_back(step.device),
                Err(Some(why)) => tired.push((step.device, why)),
                Err(None) => {}
            }
        }
        for (name, _) in &tired {
            let until = self
                .kept
                .get(name)
                .and_then(|kept| kept.tired(Instant::now()));
            self.again = self.again.into_iter().chain(until).min();
        }
        self.remark(&plan, tired, &names);
        names
    }

    /// Logs what is not as configured, each thing once.
    fn remark(&mut self, plan: &Plan, tired: Vec<(String, String)>, names: &VecDeque<String>) {
        let mut said: BTreeMap<String, (Level, String)> = BTreeMap::new();
        let waiting = plan.waiting.iter();
        said.extend(waiting.map(|waiting| {
            let text = waiting.to_string();
            (waiting.device.clone(), (Level::Warn, text))
        }));
        for (level, remarks) in [(Level::Error, &plan.refused), (Level::Warn, &plan.left)] {
            said.extend(
                remarks
                    .iter()
                    .map(|remark| (remark.device.clone(), (level, remark.to_string()))),
            );
        }
        said.extend(
            tired
                .into_iter()
                .map(|(name, text)| (name, (Level::Warn, text))),
        );
        for (name, kept) in &self.kept {
            if let Some(why) = &kept.left_out {
                let text = match why.as_str() {
                    UNMAPPED => format!("{}: {why}", shown(name)),
                    why => why.to_owned(),
                };
                said.insert(name.clone(), (Level::Warn, text));
            }
        }
        for (name, (level, text)) in &said {
            self.kept
                .entry(name.clone())
                .or_default()
                .tell(*level, text);
        }
        // What was said of a step that failed holds until it is tried again.
        for (name, kept) in &mut self.kept {
            if !said.contains_key(name) && !names.contains(name) && kept.begun.is_none() {
                kept.told = None;
            }
        }
        self.waiting = !plan.waiting.is_empty();
        self.unsettled = self.waiting || !plan.refused.is_empty() || !plan.left.is_empty();
    }

    /// Takes up what became of a step.
    pub(super) fn ended(&mut self, ended: &Ended) {
        let name = &ended.step.device;
        let begun = self.kept.get_mut(name).and_then(|kept| kept.begun.take());
        let authority = begun
            .as_ref()
            .map_or(Authority::Keep, |begun| begun.authority);
        match &ended.result {
            Ok(device) => self.done(&ended.step, authority, device),
            Err(failed) => self.failed(&ended.step, authority, failed),
        }
        if begun.is_some_and(|begun| begun.reread) {
            // What the files said of it when they were read could not be done then.
            self.names.push_front((name.clone(), Authority::Reload));
        }
    }

    /// Looks again, as far as a step went that has ended.
    fn look_again(&mut self, authority: Authority) {
        self.pending = Some(match self.pending {
            Some(Authority::Reload) => Authority::Reload,
            _ => authority,
        });
    }

    /// Takes up that a step was done. What it gave up, another may have waited for.
    fn done(&mut self, step: &Step, authority: Authority, device: &Device) {
        log::info!("{step}: {device}");
        let wanted = self
            .devices
            .iter()
            .find(|wanted| wanted.name == step.device);
        let restores = wanted.is_some_and(|wanted| wanted.policy == Policy::Restore);
        let kept = self.kept.entry(step.device.clone()).or_default();
        kept.told = None;
        kept.late = None;
        kept.idle = match &step.action {
            Action::Change { before, .. } if before == device => Some(step.clone()),
            _ => None,
        };
        if restores && authority == Authority::Keep {
            kept.restored(Instant::now());
        }
        self.look_again(authority);
    }

    /// Takes up that a step was refused.
    fn failed(&mut self, step: &Step, authority: Authority, failed: &Failed) {
        let (verb, name, place) = (step.action.name(), &step.device, &step.place);
        let kept = self.kept.entry(name.clone()).or_default();
        let text = format!("{place}: cannot {verb} {}: {failed}", shown(name));
        kept.tell(Level::Error, &text);
        self.unsettled = true;
        let too_late = failed.error.is_too_late();
        let again = too_late && kept.late.replace(step.clone()).as_ref() == Some(step);
        let remapped = matches!(step.action, Action::Remap { .. });
        let unmapped = is_gone(&failed.error);
        let wanted = self.devices.iter().find(|wanted| wanted.name == *name);
        if remapped
            && unmapped
            && failed.left == Left::AsItWas
            && wanted.is_some_and(|wanted| wanted.policy == Policy::Adopt)
        {
            // Somebody else was faster, and the word of it was taken for our own doing.
            kept.left_out = Some(UNMAPPED.to_owned());
        }
        if too_late && !again {
            // What there is now may ask for something else, and nothing may tell of it any more. The same
            // again would come too late again.
            self.look_again(authority);
        }
    }

    /// What takes longer than the rest is told.
    pub(super) fn takes_long(&mut self, step: &Step) {
        let kept = self.kept.entry(step.device.clone()).or_default();
        kept.tell(
            Level::Warn,
            &format!(
                "{step}: the kernel has not answered yet; the other devices are looked after meanwhile"
            ),
        );
    }
}

/// Whether a step was refused because its device is not there any more. The same numbers of a target are
/// about its drive.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal)
        if matches!(refusal.errno, ENODEV | ESTALE) && refusal.target().is_none() && !refusal.is_other_table())
}

const UNMAPPED: &str =
    "it was unmapped by somebody else and stays so (policy adopt) until a reload";

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

#[cfg(test)]
mod tests;
