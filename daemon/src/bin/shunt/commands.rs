// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands: arguments to requests, answers to output. `main` calls [`run`]; the tests call
//! [`ask`] with a client of the fake.

use clap::CommandFactory;
use shunt::{Client, Transport};

use crate::{
    cli::{Cli, Command},
    explain::{Failure, explain},
    output::Output,
};

mod device;
mod events;
mod stats;

/// Runs a command against the running kernel.
pub(crate) fn run(command: &Command, output: &mut Output<'_>) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "shunt", &mut script);
            output.bytes(&script)
        }
        Command::Unmap(args) if args.force => device::refuse_force(&args.name),
        command => {
            let client = Client::connect().map_err(|error| explain("ask the kernel", &error))?;
            ask(client, command, output)
        }
    }
}

/// Runs a command that needs the kernel.
pub(crate) fn ask<T: Transport>(
    client: Client<T>,
    command: &Command,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    match command {
        Command::Map(args) => device::map(client, args, output),
        Command::Unmap(args) => device::unmap(client, args),
        Command::List => device::list(client, output),
        Command::Show { name } => device::show(client, name, output),
        Command::Stats(args) => stats::stats(client, args, output),
        Command::Events => events::events(client, output),
        Command::Completions { .. } => run(command, output),
    }
}
