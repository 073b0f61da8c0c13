// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables of docs/configuration.md, row by row: what they say is what is done.

use std::fs;

use super::*;
use crate::{config, plan};

const DOCUMENT: &str = include_str!("../../../../../docs/configuration.md");

/// The rows of the table below a heading that begins so, without its head.
fn table(heading: &str, head: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = DOCUMENT.split_once(heading).expect("the heading is there");
    let (_, rest) = rest.split_once(head).expect("the table is there");
    let rows = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim_matches([' ', '|'])).collect()
    })
    .collect()
}

/// Who brings it about.
#[derive(Clone, Copy, Debug)]
enum Who {
    Itself,
    Reload,
    Apply,
}

/// A daemon with a device on drive a, and what happens then.
type Scenario = fn(&mut Stage, policy: &str);

fn file(policy: &str, more: &str) -> String {
    format!("[device.v]\nto = '/dev/a'\npolicy = '{policy}'\n{more}")
}

fn missing(stage: &mut Stage, policy: &str) {
    stage.write(&file(policy, "[device.w]\nto = '/dev/x'\n"));
    stage.reload();
    stage.kernel.add_drive("/dev/x", Drive::new(9, 0, 8 * MIB));
}

fn back(stage: &mut Stage, _: &str) {
    stage.kernel.remove_drive("/dev/a");
    stage.turn();
    let same = Drive::new(8, 0, 8 * MIB);
    stage.kernel.add_drive("/dev/a", Drive { minor: 7, ..same });
}

fn grown(stage: &mut Stage, _: &str) {
    stage.kernel.add_drive("/dev/a", Drive::new(8, 0, 9 * MIB));
}

fn differs(stage: &mut Stage, _: &str) {
    stage.retarget("/dev/b");
}

fn unmapped(stage: &mut Stage, _: &str) {
    stage.unmap();
}

fn remap(stage: &mut Stage, policy: &str) {
    stage.write(&file(policy, "queue = 'mq'\n"));
}

fn remap_of_an_open_one(stage: &mut Stage, policy: &str) {
    remap(stage, policy);
    stage.kernel.set_open(0, true);
}

fn moved(stage: &mut Stage, _: &str) {
    stage.kernel.add_drive("/dev/a", Drive::new(9, 9, 8 * MIB));
}

fn another(stage: &mut Stage, _: &str) {
    stage.kernel.remove_drive("/dev/a");
    stage.turn();
    moved(stage, "");
}

fn untold(stage: &mut Stage, _: &str) {
    another(stage, "");
    let says_nothing = Drive {
        serial: None,
        ..Drive::new(8, 0, 8 * MIB)
    };
    stage.kernel.add_drive("/dev/a", says_nothing);
}

/// Whether anything is done about what happened, by whom, with which policy.
fn is_done(scenario: Scenario, who: Who, policy: &str) -> bool {
    let mut stage = Stage::new(&format!("documented-{who:?}-{policy}"), &file(policy, ""));
    stage.start();
    stage.settle();
    scenario(&mut stage, policy);
    let before = stage.kernel.devices();
    match who {
        Who::Itself => {
            stage.news(News::Anything);
            if stage.kernel.devices() == before
                && fs::read_to_string(&stage.file).unwrap().contains("mq")
            {
                // By itself it reads the file at its start only.
                stage.start();
            }
        }
        Who::Reload => stage.reload(),
        Who::Apply => {
            let wanted = config::load(&stage.file).unwrap().devices;
            let mut client = Client::new(stage.kernel.clone());
            crate::apply::apply(&mut client, &wanted, || stage.kernel.clone()).unwrap();
        }
    }
    // On a loaded machine a step may take longer than the others wait for it.
    stage.settle();
    stage.kernel.devices() != before
}

#[test]
fn how_far_it_goes_depends_on_who_asked_as_the_document_says() {
    let scenarios: [(&str, &[Scenario]); 6] = [
        (
            "maps, takes up again what was lost when that drive is back, lets grow",
            &[missing, back, grown],
        ),
        ("a device that differs", &[differs]),
        ("a device that somebody unmapped", &[unmapped]),
        ("`remap`", &[remap]),
        (
            "a live device whose drive's name leads to another drive now",
            &[moved],
        ),
        (
            "a lost device, and another drive has the name of its own, or one of which that cannot be told",
            &[another, untold],
        ),
    ];
    let rows = table(
        "How far it goes",
        "| | by itself | on SIGHUP | `shunt apply` |",
    );
    let titles: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(titles, scenarios.map(|(title, _)| title));
    for (row, (title, scenarios)) in rows.iter().zip(scenarios) {
        for (cell, who) in row[1..].iter().zip([Who::Itself, Who::Reload, Who::Apply]) {
            for policy in ["adopt", "restore"] {
                let expected = match *cell {
                    "never" => false,
                    "by its policy" => policy == "restore",
                    "yes"
                    | "makes it as wanted"
                    | "maps it"
                    | "moves it"
                    | "while nobody has it open" => true,
                    cell => panic!("{title}: what is {cell}?"),
                };
                for scenario in scenarios {
                    let done = is_done(*scenario, who, policy);
                    assert_eq!(done, expected, "{title}: {cell}, {who:?}, {policy}");
                }
                if *cell == "while nobody has it open" {
                    assert!(!is_done(remap_of_an_open_one, who, policy), "{title}: open");
                }
            }
        }
    }
}

