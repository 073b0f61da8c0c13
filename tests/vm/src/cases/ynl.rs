// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own netlink client, with our YAML, sees and does what `shunt` sees and does.

use std::fs;

use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::guest::direct::Direct;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, list, show};
use crate::guest::state::State;
use crate::guest::ynl::{Ynl, dump_by_command_line};

cases! {
    the_kernels_client_lists_the_same_devices,
    the_kernels_client_maps_and_unmaps,
    the_kernels_client_reads_the_same_statistics,
    the_policies_of_the_kernel_are_those_of_the_yaml,
    a_bad_attribute_is_refused_with_words,
}

/// A device of `shunt list --json` as the YAML's words have it.
fn as_yaml_has_it(device: &Value) -> Value {
    let target = |target: &Value| {
        let (major, minor) = target["dev"]
            .as_str()
            .and_then(|dev| dev.split_once(':'))
            .expect("a target has a number");
        json!({
            "path": target["path"],
            "offset": target["offset_bytes"],
            "length": target["length_bytes"],
            "start": target["start_bytes"],
            "major": major.parse::<u32>().expect("a number"),
            "minor": minor.parse::<u32>().expect("a number"),
            "state": target["state"],
        })
    };
    json!({
        "id": device["id"],
        "name": device["name"],
        "state": device["state"],
        "queue-mode": device["queue"],
        "stats-mode": device["stats"],
        "read-only": u32::from(device["read_only"] == true),
        "size": device["size_bytes"],
        "logical-block-size": device["logical_block_size"],
        "target": device["targets"].as_array().expect("a device has targets").iter().map(target).collect::<Value>(),
    })
}

/// What the kernel's client shows of a device, without the numbers that `shunt` does not show.
fn without_numbers(mut device: Value) -> Value {
    fn take(of: &mut Value, name: &str) {
        let attributes = of.as_object_mut();
        let number = attributes.and_then(|attributes| attributes.remove(name));
        assert!(
            number.is_some_and(|number| number.is_u64()),
            "{of} has no {name}"
        );
    }
    for target in device["target"].as_array_mut().into_iter().flatten() {
        take(target, "diskseq");
    }
    take(&mut device, "generation");
    take(&mut device, "table-number");
    device
}

fn the_kernels_client_lists_the_same_devices() {
    let _module = Module::load();
    let _one = Device::map("one", &format!("{},offset=1M,length=8M", flash(0).path));
    let _two = Device::map_with(
        "two",
        &flash(3).path,
        &["--stats", "counters", "--read-only"],
    );
    let dumped = dump_by_command_line("device-get");
    let dumped: Vec<Value> = dumped
        .as_array()
        .expect("a dump is a list")
        .iter()
        .cloned()
        .map(without_numbers)
        .collect();
    assert_eq!(
        dumped,
        list().iter().map(as_yaml_has_it).collect::<Vec<_>>()
    );
    let one = Ynl::start().ask("device-get", &json!({"name": "one"}));
    assert_eq!(without_numbers(one), as_yaml_has_it(&show("one")));
}

fn the_kernels_client_maps_and_unmaps() {
    let _module = Module::load();
    let before = State::now();
    let request = json!({"name": "vol0", "target": [{"path": flash(0).path, "fd": flash(0).path, "offset": 1 << 20, "length": 8 << 20}]});
    let mut client = Ynl::start();
    let reply = client.ask("device-new", &request);
    assert_eq!(
        without_numbers(reply.clone()),
        as_yaml_has_it(&show("vol0"))
    );
    Direct::open(&format!("/dev/shunt{}", reply["id"])).read(0, 4096);
    assert!(
        client
            .ask("device-del", &json!({"id": reply["id"]}))
            .is_null()
    );
    assert_eq!(State::now(), before);
}

fn the_kernels_client_reads_the_same_statistics() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let file = Direct::open(device.path());
    for _ in 0..5 {
        file.read(0, 4096);
    }
    let shown = device.stats();
    let read = Ynl::start().ask("stats-get", &json!({"name": "vol0"}));
    let op = read["op"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|op| op["op"] == "read")
        .expect("reads are counted");
    assert_eq!(
        (op["ios"].as_u64(), op["bytes"].as_u64()),
        (Some(shown.ios("read")), Some(shown.bytes("read")))
    );
    assert_eq!(read["in-flight"], 0);
}

/// Attributes of a nested target that a request may have; the YAML has no place to say it.
const OF_A_REQUESTED_TARGET: [&str; 4] = ["path", "offset", "length", "fd"];

