// SPDX-License-Identifier: MIT OR Apache-2.0
//! `top`: the terminal around [`crate::top`]. Raw mode and the other screen last as long as it
//! runs, however it ends.

use std::{
    io::{self, IsTerminal, Stdin},
    time::Duration,
};

use nix::{
    libc::EPERM,
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use shunt::{
    Client, Stream, Transport,
    poll::{readable, wait},
};

use crate::{
    explain::{Failure, explain},
    output::Output,
    top::{Key, Top, view},
};

/// A change of the size of the terminal is seen at the latest after this time.
const LOOK: Duration = Duration::from_millis(500);

/// Refuses where there is no terminal to draw on.
pub(super) fn check(output: &Output<'_>) -> Result<(), Failure> {
    let why = if output.is_json() {
        "it is for people; shunt stats --watch --json prints what it shows"
    } else if !output.is_terminal() {
        "stdout is not a terminal; shunt stats --watch prints rows"
    } else if !io::stdin().is_terminal() {
        "stdin is not a terminal, so there are no keys; shunt stats --watch prints rows"
    } else {
        return Ok(());
    };
    Err(Failure::Explained(format!("cannot show top: {why}")))
}

pub(super) fn top<T: Transport>(client: Client<T>, output: &Output<'_>) -> Result<(), Failure> {
    check(output)?;
    let mut stream =
        Stream::start(client, None).map_err(|error| explain("show statistics", &error))?;
    let signals = signals().map_err(|errno| broken(&errno.into()))?;
    let mut screen = Screen::open()?;
    run(&mut stream, &signals, &mut screen)
}

fn run<T: Transport>(
    stream: &mut Stream<T>,
    signals: &SignalFd,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut top = Top::new();
    loop {
        while event::poll(Duration::ZERO).map_err(|why| broken(&why))? {
            let Event::Key(pressed) = event::read().map_err(|why| broken(&why))? else {
                continue;
            };
            if is_quit(pressed) {
                return Ok(());
            }
            let Some(interval) = key(pressed).and_then(|key| top.press(key)) else {
                continue;
            };
            match stream.set_interval(interval) {
                Ok(interval) => top.say(format!(
                    "every {} s from the next sample on, for all who listen",
                    interval.as_secs_f64()
                )),
                Err(error) if error.errno() == Some(EPERM) => {
                    top.say("only root changes the interval".to_owned());
                }
                Err(error) => return Err(explain("set the interval", &error)),
            }
        }
        while let Some(figures) = stream
            .next_figures()
            .map_err(|error| explain("show statistics", &error))?
        {
            top.take(figures, stream.interval());
        }
        let drawn = screen.terminal.draw(|frame| view::draw(frame, &top));
        drawn.map_err(|why| broken(&why))?;
        let descriptors = [readable(&screen.stdin), readable(stream), readable(signals)];
        let ready = wait(descriptors, Some(LOOK)).map_err(|error| explain("wait", &error))?;
        if ready[2] {
            return Ok(());
        }
    }
}

fn is_quit(pressed: KeyEvent) -> bool {
    let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    match pressed.code {
        KeyCode::Char('c') => control,
        KeyCode::Char('q') | KeyCode::Esc => true,
        _ => false,
    }
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    Some(match pressed.code {
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Char('s') => Key::Sort,
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Char('+' | '=') => Key::Longer,
        KeyCode::Char('-') => Key::Shorter,
        _ => return None,
    })
}

/// A descriptor that becomes readable when the program is told to end, so that the terminal is
/// given back first.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

fn broken(why: &io::Error) -> Failure {
    Failure::Explained(format!(
        "cannot use the terminal: {why}; shunt stats --watch needs none"
    ))
}

/// The terminal in raw mode and on its other screen; given back on drop, and in a panic.
struct Screen {
    terminal: DefaultTerminal,
    stdin: Stdin,
}

impl Screen {
    fn open() -> Result<Self, Failure> {
        Ok(Self {
            terminal: ratatui::try_init().map_err(|why| broken(&why))?,
            stdin: io::stdin(),
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
