// SPDX-License-Identifier: MIT OR Apache-2.0
//! `events` against the fake kernel, with what happens between two of its lines.

use super::*;

#[test]
fn a_lost_device_is_shown_told_and_brought_back_by_a_retarget() {
    let kernel = kernel();
    done(&kernel, "shunt map v --to /dev/b");
    let act = |left| match left {
        // After `exists` and `ready`.
        2 => kernel.remove_drive("/dev/b"),
        1 => {
            let lost = device_after(&kernel, "set v --stats full");
            assert_eq!(lost["state"], "lost");
            assert_eq!(lost["targets"][0]["state"], "lost");
            assert!(done(&kernel, "shunt list").contains("lost"));
            done(&kernel, "shunt retarget v --to /dev/a");
        }
        0 => drop(done(&kernel, "shunt suspend v")),
        _ => {}
    };
    let (_, text) = run_for(&kernel, "shunt events --json", 4, &act);
    let told: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            let field = |name: &str| event[name].as_str().unwrap().to_owned();
            let state = event["device"]["state"].as_str().unwrap_or("-").to_owned();
            (field("event"), state, event["failed"].as_u64())
        })
        .collect();
    let expected = [
        ("exists", "live", None),
        ("ready", "-", None),
        ("lost", "lost", Some(0)),
        ("changed", "live", None),
    ];
    let expected = expected.map(|(event, state, failed)| (event.into(), state.into(), failed));
    assert_eq!(told, expected);
}

#[test]
fn events_tell_the_state_then_changes_and_after_a_loss_the_state_again() {
    let kernel = kernel();
    kernel.set_room(1);
    done(&kernel, "shunt map a --to /dev/a");
    let act = |left| match left {
        // After `ready`: one change that fits, then two of which one is lost.
        5 => drop(done(&kernel, "shunt map b --to /dev/b")),
        4 => {
            kernel.remove_drive("/dev/b");
            done(&kernel, "shunt unmap a");
        }
        1 => drop(done(&kernel, "shunt unmap b")),
        // One that finds the reader gone.
        0 => drop(done(&kernel, "shunt map a --to /dev/a")),
        _ => {}
    };
    let (result, text) = run_for(&kernel, "shunt events --json", 7, &act);
    assert_eq!(result, Err(Failure::ReaderGone));
    let lines: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            assert_eq!(event["schema"], 1);
            let name = event["device"]["name"].as_str().unwrap_or("-").to_owned();
            (
                event["seq"].as_u64().unwrap(),
                event["event"].as_str().unwrap().to_owned(),
                name,
            )
        })
        .collect();
    let expected = [
        (0, "exists", "a"),
        (0, "ready", "-"),
        (2, "created", "b"),
        (3, "overrun", "-"),
        (3, "exists", "b"),
        (3, "ready", "-"),
        (5, "destroyed", "b"),
    ];
    let expected = expected.map(|(seq, event, name)| (seq, event.to_owned(), name.to_owned()));
    assert_eq!(lines, expected);
}

#[test]
fn events_end_with_a_failure_when_the_module_goes() {
    let kernel = kernel();
    let unload = |_| kernel.set_loaded(false);
    let (result, text) = run_for(&kernel, "shunt events", usize::MAX, &unload);
    assert_eq!(text, "ready\n");
    let why = "the shunt module was unloaded; load it with: modprobe shunt (or insmod shunt.ko)";
    assert_eq!(result, Err(Failure::Explained(why.to_owned())));
}
