// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names and numbers of `uapi/shunt.yaml`, by the rules of YNL.

use super::super::Names;
use std::collections::BTreeMap;
use yaml_rust2::{Yaml, YamlLoader};

const SPEC: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../uapi/shunt.yaml"
));

/// All names, as the Rust constants should have them.
pub(crate) fn names() -> Names {
    let spec = spec();
    let mut names = Names::new();
    let mut add = |name: String, value: String| {
        assert_eq!(names.insert(name.clone(), value), None, "{name} twice")
    };
    add("FAMILY_NAME".to_owned(), quoted(&spec["name"]));
    add("FAMILY_VERSION".to_owned(), "1".to_owned());
    for item in list(&spec["definitions"]) {
        match word(&item["type"]) {
            "const" => add(upper(&item["name"]), number(&item["value"]).to_string()),
            "enum" => {
                for (value, entry) in
                    numbered(&item["entries"], item["value-start"].as_i64().unwrap_or(0))
                {
                    add(
                        format!("{}::{}", camel(&item["name"]), camel(&entry["name"])),
                        value.to_string(),
                    );
                }
            }
            other => panic!("definition of type {other}"),
        }
    }
    for (value, op) in numbered(&spec["operations"]["list"], 1) {
        add(format!("cmd::{}", upper(&op["name"])), value.to_string());
    }
    for (index, group) in list(&spec["mcast-groups"]["list"]).iter().enumerate() {
        add(
            format!("group::{}", upper(&group["name"])),
            quoted(&group["name"]),
        );
        add(
            format!("group::{}_INDEX", upper(&group["name"])),
            index.to_string(),
        );
    }
    for set in list(&spec["attribute-sets"])
        .iter()
        .filter(|set| set["subset-of"].is_badvalue())
    {
        for (value, attr) in numbered(&set["attributes"], 1) {
            add(
                format!("{}::{}", snake(&set["name"]), upper(&attr["name"])),
                value.to_string(),
            );
        }
    }
    names
}

/// The numbers and words of each enum, in the order of the spec.
pub(crate) fn words() -> BTreeMap<String, Vec<(u32, String)>> {
    let spec = spec();
    let enums = list(&spec["definitions"])
        .iter()
        .filter(|item| word(&item["type"]) == "enum");
    enums
        .map(|item| {
            let entries = numbered(&item["entries"], item["value-start"].as_i64().unwrap_or(0));
            let words = entries
                .map(|(value, entry)| (u32::try_from(value).unwrap(), snake(&entry["name"])));
            (camel(&item["name"]), words.collect())
        })
        .collect()
}

fn spec() -> Yaml {
    YamlLoader::load_from_str(SPEC).unwrap().remove(0)
}

fn list(node: &Yaml) -> &[Yaml] {
    node.as_vec().unwrap()
}

fn word(node: &Yaml) -> &str {
    node.as_str().unwrap()
}

fn number(node: &Yaml) -> i64 {
    node.as_i64().unwrap()
}

/// Each node has the number that it gives, or the one after its predecessor's.
fn numbered(nodes: &Yaml, first: i64) -> impl Iterator<Item = (i64, &Yaml)> {
    let mut next = first;
    list(nodes).iter().map(move |node| {
        let value = node["value"].as_i64().unwrap_or(next);
        next = value + 1;
        (value, node)
    })
}

fn quoted(node: &Yaml) -> String {
    format!("{:?}", word(node))
}

fn snake(node: &Yaml) -> String {
    word(node).replace('-', "_")
}

fn upper(node: &Yaml) -> String {
    snake(node).to_uppercase()
}

fn camel(node: &Yaml) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    word(node).split('-').map(capital).collect()
}
