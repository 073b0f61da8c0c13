// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes or shows devices needs privilege; counters do not.

use serde_json::json;

use crate::guest::command::attempt_as_nobody;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{self, Device, refusal};
use crate::guest::state::State;
use crate::guest::ynl::Ynl;

cases!("privilege":
    an_unprivileged_user_cannot_change_or_show_devices,
    an_unprivileged_user_can_read_statistics,
    the_kernel_itself_refuses_the_unprivileged,
);

fn an_unprivileged_user_cannot_change_or_show_devices() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let before = State::now();
    let other = flash(1).path;
    let commands = [
        &["map", "vol1", "--to", &other][..],
        &["unmap", "vol0"],
        &["list"],
        &["show", "vol0"],
        &["events"],
    ];
    for command in commands {
        let words = [&["shunt"], command].concat();
        let line = refusal(&attempt_as_nobody(&words), command);
        let says_how = line.contains("root") || line.contains("CAP_SYS_ADMIN");
        assert!(says_how, "{line:?} does not say what privilege is needed");
        assert!(
            !line.contains(&flash(0).path),
            "{line:?} shows a path to the unprivileged"
        );
    }
    assert_eq!(State::now(), before);
}

fn an_unprivileged_user_can_read_statistics() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    for words in [
        &["shunt", "stats", "--json"][..],
        &["shunt", "stats", "vol0", "--json"],
    ] {
        let ended = attempt_as_nobody(words);
        assert_eq!(ended.code, Some(0), "{}: {}", words.join(" "), ended.stderr);
        let stats = shunt::json(&ended.stdout);
        assert_eq!(stats["devices"][0]["name"], "vol0");
        assert!(
            !ended.stdout.contains(&flash(0).path),
            "statistics show a path"
        );
    }
}

/// The refusals above could come from the program alone; the kernel has to be asked.
fn the_kernel_itself_refuses_the_unprivileged() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let before = State::now();
    let mut client = Ynl::start_as_nobody();
    let new = json!({"name": "vol1", "target": [{"path": flash(1).path}]});
    let said = [
        client.refused("device-new", &new),
        client.refused("device-del", &json!({"name": "vol0"})),
        client.refused("device-get", &json!({"name": "vol0"})),
        client.refused_dump("device-get"),
    ];
    for line in said {
        assert!(line.contains("Operation not permitted"), "{line}");
    }
    assert_eq!(
        client.ask("stats-get", &json!({"name": "vol0"}))["name"],
        "vol0"
    );
    assert_eq!(State::now(), before);
}
