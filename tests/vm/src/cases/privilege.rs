// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changes or shows devices needs privilege; counters do not.

use serde_json::json;

use crate::guest::command::attempt_as_nobody;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{self, Device, refusal};
use crate::guest::state::State;
use crate::guest::ynl::Ynl;

cases! {
    an_unprivileged_user_cannot_change_or_show_devices,
    an_unprivileged_user_can_read_statistics,
    the_kernel_itself_refuses_the_unprivileged,
    the_right_to_configure_networks_is_not_enough,
}

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
    all_is_refused_but_statistics(Ynl::start_as_nobody());
    assert_eq!(State::now(), before);
}

/// Generic netlink itself asks for CAP_NET_ADMIN alone, which a container may well have.
fn the_right_to_configure_networks_is_not_enough() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    let before = State::now();
    all_is_refused_but_statistics(Ynl::start_with_capability("net_admin"));
    assert_eq!(State::now(), before);
    // Both together are.
    let mut client = Ynl::start_with_capability("net_admin,+sys_admin");
    assert_eq!(
        client.ask("device-get", &json!({"name": "vol0"}))["name"],
        "vol0"
    );
}

#[track_caller]
fn all_is_refused_but_statistics(mut client: Ynl) {
    let named = json!({"name": "vol0"});
    let new = json!({"name": "vol1", "target": [{"path": flash(1).path}]});
    let set = json!({"name": "vol0", "read-only": 1});
    let said = [
        client.refused("device-new", &new),
        client.refused("device-set", &set),
        client.refused("device-del", &named),
        client.refused("device-get", &named),
        client.refused("caps-get", &named),
        client.refused_dump("device-get"),
    ];
    for line in said {
        assert!(line.contains("Operation not permitted"), "{line}");
    }
    assert_eq!(client.ask("stats-get", &named)["name"], "vol0");
}
