// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver for Kubernetes refuses, with the codes that the interface names for each call.
#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use shunt_csi::proto::*;

use crate::guest::csi::{Driver, NODE_NAME, list};
use crate::guest::csi_calls::{
    Calls, MIB, block, code, mounted, range, refused, to_publish, to_stage, wanted,
};
use crate::guest::flash::flash;
use crate::guest::module::Module;

cases! {
    creation_is_refused_as_the_interface_has_it,
    a_volume_that_is_there_is_given_again_or_refused,
    calls_of_a_node_are_refused_as_the_interface_has_it,
}

const WRITER: i32 = access::SINGLE_NODE_WRITER;

fn creation_is_refused_as_the_interface_has_it() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(1).path]);
    let good = wanted("good", 8 * MIB, &mounted("ext4", WRITER));
    let with = |change: fn(&mut CreateVolumeRequest)| {
        let mut request = good.clone();
        change(&mut request);
        driver.create(request)
    };
    let bad: [fn(&mut CreateVolumeRequest); 13] = [
        |request| request.name.clear(),
        |request| request.name = "x".repeat(129),
        |request| request.volume_capabilities.clear(),
        |request| request.volume_capabilities[0].access_type = None,
        |request| request.volume_capabilities[0].access_mode = None,
        |request| request.volume_capabilities.push(mounted("btrfs", WRITER)),
        |request| {
            request
                .volume_capabilities
                .push(block(access::MULTI_NODE_MULTI_WRITER))
        },
        |request| {
            request
                .volume_capabilities
                .push(block(access::MULTI_NODE_READER_ONLY))
        },
        |request| request.volume_content_source = Some(VolumeContentSource {}),
        |request| drop(request.parameters.insert("colour".into(), "red".into())),
        |request| drop(request.parameters.insert("queue".into(), "fast".into())),
        |request| {
            drop(
                request
                    .mutable_parameters
                    .insert("stats".into(), "off".into()),
            )
        },
        |request| {
            request.capacity_range = Some(CapacityRange {
                required_bytes: -1,
                limit_bytes: 0,
            })
        },
    ];
    for (number, change) in bad.into_iter().enumerate() {
        eprintln!("number {number}");
        refused(with(change), code::INVALID_ARGUMENT);
    }
    refused(
        with(|request| request.capacity_range = Some(range(2 * MIB, MIB))),
        code::OUT_OF_RANGE,
    );
    refused(
        with(|request| request.capacity_range = Some(range(MIB + 1, MIB + 2))),
        code::OUT_OF_RANGE,
    );
    refused(
        with(|request| request.capacity_range = Some(range(1 << 40, 0))),
        code::RESOURCE_EXHAUSTED,
    );
    refused(
        with(|request| drop(request.parameters.insert("pool".into(), "no".into()))),
        code::RESOURCE_EXHAUSTED,
    );
    let elsewhere = |node: &str| {
        let segments = [("shunt.csi.local/node".to_owned(), node.to_owned())].into();
        Some(TopologyRequirement {
            requisite: vec![Topology { segments }],
            preferred: Vec::new(),
        })
    };
    let mut request = good.clone();
    request.accessibility_requirements = elsewhere("node-2");
    refused(driver.create(request.clone()), code::RESOURCE_EXHAUSTED);
    assert_eq!(
        list()["volumes"],
        serde_json::json!([]),
        "nothing is left of what was refused"
    );
    request.accessibility_requirements = elsewhere(NODE_NAME);
    let volume = driver.create(request).unwrap();
    driver.delete(&volume.volume_id).unwrap();
    refused(driver.delete(""), code::INVALID_ARGUMENT);
    driver.delete("nobody-knows-it").unwrap();
    let whole = "x".repeat(128);
    let volume = driver.create(wanted(&whole, MIB, &block(WRITER))).unwrap();
    driver.delete(&volume.volume_id).unwrap();
}

fn a_volume_that_is_there_is_given_again_or_refused() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(1).path]);
    let capability = mounted("ext4", WRITER);
    let volume = driver.create(wanted("it", 10 * MIB, &capability)).unwrap();
    assert_eq!(
        driver.create(wanted("it", 9 * MIB, &capability)).unwrap(),
        volume
    );
    refused(
        driver.create(wanted("it", 11 * MIB, &capability)),
        code::ALREADY_EXISTS,
    );
    let mut smaller = wanted("it", MIB, &capability);
    smaller.capacity_range = Some(range(MIB, 9 * MIB));
    refused(driver.create(smaller), code::ALREADY_EXISTS);
    let mut elsewhere = wanted("it", 10 * MIB, &capability);
    elsewhere.parameters.insert("pool".into(), "other".into());
    refused(driver.create(elsewhere), code::ALREADY_EXISTS);

    let validate = |volume_id: &str, capabilities: &[VolumeCapability]| {
        let request = ValidateVolumeCapabilitiesRequest {
            volume_id: volume_id.to_owned(),
            volume_context: volume.volume_context.clone(),
            volume_capabilities: capabilities.to_vec(),
            ..Default::default()
        };
        driver.ask::<_, ValidateVolumeCapabilitiesResponse>(
            CONTROLLER,
            "ValidateVolumeCapabilities",
            request,
        )
    };
    let both = [capability.clone(), block(access::SINGLE_NODE_SINGLE_WRITER)];
    let confirmed = validate(&volume.volume_id, &both)
        .unwrap()
        .confirmed
        .unwrap();
    assert_eq!(confirmed.volume_capabilities, both);
    let no = validate(
        &volume.volume_id,
        &[capability.clone(), block(access::MULTI_NODE_MULTI_WRITER)],
    )
    .unwrap();
    assert!(no.confirmed.is_none() && !no.message.is_empty());
    refused(validate("", &both), code::INVALID_ARGUMENT);
    refused(validate(&volume.volume_id, &[]), code::INVALID_ARGUMENT);
    refused(validate("nobody-knows-it", &both), code::NOT_FOUND);
    driver.delete(&volume.volume_id).unwrap();
    refused(validate(&volume.volume_id, &both), code::NOT_FOUND);
}

