// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manifests: what Helm renders with the chart's own values is what kustomize has, file by file. The templates have values
//! and one condition a file, and nothing else, so that a few lines here can stand for Helm.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// Names and values of the chart, by the words that stand for them in a template.
fn values() -> BTreeMap<String, String> {
    let text = fs::read_to_string(deploy().join("helm/shunt-csi/values.yaml")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let mut values: BTreeMap<_, _> = pairs
        .map(|(name, value)| (format!(".Values.{name}"), value.to_owned()))
        .collect();
    values.insert(".Release.Namespace".to_owned(), "shunt-csi".to_owned());
    values
}

fn render(template: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = template.to_owned();
    if let Some(rest) = text.strip_prefix("{{- if .Values.monitoring }}\n") {
        text = rest.strip_suffix("{{- end }}\n").unwrap().to_owned();
    }
    for (name, value) in values {
        text = text.replace(&format!("{{{{ {name} }}}}"), value);
    }
    assert!(!text.contains("{{"), "{text}");
    text
}

#[test]
fn helm_renders_what_kustomize_has() {
    let values = values();
    let mut seen = Vec::new();
    for entry in fs::read_dir(deploy().join("helm/shunt-csi/templates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let rendered = render(&fs::read_to_string(&path).unwrap(), &values);
        let folders = ["base", "monitoring"].map(|folder| deploy().join(folder).join(&name));
        let ours = folders.iter().find(|path| path.exists()).unwrap();
        assert_eq!(rendered, fs::read_to_string(ours).unwrap(), "{name}");
        seen.push(name);
    }
    for folder in ["base", "monitoring"] {
        for entry in fs::read_dir(deploy().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // Who installs a chart makes its namespace.
            let only_here = ["kustomization.yaml", "namespace.yaml"].contains(&&*name);
            assert!(only_here || seen.contains(&name), "Helm has no {name}");
        }
    }
}

#[test]
fn the_versions_are_those_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let values = &values()[".Values.image"];
    assert_eq!(values, &format!("shunt-csi:{version}"));
    let chart = fs::read_to_string(deploy().join("helm/shunt-csi/Chart.yaml")).unwrap();
    assert!(chart.contains(&format!("\nappVersion: {version}\n")));
}