fn the_policies_of_the_kernel_are_those_of_the_yaml() {
    let _module = Module::load();
    let spec = Spec::load();
    let mut client = Ynl::start();
    for operation in list_of(&spec.0["operations"]["list"]) {
        let name = text(&operation["name"]);
        let set = text(&operation["attribute-set"]);
        for kind in ["do", "dump"] {
            if operation[kind].is_badvalue() {
                continue;
            }
            let wanted = spec.policy(
                set,
                list_of(&operation[kind]["request"]["attributes"]).map(text),
            );
            // A request without attributes has an empty policy or none.
            let found = match client.policy(name, kind) {
                Value::Null => json!({}),
                policy => policy,
            };
            assert_eq!(found, wanted, "policy of {name}, {kind}");
        }
    }
}

struct Spec(Yaml);

impl Spec {
    fn load() -> Self {
        let text = fs::read_to_string("/payload/shunt.yaml").expect("the payload has the YAML");
        Self(
            YamlLoader::load_from_str(&text)
                .expect("the YAML is YAML")
                .remove(0),
        )
    }

    /// The policy that the kernel should show for these attributes of a set.
    fn policy<'a>(&self, set: &str, names: impl Iterator<Item = &'a str>) -> Value {
        names
            .map(|name| (name.to_owned(), self.attribute(set, name)))
            .collect()
    }

    fn attribute(&self, set: &str, name: &str) -> Value {
        let set = named(&self.0["attribute-sets"], set);
        let attribute = named(&set["attributes"], name);
        let checks = &attribute["checks"];
        match text(&attribute["type"]) {
            "string" => {
                json!({"type": "nul-string", "max-length": self.number(&checks["max-len"])})
            }
            "uint" => json!({"type": "uint", "min-value": 0, "max-value": u64::MAX}),
            "u32" => {
                let least = if checks["min"].is_badvalue() {
                    0
                } else {
                    self.number(&checks["min"])
                };
                json!({"type": "u32", "min-value": least, "max-value": self.greatest(attribute)})
            }
            "nest" => {
                let nested = text(&attribute["nested-attributes"]);
                json!({"type": "nested", "policy": self.policy(nested, OF_A_REQUESTED_TARGET.into_iter())})
            }
            other => panic!("no policy known for the type {other} of {name}"),
        }
    }

    fn greatest(&self, attribute: &Yaml) -> i64 {
        match attribute["enum"].as_str() {
            Some(name) => {
                list_of(&named(&self.0["definitions"], name)["entries"]).count() as i64 - 1
            }
            None if attribute["checks"]["max"].is_badvalue() => u32::MAX.into(),
            None => self.number(&attribute["checks"]["max"]),
        }
    }

    /// A number, or that of a named constant.
    fn number(&self, yaml: &Yaml) -> i64 {
        yaml.as_i64().unwrap_or_else(|| {
            named(&self.0["definitions"], text(yaml))["value"]
                .as_i64()
                .expect("a constant is a number")
        })
    }
}

fn list_of(yaml: &Yaml) -> impl Iterator<Item = &Yaml> {
    yaml.as_vec().into_iter().flatten()
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str()
        .unwrap_or_else(|| panic!("text expected, found {yaml:?}"))
}

fn named<'a>(list: &'a Yaml, name: &str) -> &'a Yaml {
    list_of(list)
        .find(|item| item["name"].as_str() == Some(name))
        .unwrap_or_else(|| panic!("the YAML has no {name}"))
}

fn a_bad_attribute_is_refused_with_words() {
    let _module = Module::load();
    let path = flash(0).path;
    let mut client = Ynl::start();
    let before = State::now();
    let cases = [
        (
            json!({"name": "vol0", "target": [{"path": path, "fd": path}], "stats-mode": 77}),
            "stats-mode",
        ),
        (
            json!({"name": "vol0", "target": [{"path": path, "fd": path}], "read-only": 2}),
            "read-only",
        ),
        (
            json!({"name": "n".repeat(64), "target": [{"path": path, "fd": path}]}),
            "name",
        ),
        (
            json!({"name": "vol0", "target": [{"path": path, "fd": path}], "size": 4096}),
            "size",
        ),
        (
            json!({"name": "vol0", "target": [{"path": path, "fd": path, "major": 1}]}),
            "major",
        ),
        (json!({"name": "vol0", "target": [{"path": path}]}), "fd"),
        (json!({"target": [{"path": path, "fd": path}]}), "name"),
        (json!({"name": "vol0"}), "target"),
        (
            json!({"name": "vol0", "target": [{"fd": path, "offset": 0}]}),
            "path",
        ),
    ];
    for (request, word) in cases {
        let said = client.refused("device-new", &request);
        assert!(
            said.contains(word),
            "{request}: {word:?} is not in {said:?}"
        );
    }
    assert_eq!(State::now(), before);
}
