// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands: arguments to requests, answers to output. `main` calls [`run`]; the tests call
//! [`ask`] with a client of the fake.

use clap::CommandFactory;
use shunt::{
    Client, Error, Transport, absent,
    transport::{Kernel, netlink::RunningKernel},
};

use crate::{
    cli::{Cli, Command},
    explain::{Failure, explain},
    output::Output,
};

mod change;
mod config;
mod device;
mod events;
mod manual;
mod named;
mod refused;
mod stats;
mod status;
#[cfg(feature = "tui")]
mod top;
mod udev_name;
mod unmap;
mod version;

pub(crate) use status::Attention;
pub(crate) use version::{Loaded, Versions};

/// Runs a command against the running kernel.
pub(crate) fn run(command: &Command, output: &mut Output<'_>) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "shunt", &mut script);
            output.bytes(&script)
        }
        Command::Manual { folder } => manual::write(folder),
        Command::Version => version::of_kernel(&RunningKernel::default(), output),
        Command::UdevName { disk } if udev_name::number(disk).is_none() => {
            udev_name::other(disk, output)
        }
        Command::UdevName { .. } => {
            // A device that is announced has a module; if it went, udev must not bring it back.
            let client = RunningKernel::default().connect_if_loaded();
            let client = client.map_err(|error| explain("ask the kernel", &error))?;
            ask(client, command, output)
        }
        command => {
            #[cfg(feature = "tui")]
            if let Command::Top(_) = command {
                // Without a terminal nothing else matters.
                top::check(output)?;
            }
            if let Command::Plan { file } | Command::Apply { file } = command {
                // A bad file is told without asking the kernel.
                config::read(file)?;
            }
            let client = match command.listens() {
                Some(args) => Client::connect_with_room(args.room()),
                None => Client::connect(),
            };
            let client = client.map_err(|error| not_asked(&error))?;
            ask(client, command, output)
        }
    }
}

/// Why the kernel could not be asked, though it was to load the module for it.
fn not_asked(error: &Error) -> Failure {
    match (error, absent::obstacle()) {
        (Error::NotLoaded, Some(why)) => {
            Failure::Explained(format!("the shunt module is not loaded: {why}"))
        }
        _ => explain("ask the kernel", error),
    }
}

/// Runs a command that needs the kernel.
pub(crate) fn ask<T: Transport>(
    mut client: Client<T>,
    command: &Command,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    if let Some(timeout) = command.timeout() {
        let set = client.set_timeout(timeout);
        set.map_err(|error| explain("set the time-out", &error))?;
    }
    match command {
        Command::Map(args) => device::map(client, args, output),
        Command::Retarget(args) => change::retarget(client, args, output),
        Command::Suspend(args) => change::suspend(client, args, output),
        Command::Resume(args) => change::resume(client, &args.devices, output),
        Command::Resize(args) => change::resize(client, &args.devices, output),
        Command::Set(args) => change::set(client, args, output),
        Command::Unmap(args) => unmap::unmap(client, args),
        Command::List(args) => device::list(client, args, output),
        Command::Show(devices) => device::show(client, devices, output),
        Command::Status { config } => status::status(client, config.as_deref(), output),
        Command::Caps { name } => device::caps(client, name, output),
        Command::Stats(args) => stats::stats(client, args, output),
        #[cfg(feature = "tui")]
        Command::Top(_) => top::top(client, output),
        Command::Events(_) => events::events(client, output),
        Command::Plan { file } => config::plan(client, file, output),
        Command::Apply { file } => config::apply(client, file, output),
        Command::Export => config::export(client, output),
        Command::Version => version::version(client, output),
        Command::UdevName { disk } => udev_name::udev_name(client, disk, output),
        Command::Completions { .. } | Command::Manual { .. } => run(command, output),
    }
}