fn calls_of_a_node_are_refused_as_the_interface_has_it() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let capability = mounted("ext4", WRITER);
    let volume = driver.create(wanted("it", 32 * MIB, &capability)).unwrap();
    let id = volume.volume_id.clone();
    let unknown = Volume {
        volume_id: "0aaaaaaa-2222-4333-8444-555555555555".into(),
        ..Default::default()
    };

    let stage = to_stage(&volume, &capability);
    refused(
        driver.stage(NodeStageVolumeRequest {
            volume_id: String::new(),
            ..stage.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.stage(NodeStageVolumeRequest {
            staging_target_path: String::new(),
            ..stage.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.stage(NodeStageVolumeRequest {
            volume_capability: None,
            ..stage.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.stage(to_stage(&unknown, &capability)),
        code::NOT_FOUND,
    );
    refused(
        driver.stage(to_stage(
            &volume,
            &mounted("ext4", access::MULTI_NODE_MULTI_WRITER),
        )),
        code::FAILED_PRECONDITION,
    );

    let publish = to_publish(&volume, &capability, 1);
    refused(driver.publish(publish.clone()), code::FAILED_PRECONDITION);
    driver.stage(stage).unwrap();
    refused(
        driver.stage(to_stage(&volume, &mounted("xfs", WRITER))),
        code::ALREADY_EXISTS,
    );
    refused(
        driver.stage(to_stage(&volume, &block(WRITER))),
        code::ALREADY_EXISTS,
    );
    refused(
        driver.publish(NodePublishVolumeRequest {
            volume_id: String::new(),
            ..publish.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.publish(NodePublishVolumeRequest {
            target_path: String::new(),
            ..publish.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.publish(NodePublishVolumeRequest {
            volume_capability: None,
            ..publish.clone()
        }),
        code::INVALID_ARGUMENT,
    );
    refused(
        driver.publish(NodePublishVolumeRequest {
            staging_target_path: String::new(),
            ..publish.clone()
        }),
        code::FAILED_PRECONDITION,
    );
    refused(
        driver.publish(to_publish(&unknown, &capability, 1)),
        code::NOT_FOUND,
    );
    driver.publish(publish.clone()).unwrap();
    refused(
        driver.publish(NodePublishVolumeRequest {
            readonly: true,
            ..publish.clone()
        }),
        code::ALREADY_EXISTS,
    );
    refused(
        driver.publish(NodePublishVolumeRequest {
            volume_capability: Some(block(WRITER)),
            ..publish.clone()
        }),
        code::ALREADY_EXISTS,
    );

    let at = &publish.target_path;
    refused(driver.stats("", at), code::INVALID_ARGUMENT);
    refused(driver.stats(&id, ""), code::INVALID_ARGUMENT);
    refused(driver.stats(&id, "/run/nowhere"), code::NOT_FOUND);
    refused(driver.stats(&id, "/run"), code::NOT_FOUND);
    refused(driver.stats(&unknown.volume_id, at), code::NOT_FOUND);
    refused(driver.expand("", at, 40 * MIB), code::INVALID_ARGUMENT);
    refused(driver.expand(&id, "", 40 * MIB), code::INVALID_ARGUMENT);
    refused(
        driver.expand(&unknown.volume_id, at, 40 * MIB),
        code::NOT_FOUND,
    );
    refused(
        driver.expand(&id, "/run/nowhere", 40 * MIB),
        code::NOT_FOUND,
    );
    refused(driver.expand(&id, at, 1 << 40), code::OUT_OF_RANGE);
    assert_eq!(
        driver.expand(&id, at, MIB),
        Ok(32 * MIB),
        "it is larger already"
    );
    refused(driver.health(""), code::INVALID_ARGUMENT);
    refused(driver.health(&unknown.volume_id), code::NOT_FOUND);
    refused(driver.unpublish("", at), code::INVALID_ARGUMENT);
    refused(driver.unpublish(&id, ""), code::INVALID_ARGUMENT);
    refused(driver.unstage(""), code::INVALID_ARGUMENT);
    driver.unpublish(&id, at).unwrap();
    driver.unstage(&id).unwrap();
    driver.delete(&id).unwrap();
}