#[test]
fn what_is_done_about_a_difference_is_as_the_document_says() {
    let two = "[device.v]\nto = ['/dev/a', '/dev/b']\n";
    let length = |to: &str| format!("[device.v]\nto = {{ drive = '/dev/a', length = '{to}' }}\n");
    // What there is, what happens to the drives, what is wanted.
    type Happens = fn(&Fake);
    let nothing: Happens = |_| {};
    let cases: Vec<(&str, String, Happens, Vec<String>)> = vec![
        ("is not there", String::new(), nothing, vec![V.into()]),
        (
            "is on another drive, offset or length, has fewer or more targets",
            length("2M"),
            nothing,
            vec![
                "[device.v]\nto = { drive = '/dev/b', length = '2M' }\n".into(),
                "[device.v]\nto = { drive = '/dev/a', offset = '1M', length = '2M' }\n".into(),
                length("3M"),
                two.into(),
            ],
        ),
        (
            "was lost, and its drive is back",
            V.into(),
            |kernel| {
                kernel.remove_drive("/dev/a");
                kernel.add_drive("/dev/a", Drive::new(8, 0, 8 * MIB));
            },
            vec![V.into()],
        ),
        (
            "has a drive that has grown",
            V.into(),
            |kernel| kernel.add_drive("/dev/a", Drive::new(8, 0, 9 * MIB)),
            vec![V.into()],
        ),
        (
            "measures something else, or differs in `read-only`",
            V.into(),
            nothing,
            vec![
                format!("{V}stats = 'off'\n"),
                format!("{V}read-only = true\n"),
            ],
        ),
        (
            "has another `queue` or `stripe`",
            two.into(),
            nothing,
            vec![
                format!("{two}queue = 'mq'\n"),
                format!("{two}stripe = '64K'\n"),
            ],
        ),
        (
            "would become shorter, or would get larger blocks than it has promised",
            V.into(),
            |kernel| {
                let blocks = Drive {
                    logical_block_size: 4096,
                    ..Drive::new(9, 1, 8 * MIB)
                };
                kernel.add_drive("/dev/k", blocks);
            },
            vec![length("1M"), "[device.v]\nto = '/dev/k'\n".into()],
        ),
        (
            "has a drive that is missing",
            V.into(),
            |kernel| {
                kernel.remove_drive("/dev/a");
            },
            vec![V.into(), "[device.v]\nto = '/dev/x'\n".into()],
        ),
        ("is not in the file", V.into(), nothing, vec![String::new()]),
    ];
    let rows = table(
        "## What is done about a difference",
        "| the device | what is done |",
    );
    let titles: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(titles, cases.iter().map(|case| case.0).collect::<Vec<_>>());
    for (row, (title, before, happens, wanted)) in rows.iter().zip(cases) {
        for text in wanted {
            let stage = Stage::new("difference", "");
            let parse = |text: &str| config::parse("f", text).unwrap();
            let mut client = Client::new(stage.kernel.clone());
            crate::apply::apply(&mut client, &parse(&before), || stage.kernel.clone()).unwrap();
            happens(&stage.kernel);
            let (wanted, present) = (parse(&text), stage.kernel.devices());
            let memory = plan::Memory::default();
            let authority = plan::Authority::Apply;
            let plan = plan::plan(&wanted, &present, &stage.kernel, &memory, authority);
            let did = if let [step] = plan.steps.as_slice() {
                step.action.name()
            } else if plan.refused.len() == 1 {
                "refused"
            } else if plan.waiting.len() == 1 {
                "waits"
            } else if plan.others.len() == 1 {
                "left alone"
            } else {
                "nothing"
            };
            assert!(
                row[1].contains(did),
                "{title}: {did} instead of {}: {text}",
                row[1]
            );
        }
    }
}
