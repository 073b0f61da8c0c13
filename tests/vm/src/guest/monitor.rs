// SPDX-License-Identifier: MIT OR Apache-2.0
//! Orders to the machine itself: a case asks the host, who asks QEMU. `host/qmp.rs` is the other end. The first program of
//! the guest does not read the port while a case runs.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

use serde_json::Value;

use super::init::CONTROL;
use crate::protocol::{Answer, Event, Order, line};

/// Has QEMU execute a command, which has to work; with `until`, waits for that event. Gives what it returned.
#[track_caller]
pub(crate) fn order(execute: &str, arguments: Value, until: Option<&str>) -> Value {
    try_order(execute, arguments, until).unwrap_or_else(|why| panic!("QEMU: {why}"))
}

/// As [`order`], and gives why QEMU refused.
#[track_caller]
pub(crate) fn try_order(execute: &str, arguments: Value, until: Option<&str>) -> Answer {
    let order = Order {
        execute: execute.to_owned(),
        arguments,
        until: until.map(str::to_owned),
    };
    let opened = OpenOptions::new().read(true).write(true).open(CONTROL);
    let mut port = opened.unwrap_or_else(|why| panic!("{CONTROL}: {why}"));
    port.write_all(line(&Event::Monitor(order)).as_bytes())
        .expect("the host listens");
    let mut text = String::new();
    BufReader::new(port)
        .read_line(&mut text)
        .expect("the host answers");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why} in {text:?}"))
}
