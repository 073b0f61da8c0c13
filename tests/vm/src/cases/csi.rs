// SPDX-License-Identifier: MIT OR Apache-2.0
//! The driver for Kubernetes: who it is, and a claim's life, with each call made twice.
#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use nix::fcntl::OFlag;
use shunt_csi::proto::*;

use crate::guest::command::{attempt, run, run_with_input};
use crate::guest::csi::{Driver, NODE_NAME, list};
use crate::guest::csi_calls::{
    Calls, MIB, block, code, mounted, refused, to_publish, to_stage, wanted,
};
use crate::guest::direct::Direct;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::scrape::{sample, scrape};

cases! {
    it_says_who_it_is_and_what_it_can_do,
    it_is_ready_once_the_module_is_loaded,
    a_drive_with_anything_on_it_is_not_taken,
    a_claim_lives_from_its_creation_to_its_end_with_each_call_made_twice,
    metrics_have_the_names_of_the_claim,
}

const WRITER: i32 = access::SINGLE_NODE_WRITER;

fn it_says_who_it_is_and_what_it_can_do() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let info: GetPluginInfoResponse = driver.ask(IDENTITY, "GetPluginInfo", Empty {}).unwrap();
    assert_eq!(info.name, "shunt.csi.local");
    assert!(!info.vendor_version.is_empty());
    let plugin: GetPluginCapabilitiesResponse = driver
        .ask(IDENTITY, "GetPluginCapabilities", Empty {})
        .unwrap();
    assert_eq!(plugin.capabilities.len(), 3);
    let kinds = |service: &str, method: &str| {
        let answer: GetCapabilitiesResponse = driver.ask(service, method, Empty {}).unwrap();
        let kinds = answer
            .capabilities
            .into_iter()
            .map(|capability| capability.rpc.unwrap().kind);
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(kinds(CONTROLLER, "ControllerGetCapabilities"), [1, 4, 13]);
    assert_eq!(kinds(NODE, "NodeGetCapabilities"), [1, 2, 3, 5, 7, 8]);
    let node: NodeGetInfoResponse = driver.ask(NODE, "NodeGetInfo", Empty {}).unwrap();
    assert_eq!(node.node_id, NODE_NAME);
    let segments = node.accessible_topology.unwrap().segments;
    assert_eq!(segments["shunt.csi.local/node"], NODE_NAME);
    let none: Result<Empty, _> = driver.ask(CONTROLLER, "ListVolumes", Empty {});
    refused(none, 12);
    let none: Result<Empty, _> = driver.ask("csi.v1.GroupController", "X", Empty {});
    refused(none, 12);
}

fn it_is_ready_once_the_module_is_loaded() {
    let driver = Driver::start(&[&flash(0).path]);
    let ready = || {
        let answer: ProbeResponse = driver.ask(IDENTITY, "Probe", Empty {}).unwrap();
        answer.ready.unwrap().value
    };
    assert!(!ready());
    // What needs no module is done without.
    let volume = driver
        .create(wanted("early", 8 * MIB, &mounted("ext4", WRITER)))
        .unwrap();
    refused(
        driver.stage(to_stage(&volume, &mounted("ext4", WRITER))),
        code::UNAVAILABLE,
    );
    assert!(
        !Path::new("/sys/module/shunt").exists(),
        "it is not loaded by a call"
    );
    let module = Module::load();
    assert!(ready());
    driver.delete(&volume.volume_id).unwrap();
    drop(driver);
    drop(module);
}

fn a_drive_with_anything_on_it_is_not_taken() {
    let (first, second) = (flash(0).path, flash(1).path);
    run(&format!("mkfs.ext4 -q -F {first}"));
    let refusal = attempt(&["shunt-csi", "init", &first]);
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.stderr.contains("TYPE=ext4"), "{}", refusal.stderr);
    assert_eq!(
        run(&format!("blkid -p -o value -s TYPE {first}")).trim(),
        "ext4"
    );
    run(&format!("wipefs --all --quiet {first}"));
    run(&format!("shunt-csi init {first} --pool fast"));
    assert!(run(&format!("shunt-csi init {first} --pool fast")).contains("already"));
    let refusal = attempt(&["shunt-csi", "init", &first]);
    assert!(
        refusal.stderr.contains("is in the pool fast"),
        "{}",
        refusal.stderr
    );
    assert_eq!(list()["drives"][0]["pool"], "fast");
    let holder = Direct::open_with(&second, OFlag::O_EXCL);
    let refusal = attempt(&["shunt-csi", "init", &second]);
    assert!(refusal.stderr.contains("busy"), "{}", refusal.stderr);
    drop(holder);
    run(&format!("wipefs --all --quiet {first}"));
    let refusal = attempt(&["shunt-csi", "init", "/dev/null"]);
    assert!(
        refusal.stderr.contains("not a whole drive"),
        "{}",
        refusal.stderr
    );
}

fn a_claim_lives_from_its_creation_to_its_end_with_each_call_made_twice() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path, &flash(1).path]);
    let id = "0aaaaaaa-2222-4333-8444-555555555555";
    let capability = mounted("ext4", access::SINGLE_NODE_MULTI_WRITER);
    let mut request = wanted(&format!("pvc-{id}"), 40 * MIB + 1, &capability);
    request.parameters = [
        ("csi.storage.k8s.io/pvc/name".to_owned(), "data".to_owned()),
        ("stats".to_owned(), "counters".to_owned()),
    ]
    .into();
    let volume = driver.create(request.clone()).unwrap();
    assert_eq!(driver.create(request).unwrap(), volume);
    assert_eq!(
        (&*volume.volume_id, volume.capacity_bytes as u64),
        (id, 41 * MIB)
    );
    assert_eq!(
        volume.accessible_topology[0].segments["shunt.csi.local/node"],
        NODE_NAME
    );
    let uuids = run(&format!("sfdisk --json {}", flash(0).path));
    assert!(
        uuids.contains(&id.to_uppercase()),
        "any tool finds the volume by the claim's uid: {uuids}"
    );

    let before = driver.capacity().unwrap();
    let stage = to_stage(&volume, &capability);
    for _ in 0..2 {
        driver.stage(stage.clone()).unwrap();
    }
    let publish = to_publish(&volume, &capability, 1);
    for _ in 0..2 {
        driver.publish(publish.clone()).unwrap();
    }
    let shown = run(&format!("shunt show pvc-{id} --json"));
    assert!(shown.contains("\"stats\":\"counters\""), "{shown}");
    let file = Path::new(&publish.target_path).join("file");
    fs::write(&file, "content").unwrap();
    for path in [&publish.target_path, &stage.staging_target_path] {
        let usage = driver.stats(id, path).unwrap();
        assert_eq!(
            usage.iter().map(|usage| usage.unit).collect::<Vec<_>>(),
            [unit::BYTES, unit::INODES]
        );
        assert!(
            usage
                .iter()
                .all(|usage| usage.total > 0 && usage.used > 0 && usage.available > 0)
        );
        assert!(usage[0].total as u64 > 30 * MIB);
    }
    driver.grow(id, &publish.target_path, 100 * MIB, 50 * MIB);
    assert_eq!(
        driver
            .create(wanted(&format!("pvc-{id}"), 41 * MIB, &capability))
            .unwrap()
            .capacity_bytes as u64,
        100 * MIB
    );
    assert_eq!(driver.health(id), Ok(Vec::new()));
    let grown = driver.capacity().unwrap();
    assert_eq!(
        (before.available_capacity - grown.available_capacity) as u64,
        59 * MIB
    );

    for _ in 0..2 {
        driver.unpublish(id, &publish.target_path).unwrap();
        assert!(!Path::new(&publish.target_path).exists());
    }
    for _ in 0..2 {
        driver.unstage(id).unwrap();
    }
    assert_eq!(driver.health(id), Ok(Vec::new()));
    driver.stage(stage).unwrap();
    driver.publish(publish.clone()).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "content");
    driver.unpublish(id, &publish.target_path).unwrap();
    driver.unstage(id).unwrap();
    for _ in 0..2 {
        driver.delete(id).unwrap();
    }
    assert_eq!(list()["volumes"], serde_json::json!([]));
    driver.settled();
    assert_eq!(
        driver.capacity().unwrap().available_capacity as u64,
        before.available_capacity as u64 + 41 * MIB
    );
}

fn metrics_have_the_names_of_the_claim() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let raw = block(WRITER);
    let mut request = wanted("it", 8 * MIB, &raw);
    let names = [
        ("pvc/name", "data"),
        ("pvc/namespace", "db"),
        ("pv/name", "pv-1"),
    ];
    let names = names.map(|(name, value)| (format!("csi.storage.k8s.io/{name}"), value.to_owned()));
    request.parameters = names.into_iter().collect();
    let volume = driver.create(request).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &raw)).unwrap();
    let publish = to_publish(&volume, &raw, 1);
    driver.publish(publish.clone()).unwrap();
    let device = Direct::open_to_read(&publish.target_path);
    (0..9).for_each(|block| drop(device.read(block * 4096, 4096)));
    drop(device);
    let text = scrape(TcpStream::connect("127.0.0.1:9746").expect("metrics are served"));
    run_with_input(&["promtool", "check", "metrics"], &text);
    let labels = format!(
        "{{device=\"pvc-{id}\",persistentvolumeclaim=\"data\",namespace=\"db\",persistentvolume=\"pv-1\",op=\"read\"}}"
    );
    assert!(sample(&text, &format!("shunt_ios_total{labels}")) >= 9.0);
    assert!(sample(&text, &format!("shunt_latency_seconds_count{labels}")) >= 9.0);
    let pool = |name: &str| sample(&text, &format!("shunt_pool_{name}{{pool=\"default\"}}"));
    assert_eq!((pool("drives"), pool("freed_bytes")), (1.0, 0.0));
    assert_eq!(
        pool("free_bytes"),
        driver.capacity().unwrap().available_capacity as f64
    );
    assert!(pool("size_bytes") > pool("free_bytes"));
    driver.unpublish(id, &publish.target_path).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}
